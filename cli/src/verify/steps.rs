//! What is the same on AWS and in the local cloud: a scripted run that waits once for a limit, watched
//! by a viewer whose connection drops once, and the comparison of both.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use ralph_protocol::{
    execution::{Limits, Order, Outcome},
    ids::{Run, Workstream},
    names::output,
    reassembly::{Client, Options},
};
use tokio::time::{Instant, sleep};

use super::{agent, report::Report};
use crate::{
    aws::{Aws, Execution, Executions, Prerequisites, Status},
    demo::{Viewing, compare},
    local::agents,
    logs, preparation,
    project::Description,
    target::Target,
    watch::{Reader, now_ms},
    workstream::stop::Stopping,
};

/// Longest the run may take: pulling the image, two attempts, and the pauses between them.
const LONGEST: Duration = Duration::from_secs(20 * 60);
/// How often the execution is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Numbers that are asked for again after the reconnect although they are held.
const OVERLAP: u64 = 40;

/// What to verify.
pub struct Setup<'a> {
    pub target: &'a Target,
    /// The local cloud's; `None` on AWS, where the environment's agent is the scripted one.
    pub scratch: Option<&'a Path>,
    pub repo: String,
}

/// What the account offers before anything is applied. What is missing of it is made.
pub async fn account(
    account: &Prerequisites,
    description: &Description,
    report: &mut Report,
) -> Result<()> {
    let found = account.concurrency().await?;
    report.add(
        "functions at the same time",
        "at least 100 without a reservation; 10 in a new account",
        "1000",
        format!("{}, of them {} without a reservation", found.limit, found.unreserved),
        preparation::is_enough(found),
    );
    let role = preparation::ecs_role(account, description).await?;
    report.add(
        "ECS's service-linked role",
        "is there, or is made before the apply",
        "the same",
        role.to_string(),
        true,
    );
    Ok(())
}

pub async fn run(setup: &Setup<'_>, report: &mut Report) -> Result<()> {
    let ulid = ulid::Ulid::generate();
    let workstream = workstream(ulid)?;
    if let Some(scratch) = setup.scratch {
        agents::set(scratch, &workstream, &agent::command())?;
    }
    let aws = Aws::connect(setup.target).await?;
    let executions = aws.executions(setup.target)?;
    let reader = Reader::Rules(Box::new(Client::new(Options {
        overlap: OVERLAP,
        seed: Some(now_ms()),
        ..Options::new(workstream.clone())
    })));
    let place = logs::place(setup.target, &aws).await?;
    let first = Run::new(ulid, 1)?;
    let viewing = Viewing::start(place, workstream.clone(), first, reader, true);
    viewing.caught_up().await?;
    report.add("a viewer", "connects with a signed token", "the same", "connected", true);

    executions.start(ulid, &order(setup, &workstream)).await?;
    let shown = viewing.until_over(over(&executions, &workstream, ulid)).await?;
    over(&executions, &workstream, ulid).await?;
    let execution = executions.find(&workstream, ulid).await?.context("the execution is gone")?;

    let rows = aws.runs(setup.target)?.newest(&workstream, ulid).await?;
    let reader = aws.log_reader(setup.target)?;
    let mut written = String::new();
    for stream in rows.iter().rev().filter_map(|row| row.stream.as_deref()) {
        for line in reader.all(stream).await? {
            written.push_str(&line);
            written.push('\n');
        }
    }
    let compared = compare(&written, &ulid.to_string(), shown, Vec::new(), String::new());
    let first_line = compared.to_string().lines().next().unwrap_or_default().to_owned();
    report.add(
        "what was written, against what was shown",
        "nothing lost, duplicated, changed or out of order, across one reconnect",
        "the same",
        first_line,
        compared.is_whole() && compared.reconnected(),
    );
    report.add(
        "latency from written to shown",
        "the log driver gathers for up to 5 s",
        "about 0.1 to 0.3 s",
        format!("p50 {} ms, p99 {} ms", compared.percentile(50), compared.percentile(99)),
        true,
    );
    waiting(report, &execution, compared.attempts, compared.exit);
    stopping(setup, &aws, &executions, report).await
}

/// Another execution, which is stopped in the middle.
async fn stopping(
    setup: &Setup<'_>,
    aws: &Aws,
    executions: &Executions,
    report: &mut Report,
) -> Result<()> {
    let ulid = ulid::Ulid::generate();
    let workstream = workstream(ulid)?;
    if let Some(scratch) = setup.scratch {
        agents::set(scratch, &workstream, "sleep 600")?;
    }
    executions.start(ulid, &order(setup, &workstream)).await?;
    let execution = executions.find(&workstream, ulid).await?.context("the execution is gone")?;
    Stopping::new(aws, setup.target, "`ralph verify-aws`")?
        .one(&execution, Instant::now() + LONGEST)
        .await?;
    let tasks = aws.tasks().of_execution(setup.target.text(output::CLUSTER)?, ulid).await?;
    let runs = executions.is_running(&execution).await?;
    report.add(
        "an execution that is stopped",
        "ends, and no task of it goes on",
        "the same",
        format!("{}, {} tasks", if runs { "runs" } else { "ended" }, tasks.len()),
        !runs && tasks.is_empty(),
    );
    Ok(())
}

/// A name that no other verification has.
fn workstream(ulid: ulid::Ulid) -> Result<Workstream> {
    let name = format!("verify-{}", &ulid.to_string()[20..].to_ascii_lowercase());
    Ok(name.parse()?)
}

/// The README.md of the repository is the prompt.
fn order(setup: &Setup<'_>, workstream: &Workstream) -> Order {
    Order {
        prompt_file: Some("README.md".to_owned()),
        limits: Limits { max_duration_secs: Some(LONGEST.as_secs()), ..Limits::default() },
        ..Order::new(workstream.clone(), setup.repo.clone())
    }
}

/// The worker ended with 76 once, and was started again when the limit was over.
fn waiting(report: &mut Report, execution: &Execution, attempts: usize, exit: Option<u8>) {
    let output = execution.output();
    let outcome = output.as_ref().map(|output| output.outcome);
    let said =
        output.as_ref().map_or_else(|| "the execution said nothing".to_owned(), logs::exit::over);
    let seen = format!(
        "{attempts} attempts, last exit {}; {said}",
        exit.map_or_else(|| "none".to_owned(), |exit| exit.to_string())
    );
    report.add(
        "a worker that waits for a limit",
        "2 attempts, last exit 0, execution complete",
        "the same",
        seen,
        attempts == 2 && exit == Some(0) && outcome == Some(Outcome::Complete),
    );
}

async fn over(executions: &Executions, workstream: &Workstream, ulid: ulid::Ulid) -> Result<()> {
    let deadline = Instant::now() + LONGEST;
    loop {
        let execution = executions.find(workstream, ulid).await?;
        if execution.is_some_and(|execution| execution.status != Status::Running) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the execution is not over after {} minutes", LONGEST.as_secs() / 60);
        }
        sleep(LOOK).await;
    }
}
