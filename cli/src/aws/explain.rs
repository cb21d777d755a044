//! What an SDK error says to a person.

use std::{borrow::Cow, error::Error, iter::successors};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{ConnectorError, SdkError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::tools::invocation::{is_local, start_local};

const SIGN_IN: &str = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `aws sso login` or `aws login` signs a profile in";
const SIGN_IN_AGAIN: &str = "sign in again with `aws sso login` or `aws login`, or set new keys; `aws sts get-caller-identity` shows whether they are accepted";
const REFUSED: &str = "docs/deploy-policy.md says which policy a command needs; AWS_PROFILE chooses other credentials";
const NETWORK: &str =
    "check the network, and that the region exists; AWS must be reached by https, without a proxy";

/// An SDK error as one line with its cause, and a hint where there is something to do: the SDK's own
/// `Display` says only "service error" or "dispatch failure".
pub(super) fn explain<E>(what: &str, error: &E) -> anyhow::Error
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let (said, hint) = match (error.code(), error.message()) {
        (Some(code), message) => {
            let message = message.map(|message| format!("{message} ")).unwrap_or_default();
            (format!("{message}({code})"), hint_of_code(code).map(Cow::from))
        }
        (None, _) => unanswered(error),
    };
    let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    anyhow::anyhow!("{what}: {said}{hint}")
}

/// Whether the same request may succeed a moment later: the service was not reached, has failed, or
/// was asked too often. Refused credentials stay refused.
pub(super) fn passes<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ServiceError(refused) => {
            let code = error.code().unwrap_or_default();
            refused.raw().status().is_server_error() || THROTTLED.contains(&code)
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(_) => {
            let mut chain = successors(Some(error as &(dyn Error + 'static)), |&one| one.source());
            !chain.any(|cause| cause.is::<CredentialsError>())
        }
        _ => false,
    }
}

/// The codes of a service that was asked too often.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/CommonErrors.html>
const THROTTLED: [&str; 4] =
    ["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"];

/// The codes with which the services refuse credentials and permissions.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>
fn hint_of_code(code: &str) -> Option<&'static str> {
    match code {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "TokenRefreshRequired"
        | "UnrecognizedClientException" => Some(SIGN_IN_AGAIN),
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => Some(REFUSED),
        _ => None,
    }
}

/// A request that no service has answered.
fn unanswered(error: &(dyn Error + 'static)) -> (String, Option<Cow<'static, str>>) {
    let chain: Vec<_> = successors(Some(error), |&error| error.source()).collect();
    let credentials = chain.iter().position(|cause| cause.is::<CredentialsError>());
    if let Some(at) = credentials {
        let said = text(&chain[at..]);
        let none =
            matches!(chain[at].downcast_ref(), Some(CredentialsError::CredentialsNotLoaded(_)));
        return if none {
            (no_credentials(), Some(SIGN_IN.into()))
        } else if said.contains("IMDS") {
            // The metadata of an EC2 instance is asked last, when nothing else gave any.
            (format!("{}: {said}", no_credentials()), Some(SIGN_IN.into()))
        } else {
            (said, Some(SIGN_IN_AGAIN.into()))
        };
    }
    let connection = chain.iter().position(|cause| cause.is::<ConnectorError>());
    match connection {
        Some(at) => (text(&chain[at + 1..]), Some(of_connection())),
        None => (text(&chain), None),
    }
}

fn of_connection() -> Cow<'static, str> {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").unwrap_or_default();
    match (is_local(), endpoint.as_str()) {
        (true, _) => {
            format!("has the local cloud ended? `{}` starts it again", start_local()).into()
        }
        (false, "") => NETWORK.into(),
        (false, url) => format!("AWS_ENDPOINT_URL names {url}; does anything answer there?").into(),
    }
}

/// The SDK passes over a profile that does not exist, or says nothing of credentials.
fn no_credentials() -> String {
    match std::env::var("AWS_PROFILE") {
        Ok(profile) if !profile.is_empty() => {
            format!("profile `{profile}` (AWS_PROFILE) gives no AWS credentials")
        }
        _ => "there are no AWS credentials".to_owned(),
    }
}

/// A chain of causes as one line, without those that an outer one has said.
fn text(chain: &[&(dyn Error + 'static)]) -> String {
    let mut text = String::new();
    for cause in chain {
        let cause = cause.to_string();
        let next = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.contains(&next) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&next);
        }
    }
    text
}
