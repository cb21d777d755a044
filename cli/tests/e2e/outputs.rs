//! Finding an environment away from its checkout, and not believing everything that is found.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    cloud::{stderr, stdout},
    commands::FakeProject,
    fake_aws::{ACCOUNT, FakeAws, REGION, caller, outputs},
};

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAANY"), ("AWS_SECRET_ACCESS_KEY", "any")];

fn ralph(aws: &FakeAws, folder: &Path, words: &[&str]) -> Command {
    let mut command = aws.ralph(folder, folder, words);
    command.envs(KEYS);
    command
}

/// What `ralph` says in a folder that is not a checkout.
fn said(aws: &FakeAws, words: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let output = ralph(aws, folder.path(), words).output().expect("ralph runs");
    assert!(!output.status.success(), "{}", stdout(&output));
    assert_eq!(stdout(&output), "");
    stderr(&output)
}

#[test]
fn outputs_are_printed_whole_or_one_by_one_from_the_parameter_and_from_files() {
    let all = outputs(ACCOUNT, REGION);
    let aws = FakeAws::with(&all);
    let folder = tempfile::tempdir().expect("a folder");
    let print = |words: &[&str]| {
        let output = ralph(&aws, folder.path(), &["outputs"]).args(words).output().expect("runs");
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stdout(&output)
    };
    let whole = print(&["--region", REGION]);
    assert_eq!(serde_json::from_str::<Value>(&whole).expect("JSON"), all);
    // As `ralph outputs` and as `tofu output -json` print them.
    std::fs::write(folder.path().join("ours.json"), whole).expect("written");
    let output = |value: &Value| json!({"sensitive": false, "type": "string", "value": value});
    let theirs: serde_json::Map<_, _> = all
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| (name.clone(), output(value)))
        .collect();
    std::fs::write(folder.path().join("theirs.json"), Value::Object(theirs).to_string())
        .expect("written");
    for from in [["--region", REGION], ["--outputs", "ours.json"], ["--outputs", "theirs.json"]] {
        let text = print(&[&["cluster"], &from[..]].concat());
        assert_eq!(text, "ralph-dev\n", "{from:?}");
        let list: Value =
            serde_json::from_str(&print(&[&["subnet_ids"], &from[..]].concat())).expect("JSON");
        assert_eq!(list, all["subnet_ids"], "{from:?}");
    }
    let text = said(&aws, &["outputs", "clutser", "--region", REGION]);
    assert!(
        text.contains("there is no output `clutser`\nhint: there are agent_secrets, cluster, "),
        "{text}"
    );
}

