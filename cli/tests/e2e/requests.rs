//! Requests to the local cloud with its root credentials, signed by curl: no AWS tool is needed.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::cloud::cloud;

/// Ms since the epoch.
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("not yet")
}

/// A request with the local cloud's root credentials.
pub fn aws(service: &str, path: &str, headers: &[&str], body: &Value) -> Value {
    let url = format!("{}{path}", cloud().endpoint());
    send(service, (&url, &cloud().user()), headers, Some(body))
}

/// The same, to read something.
pub fn aws_get(service: &str, path: &str) -> Value {
    let url = format!("{}{path}", cloud().endpoint());
    send(service, (&url, &cloud().user()), &[], None)
}

/// A request to any local cloud, by its operator.
pub fn send(
    service: &str,
    (url, user): (&str, &str),
    headers: &[&str],
    body: Option<&Value>,
) -> Value {
    let mut command = Command::new("curl");
    let sign = format!("aws:amz:us-east-1:{service}");
    command.args(["-sS", "--aws-sigv4", &sign, "--user", user]);
    if body.is_some() {
        command.args(["--data-binary", "@-"]);
    }
    for header in headers {
        command.args(["-H", header]);
    }
    let mut child =
        command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    if let Some(body) = body {
        pipe.write_all(body.to_string().as_bytes()).expect("written");
    }
    drop(pipe);
    let output = child.wait_with_output().expect("curl ends");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn logs(action: &str, body: &Value) -> Value {
    let target = format!("x-amz-target: Logs_20140328.{action}");
    aws("logs", "/", &[&target, "content-type: application/x-amz-json-1.1"], body)
}

/// Writes to the workers' log group, as the awslogs driver does.
pub fn put(stream: &str, lines: &[(u64, String)]) {
    let group = cloud().output("log_group");
    let events: Vec<_> = lines
        .iter()
        .map(|(timestamp, message)| json!({"timestamp": timestamp, "message": message}))
        .collect();
    let answer = logs(
        "PutLogEvents",
        &json!({
            "logGroupName": group, "logStreamName": stream, "logEvents": events,
        }),
    );
    assert!(answer["nextSequenceToken"].is_string(), "not written: {answer}");
}

/// Makes a stream in the workers' log group.
pub fn create_stream(stream: &str) {
    let group = cloud().output("log_group");
    logs("CreateLogStream", &json!({"logGroupName": group, "logStreamName": stream}));
}
