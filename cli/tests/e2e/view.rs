//! `ralph view`: the page, its configuration and its tokens, for pages of its own address alone.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    cloud::{cloud, ralph, stderr, stdout},
    socket::handshake,
};

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").arg("-sS").args(arguments).output().expect("curl runs");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn the_page_is_served_with_tokens_that_connect() {
    let page = tempfile::tempdir().expect("a folder");
    std::fs::write(page.path().join("index.html"), "the page").expect("written");
    let mut child = ralph(&["view", "docs", "--scratch", cloud().scratch_text(), "--page"])
        .arg(page.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("text");
    let address = first.strip_prefix("viewer  ").expect("the address").to_owned();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");

    assert_eq!(curl(&[&address]), "the page");
    let config: Value =
        serde_json::from_str(&curl(&[&format!("{address}/config.json")])).expect("JSON");
    assert_eq!(config["workstreams"], serde_json::json!(["docs"]));
    assert_eq!(config["websocketUrl"], cloud().websocket());
    let token = format!("{address}/token");
    let ask = ["-H", "content-type: application/json", "-d", r#"{"workstreams":["docs"]}"#];
    let answer = curl(&[&ask[..], &[&token]].concat());
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let given = answer["token"].as_str().expect("a token");
    assert_eq!(handshake(cloud(), &format!("?token={given}")).0, 101);
    for header in ["Host: evil.example", "Origin: https://evil.example", "Origin: null"] {
        let refused = curl(&[&ask[..], &["-H", header, &token]].concat());
        assert_eq!(refused, "only pages of this server may ask\n", "{header}");
    }

    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_folder_without_a_page_is_refused() {
    let empty = tempfile::tempdir().expect("a folder");
    let output = ralph(&["view", "docs", "--scratch", cloud().scratch_text(), "--page"])
        .arg(empty.path())
        .output()
        .expect("ralph runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("holds no index.html\nhint: "), "{}", stderr(&output));
}
