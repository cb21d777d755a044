//! What a request asks for: the rules that its types cannot express.

use ralph_protocol::{
    event::MAX_SEQ,
    ids::{Run, Workstream},
    message::{DEFAULT_LIMIT, MAX_CLIENT_MESSAGE, MAX_LIMIT, MAX_RANGES, Range, SendLogs},
};
use serde::Deserialize;

use crate::frame::MAX_ID;

/// What an error frame can name of a message that may be anything.
#[derive(Default, Deserialize)]
struct Loose {
    id: Option<String>,
    workstream: Option<String>,
}

pub(super) struct Named {
    pub id: Option<String>,
    pub workstream: Option<Workstream>,
}

impl Named {
    pub fn of(body: &str) -> Self {
        let loose: Loose = match body.len() {
            0..=MAX_CLIENT_MESSAGE => serde_json::from_str(body).unwrap_or_default(),
            _ => Loose::default(),
        };
        Self {
            id: loose.id.filter(|id| id.len() <= MAX_ID),
            workstream: loose.workstream.and_then(|id| id.parse().ok()),
        }
    }
}

/// Most lines.
pub(super) fn limit(request: &SendLogs) -> usize {
    request.limit.unwrap_or(DEFAULT_LIMIT) as usize
}

/// Ranges of each run, in order.
pub(super) fn by_run(ranges: &[Range]) -> Vec<(Run, Vec<Range>)> {
    let mut ranges = ranges.to_vec();
    ranges.sort_by(|a, b| (&a.run, a.from).cmp(&(&b.run, b.from)));
    ranges.chunk_by(|a, b| a.run == b.run).map(|of| (of[0].run.clone(), of.to_vec())).collect()
}

/// A request's id comes back in every answer, and must leave room there.
pub(super) fn check_id(id: Option<&str>) -> Result<(), String> {
    match id {
        Some(id) if id.len() > MAX_ID => Err(format!("`id` is longer than {MAX_ID} bytes")),
        _ => Ok(()),
    }
}

/// The rules of a request that its types cannot express.
pub(super) fn check_form(request: &SendLogs) -> Result<(), String> {
    check_id(request.id.as_deref())?;
    if request.limit.is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit)) {
        return Err(format!("`limit` is not 1 to {MAX_LIMIT}"));
    }
    let (before, since) = (request.before.is_some(), request.since.is_some());
    let (ranges, run) = (request.ranges.is_some(), request.run.is_some());
    if before && run || ranges && (before || since || run) {
        return Err(
            "`ranges`, `before` and `run` exclude each other, and `ranges` and `since`".into()
        );
    }
    let Some(ranges) = &request.ranges else { return Ok(()) };
    if !(1..=MAX_RANGES).contains(&ranges.len()) {
        return Err(format!("`ranges` does not hold 1 to {MAX_RANGES} ranges"));
    }
    if ranges.iter().any(|range| range.from == 0 || range.to.is_some_and(|to| to < range.from)) {
        return Err("a range does not begin at 1 or later and end at or after its beginning".into());
    }
    if ranges.iter().any(|range| range.from.max(range.to.unwrap_or(0)) > MAX_SEQ) {
        return Err(format!("a range holds a number above {MAX_SEQ}"));
    }
    Ok(())
}
