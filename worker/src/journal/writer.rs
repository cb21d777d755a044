//! The thread that writes: stdout may block for as long as it likes.

use std::{fs::File, io::Write, sync::PoisonError};

use super::Shared;

/// Writes until the journal is finished and the queue empty. A stdout that is gone does not stop
/// the copy.
pub(super) fn write_all(shared: &Shared, mut out: impl Write, mut copy: Option<File>) {
    let mut out_gone = false;
    loop {
        let mut queue = shared.lock();
        while queue.lines.is_empty() && !queue.closed {
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let Some(line) = queue.lines.pop_front() else {
            queue.done = true;
            shared.changed.notify_all();
            return;
        };
        drop(queue);
        if !out_gone {
            out_gone = out.write_all(&line).and_then(|()| out.flush()).is_err();
        }
        if let Some(file) = &mut copy {
            // A full disk must not end the run; the log itself is on stdout.
            if file.write_all(&line).is_err() {
                copy = None;
            }
        }
        // The bytes count as waiting until they are written.
        let mut queue = shared.lock();
        queue.bytes -= line.len();
        queue.written += 1;
        shared.written.send_replace((!out_gone).then_some(queue.written));
    }
}
