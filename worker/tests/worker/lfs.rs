//! Repositories that keep files in LFS: what the build finds, and what reaches the remote.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Fixture, KEY, progress, write};

pub const ATTRIBUTES: (&str, &str) =
    (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");

fn oid(content: &str) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file that git has in the place of content.
pub fn pointer(content: &str) -> String {
    let (oid, size) = (oid(content), content.len());
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n")
}

/// Where the remote keeps content.
pub fn kept(remote: &Path, content: &str) -> PathBuf {
    let oid = oid(content);
    remote.join("lfs/objects").join(&oid[..2]).join(&oid[2..4]).join(oid)
}

pub fn keep(remote: &Path, content: &str) {
    let path = kept(remote, content);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A remote with one file in LFS.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    keep(&fixture.remote(), "content of old.bin");
    fixture.seed("main", &[ATTRIBUTES, ("data/old.bin", &pointer("content of old.bin"))]);
    fixture
}

#[track_caller]
fn assert_kept(fixture: &Fixture, path: &str, content: &str) {
    assert_eq!(fixture.file("ralph/docs", path), Some(pointer(content)), "{path}");
    let found = fs::read_to_string(kept(&fixture.remote(), content)).ok();
    assert_eq!(found.as_deref(), Some(content), "{path}");
}

/// The content is in no object of git's.
#[track_caller]
fn assert_not_in_git(fixture: &Fixture, content: &str) {
    let all = fixture.remote_git(&["log", "-p", "--all", "--text", "--format="]);
    assert!(!all.contains(content), "{content}");
}

#[test]
fn content_is_there_for_the_build_and_new_content_is_pushed() {
    let mut fixture = fixture();
    let look = "cat data/old.bin; echo; echo status=$(git status --porcelain)=";
    let commit =
        "printf 'by the agent' > own.bin; git add -A; git commit -qm own; git lfs ls-files";
    fixture.calls(json!([
        [{"run": ["sh", "-c", look]}, write("new.bin", "by the worker"), write("a", "1")],
        [{"run": ["sh", "-c", look]}, {"run": ["sh", "-c", commit]}],
        [{"run": ["sh", "-c", format!("rm -rf .git; {look}")]}, write("data/new.bin", "later")],
        [{"run": ["sh", "-c", look]}, {"run": ["rm", "data/new.bin"]}, progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    assert_eq!(text.matches("content of old.bin\nstatus==").count(), 4, "{text}");
    assert_eq!(text.matches("own.bin\n").count(), 1, "{text}");
    assert_kept(&fixture, "data/old.bin", "content of old.bin");
    assert_kept(&fixture, "new.bin", "by the worker");
    assert_kept(&fixture, "own.bin", "by the agent");
    assert!(kept(&fixture.remote(), "later").is_file(), "a version that is gone now");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    let log = fixture.remote_git(&["log", "--format=%s", "ralph/docs", "--", "data/old.bin"]);
    assert_eq!(log, "somebody else's commit\n", "an unchanged file is a change");
}

#[test]
fn content_larger_than_a_file_may_be_is_pushed() {
    let mut fixture = fixture();
    let script = "head -c 53000000 /dev/zero > zero.bin";
    fixture.calls(json!([[{"run": ["sh", "-c", script]}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_kept(&fixture, "zero.bin", &"\0".repeat(53_000_000));
}

#[test]
fn content_that_was_committed_as_it_is_becomes_a_pointer() {
    let mut fixture = fixture();
    let script = "printf 'a raw blob' > raw.bin; \
        git -c filter.lfs.process= -c filter.lfs.clean=cat -c filter.lfs.required=false add raw.bin; \
        git commit -qm raw; git cat-file -p HEAD:raw.bin";
    fixture.calls(json!([[{"run": ["sh", "-c", script]}, write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("`raw.bin` is not pushed: it belongs into LFS"), "{done:#?}");
    assert_kept(&fixture, "raw.bin", "a raw blob");
    assert_not_in_git(&fixture, "a raw blob");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn content_that_is_hidden_from_the_filter_is_withheld() {
    let mut fixture = fixture();
    let script = "echo '*.bin -filter' > .git/info/attributes; printf 'a raw blob' > hidden.bin";
    fixture.calls(json!([
        [{"run": ["sh", "-c", script]}, write("a", "1")],
        [{"text": "prompt was: {prompt}"}, {"run": ["rm", ".git/info/attributes"]}, progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    assert!(text.contains("`hidden.bin` is not pushed: it belongs into LFS"), "{text}");
    assert!(text.contains("These files were not committed"), "{text}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert_not_in_git(&fixture, "a raw blob");
}

#[test]
fn a_credential_does_not_reach_the_remote_through_lfs() {
    let mut fixture = fixture();
    let commit = "git add -A; git commit -qm leak";
    fixture.calls(json!([
        [write("leak.bin", KEY), {"run": ["sh", "-c", commit]}, write("a", "1")],
        [write("good.bin", "good"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("`leak.bin` is not pushed: it holds a credential"), "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "leak.bin"), None);
    assert!(!kept(&fixture.remote(), KEY).exists());
    assert_kept(&fixture, "good.bin", "good");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn content_that_the_remote_does_not_have_is_named() {
    let mut fixture = fixture();
    fixture.seed("main", &[("lost.bin", &pointer("lost"))]);
    let look = json!({"run": ["sh", "-c", "cat data/old.bin lost.bin"]});
    fixture.calls(json!([[look, write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    assert!(text.contains("files of git-lfs could not be fetched (1): `lost.bin`"), "{text}");
    assert!(text.contains("content of old.binversion https"), "{text}");
    assert_eq!(fixture.file("ralph/docs", "lost.bin"), Some(pointer("lost")));
}

#[test]
fn without_git_lfs_nothing_is_lost_silently() {
    let mut fixture = fixture();
    let tools = fixture.path("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["git", "sh", "cat", "rm"] {
        let path = std::env::var_os("PATH").unwrap();
        let found =
            std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|p| p.is_file());
        symlink(found.unwrap(), tools.join(tool)).unwrap();
    }
    fixture.set("PATH", tools.to_str().unwrap());
    let look = json!({"run": ["sh", "-c", "cat data/old.bin"]});
    fixture.calls(json!([
        [look, write("new.bin", "new"), write("a", "1")],
        [{"text": "prompt was: {prompt}"}, {"run": ["rm", "new.bin"]}, progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    assert!(text.contains("git-lfs is not installed, so the files"), "{text}");
    assert!(text.contains("files of git-lfs could not be fetched (1): `data/old.bin`"), "{text}");
    assert!(text.contains("`new.bin` is not pushed: it cannot be stored in LFS"), "{text}");
    assert!(text.contains("These files were not committed"), "{text}");
    assert_eq!(fixture.file("ralph/docs", "data/old.bin"), Some(pointer("content of old.bin")));
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert_not_in_git(&fixture, "+new");
}

#[test]
fn content_that_others_push_meanwhile_is_fetched_too() {
    let mut fixture = fixture();
    let flag = fixture.path("go").display().to_string();
    let wait = format!("while ! test -e {flag}; do sleep 0.05; done");
    let look = "cat theirs.bin; echo; echo status=$(git status --porcelain)=";
    fixture.calls(json!([
        [{"text": "waiting"}, {"run": ["sh", "-c", wait]}, write("ours.bin", "ours")],
        [{"run": ["sh", "-c", look]}, progress(true)],
    ]));
    let mut running = fixture.spawn();
    running.until_text("waiting");
    keep(&fixture.remote(), "theirs");
    fixture.seed("ralph/docs", &[("theirs.bin", &pointer("theirs"))]);
    fs::write(flag, "").unwrap();
    let done = running.wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("theirs\nstatus=="), "{}", done.text());
    assert_kept(&fixture, "ours.bin", "ours");
    assert_kept(&fixture, "theirs.bin", "theirs");
}

#[test]
fn content_that_the_agent_merged_and_cannot_fetch_is_fetched() {
    let mut fixture = fixture();
    let flag = fixture.path("go").display().to_string();
    let wait = format!("while ! test -e {flag}; do sleep 0.05; done");
    // As where the remote wants a credential.
    let merge = "export GIT_LFS_SKIP_SMUDGE=1; git fetch -q origin main; git merge -q FETCH_HEAD; \
        cat theirs.bin";
    let look = "cat theirs.bin; echo; echo status=$(git status --porcelain)=";
    fixture.calls(json!([
        [{"text": "waiting"}, {"run": ["sh", "-c", wait]}, {"run": ["sh", "-c", merge]}],
        [{"run": ["sh", "-c", look]}, progress(true)],
    ]));
    let mut running = fixture.spawn();
    running.until_text("waiting");
    keep(&fixture.remote(), "theirs");
    fixture.seed("main", &[("theirs.bin", &pointer("theirs"))]);
    fs::write(flag, "").unwrap();
    let done = running.wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    assert!(text.contains(&pointer("theirs")), "{text}");
    assert!(text.contains("theirs\nstatus=="), "{text}");
    assert!(!text.contains("pushed so"), "{text}");
    assert_kept(&fixture, "theirs.bin", "theirs");
}

/// git-lfs can be told to run programs and to send content, and the credential, elsewhere.
#[test]
fn what_the_agent_tells_git_lfs_is_not_heard() {
    let mut fixture = fixture();
    let planted = fixture.path("planted").display().to_string();
    let settings = [
        format!("filter.lfs.clean 'touch {planted}'"),
        format!("filter.lfs.process 'touch {planted}'"),
        format!("lfs.extension.x.clean 'touch {planted}'"),
        "lfs.extension.x.priority 0".to_owned(),
        format!("lfs.customtransfer.x.path 'touch {planted}'"),
        "lfs.standalonetransferagent x".to_owned(),
        format!("lfs.url file://{planted}"),
        format!("lfs.storage {planted}"),
    ];
    let config: String = settings.iter().map(|set| format!("git config {set}; ")).collect();
    let plant = format!(
        "{config} printf '[lfs] pushurl = file://{planted}' > .lfsconfig; \
         printf new > new.bin; \
         o=$(printf forged | sha256sum | cut -d' ' -f1); \
         d=.git/lfs/objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-4); mkdir -p $d; \
         ln -s /etc/passwd $d/$o; \
         printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%s\\nsize 6\\n' $o > forged.bin"
    );
    fixture.calls(json!([[{"run": ["sh", "-c", plant]}, write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(!Path::new(&planted).exists(), "{done:#?}");
    assert_kept(&fixture, "new.bin", "new");
    assert!(done.text().contains("is not here, and are pushed so (1): `forged.bin`"), "{done:#?}");
    assert!(!kept(&fixture.remote(), "forged").exists());
}
