//! What stands between the messages and the screen: the rules, or nothing.

use ralph_protocol::{
    event::Envelope,
    ids::Workstream,
    message::{ClientMessage, SendLogs, ServerMessage},
    reassembly::{Client, Input, Line, Output},
};

/// Turns messages into output.
pub enum Reader {
    /// By the rules.
    Rules(Box<Client>),
    /// Shows whatever comes. Only the demo's counter-check uses it: it must be seen to fail.
    Nothing(Workstream),
}

impl Reader {
    /// See [`Client::handle`].
    pub fn handle(&mut self, now: u64, input: Input) -> Vec<Output> {
        match self {
            Self::Rules(client) => client.handle(now, input),
            Self::Nothing(workstream) => whatever_comes(workstream, input),
        }
    }

    pub fn next_tick(&self) -> Option<u64> {
        match self {
            Self::Rules(client) => client.next_tick(),
            Self::Nothing(_) => None,
        }
    }

    /// Whether the first page is whole.
    pub fn has_page(&self) -> bool {
        match self {
            Self::Rules(client) => !client.is_replaying() && !client.is_loading_older(),
            Self::Nothing(_) => true,
        }
    }

    pub fn is_caught_up(&self) -> bool {
        match self {
            Self::Rules(client) => client.is_caught_up(),
            Self::Nothing(_) => true,
        }
    }

    /// Lines that came although they were there.
    pub fn redelivered(&self) -> u64 {
        match self {
            Self::Rules(client) => client.redelivered(),
            Self::Nothing(_) => 0,
        }
    }
}

fn whatever_comes(workstream: &Workstream, input: Input) -> Vec<Output> {
    match input {
        Input::Connected => {
            vec![Output::Send(ClientMessage::SendLogs(SendLogs::new(workstream.clone())))]
        }
        Input::Message(ServerMessage::Logs(logs)) => logs
            .events
            .iter()
            .filter_map(|event| {
                let envelope = Envelope::parse(event.get())?;
                let ts = envelope.ts_ms().unwrap_or(0);
                let json = event.get().to_owned();
                let (run, seq, kind) = (envelope.run, envelope.seq, envelope.kind.into_owned());
                Some(Output::Show(Line { run, seq, ts, kind, json }))
            })
            .collect(),
        _ => Vec::new(),
    }
}
