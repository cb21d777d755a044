//! `ralph run`: checks what can be known before the start, and starts the state machine.

mod prompt;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use ralph_protocol::{
    execution::{Order, check_model, check_repo},
    ids::Workstream,
    index::{WorkstreamInfo, WorkstreamState},
    names::SecretName,
    secret::GitToken,
};

use super::wait;
use crate::{
    args::{OPTIONS, RunArgs},
    aws::{Aws, Execution, Executions, Runs, Secrets},
    local::{self, agents},
    logs, preparation,
    project::Project,
    target::Target,
    tools::{invocation::ralph_there, steps::say},
    watch::now_ms,
};

pub async fn run(options: RunArgs) -> Result<ExitCode> {
    let order = options.order(prompt::read(&options)?);
    check_form(&order, &options)?;
    let target = options.target.resolve().await?;
    check_repo(&order.repo, target.endpoint.is_some())?;
    check_known(&order, &target)?;
    let scratch = options.target.scratch();
    if options.scripted && scratch.is_none() {
        bail!("--scripted is for the local cloud\nhint: add --local, or leave it out");
    }
    let aws = Aws::connect(&target).await?;
    check_secrets(&target, &aws.secrets(), &order).await?;
    // The local cloud has these from whoever started it.
    if scratch.is_none() {
        let all = target.agent_secrets()?;
        preparation::agent_secrets(&aws.secrets(), &target.environment, all).await?;
    }
    let executions = aws.executions(&target)?;
    check_free(&executions, &order).await?;
    let runs = aws.runs(&target)?;
    if !options.new_branch
        && let Some(note) = was_complete(&runs, &order.workstream).await
    {
        say(&note);
    }
    if let Some(scratch) = scratch.as_ref().filter(|_| options.scripted) {
        let command = agents::scripted(&Project::find()?).await?;
        agents::set(scratch, &order.workstream, &command)?;
    }
    if let Some(scratch) = &scratch {
        local::show(scratch, &order.workstream)?;
    }
    let ulid = ulid::Ulid::generate();
    let arn = executions.start(ulid, &order).await?;
    let workstream = &order.workstream;
    say(&format!("{workstream} is started (execution {workstream}-{ulid})"));
    if options.follow {
        return logs::follow_execution(&target, &aws, order.workstream, ulid).await;
    }
    if options.wait {
        let execution = Execution::begun(arn, order.workstream, ulid);
        return wait::until_over(&executions, &runs, execution).await;
    }
    let page = target.link_to(workstream);
    let page = page.unwrap_or_else(|| ralph_there(&format!("view {workstream}")));
    say(&format!("lines   {}", ralph_there(&format!("logs {workstream} -f"))));
    say(&format!("page    {page}"));
    say(&format!("state   {}", ralph_there("ps")));
    say(&format!("stop    {}", ralph_there(&format!("stop {workstream}"))));
    Ok(ExitCode::SUCCESS)
}

/// Everything that `admit` would refuse the order for, by the options' names. Whether a repository may be a
/// file depends on the environment.
fn check_form(order: &Order, options: &RunArgs) -> Result<()> {
    let problems = order.problems(true);
    let texts: Vec<String> = problems
        .iter()
        .map(|problem| {
            OPTIONS.iter().fold(problem.to_string(), |text, (field, option)| {
                let is_file = *field == "prompt" && options.prompt_file.is_some();
                let option = if is_file { "--prompt-file" } else { option };
                text.replace(&format!("`{field}`"), &format!("`{option}`"))
            })
        })
        .collect();
    if !texts.is_empty() {
        bail!("{}", texts.join("\n"));
    }
    Ok(())
}

