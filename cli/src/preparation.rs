//! What an account must offer before an environment is applied to it, and what stays in it afterwards.

use std::{fmt, time::Duration};

use anyhow::{Result, bail};
use ralph_protocol::names::{Handler, Resources};
use tokio::time::{Instant, sleep};

use crate::{
    aws::{Aws, Concurrency, Prerequisites, Secrets, Seen},
    complaint,
    project::Description,
    tools::{
        invocation::just,
        steps::{say, step},
    },
};

/// GetRole shows a new role within seconds.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(1);
/// From then on, until ECS can assume the role, too: IAM's changes reach all places only after a while
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>).
/// AWS does not say how long; its own installer of
/// <https://github.com/aws-solutions-library-samples/guidance-for-claude-code-with-amazon-bedrock> waits this
/// long for this role.
const SETTLES: Duration = Duration::from_secs(10);
/// What Lambda keeps for functions without a reservation. An account that runs fewer is a new one.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html>
const KEPT_UNRESERVED: i32 = 100;

/// What stays after `destroy`, in short.
pub const STAYS: &str = "\
in the account stay, at no cost: the service-linked roles of ECS and API Gateway, the rule \
StepFunctionsGetEventsForECSTaskRule, the log policy AWSLogDeliveryWrite20150319, and inactive task \
definitions\nhint: docs/operations.md, \"What stays in the account\", says what they are and how to remove them";

/// What ECS says, and Terraform repeats, while it cannot assume its role.
const REFUSED: &str = "Unable to assume the service linked role";

/// Where ECS's service-linked role stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `create_service_linked_role` lets Terraform make it.
    Terraforms,
    There,
    Made,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terraforms => "is Terraform's to make (create_service_linked_role)",
            Self::There => "is there",
            Self::Made => "was missing and is made",
        })
    }
}

/// Expects credentials, of the account that ralph.toml names if it names one. Terraform would say so too, but
/// only after ECS's role was made in the wrong account, or after a note for each thing that cannot be looked at.
pub async fn expect_account(aws: &Aws, description: &Description) -> Result<()> {
    let account = aws.account().await?;
    if let Some(own) = description.account_id.as_ref().filter(|own| **own != account) {
        bail!(
            "these are credentials of account {account}, but ralph.toml names {own} (account_id)\nhint: AWS_PROFILE chooses other credentials"
        );
    }
    let elsewhere = |arn: &str| arn.split(':').nth(4) != Some(&account);
    if let Some((variable, arn)) = description.agent.secrets.iter().find(|(_, arn)| elsewhere(arn))
    {
        bail!(
            "these are credentials of account {account}, but the agent's secret {variable} in ralph.toml is {arn}\nhint: name a secret of this account, or choose other credentials with AWS_PROFILE"
        );
    }
    Ok(())
}

/// ECS looks at a task's secrets only when it starts one. Who may not look leaves it to ECS.
pub async fn agent_secrets(
    secrets: &Secrets,
    environment: &str,
    all: impl IntoIterator<Item = (String, String)>,
) -> Result<()> {
    for (variable, arn) in all {
        // ECS reads a JSON key and a version behind it.
        let secret = arn.split(':').take(7).collect::<Vec<_>>().join(":");
        let wrong = match secrets.look(&secret).await? {
            Seen::Value | Seen::Denied => continue,
            Seen::Empty => "has no value",
            Seen::Missing => "does not exist, or is being deleted",
        };
        bail!(
            "the agent's secret {variable} ([env.{environment}.agent.secrets] in ralph.toml) {wrong}: no task can start\nhint: give {secret} a value in Secrets Manager, or name another secret"
        );
    }
    Ok(())
}

/// Makes sure that ECS's role is there: otherwise ECS makes it during the apply, and may be asked for what
/// takes the role before it can assume it.
pub async fn ecs_role(account: &Prerequisites, description: &Description) -> Result<Role> {
    if description.create_service_linked_role {
        return Ok(Role::Terraforms);
    }
    if account.has_ecs_role().await? {
        return Ok(Role::There);
    }
    step("ECS's service-linked role made (once in an account)", async {
        account.make_ecs_role().await?;
        usable(|| account.has_ecs_role()).await
    })
    .await?;
    Ok(Role::Made)
}

/// Waits until a new role is seen, and then until it has settled.
async fn usable<F: Future<Output = Result<bool>>>(seen: impl Fn() -> F) -> Result<()> {
    let deadline = Instant::now() + SEEN_WITHIN;
    while !seen().await? {
        if Instant::now() >= deadline {
            bail!("IAM does not show the new role within {} s", SEEN_WITHIN.as_secs());
        }
        sleep(LOOK).await;
    }
    sleep(SETTLES).await;
    Ok(())
}

/// Whether an apply failed because ECS cannot assume its role yet. Terraform colours its errors and breaks
/// their lines.
pub fn is_about_the_role(said: &str) -> bool {
    let plain = anstream::adapter::strip_str(said).to_string().replace('│', " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ").contains(REFUSED)
}

/// The pause before the second apply. A person reads meanwhile why there is one.
pub async fn pause_for_the_role() -> Result<()> {
    say(&format!(
        "ECS cannot assume its service-linked role yet, which IAM makes known within seconds; applying once more in {} s",
        SETTLES.as_secs()
    ));
    tokio::select! {
        () = sleep(SETTLES) => Ok(()),
        _ = tokio::signal::ctrl_c() => bail!("interrupted before the second apply"),
    }
}

