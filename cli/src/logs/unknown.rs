//! What `ralph logs` says about a workstream, or a run, of which there is nothing to show.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use ralph_protocol::ids::{Run, Workstream};

use crate::{
    aws::{Aws, Executions, Status},
    target::Target,
    tools::{invocation::ralph_there, steps::say},
};

/// Most names in a hint.
const NAMES: usize = 3;

/// Says why a workstream without a run has none.
///
/// # Errors
/// Unless it was started a moment ago: it never ran, or nothing of it is left.
pub async fn explain(executions: &Executions, workstream: &Workstream) -> Result<()> {
    let known = executions.newest().await.with_context(|| format!("`{workstream}` has no run"))?;
    match known.iter().find(|execution| execution.workstream == *workstream) {
        Some(execution) if execution.status == Status::Running => {
            say(&format!("note: {workstream} has written nothing yet; -f waits for its lines"));
            Ok(())
        }
        Some(_) => bail!(
            "{workstream} has no lines: it has not written any, or they have expired\nhint: `{}` says how it ended",
            ralph_there("ps -a")
        ),
        None => {
            let names = known.iter().map(|execution| execution.workstream.as_str());
            bail!(
                "there is no workstream `{workstream}`, or its lines have expired\nhint: {}`{}` shows those that ran",
                meant(workstream.as_str(), names),
                ralph_there("ps -a")
            )
        }
    }
}

/// Refuses a run that its workstream does not have.
///
/// # Errors
/// When neither a row nor an execution that runs is of this run.
pub async fn check_run(
    aws: &Aws,
    target: &Target,
    workstream: &Workstream,
    run: &Run,
) -> Result<()> {
    let ulid = run.ulid().parse()?;
    let newest = aws.runs(target)?.newest(workstream, ulid).await?;
    // Attempts count up from 1: the rows of older ones may have expired, but they were there.
    if newest.first().is_some_and(|row| run.attempt() <= row.run.attempt()) {
        return Ok(());
    }
    // The next one of an execution that runs: its row is written when its task starts.
    let execution = aws.executions(target)?.find(workstream, ulid).await?;
    let next = newest.first().map_or(1, |row| row.run.attempt() + 1);
    if run.attempt() == next && execution.is_some_and(|one| one.status == Status::Running) {
        return Ok(());
    }
    bail!(
        "{workstream} has no run {run}, or it has expired\nhint: `{}` shows the newest run of each workstream",
        ralph_there("ps -a --json")
    )
}

/// Names that somebody may have meant, as the beginning of a hint.
fn meant<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> String {
    let edits = |name: &'a str| (strsim::levenshtein(asked, name), name);
    let near = |(edits, name): &(usize, &str)| edits * 2 <= name.len();
    let names: BTreeSet<(usize, &str)> = names.map(edits).filter(near).collect();
    let quoted: Vec<String> =
        names.iter().take(NAMES).map(|(_, name)| format!("`{name}`")).collect();
    match quoted.is_empty() {
        true => String::new(),
        false => format!("is it {}? ", quoted.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_near_are_offered_nearest_first() {
        let names = ["docs", "docs-2", "parser", "docs", "api"];
        for (asked, hint) in [
            ("dcos", "is it `docs`? "),
            ("docs-3", "is it `docs-2` or `docs`? "),
            ("parsre", "is it `parser`? "),
            ("billing", ""),
        ] {
            assert_eq!(meant(asked, names.into_iter()), hint, "{asked}");
        }
    }
}
