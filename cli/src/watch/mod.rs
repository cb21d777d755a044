//! Watches a workstream over the WebSocket: connects, reconnects, and applies the client's rules.

mod reader;
#[cfg(test)]
pub mod testing;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use futures::{SinkExt, StreamExt};
use ralph_protocol::{
    ids::{Run, Workstream},
    message::{ClientMessage, ErrorCode, RunInfo, ServerMessage},
    reassembly::{Input, Output},
};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, http::StatusCode},
};

use crate::{
    token::{Minter, scope_of},
    tools::steps::say,
};

pub use reader::Reader;

/// Where and as whom to watch.
#[derive(Clone)]
pub struct Place {
    /// The address without the token.
    pub url: String,
    pub minter: Minter,
    pub user: String,
}

/// What a watcher sees.
#[derive(Debug)]
pub enum Seen {
    /// The connection stands.
    Connected,
    /// It is gone; the watcher connects again by itself.
    Disconnected,
    /// The rules' output, and whether everything that is known to exist has been shown.
    Output(Output),
    /// The first page is whole. Where it was too large for one answer, its newest lines came first.
    Page,
    /// Nothing is missing any more, or something is again.
    CaughtUp(bool),
    /// Where the runs stand.
    Runs(Vec<RunInfo>),
    /// A task changed its state.
    Task { run: Run, status: String, reason: Option<String> },
    /// A request failed for now.
    Error(String),
}

/// Sights that may wait for a slow reader. Then the connection is not read any more, the server
/// drops what it cannot deliver, and the rules ask for it again.
const WAITING: usize = 1_024;

/// A channel for what a watcher sees.
pub fn channel() -> (mpsc::Sender<Seen>, mpsc::Receiver<Seen>) {
    mpsc::channel(WAITING)
}

/// A connection.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a watcher can be asked to do.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// Drop the connection without a word, as a network does.
    Drop,
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long a connection may be silent after a ping, or take none of our bytes, before it counts as
/// gone: a network that drops packets says nothing.
const SILENCE: Duration = Duration::from_secs(5);
/// Handshakes refused in a row, each with a fresh token, before the watcher gives up.
const REFUSALS: u32 = 3;

/// Watches until the receiver of `seen` is dropped.
///
/// # Errors
/// When the handshake is refused again and again: no waiting helps then.
pub async fn watch(
    place: &Place,
    workstream: &Workstream,
    reader: &mut Reader,
    seen: &mpsc::Sender<Seen>,
    asks: &mut mpsc::Receiver<Ask>,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        let socket = tokio::select! {
            socket = connect(place, workstream) => socket?,
            () = seen.closed() => return Ok(()),
        };
        if seen.send(Seen::Connected).await.is_err()
            || !follow(socket, begun, reader, seen, asks).await
            || seen.send(Seen::Disconnected).await.is_err()
        {
            return Ok(());
        }
        reader.handle(ms_since(begun), Input::Disconnected);
        sleep(FIRST_PAUSE).await;
    }
}

