//! `validate` and `--dry-run`: everything that can be checked without spending money, in plain
//! text for a person.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ralph_protocol::{exit::RunExit, ids::Run};

use crate::{
    agent::command,
    config::{Config, Environment, MB, Secrets},
    gateway,
    git::Checkout,
    machine::{Failure, Order, Usd},
    redact::Redactor,
};

/// How much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Check.
    Validate,
    /// Check, and show what a run would do first.
    DryRun,
}

/// Checks everything and prints a line each. The exit is that of the first problem.
#[must_use]
pub fn validate(environment: &Environment, depth: Depth) -> RunExit {
    let (config, secrets) = match crate::config::read(environment) {
        Ok(checked) => checked,
        Err(error) => {
            println!("error: {error}");
            return RunExit::Configuration;
        }
    };
    println!("ok: the environment is complete");
    let redactor = crate::run::redactor(&secrets);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("error: cannot start the runtime: {error}");
            return RunExit::Internal;
        }
    };
    let mut report = Report { redactor, exit: RunExit::Complete };
    runtime.block_on(check(&config, &secrets, depth, &mut report));
    report.exit
}

struct Report {
    redactor: Redactor,
    exit: RunExit,
}

impl Report {
    fn line(&self, text: &str) {
        let mut text = text.to_owned();
        self.redactor.redact(&mut text);
        println!("{text}");
    }

    /// Prints a result; `None` when it is a problem.
    fn take<T>(&mut self, result: Result<T, Failure>, ok: impl FnOnce(&T) -> String) -> Option<T> {
        match result {
            Ok(value) => {
                self.line(&format!("ok: {}", ok(&value)));
                Some(value)
            }
            Err(failure) => {
                self.line(&format!("error: {}", failure.text));
                if self.exit == RunExit::Complete {
                    self.exit = failure.exit;
                }
                None
            }
        }
    }
}

async fn check(config: &Config, secrets: &Secrets, depth: Depth, report: &mut Report) {
    let program = find_program(&config.agent_command[0]);
    report.take(program, |path| format!("the agent is {}", path.display()));
    for key in &secrets.anthropic.keys {
        let result =
            gateway::probe(&config.model_endpoint, &key.value).await.map_err(|text| Failure {
                exit: RunExit::NoKey,
                text: format!("key `{}`: {text}\nhint: `ralph keys set anthropic-keys`", key.id),
            });
        report.take(result, |()| format!("the service accepts key `{}`", key.id));
    }
    let Ok(folder) = tempfile::Builder::new().prefix("ralph-validate-").tempdir() else {
        let text = "cannot make a temporary folder\nhint: TMPDIR must be writable".to_owned();
        report.take::<()>(Err(Failure { exit: RunExit::Internal, text }), |()| String::new());
        return;
    };
    // A checkout of its own, so that a run's is not disturbed.
    let mut config = config.clone();
    config.workdir = folder.path().to_path_buf();
    let Ok(journal) = crate::run::silent_journal(&config, report.redactor.clone()) else { return };
    let (_hurry, hurried) = tokio::sync::watch::channel(None);
    let mut checkout = Checkout::new(&config, secrets, hurried, journal);
    // Nobody builds in it.
    checkout.furnish = false;
    if let Some(token) = checkout.token_of_app().await
        && report.take(token, |said| said.clone()).is_none()
    {
        return;
    }
    let Some(prepared) = report.take(checkout.make().await, |prepared| {
        format!("the repository can be read; work starts from {}", prepared.commit)
    }) else {
        return;
    };
    report.line(&format!(
        "ok: the prompt is {} ({} bytes)",
        config.prompt_file,
        checkout.prompt.len()
    ));
    let may_push = checkout.may_push().await.map_err(Failure::from);
    report.take(may_push, |()| format!("`{}` can be pushed to", config.branch));
    if prepared.complete {
        report.line("note: PROGRESS.md says that the work is complete; a run would end at once");
    }
    if depth == Depth::DryRun {
        plan(&config, prepared.ledger, report);
    }
}

fn plan(config: &Config, used: crate::machine::Ledger, report: &Report) {
    let limits = &config.limits;
    let left = Usd::from_dollars(limits.max_cost_usd).minus(used.cost);
    let order = Order { iteration: used.iterations + 1, note: None, budget: left };
    let run: &Run = &config.run;
    let home = config.workdir.join(run.as_str()).join("home");
    let words = command::fill(&config.agent_command, &order, &home);
    for line in [
        format!("run {run} of workstream {}, on branch {}", config.workstream, config.branch),
        format!(
            "would begin with iteration {} of {}, with {left} left",
            order.iteration, limits.max_iterations
        ),
        format!(
            "limits: {} s in all, {} s an iteration, {} s of silence, {} iterations without progress",
            limits.max_duration_secs,
            limits.iteration_timeout_secs,
            limits.silence_secs,
            limits.max_stalls
        ),
        format!(
            "at most {} MB of log, and in one commit {} MB of new content and {} new files",
            config.max_log_bytes / MB,
            config.commit_limits.bytes / MB,
            config.commit_limits.files
        ),
        format!("would run: {}", shell_words::join(words)),
    ] {
        report.line(&line);
    }
}

/// The agent's program, looked up as the worker's spawn would.
fn find_program(name: &str) -> Result<PathBuf, Failure> {
    let runs = |path: &Path| {
        path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = if name.contains('/') {
        Some(PathBuf::from(name)).filter(|path| runs(path))
    } else {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| runs(path))
    };
    found.ok_or_else(|| Failure {
        exit: RunExit::Configuration,
        text: format!("there is no program `{name}`\nhint: check RALPH_AGENT_COMMAND and PATH"),
    })
}
