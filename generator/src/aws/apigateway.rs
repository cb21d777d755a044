//! API Gateway v2, WebSocket.

use crate::hcl::types::*;
use crate::{nested, resource};

resource! {
    /// An API.
    Api("aws_apigatewayv2_api") -> ApiRef {
        required { name: Text, protocol_type: Text }
        optional { description: Text, route_selection_expression: Text, tags: Map<Text> }
        exports { id: ApiId, arn: Arn, api_endpoint: Url, execution_arn: Arn }
    }
    /// An authorizer.
    Authorizer("aws_apigatewayv2_authorizer") -> AuthorizerRef {
        required { api_id: ApiId, name: Text, authorizer_type: Text }
        optional { authorizer_uri: InvokeArn, identity_sources: List<Text> }
        exports { id: AuthorizerId, authorizer_uri: InvokeArn, identity_sources: List<Text> }
    }
    /// What a route calls.
    Integration("aws_apigatewayv2_integration") -> IntegrationRef {
        required { api_id: ApiId, integration_type: Text }
        optional {
            description: Text, integration_uri: InvokeArn, integration_method: Text,
            content_handling_strategy: Text,
        }
        exports { id: IntegrationId, integration_uri: InvokeArn }
    }
    /// A route.
    Route("aws_apigatewayv2_route") -> RouteRef {
        required { api_id: ApiId, route_key: Text }
        optional { target: Text, authorization_type: Text, authorizer_id: Opt<AuthorizerId> }
    }
    /// A snapshot of routes and integrations.
    Deployment("aws_apigatewayv2_deployment") -> DeploymentRef {
        required { api_id: ApiId } optional { description: Text, triggers: Map<Text> }
        exports { id: DeploymentId }
    }
    /// A stage.
    Stage("aws_apigatewayv2_stage") -> StageRef {
        required { api_id: ApiId, name: Text }
        optional { description: Text, deployment_id: DeploymentId, tags: Map<Text> }
        blocks { access_log_settings: AccessLog, default_route_settings: RouteSettings }
        exports { id: Text, name: Text, arn: Arn, execution_arn: Arn, invoke_url: Url }
    }
    /// The role with which API Gateway writes logs, one for the account and Region.
    Account("aws_api_gateway_account") -> AccountRef { optional { cloudwatch_role_arn: Arn } }
}

nested! {
    /// Where a line for each request goes, and what it says.
    AccessLog { required { destination_arn: Arn, format: Json } }
    /// Limits and metrics of all routes.
    RouteSettings {
        optional {
            data_trace_enabled: Bool, detailed_metrics_enabled: Bool, logging_level: Text,
            throttling_burst_limit: Number, throttling_rate_limit: Number,
        }
    }
}
