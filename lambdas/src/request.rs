//! What the handlers need of API Gateway's events, and their answer. `aws_lambda_events` knows the
//! events' form; what it leaves open, such as an event without a connection, is decided here.

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayWebsocketProxyRequest,
};
use ralph_protocol::names::context;
use serde::{Deserialize, Serialize};

/// An event of a route. It cannot be printed: a handshake's query string holds the token.
#[derive(Clone, Deserialize)]
#[serde(try_from = "ApiGatewayWebsocketProxyRequest")]
pub struct Request {
    /// The connection.
    pub connection_id: String,
    /// When it was made, ms since the epoch.
    pub connected_at: u64,
    /// The user, as the authorizer found out; API Gateway repeats it on every event of the connection.
    pub user: Option<String>,
    /// The scope, as the authorizer found out.
    pub scope: Option<String>,
    /// The message, on `sendLogs` and `$default`.
    pub body: Option<String>,
}

impl TryFrom<ApiGatewayWebsocketProxyRequest> for Request {
    type Error = &'static str;

    fn try_from(event: ApiGatewayWebsocketProxyRequest) -> Result<Self, Self::Error> {
        let context = event.request_context;
        let authorizer_says =
            |key: &str| context.authorizer.fields.get(key)?.as_str().map(str::to_owned);
        Ok(Self {
            user: authorizer_says(context::USER),
            scope: authorizer_says(context::SCOPE),
            connection_id: context.connection_id.ok_or("the event names no connection")?,
            connected_at: u64::try_from(context.connected_at)
                .map_err(|_| "the connection is older than the epoch")?,
            body: event.body,
        })
    }
}

/// An event for the authorizer. It cannot be printed: it holds the token.
#[derive(Clone, Deserialize)]
#[serde(try_from = "ApiGatewayCustomAuthorizerRequestTypeRequest")]
pub struct AuthorizerRequest {
    /// What the answer allows or denies.
    pub method_arn: String,
    /// The token, if there is one.
    pub token: Option<String>,
}

impl TryFrom<ApiGatewayCustomAuthorizerRequestTypeRequest> for AuthorizerRequest {
    type Error = &'static str;

    fn try_from(event: ApiGatewayCustomAuthorizerRequestTypeRequest) -> Result<Self, Self::Error> {
        Ok(Self {
            method_arn: event.method_arn.ok_or("the event names no method")?,
            token: event.query_string_parameters.first("token").map(str::to_owned),
        })
    }
}

/// A handler's answer. It never has a body: API Gateway sends none to the client without a route
/// response, and every reply of ours is a post. (`ApiGatewayProxyResponse` could have one.)
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

    fn read(text: &str) -> Result<Request, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_connect_event_gives_who_and_what() {
        let request = read(CONNECT).unwrap();
        assert_eq!(request.connection_id, "EABCdXNoIAMCKfg=");
        assert_eq!(request.connected_at, 1_717_621_728_000);
        assert_eq!(
            (request.user.as_deref(), request.scope.as_deref()),
            (Some("ada"), Some("docs,api"))
        );
        assert_eq!(request.body, None);
    }

    #[test]
    fn what_an_event_may_lack_and_what_not() {
        let event = |context: &str| {
            format!(r#"{{"requestContext":{{"requestTimeEpoch":2{context}}},"body":"hi"}}"#)
        };
        let whole = read(&event(r#","connectedAt":1,"connectionId":"x""#)).unwrap();
        assert_eq!((whole.user, whole.scope, whole.body.as_deref()), (None, None, Some("hi")));
        for (lacking, said) in [
            (r#","connectedAt":1"#, "the event names no connection"),
            (r#","connectedAt":-1,"connectionId":"x""#, "the connection is older than the epoch"),
            (r#","connectionId":"x""#, "missing field `connectedAt`"),
        ] {
            let error = read(&event(lacking)).err().unwrap();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn null_says_what_absence_says_and_unknown_fields_pass() {
        let nulls = CONNECT
            .replace(r#"{"token":"t"}"#, "null")
            .replace(r#"{"Host":"x.execute-api.us-east-1.amazonaws.com"}"#, "null")
            .replace(
                r#""isBase64Encoded":false"#,
                r#""isBase64Encoded":null,"body":null,"new":{"x":[1]}"#,
            )
            .replace(r#""stage":"dev""#, r#""stage":null,"new":{"x":[1]},"messageId":null"#);
        assert_eq!(read(&nulls).unwrap().scope.as_deref(), Some("docs,api"));
        let context = CONNECT.find(r#""authorizer":"#).unwrap();
        let end = CONNECT[context..].find('}').unwrap();
        let mut without = CONNECT.to_owned();
        without.replace_range(context..=context + end, r#""authorizer":null"#);
        assert_eq!(read(&without).unwrap().scope, None);
    }

    #[test]
    fn an_authorizer_event_without_a_method_is_refused() {
        let read = |text: &str| serde_json::from_str::<AuthorizerRequest>(text);
        let request = read(
            r#"{"methodArn":"arn","queryStringParameters":{"token":"t"},"requestContext":{}}"#,
        );
        let request = request.unwrap();
        assert_eq!((request.method_arn.as_str(), request.token.as_deref()), ("arn", Some("t")));
        let error = read(r#"{"queryStringParameters":null,"requestContext":{}}"#).err().unwrap();
        assert!(error.to_string().contains("the event names no method"), "{error}");
    }

    #[test]
    fn answers_have_no_body() {
        assert_eq!(serde_json::to_string(&Response::OK).unwrap(), r#"{"statusCode":200}"#);
    }
}
