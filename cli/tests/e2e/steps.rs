//! A second local cloud, without the environment: only Step Functions, a table and the two functions
//! that decide, with waits that take no time. The shared one cannot serve here: how fast waits pass is
//! one setting for all.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ralph_protocol::names::{Handler, Resources};
use serde_json::{Value, json};

use crate::{
    cloud::{cloud, root},
    requests,
};

/// Name of the machine in the mock configuration.
const MACHINE: &str = "ralph-dev-workstream";
/// The table that the definition names.
pub const TABLE: &str = "ralph-dev-connections";
const LONGEST: Duration = Duration::from_secs(300);

/// The second cloud with the machine in it.
pub struct Steps {
    endpoint: String,
    /// The operator, as curl takes a user.
    user: String,
    /// Where control paths are asked.
    socket: PathBuf,
    machine: String,
    _watchdog: Child,
}

/// The one of this program, with the definition that Terraform applied to the shared cloud.
pub fn steps() -> &'static Steps {
    static STEPS: OnceLock<Steps> = OnceLock::new();
    STEPS.get_or_init(Steps::start)
}

/// A call to a service by a local cloud's operator.
pub fn call(
    (endpoint, user): (&str, &str),
    (service, target): (&str, &str),
    body: &Value,
) -> Value {
    let output = Command::new("curl")
        .args(["-sS", "--aws-sigv4", &format!("aws:amz:us-east-1:{service}")])
        .args(["--user", user, "-H", &format!("x-amz-target: {target}")])
        .args(["-H", "content-type: application/x-amz-json-1.0"])
        .args(["-d", &body.to_string(), endpoint])
        .output()
        .expect("curl runs");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{target}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// curl, for the control paths of a local cloud.
fn control(socket: &Path) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-s", "--unix-socket"]).arg(socket);
    curl
}

/// An execution that has ended.
pub struct Ended {
    pub status: String,
    /// `output`, or the `cause` of a failure.
    pub output: Value,
    /// `error` of a failure.
    pub error: Option<String>,
    /// States in the order they were entered, each with its input.
    pub path: Vec<(String, Value)>,
}

impl Ended {
    /// What differs between the inputs of RunTask: capacity, and the attempt.
    pub fn tasks(&self) -> Vec<(String, String)> {
        let runs = self.path.iter().filter(|(name, _)| name == "RunTask");
        runs.map(|(_, input)| {
            let capacity =
                input["run"]["capacityProvider"].as_str().expect("a provider").to_owned();
            (capacity, variable(input, "RALPH_ATTEMPT").expect("an attempt").to_owned())
        })
        .collect()
    }

    /// How often a state was entered.
    pub fn times(&self, state: &str) -> usize {
        self.path.iter().filter(|(name, _)| name == state).count()
    }
}

/// A variable of the worker in an input of RunTask.
pub fn variable<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    let worker = &input["run"]["overrides"]["ContainerOverrides"][0];
    let all = worker["Environment"].as_array().expect("an environment");
    all.iter().find(|entry| entry["Name"] == name)?["Value"].as_str()
}

/// The definition that Terraform applied.
pub fn applied() -> Value {
    let machine = call(
        (cloud().endpoint(), &cloud().user()),
        ("states", "AWSStepFunctions.DescribeStateMachine"),
        &json!({"stateMachineArn": cloud().output("state_machine_arn")}),
    );
    let definition = machine["definition"].as_str().unwrap_or_else(|| panic!("{machine}"));
    serde_json::from_str(definition).expect("JSON")
}

/// A function as it is in the shared cloud: the same code, the same environment.
fn create_function((endpoint, user): (&str, &str), handler: Handler) {
    let name = Resources::new("dev").function(handler);
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let shared = requests::aws_get("lambda", &path);
    let zip = std::fs::read(cloud().scratch().join("ralph-lambda.zip")).expect("the functions");
    let body = json!({
        "FunctionName": name, "Runtime": "provided.al2023", "Handler": handler.as_str(),
        "Role": "arn:aws:iam::000000000000:role/steps", "Timeout": shared["Timeout"],
        "MemorySize": shared["MemorySize"], "Environment": shared["Environment"],
        "Code": {"ZipFile": STANDARD.encode(zip)},
    });
    let url = format!("{endpoint}/2015-03-31/functions");
    let made =
        requests::send("lambda", (&url, user), &["content-type: application/json"], Some(&body));
    assert_eq!(made["FunctionName"], json!(name), "{made}");
}

