//! `just bench`, with programs in place of the measurements.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::Command,
};

use serde_json::{Value, json};

use crate::cloud::{root, stderr, stdout};

fn row(name: &str) -> Value {
    json!({
        "name": name, "unit": "ms", "ours": 1.0, "peer": 2.0, "peerName": "a peer",
        "ratio": 0.5, "goal": 1, "met": true,
    })
}

#[test]
fn a_measurement_that_fails_ends_no_other_and_loses_no_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let program = |name: &str, script: &str| {
        let file = bin.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("set");
    };
    // The generator's measurement fails after its first row; the viewer's runs when it is built.
    program("cargo", &format!("echo '{}'; exit 7", row("before the failure")));
    program(
        "npm",
        &format!(
            "case $* in
                *' ci '*) echo installed >>calls ;;
                *'run build') echo built >>calls ;;
                *'run bench') [ \"$(tail -n 1 calls)\" = built ] && echo '{}' ;;
            esac",
            row("after the failure")
        )
        .replace("calls", folder.path().join("calls").to_str().expect("UTF-8")),
    );
    let path = std::env::var("PATH").expect("a PATH");
    let output = Command::new("python3")
        .arg(root().join("bench/run.py"))
        .args(["generator", "viewer"])
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("CARGO_TARGET_DIR", folder.path())
        .output()
        .expect("python3 runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("generator failed: cargo ended with exit code 7 and 1 rows"),
        "{}",
        stderr(&output)
    );
    let text = fs::read(folder.path().join("bench/summary.json")).expect("a summary");
    let rows: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(rows, [row("before the failure"), row("after the failure")]);
    assert!(stdout(&output).contains("after the failure"), "{}", stdout(&output));
}
