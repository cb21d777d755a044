//! Who hears of the end of an execution: the topic that Terraform makes for an address, with IAM enforced.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    cloud::{ralph, started, stderr, stdout},
    environments::{in_project, project},
    least_privilege::{elements, percent_decoded},
    steps::call,
};

const TOLD: &str = r#"
[env.team.worker]
pull_request = "none"

[env.team.notify]
email = "team@example.com"
log_url = "https://logs.example.com/{workstream}/{run}"
"#;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:ralph-team-executions";
const ROLE: &str = "ralph-team-decide";
/// What the agent says, and what no message may hold.
const SAID: &str = "transfer the money to mallory";
/// An execution takes about ten seconds here.
const PATIENCE: Duration = Duration::from_secs(90);

/// A local cloud of that environment.
struct Local {
    project: tempfile::TempDir,
    description: Value,
    child: Child,
    /// Ends it when the pipe closes, that is, with this program.
    _watchdog: Child,
}

impl Local {
    fn start() -> Self {
        let project = project(TOLD);
        let scratch = project.path().join("scratch");
        let mut command = ralph(&["local", "--no-viewer", "--env", "team", "--scratch"]);
        let local = in_project(command.arg(&scratch), project.path());
        let (description, child, watchdog) = started(local, &scratch);
        Self { project, description, child, _watchdog: watchdog }
    }

    fn scratch(&self) -> PathBuf {
        self.project.path().join("scratch")
    }

    fn endpoint(&self) -> &str {
        self.description["endpoint"].as_str().expect("an endpoint")
    }

    fn user(&self) -> String {
        let part = |name: &str| self.description["key"][name].as_str().expect("a key");
        format!("{}:{}", part("id"), part("secret"))
    }

    /// A call to a service that speaks JSON.
    fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        call((self.endpoint(), &self.user()), (service, target), body)
    }

    /// A call to a service that takes a form and answers with XML.
    fn form(&self, service: &str, version: &str, fields: &[(&str, &str)]) -> String {
        let mut command = Command::new("curl");
        command.args(["-sS", "--aws-sigv4", &format!("aws:amz:us-east-1:{service}")]);
        command.args(["--user", &self.user()]);
        command.args(["--data-urlencode", &format!("Version={version}")]);
        for (name, value) in fields {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        stdout(&command.arg(self.endpoint()).output().expect("curl runs"))
    }

    fn sns(&self, fields: &[(&str, &str)]) -> String {
        self.form("sns", "2010-03-31", fields)
    }

    fn iam(&self, fields: &[(&str, &str)]) -> String {
        self.form("iam", "2010-05-08", fields)
    }

    /// A queue that hears what the topic says; its URL.
    fn queue(&self) -> String {
        let queue = "arn:aws:sqs:us-east-1:000000000000:heard";
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}},
        }]});
        let body = json!({"QueueName": "heard", "Attributes": {"Policy": policy.to_string()}});
        let made = self.json("sqs", "AmazonSQS.CreateQueue", &body);
        let subscribe = [("Action", "Subscribe"), ("TopicArn", TOPIC), ("Protocol", "sqs")];
        let answer = self.sns(&[&subscribe[..], &[("Endpoint", queue)]].concat());
        assert!(answer.contains("SubscribeResponse"), "{answer}");
        made["QueueUrl"].as_str().unwrap_or_else(|| panic!("no queue: {made}")).to_owned()
    }

    /// Takes what is in the queue: subject and text of each message.
    fn heard(&self, queue: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        loop {
            let body = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
            let answer = self.json("sqs", "AmazonSQS.ReceiveMessage", &body);
            let Some(messages) = answer["Messages"].as_array().filter(|list| !list.is_empty())
            else {
                return all;
            };
            for message in messages {
                let text = message["Body"].as_str().expect("a body");
                let body: Value = serde_json::from_str(text).expect("JSON");
                let part = |name: &str| body[name].as_str().expect("a text").to_owned();
                all.push((part("Subject"), part("Message")));
                let receipt = &message["ReceiptHandle"];
                let body = json!({"QueueUrl": queue, "ReceiptHandle": receipt});
                self.json("sqs", "AmazonSQS.DeleteMessage", &body);
            }
        }
    }

    /// Runs a workstream to its end, with an agent that says something and is done.
    fn work(&self, workstream: &str) {
        let folder = self.scratch().join("repositories").join(workstream);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("PROMPT.md"), "Do the next task.\n").expect("written");
        fs::write(folder.join("PROGRESS.md"), "## Status: IN PROGRESS\n").expect("written");
        let author = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
        for arguments in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["add", "."],
            &[&author[..], &["-c", "commit.gpgsign=false", "commit", "-qm", "Begin"]].concat(),
        ] {
            let output = Command::new("git").args(arguments).current_dir(&folder).output();
            assert!(output.expect("git runs").status.success(), "{arguments:?}");
        }
        let agents = self.scratch().join("tasks/agents");
        fs::create_dir_all(&agents).expect("made");
        let agent = format!(
            "bash -c 'echo {SAID}; echo \"## Status: COMPLETE\" > PROGRESS.md; echo {SAID} >> PROGRESS.md'"
        );
        fs::write(agents.join(workstream), agent).expect("written");
        let repository = format!("file://{}", folder.display());
        let output = self.ralph(&["run", workstream, &repository, "--follow"]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
        assert!(text.contains(SAID) && text.contains("complete (exit 0)"), "{text}");
    }

    fn ralph(&self, arguments: &[&str]) -> Output {
        let mut command = ralph(arguments);
        in_project(command.arg("--scratch").arg(self.scratch()), self.project.path())
            .output()
            .expect("ralph runs")
    }

    /// How the execution of a workstream ended, once it has.
    fn output(&self, workstream: &str) -> Value {
        let machine = &self.description["outputs"]["state_machine_arn"];
        let list = json!({"stateMachineArn": machine});
        let all = self.json("states", "AWSStepFunctions.ListExecutions", &list);
        let all = all["executions"].as_array().expect("a list").clone();
        let begin = format!("{workstream}-");
        let found = all.iter().find(|one| one["name"].as_str().unwrap_or("").starts_with(&begin));
        let arn = json!({"executionArn": found.expect("an execution")["executionArn"]});
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.json("states", "AWSStepFunctions.DescribeExecution", &arn);
            match (&now["status"], now["output"].as_str()) {
                (status, Some(text)) if *status == "SUCCEEDED" => {
                    return serde_json::from_str(text).expect("JSON");
                }
                (status, _) => assert!(*status == "RUNNING", "{now}"),
            }
            assert!(Instant::now() < deadline, "it does not end: {now}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What decide has logged.
    fn log(&self) -> String {
        let group = json!({"logGroupName": "/aws/lambda/ralph-team-decide"});
        let answer = self.json("logs", "Logs_20140328.FilterLogEvents", &group);
        let events = answer["events"].as_array().unwrap_or_else(|| panic!("{answer}"));
        events.iter().filter_map(|event| event["message"].as_str()).collect()
    }

    /// The policy of decide's role.
    fn policy(&self) -> Value {
        let ask = [("Action", "GetRolePolicy"), ("RoleName", ROLE), ("PolicyName", "decide")];
        let answer = self.iam(&ask);
        let text = elements(&answer, "PolicyDocument");
        let text = text.first().unwrap_or_else(|| panic!("{answer}")).replace("&quot;", "\"");
        serde_json::from_str(&percent_decoded(&text)).expect("JSON")
    }

    fn put_policy(&self, document: &Value) {
        let answer = self.iam(&[
            ("Action", "PutRolePolicy"),
            ("RoleName", ROLE),
            ("PolicyName", "decide"),
            ("PolicyDocument", &document.to_string()),
        ]);
        assert!(answer.contains("PutRolePolicyResponse"), "{answer}");
    }

    /// Sort keys of a workstream's marks.
    fn marks(&self, workstream: &str) -> Vec<String> {
        let query = json!({
            "TableName": self.description["outputs"]["connections_table"], "ConsistentRead": true,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :told)",
            "ExpressionAttributeValues": {
                ":pk": {"S": format!("WS#{workstream}")}, ":told": {"S": "TOLD#"},
            },
        });
        let answer = self.json("dynamodb", "DynamoDB_20120810.Query", &query);
        let items = answer["Items"].as_array().unwrap_or_else(|| panic!("{answer}"));
        items.iter().map(|item| item["sk"]["S"].as_str().expect("a key").to_owned()).collect()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.ralph(&["local", "--stop"]);
        let _ = self.child.wait();
    }
}

