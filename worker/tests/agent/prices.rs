//! Our prices against the agent's own: a million tokens of one kind, and its `total_cost_usd`.

use std::{collections::BTreeSet, fmt::Write};

use ralph_worker::gateway::{meter::Meter, price};
use serde_json::{Value, json};

use crate::{
    offers::{aliases, models},
    scripted::{Model, claude, metered, say, using},
};

const MILLION: u64 = 1_000_000;

/// The usage records that differ by their kind of token.
fn kinds() -> [(&'static str, Value); 5] {
    [
        ("input", json!({"input_tokens": MILLION})),
        ("output", json!({"output_tokens": MILLION})),
        ("write for 5 minutes", writes("ephemeral_5m_input_tokens")),
        ("write for an hour", writes("ephemeral_1h_input_tokens")),
        ("read", json!({"cache_read_input_tokens": MILLION})),
    ]
}

fn writes(kind: &str) -> Value {
    json!({"cache_creation_input_tokens": MILLION, "cache_creation": {kind: MILLION}})
}

/// All kinds, so many of each that none is small in the sum.
fn mixed(speed: &str) -> Value {
    json!({
        "input_tokens": 4 * MILLION, "output_tokens": MILLION, "cache_read_input_tokens": 60 * MILLION,
        "cache_creation_input_tokens": 5 * MILLION,
        "cache_creation": {"ephemeral_5m_input_tokens": 3 * MILLION, "ephemeral_1h_input_tokens": 2 * MILLION},
        "speed": speed,
    })
}

/// What the agent says that an answer with this usage costs, and what we make of it.
fn compare(model: &str, usage: &Value) -> (f64, f64) {
    let service = Model::answers(json!([using(say("Dear."), usage.clone())]));
    let lines = claude(&service.url, &["--model", model]);
    let said = lines.last().unwrap()["total_cost_usd"].as_f64().unwrap();
    let ours = metered(&service.requests()).dollars();
    (said, ours)
}

/// What we make of an answer with this usage.
fn metered_of(model: &str, usage: &Value) -> f64 {
    let mut meter = Meter::new("application/json");
    meter.feed(json!({"model": model, "usage": usage}).to_string().as_bytes());
    let (model, used) = meter.finish().unwrap();
    price::estimate(&model, used).dollars()
}

/// Compares each and fails with the list of those that differ by more than 1 %.
fn all_agree(cases: impl IntoIterator<Item = (String, String, Value)>) {
    let mut differ = String::new();
    let mut count = 0;
    for (model, kind, usage) in cases {
        let (said, ours) = compare(&model, &usage);
        println!("{model}, {kind}: the agent says ${said}, we ${ours}");
        count += 1;
        // Nothing to compare is a difference too.
        if said <= 0.0 || (ours - said).abs() > said * 0.01 {
            writeln!(differ, "{model}, {kind}: the agent says ${said}, we ${ours}").unwrap();
        }
    }
    assert!(count > 0 && differ.is_empty(), "worker/src/gateway/price.rs is wrong:\n{differ}");
}

/// Each of these with each kind of token.
fn each_kind(names: impl IntoIterator<Item = String>) {
    all_agree(
        names
            .into_iter()
            .flat_map(|name| kinds().map(|(kind, usage)| (name.clone(), kind.to_owned(), usage))),
    );
}

#[test]
fn each_kind_of_token_of_each_alias_costs_what_the_agent_says() {
    for (alias, model) in aliases() {
        assert!(price::is_known(&model), "{alias} is {model}, which has no row in price.rs");
    }
    each_kind(aliases().into_keys());
}

#[test]
fn each_kind_of_token_of_each_other_model_costs_what_the_agent_says() {
    let seen: BTreeSet<String> = aliases().into_values().collect();
    each_kind(models().difference(&seen).cloned());
}

#[test]
fn each_model_costs_what_the_agent_says_when_it_is_fast() {
    // Most have no such speed and cost the same, of all kinds.
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    for model in models() {
        let (said, _) = compare(&model, &mixed("fast"));
        let usual = metered_of(&model, &mixed("standard"));
        if (said - usual).abs() <= usual * 0.01 { slow.push(model) } else { fast.push(model) }
    }
    assert!(!fast.is_empty() && !slow.is_empty(), "{fast:?} {slow:?}");
    for model in slow {
        let [fast, usual] = ["fast", "standard"].map(|speed| metered_of(&model, &mixed(speed)));
        assert_eq!(fast, usual, "{model} has no fast speed");
    }
    all_agree(fast.into_iter().flat_map(|model| {
        kinds().map(|(kind, mut usage)| {
            usage["speed"] = "fast".into();
            (model.clone(), format!("fast {kind}"), usage)
        })
    }));
}

#[test]
fn what_else_a_usage_record_carries_costs_what_the_agent_says() {
    let turn = |tokens: u64| json!({"type": "message", "input_tokens": tokens, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0});
    let advice = json!({"type": "advisor_message", "model": "claude-haiku-4-5", "input_tokens": MILLION, "output_tokens": MILLION, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0});
    let (opus, haiku) = ("claude-opus-5-5", "claude-haiku-5-5");
    let cases = [
        (
            opus,
            "searches",
            json!({"server_tool_use": {"web_search_requests": 50, "web_fetch_requests": 9}}),
        ),
        (opus, "in the US", json!({"input_tokens": MILLION, "inference_geo": "us"})),
        (
            opus,
            "searches in the US",
            json!({"input_tokens": MILLION, "inference_geo": "us", "server_tool_use": {"web_search_requests": 50}}),
        ),
        (opus, "elsewhere", json!({"input_tokens": MILLION, "inference_geo": "global"})),
        (opus, "priority", json!({"input_tokens": MILLION, "service_tier": "priority"})),
        (opus, "batch", json!({"input_tokens": MILLION, "service_tier": "batch"})),
        (opus, "a speed from the future", json!({"input_tokens": MILLION, "speed": "faster"})),
        (opus, "a write of no kind", json!({"cache_creation_input_tokens": MILLION})),
        (opus, "advice", json!({"input_tokens": 1, "iterations": [turn(1), advice]})),
        (haiku, "a short prompt", json!({"input_tokens": 100_000, "output_tokens": 1_000})),
        (haiku, "a short prompt that is read", json!({"cache_read_input_tokens": 100_000})),
        (
            haiku,
            "a short prompt that is written for 5 minutes",
            json!({"cache_creation_input_tokens": 100_000}),
        ),
        (
            haiku,
            "a short prompt that is written for an hour",
            json!({"cache_creation_input_tokens": 100_000, "cache_creation": {"ephemeral_1h_input_tokens": 100_000}}),
        ),
        (haiku, "a long prompt", json!({"input_tokens": 100_001, "output_tokens": 1_000})),
        (
            haiku,
            "a prompt that is long in all",
            json!({"input_tokens": 60_000, "cache_read_input_tokens": 50_000}),
        ),
        (
            haiku,
            "two short prompts",
            json!({"input_tokens": 120_000, "iterations": [turn(60_000), turn(60_000)]}),
        ),
    ];
    let cases = cases.map(|(model, what, usage)| (model.to_owned(), what.to_owned(), usage));
    all_agree(cases);
}
