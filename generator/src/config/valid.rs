//! The second level: what `ralph.toml` means. A value of these types has passed every rule.

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
    /// AWS region.
    pub region: String,
    /// The only account it may be applied to.
    pub account_id: Option<String>,
    /// Refuses to be planned without a confirmation.
    pub production: bool,
    /// Tags of every resource, `Environment` first.
    pub tags: Vec<(String, String)>,
    /// Days that the workers' log group keeps a line.
    pub log_retention_days: u32,
    /// Days during which a deleted secret can be restored.
    pub secret_recovery_days: u32,
    /// A policy that bounds every role.
    pub permissions_boundary_arn: Option<String>,
    /// Where the state is; `None`: in the root's folder.
    pub state: Option<State>,
    /// Path of every role.
    pub role_path: String,
    /// The key that encrypts everything; `None`: AWS's own.
    pub kms_key_arn: Option<String>,
    /// Logs, alarms and metrics.
    pub monitoring: Monitoring,
    /// The tasks' network.
    pub network: Network,
    /// The tasks.
    pub worker: Worker,
    /// API and table.
    pub websocket: Websocket,
}

/// A state that is kept in S3.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct State {
    /// The bucket.
    pub bucket: String,
    /// The object.
    pub key: String,
    /// The bucket's region.
    pub region: String,
    /// The key that encrypts the object; `None`: the bucket's own encryption.
    pub kms_key_arn: Option<String>,
}

/// Logs, alarms and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Monitoring {
    /// A line for each request.
    pub access_logs: bool,
    /// The account's role for API Gateway's logs.
    pub account_log_role: bool,
    /// Where alarms go.
    pub alarm_topic_arn: Option<String>,
    /// Alarms.
    pub alarms: bool,
    /// ECS's own metrics of each task.
    pub container_insights: bool,
    /// A page of graphs.
    pub dashboard: bool,
    /// Metrics of each route.
    pub detailed_metrics: bool,
    /// Functions that X-Ray traces.
    pub traced_functions: Vec<String>,
}

/// Where the tasks' network comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum NetworkMode {
    /// A VPC of its own with this address range.
    Create {
        /// The range.
        cidr: String,
        /// The way out: none, single or per-az.
        nat: String,
        /// Services that are reached without leaving AWS.
        interface_endpoints: Vec<String>,
        /// Who talked to whom.
        flow_logs: bool,
    },
    /// The account's default VPC.
    Default,
    /// A VPC that exists.
    Existing {
        /// Its id.
        vpc_id: String,
        /// Its subnets that tasks use.
        subnet_ids: Vec<String>,
        /// Whether they have a way out of their own.
        private: bool,
    },
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
    /// CPU units.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
    /// Scratch space, GiB.
    pub storage_gib: u32,
    /// Tag of the image.
    pub image_tag: String,
    /// Digest of the image.
    pub image_digest: Option<String>,
    /// Whether destroying keeps a repository that holds images.
    pub keep_images: bool,
    /// Images that the repository keeps.
    pub images_kept: u32,
    /// Days that an image without a tag stays.
    pub untagged_image_days: u32,
    /// The agent; `None`: the worker's own default.
    pub agent_command: Option<String>,
    /// What must pass before work counts as complete.
    pub verify_command: Option<String>,
    /// Limits of one execution.
    #[serde(flatten)]
    pub limits: Limits,
}

/// Limits of one execution; a run may set its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Limits {
    /// Iterations.
    pub max_iterations: u32,
    /// Seconds.
    pub max_duration_secs: u32,
    /// US dollars.
    pub max_cost_usd: f64,
    /// Seconds of one iteration.
    pub iteration_timeout_secs: u32,
    /// Seconds without output.
    pub silence_secs: u32,
    /// Iterations in a row without progress.
    pub max_stalls: u32,
}

/// API and table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Websocket {
    /// Messages at once.
    pub burst: u32,
    /// Messages a second.
    pub rate: u32,
    /// Instances reserved for push-logs.
    pub push_logs_concurrency: Option<u32>,
    /// Point-in-time recovery.
    pub table_backups: bool,
    /// The table refuses to be deleted.
    pub table_deletion_protection: bool,
}
