//! The API: routes, authorizer, deployment, stage.

use ralph_protocol::names::{Handler, route};

use super::functions::Functions;
use super::{Inputs, This, Websocket, access_logs};
use crate::aws::apigateway::{
    Api, ApiRef, Authorizer, Deployment, Integration, Route, RouteSettings, Stage, StageRef,
};
use crate::aws::lambda::Permission;
use crate::hcl::FieldType;
use crate::hcl::prelude::*;
use crate::skips;

/// The authorizer's only source: browsers cannot set headers on a WebSocket.
const TOKEN: &str = "route.request.querystring.token";

fields! {
    /// A route.
    pub(super) struct RouteSpec {
        /// The function that it calls.
        function: Text,
        /// What selects it.
        key: Text,
    }
}

/// The routes by name: what selects each, and the function that it calls.
const ROUTES: [(&str, &str, Handler); 4] = [
    ("connect", route::CONNECT, Handler::Connect),
    ("default", route::DEFAULT, Handler::SendLogs),
    ("disconnect", route::DISCONNECT, Handler::Disconnect),
    ("send-logs", route::SEND_LOGS, Handler::SendLogs),
];

pub(super) fn api(m: &mut This, inputs: &Inputs) -> ApiRef<Websocket> {
    m.add(
        Api::new("this")
            .name(&inputs.name)
            .description("Live logs of workstreams")
            .protocol_type("WEBSOCKET")
            .route_selection_expression("$request.body.action"),
    )
}

pub(super) fn routes(
    m: &mut This,
    inputs: &Inputs,
    api: &ApiRef<Websocket>,
    functions: &Functions,
) -> StageRef<Websocket> {
    m.file("api.tf");
    let authorizer = m.add(
        Authorizer::new("token")
            .why("A WebSocket API authorizes $connect only. The authorizer's context comes with every later request of the connection.")
            .api_id(api.id())
            .name("token")
            .authorizer_type("REQUEST")
            .authorizer_uri(functions.of(Handler::Authorize, |function| function.invoke_arn()))
            .identity_sources([TOKEN]),
    );
    m.add(
        Permission::new("authorizer")
            .why("The source is the authorizer. With a route's ARN, API Gateway answers every $connect with 500.")
            .statement_id("ApiGatewayAuthorizer")
            .action("lambda:InvokeFunction")
            .function_name(functions.of(Handler::Authorize, |function| function.function_name()))
            .principal("apigateway.amazonaws.com")
            .source_arn(arn![api.execution_arn(), "/authorizers/", authorizer.id()]),
    );
    let routes = m.local_here(
        "routes",
        "",
        map(ROUTES.map(|(name, key, handler)| {
            let spec = RouteSpec { function: handler.as_str().into(), key: key.into() };
            (name, RouteSpec::write(spec))
        })),
    );
    let integrations = m.add_each(&routes, |each| {
        let function = RouteSpec::read(each.value).function;
        Integration::new("this")
            .api_id(api.id())
            .integration_type("AWS_PROXY")
            .integration_method("POST")
            .content_handling_strategy("CONVERT_TO_TEXT")
            .integration_uri(functions.at(function, |function| function.invoke_arn()))
    });
    let made = m.add_each(&routes, |each| {
        let is_connect = each.key.equals("connect");
        let integration = integrations.at(&each.key, |integration| integration.id());
        Route::new("this")
            .skip(&[&skips::AUTHORIZED_ON_CONNECT])
            .api_id(api.id())
            .route_key(RouteSpec::read(each.value).key)
            .target(text!["integrations/", integration])
            .authorization_type(is_connect.choose::<Text>("CUSTOM", "NONE"))
            .authorizer_id(is_connect.choose::<Opt<AuthorizerId>>(authorizer.id(), Expr::null()))
    });
    m.add_each(&routes, |each| {
        let route = RouteSpec::read(each.value);
        Permission::new("route")
            .statement_id(text!["Route-", func::trim_prefix(&route.key, "$")])
            .action("lambda:InvokeFunction")
            .function_name(functions.at(route.function, |function| function.function_name()))
            .principal("apigateway.amazonaws.com")
            .source_arn(arn![api.execution_arn(), "/*/", route.key])
    });
    let served = tuple([
        routes.any(),
        integrations.values(|integration| integration.id()).any(),
        integrations.values(|integration| integration.integration_uri()).any(),
        authorizer.id().any(),
        authorizer.authorizer_uri().any(),
        authorizer.identity_sources().any(),
    ]);
    let deployment = m.add(
        Deployment::new("this")
            .why("A deployment is a snapshot of the routes. The hash makes a new one whenever a route, its function or the authorizer changes.")
            .api_id(api.id())
            .triggers(map([("routes", func::sha1(func::json_encode(served)))]))
            .create_before_destroy()
            .after(&made),
    );
    let logs = access_logs::destination(m, inputs);
    m.file("api.tf");
    let throttling = &inputs.throttling;
    m.add(
        Stage::new("this")
            .why("Both throttling limits are set: without them API Gateway answers every $connect with 429. Data tracing and execution logs are off, because the query string holds a token.")
            .skip(&[&skips::ACCESS_LOGS, &skips::NO_CLIENT_CERTIFICATE])
            .api_id(api.id())
            .name(&inputs.environment)
            .deployment_id(deployment.id())
            .only_if(&inputs.monitoring.access_logs, |stage| {
                stage.access_log_settings(logs.settings)
            })
            .default_route_settings(
                RouteSettings::default()
                    .data_trace_enabled(false)
                    .detailed_metrics_enabled(&inputs.monitoring.detailed_metrics)
                    .logging_level("OFF")
                    .throttling_burst_limit(&throttling.burst_limit)
                    .throttling_rate_limit(&throttling.rate_limit),
            )
            .after(&logs.account),
    )
}
