//! Measures the worker's own work and prints rows of JSON, one a line:
//! `{name, unit, ours, peer, peerName, ratio, goal, met}`.
//!
//! `cargo run --release -p ralph-worker --example bench`

mod checkpoint;
mod process;

use std::{
    hint::black_box,
    io::{self, Write},
    sync::mpsc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, response::Response, routing::post};
use ralph_protocol::secret::AnthropicKeys;
use ralph_worker::{
    account::Account,
    agent::{lines::Lines, stream::Transcript},
    gateway::Gateway,
    journal::Journal,
    machine::Usd,
    platform::{CONFINED, become_confined},
    redact::Redactor,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
const QUESTION: &str = r#"{"model":"claude-haiku-4-5","max_tokens":1}"#;
const ANSWER: &str = r#"{"model":"claude-haiku-4-5","usage":{"input_tokens":1}}"#;
const SECRETS: [&str; 3] = [
    "not-a-real-key-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "not-a-real-key-BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
    "not-a-real-token-0123456789abcdef0123456789abcdef",
];

fn main() {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.first().and_then(|word| word.to_str()) {
        Some(process::WORKER) => process::be_the_worker(),
        // A worker starts its own program again to start the agent.
        Some(CONFINED) => panic!("{}", become_confined(&words[2..])),
        Some("checkpoint") => return checkpoint::rows().iter().for_each(|row| println!("{row}")),
        _ => {}
    }
    let rows =
        [throughput(), latency(), process::long_lines(), process::large_requests(), gateway()];
    for row in rows.into_iter().chain(checkpoint::rows()) {
        println!("{row}");
    }
}

fn row(
    name: &str,
    unit: &str,
    ours: f64,
    peer: Option<(f64, &str)>,
    goal: f64,
    less: bool,
) -> Value {
    let round = |x: f64| (x * 1000.0).round() / 1000.0;
    let met = if less { ours <= goal } else { ours >= goal };
    json!({
        "name": name, "unit": unit, "ours": round(ours),
        "peer": peer.map(|(value, _)| round(value)), "peerName": peer.map(|(_, name)| name),
        "ratio": peer.map(|(value, _)| round(ours / value)), "goal": goal, "met": met,
    })
}

/// Lines as an agent writes them: mostly tool results of some kilobytes, some with colours.
fn transcript_bytes() -> Vec<u8> {
    let code = "    let value = compute(&input)?; // a line of source code, as a tool shows it\n"
        .repeat(40);
    let coloured = "\u{1b}[32mtest some::module::case_one ... ok\u{1b}[0m\n".repeat(20);
    let mut bytes = Vec::new();
    while bytes.len() < 8 << 20 {
        for text in [&code, &code, &coloured] {
            let result = json!({"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t", "content": text}]}});
            writeln!(bytes, "{result}").expect("memory");
        }
        let text = json!({"type": "assistant", "message": {"content": [{"type": "text", "text": "I look at the next file."}]}});
        writeln!(bytes, "{text}").expect("memory");
    }
    bytes
}

fn megabytes_a_second(bytes: usize, mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        work();
        best = best.min(begun.elapsed().as_secs_f64());
    }
    bytes as f64 / 1e6 / best
}

/// Lines, JSON, events, redaction: what happens to every byte before it is written.
fn throughput() -> Value {
    let bytes = transcript_bytes();
    let redactor = Redactor::new(SECRETS);
    let through = |redact: &mut dyn FnMut(&mut String)| {
        let mut transcript = Transcript::default();
        let mut lines = Lines::default();
        for chunk in bytes.chunks(64 << 10) {
            lines.feed(chunk, |line| {
                for (_, mut kind) in transcript.take(&line) {
                    if let Some(text) = kind.text_mut() {
                        redact(text);
                    }
                    black_box(&kind);
                }
            });
        }
    };
    let ours = megabytes_a_second(bytes.len(), || through(&mut |text| redactor.redact(text)));
    let peer = megabytes_a_second(bytes.len(), || {
        through(&mut |text| {
            // What a simple loop does: the plain values only, one after the other, line by line.
            let lines: Vec<String> = text
                .lines()
                .map(|line| {
                    SECRETS.iter().fold(line.to_owned(), |line, secret| line.replace(secret, "***"))
                })
                .collect();
            *text = lines.join("\n");
        });
    });
    row(
        "reader and redactor",
        "MB/s",
        ours,
        Some((peer, "plain replace per value and line")),
        100.0,
        false,
    )
}

