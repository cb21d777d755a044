//! Facts about the client's rules, against a small model of a server: it holds a log, delivers it
//! badly, answers requests from what it holds, and tells where runs stand.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ralph_protocol::{
    event::timestamp_text,
    ids::Run,
    message::{ClientMessage, Logs, RunInfo, SendLogs, ServerMessage, Source},
    reassembly::{Client, Input, Options, Output},
    table::RunState,
};
use serde_json::value::RawValue;

const START: u64 = 1_700_000_000_000;

fn run(n: u32) -> Run {
    format!("01HF7YAT000000000000000000-{n:04}").parse().unwrap()
}

fn event(run: &Run, seq: u64, last: bool) -> Box<RawValue> {
    let kind = if last { "run.end" } else { "log" };
    let ts = timestamp_text(START + seq);
    RawValue::from_string(format!(
        r#"{{"v":1,"ts":"{ts}","workstream":"w","run":"{run}","seq":{seq},"type":"{kind}"}}"#
    ))
    .unwrap()
}

/// A server with a log of runs of these lengths, of which CloudWatch has lost some events.
struct Server {
    lengths: Vec<u64>,
    lost: BTreeSet<(u32, u64)>,
}

impl Server {
    fn events(&self) -> impl Iterator<Item = (u32, u64)> {
        self.lengths
            .iter()
            .zip(1u32..)
            .flat_map(|(&length, n)| (1..=length).map(move |seq| (n, seq)))
    }

    fn logs(&self, which: &[(u32, u64)], id: Option<String>) -> ServerMessage {
        let events = which
            .iter()
            .map(|&(n, seq)| event(&run(n), seq, seq == self.lengths[n as usize - 1]))
            .collect();
        ServerMessage::Logs(Logs {
            id,
            workstream: "w".parse().unwrap(),
            source: Source::Live,
            events,
        })
    }

    fn runs(&self) -> ServerMessage {
        let runs = self.lengths.iter().zip(1u32..).map(|(&length, n)| RunInfo {
            run: run(n),
            attempt: n,
            started_at: START,
            last_seq: length,
            last_ts: START + length,
            state: RunState::Ended,
            reason: None,
            exit: Some(0),
            spent_usd: None,
            pull_request: None,
            raw: None,
        });
        ServerMessage::Runs { workstream: "w".parse().unwrap(), runs: runs.collect() }
    }

    fn answer(&self, ask: &SendLogs) -> Vec<ServerMessage> {
        let in_ranges = |n: u32, seq: u64| match (&ask.ranges, &ask.run) {
            (Some(ranges), _) => ranges.iter().any(|range| {
                range.run == run(n) && seq >= range.from && range.to.is_none_or(|to| seq <= to)
            }),
            (None, Some(only)) => *only == run(n),
            (None, None) => true,
        };
        let mut found: Vec<(u32, u64)> = self
            .events()
            .filter(|&(n, seq)| !self.lost.contains(&(n, seq)) && in_ranges(n, seq))
            .collect();
        let mut cursor = None;
        if ask.ranges.is_none() {
            let limit = ask.limit.unwrap_or(1000) as usize;
            if found.len() > limit {
                found.drain(..found.len() - limit);
                cursor = Some("older".to_owned());
            }
        }
        vec![
            self.logs(&found, ask.id.clone()),
            self.runs(),
            ServerMessage::CaughtUp {
                id: ask.id.clone(),
                workstream: "w".parse().unwrap(),
                complete: true,
                cursor,
                read_to: None,
                settled: false,
            },
        ]
    }
}

#[derive(Default)]
struct Screen {
    shown: BTreeMap<(Run, u64), u32>,
    lost: BTreeSet<(Run, u64)>,
}

/// Runs the client until nothing is missing, or time is out (an hour).
fn finish(
    client: &mut Client,
    server: &Server,
    now: &mut u64,
    screen: &mut Screen,
    mut out: Vec<Output>,
) {
    let end = *now + 3_600_000;
    loop {
        let mut answers = Vec::new();
        for output in out.drain(..) {
            match output {
                Output::Show(line) => *screen.shown.entry((line.run, line.seq)).or_default() += 1,
                Output::Lost { run, from, to } => {
                    screen.lost.extend((from..=to).map(|seq| (run.clone(), seq)));
                }
                Output::Send(ClientMessage::SendLogs(ask)) => answers.extend(server.answer(&ask)),
                Output::Send(ClientMessage::Ping {}) => {
                    answers.push(server.runs());
                    answers.push(ServerMessage::Pong {});
                }
                Output::Send(ClientMessage::ListWorkstreams(_)) => {
                    unreachable!("who follows a workstream asks for no list")
                }
                Output::ShowRaw(_) | Output::CaughtUp | Output::Refused { .. } => {}
            }
        }
        if answers.is_empty() {
            if client.is_caught_up() || *now > end {
                return;
            }
            *now = client.next_tick().unwrap_or(*now + 1000).max(*now + 1);
            out = client.handle(*now, Input::Tick);
        }
        for message in answers {
            out.extend(client.handle(*now, Input::Message(message)));
        }
    }
}

