//! Secrets: set from standard input, shown nowhere.

use std::{
    io::Write,
    process::{Output, Stdio},
    time::Duration,
};

use ralph_protocol::secret::SigningKeys;

use crate::{
    cloud::{Cloud, cloud, ralph, stderr, stdout},
    connections::STRANGER,
    socket::handshake,
};

/// The cloud's signing keys, read with its root credentials.
pub fn signing_keys(cloud: &Cloud) -> SigningKeys {
    let description =
        std::fs::read_to_string(cloud.scratch().join("cloud.json")).expect("cloud.json");
    let description: serde_json::Value = serde_json::from_str(&description).expect("JSON");
    let arn =
        description["outputs"]["secret_arns"]["websocket-signing-keys"].as_str().expect("an ARN");
    SigningKeys::parse(&secret_value(cloud, arn)).expect("signing keys")
}

fn secret_value(cloud: &Cloud, arn: &str) -> String {
    // No AWS tool is needed for it: with root credentials the local cloud takes a plain request
    // that is signed by curl.
    let output = std::process::Command::new("curl")
        .args(["-sS", "--aws-sigv4", "aws:amz:us-east-1:secretsmanager", "--user", &cloud.user()])
        .args(["-H", "x-amz-target: secretsmanager.GetSecretValue"])
        .args(["-H", "content-type: application/x-amz-json-1.1"])
        .args(["-d", &format!(r#"{{"SecretId":"{arn}"}}"#), cloud.endpoint()])
        .output()
        .expect("curl runs");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    value["SecretString"].as_str().unwrap_or_else(|| panic!("no value: {value}")).to_owned()
}

fn set(secret: &str, text: &str) -> Output {
    let mut child = ralph(&["keys", "set", secret, "--scratch", cloud().keeper().scratch()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    child.wait_with_output().expect("ralph ends")
}

#[test]
fn a_secret_is_set_from_standard_input_and_found_in_no_file() {
    // Long enough to be found by accident nowhere.
    let value = "sk-test-3f9c1b7a5d2e4f60-needle";
    let output = set("anthropic-keys", &format!(r#"{{"keys":[{{"id":"a","value":"{value}"}}]}}"#));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stdout(&output).contains(value) && !stderr(&output).contains(value));
    let description =
        std::fs::read_to_string(cloud().scratch().join("cloud.json")).expect("cloud.json");
    let description: serde_json::Value = serde_json::from_str(&description).expect("JSON");
    let arn = description["outputs"]["secret_arns"]["anthropic-keys"].as_str().expect("an ARN");
    assert!(secret_value(cloud(), arn).contains(value), "the value arrived");
    let signing = signing_keys(cloud());
    for needle in [value, signing.current.secret.expose()] {
        for file in cloud().files() {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "a secret value lies in {}", file.display());
        }
    }
}

#[test]
fn wrong_shapes_are_refused() {
    for (secret, text, hint) in [
        ("anthropic-keys", "sk-plain-text", "expected {\"keys\""),
        ("anthropic-keys", r#"{"keys":[]}"#, "expected {\"keys\""),
        ("git-token", r#"{"token":"x"}"#, "or {} for public repositories"),
        ("websocket-signing-keys", r#"{"current":{"kid":"k","secret":"short"}}"#, "at least 32"),
    ] {
        let output = set(secret, text);
        assert_eq!(output.status.code(), Some(1), "{secret} {text}");
        assert!(stderr(&output).contains(hint), "{}", stderr(&output));
        assert!(!stderr(&output).contains("sk-plain-text"));
    }
}

fn keys(arguments: &[&str]) -> Output {
    ralph(&["keys"])
        .args(arguments)
        .args(["--scratch", cloud().keeper().scratch()])
        .output()
        .expect("ralph runs")
}

#[test]
fn the_list_shows_ids_and_dates_and_no_value() {
    let signing = signing_keys(cloud());
    let output = keys(&["list"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for (line, name) in lines[1..].iter().zip(["anthropic-keys", "git-token", "websocket-"]) {
        assert!(line.starts_with(&format!("ralph/dev/{name}")) && line.contains("  20"), "{text}");
    }
    assert!(text.contains(&signing.current.kid), "{text}");
    assert!(!text.contains(signing.current.secret.expose()));
}

#[test]
fn a_rotation_keeps_the_key_before_it_and_waits_for_the_next() {
    // Sooner, the tests that run beside this one would be refused as well.
    if let Some(stranger) = STRANGER.get() {
        std::thread::sleep(Duration::from_secs(61).saturating_sub(stranger.elapsed()));
    }
    let before = signing_keys(cloud());
    let output = keys(&["rotate-signing"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let after = signing_keys(cloud());
    assert_eq!(after.previous, Some(before.current));
    assert!(stderr(&output).contains("is accepted until the next rotation"), "{}", stderr(&output));
    // Viewers' tokens are signed with the new key, and connect.
    let token = cloud().token(&["rotated"]);
    assert_eq!(handshake(cloud(), &format!("?token={token}")).0, 101);
    let output = keys(&["rotate-signing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("or use --force"), "{}", stderr(&output));
    assert_eq!(signing_keys(cloud()).current, after.current);
}
