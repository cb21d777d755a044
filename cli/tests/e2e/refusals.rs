//! What the commands refuse, and what they say.

use std::process::{Command, Stdio};

use axum::http::StatusCode;

use crate::{
    cloud::{cloud, ralph, stderr, stdout},
    fake_aws::{ACCOUNT, FakeAws, REGION, outputs},
    requests::aws,
};

/// Words of the command line, the exit code, and what standard error holds.
type Case = (&'static [&'static str], i32, &'static str);

#[test]
fn a_wrong_command_line_says_what_is_allowed() {
    let cases: [Case; 22] = [
        (&["fly"], 2, "unrecognized subcommand 'fly'"),
        (&["run"], 2, "<WORKSTREAM>"),
        (&["run", "Docs", "https://x/y"], 2, "hint: 1 to 48 characters of a-z, 0-9 and `-`"),
        (&["run", "docs", "https://x/y", "--max-duration", "8"], 2, "such as 90s, 30m or 2h"),
        (&["run", "docs", "https://x/y", "--max-cost-usd", "-1"], 2, "unexpected argument"),
        (&["run", "docs", "https://x/y", "--max-cost-usd=0"], 2, "expected a number above 0"),
        (&["run", "docs", "https://x/y", "--local", "--env", "dev"], 2, "cannot be used with"),
        (&["run", "docs", "https://x/y", "--cpu", "1.5"], 2, "invalid value '1.5' for '--cpu <N>'"),
        (&["run", "docs", "https://x/y", "--setup-timeout", "9"], 2, "such as 90s, 30m or 2h"),
        (
            &["run", "docs", "https://x/y", "--prompt", "a", "--prompt-path", "b"],
            2,
            "'--prompt <TEXT>' cannot be used with '--prompt-path <PATH>'",
        ),
        (
            &["run", "docs", "https://x/y", "--prompt", "a", "--prompt-file", "b"],
            2,
            "cannot be used",
        ),
        (
            &["run", "docs", "https://x/y", "--prompt-file", "a", "--prompt-path", "b"],
            2,
            "'--prompt-file <FILE>' cannot be used with '--prompt-path <PATH>'",
        ),
        (
            &["cost", "--cpu", "256", "--memory", "4096"],
            1,
            "`--memory` is 4096, which Fargate does not offer with 256 CPU units\nhint: one of 512",
        ),
        (&["logs", "docs", "--tail", "0"], 2, "0 is not in 1..=10000"),
        (&["logs", "docs", "--since", "yesterday"], 2, "expected how long ago (10m, 2h30m)"),
        (&["logs", "docs", "--run", "7"], 2, "`7` is not a run id"),
        (&["stop", "docs", "--wait", "0s"], 2, "expected a time"),
        (&["wait"], 2, "<WORKSTREAM>"),
        (&["run", "docs", "https://x/y", "--wait", "--follow"], 2, "cannot be used with"),
        (&["view"], 2, "<WORKSTREAMS>"),
        (&["cost", "moon"], 1, "there is no environment `moon`\nhint: known are dev, prod"),
        (&["ps", "--env", "moon"], 1, "there is no environment `moon`"),
    ];
    for (words, code, said) in cases {
        let output = ralph(words).output().expect("ralph runs");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
        assert_eq!(stdout(&output), "", "{words:?}");
    }
}

#[test]
fn every_command_has_a_help_of_its_own() {
    let help = stdout(&ralph(&["--help"]).output().expect("ralph runs"));
    assert!(help.contains("Fargate Spot in your own AWS account"), "{help}");
    assert!(help.contains("Where to begin, without an AWS account:\n  ralph demo "), "{help}");
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        // A description's further lines are indented more.
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 14, "{help}");
    assert_eq!(commands[..7], ["demo", "local", "run", "logs", "ps", "wait", "stop"]);
    for command in commands {
        let output = ralph(&["help", command]).output().expect("ralph runs");
        let text = stdout(&output);
        assert!(output.status.success() && text.contains("Usage: ralph"), "{command}");
        let has_example = text.contains(&format!("Examples:\n  ralph {command}"));
        let explains_itself = ["build-lambdas", "help"].contains(&command);
        assert!(has_example || explains_itself, "{command}: {text}");
    }
}

