//! Commands that meet a world that is not as they need it.

use std::{net::TcpListener, process::Command};

use crate::cloud::{cloud, ralph, stderr, stdout};

#[test]
fn a_taken_port_is_named_and_nothing_is_left_running() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let scratch = tempfile::tempdir().expect("a folder");
    let output = ralph(&["local", "--no-viewer", "--port", &port, "--scratch"])
        .arg(scratch.path())
        .output()
        .expect("ralph runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&format!("port {port} is taken\nhint: ")),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_missing_program_is_named_with_how_to_get_it() {
    // A PATH that holds git alone.
    let bin = tempfile::tempdir().expect("a folder");
    let git = Command::new("sh").args(["-c", "command -v git"]).output().expect("sh runs");
    std::os::unix::fs::symlink(stdout(&git).trim(), bin.path().join("git")).expect("a link");
    let output = ralph(&["demo"]).env("PATH", bin.path()).output().expect("ralph runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("tofu or terraform is not on PATH\nhint: install OpenTofu"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_second_local_cloud_in_the_same_folder_is_refused() {
    let output = ralph(&["local", "--no-viewer", "--scratch", cloud().scratch_text()])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("already runs"), "{}", stderr(&output));
}

#[test]
fn a_target_that_does_not_run_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = ralph(&["token", "docs", "--scratch"]).arg(folder.path()).output().expect("runs");
    assert!(stderr(&output).contains("hint: start one with `just local`"), "{}", stderr(&output));
}

#[test]
fn prod_is_not_applied() {
    for command in ["apply", "destroy"] {
        let output = ralph(&[command, "prod"]).output().expect("runs");
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("prod is not deployed yet"), "{}", stderr(&output));
    }
}

#[test]
fn both_environments_plan_offline_before_the_functions_are_built() {
    for environment in ["dev", "prod"] {
        let output = ralph(&["plan", environment, "--offline", "--", "-no-color"])
            .args(["-var", "lambda_zip=/nonexistent/ralph-lambda.zip"])
            .output()
            .expect("runs");
        let text = stdout(&output);
        assert!(output.status.success(), "{}\n{text}", stderr(&output));
        assert!(text.contains("to add, 0 to change, 0 to destroy"), "{text}");
        assert!(text.contains("just build-lambdas"), "{text}");
    }
}
