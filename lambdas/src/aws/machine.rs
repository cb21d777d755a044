use aws_sdk_sfn::{
    Client, operation::describe_execution::DescribeExecutionError, types::ExecutionStatus,
};

use super::unavailable;
use crate::ports::{Machine, Unavailable};

/// The state machine's executions in Step Functions.
#[derive(Debug, Clone)]
pub struct StateMachine(Client);

impl StateMachine {
    /// Looks executions up by their ARN.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self(Client::new(config))
    }
}

impl Machine for StateMachine {
    async fn is_running(&self, execution: &str) -> Result<bool, Unavailable> {
        match self.0.describe_execution().execution_arn(execution).send().await {
            Ok(answer) => Ok(matches!(
                answer.status,
                ExecutionStatus::Running | ExecutionStatus::PendingRedrive
            )),
            // Step Functions forgets an execution 90 days after its end.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable("states DescribeExecution")(error)),
        }
    }
}
