//! Events: numbered, redacted, cut to line length, and written by a thread of their own, so that
//! a blocked stdout delays nothing.

mod limit;
mod split;
mod writer;

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ralph_protocol::{
    event::{Event, Kind, Level, MAX_LINE, SPEND_EVERY, VERSION, timestamp_text},
    ids::{Run, Workstream},
};

use tokio::sync::watch;

use crate::redact::Redactor;

use limit::{Source, Volume};

pub use limit::RESERVE;
pub use split::MAX_FIELD;

/// Most bytes that wait to be written. What does not fit is dropped and counted.
pub const QUEUE_BYTES: usize = 8 << 20;

/// What may wait without anybody being slowed down.
const CALM_BYTES: usize = 1 << 20;

/// How often it is looked whether the writer gets on, and how long it may be waited for.
const LOOK: Duration = Duration::from_millis(5);
const CALM_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest wait for the queue to empty when the worker ends.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Ms since the epoch.
#[must_use]
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Where events go. Cheap to clone; all clones share one sequence.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    workstream: Workstream,
    run: Run,
    redactor: Redactor,
    queue: Mutex<Queue>,
    changed: Condvar,
    /// How many lines are on stdout; `None` when it is gone.
    written: watch::Sender<Option<u64>>,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    seq: u64,
    iter: u32,
    /// Lines that were queued.
    appended: u64,
    /// Their bytes, and how many there may be.
    volume: Volume,
    /// The newest `spend`, and the bytes of the lines since.
    spend: Option<Kind>,
    since_spend: usize,
    /// Lines that were written.
    written: u64,
    /// The writer did not get on after this many lines: nobody waits for it until it does.
    stuck_after: Option<u64>,
    /// Events that found no room since the last one that did. They took no `seq`.
    dropped: u64,
    closed: bool,
    /// The writer has written everything and is gone.
    done: bool,
}

impl Journal {
    /// Starts the writer thread. Every line goes to `out` and then, byte for byte, to `copy`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        workstream: Workstream,
        run: Run,
        redactor: Redactor,
        out: impl Write + Send + 'static,
        copy: Option<File>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            workstream,
            run,
            redactor,
            queue: Mutex::default(),
            changed: Condvar::new(),
            written: watch::Sender::new(Some(0)),
        });
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer::write_all(&writer, out, copy))?;
        Ok(Self { shared })
    }

    /// Says that events belong to this iteration from here on.
    pub fn set_iteration(&self, iter: u32) {
        self.shared.lock().iter = iter;
    }

    /// Beyond so many bytes, what the agent says is not written any more, and what it can cause is
    /// written up to [`RESERVE`] bytes more. Setup may write a quarter of the bytes. Without this call
    /// there is no limit.
    pub fn limit_to(&self, bytes: u64) {
        self.shared.lock().volume.limit_to(bytes);
    }

    /// Whether that limit is reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shared.lock().volume.is_full()
    }

    /// Redacts, numbers and queues an event. Never blocks on the reader of stdout.
    pub fn emit(&self, level: Level, kind: Kind) {
        self.take(Source::Worker, level, kind);
    }

    /// The same for an event that was read from the agent's output.
    pub fn emit_of_agent(&self, level: Level, kind: Kind) {
        self.take(Source::Agent, level, kind);
    }

    /// The same for a line of setup's output, of which only a part of the limit is written.
    pub fn emit_of_setup(&self, level: Level, text: String) {
        self.take(Source::Setup, level, Kind::Setup { text });
    }

    fn take(&self, source: Source, level: Level, kind: Kind) {
        // A flood that nobody will see is not worth redacting.
        if !self.shared.lock().volume.passes(source, &kind) {
            return;
        }
        let event = split::prepare(kind, &self.shared.redactor);
        let Some(event) = self.shared.lock().admit(&self.shared, source, event) else { return };
        // The writer takes the first parts of a long text while the last are made.
        event.parts(|kind, part| {
            self.shared.lock().append(&self.shared, level, kind, part);
            self.shared.changed.notify_all();
        });
    }

    /// The same for an event that must not be lost: it finds room, whatever waits. Returns the
    /// number of its line, see [`Journal::written`].
    pub fn emit_at_once(&self, level: Level, kind: Kind) -> u64 {
        let event = split::prepare(kind, &self.shared.redactor);
        let mut queue = self.shared.lock();
        if let Some(event) = queue.within_limit(&self.shared, Source::Worker, event) {
            queue.push(&self.shared, level, event);
        }
        let line = queue.appended;
        drop(queue);
        self.shared.changed.notify_all();
        line
    }

    /// Waits until this line is on stdout; `false` when stdout is gone. Stdout may be blocked for as
    /// long as it likes.
    pub async fn written(&self, line: u64) -> bool {
        let mut written = self.shared.written.subscribe();
        // The sender lives as long as the journal.
        written
            .wait_for(|written| written.is_none_or(|lines| lines >= line))
            .await
            .is_ok_and(|w| w.is_some())
    }

    /// Waits while much is queued and the writer gets on, at most a second: a burst then slows the
    /// agent down and is not dropped, and memory stays small. A writer that is stuck is not waited
    /// for. May be dropped at any time.
    pub async fn settle(&self) {
        let begun = Instant::now();
        loop {
            let written = {
                let queue = self.shared.lock();
                let calm = queue.bytes <= CALM_BYTES || queue.stuck_after == Some(queue.written);
                if calm || begun.elapsed() > CALM_TIMEOUT {
                    return;
                }
                queue.written
            };
            tokio::time::sleep(LOOK).await;
            let mut queue = self.shared.lock();
            if queue.written == written {
                queue.stuck_after = Some(written);
            }
        }
    }

    /// A `log` event.
    pub fn log(&self, level: Level, text: impl Into<String>) {
        self.emit(level, Kind::Log { text: text.into() });
    }

    /// Emits from a panic hook: gives up rather than wait for a lock the panicking thread may hold.
    pub fn emit_in_panic(&self, text: String) {
        let event = split::prepare(Kind::Log { text }, &self.shared.redactor);
        if let Ok(mut queue) = self.shared.queue.try_lock()
            && let Some(event) = queue.within_limit(&self.shared, Source::Worker, event)
        {
            queue.push(&self.shared, Level::Error, event);
        }
        self.shared.changed.notify_all();
    }

    /// Emits the run's last event, even when the queue is full, and waits until everything is
    /// written, at most [`FLUSH_TIMEOUT`]. Later events are ignored.
    ///
    /// Returns whether everything was written.
    #[must_use]
    pub fn finish(&self, level: Level, last: Kind) -> bool {
        let event = split::prepare(last, &self.shared.redactor);
        let mut queue = self.shared.lock();
        if !queue.closed {
            queue.report_dropped(&self.shared);
            queue.push(&self.shared, level, event);
            queue.closed = true;
        }
        self.shared.changed.notify_all();
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        while !queue.done {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let (guard, _) = self
                .shared
                .changed
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner);
            queue = guard;
        }
        true
    }

    /// The redactor every event passes.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.shared.redactor
    }
}

