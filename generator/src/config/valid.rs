//! What `ralph.toml` means: every default filled in, every rule checked.

use ralph_protocol::names::Resources;

use super::raw;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Of the functions and the worker's image.
    pub architecture: Architecture,
    /// In the order of the file.
    pub environments: Vec<Environment>,
}

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Names of what it has.
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
    /// The tasks' network.
    pub network: Network,
    /// The tasks.
    pub worker: Worker,
    /// API and table.
    pub websocket: Websocket,
}

/// Where the tasks' network comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// A VPC of its own with this address range.
    Create {
        /// The range.
        cidr: String,
    },
    /// The account's default VPC.
    Default,
    /// A VPC that exists.
    Existing {
        /// Its id.
        vpc_id: String,
        /// Its subnets that tasks use.
        subnet_ids: Vec<String>,
    },
}

/// The tasks' network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Where it comes from.
    pub mode: NetworkMode,
    /// Availability zones, whole names.
    pub zones: Vec<String>,
}

/// The tasks.
#[derive(Debug, Clone, PartialEq)]
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
    /// The agent; `None`: the worker's own default.
    pub agent_command: Option<String>,
    /// What must pass before work counts as complete.
    pub verify_command: Option<String>,
    /// Limits of one execution.
    pub limits: Limits,
}

/// Limits of one execution; a run may set its own.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Websocket {
    /// Messages at once.
    pub burst: u32,
    /// Messages a second.
    pub rate: u32,
    /// Point-in-time recovery.
    pub table_backups: bool,
    /// The table refuses to be deleted.
    pub table_deletion_protection: bool,
}

pub(super) fn check(raw: raw::File) -> Result<Settings, String> {
    let architecture = match raw.architecture.as_deref() {
        None | Some("x86_64") => Architecture::X86_64,
        Some("arm64") => Architecture::Arm64,
        Some(other) => return Err(format!("architecture `{other}`: x86_64 or arm64")),
    };
    let environments = raw.env.into_iter().map(|(name, env)| environment(&name, env));
    Ok(Settings { architecture, environments: environments.collect::<Result<_, _>>()? })
}

fn environment(name: &str, raw: raw::Env) -> Result<Environment, String> {
    let production = raw.production.unwrap_or(false);
    let region = raw.region.unwrap_or_else(|| "us-east-1".to_owned());
    let network = network(raw.network, &region)?;
    let w = raw.worker;
    let mut tags = vec![("Environment".to_owned(), name.to_owned())];
    tags.extend(raw.tags);
    Ok(Environment {
        names: Resources::new(name),
        region,
        account_id: raw.account_id,
        production,
        tags,
        log_retention_days: raw.log_retention_days.unwrap_or(7),
        secret_recovery_days: raw.secret_recovery_days.unwrap_or(0),
        permissions_boundary_arn: raw.permissions_boundary_arn,
        network,
        worker: Worker {
            cpu: w.cpu.unwrap_or(1024),
            memory: w.memory.unwrap_or(2048),
            storage_gib: w.storage_gib.unwrap_or(21),
            image_tag: w.image_tag.unwrap_or_else(|| "0.1.0".to_owned()),
            image_digest: w.image_digest,
            keep_images: w.keep_images.unwrap_or(false),
            agent_command: w.agent_command,
            verify_command: w.verify_command,
            limits: Limits {
                max_iterations: w.max_iterations.unwrap_or(50),
                max_duration_secs: w.max_duration_secs.unwrap_or(8 * 3600),
                max_cost_usd: w.max_cost_usd.unwrap_or(25.0),
                iteration_timeout_secs: w.iteration_timeout_secs.unwrap_or(3600),
                silence_secs: w.silence_secs.unwrap_or(900),
                max_stalls: w.max_stalls.unwrap_or(3),
            },
        },
        websocket: Websocket {
            burst: raw.websocket.burst.unwrap_or(500),
            rate: raw.websocket.rate.unwrap_or(1000),
            table_backups: raw.websocket.table_backups.unwrap_or(false),
            table_deletion_protection: raw.websocket.table_deletion_protection.unwrap_or(false),
        },
    })
}

fn network(raw: raw::NetworkTable, region: &str) -> Result<Network, String> {
    let letters = raw.zones.unwrap_or_else(|| vec!["a".to_owned(), "b".to_owned()]);
    let zones = letters.iter().map(|letter| format!("{region}{letter}")).collect();
    let mode = match raw.mode.as_deref() {
        None | Some("create") => {
            NetworkMode::Create { cidr: raw.cidr.unwrap_or_else(|| "10.20.0.0/16".to_owned()) }
        }
        Some("default") => NetworkMode::Default,
        Some("existing") => NetworkMode::Existing {
            vpc_id: raw.vpc_id.ok_or("network.mode = \"existing\" needs vpc_id")?,
            subnet_ids: raw.subnet_ids.ok_or("network.mode = \"existing\" needs subnet_ids")?,
        },
        Some(other) => return Err(format!("network.mode `{other}`: create, default or existing")),
    };
    Ok(Network { mode, zones })
}