/// A delivery: events by index, or a moment without a connection.
#[derive(Debug, Clone)]
enum Step {
    Deliver(Vec<prop::sample::Index>),
    Reconnect,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(any::<prop::sample::Index>(), 1..8).prop_map(Step::Deliver),
        1 => Just(Step::Reconnect),
        2 => (0u64..5_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..30)
}

proptest! {
    #[test]
    fn every_client_ends_with_what_cloudwatch_holds_once_and_knows_what_is_lost(
        lengths in prop::collection::vec(1u64..40, 1..4),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        steps in steps(),
        overlap in 0u64..10,
        seed in any::<u64>(),
    ) {
        let mut server = Server { lengths, lost: BTreeSet::new() };
        let all: Vec<(u32, u64)> = server.events().collect();
        server.lost = lost.iter().map(|index| *index.get(&all)).collect();
        let options = Options { overlap, seed: Some(seed), ..Options::new("w".parse().unwrap()) };
        let mut client = Client::new(options);
        let mut screen = Screen::default();
        let mut now = START + 1_000;
        // What is lost to replay may still be delivered live; count it as seen then.
        let mut delivered = BTreeSet::new();
        let out = client.handle(now, Input::Connected);
        finish(&mut client, &Server { lengths: vec![], lost: BTreeSet::new() }, &mut now, &mut screen, out);
        for step in steps {
            let out = match step {
                Step::Deliver(indices) => {
                    let which: Vec<_> = indices.iter().map(|index| *index.get(&all)).collect();
                    delivered.extend(which.iter().copied());
                    client.handle(now, Input::Message(server.logs(&which, None)))
                }
                Step::Reconnect => {
                    client.handle(now, Input::Disconnected);
                    client.handle(now, Input::Connected)
                }
                Step::Wait(ms) => {
                    now += ms;
                    client.handle(now, Input::Tick)
                }
            };
            // Requests of this phase are not answered: they are lost with the connection.
            for output in out {
                if let Output::Show(line) = output {
                    *screen.shown.entry((line.run, line.seq)).or_default() += 1;
                }
            }
        }
        client.handle(now, Input::Disconnected);
        let out = client.handle(now, Input::Connected);
        finish(&mut client, &server, &mut now, &mut screen, out);

        prop_assert!(client.is_caught_up());
        for &(n, seq) in &all {
            let key = (run(n), seq);
            let gone = server.lost.contains(&(n, seq)) && !delivered.contains(&(n, seq));
            prop_assert_eq!(screen.shown.get(&key).copied(), (!gone).then_some(1), "{:?}", key);
            prop_assert_eq!(screen.lost.contains(&key), gone, "{:?}", key);
        }
    }
}

#[test]
fn the_first_page_bounds_what_may_be_missed() {
    let server = Server { lengths: vec![50, 50], lost: BTreeSet::new() };
    let mut client = Client::new(Options { limit: 20, ..Options::new("w".parse().unwrap()) });
    let mut now = START + 1_000;
    let mut screen = Screen::default();
    let out = client.handle(now, Input::Connected);
    finish(&mut client, &server, &mut now, &mut screen, out);
    assert!(client.is_caught_up());
    assert_eq!((client.pending(&run(1)), client.pending(&run(2))), (0, 0));
    assert!(screen.shown.keys().all(|(shown, _)| *shown == run(2)));
}

#[test]
fn a_late_line_is_shown_in_its_place_when_it_comes_within_the_patience() {
    let server = Server { lengths: vec![5], lost: BTreeSet::new() };
    let mut client = Client::new(Options::new("w".parse().unwrap()));
    let empty = Server { lengths: vec![], lost: BTreeSet::new() };
    let mut now = START;
    let out = client.handle(now, Input::Connected);
    finish(&mut client, &empty, &mut now, &mut Screen::default(), out);
    let mut shown = Vec::new();
    for which in [[(1, 1)], [(1, 3)], [(1, 2)]] {
        now += 100;
        for output in client.handle(now, Input::Message(server.logs(&which, None))) {
            if let Output::Show(line) = output {
                shown.push(line.seq);
            }
        }
    }
    assert_eq!(shown, [1, 2, 3]);
}

