//! The command line.

mod completions;
mod examples;
mod workstream;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use ralph_protocol::ids::Workstream;

use crate::{
    target::{DEFAULT_ENVIRONMENT, TargetArgs},
    tools::invocation::quoted,
};

pub use completions::script as completions;
pub use workstream::{LogsArgs, OPTIONS, PsArgs, RunArgs, SizeArgs, StopArgs, WaitArgs};

/// Runs coding agents on git repositories until their work is done, and shows their lines live.
///
/// A workstream is an agent that starts again and again on a checkout until PROGRESS.md says that the
/// work is complete. It runs as a task on Fargate Spot in your own AWS account, or in a local cloud on
/// this machine, which needs no account.
///
/// While nothing runs, an environment on AWS costs less than 2 dollars a month (`ralph cost`). A
/// workstream costs little more than the model that it uses, which `--max-cost-usd` limits.
#[derive(Debug, Parser)]
#[command(name = "ralph", version, about, max_term_width = 100, after_help = BEGIN)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

/// Where to begin. In a checkout, a recipe runs `ralph`.
const BEGIN: &str = "\
Where to begin, without an AWS account:
  ralph demo                    the whole path once, with a scripted agent, for nothing
  ralph local                   a local cloud with the page; then, in another terminal:
  ralph run docs file://$HOME/src/mine --prompt-path README.md --local --scripted
  ralph logs docs -f --local    its lines

In a checkout, write `./justw ralph` for `ralph`.";

// In the order in which a newcomer needs them.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it is moved once")]
pub enum Command {
    /// Run the whole path once on this machine and compare what was written with what was shown
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),
    /// Run the local cloud with the viewer until Ctrl-C
    #[command(after_help = examples::LOCAL)]
    Local(LocalArgs),
    /// Start a workstream
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// Show a workstream's lines; with -f, as they come
    #[command(after_help = examples::LOGS)]
    Logs(LogsArgs),
    /// Show the workstreams: where they stand, what they cost
    #[command(after_help = examples::PS)]
    Ps(PsArgs),
    /// Wait until a workstream's execution is over, and end with its worker's exit code
    #[command(after_help = examples::WAIT)]
    Wait(WaitArgs),
    /// Stop a workstream; what it has done is kept
    #[command(after_help = examples::STOP)]
    Stop(StopArgs),
    /// Serve the page on this machine, against an environment on AWS or the local cloud
    #[command(after_help = examples::VIEW)]
    View(ViewArgs),
    /// Say what an environment costs: idle, and an hour of a workstream
    #[command(after_help = examples::COST)]
    Cost(CostArgs),
    /// Show what `apply` would change
    #[command(after_help = examples::PLAN)]
    Plan(PlanArgs),
    /// Create or change an environment
    #[command(after_help = examples::APPLY)]
    Apply(EnvironmentArgs),
    /// Set the secrets of an environment
    #[command(after_help = examples::KEYS)]
    Keys(KeysArgs),
    /// Print a connection token, good for one handshake within a minute
    #[command(after_help = examples::TOKEN)]
    Token(TokenArgs),
    /// Print what an environment consists of, as Terraform's outputs name it
    #[command(after_help = examples::OUTPUTS)]
    Outputs(OutputsArgs),
    /// Remove an environment
    #[command(after_help = examples::DESTROY)]
    Destroy(DestroyArgs),
    /// Try the whole path on a real account, in an environment of its own that is removed again
    #[command(after_help = examples::VERIFY_AWS)]
    VerifyAws(VerifyArgs),
    /// Build dist/ralph-lambda.zip
    BuildLambdas,
    /// Print a script that completes the words of `ralph` in a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Run a program that must not outlive whoever asked for it
    #[command(hide = true)]
    Supervise(SuperviseArgs),
    /// Run the tofu or terraform that every command uses, for this project's own tests
    #[command(hide = true)]
    Terraform(TerraformArgs),
}

#[derive(Debug, ClapArgs)]
pub struct TerraformArgs {
    /// The root module
    pub folder: PathBuf,
    /// What it is asked to do
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub arguments: Vec<String>,
}

