//! A measurement, not a test of CI: `just bench load` runs it. A hundred viewers watch a workstream
//! that writes a thousand lines a second for a minute.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex},
    time::{Duration, Instant},
};

use ralph_protocol::{
    event::timestamp_text,
    reassembly::{Client, Input, Options, Output},
    token::{Claims, ISSUER, Scope, mint},
};
use serde_json::json;

use crate::{
    cloud::cloud,
    requests::{create_stream, now_ms, put},
    secrets,
    socket::{Socket, handshake},
};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
const WORKSTREAM: &str = "load";
const VIEWERS: usize = 100;
const SECONDS: u64 = 60;
const A_SECOND: u64 = 1_000;
/// Lines of one PutLogEvents. The driver `awslogs` gathers for five seconds; this is one.
const BATCH: u64 = 1_000;
const LINES: u64 = SECONDS * A_SECOND;
/// How long after the last line the last viewer may take.
const PATIENCE: Duration = Duration::from_secs(420);

/// How long the viewers may take to come.
const ARRIVAL: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Seen {
    shown: BTreeMap<u64, usize>,
    lost: u64,
    /// How often the connection ended.
    ended: usize,
    /// From written to shown, ms.
    late: Vec<u64>,
}

fn connect(number: usize) -> Socket {
    let keys = secrets::signing_keys(cloud());
    let claims = Claims {
        iss: ISSUER.into(),
        aud: "ralph/dev".into(),
        sub: format!("viewer-{number}"),
        ws: Scope::Only(vec![WORKSTREAM.parse().expect("an id")]),
        jti: format!("load-{number}-{}", now_ms()),
        exp: now_ms() / 1_000 + 55,
        nbf: None,
    };
    let token = mint(&claims, &keys.current).expect("signs");
    let (status, socket) = handshake(cloud(), &format!("?token={token}"));
    socket.unwrap_or_else(|| panic!("refused with {status}"))
}

/// Where the writer waits until every viewer has come.
#[derive(Default)]
struct Gate {
    come: Mutex<usize>,
    more: Condvar,
}

impl Gate {
    /// Waits for all of them. One that never comes, because it was refused, ends the measurement.
    fn pass(&self) {
        let mut come = self.come.lock().expect("no panic");
        *come += 1;
        self.more.notify_all();
        let missing = |come: &mut usize| *come <= VIEWERS;
        let (come, waited) =
            self.more.wait_timeout_while(come, ARRIVAL, missing).expect("no panic");
        let come = *come;
        assert!(!waited.timed_out(), "{come} of {VIEWERS} viewers and the writer have come");
    }
}

fn watch(number: usize, ready: &Gate) -> Seen {
    let mut socket = connect(number);
    let options =
        Options { seed: Some(number as u64), ..Options::new(WORKSTREAM.parse().expect("an id")) };
    let mut client = Client::new(options);
    let mut seen = Seen::default();
    let mut input = Input::Connected;
    let (mut ended, mut waiting) = (false, true);
    let mut begun = Instant::now();
    while (seen.shown.len() as u64) < LINES {
        let now = now_ms();
        for output in client.handle(now, input) {
            match output {
                Output::Send(_) if ended => {}
                Output::Send(message) => {
                    // What cannot be sent is found to have ended when it is read.
                    let _ = socket.try_send(&serde_json::to_string(&message).expect("JSON"));
                }
                Output::Show(line) => {
                    *seen.shown.entry(line.seq).or_default() += 1;
                    seen.late.push(now.saturating_sub(line.ts));
                }
                Output::Lost { from, to, .. } => seen.lost += to - from + 1,
                Output::CaughtUp if waiting => {
                    ready.pass();
                    waiting = false;
                    begun = Instant::now();
                }
                Output::ShowRaw(_) | Output::CaughtUp | Output::Refused { .. } => {}
            }
        }
        if begun.elapsed() > Duration::from_secs(SECONDS) + PATIENCE {
            break;
        }
        // An end is told to the client's rules, and what they send goes to the next connection.
        if ended {
            socket = connect(number);
            input = Input::Connected;
            ended = false;
            continue;
        }
        input = match socket.unless_ended(Duration::from_millis(200)) {
            Ok(Some(frame)) => Input::frame(&frame),
            Ok(None) => Input::Tick,
            Err(error) => {
                eprintln!("viewer {number}: {error}");
                ended = true;
                seen.ended += 1;
                Input::Disconnected
            }
        };
    }
    seen
}

/// Begins when every viewer is caught up with nothing: what is measured is lines, not arrivals.
fn write(ready: &Gate) {
    let stream = "worker/worker/load";
    create_stream(stream);
    ready.pass();
    let begun = Instant::now();
    for first in (1..=LINES).step_by(usize::try_from(BATCH).expect("small")) {
        let due = Duration::from_millis((first - 1) * 1_000 / A_SECOND);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        let now = now_ms();
        let lines: Vec<_> = (first..first + BATCH)
            .map(|seq| {
                let event = json!({
                    "v": 1, "ts": timestamp_text(now), "workstream": WORKSTREAM, "run": RUN,
                    "seq": seq, "iter": 0, "level": "info", "type": "log",
                    "text": format!("line {seq} of a load that says nothing else"),
                });
                (now, event.to_string())
            })
            .collect();
        put(stream, &lines);
    }
    eprintln!("written after {:.0} s", begun.elapsed().as_secs_f64());
}

#[test]
#[ignore = "a measurement of minutes: `just bench load`"]
fn a_hundred_viewers_of_a_thousand_lines_a_second() {
    let ready = &Gate::default();
    let begun = Instant::now();
    let all: Vec<Seen> = std::thread::scope(|scope| {
        let viewers: Vec<_> =
            (0..VIEWERS).map(|number| scope.spawn(move || watch(number, ready))).collect();
        scope.spawn(|| write(ready));
        viewers.into_iter().map(|viewer| viewer.join().expect("a viewer")).collect()
    });
    let mut late: Vec<u64> = all.iter().flat_map(|seen| seen.late.iter().copied()).collect();
    assert!(!late.is_empty(), "nothing was shown");
    late.sort_unstable();
    let p = |percent: usize| late[(late.len() - 1) * percent / 100];
    let missing: u64 = all.iter().map(|seen| LINES - seen.shown.len() as u64).sum();
    let lost: u64 = all.iter().map(|seen| seen.lost).sum();
    let duplicated = all.iter().flat_map(|seen| seen.shown.values()).filter(|n| **n > 1).count();
    let ended: usize = all.iter().map(|seen| seen.ended).sum();
    eprintln!("{ended} connections ended; shown after {:.0} s", begun.elapsed().as_secs_f64());
    eprintln!("p50 {} ms, p99 {} ms, slowest {} ms", p(50), p(99), p(100));
    let name = format!("{VIEWERS} viewers, {A_SECOND} lines/s for {SECONDS} s, local cloud");
    for (what, unit, ours, goal) in [
        ("lines missing, lost or duplicated", "", missing + lost + duplicated as u64, Some(0)),
        ("p99 from written to shown", "ms", p(99), None),
    ] {
        println!(
            "{}",
            json!({
                "name": format!("{name}: {what}"), "unit": unit, "ours": ours, "peer": null,
                "peerName": null, "ratio": null, "goal": goal,
                "met": goal.map(|goal: u64| ours <= goal),
            })
        );
    }
    assert_eq!((missing, lost, duplicated), (0, 0, 0));
}
