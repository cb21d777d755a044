//! `ralph run`: checks what can be known before the start, and starts the state machine.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ralph_protocol::{execution::Order, names::SecretName, secret::GitToken};

use crate::{
    args::RunArgs,
    aws::{Aws, Executions, Secrets},
    local::{self, agents},
    logs,
    project::Project,
    target::Target,
    tools::{invocation::ralph_there, steps::say},
};

pub async fn run(options: RunArgs) -> Result<ExitCode> {
    let target = options.target.resolve().await?;
    let order = options.order();
    check_form(&order, target.endpoint.is_some())?;
    let scratch = options.target.scratch();
    if options.scripted && scratch.is_none() {
        bail!("--scripted is for the local cloud\nhint: add --local, or leave it out");
    }
    let aws = Aws::connect(&target).await?;
    check_secrets(&target, &aws.secrets(), &order).await?;
    let executions = aws.executions(&target)?;
    check_free(&executions, &order).await?;
    if let Some(scratch) = scratch.as_ref().filter(|_| options.scripted) {
        let command = agents::scripted(&Project::find()?).await?;
        agents::set(scratch, &order.workstream, &command)?;
    }
    if let Some(scratch) = &scratch {
        local::show(scratch, &order.workstream)?;
    }
    let ulid = ulid::Ulid::generate();
    executions.start(ulid, &order).await?;
    let workstream = &order.workstream;
    say(&format!("{workstream} is started (execution {workstream}-{ulid})"));
    if options.follow {
        return logs::follow_execution(&target, &aws, order.workstream, ulid).await;
    }
    let page = target.link_to(workstream);
    let page = page.unwrap_or_else(|| ralph_there(&format!("view {workstream}")));
    say(&format!("lines   {}", ralph_there(&format!("logs {workstream} -f"))));
    say(&format!("page    {page}"));
    say(&format!("state   {}", ralph_there("ps")));
    say(&format!("stop    {}", ralph_there(&format!("stop {workstream}"))));
    Ok(ExitCode::SUCCESS)
}

/// Everything that `admit` would refuse the order for.
fn check_form(order: &Order, files: bool) -> Result<()> {
    let problems: Vec<String> = order.problems(files).iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

/// A task whose secret has no value does not start, and one whose token is for another host ends
/// before its first iteration. An operator need not read a value: who may not read the token leaves the
/// comparison to the worker.
async fn check_secrets(target: &Target, secrets: &Secrets, order: &Order) -> Result<()> {
    for (name, more) in [
        (SecretName::AnthropicKeys, ""),
        (SecretName::GitToken, ", with {} in it for public repositories"),
    ] {
        if secrets.about(target.secret_arn(name)?).await?.version.is_none() {
            let name = name.as_str();
            bail!(
                "the secret {name} has no value: no task can start\nhint: `{} < {name}.json`{more}",
                ralph_there(&format!("keys set {name}"))
            );
        }
    }
    let token = secrets.get_if_allowed(target.secret_arn(SecretName::GitToken)?).await?;
    let Some(token) = token else { return Ok(()) };
    let token = GitToken::parse(&token).context("the secret git-token has another shape")?;
    check_host(&token, &order.repo)
}

fn check_host(token: &GitToken, repo: &str) -> Result<()> {
    let Some(token) = token.host() else { return Ok(()) };
    let Some(rest) = repo.strip_prefix("https://") else {
        bail!("a repository on this machine needs no token\nhint: set git-token to {{}}");
    };
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    if !host.eq_ignore_ascii_case(token) {
        bail!(
            "the repository is on {host}, but the git token is for {token}\nhint: set a token for {host}, or {{}} for a public repository"
        );
    }
    Ok(())
}

async fn check_free(executions: &Executions, order: &Order) -> Result<()> {
    let workstream = &order.workstream;
    let running = executions.running().await?;
    if let Some(other) = running.iter().find(|other| other.workstream == *workstream) {
        bail!(
            "{workstream} runs already (execution {})\nhint: `{}` shows it, `{}` ends it",
            other.name(),
            ralph_there(&format!("logs {workstream} -f")),
            ralph_there(&format!("stop {workstream}"))
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::app;

    #[test]
    fn a_token_is_for_its_host_alone() {
        let token = GitToken::parse(r#"{"host":"GitHub.com","username":"x","token":"t"}"#).unwrap();
        let public = GitToken::parse("{}").unwrap();
        let app = GitToken::parse(&app("RSA", "rsa_keygen_bits:2048")).unwrap();
        for (token, repo, ok) in [
            (&token, "https://github.com/you/project", true),
            (&token, "https://github.com:443/you/project", true),
            (&token, "https://gitlab.com/you/project", false),
            (&token, "https://github.com.evil.example/you/project", false),
            (&token, "file:///srv/project", false),
            (&app, "https://github.com/you/project", true),
            (&app, "https://gitlab.com/you/project", false),
            (&public, "https://gitlab.com/you/project", true),
            (&public, "file:///srv/project", true),
        ] {
            assert_eq!(check_host(token, repo).is_ok(), ok, "{repo}");
        }
    }
}
