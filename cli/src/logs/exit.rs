//! The exit code of an execution: the state machine decides whether it starts its worker again.

use anyhow::Result;
use ralph_protocol::{execution::Output, ids::Workstream};

use crate::aws::{Executions, Status};

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
        let exit = execution.output().as_ref().and_then(exit_of);
        Ok(Some(exit))
    }
}

fn exit_of(output: &Output) -> Option<u8> {
    output.exit.and_then(|exit| u8::try_from(exit).ok())
}