#[test]
fn outputs_that_name_anything_of_somebody_else_are_refused() {
    let secret = |account: &str| format!("arn:aws:secretsmanager:{REGION}:{account}:secret:x");
    let cases = [
        ("/secret_arns/git-token", json!(secret("999999999999")), "output `secret_arns` names"),
        (
            "/task_definition",
            json!("arn:aws:ecs:eu-west-1:123456789012:task-definition/x:1"),
            "output `task_definition` names",
        ),
        ("/task_definition", json!("arn:aws:ecs"), "output `task_definition` names"),
        ("/websocket_url", json!("wss://evil.example/dev"), "not a socket of API Gateway"),
        (
            "/websocket_url",
            json!("ws://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/dev"),
            "not a socket of API Gateway",
        ),
        (
            "/websocket_url",
            json!("wss://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com.evil.example/dev"),
            "not a socket of API Gateway",
        ),
        (
            "/websocket_url",
            json!("wss://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com@evil.example/dev"),
            "not a socket of API Gateway",
        ),
        (
            "/websocket_url",
            json!("wss://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/dev"),
            "not a socket of API Gateway",
        ),
        ("/websocket_api_id", json!("evil.example/?"), "not a socket of API Gateway"),
        // `just push-worker` logs in there.
        (
            "/ecr_repository_url",
            json!("evil.example/ralph-worker"),
            "not repository `ralph-worker` of account 123456789012",
        ),
        (
            "/ecr_repository_url",
            json!("999999999999.dkr.ecr.us-east-1.amazonaws.com/ralph-worker"),
            "not repository `ralph-worker` of account 123456789012",
        ),
        (
            "/ecr_repository_url",
            json!("123456789012.dkr.ecr.us-east-1.amazonaws.com/another"),
            "not repository `ralph-worker` of account 123456789012",
        ),
        ("/worker_image", json!("ghcr.io/team/worker:1 --evil"), "names no image"),
        ("/worker_image", json!("--evil"), "names no image"),
        (
            "/agent_secrets",
            json!({"TOKEN": secret("999999999999")}),
            "output `agent_secrets` names",
        ),
        (
            "/agent_secrets",
            json!({"TOKEN": format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/x")}),
            "which is not a secret for a variable",
        ),
        ("/agent_secrets", json!({"TOKEN": "another"}), "which is not a secret for a variable"),
        (
            "/agent_secrets",
            json!({"\u{1b}]0;evil\u{7}": secret(ACCOUNT)}),
            "which is not a secret for a variable",
        ),
        ("/agent_secrets", json!(["TOKEN"]), "output `agent_secrets` is not a table of ARNs"),
        (
            "/state_machine_arn",
            json!("arn:aws:states:us-east-1:123456789012:stateMachine:ralph-prod-workstream"),
            "not of environment `dev`",
        ),
        (
            "/state_machine_arn",
            json!("arn:aws:states:evil.example/:123456789012:stateMachine:ralph-dev-workstream"),
            "output `state_machine_arn` is not an ARN with a region",
        ),
        // Of the account, and not of the environment: `keys set` would write there.
        (
            "/secret_arns/anthropic-keys",
            json!(secret(ACCOUNT)),
            "not secret `ralph/dev/anthropic-keys`",
        ),
        ("/secret_arns/anthropic-keys", json!("another"), "not secret `ralph/dev/anthropic-keys`"),
        (
            "/secret_arns/anthropic-keys",
            json!(format!(
                "{}-more-a1b2c3",
                secret(ACCOUNT).replace(":x", ":ralph/dev/anthropic-keys")
            )),
            "not secret `ralph/dev/anthropic-keys`",
        ),
        ("/cluster", json!("another"), "output `cluster` is `another`, not `ralph-dev`"),
        ("/connections_table", json!("another"), "not `ralph-dev-connections`"),
        ("/log_group", json!("/another"), "not `/ralph/workstreams`"),
        ("/websocket_stage", json!("dev?x="), "not `dev`"),
        // What a terminal would obey, or show in another order.
        ("/subnet_ids/0", json!("\u{1b}]0;evil\u{7}"), "output `subnet_ids` is not plain text"),
        ("/cluster", json!("ralph-dev\u{202e}"), "output `cluster` is not plain text"),
    ];
    for (place, value, why) in cases {
        let mut all = outputs(ACCOUNT, REGION);
        *all.pointer_mut(place).expect("an output") = value.clone();
        let aws = FakeAws::with(&all);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("outputs.json");
        std::fs::write(&file, all.to_string()).expect("written");
        let file = file.to_str().expect("UTF-8");
        for from in [["--region", REGION], ["--outputs", file]] {
            // With a token, the first thing that would be given away.
            let text = said(&aws, &["token", "docs", "--url", from[0], from[1]]);
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{place}: {text:?}");
            assert!(text.contains(why) && text.contains("\nhint: "), "{place} {value}: {text}");
            let asked = aws.asked();
            assert!(asked.iter().all(|asked| !asked.what.contains("secret")), "{asked:?}");
        }
    }
    // The parameter is in one region, and all that it names in another.
    let aws = FakeAws::with(&outputs(ACCOUNT, "eu-west-1"));
    let text = said(&aws, &["token", "docs", "--region", REGION]);
    assert!(text.contains("not in account 123456789012 and region us-east-1"), "{text}");
    // All of it is somebody else's.
    let aws = FakeAws::with(&outputs(ACCOUNT, REGION));
    aws.answer("sts.GetCallerIdentity", &caller("999999999999"));
    let text = said(&aws, &["token", "docs", "--region", REGION]);
    assert!(text.contains("not in account 999999999999 and region us-east-1\nhint: use credentials of the environment's account"), "{text}");
}

#[test]
fn an_image_of_any_registry_is_taken_and_an_environment_of_an_older_version_is_read() {
    for (image, older) in [("ghcr.io/team/worker:1", false), ("docker.io/x@sha256:0a", true)] {
        let mut all = outputs(ACCOUNT, REGION);
        all["worker_image"] = json!(image);
        if older {
            let all = all.as_object_mut().expect("an object");
            assert!(
                all.remove("agent_secrets").is_some() && all.remove("model_endpoint").is_some()
            );
        }
        let aws = FakeAws::with(&all);
        let folder = tempfile::tempdir().expect("a folder");
        let words = ["outputs", "worker_image", "--region", REGION];
        let output = ralph(&aws, folder.path(), &words).output().expect("ralph runs");
        assert_eq!(stdout(&output), format!("{image}\n"), "{}", stderr(&output));
    }
}

#[test]
fn an_environment_that_is_not_there_is_named_with_the_place_that_was_looked_in() {
    let text = said(&FakeAws::start(), &["ps", "--env", "moon", "--region", REGION]);
    assert!(text.contains("account 123456789012 has no environment `moon` in us-east-1: there is no parameter /ralph/moon/outputs\nhint: --region"), "{text}");
    let aws = FakeAws::start();
    aws.answer("AmazonSSM.GetParameter", r#"{"Parameter":{"Value":"not json"}}"#);
    let text = said(&aws, &["ps", "--region", REGION]);
    assert!(text.contains("parameter /ralph/dev/outputs is not JSON"), "{text}");
    aws.parameter(&json!({"cluster": "x"}));
    let text = said(&aws, &["ps", "--region", REGION]);
    assert!(text.contains("there is no output `state_machine_arn`"), "{text}");
}

/// A tool that needs `init` before it can read the state.
const KEPT_ELSEWHERE: &str = r#"case "$2" in
    init) touch "${0%/bin/*}/initialised" ;;
    output) [ -e "${0%/bin/*}/initialised" ] || { echo "Error: Backend initialization required" >&2; exit 1; }
        cat "${0%/bin/*}/outputs.json" ;;
esac"#;

#[test]
fn in_a_checkout_the_region_is_ralph_tomls_and_the_state_is_read_when_there_is_no_parameter() {
    let project = FakeProject::new(&[("tofu", KEPT_ELSEWHERE), ("terraform", KEPT_ELSEWHERE)]);
    std::fs::write(project.path("ralph.toml"), "[env.dev]\nregion = \"us-east-1\"\n")
        .expect("written");
    let path =
        format!("{}:{}", project.path("bin").display(), std::env::var("PATH").expect("a PATH"));
    let ps = |aws: &FakeAws, environment: &str| {
        let mut command = ralph(aws, &project.path(""), &["ps", "--env", environment]);
        command.env("PATH", &path).env("AWS_REGION", "eu-west-1").output().expect("ralph runs")
    };
    // The parameter is enough.
    let aws = FakeAws::with(&outputs(ACCOUNT, REGION));
    let output = ps(&aws, "dev");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(aws.asked().iter().all(|asked| asked.region == REGION));
    assert!(!project.path("initialised").exists());

    // An older version has applied it: the state is read, after the init that it needs.
    std::fs::write(
        project.path("outputs.json"),
        json!(
            outputs(ACCOUNT, REGION)
                .as_object()
                .expect("an object")
                .iter()
                .map(|(name, value)| (name.clone(), json!({"value": value})))
                .collect::<serde_json::Map<_, _>>()
        )
        .to_string(),
    )
    .expect("written");
    for denied in [false, true] {
        let aws = FakeAws::start();
        if denied {
            aws.refuse("AmazonSSM.GetParameter", 400, "AccessDeniedException", "no");
        }
        let _ = std::fs::remove_file(project.path("initialised"));
        let output = ps(&aws, "dev");
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(project.path("initialised").exists());
    }

    // Never applied: the state is read, and is empty.
    std::fs::write(project.path("outputs.json"), "{}").expect("written");
    let text = stderr(&ps(&FakeAws::start(), "dev"));
    assert!(text.contains("dev has never been applied: account 123456789012 has no parameter /ralph/dev/outputs in us-east-1"), "{text}");
    assert!(text.contains("\nhint: `just apply dev` makes it"), "{text}");

    // Its state cannot be read from here.
    project.program(
        "bin/tofu",
        "echo 'Error: Failed to get existing workspaces: AccessDenied' >&2; exit 1",
    );
    for (file, whose) in [("main.tf", "in this checkout"), ("backend.tf", "is elsewhere and")] {
        let file = project.path("terraform/envs/dev").join(file);
        std::fs::write(file, "").expect("written");
        let text = stderr(&ps(&FakeAws::start(), "dev"));
        assert!(text.contains(&format!("the state of dev {whose} cannot be read")), "{text}");
        assert!(text.contains("Failed to get existing workspaces: AccessDenied"), "{text}");
    }

    let text = stderr(&ps(&FakeAws::start(), "moon"));
    assert!(text.contains("there is no environment `moon`\nhint: known are dev"), "{text}");
}

/// A tool whose state is a file of the project. It writes down what it is asked to change.
const STATE: &str = r#"case "$2" in
    show) cat state.json ;;
    output) echo '{}' ;;
    plan | apply | destroy) echo "$2" >>calls ;;