/// Opens the journal's file for appending.
///
/// # Errors
/// When it cannot be opened.
pub fn open_copy(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The event if there is room for all its parts: all of them are written, or none.
    fn admit(
        &mut self,
        shared: &Shared,
        source: Source,
        event: split::Prepared,
    ) -> Option<split::Prepared> {
        if self.closed {
            return None;
        }
        // An event larger than the whole queue still gets through when nothing else waits.
        if !self.lines.is_empty() && self.bytes + event.estimate() > QUEUE_BYTES {
            self.dropped += 1;
            return None;
        }
        self.report_dropped(shared);
        self.within_limit(shared, source, event)
    }

    /// The event, or what is written of it beyond the limit.
    fn within_limit(
        &mut self,
        shared: &Shared,
        source: Source,
        mut event: split::Prepared,
    ) -> Option<split::Prepared> {
        if let Some(text) = self.volume.fills(source, event.most()) {
            self.push(shared, Level::Warn, split::prepare(Kind::Log { text }, &shared.redactor));
        }
        if self.volume.is_full() {
            event.shorten();
        }
        self.volume.passes(source, event.kind()).then_some(event)
    }

    /// An event that has no time to lose, room or not.
    fn push(&mut self, shared: &Shared, level: Level, event: split::Prepared) {
        if self.closed {
            return;
        }
        self.report_dropped(shared);
        event.parts(|kind, part| self.append(shared, level, kind, part));
    }

    fn report_dropped(&mut self, shared: &Shared) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped == 0 {
            return;
        }
        let text =
            format!("{dropped} events were dropped: stdout was blocked and the queue was full");
        let event = split::prepare(Kind::Log { text }, &shared.redactor);
        self.push(shared, Level::Warn, event);
    }

    fn append(&mut self, shared: &Shared, level: Level, kind: Kind, part: Option<[u32; 2]>) {
        if self.closed {
            return;
        }
        let event = Event {
            v: VERSION,
            ts: timestamp_text(now_ms()),
            workstream: shared.workstream.clone(),
            run: shared.run.clone(),
            seq: self.seq + 1,
            iter: self.iter,
            level,
            part,
            kind,
        };
        // Events are plain data: strings, numbers and finite floats always serialise.
        let Ok(mut line) = serde_json::to_vec(&event) else { return };
        debug_assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
        line.push(b'\n');
        self.seq += 1;
        self.appended += 1;
        self.bytes += line.len();
        self.since_spend += line.len();
        self.volume.count(&event.kind, line.len());
        self.lines.push_back(line);
        match event.kind {
            Kind::Spend(_) => {
                self.since_spend = 0;
                self.spend = Some(event.kind);
            }
            // Nothing follows it.
            Kind::RunEnd { .. } => {}
            _ if self.since_spend > SPEND_EVERY - 2 * MAX_LINE => {
                if let Some(spend) = self.spend.clone() {
                    self.append(shared, Level::Debug, spend, None);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
