//! A server that answers as AWS's services document it, and writes down who asked for what, where.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::cloud::ralph;

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";

/// A request: what was asked, for which region it was signed, and with whose key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub what: String,
    pub region: String,
    pub key: String,
}

/// The answers to a call, in their order; the last is given again and again.
type Answers = BTreeMap<&'static str, VecDeque<(StatusCode, String)>>;

#[derive(Clone)]
pub struct FakeAws {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeAws {
    /// Serves an account with nothing in it, until the test program ends.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let address = listener.local_addr().expect("an address");
        let fake = Self { address, answers: Arc::default(), asked: Arc::default() };
        fake.answer("sts.GetCallerIdentity", &caller(ACCOUNT));
        fake.refuse("AmazonSSM.GetParameter", 400, "ParameterNotFound", "");
        fake.answer("AWSStepFunctions.ListExecutions", r#"{"executions":[]}"#);
        fake.answer("DynamoDB_20120810.Query", r#"{"Items":[]}"#);
        let app = Router::new().fallback(answer).with_state(fake.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, app).await.expect("served");
            });
        });
        fake
    }

    /// Serves an account with dev in it.
    pub fn with(outputs: &Value) -> Self {
        let fake = Self::start();
        fake.parameter(outputs);
        fake
    }

    /// What the parameter with the outputs holds from now on.
    pub fn parameter(&self, outputs: &Value) {
        let value = json!({"Parameter": {"Type": "String", "Value": outputs.to_string()}});
        self.answer("AmazonSSM.GetParameter", &value.to_string());
    }

    /// The answer to a call from now on.
    pub fn answer(&self, what: &'static str, body: &str) {
        self.set(what, StatusCode::OK, body.to_owned());
    }

    /// An error of the JSON protocols.
    pub fn refuse(&self, what: &'static str, status: u16, code: &str, message: &str) {
        let body = json!({"__type": code, "message": message}).to_string();
        self.set(what, StatusCode::from_u16(status).expect("a status"), body);
    }

    fn set(&self, what: &'static str, status: StatusCode, body: String) {
        self.in_order(what, [(status, body)]);
    }

    /// The answers to the next calls, of which the last stays.
    pub fn in_order(
        &self,
        what: &'static str,
        answers: impl IntoIterator<Item = (StatusCode, String)>,
    ) {
        self.answers.lock().expect("a lock").insert(what, answers.into_iter().collect());
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked since the last call of this.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().expect("a lock"))
    }

    /// `ralph` with this as AWS, in a folder, with a home of its own and nothing else of the surroundings.
    pub fn ralph(&self, home: &Path, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = ralph(arguments);
        let ours = ["AWS_", "RALPH_", "TF_"];
        for (name, _) in std::env::vars_os() {
            if ours.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(folder)
            .env("HOME", home)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", self.endpoint());
        command
    }
}

/// Outputs as Terraform makes them, of dev in an account and a region.
pub fn outputs(account: &str, region: &str) -> Value {
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:{region}:{account}:{rest}");
    let secret = |name: &str| arn("secretsmanager", &format!("secret:ralph/dev/{name}-a1b2c3"));
    let registry = format!("{account}.dkr.ecr.{region}.amazonaws.com/ralph-worker");
    json!({
        "agent_secrets": {},
        "cluster": "ralph-dev",
        "connections_table": "ralph-dev-connections",
        "ecr_repository_url": registry,
        "log_group": "/ralph/workstreams",
        "model_endpoint": false,
        "secret_arns": {
            "anthropic-keys": secret("anthropic-keys"),
            "git-token": secret("git-token"),
            "websocket-signing-keys": secret("websocket-signing-keys"),
        },
        "state_machine_arn": arn("states", "stateMachine:ralph-dev-workstream"),
        "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "task_definition": arn("ecs", "task-definition/ralph-dev-worker:1"),
        "websocket_api_id": "a1b2c3d4e5",
        "websocket_stage": "dev",
        "websocket_url": format!("wss://a1b2c3d4e5.execute-api.{region}.amazonaws.com/dev"),
        "worker_image": format!("{registry}:0.1.0"),
        "worker_security_group_id": "sg-0123456789abcdef0",
    })
}

/// STS's answer to GetCallerIdentity.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
pub fn caller(account: &str) -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/ada</Arn><UserId>AIDA</UserId><Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

async fn answer(
    State(fake): State<FakeAws>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let body = String::from_utf8_lossy(&body);
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    // AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …
    let scope = header("authorization").and_then(|value| value.split_once("Credential="));
    let scope: Vec<&str> = scope.map_or(Vec::new(), |(_, rest)| rest.split('/').collect());
    let part = |at: usize| scope.get(at).copied().unwrap_or_default().to_owned();
    // JSON protocols name the call in a header, the query protocol in the body, REST in the path.
    let what = match (header("x-amz-target"), action) {
        (Some(target), _) => target.to_owned(),
        (None, Some(action)) if part(3) == "iam" => format!("iam.{action}"),
        (None, Some(action)) => format!("sts.{action}"),
        (None, None) => format!("{method} {}", uri.path()),
    };
    let asked = Asked { what: what.clone(), region: part(2), key: part(0) };
    fake.asked.lock().expect("a lock").push(asked);
    let mut answers = fake.answers.lock().expect("a lock");
    let answers = answers.get_mut(what.as_str());
    match answers.and_then(|all| if all.len() > 1 { all.pop_front() } else { all.front().cloned() })
    {
        Some(answer) => answer.into_response(),
        None => (StatusCode::NOT_FOUND, format!("nobody answers {what}")).into_response(),
    }
}
