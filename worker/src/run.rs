//! Puts the parts together and runs the loop once.

use std::{
    sync::{Arc, Barrier, atomic::AtomicBool},
    time::Duration,
};

use ralph_protocol::{
    event::{Kind, Level, Spend},
    exit::RunExit,
    ids::{Run, Workstream},
    names::worker_env as env,
    secret::GitToken,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Mutex, mpsc, watch},
    time::{error::Elapsed, timeout},
};

use crate::{
    account::Account,
    agent::{Process, environment::find_program, sweep},
    config::{Config, ConfigError, Environment, Secrets, long_lines},
    driver::{Ended, Ports, SystemClock, drive},
    gateway::Gateway,
    git::Checkout,
    journal::{Journal, open_copy},
    machine::{Machine, Terms, Usd},
    redact::Redactor,
};

/// Threads for what would block the loop: the lookup of a host's name.
const BLOCKING_THREADS: usize = 4;

/// Longer than any run.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Runs the loop to its end and says how it ended. `run.end` is always the last event.
#[must_use]
pub fn run(environment: &Environment) -> RunExit {
    let (config, secrets) = match crate::config::read(environment) {
        Ok(checked) => checked,
        Err(error) => return refuse(&error),
    };
    let journal = match start_journal(
        &config.workstream,
        &config.run,
        config.journal.as_deref(),
        redactor(&secrets),
    ) {
        Ok(journal) => journal,
        Err(text) => {
            eprintln!("error: {text}");
            return RunExit::Configuration;
        }
    };
    journal.limit_to(config.max_log_bytes);
    report_panics(&journal);
    for guard in crate::platform::missing_guards() {
        journal.log(Level::Warn, format!("not guarded on this system: {guard}"));
    }
    if !secrets.agent.withheld.is_empty() {
        let text = format!(
            "the agent does not get {}: {} does not name this repository",
            secrets.agent.withheld.join(", "),
            env::AGENT_REPOSITORIES
        );
        journal.log(Level::Warn, text);
    }
    let limit = Usd::from_dollars(config.limits.max_cost_usd);
    let account = Account::new(limit, journal.clone());
    account.begin(config.earlier.unwrap_or_default());
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        block_on(config, secrets, &journal, &account)
    }));
    let ended = ended.unwrap_or_else(|_| Ended {
        exit: RunExit::Internal,
        text: Some("a fault of the worker itself; the log says where".to_owned()),
    });
    finish(&journal, ended, Some(account.close()))
}

/// Reports a wrong environment: as events when at least the run is known, else on stderr.
fn refuse(error: &ConfigError) -> RunExit {
    let journal = error.identity.as_ref().and_then(|(workstream, run)| {
        // No value of the environment is in the problems' texts, so there is nothing to redact.
        start_journal(workstream, run, error.journal.as_deref(), Redactor::new([""; 0])).ok()
    });
    let Some(journal) = journal else {
        eprintln!("error: {error}");
        return RunExit::Configuration;
    };
    journal.log(Level::Error, error.to_string());
    let first = error.problems.first().cloned();
    finish(&journal, Ended { exit: RunExit::Configuration, text: first }, None)
}

fn finish(journal: &Journal, Ended { exit, text }: Ended, spend: Option<Spend>) -> RunExit {
    let level = match exit {
        RunExit::Complete => Level::Info,
        exit if exit.is_final() => Level::Error,
        _ => Level::Warn,
    };
    // When stdout is blocked there is nobody left to tell.
    let _ = journal.finish(level, Kind::RunEnd { reason: exit, exit: exit.code(), text, spend });
    exit
}

fn start_journal(
    workstream: &Workstream,
    run: &Run,
    copy: Option<&std::path::Path>,
    redactor: Redactor,
) -> Result<Journal, String> {
    let copy = copy
        .map(|path| {
            open_copy(path).map_err(|error| {
                format!(
                    "RALPH_JOURNAL: cannot open {}: {error}\nhint: a file in a folder that exists",
                    path.display()
                )
            })
        })
        .transpose()?;
    Journal::start(workstream.clone(), run.clone(), redactor, std::io::stdout(), copy)
        .map_err(|error| format!("cannot start the writer thread: {error}"))
}

/// A redactor that knows every secret.
pub(crate) fn redactor(secrets: &Secrets) -> Redactor {
    let keys = secrets.anthropic.keys.iter().map(|key| key.value.expose().to_owned());
    let git = match &secrets.git {
        GitToken::Token(credential) => vec![
            credential.token.expose().to_owned(),
            // As git sends it: `Authorization: Basic <this>`.
            format!("{}:{}", credential.username, credential.token.expose()),
        ],
        GitToken::App(_) | GitToken::Public(_) => Vec::new(),
    };
    let redactor = Redactor::new(keys.chain(git).chain(secrets.agent.to_redact()));
    match &secrets.git {
        // The tokens that it gets are learned as they come.
        GitToken::App(app) => {
            redactor.and_verbatim(long_lines(app.private_key.expose()).map(str::to_owned))
        }
        _ => redactor,
    }
}

