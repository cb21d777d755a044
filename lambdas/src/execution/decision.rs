//! The rules of docs/operations.md, "Executions, restarts and their limits", as a pure function of
//! what is known and the time.

use ralph_protocol::{
    execution::{
        End, EndKind, Ending, Next, Outcome, Output, Overrides, Progress, RunTask, Tail, Used,
        WaitFor,
    },
    exit::RunExit,
    names::{FARGATE, FARGATE_SPOT},
};

use super::settlement;

/// Most restarts after an interruption of Spot capacity.
pub const MAX_INTERRUPTIONS: u32 = 50;
/// Most restarts after the worker waited (exit 76).
pub const MAX_WAITS: u32 = 100;
/// Most restarts in a row after any other end; an interruption or a wait in between resets it.
pub const MAX_IN_A_ROW: u32 = 3;
/// Most restarts after any other end, all told.
pub const MAX_OTHERS: u32 = 20;
/// Starts that found no Spot capacity before on-demand capacity is asked for.
pub const SPOT_TRIES: u32 = 5;
/// Starts that found no capacity of either kind before the execution gives up.
pub const MAX_WITHOUT_CAPACITY: u32 = 20;
/// Seconds before the first restart for lack of capacity; each later one waits twice as long.
const CAPACITY_WAIT_SECS: u64 = 30;
/// Longest of those waits, seconds.
const CAPACITY_WAIT_MAX_SECS: u64 = 600;
/// Seconds before a restart after any other end, times the number of them in a row.
const PAUSE_SECS: u64 = 15;
/// Seconds to wait when the last lines of a worker that waits do not say until when.
const RESET_UNKNOWN_SECS: u64 = 900;
/// Seconds that a task may outlive the deadline: the worker ends itself at the deadline, and what
/// it then commits and pushes takes a while.
const GRACE_SECS: u64 = 600;

/// What is known beside where the execution stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// How the run ended; `None` after a wait.
    pub end: Option<&'a End>,
    /// Somebody asked for the execution to stop.
    pub stop_requested: bool,
    /// Another execution holds the lease: this one failed, and somebody started it again.
    pub taken_over: bool,
    /// What the newest run's log stream says, where it matters; `None` when the run has none.
    pub tail: Option<Tail>,
}

/// Begins the next run, unless the deadline has passed. `now` is in ms since the epoch.
#[must_use]
pub fn begin(mut progress: Progress, now: u64) -> Next {
    if now >= progress.deadline {
        return out_of_time(&progress);
    }
    progress.attempt += 1;
    let Ok(Some(id)) = progress.run() else {
        return give_up(&progress, "a run's id counts to 9999");
    };
    let spot = progress.without_capacity < SPOT_TRIES;
    let run = RunTask {
        capacity_provider: if spot { FARGATE_SPOT } else { FARGATE }.to_owned(),
        timeout_seconds: (progress.deadline - now).div_ceil(1000) + GRACE_SECS,
        overrides: Overrides::of(&progress.order, &id, progress.used()),
    };
    Next::Run { progress, run }
}

/// Decides what follows a run or a wait. A run is settled before anything else is decided about its
/// end. `now` is in ms since the epoch.
#[must_use]
pub fn decide(mut progress: Progress, facts: Facts<'_>, now: u64) -> Next {
    let new = facts.end.map(|end| Ending::new(end.clone(), now));
    let Some(ending) = new.or_else(|| progress.ending.take()) else {
        return after_wait(progress, facts, now);
    };
    if let Some((ending, seconds)) = settlement::pending(&ending, facts.tail, now) {
        // Not bounded by the deadline: what was spent is told whenever the execution ends.
        progress.waiting_for = Some(WaitFor::Settlement);
        progress.ending = Some(ending);
        return Next::Wait { progress, seconds };
    }
    if let Some(ledger) = &mut progress.ledger {
        ledger.set(progress.attempt, facts.tail.unwrap_or_default().used);
    }
    after_run(progress, &ending.end, facts, now)
}