/// A stdout that notes when each write came.
struct Noting(mpsc::Sender<Instant>);

impl Write for Noting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(Instant::now()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn journal(out: impl Write + Send + 'static) -> Journal {
    let (workstream, run) = ("bench".parse().expect("an id"), RUN.parse().expect("an id"));
    Journal::start(workstream, run, Redactor::new(SECRETS), out, None).expect("a thread")
}

/// From a line's arrival to its write.
fn latency() -> Value {
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Noting(sender));
    let line = json!({"type": "assistant", "message": {"content": [{"type": "text", "text": "a line of some eighty characters, as an agent writes them most of the time"}]}});
    let line = line.to_string();
    let mut transcript = Transcript::default();
    let mut times: Vec<f64> = (0..5_000)
        .map(|_| {
            let begun = Instant::now();
            for (level, kind) in transcript.take(line.as_bytes()) {
                journal.emit(level, kind);
            }
            let written = receiver.recv().expect("a write");
            std::thread::sleep(Duration::from_micros(200));
            (written - begun).as_secs_f64() * 1e3
        })
        .collect();
    row("added latency per line, p99", "ms", percentile(&mut times, 0.99), None, 1.0, true)
}

fn percentile(times: &mut [f64], part: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * part) as usize]
}

/// Time to the first byte of an answer, with the gateway and without.
fn gateway() -> Value {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (direct, through) = runtime.block_on(async {
        let answer = || async { Response::new(Body::from(ANSWER)) };
        let app = Router::new().route("/v1/messages", post(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let keys = AnthropicKeys::parse(r#"{"keys":[{"id":"a","value":"not-a-real-key"}]}"#)
            .expect("keys");
        let url = format!("http://{upstream}").parse().expect("a URL");
        let journal = journal(io::sink());
        let account = Account::new(Usd::from_dollars(1.0), journal.clone());
        let gateway = Gateway::start(url, keys, account, journal).await.expect("a gateway");
        let lease = gateway.open().expect("randomness");
        let address = lease.endpoint().url.replace("http://", "");
        let key = lease.endpoint().dummy_key.clone();
        // Interleaved, so that both see the same machine.
        let (mut direct, mut through) = (Vec::new(), Vec::new());
        let mut direct_stream = TcpStream::connect(&upstream).await.expect("a connection");
        let mut through_stream = TcpStream::connect(&address).await.expect("a connection");
        for _ in 0..1_000 {
            direct.push(ask(&mut direct_stream, &key).await);
            through.push(ask(&mut through_stream, &key).await);
        }
        (percentile(&mut direct, 0.5), percentile(&mut through, 0.5))
    });
    let peer = Some((direct, "the endpoint itself; ours minus it is what is added"));
    let mut value = row("gateway, time to first byte, p50", "ms", through, peer, 1.0, true);
    value["met"] = json!(through - direct <= 1.0);
    value
}

/// One request on a connection that stays open; ms until the first byte of the answer.
async fn ask(stream: &mut TcpStream, key: &str) -> f64 {
    stream.set_nodelay(true).expect("a socket");
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: {}\r\n\r\n{QUESTION}",
        QUESTION.len()
    );
    let begun = Instant::now();
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut buffer = [0; 4096];
    let mut read = stream.read(&mut buffer).await.expect("an answer");
    let time = begun.elapsed().as_secs_f64() * 1e3;
    while !buffer[..read].ends_with(b"}") {
        let more = stream.read(&mut buffer[read..]).await.expect("the rest");
        assert!(more > 0, "{}", String::from_utf8_lossy(&buffer[..read]));
        read += more;
    }
    time
}