#[test]
fn a_throttled_client_keeps_quiet_as_long_as_it_is_told() {
    let mut client = Client::new(Options::new("w".parse().unwrap()));
    client.handle(START, Input::Connected);
    let error = ServerMessage::read(
        r#"{"type":"error","id":"1","code":"throttled","message":"slow down","retryAfterMs":5000}"#,
    );
    client.handle(START + 10, Input::Message(error.unwrap()));
    assert_eq!(client.handle(START + 4_000, Input::Tick), []);
    assert!(!client.handle(START + 5_010, Input::Tick).is_empty());
}

#[test]
fn what_is_missed_together_is_asked_for_together_until_it_is_given_up() {
    let nothing = Server { lengths: vec![0; 50], lost: BTreeSet::new() };
    let every_second = (1..=50).map(|n| (1, n * 2)).collect();
    let half = Server { lengths: vec![101], lost: every_second };
    for (server, what) in [(nothing, "fifty runs without a line"), (half, "fifty lost lines")] {
        let mut client = Client::new(Options::new("w".parse().unwrap()));
        let mut now = START;
        let mut outputs = client.handle(now, Input::Connected);
        let mut requests = 0;
        loop {
            for output in std::mem::take(&mut outputs) {
                let answers = match output {
                    Output::Send(ClientMessage::SendLogs(ask)) => {
                        requests += 1;
                        server.answer(&ask)
                    }
                    Output::Send(ClientMessage::Ping {}) => {
                        vec![server.runs(), ServerMessage::Pong {}]
                    }
                    _ => continue,
                };
                for answer in answers {
                    outputs.extend(client.handle(now, Input::Message(answer)));
                }
            }
            if outputs.is_empty() {
                let Some(next) = client.next_tick().filter(|&at| at < START + 600_000) else {
                    break;
                };
                now = next;
                outputs = client.handle(now, Input::Tick);
            }
        }
        assert!(client.is_caught_up(), "{what}");
        // At 2, 3, 5, 9, 17, 32, 62, … s, until five minutes have passed, and once from the start.
        assert!((12..40).contains(&requests), "{what}: {requests} requests");
    }
}

#[test]
fn a_page_from_a_time_on_misses_nothing_older() {
    let server = Server { lengths: vec![50, 50], lost: BTreeSet::new() };
    let since = Some(START + 40);
    let mut client = Client::new(Options { since, ..Options::new("w".parse().unwrap()) });
    let out = client.handle(START, Input::Connected);
    let Some(Output::Send(ClientMessage::SendLogs(ask))) = out.first() else { panic!("{out:?}") };
    assert_eq!(ask.since, since);
    // The server found no line: that says nothing of what the runs wrote before.
    client.handle(START, Input::Message(server.runs()));
    let none = ServerMessage::CaughtUp {
        id: ask.id.clone(),
        workstream: "w".parse().unwrap(),
        complete: true,
        cursor: None,
        read_to: None,
        settled: false,
    };
    client.handle(START, Input::Message(none));
    for output in client.handle(START + 10_000, Input::Tick) {
        if let Output::Send(ClientMessage::SendLogs(ask)) = output {
            assert!(ask.ranges.unwrap().iter().all(|range| range.from > 50));
        }
    }
    assert_eq!((client.pending(&run(1)), client.pending(&run(2))), (0, 0));
}

#[test]
fn a_client_of_one_run_is_not_concerned_with_the_others() {
    let server = Server { lengths: vec![5, 5, 5], lost: BTreeSet::new() };
    let only = Some(run(2));
    let mut client = Client::new(Options { run: only, ..Options::new("w".parse().unwrap()) });
    let mut now = START + 1_000;
    let mut screen = Screen::default();
    let out = client.handle(now, Input::Connected);
    finish(&mut client, &server, &mut now, &mut screen, out);
    // A live line of another run.
    let other = client.handle(now, Input::Message(server.logs(&[(3, 4)], None)));
    assert!(!other.iter().any(|output| matches!(output, Output::Show(_))), "{other:?}");
    assert!(client.is_caught_up());
    assert!(screen.shown.keys().all(|(shown, _)| *shown == run(2)));
    assert_eq!(screen.shown.len(), 5);
}
