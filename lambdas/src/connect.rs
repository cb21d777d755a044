//! `$connect`: writes the connection's row.

use ralph_protocol::{table::CONNECTION_TTL_SECS, token::Scope};
use serde_json::json;

use crate::{
    invocation::Invocation,
    ports::{Connection, Table, Unavailable},
    request::{Request, Response},
};

/// Accepts a connection that the authorizer let in. Doing it again changes nothing.
///
/// # Errors
/// The row cannot be written: the handshake is refused and the client tries again.
pub async fn connect(
    request: &Request,
    table: &impl Table,
    invocation: Invocation<'_>,
) -> Result<Response, Unavailable> {
    let id = &request.connection_id;
    // Without the authorizer's context the route is wired wrongly. Nobody gets in that way.
    let (Some(user), Some(scope)) = (&request.user, &request.scope) else {
        invocation.error("no authorizer context", &[("connectionId", json!(id))]);
        return Ok(Response::FORBIDDEN);
    };
    if Scope::from_context(scope).is_none() {
        invocation.error("unreadable scope", &[("connectionId", json!(id))]);
        return Ok(Response::FORBIDDEN);
    }
    let row = Connection {
        user: user.clone(),
        scope: scope.clone(),
        connected_at: request.connected_at,
        expires_at: request.connected_at / 1000 + CONNECTION_TTL_SECS,
    };
    table.put_connection(id, &row).await?;
    invocation.info("connected", &[("connectionId", json!(id)), ("user", json!(user))]);
    Ok(Response::OK)
}
