//! A gateway that does its worst, between the functions and API Gateway's management endpoint.
//!
//! `management_base` points the functions' posts here. Frames of workstreams whose name begins with
//! [`FAULTY`] meet a fault now and then, by a seeded schedule: refused with 410, 413, 429 or 500,
//! never answered, delivered twice, delivered and then cut off. With [`DOWN`] every one is answered
//! with 500. All other posts pass.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Workstreams whose frames meet faults.
pub const FAULTY: &str = "faulty-";
/// Workstreams whose frames never arrive.
pub const DOWN: &str = "down-";

/// Posts of faulty workstreams that may meet a fault; later ones pass, so that there is an end.
const FAULTY_POSTS: usize = 80;
/// Longer than the functions wait for an answer.
const HANG: Duration = Duration::from_secs(4);

/// How long a connection to the local cloud is kept idle. It closes one without a word, though much
/// later.
const KEPT: Duration = Duration::from_secs(2);

/// What becomes of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    Refuse(u16),
    Hang,
    Twice,
    DeliverAndCut,
}

/// The gateway, for as long as the program runs.
pub struct Gateway {
    port: u16,
    state: Arc<State>,
}

struct State {
    upstream: u16,
    seed: Mutex<u64>,
    armed: AtomicBool,
    faulty: AtomicUsize,
    /// How often each kind of fault was met.
    met: Mutex<std::collections::BTreeMap<String, usize>>,
    /// Connections of which 410 was said.
    gone: Mutex<Vec<String>>,
}

impl Gateway {
    /// Listens on a free port and passes on to `upstream` on this machine.
    pub fn start(upstream: u16, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            upstream,
            seed: Mutex::new(seed),
            armed: AtomicBool::new(false),
            faulty: AtomicUsize::new(0),
            met: Mutex::default(),
            gone: Mutex::default(),
        });
        let serving = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = serving.clone();
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { port, state }
    }

    /// From now on posts of faulty workstreams meet faults. A first page that failed would be asked
    /// for again only when its time is up, and a test would wait for nothing else.
    pub fn arm(&self) {
        self.state.armed.store(true, Ordering::SeqCst);
    }

    /// The value of `management_base`.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}/_aws/execute-api", self.port)
    }

    /// How often each kind of fault was met.
    pub fn met(&self) -> std::collections::BTreeMap<String, usize> {
        self.state.met.lock().expect("no panic").clone()
    }

    /// How many connections were said to be gone.
    pub fn gone(&self) -> usize {
        self.state.gone.lock().expect("no panic").len()
    }
}

impl State {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut reader = BufReader::new(client.try_clone()?);
        let mut upstream = Upstream { port: self.upstream, kept: None };
        while let Some(request) = read_message(&mut reader)? {
            let fate = self.fate(&request);
            if fate != Fate::Pass {
                *self.met.lock().expect("no panic").entry(format!("{fate:?}")).or_default() += 1;
            }
            let times = match fate {
                Fate::Pass | Fate::DeliverAndCut => 1,
                Fate::Twice => 2,
                Fate::Refuse(_) | Fate::Hang => 0,
            };
            let mut answer = None;
            for _ in 0..times {
                answer = upstream.pass(&request)?;
            }
            match fate {
                Fate::Refuse(status) => {
                    if status == 410 {
                        self.gone.lock().expect("no panic").push(connection(&request));
                    }
                    let head = format!("HTTP/1.1 {status} Injected\r\ncontent-length: 0\r\n\r\n");
                    client.write_all(head.as_bytes())?;
                }
                Fate::Hang => {
                    thread::sleep(HANG);
                    return Ok(());
                }
                Fate::DeliverAndCut => return Ok(()),
                Fate::Pass | Fate::Twice => match answer {
                    Some(answer) => client.write_all(&answer)?,
                    None => return Ok(()),
                },
            }
        }
        Ok(())
    }

    fn fate(&self, request: &[u8]) -> Fate {
        let names = |prefix: &str| {
            let needle = format!(r#""workstream":"{prefix}"#);
            request.windows(needle.len()).any(|window| window == needle.as_bytes())
        };
        if names(DOWN) {
            return Fate::Refuse(500);
        }
        if !names(FAULTY)
            || !self.armed.load(Ordering::SeqCst)
            || self.faulty.fetch_add(1, Ordering::SeqCst) >= FAULTY_POSTS
        {
            return Fate::Pass;
        }
        match self.next() % 16 {
            0 => Fate::Refuse(410),
            1 => Fate::Refuse(413),
            2 => Fate::Refuse(429),
            3 | 4 => Fate::Refuse(500),
            5 => Fate::Hang,
            6 => Fate::Twice,
            7 => Fate::DeliverAndCut,
            _ => Fate::Pass,
        }
    }

    fn next(&self) -> u64 {
        let mut seed = self.seed.lock().expect("no panic");
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed >> 20
    }
}

/// The connection to the local cloud that belongs to one from a function.
struct Upstream {
    port: u16,
    kept: Option<(BufReader<TcpStream>, Instant)>,
}

impl Upstream {
    /// Passes a request on; gives the answer.
    fn pass(&mut self, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut stream = match self.kept.take() {
            Some((stream, used)) if used.elapsed() < KEPT => stream,
            _ => {
                let stream = TcpStream::connect(("127.0.0.1", self.port))?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        stream.get_mut().write_all(request)?;
        let answer = read_message(&mut stream)?;
        if answer.as_deref().is_some_and(stays_open) {
            self.kept = Some((stream, Instant::now()));
        }
        Ok(answer)
    }
}

/// Whether the connection goes on behind an answer. After a thousand the local cloud says `close`.
fn stays_open(answer: &[u8]) -> bool {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let has = |name: &str| head.contains(&format!("\r\n{name}:"));
    !head.contains("\r\nconnection: close") && (has("content-length") || has("transfer-encoding"))
}

/// The connection that a post is for.
fn connection(request: &[u8]) -> String {
    let line = String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or(&[]));
    let path = line.split(' ').nth(1).unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A whole HTTP/1.1 request or answer as bytes; `None` at the end.
fn read_message(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        message.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
        if text.trim().is_empty() {
            break;
        }
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        chunked |= text.starts_with("transfer-encoding:") && text.contains("chunked");
    }
    if chunked {
        read_chunks(from, &mut message)?;
    } else {
        let start = message.len();
        message.resize(start + length, 0);
        from.read_exact(&mut message[start..])?;
    }
    Ok(Some(message))
}

fn read_chunks(from: &mut impl BufRead, message: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        message.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(text.trim(), 16).unwrap_or(0);
        let start = message.len();
        message.resize(start + size + 2, 0);
        from.read_exact(&mut message[start..])?;
        if size == 0 {
            return Ok(());
        }
    }
}
