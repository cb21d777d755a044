//! `$connect`: writes the connection's row.

use ralph_protocol::{table::CONNECTION_TTL_SECS, token::Scope};
use serde_json::json;

use crate::{
    invocation::Invocation,
    ports::{Clock, Connection, Table, Unavailable},
    request::{Request, Response},
};

/// Accepts a connection that the authorizer let in. Doing it again changes nothing.
///
/// # Errors
/// The row cannot be written: the handshake is refused and the client tries again.
pub async fn connect(
    request: &Request,
    table: &impl Table,
    clock: &impl Clock,
    invocation: Invocation<'_>,
) -> Result<Response, Unavailable> {
    let context = &request.request_context;
    let id = &context.connection_id;
    // Without the authorizer's context the route is wired wrongly. Nobody gets in that way.
    let (Some(user), Some(scope)) = (context.user(), context.scope()) else {
        invocation.error("no authorizer context", &[("connectionId", json!(id))]);
        return Ok(Response::FORBIDDEN);
    };
    if Scope::from_context(scope).is_none() {
        invocation.error("unreadable scope", &[("connectionId", json!(id))]);
        return Ok(Response::FORBIDDEN);
    }
    let connected_at = connected_at(request, clock);
    let row = Connection {
        user: user.to_owned(),
        scope: scope.to_owned(),
        connected_at,
        expires_at: connected_at / 1000 + CONNECTION_TTL_SECS,
    };
    table.put_connection(id, &row).await?;
    invocation.info("connected", &[("connectionId", json!(id)), ("user", json!(user))]);
    Ok(Response::OK)
}

/// When the connection was made, ms since the epoch.
pub(crate) fn connected_at(request: &Request, clock: &impl Clock) -> u64 {
    match request.request_context.connected_at {
        0 => clock.now_ms(),
        at => at,
    }
}
