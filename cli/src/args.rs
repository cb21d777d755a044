//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use ralph_protocol::ids::Workstream;

use crate::target::TargetArgs;

/// Runs coding-agent workstreams and shows their logs live.
#[derive(Debug, Parser)]
#[command(name = "ralph", version, about, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole path once on this machine and compare what was written with what was shown
    Demo(DemoArgs),
    /// Run the local cloud with the viewer until Ctrl-C
    Local(LocalArgs),
    /// Print a connection token, good for one handshake within a minute
    Token(TokenArgs),
    /// Set the secrets of an environment
    Keys(KeysArgs),
    /// Show what `apply` would change
    Plan(PlanArgs),
    /// Create or change an environment
    Apply(EnvironmentArgs),
    /// Remove an environment
    Destroy(EnvironmentArgs),
    /// Build dist/ralph-lambda.zip
    BuildLambdas,
}

#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// Who does the work
    #[arg(long, value_enum, default_value_t = Agent::Scripted)]
    pub agent: Agent,
    /// A git repository on this machine to work on, instead of a small one made for the demo; the
    /// work goes to the branch ralph/<workstream>
    #[arg(long, value_name = "DIR", requires = "prompt")]
    pub repo: Option<PathBuf>,
    /// The prompt file, a path inside the repository
    #[arg(long, value_name = "FILE", requires = "repo")]
    pub prompt: Option<String>,
    /// The workstream's name
    #[arg(long, default_value = "demo")]
    pub workstream: Workstream,
    /// Highest cost in US dollars (with --agent claude)
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub max_cost_usd: f64,
    /// Use the local cloud that `ralph local` runs with this scratch folder
    #[arg(long, value_name = "DIR")]
    pub join: Option<PathBuf>,
    /// Print no lines, only the comparison
    #[arg(long)]
    pub quiet: bool,
    /// Show everything as it comes, without the client's rules; the comparison must then fail
    #[arg(long, hide = true)]
    pub without_rules: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("expected a number above 0".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Agent {
    /// A scripted agent: speaks claude's stream-json, writes real files, costs nothing
    Scripted,
    /// The real agent; needs `claude` on PATH and ANTHROPIC_API_KEY
    Claude,
}

#[derive(Debug, ClapArgs)]
pub struct LocalArgs {
    /// Port of the local cloud; 0: a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Port of the viewer; 0: a free one
    #[arg(long, default_value_t = 0)]
    pub viewer_port: u16,
    /// Scratch folder; emptied at start
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Do not build or serve the page
    #[arg(long)]
    pub no_viewer: bool,
    /// Workstreams the page opens with
    #[arg(long = "workstream", default_values = ["demo"])]
    pub workstreams: Vec<Workstream>,
}

#[derive(Debug, ClapArgs)]
pub struct TokenArgs {
    /// Workstreams the token may see
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub workstreams: Vec<Workstream>,
    /// Every workstream
    #[arg(long)]
    pub all: bool,
    /// Who will be connected
    #[arg(long, default_value = "ralph-cli")]
    pub user: String,
    /// Print the whole address to connect to
    #[arg(long)]
    pub url: bool,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Debug, ClapArgs)]
pub struct KeysArgs {
    #[command(subcommand)]
    pub command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Set a secret to the JSON read from standard input
    Set {
        /// Which secret
        secret: Secret,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Make a first signing key for connection tokens, if there is none
    InitSigning {
        #[command(flatten)]
        target: TargetArgs,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Secret {
    /// {"keys":[{"id":"main","value":"…"}]}
    AnthropicKeys,
    /// {"host":"github.com","username":"x-access-token","token":"…"}, or {} for public repositories
    GitToken,
    /// {"current":{"kid":"k1","secret":"…"},"previous":null}
    WebsocketSigningKeys,
}

#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    /// Plan a copy with fake credentials: nothing is asked of AWS
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub environment: EnvironmentArgs,
}

#[derive(Debug, ClapArgs)]
pub struct EnvironmentArgs {
    /// The environment: a folder of terraform/envs
    #[arg(default_value = "dev")]
    pub environment: String,
    /// Handed on to tofu or terraform
    #[arg(last = true)]
    pub rest: Vec<String>,
}
