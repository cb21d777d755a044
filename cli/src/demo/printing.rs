//! Lines for a terminal.

use std::io::Write;

use ralph_protocol::reassembly::Line;
use serde_json::Value;

const WIDTH: usize = 100;

/// Prints a line: time, iteration, type, and what it says.
pub fn print(line: &Line) {
    let value: Value = serde_json::from_str(&line.json).unwrap_or_default();
    let text = summary(&value);
    // Control characters would let an agent's output drive the terminal.
    let clean: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WIDTH).collect();
    let time = value["ts"].as_str().and_then(|ts| ts.get(11..23)).unwrap_or_default();
    // A reader that went away is no reason to stop the demo.
    let _ = writeln!(
        std::io::stdout(),
        "{time} {:>4} {:<17} {clean}",
        value["iter"].as_u64().unwrap_or_default(),
        line.kind
    );
}

fn summary(value: &Value) -> String {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    match text("type") {
        "run.start" => format!("{} on {}", text("repo"), text("branch")),
        "clone" => text("commit").to_owned(),
        "agent.tool" => format!("{} {}", text("name"), text("text")),
        "checkpoint" => format!("{} → {}", text("commit"), text("branch")),
        "iter.end" => {
            format!("{}, ${}, {} ms", text("outcome"), value["costUsd"], value["durationMs"])
        }
        "run.end" => format!("{} (exit {})", text("reason"), value["exit"]),
        _ => text("text").to_owned(),
    }
}
