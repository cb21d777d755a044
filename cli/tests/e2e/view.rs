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

/// What curl prints.
pub fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").arg("-sS").args(arguments).output().expect("curl runs");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn the_page_is_served_with_tokens_that_connect() {
    let page = tempfile::tempdir().expect("a folder");
    std::fs::write(page.path().join("index.html"), "the page").expect("written");
    let mut child = ralph(&["view", "docs", "--scratch", cloud().operator().scratch(), "--page"])
        .arg(page.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("text");
    let link = first.strip_prefix("viewer  ").expect("the link");
    let (address, secret) = link.split_once("/#secret=").expect("a secret");
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert_eq!(secret.len(), 64, "{secret}");

    assert_eq!(curl(&[address]), "the page");
    let config = curl(&["-i", &format!("{address}/config.json")]);
    assert!(!config.contains(secret), "{config}");
    assert!(config.contains("cross-origin-resource-policy: same-origin\r\n"), "{config}");
    let body = config.split("\r\n\r\n").nth(1).expect("a body");
    let config: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(config["workstreams"], serde_json::json!(["docs"]));
    assert_eq!(config["websocketUrl"], cloud().websocket());
    let token = format!("{address}/token");
    let bearer = format!("Authorization: Bearer {secret}");
    let json = ["-H", "content-type: application/json"];
    let docs = ["-d", r#"{"workstreams":["docs"]}"#];
    let ask = [&["-H", &bearer], &json[..], &docs].concat();
    let answer = curl(&[&ask[..], &[&token]].concat());
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let given = answer["token"].as_str().expect("a token");
    assert_eq!(handshake(cloud(), &format!("?token={given}")).0, 101);
    for header in ["Host: evil.example", "Origin: https://evil.example", "Origin: null"] {
        let refused = curl(&[&ask[..], &["-H", header, &token]].concat());
        assert_eq!(refused, "only pages of this server may ask\n", "{header}");
    }
    let refused = |arguments: &[&[&str]]| {
        let status = ["-w", "%{http_code}", &token];
        let answer = curl(&[&arguments.concat()[..], &status].concat());
        let (words, status) = answer.rsplit_once('\n').expect("words and a status");
        (status.to_owned(), words.to_owned())
    };
    let challenge = curl(&[&json[..], &docs, &["-o", "/dev/null", "-D", "-", &token]].concat());
    assert!(challenge.contains("www-authenticate: Bearer realm=\"ralph\"\r\n"), "{challenge}");
    let (status, words) = refused(&[&json, &docs]);
    assert_eq!(status, "401");
    assert!(words.contains("open the link that `ralph` printed"), "{words}");
    let known = ["-H", &bearer];
    let other = ["-d", r#"{"workstreams":["docs","parser"]}"#];
    let (status, words) = refused(&[&known, &json, &other]);
    assert_eq!(status, "403");
    assert!(words.contains("`parser`") && words.contains("ralph view"), "{words}");
    assert_eq!(refused(&[&known, &json, &docs, &["-H", "Sec-Fetch-Site: same-site"]]).0, "403");
    assert_eq!(refused(&[&known, &docs]).0, "415");
    for body in ["{", r#"{"workstreams":"docs"}"#, r#"{"workstreams":["docs"],"user":"x"}"#] {
        assert_eq!(refused(&[&known, &json, &["-d", body]]).0, "400", "{body}");
    }

    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_folder_without_a_page_is_refused() {
    let empty = tempfile::tempdir().expect("a folder");
    let output = ralph(&["view", "docs", "--scratch", cloud().operator().scratch(), "--page"])
        .arg(empty.path())
        .output()
        .expect("ralph runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("holds no index.html\nhint: "), "{}", stderr(&output));
}
