//! State machines.

use crate::hcl::types::*;
use crate::{nested, resource};

resource! {
    /// A state machine.
    StateMachine("aws_sfn_state_machine") -> StateMachineRef {
        required { role_arn: Arn, definition: Json }
        optional { name: Text, r#type: Text, tags: Map<Text> }
        blocks { logging_configuration: Logging, tracing_configuration: Tracing }
        exports { arn: Arn, name: Text }
    }
}

nested! {
    /// What of an execution is logged.
    Logging { optional { include_execution_data: Bool, level: Text, log_destination: Text } }
    /// X-Ray.
    Tracing { optional { enabled: Bool } }
}