#[test]
fn help_is_as_wide_as_the_terminal_and_no_wider_than_people_read() {
    for (columns, widest) in [("60", 60), ("300", 100)] {
        // clap asks the terminal, and without one this variable.
        let help = ralph(&["run", "--help"]).env("COLUMNS", columns).output().expect("ralph runs");
        let text = stdout(&help);
        let options = text.split("Examples:").next().expect("a text");
        let width = options.lines().map(|line| line.chars().count()).max();
        assert!(width <= Some(widest) && width > Some(widest / 2), "{columns}: {width:?}\n{text}");
    }
}

#[test]
fn bash_completes_what_the_help_shows() {
    let script = stdout(&ralph(&["completions", "bash"]).output().expect("ralph runs"));
    for (words, completed) in [
        (&["ralph", "lo"][..], "local logs"),
        (&["ralph", "keys", "init"], "init-signing"),
        (&["ralph", "run", "--max-c"], "--max-cost-usd --max-commit-mb --max-commit-files"),
        // Hidden.
        (&["ralph", "sup"], ""),
        (&["ralph", "local", "--man"], ""),
    ] {
        let ask = r#"eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _ralph ralph "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[*]}""#;
        let bash = Command::new("bash").args(["-c", ask, "bash", &script]).args(words).output();
        assert_eq!(stdout(&bash.expect("bash runs")).trim(), completed, "{words:?}");
    }
}

#[test]
fn hints_name_commands_as_they_were_run() {
    let scratch = without_values();
    let folder = scratch.path().display();
    let own = env!("CARGO_BIN_EXE_ralph");
    for (just, program) in
        [(Some("./justw"), "./justw ralph"), (Some("just"), "just ralph"), (None, own)]
    {
        let mut command = ralph(&["logs", "docs", "--scratch"]);
        command.arg(scratch.path());
        match just {
            Some(just) => command.env("RALPH_JUST", just),
            None => command.env_remove("RALPH_JUST"),
        };
        let text = stderr(&command.output().expect("ralph runs"));
        let hint = format!("hint: make one with `{program} keys init-signing --scratch {folder}`");
        assert!(text.contains(&hint), "{text}");
    }
}

#[test]
fn a_verification_without_credentials_is_refused_before_anything_is_made() {
    let home = tempfile::tempdir().expect("a folder");
    let mut command = ralph(&["verify-aws", "--repo", "https://example.com/x/y", "--yes"]);
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    let output = command
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .expect("ralph runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("there are no AWS credentials\nhint: set AWS_PROFILE"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_run_that_cannot_work_is_refused_before_it_is_started() {
    let cases: [(&[&str], &str); 9] = [
        (&["ssh://git@example.com/x"], "is not an https URL with a host name"),
        (&["https://user:secret@example.com/x"], "is not an https URL with a host name"),
        (&["https://10.0.0.1/x"], "is not an https URL with a host name"),
        (
            &["https://example.com/x", "--branch", ""],
            "`--branch` is not a text of 1 to 200 characters",
        ),
        (&["https://example.com/x", "--max-iterations", "0"], "`--max-iterations`"),
        (&["https://example.com/x", "--max-duration", "9000h"], "`--max-duration`"),
        (&["https://example.com/x", "--prompt", " "], "the prompt of --prompt is empty"),
        (&["https://example.com/x", "--cpu", "1024"], "`--cpu` and `--memory` belong together"),
        (
            &["https://example.com/x", "--model", "opuss"],
            "`--model opuss` is not a model that the worker has a price for\nhint: did you mean `opus`? Known are default, best, opus,",
        ),
    ];
    for (words, said) in cases {
        let output = ralph(&["run", "refused", "--scratch", cloud().operator().scratch()])
            .args(words)
            .output()
            .expect("ralph runs");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
        assert!(!text.contains("secret@"), "{text}");
    }
}

/// Whatever the environment is.
#[test]
fn what_no_environment_can_run_is_refused_before_aws_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("latin1.md"), b"caf\xe9").expect("written");
    std::fs::write(folder.path().join("long.md"), "x".repeat(4097)).expect("written");
    std::fs::write(folder.path().join("controls.md"), "\u{1}".repeat(2000)).expect("written");
    let cases: [(&[&str], &str); 8] = [
        (&["--cpu", "1000", "--memory", "2048"], "`--cpu` is 1000, which Fargate does not offer"),
        (&["--cpu", "256", "--memory", "4096"], "hint: one of 512, 1024, 2048"),
        (&["--memory", "4096"], "`--cpu` and `--memory` belong together\nhint: give both"),
        (&["--prompt-file", "none.md"], "cannot read none.md (--prompt-file): No such file"),
        (&["--prompt-file", "latin1.md"], "the prompt of latin1.md is not UTF-8\nhint: "),
        (
            &["--prompt-file", "long.md"],
            "the prompt of long.md is longer than 4096 characters\nhint: commit it",
        ),
        (&["--prompt-file", "controls.md"], "hint: shorten `--prompt-file`, the longest field"),
        (&["--prompt-file", "-"], "the prompt of standard input is empty\nhint: "),
    ];
    let fake = FakeAws::start();
    for (words, said) in cases {
        let mut command = fake.ralph(folder.path(), folder.path(), &["run", "docs"]);
        let command = command.arg("https://example.com/x/y").args(words).stdin(Stdio::null());
        let output = command.output().expect("ralph runs");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
        assert_eq!(fake.asked(), [], "{words:?}");
    }
}