/// Without a price for its model, a worker would count too little or too much. A gateway has names of its own.
fn check_known(order: &Order, target: &Target) -> Result<()> {
    let Some(model) = order.model.as_deref().filter(|_| !target.has_model_endpoint()) else {
        return Ok(());
    };
    check_model(model).map_err(|problem| anyhow!("`--model {model}` {problem}"))
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

/// Says it when the work that the workstream's branch holds was complete: who starts it again may have
/// meant another branch. An environment that keeps no list, or a user who may not read it, is told
/// nothing.
async fn was_complete(runs: &Runs, workstream: &Workstream) -> Option<String> {
    let listed = runs.listed(workstream, now_ms()).await.ok().flatten()?;
    complete_note(&listed)
}

fn complete_note(listed: &WorkstreamInfo) -> Option<String> {
    if listed.state != WorkstreamState::Complete {
        return None;
    }
    let WorkstreamInfo { workstream, run, execution, .. } = listed;
    let name = execution.clone().unwrap_or_else(|| format!("{workstream}-{}", run.ulid()));
    Some(format!(
        "note: {workstream} was complete (execution {name}): this execution goes on upon its branch unless that is merged; --new-branch starts another from the base"
    ))
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
    use clap::Parser;

    use super::*;
    use crate::{
        args::{Args, Command},
        keys::tests::app,
    };

    #[test]
    fn each_option_of_an_order_is_named_in_what_is_wrong_with_it() {
        let repo = "https://github.com/you/project";
        for (words, said) in [
            (&["--base", ""][..], "`--base` is not a text"),
            (&["--branch", ""], "`--branch` is not a text"),
            (&["--prompt-path", ""], "`--prompt-path` is not a text"),
            (&["--setup", ""], "`--setup` is not a text"),
            (&["--model", ""], "`--model` is not a text"),
            (&["--verify", ""], "`--verify` is not a text"),
            (&["--cpu", "1024"], "`--cpu` and `--memory` belong together"),
            (&["--memory", "2048"], "`--cpu` and `--memory` belong together"),
            (&["--cpu", "1000", "--memory", "2048"], "`--cpu` is 1000"),
            (
                &["--cpu", "256", "--memory", "4096"],
                "`--memory` is 4096, which Fargate does not offer with 256 CPU units\nhint: one of 512, 1024, 2048",
            ),
            (&["--max-iterations", "0"], "`--max-iterations` is out of range"),
            (&["--max-duration", "9000h"], "`--max-duration` is out of range"),
            (&["--max-cost-usd", "1000001"], "`--max-cost-usd` is out of range"),
            (&["--iteration-timeout", "9000h"], "`--iteration-timeout` is out of range"),
            (&["--silence", "9000h"], "`--silence` is out of range"),
            (&["--setup-timeout", "25h"], "`--setup-timeout` is out of range"),
            (&["--max-stalls", "0"], "`--max-stalls` is out of range"),
            (&["--max-log-mb", "0"], "`--max-log-mb` is out of range"),
            (&["--max-commit-mb", "0"], "`--max-commit-mb` is out of range"),
            (&["--max-commit-files", "0"], "`--max-commit-files` is out of range"),
        ] {
            let words = [&["ralph", "run", "docs", repo], words].concat();
            let Command::Run(options) = Args::try_parse_from(&words).unwrap().command else {
                panic!("another command")
            };
            let error = check_form(&options.order(None), &options).unwrap_err().to_string();
            assert!(error.starts_with(said), "{words:?}: {error}");
        }
    }

    #[test]
    fn who_starts_a_workstream_again_hears_that_it_was_complete() {
        for state in WorkstreamState::ALL {
            let run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0002".parse().unwrap();
            let listed = WorkstreamInfo::new("docs".parse().unwrap(), run, state, 0);
            let note = complete_note(&listed);
            assert_eq!(note.is_some(), state == WorkstreamState::Complete, "{state:?}");
            if let Some(note) = note {
                let begin =
                    "note: docs was complete (execution docs-01ARZ3NDEKTSV4RRFFQ69G5FAV): this";
                assert!(note.starts_with(begin), "{note}");
            }
            let nightly = WorkstreamInfo { execution: Some("nightly".into()), ..listed };
            let note = complete_note(&nightly).unwrap_or_default();
            assert_eq!(note.contains("(execution nightly)"), !note.is_empty(), "{note}");
        }
    }

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
