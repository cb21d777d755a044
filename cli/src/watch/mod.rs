//! Watches a workstream over the WebSocket: connects, reconnects, and applies the client's rules.

mod reader;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use futures::{SinkExt, StreamExt};
use ralph_protocol::{
    ids::{Run, Workstream},
    message::{ClientMessage, RunInfo, ServerMessage},
    reassembly::{Input, Output},
};
use tokio::{net::TcpStream, sync::mpsc};
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
    /// Nothing is missing any more, or something is again.
    CaughtUp(bool),
    /// Where the runs stand.
    Runs(Vec<RunInfo>),
    /// A task changed its state.
    Task { run: Run, status: String, reason: Option<String> },
    /// A request was refused or failed.
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
    loop {
        let socket = tokio::select! {
            socket = connect(place, workstream) => socket?,
            () = seen.closed() => return Ok(()),
        };
        if seen.send(Seen::Connected).await.is_err()
            || !follow(socket, reader, seen, asks).await
            || seen.send(Seen::Disconnected).await.is_err()
        {
            return Ok(());
        }
        reader.handle(now_ms(), Input::Disconnected);
        tokio::time::sleep(FIRST_PAUSE).await;
    }
}

/// Connects, however long the way there is closed.
///
/// # Errors
/// When the handshake is refused again and again: no waiting helps then.
pub async fn connect(place: &Place, workstream: &Workstream) -> Result<Socket> {
    let mut pause = FIRST_PAUSE;
    let mut refusals = 0;
    loop {
        let token = place.minter.mint(&place.user, scope_of(std::slice::from_ref(workstream)))?;
        let url = format!("{}?token={token}", place.url);
        match tokio_tungstenite::connect_async(&url).await {
            Ok((socket, _)) => return Ok(socket),
            Err(error) => {
                if let Some(status) = refused(&error) {
                    refusals += 1;
                    if refusals == REFUSALS {
                        bail!(
                            "the connection was refused ({status})\nhint: are the signing keys of this environment the ones that `ralph` reads?"
                        );
                    }
                } else if pause == FIRST_PAUSE {
                    say(&format!("note: no connection yet ({error}); trying again"));
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

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

/// One connection. `false` when nobody wants to see any more.
async fn follow(
    socket: Socket,
    reader: &mut Reader,
    seen: &mpsc::Sender<Seen>,
    asks: &mut mpsc::Receiver<Ask>,
) -> bool {
    let (mut sink, mut stream) = socket.split();
    let mut outputs = reader.handle(now_ms(), Input::Connected);
    let mut caught_up = None;
    loop {
        for output in outputs.drain(..) {
            if let Output::Send(message) = output {
                if sink.send(Message::text(encode(&message))).await.is_err() {
                    return true;
                }
            } else if seen.send(Seen::Output(output)).await.is_err() {
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
        let due = reader.next_tick().map(|at| Duration::from_millis(at.saturating_sub(now_ms())));
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let input = Input::frame(&text);
                    let beside = beside(&input);
                    outputs = reader.handle(now_ms(), input);
                    if let Some(sight) = beside && seen.send(sight).await.is_err() {
                        return false;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return true,
                Some(Ok(_)) => {}
            },
            () = tokio::time::sleep(due.unwrap_or(Duration::from_secs(3600))) => {
                outputs = reader.handle(now_ms(), Input::Tick);
            }
            Some(Ask::Drop) = asks.recv() => return true,
            () = seen.closed() => return false,
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
        ServerMessage::Error { message, .. } => Some(Seen::Error(message.clone())),
        _ => None,
    }
}

/// A message as it goes over the wire.
pub fn encode(message: &ClientMessage) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

/// Ms since the epoch.
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
