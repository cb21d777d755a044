//! What `ralph.toml` says.

use indexmap::IndexMap;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) architecture: Option<String>,
    pub(super) env: IndexMap<String, Env>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Env {
    pub(super) region: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) production: Option<bool>,
    pub(super) log_retention_days: Option<u32>,
    pub(super) secret_recovery_days: Option<u32>,
    pub(super) permissions_boundary_arn: Option<String>,
    pub(super) tags: IndexMap<String, String>,
    pub(super) network: NetworkTable,
    pub(super) worker: WorkerTable,
    pub(super) websocket: WebsocketTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NetworkTable {
    pub(super) mode: Option<String>,
    pub(super) cidr: Option<String>,
    pub(super) zones: Option<Vec<String>>,
    pub(super) vpc_id: Option<String>,
    pub(super) subnet_ids: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WorkerTable {
    pub(super) cpu: Option<u32>,
    pub(super) memory: Option<u32>,
    pub(super) storage_gib: Option<u32>,
    pub(super) image_tag: Option<String>,
    pub(super) image_digest: Option<String>,
    pub(super) keep_images: Option<bool>,
    pub(super) agent_command: Option<String>,
    pub(super) verify_command: Option<String>,
    pub(super) max_iterations: Option<u32>,
    pub(super) max_duration_secs: Option<u32>,
    pub(super) max_cost_usd: Option<f64>,
    pub(super) iteration_timeout_secs: Option<u32>,
    pub(super) silence_secs: Option<u32>,
    pub(super) max_stalls: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebsocketTable {
    pub(super) burst: Option<u32>,
    pub(super) rate: Option<u32>,
    pub(super) table_backups: Option<bool>,
    pub(super) table_deletion_protection: Option<bool>,
}
