//! What goes into the rules and what comes out.

use crate::{
    ids::{Run, Workstream},
    message::{ClientMessage, DEFAULT_LIMIT, ErrorCode, Frame, RawLine, ServerMessage},
};

/// How a client is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The workstream to watch.
    pub workstream: Workstream,
    /// Lines of the first page.
    pub limit: u32,
    /// The first page holds no line from before this time, ms since the epoch, and nothing older is
    /// missed.
    pub since: Option<u64>,
    /// Watch only this run; the client ignores the others.
    pub run: Option<Run>,
    /// Numbers to ask for again after a reconnect although they are held. 0 in earnest; a test sets
    /// it to see duplicates being dropped.
    pub overlap: u64,
    /// Seed of the jitter between requests; `None`: no jitter.
    pub seed: Option<u64>,
}

impl Options {
    /// The defaults for a workstream.
    #[must_use]
    pub fn new(workstream: Workstream) -> Self {
        Self { workstream, limit: DEFAULT_LIMIT, since: None, run: None, overlap: 0, seed: Some(0) }
    }
}

/// What happens to a client.
#[derive(Debug)]
pub enum Input {
    /// A connection stands.
    Connected,
    /// The connection is gone.
    Disconnected,
    /// A message came in.
    Message(ServerMessage),
    /// A frame without `type` came in: the gateway failed to hand a request on. Which one, it does
    /// not say.
    GatewayFault,
    /// A frame came in that could not be read, or was dropped: it may have held lines.
    Unreadable,
    /// Time passed.
    Tick,
}

impl Input {
    /// What a frame is for a client.
    #[must_use]
    pub fn frame(text: &str) -> Self {
        match ServerMessage::parse(text) {
            Frame::Message(message) => Self::Message(message),
            Frame::Gateway => Self::GatewayFault,
            Frame::Unreadable => Self::Unreadable,
            Frame::Unknown => Self::Tick,
        }
    }
}

/// What a client wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Send(ClientMessage),
    /// Show this line at its place: after every shown line of a lower run or number.
    Show(Line),
    /// Show this raw line.
    ShowRaw(RawLine),
    /// These numbers will not come.
    Lost {
        /// Whose.
        run: Run,
        /// First.
        from: u64,
        /// Last.
        to: u64,
    },
    /// The first page is here; what follows is new, or older than the page where that was too large for
    /// one answer.
    CaughtUp,
    /// The server refuses a request of ours for good; after `forbidden`, or when it refuses to let us
    /// follow, nothing more is asked.
    Refused {
        /// `badRequest` or `forbidden`.
        code: ErrorCode,
        /// For people.
        message: String,
    },
}

/// An event to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose.
    pub run: Run,
    /// Its number.
    pub seq: u64,
    /// Its time, ms since the epoch.
    pub ts: u64,
    /// Its type.
    pub kind: String,
    /// The event, verbatim.
    pub json: String,
}
