use super::*;

const ARN: &str = "arn:aws:states:us-east-1:000000000000:execution:ralph-dev-workstream:docs-01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn output(outcome: Outcome) -> Output {
    Output {
        workstream: "docs".into(),
        outcome,
        exit: Some(0),
        reason: "the work is complete".into(),
        attempts: 2,
        run: Some("01ARZ3NDEKTSV4RRFFQ69G5FAV-0002".parse().unwrap()),
        spent_usd: Some(1.234),
        iterations: Some(7),
        pull_request: Some("https://github.com/you/project/pull/7".into()),
    }
}

fn notices() -> Notices<()> {
    Notices {
        topic: (),
        environment: "dev".into(),
        log_url: Some("https://logs.example.com/{workstream}/{run}".into()),
    }
}

#[test]
fn every_outcome_has_a_subject_and_a_sentence() {
    for (outcome, words) in [
        (Outcome::Complete, "is complete"),
        (Outcome::Limit, "reached a limit"),
        (Outcome::Blocked, "is blocked"),
        (Outcome::Stopped, "was stopped"),
        (Outcome::Refused, "was refused"),
        (Outcome::Busy, "gave way to another execution"),
        (Outcome::CannotStart, "cannot start"),
        (Outcome::GaveUp, "gave up"),
    ] {
        let output = output(outcome);
        assert_eq!(subject(&output, "dev"), format!("ralph dev: docs {words}"));
        let sentence = format!("Workstream docs of environment dev {words}.\n\nReason: ");
        assert!(text(&output, ARN, &notices()).starts_with(&sentence), "{outcome:?}");
    }
}

#[test]
fn a_text_names_all_that_is_known_about_an_execution() {
    let lines = [
        "Workstream docs of environment dev is complete.",
        "",
        "Reason: the work is complete",
        "Exit: 0",
        "Runs: 2",
        "Iterations: 7",
        "Cost: $1.23",
        "Pull request: https://github.com/you/project/pull/7",
        "Lines of the last run: https://logs.example.com/docs/01ARZ3NDEKTSV4RRFFQ69G5FAV-0002",
        "Execution: docs-01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "",
    ];
    assert_eq!(text(&output(Outcome::Complete), ARN, &notices()), lines.join("\n"));
}

#[test]
fn what_is_not_known_has_no_line() {
    let bare = Output {
        exit: None,
        reason: String::new(),
        attempts: 0,
        run: None,
        spent_usd: None,
        iterations: None,
        pull_request: None,
        ..output(Outcome::Limit)
    };
    assert_eq!(
        text(&bare, ARN, &notices()),
        "Workstream docs of environment dev reached a limit.\n\nRuns: 0\nExecution: docs-01ARZ3NDEKTSV4RRFFQ69G5FAV\n"
    );
}

#[test]
fn a_subject_fits_whatever_the_names() {
    let longest = "a".repeat(48);
    for outcome in Outcome::ALL {
        let output = Output { workstream: longest.clone(), ..output(outcome) };
        for environment in ["dev", &"e".repeat(200)] {
            let subject = subject(&output, environment);
            assert!(subject.len() < 100 && subject.is_ascii(), "{subject}");
            assert!(subject.ends_with(&format!("{longest} {}", what(outcome))), "{subject}");
        }
    }
}

#[test]
fn a_reason_is_one_line_of_plain_text() {
    let long = "ä".repeat(MAX_REASON + 1);
    for (reason, said) in [
        ("one\nhint: two", "one hint: two"),
        ("\u{1b}[31mred\u{7}\r\n", "[31mred"),
        ("a\u{85}b", "a b"),
        (&long, &format!("{}…", "ä".repeat(MAX_REASON))),
    ] {
        let output = Output { reason: reason.into(), ..output(Outcome::GaveUp) };
        let text = text(&output, ARN, &notices());
        assert!(text.contains(&format!("\nReason: {said}\n")), "{text}");
        assert_eq!(text.lines().count(), 10, "{text}");
    }
}

#[test]
fn a_link_that_may_not_be_shown_is_left_out() {
    let output =
        Output { pull_request: Some("javascript:alert(1)".into()), ..output(Outcome::Complete) };
    for log_url in [None, Some("http://{run}".to_owned()), Some("https://a@b/{run}".to_owned())] {
        let text = text(&output, ARN, &Notices { log_url, ..notices() });
        assert!(!text.contains("Pull request") && !text.contains("Lines of"), "{text}");
    }
}
