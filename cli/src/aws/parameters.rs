//! Systems Manager parameters: where Terraform leaves an environment's outputs.

use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_ssm::{
    Client, error::ProvideErrorMetadata, operation::get_parameter::GetParameterError,
};

use super::explain;

/// Reads parameters.
pub struct Parameters(Client);

/// What became of a look-up.
pub enum Parameter {
    /// Its value.
    Value(String),
    /// There is none of this name in this account and region.
    Missing,
    /// Whoever asked may not read it: the service's own words.
    Denied(anyhow::Error),
}

impl Parameters {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// Reads a parameter that is a text.
    pub async fn get(&self, name: &str) -> Result<Parameter> {
        match self.0.get_parameter().name(name).send().await {
            Ok(answer) => {
                let value = answer.parameter.and_then(|parameter| parameter.value);
                Ok(value.map_or(Parameter::Missing, Parameter::Value))
            }
            Err(error) => {
                let service = error.as_service_error();
                if service.is_some_and(GetParameterError::is_parameter_not_found) {
                    return Ok(Parameter::Missing);
                }
                let denied =
                    service.and_then(|error| error.code()) == Some("AccessDeniedException");
                let error = explain(&format!("the parameter {name} cannot be read"), &error);
                if denied { Ok(Parameter::Denied(error)) } else { Err(error) }
            }
        }
    }
}
