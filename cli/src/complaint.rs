//! An error as a person reads it.

/// One line of what is wrong, from the outside in, then each hint on a line of its own.
pub fn text(error: &anyhow::Error) -> String {
    let (mut problem, mut hints): (String, Vec<String>) = Default::default();
    for cause in error.chain() {
        let said = cause.to_string();
        let (body, hint) = match said.split_once("\nhint: ") {
            Some((body, hint)) => (body, Some(hint)),
            None => (said.as_str(), None),
        };
        if !problem.is_empty() {
            problem.push_str(": ");
        }
        problem.push_str(body);
        hints.extend(hint.map(|hint| format!("\nhint: {hint}")));
    }
    problem + &hints.concat()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn hints_come_last() {
        for (error, said) in [
            (anyhow!("a"), "a"),
            (anyhow!("a\nhint: do b"), "a\nhint: do b"),
            (anyhow!("inner").context("outer\nhint: do b"), "outer: inner\nhint: do b"),
            (
                anyhow!("inner\nhint: do c").context("outer\nhint: do b"),
                "outer: inner\nhint: do b\nhint: do c",
            ),
            (
                anyhow!("x failed\nits last words\nhint: see the log"),
                "x failed\nits last words\nhint: see the log",
            ),
        ] {
            assert_eq!(text(&error), said);
        }
    }
}
