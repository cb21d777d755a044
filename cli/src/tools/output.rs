//! Standard output. Its reader may go away before everything is written, as in `ralph cost | head -1`.
//! That ends a command quietly and well: the reader has what it wants.
//!
//! The signal that other tools die of, SIGPIPE, stays ignored. It would also end a local cloud with
//! its tasks when the reader of one of its lines goes away, or when a program that it writes to ends.

use std::{
    error::Error,
    fmt,
    io::{self, StdoutLock, Write},
};

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result};

/// Standard output, locked, with or without styles.
pub struct Stdout(AutoStream<StdoutLock<'static>>);

/// Nobody reads standard output any more.
#[derive(Debug)]
pub struct ReaderLeft;

impl Stdout {
    pub fn new(colour: ColorChoice) -> Self {
        Self(AutoStream::new(io::stdout().lock(), colour))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(marked)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(marked)
    }
}

/// Prints a text as it stands, with its line ends.
pub fn print(text: impl fmt::Display) -> Result<()> {
    let mut stdout = Stdout::new(ColorChoice::Never);
    write!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

/// Whether an error is that nobody reads standard output any more. A broken pipe of anything else, a
/// connection for example, is a failure.
pub fn reader_left(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<ReaderLeft>() || inner.is_some_and(|inner| inner.is::<ReaderLeft>())
    })
}

fn marked(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(error.kind(), ReaderLeft),
        _ => error,
    }
}

impl fmt::Display for ReaderLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads standard output any more")
    }
}

impl Error for ReaderLeft {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reader_of_standard_output_may_leave() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for (error, left) in [(marked(broken()), true), (broken(), false), (marked(full), false)] {
            let error = anyhow::Error::from(error).context("somewhere");
            assert_eq!(reader_left(&error), left, "{error:#}");
        }
    }
}
