//! `ralph verify-aws`: the whole path once on a real account, in an environment of its own, and what
//! differed from the local cloud. With `--scratch` it does what is possible in a local cloud,
//! so that the script itself is tested before anyone pays for it.

mod account;
mod agent;
mod report;
mod steps;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{
    args::VerifyArgs,
    demo::Repository,
    local::Interrupt,
    project::Project,
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
            tokio::select! {
                result = steps::run(&setup, &mut report) => result?,
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
        () = interrupt.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    // Whatever came of it: what is left on an account costs money.
    if options.keep {
        say(&format!("kept, as asked; remove it with\n  {}", account.destroy_command()));
    } else {
        account.destroy(&mut report).await?;
    }
    // What was found out so far is worth seeing, also when the rest failed.
    if result.is_err() {
        output::print(&report)?;
    }
    result.map(|()| report)
}
