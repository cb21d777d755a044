//! Tells the list of workstreams where one stands.

use ralph_protocol::index::WorkstreamInfo;
use serde_json::json;

use crate::{invocation::Invocation, ports::Workstreams};

/// Tells the list; whether it heard. The list is for display and nothing is decided by it: what
/// fails is logged, and no line, run or end waits for it. The next report corrects the row.
pub(crate) async fn tell<T: Workstreams>(
    table: &T,
    info: &WorkstreamInfo,
    expires_at: u64,
    invocation: Invocation<'_>,
) -> bool {
    let Err(error) = table.record_workstream(info, expires_at).await else { return true };
    let fields = [
        ("workstream", json!(info.workstream)),
        ("run", json!(info.run)),
        ("state", json!(info.state)),
        ("problem", json!(error.to_string())),
    ];
    invocation.error("the list of workstreams does not show this", &fields);
    false
}
