//! Who is told when an execution ends, and what the worker is told about pull requests and lines.

use ralph_generator::{config, deploy, generate};

/// The root's main.tf, with one space where there are several.
fn root(text: &str) -> String {
    let settings = config::parse("ralph.toml", text).unwrap();
    let files = generate::files(&settings).unwrap();
    let (_, root) = files.iter().find(|(path, _)| path == "envs/dev/main.tf").unwrap();
    root.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn an_environment_tells_nobody_unless_it_says_whom() {
    let topic = "arn:aws:sns:us-east-1:123456789012:executions";
    for (text, says) in [
        ("[env.dev]\n".to_owned(), None),
        ("[env.dev.notify]\nlog_url = \"https://logs.example.com/{run}\"\n".to_owned(), None),
        (
            "[env.dev.notify]\nemail = \"team@example.com\"\n".to_owned(),
            Some("notifications = {\nemail = \"team@example.com\"\n}\n".to_owned()),
        ),
        (
            format!("[env.dev.notify]\ntopic_arn = \"{topic}\"\n"),
            Some(format!("notifications = {{\ntopic_arn = \"{topic}\"\n}}\n")),
        ),
    ] {
        let root = root(&text);
        match says {
            Some(says) => assert!(root.contains(&says), "{root}"),
            None => assert!(!root.contains("notifications"), "{root}"),
        }
    }
}

#[test]
fn the_link_to_a_runs_lines_is_a_plain_value_that_worker_and_functions_share() {
    let console = "\"https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fralph$252Fworkstreams/log-events$3FfilterPattern$3D$2522{run}$2522\"\n";
    let own = "\"https://logs.example.com/{workstream}/{run}\"\n";
    let notify = format!("[env.dev.notify]\nlog_url = {own}");
    for (text, url) in [("[env.dev]\n", console), (&notify, own)] {
        let root = root(text);
        assert!(root.contains(&format!("RALPH_LOG_URL = {url}")), "{root}");
        assert!(root.contains(&format!("\nlog_url = {url}")), "{root}");
    }
}

#[test]
fn the_worker_is_told_about_pull_requests_only_if_the_environment_says_something() {
    assert!(!root("[env.dev]\n").contains("RALPH_PULL_REQUEST"));
    for kind in ["none", "draft", "ready"] {
        let root = root(&format!("[env.dev.worker]\npull_request = \"{kind}\"\n"));
        assert!(root.contains(&format!("RALPH_PULL_REQUEST = \"{kind}\"\n")), "{root}");
    }
}

/// Of SNS, a deployment needs the topic that it makes, and no other.
#[test]
fn a_deploy_policy_reaches_the_topic_only_if_there_is_one() {
    let sns = |text: &str| {
        let settings = config::parse("ralph.toml", text).unwrap();
        let holds = |(_, text): &(String, String)| text.contains("sns:");
        let files = deploy::files(&settings);
        files.into_iter().filter(holds).map(|(name, _)| name).collect::<Vec<_>>()
    };
    let topic = "topic_arn = \"arn:aws:sns:us-east-1:123456789012:t\"\n";
    assert!(sns("[env.dev]\n").is_empty());
    assert!(sns(&format!("[env.dev.notify]\n{topic}")).is_empty());
    let email = "[env.dev.notify]\nemail = \"team@example.com\"\n";
    assert_eq!(sns(email), ["dev-network.json"]);
}
