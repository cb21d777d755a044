//! Access logs: a line of JSON for each request. Never its query string, which holds a token.

use super::{Inputs, This, Websocket};
use crate::aws::apigateway::{AccessLog, Account, AccountRef};
use crate::aws::iam::{Role, RolePolicy};
use crate::aws::logs::LogGroup;
use crate::hcl::Maybe;
use crate::hcl::prelude::*;
use crate::skips;

/// What a line says. `$context.path` and the query string are left out on purpose.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html>
const FIELDS: [(&str, &str); 11] = [
    ("connectionId", "$context.connectionId"),
    ("error", "$context.error.message"),
    ("eventType", "$context.eventType"),
    ("integrationError", "$context.integrationErrorMessage"),
    ("integrationLatency", "$context.integrationLatency"),
    ("integrationStatus", "$context.integrationStatus"),
    ("ip", "$context.identity.sourceIp"),
    ("requestId", "$context.requestId"),
    ("requestTime", "$context.requestTime"),
    ("routeKey", "$context.routeKey"),
    ("status", "$context.status"),
];

/// What API Gateway must be allowed to do before it accepts a role for its logs.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html>
const WRITE: &str = "logs: CreateLogGroup CreateLogStream DescribeLogGroups DescribeLogStreams \
    FilterLogEvents GetLogEvents PutLogEvents";

pub(super) struct Destination {
    pub(super) settings: AccessLog<Websocket>,
    pub(super) account: Maybe<Websocket, AccountRef<Websocket>>,
}

pub(super) fn destination(m: &mut This, inputs: &Inputs) -> Destination {
    m.file("access_logs.tf");
    let (monitoring, roles) = (&inputs.monitoring, &inputs.roles);
    let group = m.add_if(
        &monitoring.access_logs,
        LogGroup::new("access")
            .skip(skips::LOG_GROUP)
            .name(text!["/aws/apigateway/", &inputs.name])
            .retention_in_days(&inputs.lambda.log_retention_in_days)
            .kms_key_id(&inputs.kms_key_arn),
    );
    let role = m.add_if(
        &monitoring.account_log_role,
        Role::new("api_logs")
            .name(text![&inputs.name, "-api-logs"])
            .path(&roles.path)
            .permissions_boundary(&roles.permissions_boundary_arn)
            .assume_role_policy(Document::new([Statement::trust("apigateway.amazonaws.com")])),
    );
    let document = Document::new([Statement::allow("WriteLogs", WRITE)
        .on_everything("the role is the account's, and API Gateway refuses one that may do less")]);
    let policy = m.add_if(
        &monitoring.account_log_role,
        RolePolicy::new("api_logs")
            .skip(&[&skips::ACCOUNT_LOG_ROLE, &skips::ACCOUNT_LOG_ROLE_EVERYWHERE])
            .note(&document.reasons())
            .name("logs")
            .role(role.first(|role| role.id()))
            .policy(document),
    );
    let account = m.add_if(
        &monitoring.account_log_role,
        Account::new("this")
            .why("The account has one such role in each Region, and a destroy removes it: so it has a switch of its own.")
            .cloudwatch_role_arn(role.first(|role| role.arn()))
            .after(&policy),
    );
    let format = object(FIELDS.map(|(name, value)| (name, value.into())));
    let settings = AccessLog::default()
        .destination_arn(group.first(|group| group.arn()))
        .format(func::json_encode(format));
    Destination { settings, account }
}
