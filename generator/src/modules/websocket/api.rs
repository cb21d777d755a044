//! The API: routes, authorizer, deployment, stage.

use ralph_protocol::names::{Handler, route};

use super::functions::Functions;
use super::{Websocket, WebsocketInputs, access_logs};
use crate::aws::apigateway::{
    Api, ApiRef, Authorizer, Deployment, Integration, Route, RouteSettings, Stage, StageRef,
};
use crate::aws::lambda::Permission;
use crate::hcl::prelude::*;
use crate::skips;

/// The authorizer's only source: browsers cannot set headers on a WebSocket.
const TOKEN: &str = "route.request.querystring.token";

pub(super) fn api(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
) -> ApiRef<Websocket> {
    m.add(
        Api::new("this")
            .name(&inputs.name)
            .description("Live logs of workstreams")
            .protocol_type("WEBSOCKET")
            .route_selection_expression("$request.body.action"),
    )
}

/// Routes in the order they are written, with the function each calls.
const ROUTES: [(&str, &str, Handler); 4] = [
    ("connect", route::CONNECT, Handler::Connect),
    ("disconnect", route::DISCONNECT, Handler::Disconnect),
    ("send_logs", route::SEND_LOGS, Handler::SendLogs),
    ("default", route::DEFAULT, Handler::SendLogs),
];

pub(super) fn routes(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    api: &ApiRef<Websocket>,
    functions: &Functions,
) -> StageRef<Websocket> {
    m.file("api.tf");
    let authorize = &functions.get(Handler::Authorize).function;
    let authorizer = m.add(
        Authorizer::new("token")
            .why("Authorization exists on $connect only; what it finds is repeated on every later event.")
            .api_id(api.id())
            .name("token")
            .authorizer_type("REQUEST")
            .authorizer_uri(authorize.invoke_arn())
            .identity_sources([TOKEN]),
    );
    m.add(
        Permission::new("authorizer")
            .why("An authorizer's ARN, not a route's: that one would answer 500 to every connect.")
            .statement_id("ApiGatewayAuthorizer")
            .action("lambda:InvokeFunction")
            .function_name(authorize.function_name())
            .principal("apigateway.amazonaws.com")
            .source_arn(arn![api.execution_arn(), "/authorizers/", authorizer.id()]),
    );
    let mut deployed: Vec<Expr<Websocket, Any>> = Vec::new();
    let mut routes = Vec::new();
    for handler in [Handler::Connect, Handler::Disconnect, Handler::SendLogs] {
        let local = handler.as_str().replace('-', "_");
        let function = &functions.get(handler).function;
        let integration = m.add(
            Integration::new(&local)
                .api_id(api.id())
                .integration_type("AWS_PROXY")
                .integration_method("POST")
                .content_handling_strategy("CONVERT_TO_TEXT")
                .integration_uri(function.invoke_arn()),
        );
        deployed.push(function.invoke_arn().any());
        for (name, key, _) in ROUTES.iter().filter(|(_, _, calls)| *calls == handler) {
            let mut new = Route::new(name)
                .api_id(api.id())
                .route_key(*key)
                .target(text!["integrations/", integration.id()]);
            if *key == route::CONNECT {
                new = new.authorization_type("CUSTOM").authorizer_id(authorizer.id());
            } else {
                new = new.skip(&skips::AUTHORIZED_ON_CONNECT).authorization_type("NONE");
            }
            routes.push(m.add(new));
            deployed.push(object([
                ("route", (*key).into()),
                ("integration", integration.id().any()),
                (
                    "authorizer",
                    match *key {
                        route::CONNECT => authorizer.id().any(),
                        _ => "".into(),
                    },
                ),
            ]));
            m.add(
                Permission::new(name)
                    .statement_id(&*format!("Route-{}", key.trim_start_matches('$')))
                    .action("lambda:InvokeFunction")
                    .function_name(function.function_name())
                    .principal("apigateway.amazonaws.com")
                    .source_arn(arn![api.execution_arn(), "/*/", *key]),
            );
        }
    }
    let deployment = Deployment::new("this")
        .why("A stage serves a snapshot: the hash makes a new one whenever a route's key, target or authorizer changes.")
        .api_id(api.id())
        .triggers(map([("routes", func::sha1(func::json_encode(tuple(deployed))))]))
        .create_before_destroy();
    let deployment =
        m.add(routes.iter().fold(deployment, |deployment, route| deployment.after(route)));
    stage(m, inputs, api, &deployment.id())
}

fn stage(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    api: &ApiRef<Websocket>,
    deployment: &Expr<Websocket, DeploymentId>,
) -> StageRef<Websocket> {
    let options = &inputs.options;
    let logs = access_logs::destination(m, inputs);
    m.file("api.tf");
    m.add(
        Stage::new("this")
            .why("Both throttling numbers are always set: without them every connect answers 429. Messages are never traced: a query string holds a token.")
            .skip(&skips::ACCESS_LOGS)
            .skip(&skips::NO_CLIENT_CERTIFICATE)
            .api_id(api.id())
            .name(&inputs.stage_name)
            .deployment_id(deployment)
            .only_if(&options.access_logs, |stage| stage.access_log_settings(logs.settings))
            .default_route_settings(
                RouteSettings::default()
                    .data_trace_enabled(false)
                    .detailed_metrics_enabled(&options.detailed_metrics)
                    .logging_level("OFF")
                    .throttling_burst_limit(&options.throttling_burst_limit)
                    .throttling_rate_limit(&options.throttling_rate_limit),
            )
            .after(&logs.account),
    )
}