/// The account's limit, and what the environment has reserved of it already.
async fn limit(
    account: &Prerequisites,
    environment: &str,
    description: &Description,
) -> Result<(Concurrency, i32)> {
    let found = account.concurrency().await?;
    let reserved = match description.push_logs_concurrency() {
        Some(_) => {
            account.reserved(&Resources::new(environment).function(Handler::PushLogs)).await?
        }
        None => 0,
    };
    Ok((found, reserved))
}

/// Lambda would refuse the reservation in the middle of the apply.
fn fits(found: Concurrency, reserved: i32, description: &Description) -> Result<()> {
    let region = &description.region;
    let free = (found.unreserved + reserved - KEPT_UNRESERVED).max(0);
    if let Some(wanted) = description.push_logs_concurrency().filter(|&wanted| wanted > free) {
        bail!(
            "push_logs_concurrency is {wanted}, but this account can reserve {free} instances in {region}: Lambda keeps {KEPT_UNRESERVED} without a reservation\nhint: leave it out of ralph.toml and run `{}`, or {}",
            just("gen"),
            ask_for_more(region)
        );
    }
    Ok(())
}

fn ask_for_more(region: &str) -> String {
    format!(
        "ask AWS for more: aws service-quotas request-service-quota-increase --region {region} --service-code lambda --quota-code L-B99A9384 --desired-value 1000"
    )
}

/// Whether the functions have room beside each other.
pub fn is_enough(found: Concurrency) -> bool {
    found.unreserved >= KEPT_UNRESERVED
}

/// What a low limit means, and what to do.
fn meaning(found: Concurrency, region: &str) -> String {
    let Concurrency { limit, unreserved } = found;
    format!(
        "this account runs at most {limit} Lambda functions at the same time in {region}, {unreserved} of them without a reservation, and every function of the account shares them\n\
         Lambda refuses what comes beyond that: who connects is answered with 500 while `authorize` finds no instance, requests for lines fail, and lines arrive late\n\
         hint: {}",
        ask_for_more(region)
    )
}

/// Before an apply. Who may not look may still apply: only what Lambda is known to refuse is an error.
pub async fn prepare(aws: &Aws, environment: &str, description: &Description) -> Result<()> {
    agent_secrets(&aws.secrets(), environment, description.agent.secrets.clone()).await?;
    let account = &aws.prerequisites();
    match limit(account, environment, description).await {
        Ok((found, reserved)) => {
            fits(found, reserved, description)?;
            if !is_enough(found) {
                say(&format!("warning: {}", meaning(found, &description.region)));
            }
        }
        Err(error) => note("Lambda's limit is not checked", error),
    }
    if let Err(error) = ecs_role(account, description).await {
        let what = "ECS's service-linked role is not checked, and on an account that never used ECS the apply may fail\nhint: who may can make the role: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com";
        note(what, error);
    }
    Ok(())
}

fn note(what: &'static str, error: anyhow::Error) {
    say(&format!("note: {}", complaint::text(&error.context(what))));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_role_is_waited_for_and_given_time_to_settle() {
        let begun = Instant::now();
        let asked = Cell::new(0);
        let third = || {
            asked.set(asked.get() + 1);
            let seen = asked.get() == 3;
            async move { Ok(seen) }
        };
        usable(third).await.unwrap();
        assert_eq!((asked.get(), begun.elapsed()), (3, 2 * LOOK + SETTLES));
        let never = usable(|| async { Ok(false) }).await.unwrap_err().to_string();
        assert_eq!(never, "IAM does not show the new role within 60 s");
    }

    #[test]
    fn a_reservation_fits_if_lambda_keeps_a_hundred() {
        // Limit, not reserved, wanted, reserved already; whether it fits.
        for (limit, unreserved, wanted, reserved, good) in [
            (1000, 1000, 900, 0, true),
            (1000, 1000, 901, 0, false),
            (1000, 990, 10, 10, true),
            (1000, 100, 50, 50, true),
            (1000, 100, 51, 50, false),
            (100, 100, 1, 0, false),
            (10, 10, 1, 0, false),
        ] {
            let text =
                format!("region = \"eu-west-1\"\nwebsocket.push_logs_concurrency = {wanted}\n");
            let description: Description = toml::from_str(&text).unwrap();
            let fits = fits(Concurrency { limit, unreserved }, reserved, &description);
            assert_eq!(fits.is_ok(), good, "{limit} {unreserved} {wanted} {reserved}");
            if let Err(error) = fits {
                let said = error.to_string();
                assert!(
                    said.contains("L-B99A9384") && said.contains("--region eu-west-1"),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn ecss_refusal_is_found_however_terraform_prints_it() {
        for (said, is) in [
            ("InvalidParameterException: Unable to assume the service linked role. Please", true),
            (
                "\u{1b}[31m│\u{1b}[0m Unable to assume the\n\u{1b}[31m│\u{1b}[0m service linked role.",
                true,
            ),
            ("Error: Unable to assume role", false),
        ] {
            assert_eq!(is_about_the_role(said), is, "{said}");
        }
    }
}
