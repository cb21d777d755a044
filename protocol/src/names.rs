//! Names that more than one part spells: resources, environment variables, outputs, handlers.

/// Names of AWS resources in an environment.
///
/// dev and prod live in one account each and share the plain names; any other environment gets its
/// own, so that it can stand beside dev in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    environment: String,
}

impl Resources {
    /// Names for the environment `dev`, `prod`, `staging`, …
    #[must_use]
    pub fn new(environment: impl Into<String>) -> Self {
        Self { environment: environment.into() }
    }

    /// The environment's own name.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.environment
    }

    fn shares_plain_names(&self) -> bool {
        matches!(self.environment.as_str(), "dev" | "prod")
    }

    /// `ralph-<env>`: the prefix of all names; also the cluster's and the API's.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("ralph-{}", self.environment)
    }

    /// The ECS cluster.
    #[must_use]
    pub fn cluster(&self) -> String {
        self.prefix()
    }

    /// The task definition's family.
    #[must_use]
    pub fn task_family(&self) -> String {
        format!("{}-worker", self.prefix())
    }

    /// The SSM parameter that holds the root module's outputs.
    #[must_use]
    pub fn outputs_parameter(&self) -> String {
        format!("/ralph/{}/outputs", self.environment)
    }

    /// The log group of the workers: `/ralph/workstreams`.
    #[must_use]
    pub fn log_group(&self) -> String {
        if self.shares_plain_names() {
            "/ralph/workstreams".to_owned()
        } else {
            format!("/ralph/{}/workstreams", self.environment)
        }
    }

    /// The ECR repository of the worker image.
    #[must_use]
    pub fn ecr_repository(&self) -> String {
        if self.shares_plain_names() {
            "ralph-worker".to_owned()
        } else {
            format!("ralph-{}-worker", self.environment)
        }
    }

    /// The secret `ralph/<env>/<name>`.
    #[must_use]
    pub fn secret(&self, name: SecretName) -> String {
        format!("ralph/{}/{}", self.environment, name.as_str())
    }

    /// The DynamoDB table.
    #[must_use]
    pub fn table(&self) -> String {
        format!("{}-connections", self.prefix())
    }

    /// A Lambda function: `ralph-<env>-<handler>`.
    #[must_use]
    pub fn function(&self, handler: Handler) -> String {
        format!("{}-{}", self.prefix(), handler.as_str())
    }

    /// The state machine.
    #[must_use]
    pub fn state_machine(&self) -> String {
        format!("{}-workstream", self.prefix())
    }

    /// The SNS topic that hears of the end of executions, where the environment has one of its own.
    #[must_use]
    pub fn executions_topic(&self) -> String {
        format!("{}-executions", self.prefix())
    }

    /// The token's audience: `ralph/<env>`.
    #[must_use]
    pub fn audience(&self) -> String {
        format!("ralph/{}", self.environment)
    }
}

/// The capacity provider of Spot capacity.
pub const FARGATE_SPOT: &str = "FARGATE_SPOT";
/// The capacity provider of on-demand capacity.
pub const FARGATE: &str = "FARGATE";

/// The container's name in the task definition, and the awslogs stream prefix.
pub const CONTAINER: &str = "worker";

/// The agent's command line where nobody names another. The worker fills in `{…}`.
pub const DEFAULT_AGENT_COMMAND: &str = "claude -p --output-format stream-json --verbose \
     --dangerously-skip-permissions --session-id {session_id} --max-budget-usd {budget_usd} \
     --append-system-prompt={convention} --model={model}";

/// The worker's program in its image: every image that tasks run must have it.
pub const WORKER_PROGRAM: &str = "/usr/local/bin/ralph-loop-cloud";

/// The log stream of a task: `worker/worker/<task id>` (prefix, container, task).
#[must_use]
pub fn log_stream(task_id: &str) -> String {
    format!("{CONTAINER}/{CONTAINER}/{task_id}")
}