/// A journal nobody reads.
pub(crate) fn silent_journal(config: &Config, redactor: Redactor) -> std::io::Result<Journal> {
    Journal::start(config.workstream.clone(), config.run.clone(), redactor, std::io::sink(), None)
}

/// A panic becomes an event; the default hook would write a raw line, unredacted.
fn report_panics(journal: &Journal) {
    let journal = journal.clone();
    std::panic::set_hook(Box::new(move |info| journal.emit_in_panic(info.to_string())));
}

fn block_on(config: Config, secrets: Secrets, journal: &Journal, account: &Account) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(FOR_EVER)
        .build();
    match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(go(config, secrets, journal, account));
            // A blocking read that never returns must not hold the exit.
            runtime.shutdown_timeout(Duration::from_millis(100));
            ended
        }
        Err(error) => internal(format!("cannot start the runtime: {error}")),
    }
}

/// Starts all the threads that this process will ever have: the agent is kept from those that are
/// there when it starts.
async fn start_threads() -> Result<(), Elapsed> {
    let all = Arc::new(Barrier::new(BLOCKING_THREADS));
    let waits: Vec<_> = (0..BLOCKING_THREADS)
        .map(|_| {
            let all = Arc::clone(&all);
            // Busy until the last one has begun, so that each gets a thread of its own.
            tokio::task::spawn_blocking(move || all.wait())
        })
        .collect();
    // One that the system refuses would be waited for by the others.
    timeout(Duration::from_secs(10), async {
        for wait in waits {
            // Nothing in it can panic.
            let _ = wait.await;
        }
    })
    .await
}

fn internal(text: String) -> Ended {
    Ended { exit: RunExit::Internal, text: Some(text) }
}

async fn go(config: Config, secrets: Secrets, journal: &Journal, account: &Account) -> Ended {
    let mut signals = match listen() {
        Ok(signals) => signals,
        Err(error) => return internal(format!("cannot listen to signals: {error}")),
    };
    if start_threads().await.is_err() {
        return internal("cannot start threads: the system has too few".to_owned());
    }
    let (hurry, hurried) = watch::channel(None);
    let checkout = Checkout::new(&config, &secrets, hurried, journal.clone());
    let endpoint = config.model_endpoint.clone();
    let gateway = Gateway::start(endpoint, secrets.anthropic, account.clone(), journal.clone());
    let gateway = match gateway.await {
        Ok(gateway) => gateway,
        Err(error) => return internal(format!("cannot start the gateway: {error}")),
    };
    let seconds = Duration::from_secs;
    let limits = config.limits;
    let terms = Terms {
        attempt: config.run.attempt(),
        repo: config.repo.to_string(),
        branch: config.branch.clone(),
        limits,
        deadline: config
            .run
            .started_ms()
            .saturating_add(limits.max_duration_secs.saturating_mul(1000)),
        verifies: config.verify_command.is_some(),
    };
    let mut template = config.agent_command;
    // Before anything untrusted runs, which could put another one into a folder of its own. One that
    // is not there yet is looked up when it starts, by the agent's PATH.
    if let Some(program) = find_program(&template[0]) {
        template[0] = program.to_string_lossy().into_owned();
    }
    let runner = Process {
        template,
        dir: checkout.dir.clone(),
        home: checkout.home.clone(),
        environment: checkout.environment.clone(),
        timeout: seconds(limits.iteration_timeout_secs),
        silence: seconds(limits.silence_secs),
        journal: journal.clone(),
        account: account.clone(),
        gateway,
        has_begun: AtomicBool::new(false),
    };
    let workplace = Mutex::new(checkout);
    let ports = Ports {
        workplace: &workplace,
        runner: &runner,
        clock: &SystemClock,
        hurry: &hurry,
        journal,
        account,
    };
    let ended = drive(Machine::new(terms), &ports, &mut signals).await;
    // What a signal cut off (a verify command, a push) leaves no process behind.
    let swept = sweep::sweep().await;
    runner.gateway.finish().await;
    let signal = async {
        if signals.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    };
    let mut checkout = workplace.into_inner();
    checkout.tell_end(ended.exit, account.used(), swept.left, signal).await;
    ended
}

/// SIGTERM and SIGINT, by name, as they come.
fn listen() -> std::io::Result<mpsc::Receiver<&'static str>> {
    let (sender, receiver) = mpsc::channel(8);
    for (kind, name) in [(SignalKind::terminate(), "SIGTERM"), (SignalKind::interrupt(), "SIGINT")]
    {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if sender.send(name).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}
