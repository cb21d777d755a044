use std::{
    io::{self, Write},
    sync::mpsc,
    task::{Context, Waker},
};

use proptest::prelude::*;
use ralph_protocol::event::{Details, kind};

use super::*;
use crate::redact::Redactor;

/// A stdout whose lines a test reads; with a gate, it writes a line when it is let.
struct Out {
    gate: Option<mpsc::Receiver<()>>,
    lines: mpsc::Sender<Vec<u8>>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(gate) = &self.gate {
            gate.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        self.lines.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn usd(dollars: f64) -> Usd {
    Usd::from_dollars(dollars)
}

fn account(limit: f64, gate: Option<mpsc::Receiver<()>>) -> (Account, mpsc::Receiver<Vec<u8>>) {
    let (lines, out) = mpsc::channel();
    let run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001".parse().unwrap();
    let redactor = Redactor::new([""; 0]);
    let journal =
        Journal::start("w".parse().unwrap(), run, redactor, Out { gate, lines }, None).unwrap();
    (Account::new(usd(limit), journal), out)
}

/// The same, once the newest line is written.
fn heard(account: &Account, out: &mpsc::Receiver<Vec<u8>>) -> Vec<(f64, f64, f64)> {
    let line = account.shared.lock().line;
    assert!(block_on(account.shared.journal.written(line)));
    said(out)
}

/// Spent, reserved and the execution's sum, as the lines say.
fn said(out: &mpsc::Receiver<Vec<u8>>) -> Vec<(f64, f64, f64)> {
    out.try_iter()
        .map(|line| {
            let line = String::from_utf8(line).unwrap();
            let event = Details::parse(&line).unwrap();
            assert_eq!(event.kind, kind::SPEND);
            (event.spent_usd, event.reserved_usd, event.execution_usd)
        })
        .collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn what_is_reserved_is_said_before_it_is_spent_and_in_blocks() {
    let (account, out) = account(10.0, None);
    account.begin(Ledger { iterations: 3, cost: usd(4.0) });
    for _ in 0..4 {
        let mut reservation = block_on(account.reserve(usd(1.0))).unwrap_or_else(|_| panic!());
        reservation.sent(true);
        reservation.count(usd(0.05), Tokens::default(), true);
    }
    // Each is said before it is sent, with a fiftieth of the limit for what follows, and taken back.
    let lines = heard(&account, &out);
    assert_eq!(lines[..3], [(0.0, 1.2, 4.0), (0.05, 0.2, 4.05), (0.05, 1.2, 4.05)]);
    assert_eq!(lines.last(), Some(&(0.2, 0.2, 4.2)));
    for _ in 0..4 {
        let reservation = block_on(account.reserve(usd(0.04))).unwrap_or_else(|_| panic!());
        reservation.count(usd(0.01), Tokens::default(), true);
    }
    assert_eq!(heard(&account, &out), [], "small ones are covered already");
    account.say(5);
    assert_eq!(account.close().iterations, 2);
}

#[test]
fn beyond_the_log_limit_what_is_reserved_is_said_first_and_not_taken_back() {
    let (account, out) = account(10.0, None);
    account.shared.journal.limit_to(1);
    for _ in 0..1_000 {
        // The service refuses it: it costs nothing.
        drop(block_on(account.reserve(usd(1.0))).unwrap_or_else(|_| panic!()));
    }
    let mut reservation = block_on(account.reserve(usd(2.0))).unwrap_or_else(|_| panic!());
    reservation.sent(true);
    reservation.count(usd(3.0), Tokens::default(), true);
    let line = account.shared.lock().line;
    assert!(block_on(account.shared.journal.written(line)));
    let lines: Vec<String> = out.try_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    assert!(lines[0].contains("may log"), "{}", lines[0]);
    let bounds: Vec<f64> = lines[1..]
        .iter()
        .map(|line| Details::parse(line).unwrap())
        .map(|event| event.spent_usd + event.reserved_usd)
        .collect();
    assert_eq!(bounds, [1.2, 2.2, 3.2]);
    account.say(1);
    assert_eq!(heard(&account, &out), [(3.0, 0.0, 3.0)]);
}

#[test]
fn a_request_waits_for_a_stdout_that_is_blocked() {
    let (open, gate) = mpsc::channel();
    let (account, out) = account(10.0, Some(gate));
    let asked = account.clone();
    let waiting = std::thread::spawn(move || block_on(asked.reserve(usd(1.0))).is_ok());
    while account.shared.lock().line == 0 {
        std::thread::yield_now();
    }
    assert!(!waiting.is_finished());
    assert_eq!(said(&out), []);
    open.send(()).unwrap();
    assert!(waiting.join().unwrap());
}

#[test]
fn nothing_is_asked_for_when_stdout_is_gone() {
    let (account, out) = account(10.0, None);
    drop(out);
    assert_eq!(block_on(account.reserve(usd(1.0))).err(), Some(NoMoney::Unheard));
    assert_eq!(account.close().spent_usd, 0.0);
}

#[test]
fn what_is_never_counted_costs_its_reservation_if_it_was_sent() {
    let (account, _out) = account(10.0, None);
    drop(block_on(account.reserve(usd(1.0))));
    assert_eq!(account.metered(), Metered::default());
    let mut sent = block_on(account.reserve(usd(1.0))).unwrap_or_else(|_| panic!());
    sent.sent(true);
    drop(sent);
    let mut under_way = block_on(account.reserve(usd(2.0))).unwrap_or_else(|_| panic!());
    under_way.sent(true);
    let closed = account.close();
    assert_eq!((closed.spent_usd, closed.reserved_usd), (3.0, 0.0));
}

#[test]
fn a_request_that_could_pass_the_limit_waits_for_those_before_it() {
    let (account, _out) = account(1.0, None);
    let first = block_on(account.reserve(usd(1.0))).unwrap_or_else(|_| panic!());
    let second = account.reserve(usd(5.0));
    let mut second = std::pin::pin!(second);
    let mut context = Context::from_waker(Waker::noop());
    assert!(second.as_mut().poll(&mut context).is_pending());
    first.count(usd(0.9), Tokens::default(), true);
    let second = block_on(second).unwrap_or_else(|_| panic!());
    second.count(usd(0.2), Tokens::default(), true);
    assert!(account.is_empty());
    assert_eq!(block_on(account.reserve(usd(0.1))).err(), Some(NoMoney::OverBudget));
}

#[test]
fn an_unknown_price_stays_reserved_until_the_agent_has_said_the_sum() {
    let (account, out) = account(10.0, None);
    let reservation = block_on(account.reserve(usd(1.0))).unwrap_or_else(|_| panic!());
    reservation.count(usd(6.0), Tokens::default(), false);
    account.say(0);
    assert_eq!(heard(&account, &out).last(), Some(&(0.0, 6.0, 0.0)));
    let metered = account.metered();
    account.end_attempt(metered, usd(0.5));
    account.say(1);
    assert_eq!(heard(&account, &out), [(0.5, 0.0, 0.5)]);
    assert_eq!(account.metered(), Metered::default());
}

#[test]
fn what_is_counted_after_an_attempt_is_the_next_ones() {
    let (account, _out) = account(10.0, None);
    let late = block_on(account.reserve(usd(1.0))).unwrap_or_else(|_| panic!());
    let early = block_on(account.reserve(usd(1.0))).unwrap_or_else(|_| panic!());
    early.count(usd(0.1), Tokens { input: 7, ..Tokens::default() }, true);
    let metered = account.metered();
    late.count(usd(0.2), Tokens { input: 5, ..Tokens::default() }, true);
    // The agent says more than was metered.
    account.end_attempt(metered, usd(0.4));
    let next = account.metered();
    assert_eq!((next.known, next.tokens.input), (usd(0.2), 5));
    assert_eq!(account.close().spent_usd, 0.6);
}

proptest! {
    // Each case has a journal with a thread of its own.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Requests begin, end, are given up and are never heard of, in any order: the newest line
    /// bounds what was spent, the sum only grows, and the limit is passed by less than one
    /// reservation.
    #[test]
    fn the_newest_line_bounds_what_was_spent(
        steps in prop::collection::vec((0u8..6, 1u32..2_000_000, 0u32..100), 1..60),
    ) {
        let limit = 5.0;
        let (account, out) = account(limit, None);
        let mut open: Vec<(Reservation, Usd)> = Vec::new();
        let mut truth = Usd::default();
        let mut lines = vec![(0.0, 0.0, 0.0)];
        for (what, micros, part) in steps {
            let most = Usd::from_micros(micros.into());
            let cost = Usd::from_micros(u64::from(micros) * u64::from(part) / 100);
            match what {
                0..3 => {
                    let mut asked = std::pin::pin!(account.reserve(most));
                    let mut context = Context::from_waker(Waker::noop());
                    // Those that wait for others are given up here.
                    while account.shared.lock().committed() < usd(limit) {
                        if let std::task::Poll::Ready(answer) = asked.as_mut().poll(&mut context) {
                            let Ok(mut reservation) = answer else { break };
                            reservation.sent(true);
                            open.push((reservation, most));
                            break;
                        }
                        if account.shared.lock().under_way != Usd::default() {
                            std::thread::yield_now();
                        }
                    }
                }
                3 => if let Some((reservation, most)) = open.pop() {
                    let cost = cost.min(most);
                    reservation.count(cost, Tokens::default(), true);
                    truth = truth.plus(cost);
                },
                4 => if !open.is_empty() {
                    let (reservation, most) = open.remove(0);
                    drop(reservation);
                    truth = truth.plus(most);
                },
                _ => account.say(0),
            }
            lines.extend(heard(&account, &out));
            let (spent, reserved, _) = *lines.last().unwrap();
            let under_way = open.iter().fold(Usd::default(), |sum, (_, most)| sum.plus(*most));
            prop_assert!(spent + reserved + 1e-9 >= truth.plus(under_way).dollars());
            let blocks = 2.0 * limit / 50.0;
            prop_assert!(spent + reserved <= truth.plus(under_way).dollars() + blocks + 1e-9);
            prop_assert!(truth.plus(under_way).dollars() < limit + 2.0);
        }
        prop_assert!(lines.is_sorted_by(|a, b| a.0 <= b.0), "{lines:?}");
        let under_way = open.iter().fold(truth, |sum, (_, most)| sum.plus(*most));
        prop_assert_eq!(account.close().spent_usd, under_way.dollars());
    }
}