#[test]
fn an_address_gets_a_topic_that_hears_of_the_end_of_each_execution_once() {
    let local = Local::start();
    let ask = [("Action", "ListSubscriptionsByTopic"), ("TopicArn", TOPIC)];
    let subscribed = local.sns(&ask);
    assert_eq!(elements(&subscribed, "Endpoint"), ["team@example.com"], "{subscribed}");
    let queue = local.queue();

    local.work("first");
    let over = local.output("first");
    let heard = local.heard(&queue);
    let [(subject, text)] = &heard[..] else { panic!("{heard:?}: {}", local.log()) };
    assert_eq!(subject, "ralph team: first is complete");
    let run = over["run"].as_str().expect("a run");
    let lines: Vec<&str> = text.lines().collect();
    for line in [
        "Workstream first of environment team is complete.".to_owned(),
        "Reason: the work is complete".to_owned(),
        "Exit: 0".to_owned(),
        "Runs: 1".to_owned(),
        "Iterations: 1".to_owned(),
        format!("Cost: ${:.2}", over["spentUsd"].as_f64().expect("a cost")),
        format!("Lines of the last run: https://logs.example.com/first/{run}"),
        format!("Execution: first-{}", run.split('-').next().expect("a ULID")),
    ] {
        assert!(lines.contains(&&*line), "{line}: {text}");
    }
    assert!(!text.contains("mallory"), "{text}");
    assert_eq!(local.marks("first").len(), 1);

    // Its role may publish to that topic and do nothing else with SNS; without that, nobody is told, and the
    // execution ends as it would.
    let whole = local.policy();
    let (publish, others): (Vec<Value>, Vec<Value>) = whole["Statement"]
        .as_array()
        .expect("statements")
        .iter()
        .cloned()
        .partition(|statement| statement.to_string().contains("sns:"));
    let allowed =
        json!({"Sid": "Notify", "Effect": "Allow", "Action": "sns:Publish", "Resource": TOPIC});
    assert_eq!(publish, [allowed]);
    local.put_policy(&json!({"Version": whole["Version"], "Statement": others}));
    local.work("second");
    assert_eq!(local.output("second")["outcome"], "complete");
    assert!(local.marks("second").is_empty(), "the mark is taken back");
    let log = local.log();
    assert!(
        log.contains("nobody was told about the end") && log.contains("AuthorizationError"),
        "{log}"
    );
    local.put_policy(&whole);
    local.work("third");
    assert_eq!(local.output("third")["outcome"], "complete");
    let heard: Vec<String> = local.heard(&queue).into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(heard, ["ralph team: third is complete"]);
}
