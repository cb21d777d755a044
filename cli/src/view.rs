//! `ralph view`: the page on this machine, against an environment on AWS or the local cloud.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{
    args::ViewArgs,
    aws::Aws,
    build,
    local::{Interrupt, Shown, claim, server},
    project::Project,
    token::Minter,
    tools::{
        invocation::just,
        steps::{print, step},
    },
};

pub async fn run(options: ViewArgs) -> Result<()> {
    let target = options.target.resolve().await?;
    // What can be wrong at once comes before the build of the page.
    let minter = Minter::connect(&target, &Aws::connect(&target).await?).await?;
    claim(options.viewer_port, "--viewer-port")?;
    let mut interrupt = Interrupt::new()?;
    let page = tokio::select! {
        page = page(options.page) => page?,
        () = interrupt.wait() => bail!("interrupted; nothing is left running"),
    };
    let site = server::Site {
        page: Some(page),
        websocket_url: target.websocket_url()?,
        workstreams: Shown::only(options.workstreams.clone()),
        minter,
    };
    let server = server::bind(options.viewer_port, site).await?;
    print(&format!("viewer  {}", server.link()));
    print("ready; Ctrl-C ends it");
    tokio::select! {
        result = server.run() => result,
        () = interrupt.wait() => Ok(()),
    }
}

/// The given page, or the project's own, built.
async fn page(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(page) = given {
        if !page.join("index.html").is_file() {
            bail!(
                "{} holds no index.html\nhint: name a folder that `{}` made",
                page.display(),
                just("build-viewer")
            );
        }
        return Ok(page);
    }
    let project = Project::find()?;
    step("viewer (npm)", build::viewer(&project)).await?;
    Ok(project.viewer_dist())
}
