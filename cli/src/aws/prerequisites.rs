//! What an account has before there is an environment: ECS's own role, and how many functions it runs at the
//! same time.

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_iam::operation::get_role::GetRoleError;
use aws_sdk_lambda::operation::get_function::GetFunctionError;

use super::explain;

/// An account in a Region.
pub struct Prerequisites {
    iam: aws_sdk_iam::Client,
    lambda: aws_sdk_lambda::Client,
}

/// How many functions run at the same time at most.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// All of the account's in the Region.
    pub limit: i32,
    /// Of these, what no function has reserved.
    pub unreserved: i32,
}

const ECS: &str = "ecs.amazonaws.com";
const ECS_ROLE: &str = "AWSServiceRoleForECS";

impl Prerequisites {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { iam: aws_sdk_iam::Client::new(config), lambda: aws_sdk_lambda::Client::new(config) }
    }

    /// Whether ECS's service-linked role is there.
    pub async fn has_ecs_role(&self) -> Result<bool> {
        match self.iam.get_role().role_name(ECS_ROLE).send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(GetRoleError::NoSuchEntityException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(explain("the role cannot be looked up", &error)),
        }
    }

    /// Makes ECS's service-linked role. Somebody else may have made it meanwhile.
    pub async fn make_ecs_role(&self) -> Result<()> {
        match self.iam.create_service_linked_role().aws_service_name(ECS).send().await {
            // AWS: "Service role name … has been taken in this account".
            Err(error)
                if !error.as_service_error().is_some_and(|e| e.is_invalid_input_exception()) =>
            {
                Err(explain("the role cannot be made", &error))
            }
            _ => Ok(()),
        }
    }

    /// The account's limit.
    pub async fn concurrency(&self) -> Result<Concurrency> {
        let answer = self.lambda.get_account_settings().send().await;
        let answer = answer.map_err(|error| explain("Lambda's limits cannot be read", &error))?;
        let limit = answer.account_limit().context("Lambda tells no limits")?;
        let unreserved = limit.unreserved_concurrent_executions();
        Ok(Concurrency {
            limit: limit.concurrent_executions(),
            unreserved: unreserved.context("Lambda does not tell what is unreserved")?,
        })
    }

    /// What a function has reserved; 0 also while there is no such function.
    pub async fn reserved(&self, function: &str) -> Result<i32> {
        match self.lambda.get_function().function_name(function).send().await {
            Ok(answer) => {
                let reserved =
                    answer.concurrency().and_then(|c| c.reserved_concurrent_executions());
                Ok(reserved.unwrap_or_default())
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetFunctionError::is_resource_not_found_exception) =>
            {
                Ok(0)
            }
            Err(error) => Err(explain(&format!("{function} cannot be read"), &error)),
        }
    }
}
