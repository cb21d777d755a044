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
    let init = ["init", "-q", "-b", "main", "--object-format=sha256"];
    git(fixture.dir.path(), &[&init[..], &["--bare", "remote.git"]].concat());
    git(fixture.dir.path(), &[&init[..], &["seed"]].concat());
    let seed = fixture.path("seed");
    git(&seed, &["commit", "-q", "--allow-empty", "-m", "first"]);
    git(&seed, &["push", "-q", "../remote.git", "main"]);
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

/// What the agent saw of the repository, with what the tests compare it to.
const LOOK: &str = "echo seen $(git describe --tags) \
    $(git diff --name-only origin/main...HEAD | paste -sd,) \
    $(git symbolic-ref refs/remotes/origin/HEAD) \
    pushed:$(git rev-parse --verify -q origin/ralph/docs) head:$(git rev-parse HEAD)";

#[test]
fn tags_and_the_base_branch_are_in_the_checkout_and_after_a_rebuild() {
    let mut fixture = Fixture::new();
    fixture.remote_git(&["tag", "v1", "main"]);
    let tag = ["-c", "user.name=x", "-c", "user.email=x", "tag", "-a", "-m", "x", "v2", "main"];
    fixture.seed("main", &[("b", "1")]);
    fixture.remote_git(&tag);
    fixture.seed("side", &[("c", "1")]);
    fixture.remote_git(&["tag", "elsewhere", "side"]);
    let look = json!({"run": ["sh", "-c", LOOK]});
    fixture.calls(json!([
        [look, write("a", "1"), {"run": ["git", "tag", "mine"]}],
        [look, {"run": ["rm", "-rf", ".git"]}, write("a", "2")],
        [look, progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    let seen: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("seen ")?.split(' ').collect()))
        .collect();
    assert_eq!(seen.len(), 3, "{text}");
    let main = "refs/remotes/origin/main";
    assert_eq!(seen[0][..3], ["v2", main, "pushed:"], "{text}");
    for (seen, describe) in seen[1..].iter().zip(["v2-1-g", "v2-2-g"]) {
        assert!(seen[0].starts_with(describe), "{text}");
        assert_eq!(seen[1..3], ["a", main], "{text}");
        assert_eq!(seen[3].replace("pushed:", "head:"), seen[4], "{text}");
    }
    assert!(text.contains("has a new `.git`"), "{text}");
    assert_eq!(fixture.remote_git(&["tag"]), "elsewhere\nv1\nv2\n", "a tag was pushed");
}

#[test]
fn the_base_is_there_when_it_is_not_the_default_branch() {
    let mut fixture = Fixture::new();
    fixture.seed("next", &[("n", "1")]);
    fixture.set(env::BASE, "next");
    let look =
        "git rev-parse origin/next origin/main HEAD && git diff --name-only origin/main...HEAD";
    fixture.calls(json!([[{"run": ["sh", "-c", look]}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let id = |branch| fixture.remote_git(&["rev-parse", branch]);
    let expected = format!("{}{}{}n", id("next"), id("main"), id("next"));
    assert!(done.text().contains(&expected), "{}", done.text());
}

#[test]
fn ten_thousand_tags_are_one_file() {
    let mut fixture = Fixture::new();
    let refs = fixture.remote().join("packed-refs");
    let head = fixture.remote_git(&["rev-parse", "main"]);
    let tags: String =
        (0..10_000).map(|n| format!("{} refs/tags/v{n:05}\n", head.trim())).collect();
    std::fs::write(refs, format!("# pack-refs with: sorted\n{tags}")).unwrap();
    let look = "git tag | wc -l; find .git/refs/tags -type f | wc -l";
    fixture.calls(json!([[{"run": ["sh", "-c", look]}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("10000\n0"), "{}", done.text());
}