impl Steps {
    fn start() -> Self {
        let definition = applied();
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("steps");
        let _ = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir_all(&scratch).expect("a folder");
        // A free one: the listener is gone when the server starts.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let log = std::fs::File::create(scratch.join("cloud.log")).expect("a log");
        let mut server = Command::new(root().join(".tools/venv-local-cloud/bin/python"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            server.env_remove(name);
        }
        let (id, secret) = (ulid::Ulid::generate().to_string(), ulid::Ulid::generate().to_string());
        // The watchdog ends it with this program.
        #[allow(clippy::zombie_processes, reason = "it lives as long as this program")]
        let server = server
            .arg(root().join("cli/tools/local_cloud"))
            .args(["--port", &port.to_string()])
            .envs([
                ("GATEWAY_PORT", port.to_string().as_str()),
                ("SFN_WAIT_SCALE", "0"),
                ("LAMBDA_EXECUTOR", "local"),
                ("AWS_ENDPOINT_URL", endpoint.as_str()),
                ("AWS_ACCESS_KEY_ID", &id),
                ("AWS_SECRET_ACCESS_KEY", &secret),
                ("AWS_DEFAULT_REGION", "us-east-1"),
                ("DOCKER_HOST", "unix:///nonexistent"),
                ("PYTHONDONTWRITEBYTECODE", "1"),
            ])
            // Where it unpacks the functions.
            .env("TMPDIR", &scratch)
            .current_dir(&scratch)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the local cloud starts");
        let watchdog = crate::cloud::watchdog(server.id());
        let socket = scratch.join("cloud.sock");
        let user = format!("{id}:{secret}");
        let begun = Instant::now();
        while !control(&socket)
            .args(["-f", "-o", "/dev/null", "http://localhost/_ministack/health"])
            .status()
            .is_ok_and(|s| s.success())
        {
            assert!(begun.elapsed() < LONGEST, "the second local cloud does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        let operator = (endpoint.as_str(), user.as_str());
        let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
        let text = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
        let table = json!({
            "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "AttributeDefinitions": [text("pk"), text("sk")],
        });
        call(operator, ("dynamodb", "DynamoDB_20120810.CreateTable"), &table);
        for handler in [Handler::Admit, Handler::Decide] {
            create_function(operator, handler);
        }
        let machine = json!({
            "name": MACHINE, "definition": definition.to_string(),
            "roleArn": "arn:aws:iam::000000000000:role/steps",
        });
        let made = call(operator, ("states", "AWSStepFunctions.CreateStateMachine"), &machine);
        let machine = made["stateMachineArn"].as_str().unwrap_or_else(|| panic!("{made}"));
        Self { machine: machine.to_owned(), endpoint, user, socket, _watchdog: watchdog }
    }

    /// An execution of another machine that does not end: its only task is never taken up.
    pub fn runs_forever(&self) -> String {
        let activity = self.states("CreateActivity", &json!({"name": "nobody"}));
        let definition = json!({"StartAt": "A", "States": {"A": {
            "Type": "Task", "Resource": activity["activityArn"], "End": true,
        }}});
        let machine = json!({
            "name": "forever", "definition": definition.to_string(),
            "roleArn": "arn:aws:iam::000000000000:role/steps",
        });
        let made = self.states("CreateStateMachine", &machine);
        let started =
            self.states("StartExecution", &json!({"stateMachineArn": made["stateMachineArn"]}));
        started["executionArn"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned()
    }

    /// The ARN that an execution of this name has.
    pub fn arn_of(&self, name: &str) -> String {
        format!("{}:{name}", self.machine.replace(":stateMachine:", ":execution:"))
    }

    pub fn call(&self, target: (&str, &str), body: &Value) -> Value {
        call((&self.endpoint, &self.user), target, body)
    }

    pub fn states(&self, action: &str, body: &Value) -> Value {
        self.call(("states", &format!("AWSStepFunctions.{action}")), body)
    }

    pub fn table(&self, action: &str, body: &Value) -> Value {
        self.call(("dynamodb", &format!("DynamoDB_20120810.{action}")), body)
    }

    /// Writes lines into a stream of the workers' log group.
    pub fn say(&self, stream: &str, lines: &[String]) {
        let group = cloud().output("log_group");
        let logs = |action: &str, body: Value| {
            self.call(("logs", &format!("Logs_20140328.{action}")), &body);
        };
        logs("CreateLogGroup", json!({"logGroupName": group}));
        logs("CreateLogStream", json!({"logGroupName": group, "logStreamName": stream}));
        let now = requests::now_ms();
        let events: Vec<_> =
            lines.iter().map(|line| json!({"timestamp": now, "message": line})).collect();
        let body = json!({"logGroupName": group, "logStreamName": stream, "logEvents": events});
        logs("PutLogEvents", body);
    }

    /// Gives the answers of a case's calls: state, and the answers in the order of its calls, keyed
    /// as the mock configuration of Step Functions Local does it. All cases at once: it is one
    /// setting for all.
    pub fn mock<'a>(&self, cases: impl IntoIterator<Item = (&'a str, Value)>) {
        let (mut tests, mut answers) = (json!({}), json!({}));
        for (case, states) in cases {
            for (state, replies) in states.as_object().expect("states") {
                let name = format!("{case}-{state}");
                tests[case][state] = name.clone().into();
                answers[name] = replies.clone();
            }
        }
        let config = json!({"stepfunctions._sfn_mock_config": {
            "StateMachines": {MACHINE: {"TestCases": tests}}, "MockedResponses": answers,
        }});
        let output = control(&self.socket)
            .args(["-Sf", "-d", &config.to_string(), "http://localhost/_ministack/config"])
            .output()
            .expect("curl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts an execution; its ARN.
    pub fn begin(&self, case: &str, name: &str, input: &Value) -> String {
        let body = json!({
            "stateMachineArn": format!("{}#{case}", self.machine), "name": name,
            "input": input.to_string(),
        });
        let started = self.states("StartExecution", &body);
        started["executionArn"].as_str().unwrap_or_else(|| panic!("{case}: {started}")).to_owned()
    }

    /// Waits for an execution's end.
    pub fn end(&self, arn: &str) -> Ended {
        let begun = Instant::now();
        let described = loop {
            let described = self.states("DescribeExecution", &json!({"executionArn": arn}));
            if described["status"] != "RUNNING" {
                break described;
            }
            assert!(begun.elapsed() < LONGEST, "{arn} does not end");
            std::thread::sleep(Duration::from_millis(50));
        };
        let text = |name: &str| described[name].as_str().map(str::to_owned);
        let failed = described["status"] == "FAILED";
        let output = text(if failed { "cause" } else { "output" }).unwrap_or_default();
        let mut path = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut body = json!({"executionArn": arn, "maxResults": 1000});
            if !token.is_null() {
                body["nextToken"] = token;
            }
            let page = self.states("GetExecutionHistory", &body);
            for event in page["events"].as_array().expect("events") {
                let entered = &event["stateEnteredEventDetails"];
                if let (Some(name), Some(input)) =
                    (entered["name"].as_str(), entered["input"].as_str())
                {
                    let input = serde_json::from_str(input).expect("JSON");
                    path.push((name.to_owned(), input));
                }
            }
            token = page["nextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        Ended {
            status: text("status").unwrap_or_default(),
            output: serde_json::from_str(&output).unwrap_or(Value::String(output)),
            error: text("error"),
            path,
        }
    }

    /// A row of the table, without DynamoDB's types.
    pub fn row(&self, pk: &str, sk: &str) -> Option<Value> {
        let key = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        let body = json!({"TableName": TABLE, "Key": key, "ConsistentRead": true});
        let answer = self.table("GetItem", &body);
        let item = answer["Item"].as_object()?;
        let plain = |value: &Value| value.as_object().and_then(|all| all.values().next().cloned());
        Some(item.iter().map(|(k, v)| (k.clone(), plain(v).unwrap_or_default())).collect())
    }
}