/// An account with dev in it, whose agent gets a secret. `ralph run` says what it says.
fn run_with_an_agents_secret(fake: &FakeAws, words: &[&str]) -> std::process::Output {
    const KEYS: [(&str, &str); 2] =
        [("AWS_ACCESS_KEY_ID", "AKIAANY"), ("AWS_SECRET_ACCESS_KEY", "any")];
    let folder = tempfile::tempdir().expect("a folder");
    let words = [&["run", "docs", "https://example.com/x/y", "--region", REGION], words].concat();
    let mut command = fake.ralph(folder.path(), folder.path(), &words);
    command.envs(KEYS).output().expect("ralph runs")
}

/// Outputs of dev, whose agent gets a secret.
fn with_an_agents_secret() -> serde_json::Value {
    let mut all = outputs(ACCOUNT, REGION);
    let arn = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:database-a1b2c3");
    all["agent_secrets"] = serde_json::json!({"DATABASE_URL": format!("{arn}:url::")});
    all
}

#[test]
fn a_secret_of_the_agent_that_cannot_be_read_starts_nothing_and_one_that_may_not_be_seen_is_left_to_ecs()
 {
    let value = r#"{"Name":"any","VersionIdsToStages":{"a":["AWSCURRENT"]}}"#.to_owned();
    let own = || (StatusCode::OK, value.clone());
    let missing = "does not exist, or is being deleted: no task can start";
    let cases: [(_, _, &str); 5] = [
        (200, r#"{"Name":"any"}"#, "has no value: no task can start"),
        (200, r#"{"Name":"any","DeletedDate":1700000000,"VersionIdsToStages":{"a":[]}}"#, missing),
        (400, r#"{"__type":"ResourceNotFoundException","message":"no"}"#, missing),
        (400, r#"{"__type":"AccessDeniedException","message":"no"}"#, ""),
        (200, r#"{"Name":"any","VersionIdsToStages":{"a":["AWSPREVIOUS"]}}"#, ""),
    ];
    for (status, answer, said) in cases {
        let fake = FakeAws::with(&with_an_agents_secret());
        fake.answer("secretsmanager.GetSecretValue", r#"{"SecretString":"{}"}"#);
        fake.answer("AWSStepFunctions.StartExecution", r#"{"executionArn":"a","startDate":1}"#);
        let agents = (StatusCode::from_u16(status).expect("a status"), answer.to_owned());
        fake.in_order("secretsmanager.DescribeSecret", [own(), own(), agents]);
        let output = run_with_an_agents_secret(&fake, &[]);
        let text = stderr(&output);
        assert_eq!(output.status.success(), said.is_empty(), "{answer}: {text}");
        let started =
            fake.asked().iter().any(|asked| asked.what == "AWSStepFunctions.StartExecution");
        assert_eq!(started, said.is_empty(), "{answer}");
        if !said.is_empty() {
            let begin = "the agent's secret DATABASE_URL ([env.dev.agent.secrets] in ralph.toml) ";
            let hint = "\nhint: give arn:aws:secretsmanager:us-east-1:123456789012:secret:database-a1b2c3 a value";
            assert!(text.contains(&format!("{begin}{said}{hint}")), "{text}");
        }
    }
}

#[test]
fn where_the_model_has_an_endpoint_of_its_own_any_model_may_be_named() {
    for (own, starts) in [(true, true), (false, false)] {
        let mut all = outputs(ACCOUNT, REGION);
        all["model_endpoint"] = own.into();
        let fake = FakeAws::with(&all);
        let value = r#"{"Name":"any","VersionIdsToStages":{"a":["AWSCURRENT"]}}"#;
        fake.answer("secretsmanager.DescribeSecret", value);
        fake.answer("secretsmanager.GetSecretValue", r#"{"SecretString":"{}"}"#);
        fake.answer("AWSStepFunctions.StartExecution", r#"{"executionArn":"a","startDate":1}"#);
        let output = run_with_an_agents_secret(&fake, &["--model", "gpt-5"]);
        assert_eq!(output.status.success(), starts, "{}", stderr(&output));
        assert_eq!(stderr(&output).contains("hint: known are default"), !starts);
    }
}

/// In the local cloud, whose Secrets Manager says it as AWS does.
#[test]
fn a_secret_that_was_made_without_a_value_starts_nothing() {
    let call = |action: &str, body: &serde_json::Value| {
        let target = format!("x-amz-target: secretsmanager.{action}");
        aws("secretsmanager", "/", &[&target, "content-type: application/x-amz-json-1.1"], body)
    };
    let made = call("CreateSecret", &serde_json::json!({"Name": "ralph/dev/without-a-value"}));
    let file = cloud().scratch().join("cloud.json");
    let text = std::fs::read_to_string(file).expect("the local cloud");
    let mut description: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    description["outputs"]["secret_arns"]["git-token"] = made["ARN"].clone();
    let scratch = tempfile::tempdir().expect("a folder");
    std::fs::write(scratch.path().join("cloud.json"), description.to_string()).expect("written");
    let output = ralph(&["run", "without-a-value", "https://example.com/x/y", "--scratch"])
        .arg(scratch.path())
        .output()
        .expect("ralph runs");
    let hint = format!(
        "the secret git-token has no value: no task can start\nhint: `just ralph keys set git-token --scratch {} < git-token.json`, with {{}} in it for public repositories",
        scratch.path().display()
    );
    assert!(stderr(&output).contains(&hint), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_local_cloud_that_ends_while_it_is_asked_is_named_with_how_to_start_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let scratch = scratch(&format!("http://{address}"));
    // It answers when `ralph` looks whether it is there, and never again.
    let cloud = std::thread::spawn(move || drop(listener.accept()));
    let output =
        ralph(&["keys", "list", "--scratch"]).arg(scratch.path()).output().expect("ralph runs");
    cloud.join().expect("a connection");
    let hint = format!(
        "hint: has the local cloud ended? `just local --scratch {}` starts it again",
        scratch.path().display()
    );
    assert!(stderr(&output).contains(&hint), "{}", stderr(&output));
}

/// An environment of which only one thing is known: its secrets have no values.
fn without_values() -> tempfile::TempDir {
    let fake = FakeAws::start();
    fake.answer("secretsmanager.DescribeSecret", r#"{"Name":"any"}"#);
    fake.refuse("secretsmanager.GetSecretValue", 400, "ResourceNotFoundException", "no value");
    scratch(&fake.endpoint())
}

/// The scratch folder of a local cloud that listens there.
fn scratch(endpoint: &str) -> tempfile::TempDir {
    let arn = |name: &str| format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}");
    let description = serde_json::json!({
        "environment": "dev", "endpoint": endpoint, "viewer": null,
        "key": {"id": "any", "secret": "any"},
        "outputs": {
            "websocket_api_id": "api", "websocket_stage": "dev",
            "state_machine_arn": "arn:aws:states:us-east-1:000000000000:stateMachine:m",
            "secret_arns": {
                "anthropic-keys": arn("a"), "git-token": arn("g"),
                "websocket-signing-keys": arn("w"),
            },
        },
    });
    let scratch = tempfile::tempdir().expect("a folder");
    std::fs::write(scratch.path().join("cloud.json"), description.to_string()).expect("written");
    scratch
}

#[test]
fn without_secret_values_nothing_is_started_and_the_way_out_is_named() {
    let scratch = without_values();
    let cases: [(&[&str], &str); 4] = [
        (
            &["run", "docs", "https://example.com/x/y"],
            "the secret anthropic-keys has no value: no task can start\nhint: `just ralph keys set anthropic-keys --scratch ",
        ),
        (&["logs", "docs"], "hint: make one with `just ralph keys init-signing"),
        (&["view", "docs"], "hint: make one with `just ralph keys init-signing"),
        (&["keys", "rotate-signing"], "hint: make the first with `just ralph keys init-signing"),
    ];
    for (words, said) in cases {
        let output =
            ralph(words).arg("--scratch").arg(scratch.path()).output().expect("ralph runs");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
    }
}
