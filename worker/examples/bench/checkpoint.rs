//! A checkpoint of one changed byte in a large repository, beside a copy of its whole history.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use ralph_protocol::names::worker_env as env;
use ralph_worker::{
    config::{self, Environment},
    git::{Checkout, Workplace},
    journal::Journal,
    machine::{Ledger, Push, SaveOrder, Usd},
    redact::Redactor,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::row;

/// Files at the tip, and commits that each change one: four objects more, of which the largest is a
/// file that does not compress. 127,000 objects together.
const FILES: usize = 26_000;
const FILES_PER_FOLDER: usize = 100;
const FILE_BYTES: usize = 4_000;
const COMMITS: usize = 25_200;

/// Checkpoints that are measured; the quickest counts.
const ROUNDS: u32 = 3;

/// Seconds and megabytes written: the worker's checkpoint, and a copy of the repository.
pub fn rows() -> [Value; 2] {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    make_remote(dir);
    let copying = measure(|| {
        git(dir, &["init", "-q", "--bare", "copy.git"]);
        let (from, to) = (dir.join("remote.git"), dir.join("copy.git"));
        let fetch = ["fetch", "-q", from.to_str().expect("text"), "main:refs/heads/push"];
        git(&to, &fetch);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ours = runtime.expect("a runtime").block_on(checkpoints(dir));
    let peer = "git fetch of the whole history";
    [
        row(
            "checkpoint of a byte in 127,000 objects",
            "s",
            ours.0,
            Some((copying.0, peer)),
            0.5,
            true,
        ),
        row("written for that checkpoint", "MB", ours.1, Some((copying.1, peer)), 20.0, true),
    ]
}

async fn checkpoints(dir: &Path) -> (f64, f64) {
    let text = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let pairs = [
        (env::WORKSTREAM, "docs".to_owned()),
        (env::RUN, crate::RUN.to_owned()),
        (env::REPO, format!("file://{}", text("remote.git"))),
        (env::ALLOW_FILE_REPO, "1".to_owned()),
        (env::WORKDIR, text("work")),
        (env::MAX_ITERATIONS, "5".to_owned()),
        (env::MAX_DURATION_SECS, "3600".to_owned()),
        (env::MAX_COST_USD, "10".to_owned()),
        (env::ITERATION_TIMEOUT_SECS, "40".to_owned()),
        (env::SILENCE_SECS, "30".to_owned()),
        (env::MAX_STALLS, "2".to_owned()),
        (env::ANTHROPIC_KEYS, r#"{"keys":[{"id":"main","value":"not-a-real-key"}]}"#.to_owned()),
        (env::GIT_TOKEN, "{}".to_owned()),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
    let environment = Environment(BTreeMap::from(pairs));
    let (config, secrets) = config::read(&environment).expect("a configuration");
    let (workstream, run) = (config.workstream.clone(), config.run.clone());
    let redactor = Redactor::new([""; 0]);
    let journal = Journal::start(workstream, run, redactor, std::io::sink(), None);
    let (_hurry, hurried) = watch::channel(None);
    let mut checkout = Checkout::new(&config, &secrets, hurried, journal.expect("a journal"));
    checkout.prepare().await.expect("a checkout");
    let (mut seconds, mut megabytes) = (f64::MAX, f64::MAX);
    for round in 1..=ROUNDS {
        fs::write(checkout.dir.join("folder-1/file-126"), round.to_string()).expect("a file");
        let ledger = Ledger { iterations: round, cost: Usd::from_dollars(0.1) };
        let (begun, before) = (Instant::now(), written());
        let saved = checkout.save(SaveOrder { ledger, wip: false }).await;
        assert_eq!(saved.push, Push::Pushed, "{saved:?}");
        seconds = seconds.min(begun.elapsed().as_secs_f64());
        megabytes = megabytes.min(written() - before);
    }
    (seconds, megabytes)
}

/// A remote with a long history, whose content does not compress.
fn make_remote(dir: &Path) {
    git(dir, &["init", "-q", "--bare", "-b", "main", "remote.git"]);
    let mut import = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(dir.join("remote.git"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("git");
    let mut input = std::io::BufWriter::new(import.stdin.take().expect("a pipe"));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut add = |input: &mut dyn Write, file: usize| {
        let folder = file / FILES_PER_FOLDER;
        write!(input, "M 100644 inline folder-{folder}/file-{file}\ndata {FILE_BYTES}\n")?;
        for _ in 0..FILE_BYTES / 8 {
            // xorshift64: not random, but nothing that zlib finds.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            input.write_all(&state.to_le_bytes())?;
        }
        input.write_all(b"\n")
    };
    let mut write = || -> std::io::Result<()> {
        for commit in 0..=COMMITS {
            let who = "committer x <x@example.invalid>";
            write!(
                input,
                "commit refs/heads/main\n{who} {} +0000\ndata 0\n",
                1_700_000_000 + commit
            )?;
            if commit == 0 {
                write!(input, "M 100644 inline PROMPT.md\ndata 3\nGo.\n")?;
                (0..FILES).try_for_each(|file| add(&mut input, file))?;
            } else {
                add(&mut input, commit * 7 % FILES)?;
            }
        }
        input.flush()
    };
    write().expect("git");
    drop(input);
    assert!(import.wait().expect("git").success());
}

fn git(dir: &Path, args: &[&str]) {
    let status = Command::new("git").current_dir(dir).args(args).status();
    assert!(status.expect("git").success(), "git {args:?}");
}

fn measure(work: impl FnOnce()) -> (f64, f64) {
    let (begun, before) = (Instant::now(), written());
    work();
    (begun.elapsed().as_secs_f64(), written() - before)
}

/// What this process and its children that have ended have written, megabytes (proc(5), `wchar`).
#[expect(clippy::cast_precision_loss, reason = "exact below nine petabytes")]
fn written() -> f64 {
    let io = fs::read_to_string("/proc/self/io").expect("Linux");
    let bytes = io.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("wchar");
    bytes.parse::<u64>().expect("a number") as f64 / 1e6
}
