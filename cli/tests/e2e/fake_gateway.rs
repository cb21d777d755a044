//! A gateway whose every answer the test writes, and AWS's services on the same port, as the local
//! cloud has them.

use std::{
    io,
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::{
    cloud::ralph,
    fake_aws::{ACCOUNT, FakeAws, REGION, outputs},
};

/// How long a client may be silent that has nothing to wait for.
const PATIENCE: Duration = Duration::from_secs(120);

/// The gateway, until the test program ends.
pub struct FakeGateway {
    /// The services beside it.
    pub aws: FakeAws,
    scratch: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl FakeGateway {
    /// Serves each connection, numbered from 1, until `serve` returns: then it ends without a word.
    pub fn start(serve: impl Fn(usize, &mut Connection) + Send + Sync + 'static) -> Self {
        let aws = FakeAws::start();
        let keys = json!({"current": {"kid": "k", "secret": "x".repeat(32)}, "previous": null});
        let keys = json!({"SecretString": keys.to_string()});
        aws.answer("secretsmanager.GetSecretValue", &keys.to_string());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let scratch = tempfile::tempdir().expect("a folder");
        describe(scratch.path(), port);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let upstream = aws.endpoint().replace("http://", "");
        let serving = Arc::new((serve, upstream, AtomicUsize::new(0), Arc::clone(&asked)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                // Each by itself: a client may connect and say nothing yet.
                thread::spawn(move || {
                    let (serve, upstream, connections, log) = &*serving;
                    if is_http(&stream) {
                        return pass(stream, upstream).expect("the services answer");
                    }
                    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
                    if let Ok(socket) = tungstenite::accept(stream) {
                        let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                        serve(number, &mut Connection { socket, log: Arc::clone(log) });
                    }
                });
            }
        });
        Self { aws, scratch, asked }
    }

    /// `ralph` with this as its local cloud.
    pub fn ralph(&self, words: &[&str]) -> Command {
        let mut command = ralph(words);
        command.arg("--scratch").arg(self.scratch.path());
        command
    }

    /// What clients have sent, on all connections.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("a lock").clone()
    }
}

/// A client's connection.
pub struct Connection {
    socket: WebSocket<TcpStream>,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Connection {
    /// The next message; `None` when the client is gone.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            if let Message::Text(text) = self.socket.read().ok()? {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                self.log.lock().expect("a lock").push(message.clone());
                return Some(message);
            }
        }
    }

    /// Sends a frame; whether the client is there is seen when it is read from.
    pub fn send(&mut self, frame: &str) {
        self.socket.send(Message::text(frame)).ok();
    }
}

/// Requests to AWS's services are POSTs, a handshake is a GET.
fn is_http(stream: &TcpStream) -> bool {
    let mut start = [0; 4];
    while stream.peek(&mut start).is_ok_and(|read| read > 0 && read < start.len()) {}
    start != *b"GET "
}

fn pass(client: TcpStream, upstream: &str) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::spawn(move || {
            io::copy(&mut from, &mut to).ok();
            to.shutdown(std::net::Shutdown::Write).ok();
        });
    }
    Ok(())
}

/// What `ralph` takes for a local cloud.
fn describe(scratch: &Path, port: u16) {
    let description = json!({
        "environment": "dev", "endpoint": format!("http://127.0.0.1:{port}"), "viewer": null,
        "key": {"id": "any", "secret": "any"}, "outputs": outputs(ACCOUNT, REGION),
    });
    std::fs::write(scratch.join("cloud.json"), description.to_string()).expect("written");
}
