//! `ralph logs`: as `kubectl logs` and `aws logs tail` do, it shows the existing lines and ends;
//! with `-f` it continues.

pub mod exit;
mod following;
pub mod format;
mod reading;
pub mod screen;
mod unknown;
mod whole;

use std::process::ExitCode;

use anyhow::{Result, bail};
use ralph_protocol::{
    ids::Workstream,
    message::{DEFAULT_LIMIT, MAX_LIMIT},
    reassembly::Options,
};

use crate::{
    args::LogsArgs,
    aws::{Aws, Status},
    target::Target,
    token::Minter,
    tools::steps::say,
    watch::{Place, now_ms},
};

use exit::{Ends, code, said};
use following::Until;
use format::Extent;
use screen::{Form, stdout};

/// Where a workstream's lines of an environment come from.
pub async fn place(target: &Target, aws: &Aws) -> Result<Place> {
    Ok(Place {
        url: target.websocket_url()?,
        minter: Minter::connect(target, aws).await?,
        user: "ralph-cli".to_owned(),
    })
}

pub async fn run(options: LogsArgs) -> Result<ExitCode> {
    if let (Some(_), Some(_)) = (&options.run, options.since.filter(|_| options.follow)) {
        bail!(
            "--run with --since does not follow\nhint: leave --since out, its beginning is the run's; or leave -f out"
        );
    }
    let target = options.target.resolve().await?;
    let aws = Aws::connect(&target).await?;
    let place = place(&target, &aws).await?;
    let form = if options.json { Form::Json } else { Form::Text(Extent::Whole) };
    let mut screen = stdout(form, options.color.into());
    if let Some(run) = &options.run {
        unknown::check_run(&aws, &target, &options.workstream, run).await?;
    }

    let bounded = options.run.is_some() || options.since.is_some();
    let follows = options.follow || options.exit_code;
    let (exit, has_run) = if !follows && bounded && options.tail.is_none() {
        let selection = reading::Selection {
            workstream: &options.workstream,
            run: options.run.as_ref(),
            since: options.since,
        };
        let read = reading::read(&place, &selection, &mut screen).await;
        screen.flush()?;
        let read = read?;
        if read.has_run && read.lines == 0 {
            say(&format!("note: {} has written nothing there", options.workstream));
        }
        (None, read.has_run)
    } else {
        let limit = options.tail.unwrap_or(if bounded { MAX_LIMIT } else { DEFAULT_LIMIT });
        let until = match (&options.run, options.exit_code, options.follow) {
            (Some(run), _, true) | (Some(run), true, _) => Until::RunOver(run.clone()),
            (None, true, _) => Until::ExecutionOver(Ends(aws.executions(&target).ok()), None),
            (None, false, true) => Until::Stopped,
            (_, false, false) => Until::CaughtUp,
        };
        let rules = Options {
            limit,
            since: options.since,
            run: options.run.clone(),
            seed: Some(now_ms()),
            ..Options::new(options.workstream.clone())
        };
        let followed = following::follow(place, rules, until, &mut screen).await?;
        (followed.exit, followed.has_run)
    };
    if !has_run {
        unknown::explain(&aws.executions(&target)?, &options.workstream).await?;
    }
    Ok(if options.exit_code { code(exit) } else { ExitCode::SUCCESS })
}

/// Follows one execution from its beginning to its end; its worker's exit code.
pub async fn follow_execution(
    target: &Target,
    aws: &Aws,
    workstream: Workstream,
    ulid: ulid::Ulid,
) -> Result<ExitCode> {
    let place = place(target, aws).await?;
    let mut screen = stdout(Form::Text(Extent::Whole), anstream::ColorChoice::Auto);
    let executions = aws.executions(target)?;
    let until = Until::ExecutionOver(Ends(Some(executions.clone())), Some(ulid.to_string()));
    let rules = Options {
        seed: Some(now_ms()),
        since: Some(ulid.timestamp_ms()),
        ..Options::new(workstream.clone())
    };
    let followed = following::follow(place, rules, until, &mut screen).await?;
    let execution = executions.find(&workstream, ulid).await?;
    if let Some(over) = execution.filter(|one| one.status != Status::Running) {
        say(&said(&over));
    }
    Ok(code(followed.exit))
}
