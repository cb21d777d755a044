//! `ralph apply` and `destroy`: what they do before and after Terraform, which a fake stands in for.

use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use ralph_protocol::execution;
use serde_json::{Value, json};

use crate::{
    cloud::{cloud, stderr, stdout},
    commands::FakeProject,
    fake_aws::FakeAws,
    install::FakePython,
    steps::{applied, call},
};

/// Writes down what it is asked to do, and knows the outputs of a file.
const TERRAFORM: &str =
    r#"case "$*" in *" output "*) cat outputs.json ;; *) echo "$@" >>calls ;; esac"#;

/// `ralph` in a project, with the credentials of an account.
fn in_account(project: &FakeProject, words: &[&str], endpoint: &str, key: &str) -> Command {
    let mut command: Command = project.ralph(words, &FakePython::new());
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    let (id, secret) = key.split_once(':').expect("a key");
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("RALPH_JUST", "just");
    command
}

/// What Terraform was asked to do, by its first words, without what it was asked to say.
fn calls(project: &FakeProject) -> Vec<String> {
    let calls = std::fs::read_to_string(project.path("calls")).unwrap_or_default();
    let words = calls.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned()));
    let says = ["version", "init ", "show "];
    words.filter(|words| !says.iter().any(|first| words.starts_with(first))).collect()
}