impl Command {
    /// How another command names the same target, with a space before it; empty where there is none.
    pub fn target(&self) -> String {
        let folder = |scratch: &Path| format!(" --scratch {}", quoted(scratch));
        match self {
            Self::Run(RunArgs { target, .. })
            | Self::Logs(LogsArgs { target, .. })
            | Self::Ps(PsArgs { target, .. })
            | Self::Wait(WaitArgs { target, .. })
            | Self::Stop(StopArgs { target, .. })
            | Self::View(ViewArgs { target, .. })
            | Self::Token(TokenArgs { target, .. })
            | Self::Outputs(OutputsArgs { target, .. })
            | Self::Keys(KeysArgs {
                command:
                    KeysCommand::Set { target, .. }
                    | KeysCommand::List { target }
                    | KeysCommand::InitSigning { target }
                    | KeysCommand::RotateSigning { target, .. },
            }) => target.words(),
            Self::Local(LocalArgs { scratch: None, .. }) => " --local".to_owned(),
            Self::Local(LocalArgs { scratch: Some(scratch), .. })
            | Self::Demo(DemoArgs { join: Some(scratch), .. })
            | Self::VerifyAws(VerifyArgs { scratch: Some(scratch), .. }) => folder(scratch),
            _ => String::new(),
        }
    }
}

#[derive(Debug, ClapArgs)]
pub struct SuperviseArgs {
    /// Folder of the files that say which supervisors run
    #[arg(long, value_name = "DIR")]
    pub pids: Option<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// Who does the work [default: scripted; with --repo there is no default]
    #[arg(long, value_enum)]
    pub agent: Option<Agent>,
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
    /// The environment to apply: a folder of terraform/envs
    #[arg(long, default_value = DEFAULT_ENVIRONMENT, conflicts_with = "join")]
    pub env: String,
    /// Run the functions as they are shipped: compiling them takes minutes
    #[arg(long, conflicts_with = "join")]
    pub release: bool,
    /// Apply the HCL with Terraform even if the same was applied here before
    #[arg(long, conflicts_with = "join")]
    pub fresh: bool,
    /// Run the worker in a container of its image, with docker or podman
    #[arg(long, conflicts_with = "join")]
    pub containers: bool,
    /// Print no lines, only the comparison
    #[arg(long)]
    pub quiet: bool,
    /// Show everything as it comes, without the client's rules; the comparison must then fail
    #[arg(long, hide = true)]
    pub without_rules: bool,
}

impl DemoArgs {
    /// Who does the work.
    pub fn agent(&self) -> Agent {
        self.agent.unwrap_or(Agent::Scripted)
    }
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
    /// The environment to apply: a folder of terraform/envs
    #[arg(long, default_value = DEFAULT_ENVIRONMENT)]
    pub env: String,
    /// End the local cloud that runs with the scratch folder, and what one that was killed left behind
    #[arg(long, conflicts_with_all = ["port", "viewer_port", "env", "no_viewer", "release", "fresh", "containers", "workstreams"])]
    pub stop: bool,
    /// Start an account with nothing in it, to rehearse a deployment: `just apply` and what follows
    /// work in it, with a scripted agent that costs nothing
    #[arg(long, conflicts_with_all = ["no_viewer", "viewer_port", "release", "fresh", "workstreams"])]
    pub empty: bool,
    /// Do not build or serve the page
    #[arg(long)]
    pub no_viewer: bool,
    /// Run the functions as they are shipped: compiling them takes minutes
    #[arg(long)]
    pub release: bool,
    /// Apply the HCL with Terraform even if the same was applied here before
    #[arg(long)]
    pub fresh: bool,
    /// Run the workers in containers of their image, with docker or podman
    #[arg(long)]
    pub containers: bool,
    /// Where the functions post to, when it is not the local cloud itself; tests put a gateway there
    /// that injects faults
    #[arg(long, value_name = "URL", hide = true, conflicts_with = "empty")]
    pub management_base: Option<String>,
    /// Workstreams the page shows; it gets tokens for no other
    #[arg(long = "workstream", default_values = ["demo"])]
    pub workstreams: Vec<Workstream>,
}

#[derive(Debug, ClapArgs)]
pub struct ViewArgs {
    /// Workstreams the page shows; it gets tokens for no other
    #[arg(required = true)]
    pub workstreams: Vec<Workstream>,
    /// Port of the page; 0: a free one
    #[arg(long, default_value_t = 0)]
    pub viewer_port: u16,
    /// A built page to serve [default: viewer/dist, built first]
    #[arg(long, value_name = "DIR")]
    pub page: Option<PathBuf>,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Debug, ClapArgs)]