/// The three secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretName {
    /// Keys of the model's service.
    AnthropicKeys,
    /// The git credential.
    GitToken,
    /// Keys that sign connection tokens.
    WebsocketSigningKeys,
}

impl SecretName {
    /// All three.
    pub const ALL: [Self; 3] = [Self::AnthropicKeys, Self::GitToken, Self::WebsocketSigningKeys];

    /// The last part of the secret's name; also the key in output `secret_arns`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnthropicKeys => "anthropic-keys",
            Self::GitToken => "git-token",
            Self::WebsocketSigningKeys => "websocket-signing-keys",
        }
    }
}

/// The Lambda functions. One binary holds them all; the function's handler name picks one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Handler {
    /// REQUEST authorizer of `$connect`.
    Authorize,
    /// `$connect`.
    Connect,
    /// `$disconnect`.
    Disconnect,
    /// `sendLogs` and `$default`.
    SendLogs,
    /// The subscription filter's destination.
    PushLogs,
    /// ECS task state changes.
    TaskEvents,
    /// The beginning of an execution.
    Admit,
    /// What follows a run or a wait of an execution.
    Decide,
}

impl Handler {
    /// All handlers.
    pub const ALL: [Self; 8] = [
        Self::Authorize,
        Self::Connect,
        Self::Disconnect,
        Self::SendLogs,
        Self::PushLogs,
        Self::TaskEvents,
        Self::Admit,
        Self::Decide,
    ];

    /// The handler's name, as in the function's name and its `handler` attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::SendLogs => "send-logs",
            Self::PushLogs => "push-logs",
            Self::TaskEvents => "task-events",
            Self::Admit => "admit",
            Self::Decide => "decide",
        }
    }

    /// Reads [`Handler::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|handler| handler.as_str() == text)
    }
}

/// Environment variables of the Lambda functions.
pub mod lambda_env {
    /// The environment's name.
    pub const ENVIRONMENT: &str = "RALPH_ENVIRONMENT";
    /// The connections table.
    pub const TABLE: &str = "RALPH_TABLE";
    /// The workers' log group.
    pub const LOG_GROUP: &str = "RALPH_LOG_GROUP";
    /// Days the log group keeps a line; run and stream rows live as long.
    pub const RETENTION_DAYS: &str = "RALPH_RETENTION_DAYS";
    /// ARN of the SNS topic that hears of the end of every execution; absent: nobody does.
    pub const NOTIFY_TOPIC_ARN: &str = "RALPH_NOTIFY_TOPIC_ARN";
    /// Where the lines of a run can be read: a template of [`log_url`](crate::link::log_url).
    pub const LOG_URL: &str = super::worker_env::LOG_URL;
    /// ARN of the signing keys' secret.
    pub const SIGNING_KEYS_ARN: &str = "RALPH_SIGNING_KEYS_ARN";
    /// Where frames are posted: `https://<api>.execute-api.<region>.amazonaws.com/<stage>`.
    pub const MANAGEMENT_ENDPOINT: &str = "RALPH_MANAGEMENT_ENDPOINT";
    /// How long an execution may take whose order names no limit, seconds.
    pub const MAX_DURATION_SECS: &str = super::worker_env::MAX_DURATION_SECS;
    /// `1` accepts orders with a `file://` repository, `0` refuses them; only the local cloud sets `1`.
    pub const ALLOW_FILE_REPO: &str = super::worker_env::ALLOW_FILE_REPO;
    /// Lambda's own: the handler's name.
    pub const HANDLER: &str = "_HANDLER";
}

