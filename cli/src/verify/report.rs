//! What was looked at, what it should be on AWS, what the local cloud does, and what was seen.

use std::fmt;

use crate::tools::steps::say;

/// Where it was verified.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    Aws,
    Local,
}

struct Row {
    what: &'static str,
    aws: &'static str,
    local: &'static str,
    seen: String,
    good: bool,
}

/// The table.
pub struct Report {
    place: Place,
    rows: Vec<Row>,
}

impl Report {
    pub fn new(place: Place) -> Self {
        Self { place, rows: Vec::new() }
    }

    /// Adds what was seen; `good`: as it should be here.
    pub fn add(
        &mut self,
        what: &'static str,
        aws: &'static str,
        local: &'static str,
        seen: impl Into<String>,
        good: bool,
    ) {
        let row = Row { what, aws, local, seen: seen.into(), good };
        say(&format!("  {} {}: {}", if good { "good" } else { "BAD " }, row.what, row.seen));
        self.rows.push(row);
    }

    pub fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.good)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Aws => "AWS",
            Place::Local => "the local cloud",
        };
        writeln!(f, "| what | on AWS it should | in the local cloud | seen on {place} | |")?;
        writeln!(f, "|---|---|---|---|---|")?;
        for Row { what, aws, local, seen, good } in &self.rows {
            let seen = seen.replace(['|', '\n'], " ");
            let mark = if *good { "good" } else { "**differs**" };
            writeln!(f, "| {what} | {aws} | {local} | {seen} | {mark} |")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_difference_is_enough() {
        let mut report = Report::new(Place::Local);
        report.add("a", "x", "y", "one | two\nthree", true);
        assert!(report.is_good());
        report.add("b", "x", "y", "z", false);
        assert!(!report.is_good());
        let text = report.to_string();
        assert!(text.contains("| a | x | y | one   two three | good |"), "{text}");
        assert!(text.contains("| b | x | y | z | **differs** |"), "{text}");
    }
}