pub struct CostArgs {
    /// The environment: a folder of terraform/envs
    #[arg(default_value = "dev")]
    pub environment: String,
    /// People who watch during the hour
    #[arg(long, default_value_t = 2, value_name = "V")]
    pub viewers: u32,
    /// Megabytes of log lines in the hour
    #[arg(long, default_value_t = 10.0, value_name = "L", value_parser = positive)]
    pub log_mb: f64,
    #[command(flatten)]
    pub size: SizeArgs,
}

#[derive(Debug, ClapArgs)]
pub struct VerifyArgs {
    /// An https repository with a README.md that the run may push a branch to
    #[arg(long)]
    pub repo: Option<String>,
    /// A file with the JSON that `ralph keys set git-token` takes
    #[arg(long, value_name = "FILE")]
    pub git_token_file: Option<PathBuf>,
    /// Do it: it costs a few cents
    #[arg(long)]
    pub yes: bool,
    /// Leave the environment there, to look at it
    #[arg(long)]
    pub keep: bool,
    /// Run the part that works in a local cloud, in the one with this scratch folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["repo", "git_token_file", "yes", "keep"])]
    pub scratch: Option<PathBuf>,
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
pub struct OutputsArgs {
    /// Print this output alone: a text as it is, anything else as JSON
    pub name: Option<String>,
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
    /// Show what is set, since when, and the ids of the keys; never a value
    List {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Make a first signing key for connection tokens, if there is none
    InitSigning {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Make a new signing key; tokens of the one before it are accepted until the next rotation
    RotateSigning {
        /// Accept the new key alone, once the functions' caches end (5 minutes): the old one leaked
        #[arg(long)]
        revoke: bool,
        /// Also when the last rotation is younger than 10 minutes
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        target: TargetArgs,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Secret {
    /// {"keys":[{"id":"main","value":"…"}]}
    AnthropicKeys,
    /// {"host":"github.com","username":"x-access-token","token":"…"}, a GitHub App's
    /// {"appId":"…","installationId":"…","privateKey":"…"}, or {} for public repositories
    GitToken,
    /// {"current":{"kid":"k1","secret":"…"},"previous":null}
    WebsocketSigningKeys,
}

#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    /// Plan a copy with fake credentials, without a call to AWS. A network that exists (mode default
    /// or existing) cannot be read so
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub environment: EnvironmentArgs,
}

#[derive(Debug, ClapArgs)]
pub struct EnvironmentArgs {
    /// The environment: a folder of terraform/envs
    #[arg(default_value = DEFAULT_ENVIRONMENT)]
    pub environment: String,
    /// Handed on to tofu or terraform: everything behind `--`, or behind the environment from the first
    /// word on that `ralph` does not know
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<String>,
}

impl EnvironmentArgs {
    /// The environment, and what goes to tofu or terraform. What begins with `-` stands behind a `--`
    /// before which no environment was named.
    pub fn parts(self) -> (String, Vec<String>) {
        let Self { environment, mut rest } = self;
        if !environment.starts_with('-') {
            return (environment, rest);
        }
        rest.insert(0, environment);
        (DEFAULT_ENVIRONMENT.to_owned(), rest)
    }
}

#[derive(Debug, ClapArgs)]
pub struct DestroyArgs {
    /// End what runs first: workers commit and push what they have
    #[arg(long)]
    pub stop: bool,
    #[command(flatten)]
    pub environment: EnvironmentArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ralph_does_not_know_goes_to_terraform() {
        type Case = (&'static [&'static str], bool, &'static str, &'static [&'static str]);
        let cases: [Case; 6] = [
            (&["destroy"], false, "dev", &[]),
            (&["destroy", "prod", "--stop"], true, "prod", &[]),
            (&["destroy", "--stop", "prod", "-no-color"], true, "prod", &["-no-color"]),
            (&["destroy", "prod", "--stop", "-a", "-b"], true, "prod", &["-a", "-b"]),
            (&["destroy", "prod", "--", "-a", "--stop"], false, "prod", &["-a", "--stop"]),
            (&["destroy", "--stop", "--", "-a", "-b"], true, "dev", &["-a", "-b"]),
        ];
        for (words, stops, environment, rest) in cases {
            let args = Args::try_parse_from([&["ralph"], words].concat()).unwrap();
            let Command::Destroy(destroy) = args.command else { panic!("another command") };
            let parts = destroy.environment.parts();
            assert_eq!((destroy.stop, parts.0.as_str()), (stops, environment), "{words:?}");
            assert_eq!(parts.1, rest, "{words:?}");
        }
    }
}