/// Environment variables of the worker.
pub mod worker_env {
    /// Workstream id.
    pub const WORKSTREAM: &str = "RALPH_WORKSTREAM";
    /// Run id; absent when the worker runs alone and makes its own.
    pub const RUN: &str = "RALPH_RUN";
    /// Attempt, from 1.
    pub const ATTEMPT: &str = "RALPH_ATTEMPT";
    /// Repository URL, https without user info.
    pub const REPO: &str = "RALPH_REPO";
    /// Branch to start from; absent: the remote's default branch.
    pub const BASE: &str = "RALPH_BASE";
    /// Branch to work on; absent: `ralph/<workstream>`.
    pub const BRANCH: &str = "RALPH_BRANCH";
    /// What to do where the workstream has a branch already: a [`Reuse`](crate::execution::Reuse);
    /// absent: go on upon it, or begin another one when it is merged.
    pub const REUSE: &str = "RALPH_REUSE";
    /// Whether to open a pull request: a [`PullRequest`](crate::execution::PullRequest); absent: a
    /// draft where the host is GitHub.
    pub const PULL_REQUEST: &str = "RALPH_PULL_REQUEST";
    /// Where the lines of a run can be read: a template of [`log_url`](crate::link::log_url); absent:
    /// nothing is said about it.
    pub const LOG_URL: &str = "RALPH_LOG_URL";
    /// Prompt file, a path inside the repository.
    pub const PROMPT_FILE: &str = "RALPH_PROMPT_FILE";
    /// Most iterations of one execution.
    pub const MAX_ITERATIONS: &str = "RALPH_MAX_ITERATIONS";
    /// Longest duration of one execution, seconds.
    pub const MAX_DURATION_SECS: &str = "RALPH_MAX_DURATION_SECS";
    /// Highest cost of one execution, US dollars.
    pub const MAX_COST_USD: &str = "RALPH_MAX_COST_USD";
    /// What the earlier runs of the execution have cost, US dollars; absent when the worker runs
    /// alone and reads it from the commits.
    pub const SPENT_USD: &str = "RALPH_SPENT_USD";
    /// Iterations that ended in the earlier runs of the execution; absent as above.
    pub const ITERATIONS_DONE: &str = "RALPH_ITERATIONS_DONE";
    /// Longest iteration, seconds.
    pub const ITERATION_TIMEOUT_SECS: &str = "RALPH_ITERATION_TIMEOUT_SECS";
    /// Longest silence of the agent, seconds.
    pub const SILENCE_SECS: &str = "RALPH_SILENCE_SECS";
    /// Most iterations in a row without progress.
    pub const MAX_STALLS: &str = "RALPH_MAX_STALLS";
    /// Most that one run logs, MB; absent: [`DEFAULT_MAX_LOG_MB`](crate::execution::DEFAULT_MAX_LOG_MB).
    pub const MAX_LOG_MB: &str = "RALPH_MAX_LOG_MB";
    /// Most new content in one commit, MB; absent:
    /// [`DEFAULT_MAX_COMMIT_MB`](crate::execution::DEFAULT_MAX_COMMIT_MB).
    pub const MAX_COMMIT_MB: &str = "RALPH_MAX_COMMIT_MB";
    /// Most new files in one commit; absent:
    /// [`DEFAULT_MAX_COMMIT_FILES`](crate::execution::DEFAULT_MAX_COMMIT_FILES).
    pub const MAX_COMMIT_FILES: &str = "RALPH_MAX_COMMIT_FILES";
    /// Longest run of the setup command, seconds; absent:
    /// [`DEFAULT_SETUP_TIMEOUT_SECS`](crate::execution::DEFAULT_SETUP_TIMEOUT_SECS).
    pub const SETUP_TIMEOUT_SECS: &str = "RALPH_SETUP_TIMEOUT_SECS";
    /// The prompt itself, in place of a file of the repository.
    pub const PROMPT: &str = "RALPH_PROMPT";
    /// Runs once before the first iteration; absent: the repository's `.ralph/setup`, if it has one.
    pub const SETUP_COMMAND: &str = "RALPH_SETUP_COMMAND";
    /// The model that the agent asks for; absent: the agent's own choice.
    pub const MODEL: &str = "RALPH_MODEL";
    /// What stands before the name of a plain variable of the agent's.
    pub const AGENT_VARIABLE: &str = "RALPH_AGENT_ENV_";
    /// What stands before the name of a secret variable of the agent's.
    pub const AGENT_SECRET: &str = "RALPH_AGENT_SECRET_";
    /// The repositories whose runs get the agent's variables, separated by spaces; absent: all. See
    /// [`Repositories`](crate::execution::Repositories).
    pub const AGENT_REPOSITORIES: &str = "RALPH_AGENT_REPOSITORIES";
    /// The agent's command line.
    pub const AGENT_COMMAND: &str = "RALPH_AGENT_COMMAND";
    /// `0`: the agent is not told how the loop works.
    pub const CONVENTION: &str = "RALPH_CONVENTION";
    /// A command that must pass before the work counts as complete; may be empty.
    pub const VERIFY_COMMAND: &str = "RALPH_VERIFY_COMMAND";
    /// Secret: [`AnthropicKeys`](crate::secret::AnthropicKeys).
    pub const ANTHROPIC_KEYS: &str = "RALPH_ANTHROPIC_KEYS";
    /// Secret: [`GitToken`](crate::secret::GitToken).
    pub const GIT_TOKEN: &str = "RALPH_GIT_TOKEN";
    /// A file that gets a copy of every event. Never in the task definition.
    pub const JOURNAL: &str = "RALPH_JOURNAL";
    /// The endpoint of the model's service or of a gateway to it; absent: the service's own.
    pub const MODEL_ENDPOINT: &str = "RALPH_MODEL_ENDPOINT";
    /// `1` allows `file://` repositories, for tests and the local cloud. Never in the task definition.
    pub const ALLOW_FILE_REPO: &str = "RALPH_ALLOW_FILE_REPO";
    /// Folder for checkouts, one subfolder a run; absent: `/workspace`. Never in the task
    /// definition.
    pub const WORKDIR: &str = "RALPH_WORKDIR";
}

