//! Functions.

use crate::hcl::types::*;
use crate::{nested, resource};

resource! {
    /// A function.
    Function("aws_lambda_function") -> FunctionRef {
        required { function_name: Text, role: Arn }
        optional {
            description: Text, runtime: Text, handler: Text, architectures: List<Text>,
            filename: Text, source_code_hash: Opt<Text>, memory_size: Number, timeout: Number,
            reserved_concurrent_executions: Number, kms_key_arn: Opt<Arn>, tags: Map<Text>,
        }
        blocks {
            environment: Environment, logging_config: LoggingConfig, tracing_config: TracingConfig,
        }
        exports { arn: Arn, invoke_arn: InvokeArn, function_name: FunctionName }
    }
    /// Who may call a function.
    Permission("aws_lambda_permission") -> PermissionRef {
        required { action: Text, function_name: FunctionName, principal: Text }
        optional { statement_id: Text, source_arn: Arn }
    }
    /// What becomes of asynchronous calls that fail.
    EventInvokeConfig("aws_lambda_function_event_invoke_config") -> EventInvokeConfigRef {
        required { function_name: FunctionName }
        optional { maximum_event_age_in_seconds: Number, maximum_retry_attempts: Number }
        blocks { destination_config: DestinationConfig }
    }
}

nested! {
    /// Environment variables.
    Environment { optional { variables: Map<Text> } }
    /// Format and place of the function's own log.
    LoggingConfig { required { log_format: Text } optional { log_group: Text } }
    /// X-Ray.
    TracingConfig { required { mode: Text } }
    /// Where results of asynchronous calls go.
    DestinationConfig { blocks { on_failure: OnFailure } }
    /// Where calls go that failed for good.
    OnFailure { required { destination: Arn } }
}
