//! The TypeScript client's types are these types: `viewer/client/src/protocol.ts` is generated, and
//! this test is the check. `RALPH_WRITE=1` (as `just gen` sets it) writes the file instead.

use std::{fs, path::Path};

use ts_rs::{Config, TS};

use crate::{event, exit, ids, message, table};

const HEADER: &str = "// Code generated from protocol/ by `just gen`. DO NOT EDIT.\n";

/// A line in a `logs` message: ours, one of a type this build does not know, or a raw line.
const LOG_EVENT: &str = "/** What `logs` carries. Types that are not known yet pass as `UnknownEvent`. */\nexport type LogEvent = WorkerEvent | UnknownEvent | RawLine;\n\n/** An event of a type this build does not know: its envelope is still valid. */\nexport type UnknownEvent = { v: number; ts: string; workstream: string; run: string; seq: number; type: string };\n";

fn generated() -> String {
    let config = Config::default();
    let mut out = HEADER.to_owned();
    macro_rules! emit {
        ($($t:ty),* $(,)?) => {$(
            out.push('\n');
            if let Some(docs) = <$t as TS>::docs() {
                out.push_str(&docs);
            }
            out.push_str("export ");
            out.push_str(&<$t as TS>::decl(&config));
            out.push('\n');
        )*};
    }
    emit!(
        ids::Workstream,
        ids::Run,
        event::Level,
        event::Limits,
        event::Tokens,
        exit::RunExit,
        event::Event,
        message::RawLine,
        table::RunState,
        message::RunInfo,
        message::Source,
        message::ErrorCode,
        message::Range,
        message::SendLogs,
        message::ClientMessage,
        message::Logs,
        message::ServerMessage,
    );
    out.push('\n');
    out.push_str(LOG_EVENT);
    // ts-rs names the type after serde's tag; the tag is right, the name is not. And it leaves a
    // blank at the end of lines.
    out.replace("export type raw =", "export type RawLine =").replace(" \n", "\n")
}

#[test]
fn typescript_types_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../viewer/client/src/protocol.ts");
    let expected = generated();
    if std::env::var_os("RALPH_WRITE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
        return;
    }
    let actual = fs::read_to_string(&path).unwrap_or_default();
    assert!(actual == expected, "viewer/client/src/protocol.ts is stale\nhint: run `just gen`");
}
