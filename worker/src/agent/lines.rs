//! Lines from a pipe, of any length.

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::mpsc,
};

/// A line longer than this is handed on in pieces: memory is bounded whatever the agent writes.
pub const MAX_LINE: usize = 16 << 20;

/// Cuts bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes bytes as they come and hands on every line that is whole, without its newline.
    pub fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(Vec<u8>)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.pending.extend_from_slice(&bytes[..end]);
            line(std::mem::take(&mut self.pending));
            bytes = &bytes[end + 1..];
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > MAX_LINE {
            line(std::mem::take(&mut self.pending));
        }
    }

    /// What was left without a newline.
    pub fn finish(self, line: impl FnOnce(Vec<u8>)) {
        if !self.pending.is_empty() {
            line(self.pending);
        }
    }
}

/// Reads a pipe to its end and sends its lines; waits when the receiver is behind, so that the
/// agent waits too.
pub async fn pump(mut pipe: impl AsyncRead + Unpin, sender: mpsc::Sender<Vec<u8>>) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let mut whole = Vec::new();
        lines.feed(&buffer[..read], |line| whole.push(line));
        for line in whole {
            if sender.send(line).await.is_err() {
                return;
            }
        }
    }
    let mut rest = None;
    lines.finish(|line| rest = Some(line));
    if let Some(line) = rest {
        // A receiver that is gone no longer wants it.
        let _ = sender.send(line).await;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_bytes_arrive(
            text in prop::collection::vec(prop::sample::select(b"ab\n\r\xff".to_vec()), 0..200),
            sizes in prop::collection::vec(1usize..20, 1..40),
        ) {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            let mut rest = text.as_slice();
            let mut sizes = sizes.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                lines.feed(now, |line| got.push(line));
                rest = later;
            }
            lines.finish(|line| got.push(line));
            let mut expected: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(got, expected);
        }
    }
}
