//! Systems Manager: parameters.

use crate::hcl::types::*;
use crate::resource;

resource! {
    /// A parameter that is not encrypted: Terraform shows its value in plans.
    Parameter("aws_ssm_parameter") -> ParameterRef {
        required { name: Text, r#type: Text }
        optional { description: Text, insecure_value: Json }
    }
}
