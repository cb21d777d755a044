//! What a repository may hold, and what is refused before any money is spent.

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{Fixture, git, progress, write};

fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.counted_calls(json!([[write("a", "1"), progress(true)]]));
    fixture
}

#[track_caller]
fn refused(fixture: &Fixture, code: i32, texts: &[&str]) {
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (code, 0), "{done:#?}");
    for text in texts {
        assert!(done.text().contains(text), "{text}: {}", done.text());
    }
    let output = fixture.command().arg("validate").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("error: {}", texts[0])), "{said}");
}

#[test]
fn a_repository_of_sha_256_is_refused_with_the_reason() {
    let fixture = fixture();
    std::fs::remove_dir_all(fixture.remote()).unwrap();
    let init = ["init", "-q", "--bare", "-b", "main", "--object-format=sha256", "remote.git"];
    git(fixture.dir.path(), &init);
    fixture.seed("main", &[("PROMPT.md", "Do the next task.\n")]);
    refused(
        &fixture,
        20,
        &["the repository names its objects by SHA-256", "hint: push its history"],
    );
}

#[test]
fn a_branch_that_is_in_the_way_is_named() {
    for (branch, other) in [("ralph/docs", "ralph"), ("ralph/docs", "ralph/docs/x"), ("a/b/c", "a")]
    {
        let mut fixture = fixture();
        fixture.seed(other, &[]);
        fixture.set(env::BRANCH, branch);
        let what = format!(
            "the branch `{branch}` cannot be made, because the repository has a branch `{other}`"
        );
        let hint = format!("such as {}", branch.replace('/', "-"));
        refused(&fixture, 30, &[&what, &hint]);
        assert_eq!(
            fixture.remote_git(&["for-each-ref", "--format=%(refname)", "refs/heads/ralph/rescue"]),
            ""
        );
    }
}

#[test]
fn the_workstream_rescue_is_refused() {
    let mut fixture = fixture();
    fixture.set(env::WORKSTREAM, "rescue");
    let done = fixture.run();
    assert_eq!((done.code, fixture.count()), (Some(30), 0), "{done:#?}");
    assert!(done.stderr.contains("not `rescue`: branches below ralph/rescue hold"), "{done:#?}");
}
