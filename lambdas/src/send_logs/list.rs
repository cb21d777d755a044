//! `listWorkstreams`: where the workstreams stand that the token allows, the newest first.

use std::{cmp::Reverse, collections::BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use ralph_protocol::{
    index::{MAX_LISTED, WorkstreamInfo},
    message::{MAX_FRAME, ServerMessage},
    token::Scope,
};
use tokio::time::Instant;

use super::{
    Session,
    reply::{RETRY_AFTER, Stop},
};
use crate::{
    frame,
    ports::{Clock, Logs, Post, Table},
};

/// Rows read at the same time.
const READS: usize = 16;

impl<T: Table, P: Post, L: Logs, C: Clock> Session<'_, T, P, L, C> {
    pub(super) async fn list(&self, id: Option<String>, scope: &Scope) -> Result<(), Stop> {
        let mut found = self.allowed(scope).await?;
        newest(&mut found);
        for frame in frames(id.as_ref(), found, true) {
            self.reply.frame(&frame).await?;
        }
        Ok(())
    }

    /// The rows that the scope allows. What a token names is read by its key, so that nothing else is.
    async fn allowed(&self, scope: &Scope) -> Result<Vec<WorkstreamInfo>, Stop> {
        let (table, now) = (self.context.table, self.context.clock.now_secs());
        let names = match scope {
            Scope::Only(names) => names.iter().collect::<BTreeSet<_>>(),
            Scope::All(_) => return self.all(now).await,
        };
        let rows = stream::iter(names).map(|name| table.workstream(name, now)).buffered(READS);
        let rows: Vec<_> = rows.try_collect().await?;
        Ok(rows.into_iter().flatten().filter(|row| scope.allows(&row.workstream)).collect())
    }

    async fn all(&self, now: u64) -> Result<Vec<WorkstreamInfo>, Stop> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, last) = self.context.table.workstreams(after.as_ref(), now).await?;
            found.extend(page);
            newest(&mut found);
            if last.is_none() {
                return Ok(found);
            }
            if Instant::now() >= self.read_until {
                return Err(Stop::Throttled("the list takes too long to read", RETRY_AFTER));
            }
            after = last;
        }
    }
}

/// The newest executions first, and no more than a list holds.
fn newest(found: &mut Vec<WorkstreamInfo>) {
    found.sort_by(|a, b| Reverse(&a.run).cmp(&Reverse(&b.run)));
    found.truncate(MAX_LISTED);
}

/// `workstreams` messages: as many as it takes, at least one, so that a client hears that there are
/// none.
fn frames(id: Option<&String>, mut found: Vec<WorkstreamInfo>, complete: bool) -> Vec<Vec<u8>> {
    let workstreams = found.clone();
    let whole = ServerMessage::Workstreams { id: id.cloned(), workstreams, complete };
    let whole = frame::message(&whole);
    if whole.len() <= MAX_FRAME || found.len() < 2 {
        return vec![whole];
    }
    let second = found.split_off(found.len() / 2);
    let mut all = frames(id, found, false);
    all.extend(frames(id, second, complete));
    all
}

#[cfg(test)]
mod tests {
    use ralph_protocol::{index::WorkstreamState, link::MAX_LINK};

    use super::*;
    use crate::{frame::MAX_ID, runs::MAX_REASON};

    /// As long as a row can be.
    fn longest(n: u64) -> WorkstreamInfo {
        let run = format!("{}-0001", ulid::Ulid::from_parts(n, 0)).parse().unwrap();
        let workstream = format!("{}{n:04}", "w".repeat(44)).parse().unwrap();
        WorkstreamInfo {
            execution: Some("é".repeat(80)),
            wait_until: Some(u64::MAX),
            spent_usd: Some(f64::MAX),
            pull_request: Some("x".repeat(MAX_LINK)),
            reason: Some("\u{1}".repeat(MAX_REASON)),
            exit: Some(i64::MIN),
            ..WorkstreamInfo::new(workstream, run, WorkstreamState::CannotStart, u64::MAX)
        }
    }

    fn read(frames: &[Vec<u8>]) -> (Vec<u64>, Vec<bool>) {
        let (mut started, mut ends) = (Vec::new(), Vec::new());
        for frame in frames {
            match ServerMessage::read(std::str::from_utf8(frame).unwrap()) {
                Some(ServerMessage::Workstreams { workstreams, complete, .. }) => {
                    started.extend(workstreams.iter().map(|info| info.started_at));
                    ends.push(complete);
                }
                other => panic!("{other:?}"),
            }
        }
        (started, ends)
    }

    #[test]
    fn a_list_takes_as_many_frames_as_it_needs_and_the_last_says_so() {
        let id = "\u{1}".repeat(MAX_ID);
        for many in [0, 1, 2, 10, 50] {
            let mut found: Vec<_> = (0..many).map(longest).collect();
            newest(&mut found);
            let frames = frames(Some(&id), found, true);
            assert!(frames.iter().all(|frame| frame.len() <= MAX_FRAME));
            let (started, ends) = read(&frames);
            assert_eq!(started, (0..many).rev().collect::<Vec<_>>(), "the newest first");
            let (last, before) = ends.split_last().unwrap();
            assert!(*last && !before.contains(&true), "{ends:?}");
        }
    }

    #[test]
    fn a_list_holds_the_newest() {
        let most = MAX_LISTED as u64;
        let mut found: Vec<_> = (0..most + 5).map(longest).collect();
        newest(&mut found);
        assert_eq!(found.len(), MAX_LISTED);
        assert_eq!((found[0].started_at, found[MAX_LISTED - 1].started_at), (most + 4, 5));
    }
}
