//! A push whose time is over. A program of its own: the worker's sweep ends every process below it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use ralph_protocol::names::worker_env as env;
use ralph_worker::{
    config::{self, Environment},
    git::{Checkout, Workplace},
    journal::{Journal, now_ms},
    machine::{Ledger, Push, SaveOrder, Usd},
    redact::Redactor,
};
use tokio::sync::watch;

const RUN: &str = "01M7ZZZZZZ0000000000000000-0001";
const RESCUE: &str = "ralph/rescue/01M7ZZZZZZ0000000000000000-0001";

fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@example.invalid"]);
    let output = command.current_dir(dir).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn environment(dir: &Path) -> Environment {
    let text = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let repo = format!("file://{}", text("remote.git"));
    let pairs = [
        (env::WORKSTREAM, "docs"),
        (env::RUN, RUN),
        (env::REPO, &repo),
        (env::ALLOW_FILE_REPO, "1"),
        (env::WORKDIR, &text("work")),
        (env::MAX_ITERATIONS, "5"),
        (env::MAX_DURATION_SECS, "3600"),
        (env::MAX_COST_USD, "10"),
        (env::ITERATION_TIMEOUT_SECS, "40"),
        (env::SILENCE_SECS, "30"),
        (env::MAX_STALLS, "2"),
        (env::ANTHROPIC_KEYS, r#"{"keys":[{"id":"main","value":"not-a-real-key"}]}"#),
        (env::GIT_TOKEN, "{}"),
    ];
    let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Environment(pairs.collect::<BTreeMap<_, _>>())
}

#[test]
fn a_push_whose_time_is_over_goes_to_the_rescue_branch() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    git(dir, &["init", "-q", "--bare", "-b", "main", "remote.git"]);
    git(dir, &["clone", "-q", "remote.git", "seed"]);
    fs::write(dir.join("seed/PROMPT.md"), "Do the next task.\n").unwrap();
    git(&dir.join("seed"), &["add", "-A"]);
    git(&dir.join("seed"), &["commit", "-q", "-m", "first"]);
    git(&dir.join("seed"), &["push", "-q", "origin", "HEAD:main"]);
    // The remote takes forever with the branch, but not with a rescue branch.
    let hook = dir.join("remote.git/hooks/update");
    let script = "#!/bin/sh\ncase $1 in refs/heads/ralph/rescue/*) exit 0;; esac\nsleep 300\n";
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();

    let (config, secrets) = config::read(&environment(dir)).unwrap();
    let (workstream, run) = (config.workstream.clone(), config.run.clone());
    let redactor = Redactor::new([""; 0]);
    let journal = Journal::start(workstream, run, redactor, std::io::sink(), None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (hurry, hurried) = watch::channel(None);
        let mut checkout = Checkout::new(&config, &secrets, hurried, journal);
        checkout.prepare().await.unwrap();
        let order =
            SaveOrder { ledger: Ledger { iterations: 1, cost: Usd::from_dollars(0.5) }, wip: true };
        for file in ["one", "two"] {
            fs::write(checkout.dir.join(file), "1").unwrap();
            let begun = Instant::now();
            hurry.send_replace(Some(now_ms() + 1_500));
            let saved = checkout.save(order).await;
            let Push::Rescued { rescue, text } = saved.push else { panic!("{saved:?}") };
            assert_eq!(rescue, RESCUE);
            assert!(text.contains("took longer") || text.contains("not done in time"), "{text}");
            assert!(begun.elapsed() < Duration::from_secs(20));
            assert!(!saved.complete, "it is not on the branch");
        }
        // Nobody pushed anything else, so it is not a conflict when the rescue is refused too.
        let refusing =
            "#!/bin/sh\ncase $1 in refs/heads/ralph/rescue/*) exit 1;; esac\nsleep 300\n";
        fs::write(&hook, refusing).unwrap();
        fs::write(checkout.dir.join("never"), "1").unwrap();
        hurry.send_replace(Some(now_ms()));
        let saved = checkout.save(order).await;
        assert!(matches!(saved.push, Push::Failed(_)), "{saved:?}");
    });
    let files = git(&dir.join("remote.git"), &["ls-tree", "-r", "--name-only", RESCUE]);
    assert_eq!(files, "PROMPT.md\none\ntwo\n");
    let log =
        git(&dir.join("remote.git"), &["log", "--format=%(trailers:key=Ralph-Cost-Usd)", RESCUE]);
    assert!(log.contains("0.500000"), "{log}");
    assert_eq!(git(&dir.join("remote.git"), &["branch", "--list", "ralph/docs"]), "");
}