/// Outputs of the root module.
pub mod output {
    /// `wss://…/<stage>`.
    pub const WEBSOCKET_URL: &str = "websocket_url";
    /// The API's id.
    pub const WEBSOCKET_API_ID: &str = "websocket_api_id";
    /// The stage's name.
    pub const WEBSOCKET_STAGE: &str = "websocket_stage";
    /// The table's name.
    pub const CONNECTIONS_TABLE: &str = "connections_table";
    /// The cluster's name.
    pub const CLUSTER: &str = "cluster";
    /// The task definition's ARN with revision.
    pub const TASK_DEFINITION: &str = "task_definition";
    /// The repository's URL.
    pub const ECR_REPOSITORY_URL: &str = "ecr_repository_url";
    /// The image that tasks run: in [`ECR_REPOSITORY_URL`], where `just push-worker` pushes it, or the one of
    /// your own that `ralph.toml` names.
    pub const WORKER_IMAGE: &str = "worker_image";
    /// The workers' log group.
    pub const LOG_GROUP: &str = "log_group";
    /// Map from a variable of the agent's to the ARN of its secret, as the task definition has it.
    pub const AGENT_SECRETS: &str = "agent_secrets";
    /// Whether the model's service has an endpoint of its own, which may know models that we do not.
    pub const MODEL_ENDPOINT: &str = "model_endpoint";
    /// Map from secret name (`anthropic-keys`, …) to ARN.
    pub const SECRET_ARNS: &str = "secret_arns";
    /// Subnets for tasks.
    pub const SUBNET_IDS: &str = "subnet_ids";
    /// Security group for tasks.
    pub const WORKER_SECURITY_GROUP_ID: &str = "worker_security_group_id";
    /// The state machine's ARN.
    pub const STATE_MACHINE_ARN: &str = "state_machine_arn";
}

/// Variables of the root module for running elsewhere than on AWS.
pub mod variable {
    /// Base of the management endpoint; null: AWS's own. The HCL appends `/<api id>/<stage>`.
    pub const MANAGEMENT_BASE: &str = "management_base";
    /// Whether executions may name `file://` repositories; only the local cloud says so.
    pub const ALLOW_FILE_REPOSITORIES: &str = "allow_file_repositories";
    /// Path of the Lambda zip.
    pub const LAMBDA_ZIP: &str = "lambda_zip";
    /// prod only: must hold a sentence that nobody types by accident.
    pub const CONFIRM_PRODUCTION: &str = "confirm_production";
    /// What [`CONFIRM_PRODUCTION`] must hold.
    pub const CONFIRMATION: &str = "yes, deploy production";
}

