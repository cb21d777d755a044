//! How an execution ended, for whoever waited for it: the state machine decides whether it starts its
//! worker again. Its exit code is the last worker's, and 1 where no worker left one.

use std::process::ExitCode;

use anyhow::Result;
use ralph_protocol::{execution::Output, ids::Workstream, link::is_link};

use crate::aws::{Execution, Executions, Status};

/// The executions of an environment.
pub struct Ends(pub Option<Executions>);

impl Ends {
    /// `None` while it runs; then the last worker's exit code, if it had one. A run that no
    /// execution started is over when it is over.
    pub async fn of(&self, workstream: &Workstream, ulid: &str) -> Result<Option<Option<u8>>> {
        let Some(executions) = &self.0 else { return Ok(Some(None)) };
        let Ok(ulid) = ulid.parse() else { return Ok(Some(None)) };
        let Some(execution) = executions.find(workstream, ulid).await? else {
            return Ok(Some(None));
        };
        if execution.status == Status::Running {
            return Ok(None);
        }
        Ok(Some(exit_of(&execution)))
    }
}

/// The exit code in an execution's output.
pub fn exit_of(execution: &Execution) -> Option<u8> {
    execution.output()?.exit.and_then(|exit| u8::try_from(exit).ok())
}

/// The exit code of a command that waited for an execution. A worker that left none did not end well.
pub fn code(exit: Option<u8>) -> ExitCode {
    exit.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// How an execution that is over ended.
pub fn said(execution: &Execution) -> String {
    match (execution.output(), execution.status) {
        (Some(output), _) => over(&output),
        (None, Status::Stopped) => {
            "the execution was stopped before it could say how it ended".to_owned()
        }
        (None, _) => {
            "error: the execution has failed: the state machine's last event says why".to_owned()
        }
    }
}

/// How an execution ended, what it has cost, why, and its pull request.
pub fn over(output: &Output) -> String {
    let Output { outcome, reason, .. } = output;
    let cost = output.spent_usd.map(|usd| format!(", ${usd:.4}")).unwrap_or_default();
    let iterations = match output.iterations {
        None => String::new(),
        Some(1) => " in 1 iteration".to_owned(),
        Some(n) => format!(" in {n} iterations"),
    };
    let begin = match outcome.succeeds() {
        true => "the execution is over",
        false => "error: the execution has failed",
    };
    let mut said = format!("{begin} ({}{cost}{iterations})", outcome.as_str());
    if !reason.is_empty() {
        said += &format!(": {reason}");
    }
    if let Some(link) = output.pull_request.as_deref().filter(|link| is_link(link)) {
        said += &format!("; pull request {link}");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_execution_says_why_what_it_has_cost_and_where_its_work_is() {
        for (json, said) in [
            (
                r#""outcome":"limit","reason":"the cost limit is reached","spentUsd":4.256789,"iterations":3"#,
                "the execution is over (limit, $4.2568 in 3 iterations): the cost limit is reached",
            ),
            (
                r#""outcome":"complete","reason":"the work is complete","spentUsd":0.5,"iterations":1,"pullRequest":"https://github.com/you/project/pull/7""#,
                "the execution is over (complete, $0.5000 in 1 iteration): the work is complete; pull request https://github.com/you/project/pull/7",
            ),
            (
                r#""outcome":"gaveUp","reason":"exit 137","spentUsd":0.5,"iterations":1"#,
                "error: the execution has failed (gaveUp, $0.5000 in 1 iteration): exit 137",
            ),
            // Nothing was begun.
            (
                r#""outcome":"busy","reason":"taken","spentUsd":null,"iterations":null"#,
                "error: the execution has failed (busy): taken",
            ),
            (r#""outcome":"stopped","reason":"""#, "the execution is over (stopped)"),
            // What is not a link is not shown as one.
            (
                r#""outcome":"stopped","reason":"","pullRequest":"javascript:alert(1)""#,
                "the execution is over (stopped)",
            ),
        ] {
            let json =
                format!(r#"{{"workstream":"w","exit":null,"attempts":1,"run":null,{json}}}"#);
            assert_eq!(over(&Output::parse(&json).unwrap()), said);
        }
    }
}
