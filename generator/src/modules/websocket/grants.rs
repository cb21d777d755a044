//! What a function may do only if something is switched on: use a customer's key, be traced.

use ralph_protocol::names::Handler;

use super::needs::Needs;
use super::{Websocket, WebsocketInputs};
use crate::aws::iam::{RolePolicy, RolePolicyRef, RoleRef};
use crate::hcl::Maybe;
use crate::hcl::prelude::*;

/// With a customer's key, what the function reads and writes is encrypted with it: each service
/// asks for the key in the function's name.
pub(super) fn key(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    needs: &Needs,
    local: &str,
    role: &RoleRef<Websocket>,
) -> Maybe<Websocket, RolePolicyRef<Websocket>> {
    let key = &inputs.options.kms_key_arn;
    let on_key = |sid, actions: &[&'static str], service: &str| {
        Statement::allow(sid, actions).on(key.set()).when(
            "StringEquals",
            "kms:ViaService",
            text![service, ".", &inputs.region, ".amazonaws.com"],
        )
    };
    let mut statements = vec![on_key("TableKey", &["kms:Decrypt"], "dynamodb")];
    if needs.keys {
        statements.push(on_key("SecretKey", &["kms:Decrypt"], "secretsmanager"));
    }
    if needs.keeps_failures {
        statements.push(on_key("QueueKey", &["kms:Decrypt", "kms:GenerateDataKey"], "sqs"));
    }
    m.add_if(
        &key.is_set(),
        RolePolicy::new(&format!("{local}_key"))
            .name("key")
            .role(role.id())
            .policy(Document::new(statements)),
    )
}

/// Whether a function is traced, and what it may do then.
pub(super) struct Traced {
    pub(super) on: Expr<Websocket, Bool>,
    pub(super) policy: Maybe<Websocket, RolePolicyRef<Websocket>>,
}

pub(super) fn tracing(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    handler: Handler,
    local: &str,
    role: &RoleRef<Websocket>,
) -> Traced {
    let on = func::contains(&inputs.options.traced_functions, handler.as_str());
    let document = Document::new([Statement::allow(
        "Trace",
        &["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    )
    .on_everything("traces are the account's, they have no resource")]);
    let policy = m.add_if(
        &on,
        RolePolicy::new(&format!("{local}_tracing"))
            .note(&document.reasons())
            .name("tracing")
            .role(role.id())
            .policy(document),
    );
    Traced { on, policy }
}