/// Connects, however long the way there is closed.
///
/// # Errors
/// When the handshake is refused again and again: no waiting helps then.
pub async fn connect(place: &Place, workstream: &Workstream) -> Result<Socket> {
    let mut pause = FIRST_PAUSE;
    let mut refusals = 0;
    let mut said = false;
    loop {
        let token = place.minter.mint(&place.user, scope_of(std::slice::from_ref(workstream)))?;
        let url = format!("{}?token={token}", place.url);
        let problem = match timeout(HANDSHAKE, tokio_tungstenite::connect_async(&url)).await {
            Ok(Ok((socket, _))) => return Ok(socket),
            Ok(Err(error)) => match refused(&error) {
                Some(status) => {
                    refusals += 1;
                    if refusals == REFUSALS {
                        bail!(
                            "the connection was refused ({status})\nhint: are the signing keys of this environment the ones that `ralph` reads?"
                        );
                    }
                    None
                }
                None => Some(error.to_string()),
            },
            Err(_) => Some(format!("no answer within {} s", HANDSHAKE.as_secs())),
        };
        if let Some(problem) = problem {
            refusals = 0;
            if !said {
                said = true;
                say(&format!("note: no connection yet ({problem}); trying again"));
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The status, when a handshake was answered with a refusal of its token.
fn refused(error: &tungstenite::Error) -> Option<StatusCode> {
    match error {
        tungstenite::Error::Http(response)
            if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =>
        {
            Some(response.status())
        }
        _ => None,
    }
}

/// One connection. The rules' clock is ms since `begun`: it must not step when somebody sets the
/// machine's. `false` when nobody wants to see any more.
async fn follow(
    socket: Socket,
    begun: Instant,
    reader: &mut Reader,
    seen: &mpsc::Sender<Seen>,
    asks: &mut mpsc::Receiver<Ask>,
) -> bool {
    let (mut sink, mut stream) = socket.split();
    let mut outputs = reader.handle(ms_since(begun), Input::Connected);
    let (mut page, mut caught_up) = (false, None);
    // Since a ping: when something must have come.
    let mut gone_at = None;
    loop {
        for output in outputs.drain(..) {
            if let Output::Send(message) = output {
                let sent = timeout(SILENCE, sink.send(Message::text(encode(&message)))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return true;
                }
                if matches!(message, ClientMessage::Ping {}) {
                    gone_at.get_or_insert_with(|| Instant::now() + SILENCE);
                }
            } else if seen.send(Seen::Output(output)).await.is_err() {
                return false;
            }
        }
        if !page && reader.has_page() {
            page = true;
            if seen.send(Seen::Page).await.is_err() {
                return false;
            }
        }
        let now_caught_up = reader.is_caught_up();
        if caught_up != Some(now_caught_up) {
            caught_up = Some(now_caught_up);
            if seen.send(Seen::CaughtUp(now_caught_up)).await.is_err() {
                return false;
            }
        }
        let hour = Instant::now() + Duration::from_secs(3600);
        let tick = reader.next_tick().and_then(|at| begun.checked_add(Duration::from_millis(at)));
        tokio::select! {
            // A frame that is there comes before the time by which it was due: whoever shows the
            // lines may have been slow meanwhile.
            biased;
            Some(Ask::Drop) = asks.recv() => return true,
            frame = stream.next() => {
                gone_at = None;
                match frame {
                    Some(Ok(Message::Text(text))) => {
                        let input = Input::frame(&text);
                        let beside = beside(&input);
                        outputs = reader.handle(ms_since(begun), input);
                        if let Some(sight) = beside && seen.send(sight).await.is_err() {
                            return false;
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return true,
                    Some(Ok(_)) => {}
                }
            }
            () = seen.closed() => return false,
            () = sleep_until(gone_at.unwrap_or(hour)), if gone_at.is_some() => return true,
            () = sleep_until(tick.unwrap_or(hour).min(hour)) => outputs = reader.handle(ms_since(begun), Input::Tick),
        }
    }
}

/// What a message tells beside lines.
fn beside(input: &Input) -> Option<Seen> {
    let Input::Message(message) = input else { return None };
    match message {
        ServerMessage::Runs { runs, .. } => Some(Seen::Runs(runs.clone())),
        ServerMessage::Task { run, status, reason, .. } => {
            Some(Seen::Task { run: run.clone(), status: status.clone(), reason: reason.clone() })
        }
        // What is final comes out of the rules.
        ServerMessage::Error {
            code: ErrorCode::Throttled | ErrorCode::Internal, message, ..
        } => Some(Seen::Error(message.clone())),
        _ => None,
    }
}

/// A message as it goes over the wire.
pub fn encode(message: &ClientMessage) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

fn ms_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Ms since the epoch.
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use ralph_protocol::reassembly::{Client, Options};
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    use super::{
        testing::{Gateway, Server},
        *,
    };

    /// A watcher of the workstream `w`, and the gateway that it connects to.
    async fn watched() -> (Gateway, mpsc::Receiver<Seen>, JoinHandle<Result<()>>) {
        let gateway = Gateway::open().await;
        let place = gateway.place();
        let (seen, sights) = channel();
        let watching = tokio::spawn(async move {
            let workstream: Workstream = "w".parse().unwrap();
            let options = Options::new(workstream.clone());
            let mut reader = Reader::Rules(Box::new(Client::new(options)));
            let (_ask, mut asks) = mpsc::channel(1);
            watch(&place, &workstream, &mut reader, &seen, &mut asks).await
        });
        (gateway, sights, watching)
    }

    /// Answers the first page: nothing is there.
    async fn answer_the_page(server: &mut Server) {
        let ask = server.next().await.unwrap();
        assert_eq!(ask["action"], "sendLogs");
        server.caught_up(&ask).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_silent_after_a_ping_is_made_again() {
        let (gateway, _sights, _watching) = watched().await;
        let mut dead = gateway.accept().await;
        answer_the_page(&mut dead).await;
        let caught_up = Instant::now();
        assert_eq!(dead.next().await, Some(json!({"action": "ping"})));
        // The rules say when to ping: their clock is the one that no time of day moves.
        assert_eq!(caught_up.elapsed().as_secs(), 3);
        // From here on nothing passes, and nobody says so.
        let mut next = gateway.accept().await;
        assert_eq!(caught_up.elapsed().as_secs(), 8);
        answer_the_page(&mut next).await;
        drop(dead);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_answers_is_kept() {
        let (gateway, _sights, _watching) = watched().await;
        let mut server = gateway.accept().await;
        answer_the_page(&mut server).await;
        // Whatever comes is a sign of life, also what no message is made of.
        let lives = [r#"{"type":"pong"}"#, r#"{"message":"Internal server error"}"#, "?"];
        let mut pings = 0;
        while pings < 12 {
            let said = server.next().await;
            let said = said.unwrap_or_else(|| panic!("gone after {pings} pings"));
            if said["action"] == "ping" {
                server.send(lives[pings % lives.len()]).await;
                pings += 1;
            } else {
                server.caught_up(&said).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_is_not_answered_is_made_again() {
        let (gateway, mut sights, _watching) = watched().await;
        let begun = Instant::now();
        let swallowed = gateway.arrival().await;
        let mut server = gateway.accept().await;
        assert_eq!(begun.elapsed().as_secs(), 15);
        answer_the_page(&mut server).await;
        assert!(matches!(sights.recv().await, Some(Seen::Connected)));
        drop(swallowed);
    }

    #[tokio::test(start_paused = true)]
    async fn only_refusals_in_a_row_end_it_and_a_gateway_that_is_down_is_waited_for() {
        let (gateway, _sights, watching) = watched().await;
        // 401 and 403 are the authorizer's; 500 and 503 a gateway's that is not well.
        for status in [401, 403, 500, 403, 401, 503, 503, 503, 503, 403, 401, 403] {
            let mut stream = gateway.arrival().await;
            assert!(!watching.is_finished());
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let error = watching.await.unwrap().unwrap_err().to_string();
        assert!(error.starts_with("the connection was refused (403"), "{error}");
    }
}
