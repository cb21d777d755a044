//! What it costs, computed from the plan of the committed tree.

use crate::cloud::{ralph, root, stderr, stdout};

/// The block of docs/cost.md that `ralph cost` prints.
const FENCE: &str = "```\n";

#[test]
fn the_page_on_cost_says_what_the_committed_tree_costs() {
    let output = ralph(&["cost"]).output().expect("ralph runs");
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    let file = root().join("docs/cost.md");
    let page = std::fs::read_to_string(&file).expect("docs/cost.md");
    let mut parts = page.splitn(3, FENCE);
    let mut part = || parts.next().expect("a block between two fences");
    let (before, block, after) = (part(), part(), part());
    if std::env::var_os("RALPH_WRITE").is_some() {
        let page = format!("{before}{FENCE}{text}{FENCE}{after}");
        std::fs::write(&file, page).expect("written");
    } else {
        assert_eq!(block, text, "docs/cost.md is not what `ralph cost` prints: `just gen-cost`");
    }
    let idle = text.lines().find_map(|line| line.strip_prefix("idle, a month: "));
    let idle: f64 = idle.and_then(|usd| usd.parse().ok()).expect("the idle cost");
    assert!(idle < 2.0, "dev costs {idle} dollars a month while nobody uses it");
}
