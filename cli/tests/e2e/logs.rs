//! `ralph logs`: what the worker wrote, as its own journal has it.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use ralph_protocol::event::timestamp_text;
use serde_json::{Value, json};

use crate::{
    cloud::{cloud, ralph, stderr, stdout},
    requests::{create_stream, now_ms, put},
};

const WORKSTREAM: &str = "logs";

/// A run that is over: its journal, line by line. Made once, while `ralph logs -f` watched it.
struct Ran {
    journal: Vec<String>,
    followed: Output,
}

fn logs(more: &[&str]) -> Output {
    ralph(&["logs", WORKSTREAM, "--scratch", cloud().operator().scratch()])
        .args(more)
        .output()
        .expect("ralph runs")
}

fn ran() -> &'static Ran {
    // A failure is kept too: the workstream can be empty only once.
    static RAN: OnceLock<Result<Ran, String>> = OnceLock::new();
    RAN.get_or_init(|| {
        let mut follower =
            ralph(&["logs", WORKSTREAM, "--scratch", cloud().operator().scratch(), "--json"])
                .args(["--exit-code"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("ralph starts");
        // It says so when it has its first page, which is empty: the workstream has no run yet.
        let mut said = BufReader::new(follower.stderr.take().expect("a pipe"));
        let mut first = String::new();
        said.read_line(&mut first).expect("text");
        assert!(first.contains("`logs` has no run yet; waiting for its first line"), "{first}");
        let demo = ralph(&["demo", "--quiet", "--join", cloud().scratch_text()])
            .args(["--workstream", WORKSTREAM])
            .output()
            .expect("ralph runs");
        if !demo.status.success() {
            follower.kill().expect("a child");
            follower.wait().expect("a child");
            return Err(format!("{}{}", stdout(&demo), stderr(&demo)));
        }
        let followed = follower.wait_with_output().expect("ralph ends");
        let mut rest = String::new();
        said.read_to_string(&mut rest).expect("text");
        let journal = journal();
        Ok(Ran { journal, followed: Output { stderr: rest.into_bytes(), ..followed } })
    })
    .as_ref()
    .unwrap_or_else(|error| panic!("{error}"))
}

/// The journal of the workstream's one run.
fn journal() -> Vec<String> {
    let journals: Vec<PathBuf> =
        cloud().files().into_iter().filter(|file| file.ends_with("journal.jsonl")).collect();
    let needle = format!(r#""workstream":"{WORKSTREAM}""#);
    let texts = journals.iter().map(|file| std::fs::read_to_string(file).expect("a journal"));
    let text = texts.into_iter().find(|text| text.contains(&needle)).expect("the run's journal");
    text.lines().map(str::to_owned).collect()
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output).lines().map(str::to_owned).collect()
}

fn field(line: &str, name: &str) -> Value {
    serde_json::from_str::<Value>(line).expect("JSON")[name].clone()
}

#[test]
fn a_follower_shows_what_was_written_and_ends_with_the_workers_exit_code() {
    let ran = ran();
    assert_eq!(ran.followed.status.code(), Some(0), "{}", stderr(&ran.followed));
    // A line that does not arrive within two seconds is printed when it does.
    let mut followed = lines(&ran.followed);
    followed.sort_by_key(|line| field(line, "seq").as_u64());
    assert_eq!(followed, ran.journal);
}

#[test]
fn a_run_is_read_from_its_beginning_to_its_end() {
    let ran = ran();
    let run = field(&ran.journal[0], "run");
    let run = run.as_str().expect("a run");
    assert_eq!(lines(&logs(&["--json", "--run", run])), ran.journal);
    assert_eq!(lines(&logs(&["--json", "--since", "1h"])), ran.journal);
    // With -f it ends with the run.
    assert_eq!(lines(&logs(&["--json", "-f", "--run", run])), ran.journal);
}

#[test]
fn a_part_is_the_newest_lines_or_those_since_a_time() {
    let ran = ran();
    let newest = &ran.journal[ran.journal.len() - 7..];
    assert_eq!(lines(&logs(&["--json", "--tail", "7"])), newest);
    let middle = ran.journal.len() / 2;
    let time = field(&ran.journal[middle], "ts");
    let time = time.as_str().expect("a time");
    let later: Vec<String> = ran
        .journal
        .iter()
        .filter(|line| field(line, "ts").as_str().expect("a time") >= time)
        .cloned()
        .collect();
    assert!(later.len() < ran.journal.len());
    assert_eq!(lines(&logs(&["--json", "--since", time])), later);
}

#[test]
fn a_page_too_large_for_one_answer_is_whole_and_in_order() {
    const LINES: u64 = 400;
    let (name, run) = ("logs-large", "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001");
    let begun = now_ms();
    let text = "8 KB of text ".repeat(628);
    let lines: Vec<(u64, String)> = (1..=LINES)
        .map(|seq| {
            let ts = begun + seq;
            let event = json!({
                "v": 1, "ts": timestamp_text(ts), "workstream": name, "run": run, "seq": seq,
                "iter": 0, "level": "info", "type": "log", "text": text,
            });
            (ts, event.to_string())
        })
        .collect();
    let stream = "worker/worker/logs-large";
    create_stream(stream);
    // A batch holds a megabyte.
    lines.chunks(100).for_each(|batch| put(stream, batch));
    let logs = |more: &[&str]| {
        let output = ralph(&["logs", name, "--json", "--scratch", cloud().operator().scratch()])
            .args(more)
            .output()
            .expect("ralph runs");
        let text = stdout(&output);
        let numbers: Vec<u64> =
            text.lines().filter_map(|line| field(line, "seq").as_u64()).collect();
        numbers
    };
    // The functions take a moment with four megabytes.
    let waiting = Instant::now();
    while logs(&["--tail", "1"]) != [LINES] {
        assert!(waiting.elapsed() < Duration::from_secs(60), "the lines do not arrive");
    }
    let all: Vec<u64> = (1..=LINES).collect();
    for more in [&[][..], &["--run", run], &["--since", "1h"]] {
        assert_eq!(logs(more), all, "{more:?}");
    }
}

#[test]
fn for_people_there_is_a_heading_and_colour_only_where_it_is_wanted() {
    ran();
    let text = stdout(&logs(&["--tail", "3"]));
    let shown: Vec<&str> = text.lines().collect();
    assert_eq!(shown.len(), 4, "{text}");
    assert!(shown[0].starts_with("=== run 01"), "{text}");
    assert!(shown[3].contains("run.end") && shown[3].contains("(exit 0)"), "{text}");
    assert!(!text.contains('\u{1b}'));
    assert!(stdout(&logs(&["--tail", "3", "--color", "always"])).contains('\u{1b}'));
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    ran();
    let scratch = cloud().operator().scratch();
    let cases: [&[&str]; 16] = [
        &["--help"],
        &["help", "run"],
        &["--version"],
        &["completions", "bash"],
        &["cost"],
        &["plan", "--offline", "--", "-no-color"],
        &["ps", "-a", "--scratch", scratch],
        &["ps", "-a", "--json", "--scratch", scratch],
        &["token", "docs", "--scratch", scratch],
        &["token", "docs", "--url", "--scratch", scratch],
        &["keys", "list", "--scratch", cloud().keeper().scratch()],
        &["logs", WORKSTREAM, "--scratch", scratch],
        &["logs", WORKSTREAM, "--scratch", scratch, "--json", "--since", "1h"],
        &["logs", WORKSTREAM, "--scratch", scratch, "-f"],
        &["logs", WORKSTREAM, "--scratch", scratch, "--exit-code"],
        &["logs", WORKSTREAM, "--scratch", scratch, "--color", "always"],
    ];
    for words in cases {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = ralph(words).stdout(writer).output().expect("ralph runs");
        let said = stderr(&output);
        // Steps say how long they took, and every 20 s that they still run.
        let step = |line: &str| line.starts_with("  done  ") || line.starts_with("  …  ");
        let quiet = said.lines().all(step);
        assert!(output.status.code() == Some(0) && quiet, "{words:?}: {:?} {said}", output.status);
    }
}

#[test]
fn nobody_has_to_read_what_is_said_on_standard_error() {
    for (words, code) in [(&["ps", "--env", "moon"][..], 1), (&["fly"], 2)] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = ralph(words).stderr(writer).status().expect("ralph runs");
        assert_eq!(status.code(), Some(code), "{words:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else { return };
    let output = ralph(&["completions", "fish"]).stdout(full).output().expect("ralph runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write to standard output: "), "{}", stderr(&output));
}

#[test]
fn what_is_unknown_is_an_error_with_a_way_out() {
    let ran = ran();
    let run = field(&ran.journal[0], "run");
    let run = run.as_str().expect("a run");
    let next = run.replace("-0001", "-0002");
    let other = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
    let shows = format!("`just ralph ps -a --scratch {}` shows", cloud().operator().scratch());
    let unknown =
        |name: &str| format!("there is no workstream `{name}`, or its lines have expired");
    let no_run = |run: &str| format!("logs has no run {run}, or it has expired\nhint: ");
    let cases: [(&[&str], String); 8] = [
        (&["never-ran"], format!("{}\nhint: {shows}", unknown("never-ran"))),
        (&["lgos"], format!("{}\nhint: is it `logs`? {shows}", unknown("lgos"))),
        (&["never-ran", "--since", "1h"], unknown("never-ran")),
        (&["never-ran", "--tail", "3", "--json"], unknown("never-ran")),
        (&["logs", "--run", &next], no_run(&next)),
        (&["logs", "--run", other], no_run(other)),
        // Nothing waits for what cannot come.
        (&["logs", "-f", "--run", other], no_run(other)),
        (&["logs", "--exit-code", "--run", &next], no_run(&next)),
    ];
    for (words, said) in cases {
        let output = ralph(&["logs"])
            .args(words)
            .args(["--scratch", cloud().operator().scratch()])
            .output()
            .expect("ralph runs");
        let text = stderr(&output);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(1), ""),
            "{words:?}: {text}"
        );
        assert!(text.contains(&said), "{words:?}: {text}\nexpected: {said}");
    }
}
