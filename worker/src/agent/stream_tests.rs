use super::*;

fn take(lines: &[&str]) -> (Transcript, Vec<Kind>) {
    let mut transcript = Transcript::default();
    let mut kinds = Vec::new();
    for line in lines {
        kinds.extend(transcript.take(line.as_bytes()).into_iter().map(|(_, kind)| kind));
    }
    (transcript, kinds)
}

#[test]
fn text_tools_and_results_become_events() {
    let (transcript, kinds) = take(&[
        r#"{"type":"system","subtype":"init","session_id":"s","model":"m","tools":[],"claude_code_version":"2.1.330","new":{}}"#,
        r#"{"type":"assistant","message":{"content":[{"type":"text","text":"hi"},{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls"}},{"type":"novelty"}]},"unknown":1}"#,
        r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"a\nb"},{"type":"tool_result","tool_use_id":"t2","is_error":true,"content":[{"type":"text","text":"x"},{"type":"image"},{"type":"text","text":"y"}]}]}}"#,
        r#"{"type":"result","subtype":"success","is_error":false,"num_turns":3,"total_cost_usd":0.07,"usage":{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":3,"cache_creation_input_tokens":4}}"#,
    ]);
    let text = |t: &str| t.to_owned();
    assert_eq!(
        kinds[1..],
        [
            Kind::AgentText { text: text("hi"), parent: None },
            Kind::AgentTool {
                id: text("t1"),
                name: text("Bash"),
                text: text(r#"{"command":"ls"}"#),
                parent: None
            },
            Kind::AgentToolResult {
                id: text("t1"),
                text: text("a\nb"),
                is_error: false,
                parent: None
            },
            Kind::AgentToolResult {
                id: text("t2"),
                text: text("x\n[image]\ny"),
                is_error: true,
                parent: None
            },
        ]
    );
    let result = transcript.result.unwrap();
    assert_eq!((result.turns, result.cost), (3, Some(Usd::from_dollars(0.07))));
    assert_eq!(result.tokens, Tokens { input: 1, output: 2, cache_read: 3, cache_write: 4 });
}

#[test]
fn what_the_outcome_depends_on_is_kept() {
    let (transcript, kinds) = take(&[
        r#"{"type":"system","subtype":"api_retry","attempt":2,"max_retries":10,"retry_delay_ms":500.5,"error_status":529}"#,
        r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1700000000,"rateLimitType":"five_hour"}}"#,
        r#"{"type":"assistant","error":"rate_limit","message":{"content":"limit reached"}}"#,
        r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"limit"}"#,
    ]);
    assert_eq!(kinds[0], Kind::AgentRetry { attempt: 2, delay_ms: 500, status: Some(529) });
    let resets_at = Some(1_700_000_000_000);
    assert_eq!(kinds[1], Kind::Limit { status: "rejected".into(), resets_at });
    assert_eq!(transcript.limit.unwrap().resets_at, resets_at);
    assert_eq!(transcript.assistant_error.as_deref(), Some("rate_limit"));
    assert_eq!(transcript.result.unwrap().api_error_status, Some(429));
}

#[test]
fn broken_lines_are_shown_and_counted() {
    let (transcript, kinds) = take(&[
        r#"{"type":"system","subtype":"init"}"#,
        r#"{"type":"assistant","message":{"content":[{"type":"te"#,
        r#"{"no":"type"}"#,
        "",
        "  ",
        "[1,2]",
        r#"{"type":"assistant","message":7}"#,
        r#"{"type":"user","message":{"content":[{"type":"tool_result","content":{"a":1}}]}}"#,
        r#"{"type":"result"}"#,
    ]);
    assert_eq!(transcript.broken_lines, 1);
    let shown = kinds.iter().filter(|k| matches!(k, Kind::AgentText { .. })).count();
    assert_eq!(shown, 3, "{kinds:?}");
    assert!(transcript.result.is_some());
}

