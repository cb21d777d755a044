//! What follows from a checkpoint.

use ralph_protocol::{
    event::{Kind, Level},
    exit::RunExit,
};

use super::{
    After, Effect, Machine, Outcome, Phase, Push, Saved,
    policy::{MAX_PUSH_FAILURES, backoff_ms},
};

const STUCK: &str = "The last iterations changed nothing. Something is in the way: do not repeat \
    what was tried. Write in PROGRESS.md what blocks you, choose the smallest step that is still \
    possible, and do that one.";

impl Machine {
    pub(super) fn saved(
        &mut self,
        now: u64,
        mut after: After,
        saved: Saved,
        out: &mut Vec<Effect>,
    ) {
        if saved.cut_off && self.draining.is_some() {
            let text = "stopped by a signal; there was no time to commit everything";
            after = After::End { exit: RunExit::Interrupted, text: Some(text.to_owned()) };
        }
        self.report(&saved, out);
        if let Some(attempt) = self.open.take() {
            let good =
                matches!(attempt.outcome, Outcome::Ok | Outcome::Partial | Outcome::Interrupted);
            let level = if good { Level::Info } else { Level::Warn };
            out.push(Effect::Emit(
                level,
                Kind::IterEnd {
                    outcome: attempt.outcome.name().to_owned(),
                    cost_usd: attempt.cost.dollars(),
                    tokens: attempt.tokens,
                    turns: attempt.turns,
                    duration_ms: attempt.duration_ms,
                    commit: Some(saved.commit.clone()),
                },
            ));
        }
        match saved.push {
            Push::Pushed | Push::Nothing => {}
            Push::Rescued { text, .. } => {
                return self.end(RunExit::Interrupted, Some(text), out);
            }
            Push::Conflict { text, .. } => return self.end(RunExit::PushConflict, Some(text), out),
            Push::Lost(text) => return self.end(RunExit::Unpushed, Some(text), out),
            Push::Denied(text) => return self.end(RunExit::Git, Some(text), out),
            Push::Failed(text) => return self.push_failed(now, after, text, out),
            Push::Unmade(text) | Push::NoSpace(text) if self.draining.is_some() => {
                return self.end(RunExit::Interrupted, Some(text), out);
            }
            Push::NoSpace(text) => return self.end(RunExit::NoSpace, Some(text), out),
            Push::Unmade(text) => return self.end(RunExit::Git, Some(text), out),
        }
        self.push_failures = 0;
        if saved.note.is_some() {
            self.note = saved.note;
        }
        if saved.progressed {
            self.stalls = 0;
            self.crashes = 0;
        } else if matches!(after, After::Next { .. }) {
            self.stalls += 1;
            if self.stalls == self.terms.limits.max_stalls {
                self.add_note(STUCK);
            }
        }
        let complete = saved.complete && after == After::Next { ok: true };
        if complete && !self.terms.verifies {
            return self.end(RunExit::Complete, None, out);
        }
        match (&after, self.draining) {
            (After::Next { .. } | After::Retry { .. }, Some(_)) => self.end_interrupted(out),
            _ if complete => {
                self.phase = Phase::Verifying;
                out.push(Effect::Verify);
            }
            _ => self.proceed(now, after, out),
        }
    }

    fn report(&self, saved: &Saved, out: &mut Vec<Effect>) {
        let (branch, pushed) = match &saved.push {
            Push::Nothing => return,
            Push::Pushed => (self.terms.branch.clone(), true),
            Push::Conflict { rescue, .. } | Push::Rescued { rescue, .. } => (rescue.clone(), true),
            Push::Lost(_)
            | Push::Denied(_)
            | Push::Failed(_)
            | Push::Unmade(_)
            | Push::NoSpace(_) => (self.terms.branch.clone(), false),
        };
        let level = if pushed { Level::Info } else { Level::Error };
        let commit = saved.commit.clone();
        out.push(Effect::Emit(level, Kind::Checkpoint { commit, branch, pushed }));
    }

    /// Work that is not pushed is lost with the machine: nothing more is spent until it is.
    fn push_failed(&mut self, now: u64, after: After, text: String, out: &mut Vec<Effect>) {
        self.push_failures += 1;
        if self.draining.is_some() {
            // Resuming is right: only what came after the last push must be done again.
            return self.end(
                RunExit::Interrupted,
                Some(format!("stopped by a signal; {text}")),
                out,
            );
        }
        if self.overdue || self.push_failures > MAX_PUSH_FAILURES {
            return self.end(RunExit::Git, Some(text), out);
        }
        out.push(Effect::Emit(Level::Warn, Kind::Log { text }));
        self.phase = Phase::SavingLater(after);
        out.push(Effect::Sleep(now + backoff_ms(self.push_failures)));
    }
}
