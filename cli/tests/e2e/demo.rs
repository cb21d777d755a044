//! The demo, and the proof that its comparison can fail.

use std::process::Output;

use crate::cloud::{cloud, ralph, root, stderr, stdout};

fn demo(workstream: &str, more: &[&str]) -> Output {
    let scratch = cloud().scratch_text();
    ralph(&["demo", "--quiet", "--join", scratch, "--workstream", workstream])
        .args(more)
        .output()
        .expect("ralph runs")
}

fn count(text: &str, name: &str) -> u64 {
    text.split_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[test]
fn what_was_written_is_what_is_shown_across_a_reconnect() {
    let output = demo("demo-rules", &[]);
    let text = stdout(&output);
    eprintln!("{text}");
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", stderr(&output));
    assert!(count(&text, "emitted") > 100, "{text}");
    assert_eq!(count(&text, "emitted"), count(&text, "received"));
    assert_eq!((count(&text, "lost"), count(&text, "duplicated")), (0, 0));
    assert!(count(&text, "redelivered") > 0, "{text}");
    assert!(count(&text, "reconnects") >= 1, "{text}");
}

#[test]
fn without_the_clients_rules_the_comparison_fails() {
    let output = demo("demo-bare", &["--without-rules"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(3), "{text}\n{}", stderr(&output));
    assert!(count(&text, "duplicated") > 0, "{text}");
}

#[test]
fn the_demo_works_on_the_readers_own_repository() {
    let folder = tempfile::tempdir().expect("a folder");
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.invalid"])
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    git(&["init", "--quiet", "--initial-branch=trunk"]);
    std::fs::write(folder.path().join("TASK.md"), "Do it.\n").expect("written");
    git(&["add", "."]);
    git(&["-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "Mine"]);
    let before = git(&["rev-parse", "trunk"]);
    let repo = folder.path().to_str().expect("UTF-8");
    let output = demo("own-repo", &["--repo", repo, "--prompt", "TASK.md", "--agent", "scripted"]);
    assert_eq!(output.status.code(), Some(0), "{}\n{}", stdout(&output), stderr(&output));
    assert_eq!(git(&["rev-parse", "trunk"]), before);
    let first = git(&["rev-parse", "ralph/own-repo"]);
    assert_ne!(first, before);

    // Once more, where the work is complete: upon the newest branch.
    git(&["branch", "ralph/own-repo.2", "ralph/own-repo"]);
    let output = demo("own-repo", &["--repo", repo, "--prompt", "TASK.md", "--agent", "scripted"]);
    assert_eq!(output.status.code(), Some(0), "{}\n{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("ralph/own-repo.2 has "), "{}", stdout(&output));
    assert_eq!(git(&["rev-parse", "ralph/own-repo"]), first);
    let subjects = git(&["log", "--format=%s", "ralph/own-repo..ralph/own-repo.2"]);
    assert!(subjects.ends_with("ralph: new work on ralph/own-repo.2\n"), "{subjects}");
    assert!(subjects.contains("ralph: checkpoint after 1 iteration"), "{subjects}");
}

#[test]
fn a_prompt_that_is_not_committed_is_refused_before_anything_runs() {
    let repo = root().to_str().expect("UTF-8");
    let prompt = ["--prompt", "no/such/file.md", "--agent", "scripted"];
    let output = demo("no-prompt", &[&["--repo", repo], &prompt[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("has no committed file no/such/file.md\nhint: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn no_agent_works_on_the_readers_own_repository_unasked() {
    // Refused before the folder is looked at, so it need not be a repository.
    let output = ralph(&["demo", "--repo", "/", "--prompt", "TASK.md"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("--repo needs --agent"), "{text}");
    assert!(text.contains("`--agent claude`") && text.contains("`--agent scripted`"), "{text}");
}