/// An account: whether it has ECS's role (`None`: nobody may look), and Lambda's limit.
fn account(has_role: Option<bool>, limit: i32) -> FakeAws {
    let role = "<Role><Path>/</Path><RoleName>r</RoleName><RoleId>i</RoleId><Arn>a</Arn>\
                <CreateDate>2026-11-30T00:00:00Z</CreateDate></Role>";
    let there = |action: &str| {
        let answer = format!("<{action}Result>{role}</{action}Result>");
        (StatusCode::OK, format!("<{action}Response>{answer}</{action}Response>"))
    };
    let error = |status: StatusCode, code: &str| {
        let error = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
        (status, format!("<ErrorResponse>{error}</ErrorResponse>"))
    };
    let missing = || error(StatusCode::NOT_FOUND, "NoSuchEntity");
    let fake = FakeAws::start();
    match has_role {
        None => fake.in_order("iam.GetRole", [error(StatusCode::FORBIDDEN, "AccessDenied")]),
        Some(true) => fake.in_order("iam.GetRole", [there("GetRole")]),
        // IAM shows a new role after a moment.
        Some(false) => fake.in_order("iam.GetRole", [missing(), missing(), there("GetRole")]),
    }
    fake.in_order("iam.CreateServiceLinkedRole", [there("CreateServiceLinkedRole")]);
    let all = json!({"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit});
    let settings = json!({"AccountLimit": all}).to_string();
    fake.answer("GET /2016-08-19/account-settings", &settings);
    fake.refuse(
        "GET /2015-03-31/functions/ralph-dev-push-logs",
        404,
        "ResourceNotFoundException",
        "none",
    );
    fake
}

#[test]
fn an_apply_looks_first_at_what_the_account_has() {
    let low = "this account runs at most 10 Lambda functions at the same time in us-east-1";
    let made = "ECS's service-linked role made (once in an account)";
    type Case<'a> = (&'a str, Option<bool>, i32, Result<&'a [&'a str], &'a str>);
    // ralph.toml; the role and the limit; what is said before Terraform applies, or instead of it.
    let cases: [Case<'_>; 6] = [
        ("[env.dev]\n", Some(true), 1000, Ok(&[])),
        ("[env.dev]\n", Some(false), 1000, Ok(&[made])),
        ("[env.dev]\ncreate_service_linked_role = true\n", Some(false), 1000, Ok(&[])),
        (
            "[env.dev]\n",
            None,
            1000,
            Ok(&[
                "note: ECS's service-linked role is not checked",
                "AccessDenied",
                "hint: who may",
            ]),
        ),
        (
            "[env.dev]\n",
            Some(true),
            10,
            Ok(&["warning: ", low, "answered with 500", "--quota-code L-B99A9384"]),
        ),
        (
            "[env.dev.websocket]\npush_logs_concurrency = 10\n",
            Some(true),
            100,
            Err("push_logs_concurrency is 10, but this account can reserve 0 instances"),
        ),
    ];
    for (text, role, limit, expected) in cases {
        let project = FakeProject::new(&[("tofu", TERRAFORM)]);
        std::fs::write(project.path("ralph.toml"), text).expect("written");
        let words = ["apply", "dev", "-auto-approve", "-no-color"];
        let account = account(role, limit);
        let output =
            in_account(&project, &words, &account.endpoint(), "any:any").output().expect("runs");
        let said = stderr(&output);
        let asked: Vec<_> = account.asked().into_iter().map(|asked| asked.what).collect();
        let makes = asked.iter().any(|what| what == "iam.CreateServiceLinkedRole");
        assert_eq!(makes, expected.is_ok_and(|lines| lines.contains(&made)), "{asked:?}");
        let begins_well = match expected {
            Ok(lines) => {
                assert_eq!(calls(&project), ["apply -auto-approve -no-color"], "{text}: {said}");
                let notes = lines.iter().any(|line| line.starts_with("note: "));
                assert_eq!(said.contains("note: "), notes, "{asked:?} {said}");
                assert_eq!(said.contains("warning: "), lines.contains(&"warning: "), "{said}");
                assert_eq!(said.contains(made), lines.contains(&made), "{said}");
                lines.iter().all(|line| said.contains(line)) && output.status.success()
            }
            Err(line) => {
                assert_eq!(calls(&project), Vec::<String>::new(), "{text}: {said}");
                said.contains(line) && output.status.code() == Some(1)
            }
        };
        assert!(begins_well, "{text}: {said}");
    }
}

#[test]
fn an_apply_with_no_credentials_or_those_of_another_account_is_one_error_and_makes_nothing() {
    let foreign = "[env.dev]\naccount_id = \"999999999999\"\n";
    for (text, key, said) in [
        (
            "[env.dev]\n",
            None,
            "error: the account cannot be looked up: there are no AWS credentials\nhint: set AWS_PROFILE",
        ),
        (
            foreign,
            Some("any:any"),
            "error: these are credentials of account 123456789012, but ralph.toml names 999999999999 (account_id)\nhint: AWS_PROFILE",
        ),
    ] {
        let project = FakeProject::new(&[("tofu", TERRAFORM)]);
        std::fs::write(project.path("ralph.toml"), text).expect("written");
        let account = account(Some(false), 10);
        let words = ["apply", "dev", "-auto-approve"];
        let mut command = in_account(&project, &words, &account.endpoint(), key.unwrap_or(":"));
        if key.is_none() {
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
            command.env("HOME", project.path(""));
        }
        let output = command.output().expect("runs");
        let all = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{all}");
        assert!(all.starts_with(said), "{all}");
        assert_eq!((all.lines().count(), calls(&project)), (2, Vec::new()), "{all}");
        assert!(account.asked().iter().all(|asked| asked.what == "sts.GetCallerIdentity"));
    }
}

#[test]
fn an_apply_looks_whether_the_agents_secrets_have_a_value_where_it_may() {
    let arn = |account: &str| {
        format!("arn:aws:secretsmanager:us-east-1:{account}:secret:database-a1b2c3:url::")
    };
    let text =
        |account: &str| format!("[env.dev.agent.secrets]\nDATABASE_URL = \"{}\"\n", arn(account));
    let begin = "error: the agent's secret DATABASE_URL ([env.dev.agent.secrets] in ralph.toml) ";
    let missing = format!("{begin}does not exist, or is being deleted: no task can start\nhint: ");
    let empty = format!("{begin}has no value: no task can start\nhint: ");
    let foreign = format!(
        "error: these are credentials of account 123456789012, but the agent's secret DATABASE_URL in ralph.toml is {}\nhint: ",
        arn("999999999999")
    );
    let refusal = |code: &str| Err(code.to_owned());
    // The secret's account, what Secrets Manager answers, and what is said instead of an apply.
    for (account_id, answer, said) in [
        ("123456789012", Ok(r#"{"Name":"x","VersionIdsToStages":{"a":["AWSCURRENT"]}}"#), None),
        ("123456789012", refusal("AccessDeniedException"), None),
        ("123456789012", Ok(r#"{"Name":"x"}"#), Some(&empty)),
        ("123456789012", refusal("ResourceNotFoundException"), Some(&missing)),
        ("999999999999", refusal("AccessDeniedException"), Some(&foreign)),
    ] {
        let project = FakeProject::new(&[("tofu", TERRAFORM)]);
        std::fs::write(project.path("ralph.toml"), text(account_id)).expect("written");
        let account = account(Some(true), 1000);
        match &answer {
            Ok(body) => account.answer("secretsmanager.DescribeSecret", body),
            Err(code) => account.refuse("secretsmanager.DescribeSecret", 400, code, "no"),
        }
        let words = ["apply", "dev", "-auto-approve"];
        let output =
            in_account(&project, &words, &account.endpoint(), "any:any").output().expect("runs");
        let all = stderr(&output);
        assert_eq!(output.status.success(), said.is_none(), "{answer:?}: {all}");
        assert_eq!(calls(&project).is_empty(), said.is_some(), "{answer:?}: {all}");
        assert!(!all.contains("note: "), "{all}");
        assert!(said.is_none_or(|said| all.contains(said)), "{answer:?}: {all}");
    }
}

#[test]
fn an_apply_that_comes_too_early_for_ecss_role_is_tried_once_more() {
    let refusal =
        "Error: updating ECS Cluster: Unable to assume the service linked role. Please verify";
    for (error, fails, times, code) in
        [(refusal, 1, 2, 0), (refusal, 2, 2, 1), ("Error: something else", 1, 1, 1)]
    {
        let script = format!(
            "{TERRAFORM}\ncase \"$*\" in *' apply '*) \
             if [ $(grep -c ' apply ' calls) -le {fails} ]; then echo '{error}' >&2; exit 1; fi ;; esac"
        );
        let project = FakeProject::new(&[("tofu", &script)]);
        let words = ["apply", "dev", "-auto-approve"];
        let account = account(Some(true), 1000);
        let output =
            in_account(&project, &words, &account.endpoint(), "any:any").output().expect("runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(calls(&project), vec!["apply -auto-approve"; times], "{said}");
        assert_eq!(said.contains("applying once more"), times == 2, "{said}");
        assert_eq!(said.matches(error).count(), fails.min(times), "it is shown: {said}");
        assert_eq!(said.contains("error: `tofu apply` failed"), code == 1, "{said}");
    }
}

/// An environment `other` in the shared cloud: a cluster of its own, and a machine that starts its tasks
/// there, where nobody takes them up.
struct Other {
    project: FakeProject,
    machine: String,
}

const OTHER: &str = "ralph-other";

fn aws(service: &str, target: &str, body: &Value) -> Value {
    call((cloud().endpoint(), &cloud().user()), (service, target), body)
}

fn ecs(action: &str, body: &Value) -> Value {
    aws("ecs", &format!("AmazonEC2ContainerServiceV20141113.{action}"), body)
}

fn states(action: &str, body: &Value) -> Value {
    aws("states", &format!("AWSStepFunctions.{action}"), body)
}

impl Other {
    fn new() -> Self {
        ecs("CreateCluster", &json!({"clusterName": OTHER}));
        let shared = json!({"stateMachineArn": cloud().output("state_machine_arn")});
        let role = states("DescribeStateMachine", &shared)["roleArn"].clone();
        let definition = applied().to_string().replace("cluster/ralph-dev", "cluster/ralph-other");
        assert!(definition.contains(OTHER), "{definition}");
        let machine = json!({"name": OTHER, "definition": definition, "roleArn": role});
        let made = states("CreateStateMachine", &machine);
        let machine = made["stateMachineArn"].as_str().unwrap_or_else(|| panic!("{made}"));
        let project = FakeProject::new(&[("tofu", TERRAFORM)]);
        std::fs::create_dir_all(project.path("terraform/envs/other")).expect("made");
        std::fs::write(project.path("ralph.toml"), "[env.other]\n").expect("written");
        Self { machine: machine.to_owned(), project }
    }

    /// Writes the outputs that Terraform knows.
    fn outputs(&self, names: &[(&str, &str)]) {
        let all: Value = names
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!({"value": value, "sensitive": false})))
            .collect::<serde_json::Map<_, _>>()
            .into();
        std::fs::write(self.project.path("outputs.json"), all.to_string()).expect("written");
    }

    fn destroy(&self, words: &[&str]) -> Output {
        let words = [&["destroy", "other"], words].concat();
        let mut command = in_account(&self.project, &words, cloud().endpoint(), &cloud().user());
        command.output().expect("ralph runs")
    }

    fn tasks(&self) -> Vec<Value> {
        let listed = ecs("ListTasks", &json!({"cluster": OTHER}));
        listed["taskArns"].as_array().cloned().unwrap_or_else(|| panic!("{listed}"))
    }

    fn until_a_task_runs(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.tasks().is_empty() {
            assert!(Instant::now() < deadline, "no task was started");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn an_environment_in_use_is_destroyed_only_after_everything_is_stopped() {
    let other = Other::new();
    let known = [
        ("state_machine_arn", other.machine.as_str()),
        ("cluster", OTHER),
        ("connections_table", cloud().output("connections_table")),
    ];
    other.outputs(&known);
    let ulid = ulid::Ulid::generate();
    let name = execution::name(&"in-use".parse().expect("a workstream"), ulid);
    let order = json!({"workstream": "in-use", "repo": "https://example.com/x/y"});
    let started = states(
        "StartExecution",
        &json!({"stateMachineArn": other.machine, "name": name, "input": order.to_string()}),
    );
    other.until_a_task_runs();

    let refused = other.destroy(&["-auto-approve"]);
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let expected = format!(
        "other is in use, by these executions: {name}\nhint: `just destroy other --stop` ends them first"
    );
    assert!(said.contains(&expected), "{said}");
    assert_eq!(calls(&other.project), Vec::<String>::new());
    assert!(!other.tasks().is_empty(), "it goes on");

    let stopped = other.destroy(&["--stop", "-auto-approve"]);
    let said = stderr(&stopped);
    assert_eq!(stopped.status.code(), Some(0), "{said}{}", stdout(&stopped));
    assert!(said.contains("in-use: the task is asked to end"), "{said}");
    assert!(said.contains("StepFunctionsGetEventsForECSTaskRule"), "{said}");
    assert_eq!(calls(&other.project), ["destroy -auto-approve"], "{said}");
    assert_eq!(other.tasks(), Vec::<Value>::new());
    let execution = states("DescribeExecution", &json!({"executionArn": started["executionArn"]}));
    assert_eq!(execution["status"], "SUCCEEDED", "{execution}");
    assert!(execution["output"].to_string().contains("stopped"), "{execution}");

    // Half destroyed: the machine is gone, and Terraform has kept the outputs.
    states("DeleteStateMachine", &json!({"stateMachineArn": other.machine}));
    let again = other.destroy(&[]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));

    // Half destroyed: Terraform knows no outputs any more, and a task has come in between.
    other.outputs(&[]);
    let task = json!({"cluster": OTHER, "taskDefinition": cloud().output("task_definition")});
    ecs("RunTask", &task);
    let task = other.tasks()[0].as_str().expect("an ARN").to_owned();
    let id = task.rsplit('/').next().expect("an id");
    let refused = other.destroy(&[]);
    let said = stderr(&refused);
    assert!(said.contains(&format!("other is in use, by these tasks: {id}\nhint: ")), "{said}");
    let stopped = other.destroy(&["--stop"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    assert_eq!(calls(&other.project), ["destroy -auto-approve", "destroy", "destroy"]);
    assert_eq!(other.tasks(), Vec::<Value>::new());
}

#[test]
fn who_deploys_may_look_at_everything_that_ralph_looks_at() {
    let project = FakeProject::new(&[(
        "tofu",
        &format!("case \"$2\" in show) cat state.json ;; *) {TERRAFORM} ;; esac"),
    )]);
    // A secret of the agent's: nobody who deploys needs to look at it.
    let account = cloud().output("task_definition").split(':').nth(4).expect("an account");
    let text = format!(
        "[env.dev.websocket]\npush_logs_concurrency = 1\n[env.dev.agent.secrets]\nTOKEN = \"arn:aws:secretsmanager:us-east-1:{account}:secret:elsewhere-a1b2c3\"\n"
    );
    std::fs::write(project.path("ralph.toml"), text).expect("written");
    let known = ["state_machine_arn", "cluster", "connections_table"]
        .map(|name| (name.to_owned(), json!({"value": cloud().output(name)})));
    let known = Value::Object(known.into_iter().collect()).to_string();
    std::fs::write(project.path("outputs.json"), known).expect("written");
    let run = |state: &str, word: &str| {
        std::fs::write(project.path("state.json"), state).expect("written");
        let (words, key) = ([word, "dev", "-auto-approve"], &cloud().deployer().key);
        let output = in_account(&project, &words, cloud().endpoint(), key).output().expect("runs");
        let said = stderr(&output);
        assert!(!said.contains("not authorized") && !said.contains("note: ECS"), "{said}");
        assert!(!said.contains("note: Lambda"), "{said}");
        (output.status.success(), said)
    };
    // The parameter.
    let (_, said) = run(r#"{"format_version":"1.0"}"#, "apply");
    assert!(said.contains("its state is elsewhere"), "{said}");
    // ECS's role, Lambda's limit, and what a function has reserved.
    let full = r#"{"values":{"root_module":{}}}"#;
    let (good, said) = run(full, "apply");
    assert!(good && calls(&project) == ["apply -auto-approve"], "{said}");
    // Executions and tasks: other tests may have some.
    let (good, said) = run(full, "destroy");
    assert!(good || said.contains("dev is in use, by these "), "{said}");
}

#[test]
fn what_was_never_applied_can_be_destroyed_without_an_account() {
    let project = FakeProject::new(&[("tofu", TERRAFORM)]);
    std::fs::write(project.path("outputs.json"), "{}").expect("written");
    let mut command = in_account(&project, &["destroy"], "http://127.0.0.1:9", "any:any");
    let output = command.output().expect("ralph runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(calls(&project), ["destroy"]);
}

#[test]
fn a_verification_that_fails_shows_its_error_its_table_and_what_its_destroy_said() {
    let destroy =
        "error: not everything is removed, and what is left costs money: `tofu destroy` failed";
    // What builds the functions cannot be installed. The state, and whether something has to be removed.
    let python = FakePython::new().module("venv", "raise SystemExit('ensurepip is missing')");
    for (state, removes) in
        [(r#"{"format_version":"1.0"}"#, false), (r#"{"values":{"root_module":{}}}"#, true)]
    {
        let tofu = format!(
            "case \"$2\" in show) echo '{state}' ;; output) echo '{{}}' ;; destroy) exit 1 ;; esac"
        );
        let project =
            FakeProject::new(&[("tofu", &tofu), ("cargo", ":"), ("docker", ":"), ("aws", ":")]);
        std::fs::write(project.path("token.json"), "{}").expect("written");
        let words =
            ["verify-aws", "--repo", "https://example.com/x", "--git-token-file", "token.json"];
        let account = account(Some(true), 1000);
        account.answer("AmazonEC2ContainerServiceV20141113.ListTasks", r#"{"taskArns":[]}"#);
        let mut command = in_account(&project, &words, &account.endpoint(), "any:any");
        let output = command.arg("--yes").env("PYTHONPATH", python.path()).output().expect("runs");
        let (said, table) = (stderr(&output), stdout(&output));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(table.starts_with("| what | on AWS it should |"), "{table}{said}");
        let (_, after) = said.split_once("ensurepip is missing").expect("what went wrong first");
        assert_eq!(after.contains(destroy), removes, "{said}");
        let again = said.contains("hint: again with `tofu -chdir=");
        assert_eq!((again, said.contains("in the account stay")), (removes, !removes), "{said}");
    }
}

#[test]
fn every_recipe_hands_its_words_to_ralph_as_they_are() {
    for recipe in ["apply", "destroy"] {
        let recipes = std::fs::read_to_string(crate::cloud::root().join("justfile")).expect("it");
        let body = format!("{recipe} *args:\n    @{{{{ ralph }}}} {recipe} \"$@\"\n");
        assert!(recipes.contains(&body), "{body}");
    }
}