#[test]
fn plain_text_passes_whatever_its_bytes() {
    let mut transcript = Transcript::default();
    let events = transcript.take(b"plain \xff text");
    assert_eq!(
        events,
        [(Level::Info, Kind::AgentText { text: "plain \u{fffd} text".into(), parent: None })]
    );
    assert!(!transcript.speaks_json);
}

#[test]
fn a_line_of_five_megabytes_is_one_text() {
    let long = "x".repeat(5 << 20);
    let line =
        serde_json::json!({"type":"assistant","message":{"content":[{"type":"text","text":long}]}});
    let events = Transcript::default().take(line.to_string().as_bytes());
    assert!(matches!(&events[0].1, Kind::AgentText { text, .. } if text.len() == 5 << 20));
}

#[test]
fn results_of_several_turns_are_one() {
    // As 2.1.331 writes them for a command in the background.
    let tasks = |tasks: &str| {
        format!(r#"{{"type":"system","subtype":"background_tasks_changed","tasks":[{tasks}]}}"#)
    };
    let one = tasks(r#"{"task_id":"b1","task_type":"local_bash","description":"x"}"#);
    let watcher = tasks(r#"{"task_id":"m1","task_type":"monitor","ambient":true}"#);
    let none = tasks("");
    let init = r#"{"type":"system","subtype":"init"}"#;
    let ends =
        r#"{"type":"system","subtype":"task_notification","task_id":"b1","status":"completed"}"#;
    let first = r#"{"type":"result","subtype":"success","num_turns":2,"total_cost_usd":0.4,"usage":{"output_tokens":2},"result":"I wait."}"#;
    let second = r#"{"type":"result","subtype":"success","num_turns":3,"total_cost_usd":0.9,"usage":{"output_tokens":5},"result":"Done."}"#;
    let lines: [(&str, bool); 9] = [
        (init, true),
        (&one, true),
        (first, true),
        (ends, true),
        (&none, false),
        (init, true),
        (&watcher, true),
        (second, false),
        (&one, true),
    ];
    let mut transcript = Transcript::default();
    for (line, under_way) in lines {
        transcript.take(line.as_bytes());
        assert_eq!(transcript.under_way(), under_way, "{line}");
    }
    let result = transcript.result.unwrap();
    // The cost is a sum already.
    assert_eq!((result.turns, result.cost), (5, Some(Usd::from_dollars(0.9))));
    assert_eq!((result.tokens.output, result.text.as_str()), (7, "Done."));
}

#[test]
fn what_a_subagent_says_and_does_names_the_call_that_started_it() {
    // As 2.1.331 writes them; the agent's own lines have null there.
    let (_, kinds) = take(&[
        r#"{"type":"assistant","message":{"content":[{"type":"text","text":"I help."},{"type":"tool_use","id":"t2","name":"Bash","input":{}}]},"parent_tool_use_id":"t1","agent_id":"a1"}"#,
        r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t2","content":"a"}]},"parent_tool_use_id":"t1"}"#,
        r#"{"type":"assistant","message":{"content":[{"type":"text","text":"Thanks."}]},"parent_tool_use_id":null}"#,
    ]);
    let parents: Vec<Option<&str>> = kinds
        .iter()
        .map(|kind| match kind {
            Kind::AgentText { parent, .. }
            | Kind::AgentTool { parent, .. }
            | Kind::AgentToolResult { parent, .. } => parent.as_deref(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parents, [Some("t1"), Some("t1"), Some("t1"), None]);
}

#[test]
fn a_compaction_is_said() {
    let said = |line: &str| match take(&[line]).1.as_slice() {
        [Kind::Log { text }] => text.clone(),
        other => panic!("{other:?}"),
    };
    let line = r#"{"type":"system","subtype":"compact_boundary","compact_metadata":{"trigger":"auto","pre_tokens":985000,"post_tokens":2538}}"#;
    assert_eq!(
        said(line),
        "the agent replaced its context by a summary: 985000 tokens before, 2538 after"
    );
    // Another version may say less.
    assert!(said(r#"{"type":"system","subtype":"compact_boundary"}"#).contains("? tokens before"));
}