fn after_run(mut progress: Progress, end: &End, facts: Facts<'_>, now: u64) -> Next {
    progress.waiting_for = None;
    // What kept an earlier task from starting can pass once a worker has run.
    let ran_before = progress.started;
    progress.started |= end.started;
    (progress.exit, progress.reason) = (end.exit, end.reason.clone());
    match end.kind() {
        EndKind::Stopped => stopped(&progress),
        EndKind::Final(exit) => ended(&progress, outcome(exit), exit.about().to_owned()),
        _ if facts.stop_requested => stopped(&progress),
        _ if facts.taken_over => busy(&progress),
        EndKind::Interrupted if progress.interruptions < MAX_INTERRUPTIONS => {
            progress.interruptions += 1;
            (progress.others_in_a_row, progress.without_capacity) = (0, 0);
            begin(progress, now)
        }
        EndKind::Interrupted => {
            let times = MAX_INTERRUPTIONS + 1;
            give_up(&progress, &format!("Spot capacity was taken back {times} times"))
        }
        EndKind::Waiting if progress.waits < MAX_WAITS => {
            progress.waits += 1;
            (progress.others_in_a_row, progress.without_capacity) = (0, 0);
            until_reset(progress, facts, now)
        }
        EndKind::Waiting => {
            give_up(&progress, &format!("the worker waited {} times", MAX_WAITS + 1))
        }
        EndKind::TimedOut => out_of_time(&progress),
        EndKind::NoCapacity if progress.without_capacity < MAX_WITHOUT_CAPACITY => {
            let seconds = CAPACITY_WAIT_SECS << progress.without_capacity;
            progress.without_capacity += 1;
            wait(progress, WaitFor::Capacity, seconds.min(CAPACITY_WAIT_MAX_SECS), now)
        }
        EndKind::NoCapacity => {
            let starts = MAX_WITHOUT_CAPACITY + 1;
            give_up(&progress, &format!("no capacity in {starts} starts"))
        }
        EndKind::CannotStart if !ran_before => {
            ended(&progress, Outcome::CannotStart, end.reason.clone())
        }
        EndKind::CannotStart | EndKind::Other
            if progress.others_in_a_row < MAX_IN_A_ROW && progress.others < MAX_OTHERS =>
        {
            progress.others_in_a_row += 1;
            progress.others += 1;
            progress.without_capacity = 0;
            let seconds = PAUSE_SECS * u64::from(progress.others_in_a_row);
            wait(progress, WaitFor::Pause, seconds, now)
        }
        EndKind::CannotStart | EndKind::Other => {
            give_up(&progress, "restarted as often as allowed")
        }
    }
}

fn after_wait(mut progress: Progress, facts: Facts<'_>, now: u64) -> Next {
    if facts.stop_requested {
        return stopped(&progress);
    }
    if facts.taken_over {
        return busy(&progress);
    }
    match progress.waiting_for.take() {
        Some(WaitFor::LastLines) => until_reset(progress, facts, now),
        _ => begin(progress, now),
    }
}

/// Waits until the time that the worker's last lines say.
fn until_reset(progress: Progress, facts: Facts<'_>, now: u64) -> Next {
    let said = facts.tail.and_then(|tail| tail.wait_until);
    let until = said.unwrap_or(now + RESET_UNKNOWN_SECS * 1000);
    match until.saturating_sub(now).div_ceil(1000) {
        0 => begin(progress, now),
        seconds => wait(progress, WaitFor::Reset, seconds, now),
    }
}

/// Waits, unless the deadline comes first.
fn wait(mut progress: Progress, waiting_for: WaitFor, seconds: u64, now: u64) -> Next {
    if now.saturating_add(seconds.saturating_mul(1000)) >= progress.deadline {
        return out_of_time(&progress);
    }
    progress.waiting_for = Some(waiting_for);
    Next::Wait { progress, seconds }
}

const fn outcome(exit: RunExit) -> Outcome {
    match exit {
        RunExit::Complete => Outcome::Complete,
        RunExit::Iterations | RunExit::Duration | RunExit::Budget | RunExit::Stalled => {
            Outcome::Limit
        }
        _ => Outcome::Blocked,
    }
}

fn stopped(progress: &Progress) -> Next {
    ended(progress, Outcome::Stopped, progress.reason.clone())
}

fn busy(progress: &Progress) -> Next {
    let reason = "another execution has taken over this workstream\nhint: start a new execution instead of redriving one that has failed";
    ended(progress, Outcome::Busy, reason.to_owned())
}

/// Ends the execution as the worker itself would at its deadline.
fn out_of_time(progress: &Progress) -> Next {
    let exit = Some(RunExit::Duration.code().into());
    let progress = Progress { exit, ..progress.clone() };
    ended(&progress, Outcome::Limit, RunExit::Duration.about().to_owned())
}

/// Ends it with what happened, and how the last run ended.
fn give_up(progress: &Progress, what: &str) -> Next {
    let mut reason = what.to_owned();
    if let Some(exit) = progress.exit {
        reason += &format!("; last exit {exit}");
    }
    if !progress.reason.is_empty() {
        reason += &format!("; last reason: {}", progress.reason);
    }
    ended(progress, Outcome::GaveUp, reason)
}

fn ended(progress: &Progress, outcome: Outcome, reason: String) -> Next {
    over(Output {
        workstream: progress.order.workstream.to_string(),
        outcome,
        exit: progress.exit,
        reason,
        attempts: progress.attempt,
        run: progress.run().ok().flatten(),
        spent_usd: progress.used().map(Used::usd),
        iterations: progress.used().map(|used| used.iterations),
        pull_request: progress.pull_request.clone(),
    })
}

/// The execution's last step.
#[must_use]
pub fn over(output: Output) -> Next {
    match output.outcome.error() {
        None => Next::Done { output },
        Some(error) => {
            let cause = serde_json::to_string(&output).unwrap_or_default();
            Next::Failed { error: error.to_owned(), cause }
        }
    }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
