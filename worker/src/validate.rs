//! `validate` and `--dry-run`: everything that can be checked without spending money, in plain
//! text for a person.

use std::path::PathBuf;

use ralph_protocol::{exit::RunExit, ids::Run, names::worker_env as env};

use crate::{
    agent::{
        command,
        environment::{find_program, is_program},
    },
    config::{AgentVariables, Config, Environment, MB, Prompt, Secrets},
    gateway,
    git::{Checkout, Setup},
    machine::{Failure, Order, Prepared, Usd},
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
    let program = agent_program(&config.agent_command[0]);
    if let Ok(path) = &program {
        report.line(&format!("ok: the agent is {}", path.display()));
    }
    variables(&secrets.agent, report);
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
    checkout.dry = true;
    if let Some(token) = checkout.token_of_app().await
        && report.take(token, |said| said.clone()).is_none()
    {
        return;
    }
    let made = checkout.make().await;
    if let Err(failure) = program {
        if made.is_ok() && checkout.setup.runs() {
            let name = &config.agent_command[0];
            report.line(&format!("note: there is no program `{name}` yet; setup must install it"));
        } else {
            report.take::<()>(Err(failure), |()| String::new());
        }
    }
    let Some(prepared) = report.take(made, |prepared| {
        format!("the repository can be read; the work goes to `{}`", prepared.branch)
    }) else {
        return;
    };
    report.line(&format!("ok: it starts from {} of `{}`", checkout.known, checkout.start));
    if let Some(says) = &checkout.says {
        report.line(&format!("ok: a run begins so: {says}"));
    }
    if let Some(note) = &prepared.note {
        report.line(&format!("note: the agent is told: {}", note.replace("\n\n", " ")));
    }
    let prompt = match &config.prompt {
        Prompt::Text(_) => format!("the text in {}", env::PROMPT),
        Prompt::File(file) => file.clone(),
    };
    report.line(&format!("ok: the prompt is {prompt} ({} bytes)", checkout.prompt.len()));
    match checkout.setup.problem() {
        Some(problem) => drop(report.take::<()>(Err(problem), |()| String::new())),
        None => setup(&checkout.setup, &config, report),
    }
    let may_push = checkout.may_push().await.map_err(Failure::from);
    report.take(may_push, |()| format!("`{}` can be pushed to", checkout.branch));
    // What GitHub refuses does not end a run.
    match checkout.plan_of_pull_request().await {
        Ok(says) => report.line(&format!("ok: {says}")),
        Err(why) => report.line(&format!("note: {why}")),
    }
    if prepared.complete {
        report.line("note: PROGRESS.md says that the work of this execution is complete; its next run would end at once");
    }
    if depth == Depth::DryRun {
        plan(&config, &prepared, report);
    }
}

fn plan(config: &Config, prepared: &Prepared, report: &Report) {
    let (limits, used) = (&config.limits, prepared.ledger);
    let left = Usd::from_dollars(limits.max_cost_usd).minus(used.cost);
    let order = Order { iteration: used.iterations + 1, note: None, budget: left };
    let run: &Run = &config.run;
    let home = config.workdir.join(run.as_str()).join("home");
    let words = command::fill(&config.agent_command, &order, &home);
    for line in [
        format!("run {run} of workstream {}, on branch {}", config.workstream, prepared.branch),
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

/// The agent's program, looked up as the worker does.
fn agent_program(name: &str) -> Result<PathBuf, Failure> {
    let given = Some(PathBuf::from(name)).filter(|path| name.contains('/') && is_program(path));
    given.or_else(|| find_program(name)).ok_or_else(|| Failure {
        exit: RunExit::Configuration,
        text: format!("there is no program `{name}`\nhint: check RALPH_AGENT_COMMAND and PATH"),
    })
}

/// What the agent gets, by name.
fn variables(given: &AgentVariables, report: &Report) {
    let plain: Vec<String> = given.plain.keys().cloned().collect();
    let secret: Vec<String> = given.secret.keys().cloned().collect();
    for (names, says) in [
        (plain, "ok: the agent gets the variables"),
        (secret, "ok: the agent gets the secrets"),
        (
            given.withheld.clone(),
            "note: the agent does not get, because RALPH_AGENT_REPOSITORIES does not name this repository:",
        ),
    ] {
        if !names.is_empty() {
            report.line(&format!("{says} {}", names.join(", ")));
        }
    }
}

/// What runs before the first iteration.
fn setup(setup: &Setup, config: &Config, report: &Report) {
    report.line(&match setup.says() {
        Some(says) if setup.runs() => {
            format!("ok: setup is {says}, for at most {} s", config.setup_timeout_secs)
        }
        Some(says) => format!("note: {says}"),
        None => "ok: there is no setup".to_owned(),
    });
}
