//! The end of a run's log stream: what the worker last said.

use ralph_protocol::{
    event::kind,
    execution::{Tail, Used},
};

use crate::{
    line::Line,
    ports::{LogQuery, Logs, LogsError, StreamOwner, Unavailable},
};

/// Bytes of lines that are read at least, unless the stream is shorter. The worker repeats its newest
/// `spend` within every 256 KB of its output; twice that, because lines arrive in any order.
const ENOUGH: usize = 512 << 10;
/// Most pages. A page holds up to 1 MB, and may hold nothing although lines follow.
const MAX_PAGES: usize = 50;

/// Reads it: what counts, and the link of the pull request if one is named there.
///
/// # Errors
/// [`LogsError`]: also when no page of many holds a line, which must not count as silence.
pub(super) async fn read(
    logs: &impl Logs,
    stream: String,
    owner: &StreamOwner,
) -> Result<(Tail, Option<String>), LogsError> {
    let mut query = LogQuery { stream, ..LogQuery::default() };
    let mut said = Said::default();
    let mut bytes = 0;
    for _ in 0..MAX_PAGES {
        let page = logs.read(&query).await?;
        for entry in &page.entries {
            bytes += entry.message.len();
            said.take(&entry.message, owner);
        }
        if bytes >= ENOUGH || page.next.is_none() {
            return Ok((said.tail, said.pull_request.map(|(_, link)| link)));
        }
        query.token = page.next;
    }
    let problem = format!("{MAX_PAGES} pages of {} held {bytes} bytes", query.stream);
    Err(Unavailable { call: "logs GetLogEvents", problem }.into())
}

/// What the lines say, in whatever order they come.
#[derive(Default)]
struct Said {
    tail: Tail,
    /// The `seq` that [`Tail::used`] comes from.
    used_at: u64,
    /// The newest pull request's `seq` and link.
    pull_request: Option<(u64, String)>,
}

impl Said {
    fn take(&mut self, line: &str, owner: &StreamOwner) {
        // Whatever else stands in the stream says nothing about this run.
        let Line::Event(event) = Line::parse(line, owner) else { return };
        self.tail.last_seq = self.tail.last_seq.max(event.seq);
        self.tail.ended |= event.kind == kind::RUN_END;
        if event.kind == kind::WAIT {
            self.tail.wait_until = event.until;
        }
        if let Some(link) = event.pull_request(line)
            && self.pull_request.as_ref().is_none_or(|(seq, _)| *seq < event.seq)
        {
            self.pull_request = Some((event.seq, link));
        }
        if event.seq > self.used_at
            && let Some(spend) = event.spend(line)
        {
            (self.tail.used, self.used_at) = (Used::said(&spend), event.seq);
        }
    }
}
