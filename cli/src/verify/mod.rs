//! `ralph verify-aws`: the whole path once on a real account, in an environment of its own, and what
//! differed from the local cloud. With `--scratch` it does what is possible in a local cloud,
//! so that the script itself is tested before anyone pays for it.

mod account;
mod agent;
mod report;
mod steps;

use std::process::ExitCode;

use anyhow::{Error, Result, anyhow, bail};

use crate::{
    args::VerifyArgs,
    aws::Aws,
    complaint,
    demo::Repository,
    local::Interrupt,
    preparation::STAYS,
    project::{Description, Project},
    target::Target,
    tools::{output, steps::say},
};

use account::Account;
use report::{Place, Report};
use steps::Setup;

/// Something was not as it should be.
const DIFFERED: u8 = 3;

pub async fn run(options: VerifyArgs) -> Result<ExitCode> {
    let project = Project::find()?;
    let mut interrupt = Interrupt::new()?;
    let report = match &options.scratch {
        Some(scratch) => {
            let target = Target::read(scratch)?;
            let repository = Repository::new(&crate::local::repositories(scratch)).await?;
            let setup = Setup { target: &target, scratch: Some(scratch), repo: repository.url() };
            let mut report = Report::new(Place::Local);
            let description = Description::read(&project, &target.environment)?;
            let account = Aws::connect(&target).await?.prerequisites();
            let verify = async {
                steps::account(&account, &description, &mut report).await?;
                steps::run(&setup, &mut report).await
            };
            tokio::select! {
                result = verify => result?,
                () = interrupt.wait() => bail!("interrupted"),
            }
            report
        }
        None => on_aws(&project, &options, &mut interrupt).await?,
    };
    output::print(&report)?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERED) })
}

async fn on_aws(
    project: &Project,
    options: &VerifyArgs,
    interrupt: &mut Interrupt,
) -> Result<Report> {
    let account = Account::check(project, options).await?;
    let mut report = Report::new(Place::Aws);
    let result = tokio::select! {
        result = account.verify(&mut report) => result,
        () = interrupt.wait() => Err(anyhow!("interrupted")),
    };
    // Whatever came of it: what is left on an account costs money.
    let removed = match options.keep {
        true => {
            say(&format!("kept, as asked; remove it with\n  {}", account.destroy_command()));
            Ok(())
        }
        false => account.destroy(&mut report).await,
    };
    if removed.is_ok() && !options.keep {
        say(&format!("note: {STAYS}"));
    }
    match failure(result, removed) {
        None => Ok(report),
        Some(error) => {
            // What was found out is worth seeing, also when the rest failed.
            output::print(&report)?;
            Err(error)
        }
    }
}

/// What went wrong first, and what went wrong with the destroy: one does not explain the other.
fn failure(result: Result<()>, removed: Result<()>) -> Option<Error> {
    match (result.err(), removed.err()) {
        (Some(first), Some(second)) => {
            Some(anyhow!("{}\nerror: {}", complaint::text(&first), complaint::text(&second)))
        }
        (first, second) => first.or(second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destroy_that_fails_hides_no_error() {
        let failed = || Err(anyhow!("a\nhint: do b"));
        let kept = || Err(anyhow!("inner").context("c\nhint: do d"));
        for (result, removed, said) in [
            (Ok(()), Ok(()), None),
            (failed(), Ok(()), Some("a\nhint: do b")),
            (Ok(()), kept(), Some("c: inner\nhint: do d")),
            (failed(), kept(), Some("a\nhint: do b\nerror: c: inner\nhint: do d")),
        ] {
            let error = failure(result, removed).map(|error| complaint::text(&error));
            assert_eq!(error.as_deref(), said);
        }
    }
}
