//! What each function needs.

use ralph_protocol::{names::Handler, table::WORKSTREAM_PREFIX};

/// What a function needs beside the table's name and the environment's.
pub(super) struct Needs {
    pub(super) about: &'static str,
    /// Seconds. API Gateway waits 29 s for a route.
    pub(super) timeout: u32,
    pub(super) memory_mb: u32,
    pub(super) table: &'static [&'static str],
    /// Whether only rows of workstreams may be touched.
    pub(super) rows: Option<&'static str>,
    pub(super) keys: bool,
    pub(super) posts: bool,
    pub(super) reads_logs: bool,
    pub(super) knows_runs: bool,
    /// Checks orders, and asks whether the holder of a lease still runs.
    pub(super) reads_executions: bool,
    /// Called asynchronously: what fails for good goes into the failure queue.
    pub(super) keeps_failures: bool,
}

/// Partitions of workstreams.
const WORKSTREAMS: &str = "WS#*";
const _: () = assert!(WORKSTREAM_PREFIX.len() + 1 == WORKSTREAMS.len());

pub(super) fn needs(handler: Handler) -> Needs {
    let none = Needs {
        about: "",
        timeout: 10,
        memory_mb: 256,
        table: &[],
        rows: None,
        keys: false,
        posts: false,
        reads_logs: false,
        knows_runs: false,
        reads_executions: false,
        keeps_failures: false,
    };
    match handler {
        Handler::Authorize => Needs {
            about: "Checks the token of a connection",
            table: &["dynamodb:PutItem"],
            keys: true,
            ..none
        },
        Handler::Connect => {
            Needs { about: "Records a connection", table: &["dynamodb:PutItem"], ..none }
        }
        Handler::Disconnect => Needs {
            about: "Removes a connection",
            table: &["dynamodb:DeleteItem", "dynamodb:Query"],
            ..none
        },
        Handler::SendLogs => Needs {
            about: "Answers a client: subscribes, replays, lists the runs",
            timeout: 29,
            memory_mb: 512,
            table: &[
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
            ],
            posts: true,
            reads_logs: true,
            ..none
        },
        Handler::TaskEvents => Needs {
            about: "Records the state of a run's task, and sends it to the connections that follow the run",
            timeout: 30,
            ..needs(Handler::PushLogs)
        },
        Handler::Admit => Needs {
            about: "Checks an order, takes its workstream's lease and begins the first run",
            table: &["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"],
            rows: Some(WORKSTREAMS),
            knows_runs: true,
            reads_executions: true,
            ..none
        },
        Handler::Decide => Needs {
            about: "Says what follows a run or a wait of an execution",
            table: &[
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
            ],
            rows: Some(WORKSTREAMS),
            knows_runs: true,
            ..none
        },
        Handler::PushLogs => Needs {
            about: "Sends new lines to the connections that follow them",
            timeout: 60,
            memory_mb: 512,
            table: &[
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            posts: true,
            knows_runs: true,
            keeps_failures: true,
            ..none
        },
    }
}
