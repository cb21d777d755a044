//! Slow steps: each shows that it runs, and prints a line with its seconds when it is over.

use std::{
    fs,
    future::Future,
    io::Write,
    path::Path,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// The bars of the steps that run. Hidden unless standard error is a terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
/// How often a bar is drawn.
const REDRAW: Duration = Duration::from_millis(200);
/// How often a line says that a step still runs, where there is no terminal.
const LINE: Duration = Duration::from_secs(20);

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HowFar {
    done: u64,
    of: u64,
    what: &'static str,
}

/// Runs a step.
pub async fn step<T>(name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    shown(name, || None, work).await
}

/// Runs a step that writes a log, from which `read` tells how far it is.
pub async fn step_with_log<T>(
    name: &str,
    log: &Path,
    read: fn(&str) -> Option<HowFar>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let start = SystemTime::now();
    let how_far = || {
        // An older one is from the last time.
        let ours = fs::metadata(log).and_then(|meta| meta.modified()).is_ok_and(|at| at >= start);
        ours.then(|| fs::read(log).ok()).flatten().and_then(|t| read(&String::from_utf8_lossy(&t)))
    };
    shown(name, how_far, work).await
}

/// Prints a line on standard error, above the bars of the steps that run.
pub fn say(line: &str) {
    // Nobody may be there to read: the terminal is closed, or `tee` has ended with the same Ctrl-C.
    BARS.suspend(|| writeln!(std::io::stderr(), "{line}").unwrap_or_default());
}

/// Prints a line on standard output, for a command that goes on when its reader has gone away: a demo,
/// a server. Others print with [`output::print`](super::output::print).
pub fn print(line: &str) {
    BARS.suspend(|| writeln!(std::io::stdout(), "{line}").unwrap_or_default());
}

/// How far cargo is, by its own progress bar.
pub fn crates(log: &str) -> Option<HowFar> {
    let (_, bar) = log.rsplit_once("Building [")?;
    let (done, rest) = bar.split_once("] ")?.1.split_once('/')?;
    let of = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(HowFar { done: done.parse().ok()?, of: of.parse().ok()?, what: "crates" })
}

/// How far an apply or a destroy is, by what was planned.
pub fn resources(log: &str) -> Option<HowFar> {
    let plan = log.lines().find_map(|line| line.strip_prefix("Plan: "))?;
    let count = |part: &str| {
        let (number, what) = part.trim_end_matches('.').split_once(' ')?;
        ["to add", "to change", "to destroy"].contains(&what).then(|| number.parse::<u64>().ok())?
    };
    let of = plan.split(", ").filter_map(count).sum();
    let is_done = |line: &&str| {
        ["Creation", "Modifications", "Destruction"]
            .iter()
            .any(|what| line.contains(&format!(": {what} complete after ")))
    };
    let done = log.lines().filter(is_done).count() as u64;
    Some(HowFar { done, of, what: "resources" })
}

async fn shown<T>(
    name: &str,
    how_far: impl Fn() -> Option<HowFar>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let (result, elapsed) = if BARS.is_hidden() {
        let show = |elapsed| say(&running(elapsed, name, how_far()));
        every(LINE, show, work).await
    } else {
        let bar = BARS.add(ProgressBar::new_spinner());
        draw(&bar, Duration::ZERO, name, None);
        let done = every(REDRAW, |elapsed| draw(&bar, elapsed, name, how_far()), work).await;
        bar.finish_and_clear();
        BARS.remove(&bar);
        done
    };
    say(&line(if result.is_ok() { "done" } else { "FAILED" }, elapsed, name));
    result
}

/// Runs some work and calls `show` again and again until it is over; gives what it took, too.
async fn every<T>(
    period: Duration,
    mut show: impl FnMut(Duration),
    work: impl Future<Output = T>,
) -> (T, Duration) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval_at(start + period, period);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return (result, start.elapsed()),
            _ = ticks.tick() => show(start.elapsed()),
        }
    }
}

fn line(mark: &str, elapsed: Duration, name: &str) -> String {
    format!("  {mark:6} {:6.1} s  {name}", elapsed.as_secs_f64())
}

fn running(elapsed: Duration, name: &str, how_far: Option<HowFar>) -> String {
    let far = how_far.map(|HowFar { done, of, what }| format!(": {done} of {of} {what}"));
    line("…", elapsed, name) + &far.unwrap_or_default()
}

fn draw(bar: &ProgressBar, elapsed: Duration, name: &str, how_far: Option<HowFar>) {
    // The spinner takes the place of the mark.
    let text = line("", elapsed, name)[3..].to_owned();
    let template = match how_far {
        None => "  {spinner}{msg}".to_owned(),
        Some(HowFar { done, of, what }) => {
            bar.set_length(of);
            bar.set_position(done);
            format!("  {{spinner}}{{msg}}  [{{bar:20}}] {done} of {of} {what}")
        }
    };
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_step_says_every_twenty_seconds_that_it_runs() {
        let mut lines = Vec::new();
        let work = tokio::time::sleep(Duration::from_millis(65_400));
        let show = |elapsed| {
            let far = HowFar { done: lines.len() as u64, of: 3, what: "crates" };
            lines.push(running(elapsed, "a step", Some(far)));
        };
        let ((), elapsed) = every(LINE, show, work).await;
        assert_eq!(
            lines,
            [
                "  …        20.0 s  a step: 0 of 3 crates",
                "  …        40.0 s  a step: 1 of 3 crates",
                "  …        60.0 s  a step: 2 of 3 crates",
            ]
        );
        assert_eq!(line("done", elapsed, "a step"), "  done     65.4 s  a step");
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_step_says_nothing_before_it_is_over() {
        let never = |_| panic!("it takes less than 20 s");
        every(LINE, never, tokio::time::sleep(Duration::from_secs(19))).await;
    }

    #[test]
    fn cargos_own_bar_tells_how_far_it_is() {
        assert_eq!(crates("   Compiling memchr v2.8.3\n"), None);
        let log = "   Compiling a v1.0.0\n    Building [         ] 0/318: a                \r   \
                   Compiling b v1.0.0\n    Building [=====>   ] 210/318: b, c(build)     \r";
        assert_eq!(crates(log), Some(HowFar { done: 210, of: 318, what: "crates" }));
    }

    #[test]
    fn a_plan_and_the_lines_after_it_tell_how_far_an_apply_is() {
        assert_eq!(resources("data.aws_region.here: Read complete after 0s\n"), None);
        let log = "Plan: 2 to add, 1 to change, 1 to destroy.\n\
                   data.aws_region.here: Read complete after 0s\n\
                   aws_vpc.this: Creating...\n\
                   aws_vpc.this: Still creating... [10s elapsed]\n\
                   aws_vpc.this: Creation complete after 12s [id=vpc-1]\n\
                   aws_subnet.old: Destruction complete after 0s\n";
        assert_eq!(resources(log), Some(HowFar { done: 2, of: 4, what: "resources" }));
    }
}