/// Routes of the WebSocket API.
pub mod route {
    /// A client connects.
    pub const CONNECT: &str = "$connect";
    /// A client is gone.
    pub const DISCONNECT: &str = "$disconnect";
    /// Everything that matches no other route.
    pub const DEFAULT: &str = "$default";
    /// The action `sendLogs`.
    pub const SEND_LOGS: &str = "sendLogs";
}

/// Keys of the authorizer's context, which API Gateway repeats on every event of the connection.
/// All values are strings.
pub mod context {
    /// The token's `sub`.
    pub const USER: &str = "user";
    /// The token's scope: workstreams separated by `,`, or `*`.
    pub const SCOPE: &str = "scope";
}

/// Namespace of the metrics; their only dimension is [`METRIC_DIMENSION`].
pub const METRIC_NAMESPACE: &str = "Ralph";
/// The function a metric comes from: its full name, so that environments stay apart.
pub const METRIC_DIMENSION: &str = "Function";

/// The metrics. Counts, where nothing else is said.
pub mod metric {
    /// Connections that the authorizer let in.
    pub const ALLOWED: &str = "Allowed";
    /// Bytes of the frames that were packed.
    pub const BYTES: &str = "Bytes";
    /// First invocations of a new instance.
    pub const COLD_STARTS: &str = "ColdStarts";
    /// Time from the newest event of a delivery to its first post, ms.
    pub const DELIVERY_AGE: &str = "DeliveryAge";
    /// Connections that the authorizer refused.
    pub const DENIED: &str = "Denied";
    /// Entries, or whole payloads, that could not be read, and raw lines of no known run.
    pub const DROPPED: &str = "Dropped";
    /// Events and raw lines taken in (push-logs) or read back (send-logs).
    pub const EVENTS: &str = "Events";
    /// Connections that did not get everything; their clients ask again.
    pub const FAILED: &str = "Failed";
    /// Events that named another workstream or run than their stream's. Never delivered.
    pub const FOREIGN: &str = "Foreign";
    /// Frames packed.
    pub const FRAMES: &str = "Frames";
    /// Connections found gone.
    pub const GONE: &str = "Gone";
    /// Ends of executions that could not be published.
    pub const NOTIFICATIONS_FAILED: &str = "NotificationsFailed";
    /// Posts that arrived.
    pub const POSTS: &str = "Posts";
    /// Requests that were refused: not one of ours, or outside the scope.
    pub const REFUSED: &str = "Refused";
    /// Posts tried again.
    pub const RETRIED: &str = "Retried";
    /// Answers 429 of the gateway (push-logs), or requests put off (send-logs).
    pub const THROTTLED: &str = "Throttled";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_and_prod_share_plain_names_and_others_do_not() {
        let dev = Resources::new("dev");
        assert_eq!(dev.cluster(), "ralph-dev");
        assert_eq!(dev.log_group(), "/ralph/workstreams");
        assert_eq!(dev.ecr_repository(), "ralph-worker");
        assert_eq!(dev.outputs_parameter(), "/ralph/dev/outputs");
        assert_eq!(dev.secret(SecretName::GitToken), "ralph/dev/git-token");
        assert_eq!(dev.function(Handler::PushLogs), "ralph-dev-push-logs");
        let staging = Resources::new("staging");
        assert_eq!(staging.log_group(), "/ralph/staging/workstreams");
        assert_eq!(staging.ecr_repository(), "ralph-staging-worker");
    }

    #[test]
    fn handler_names_lead_back() {
        for handler in Handler::ALL {
            assert_eq!(Handler::parse(handler.as_str()), Some(handler));
        }
        assert_eq!(Handler::parse("bootstrap"), None);
    }
}
