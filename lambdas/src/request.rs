//! API Gateway's WebSocket events and the answers to them. Only what is used is read; everything
//! else passes unseen, so a new field never breaks a handler.

use std::collections::HashMap;

use ralph_protocol::names::context;
use serde::{Deserialize, Serialize};

/// An event of a route.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Who and where from.
    pub request_context: RequestContext,
    /// The message, on `sendLogs` and `$default`.
    #[serde(default)]
    pub body: Option<String>,
}

/// An event for the authorizer.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerRequest {
    /// What the answer allows or denies.
    pub method_arn: String,
    /// Holds the token.
    #[serde(default)]
    pub query_string_parameters: Option<HashMap<String, String>>,
}

/// `requestContext`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// The connection.
    pub connection_id: String,
    /// When it was made, ms since the epoch.
    #[serde(default)]
    pub connected_at: u64,
    /// What the authorizer found out; API Gateway repeats it on every event of the connection.
    #[serde(default)]
    pub authorizer: Option<HashMap<String, serde_json::Value>>,
}

impl RequestContext {
    fn authorizer_says(&self, key: &str) -> Option<&str> {
        self.authorizer.as_ref()?.get(key)?.as_str()
    }

    /// The user, as the authorizer found out.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.authorizer_says(context::USER)
    }

    /// The scope, as the authorizer found out.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.authorizer_says(context::SCOPE)
    }
}

/// A handler's answer. It never has a body: API Gateway sends none to the client without a route
/// response, and every reply of ours is a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// HTTP status; anything but 2xx refuses a handshake.
    pub status_code: u16,
}

impl Response {
    /// 200.
    pub const OK: Self = Self { status_code: 200 };
    /// 403.
    pub const FORBIDDEN: Self = Self { status_code: 403 };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From API Gateway's developer guide, shortened, with the authorizer's context.
    const CONNECT: &str = r#"{"headers":{"Host":"x.execute-api.us-east-1.amazonaws.com"},
        "multiValueHeaders":{},"queryStringParameters":{"token":"t"},
        "requestContext":{"routeKey":"$connect","eventType":"CONNECT","extendedRequestId":"EABC=",
        "requestTime":"05/Jun/2024:21:08:48 +0000","messageDirection":"IN","stage":"dev",
        "connectedAt":1717621728000,"requestTimeEpoch":1717621728001,
        "identity":{"sourceIp":"203.0.113.1","userAgent":"x"},"requestId":"EABC=",
        "authorizer":{"principalId":"ada","integrationLatency":12,"user":"ada","scope":"docs,api"},
        "domainName":"x.execute-api.us-east-1.amazonaws.com","connectionId":"EABCdXNoIAMCKfg=","apiId":"x"},
        "isBase64Encoded":false}"#;

    #[test]
    fn a_connect_event_gives_who_and_what() {
        let request: Request = serde_json::from_str(CONNECT).unwrap();
        let context = &request.request_context;
        assert_eq!(context.connection_id, "EABCdXNoIAMCKfg=");
        assert_eq!(context.connected_at, 1_717_621_728_000);
        assert_eq!((context.user(), context.scope()), (Some("ada"), Some("docs,api")));
        assert_eq!(request.body, None);
    }

    #[test]
    fn an_event_without_context_gives_no_scope() {
        let request: Request =
            serde_json::from_str(r#"{"requestContext":{"connectionId":"x"},"body":"hi"}"#).unwrap();
        assert_eq!(request.request_context.scope(), None);
        assert_eq!(request.body.as_deref(), Some("hi"));
    }

    #[test]
    fn answers_have_no_body() {
        assert_eq!(serde_json::to_string(&Response::OK).unwrap(), r#"{"statusCode":200}"#);
    }
}