esac"#;

#[test]
fn terraform_is_not_let_loose_on_an_environment_whose_state_is_elsewhere() {
    let there = || FakeAws::with(&outputs(ACCOUNT, REGION));
    let empty = r#"{"format_version":"1.0"}"#;
    let full = r#"{"format_version":"1.0","values":{"root_module":{}}}"#;
    // The state, the account, and whether Terraform may begin.
    for (state, aws, begins) in
        [(empty, there(), false), (empty, FakeAws::start(), true), (full, there(), true)]
    {
        for command in ["plan", "apply", "destroy"] {
            let project = FakeProject::new(&[("tofu", STATE)]);
            std::fs::write(project.path("state.json"), state).expect("written");
            let path = std::env::var("PATH").expect("a PATH");
            let mut ralph = ralph(&aws, &project.path(""), &[command]);
            ralph.env("PATH", format!("{}:{path}", project.path("bin").display()));
            let output = ralph.output().expect("ralph runs");
            let text = stderr(&output);
            let refused = text.contains("dev is deployed, as the parameter /ralph/dev/outputs in us-east-1 shows, but its state is elsewhere");
            assert_eq!(refused, !begins, "{command} {state}: {text}");
            let role = aws.asked().iter().any(|asked| asked.what.starts_with("iam."));
            assert_eq!(role, begins && command == "apply", "{command} {state}: {text}");
            let called = std::fs::read_to_string(project.path("calls")).unwrap_or_default();
            assert_eq!(called == format!("{command}\n"), begins, "{command} {state}: {text}");
        }
    }
}
