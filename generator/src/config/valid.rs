//! The second level: what `ralph.toml` means. A value of these types has passed every rule.
#![expect(missing_docs, reason = "keys.toml describes each field that is a key")]

use std::collections::BTreeMap;

use ralph_protocol::names::Resources;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::raw::File;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Of the functions and the worker's image.
    pub architecture: Architecture,
    /// In the order of the file.
    pub environments: Vec<Environment>,
    /// What may be wrong, as text for a person; empty if there is nothing.
    pub warnings: String,
}

impl Settings {
    /// The settings of a file that has passed every rule.
    pub(super) fn new(file: File, warnings: String) -> Self {
        let environments = file.environments.into_iter().map(|(name, table)| {
            let mut values = table.values;
            let region = text(&values["region"]);
            let zones = values["network"]["zones"].as_array().into_iter().flatten();
            let zones: Vec<String> = zones.map(|zone| region.clone() + &text(zone)).collect();
            let own = values["tags"].as_object().into_iter().flatten();
            let mut tags = vec![("Environment".to_owned(), name.clone())];
            tags.extend(own.map(|(key, value)| (key.clone(), text(value))));
            values["network"]["zones"] = json!(zones);
            values["tags"] = json!(tags);
            values["names"] = json!(name);
            read(values)
        });
        Self {
            environments: environments.collect(),
            architecture: read(file.own.values["architecture"].clone()),
            warnings,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn read<T: DeserializeOwned>(values: Value) -> T {
    serde_json::from_value(values).expect("the table of keys has every field, with its kind")
}

fn resources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Resources, D::Error> {
    String::deserialize(deserializer).map(Resources::new)
}

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Intel and AMD.
    X86_64,
    /// Graviton.
    Arm64,
}

impl Architecture {
    /// As Lambda and `ralph.toml` spell it.
    #[must_use]
    pub const fn lambda(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// As ECS spells it.
    #[must_use]
    pub const fn ecs(self) -> &'static str {
        match self {
            Self::X86_64 => "X86_64",
            Self::Arm64 => "ARM64",
        }
    }
}

/// One environment: a root of its own under `envs/`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Environment {
    /// Names of what it has.
    #[serde(deserialize_with = "resources")]
    pub names: Resources,
    pub region: String,
    pub account_id: Option<String>,
    pub production: bool,
    /// Tags of every resource, `Environment` first.
    pub tags: Vec<(String, String)>,
    pub log_retention_days: u32,
    pub secret_recovery_days: u32,
    pub permissions_boundary_arn: Option<String>,
    pub state: Option<State>,
    pub role_path: String,
    pub kms_key_arn: Option<String>,
    pub monitoring: Monitoring,
    pub notify: Notify,
    pub network: Network,
    pub worker: Worker,
    pub agent: Agent,
    pub websocket: Websocket,
    pub create_service_linked_role: bool,
}

/// A state that is kept in S3.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct State {
    pub bucket: String,
    pub key: String,
    pub region: String,
    pub kms_key_arn: Option<String>,
}

/// Logs, alarms and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Monitoring {
    pub access_logs: bool,
    pub account_log_role: bool,
    pub alarm_topic_arn: Option<String>,
    pub alarms: bool,
    pub container_insights: bool,
    pub dashboard: bool,
    pub detailed_metrics: bool,
    pub traced_functions: Vec<String>,
}

/// Who is told when an execution ends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notify {
    pub email: Option<String>,
    pub topic_arn: Option<String>,
    pub log_url: Option<String>,
}

/// Where the tasks' network comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum NetworkMode {
    /// A VPC of its own with this address range.
    Create { cidr: String, nat: String, interface_endpoints: Vec<String>, flow_logs: bool },
    /// The account's default VPC.
    Default,
    /// A VPC that exists.
    Existing { vpc_id: String, subnet_ids: Vec<String>, private: bool },
}

/// The tasks' network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Network {
    /// Where it comes from.
    #[serde(flatten)]
    pub mode: NetworkMode,
    /// Availability zones, whole names.
    pub zones: Vec<String>,
}

/// The tasks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Worker {
    pub cpu: u32,
    pub memory: u32,
    pub storage_gib: u32,
    pub image_tag: String,
    pub image_digest: Option<String>,
    pub image: Option<String>,
    pub image_credentials_arn: Option<String>,
    pub keep_images: bool,
    pub images_kept: u32,
    pub untagged_image_days: u32,
    pub agent_command: Option<String>,
    pub convention: bool,
    pub setup_command: Option<String>,
    pub verify_command: Option<String>,
    pub pull_request: Option<String>,
    /// Limits of one execution.
    #[serde(flatten)]
    pub limits: Limits,
}

/// Limits of one execution; a run may set its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Limits {
    pub max_iterations: u32,
    pub max_duration_secs: u32,
    pub max_cost_usd: f64,
    pub iteration_timeout_secs: u32,
    pub silence_secs: u32,
    pub setup_timeout_secs: u32,
    pub max_stalls: u32,
    pub max_log_mb: u32,
    pub max_commit_mb: u32,
    pub max_commit_files: u32,
}

/// What the agent gets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Agent {
    pub model: Option<String>,
    pub model_endpoint: Option<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    pub repositories: Option<Vec<String>>,
}

/// API and table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Websocket {
    pub burst: u32,
    pub rate: u32,
    pub push_logs_concurrency: Option<u32>,
    pub table_backups: bool,
    pub table_deletion_protection: bool,
}
