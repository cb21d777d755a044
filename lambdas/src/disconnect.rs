//! `$disconnect`: deletes the connection's rows. It is best effort on AWS's side; rows of a
//! connection it forgot go with the first post that answers 410, and at the latest by themselves.

use serde_json::json;

use crate::{
    invocation::Invocation,
    ports::{Table, Unavailable},
    request::{Request, Response},
};

/// Forgets a connection. Doing it again changes nothing.
///
/// # Errors
/// The rows cannot be deleted.
pub async fn disconnect(
    request: &Request,
    table: &impl Table,
    invocation: Invocation<'_>,
) -> Result<Response, Unavailable> {
    let id = &request.connection_id;
    table.delete_connection(id).await?;
    invocation.info("disconnected", &[("connectionId", json!(id))]);
    Ok(Response::OK)
}
