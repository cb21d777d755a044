//! The program itself, against a scripted Lambda runtime API and table: how it starts, and how it
//! ends.
#![cfg(feature = "aws")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

/// What the program asked for, and a way to answer.
struct Asked {
    what: String,
    stream: TcpStream,
}

impl Asked {
    fn answer(mut self, headers: &str, body: &str) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        self.stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    }
}

/// Both services on one port; requests are handed to the test, which answers them.
fn services() -> (u16, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, asked) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            thread::spawn(move || read_requests(stream, &sender));
        }
    });
    (port, asked)
}

fn read_requests(stream: TcpStream, sender: &Sender<Asked>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut what, mut length, mut line) = (String::new(), 0, String::new());
        while reader.read_line(&mut line).ok()? > 2 {
            let text = line.trim_end().to_owned();
            let lower = text.to_ascii_lowercase();
            if what.is_empty() {
                what = text.rsplit_once(" HTTP").map(|(request, _)| request.to_owned())?;
            } else if let Some(value) = lower.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            } else if let Some((_, call)) = lower.split_once("x-amz-target: dynamodb_20120810.") {
                what = call.to_owned();
            }
            line.clear();
        }
        if what.is_empty() {
            return None;
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        sender.send(Asked { what, stream: stream.try_clone().ok()? }).ok()?;
    }
}

fn program(handler: &str, port: u16) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ralph-lambda"))
        .env_clear()
        .env("_HANDLER", handler)
        .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{port}"))
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "ralph-dev-test")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("RALPH_ENVIRONMENT", "dev")
        .env("RALPH_TABLE", "ralph-dev-connections")
        .env("RALPH_LOG_GROUP", "/ralph/workstreams")
        .env("RALPH_RETENTION_DAYS", "7")
        .env("RALPH_MANAGEMENT_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn next(asked: &Receiver<Asked>) -> Asked {
    asked.recv_timeout(Duration::from_secs(60)).expect("the program asks for something")
}

fn stop(program: &Child) {
    let done = Command::new("kill").args(["-TERM", &program.id().to_string()]).status().unwrap();
    assert!(done.success());
}

fn end(mut program: Child) -> (ExitStatus, String) {
    let mut log = String::new();
    program.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    (program.wait().unwrap(), log)
}

const POLL: &str = "GET /2018-06-01/runtime/invocation/next";
const CONNECT: &str = r#"{"requestContext":{"connectionId":"c=","connectedAt":1700000000000,
    "requestTimeEpoch":1700000000000,
    "authorizer":{"user":"ada","scope":"docs"}},"queryStringParameters":{"token":"hunter2"}}"#;

fn invocation() -> String {
    let deadline = std::time::SystemTime::now() + Duration::from_secs(60);
    let deadline = deadline.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    format!(
        "lambda-runtime-aws-request-id: r1\r\nlambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn\r\nlambda-runtime-trace-id: t\r\n"
    )
}

#[test]
fn told_to_stop_it_answers_the_invocation_at_hand_first() {
    let (port, asked) = services();
    let program = program("connect", port);
    let poll = next(&asked);
    assert_eq!(poll.what, POLL);
    poll.answer(&invocation(), CONNECT);
    let write = next(&asked);
    assert_eq!(write.what, "putitem");
    stop(&program);
    // It must not end while the table keeps it waiting.
    assert!(asked.recv_timeout(Duration::from_millis(300)).is_err());
    write.answer("content-type: application/x-amz-json-1.0\r\n", "{}");
    let answer = next(&asked);
    assert_eq!(answer.what, "POST /2018-06-01/runtime/invocation/r1/response");
    answer.answer("", "");
    let (status, log) = end(program);
    assert!(status.success(), "{status}");
    assert!(log.contains(r#""requestId":"r1""#) && log.contains(r#""connectionId":"c=""#), "{log}");
    assert!(log.contains(r#""ColdStarts":1"#) && !log.contains("hunter2"), "{log}");
}

#[test]
fn told_to_stop_while_it_waits_it_ends_at_once() {
    let (port, asked) = services();
    let program = program("disconnect", port);
    assert_eq!(next(&asked).what, POLL);
    stop(&program);
    assert!(end(program).0.success());
}

#[test]
fn functions_that_read_open_their_connection_to_the_table_before_the_first_event() {
    for handler in ["push-logs", "send-logs"] {
        let (port, asked) = services();
        let mut program = program(handler, port);
        let read = next(&asked);
        assert_eq!(read.what, "getitem", "{handler}");
        // Even a table that does not answer keeps nobody waiting for long.
        assert_eq!(next(&asked).what, POLL, "{handler}");
        program.kill().unwrap();
        program.wait().unwrap();
    }
}
