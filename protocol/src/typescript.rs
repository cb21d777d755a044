//! The types of messages and events in TypeScript, for the client: the generator writes them to
//! `viewer/client/src/protocol.ts`.

use ts_rs::{Config, TS};

use crate::{event, exit, ids, index, message, table};

/// A line in a `logs` message: ours, one of a type this build does not know, or a raw line.
const LOG_EVENT: &str = "/** What `logs` carries. Types that are not known yet pass as `UnknownEvent`. */\nexport type LogEvent = WorkerEvent | UnknownEvent | RawLine;\n\n/** An event of a type this build does not know: its envelope is still valid. */\nexport type UnknownEvent = { v: number; ts: string; workstream: string; run: string; seq: number; type: string };\n";

/// The declarations, each with its documentation.
#[must_use]
pub fn declarations() -> String {
    let config = Config::default();
    let mut out = String::new();
    macro_rules! emit {
        ($($t:ty),* $(,)?) => {$(
            if let Some(docs) = <$t as TS>::docs() {
                out.push_str(&docs);
            }
            out.push_str("export ");
            out.push_str(&<$t as TS>::decl(&config));
            out.push_str("\n\n");
        )*};
    }
    emit!(
        ids::Workstream,
        ids::Run,
        event::Level,
        event::Limits,
        event::Tokens,
        event::Spend,
        exit::RunExit,
        event::Event,
        message::RawLine,
        table::RunState,
        message::RunInfo,
        index::WorkstreamState,
        index::WorkstreamInfo,
        message::Source,
        message::ErrorCode,
        message::Range,
        message::ReadTo,
        message::SendLogs,
        message::ListWorkstreams,
        message::ClientMessage,
        message::Logs,
        message::ServerMessage,
    );
    out.push_str(LOG_EVENT);
    // ts-rs names the type after serde's tag; the tag is right, the name is not. And it leaves a
    // blank at the end of lines.
    out.replace("export type raw =", "export type RawLine =").replace(" \n", "\n")
}
