//! A bare WebSocket client: sends texts, gives frames back.

use std::{io::ErrorKind, net::TcpStream, time::Duration};

use serde_json::Value;
use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket, client::IntoClientRequest, stream::MaybeTlsStream,
};

use crate::cloud::Cloud;

/// How long a frame may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Socket(WebSocket<MaybeTlsStream<TcpStream>>);

/// The HTTP status a handshake ends with, 101 when it succeeds.
pub fn handshake(cloud: &Cloud, query: &str) -> (u16, Option<Socket>) {
    handshake_with(&format!("{}{query}", cloud.websocket()), &[])
}

/// The same at any address, with headers of one's own.
pub fn handshake_with(url: &str, headers: &[(&'static str, &str)]) -> (u16, Option<Socket>) {
    let mut request = url.into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    match tungstenite::connect(request) {
        Ok((socket, _)) => (101, Some(Socket(socket))),
        Err(tungstenite::Error::Http(response)) => (response.status().as_u16(), None),
        Err(error) => panic!("the handshake failed otherwise: {error}"),
    }
}

impl Socket {
    /// Connects with a fresh token for these workstreams.
    pub fn connect(cloud: &Cloud, workstreams: &[&str]) -> Self {
        let (status, socket) = handshake(cloud, &format!("?token={}", cloud.token(workstreams)));
        let mut socket = socket.unwrap_or_else(|| panic!("refused with {status}"));
        socket.patience(PATIENCE);
        socket
    }

    pub fn send(&mut self, text: &str) {
        self.try_send(text).expect("the connection stands");
    }

    pub fn try_send(&mut self, text: &str) -> Result<(), tungstenite::Error> {
        self.0.send(Message::text(text))
    }

    /// The next frame.
    pub fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().expect("a frame") {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }

    /// Frames up to the first of a type, and that one.
    pub fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.next());
            if frames.last().is_some_and(|frame| frame["type"] == kind) {
                return frames;
            }
        }
    }

    /// The next frame's text, if one comes within this time.
    pub fn next_within(&mut self, time: Duration) -> Option<String> {
        self.unless_ended(time).unwrap_or_else(|error| panic!("the connection ended: {error}"))
    }

    /// The next frame's text, if one comes within this time; or how the connection ended.
    pub fn unless_ended(&mut self, time: Duration) -> Result<Option<String>, tungstenite::Error> {
        self.patience(time);
        let text = loop {
            match self.0.read() {
                Ok(Message::Text(text)) => break Some(text.to_string()),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break None;
                }
                Err(error) => return Err(error),
            }
        };
        self.patience(PATIENCE);
        Ok(text)
    }

    fn patience(&mut self, time: Duration) {
        if let MaybeTlsStream::Plain(stream) = self.0.get_mut() {
            stream.set_read_timeout(Some(time)).expect("a time-out");
        }
    }
}
