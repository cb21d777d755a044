//! The other end of a connection, for tests whose clock runs ahead while everybody waits.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use ralph_protocol::secret::SigningKeys;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use super::Place;
use crate::token::Minter;

/// Far longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where a client connects.
pub struct Gateway(TcpListener);

impl Gateway {
    pub async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn place(&self) -> Place {
        let keys = json!({"current": {"kid": "k", "secret": "x".repeat(32)}, "previous": null});
        let keys = SigningKeys::parse(&keys.to_string()).unwrap();
        Place {
            url: format!("ws://{}/dev", self.0.local_addr().unwrap()),
            minter: Minter::new(keys, "dev"),
            user: "u".to_owned(),
        }
    }

    /// The next client, before its handshake.
    pub async fn arrival(&self) -> TcpStream {
        let (stream, _) = timeout(PATIENCE, self.0.accept()).await.expect("it connects").unwrap();
        // A frame that the kernel keeps for a moment would come after the clock has run ahead.
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The next client's connection.
    pub async fn accept(&self) -> Server {
        Server(accept_async(self.arrival().await).await.unwrap())
    }
}

/// A connection, as the server has it.
pub struct Server(WebSocketStream<TcpStream>);

impl Server {
    /// The client's next message; `None` when it is gone.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let frame = timeout(PATIENCE, self.0.next()).await.expect("it is not silent");
            if let Message::Text(text) = frame?.ok()? {
                return serde_json::from_str(&text).ok();
            }
        }
    }

    pub async fn send(&mut self, frame: &str) {
        self.0.send(Message::text(frame)).await.unwrap();
    }

    /// Ends the answer to a request about the workstream `w`.
    pub async fn caught_up(&mut self, ask: &Value) {
        let end = json!({
            "type": "caughtUp", "id": ask["id"], "workstream": "w", "complete": true,
            "cursor": null,
        });
        self.send(&end.to_string()).await;
    }
}
