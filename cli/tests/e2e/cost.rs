//! What it costs: docs/cost.md shows settings, and what `ralph cost` prints for them.

use crate::cloud::{generate, ralph, root, stderr, stdout};

/// The block of docs/cost.md that `ralph cost` prints.
const FENCE: &str = "```\n";

/// The block before it, a ralph.toml. The project's own may say something else at any time.
const SETTINGS: &str = "```toml\n";

#[test]
fn the_page_on_cost_says_what_its_settings_cost() {
    let file = root().join("docs/cost.md");
    let page = std::fs::read_to_string(&file).expect("docs/cost.md");
    let (introduction, rest) = page.split_once(SETTINGS).expect("settings");
    let (settings, rest) = rest.split_once(FENCE).expect("the end of the settings");
    let mut parts = rest.splitn(3, FENCE);
    let mut part = || parts.next().expect("a block between two fences");
    let (between, block, after) = (part(), part(), part());

    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("ralph.toml");
    std::fs::write(&own, settings).expect("written");
    generate(&own, &folder.path().join("terraform"));

    let output = ralph(&["cost"]).current_dir(folder.path()).output().expect("ralph runs");
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    if std::env::var_os("RALPH_WRITE").is_some() {
        let page = format!(
            "{introduction}{SETTINGS}{settings}{FENCE}{between}{FENCE}{text}{FENCE}{after}"
        );
        std::fs::write(&file, page).expect("written");
    } else {
        assert_eq!(block, text, "docs/cost.md is not what `ralph cost` prints: `just gen-cost`");
    }
    // An order may name another size.
    let sized = ralph(&["cost", "--cpu", "4096", "--memory", "16384"])
        .current_dir(folder.path())
        .output()
        .expect("ralph runs");
    let task = stdout(&sized);
    let task = task.lines().find_map(|line| line.trim().strip_prefix("task, "));
    let task = task.unwrap_or_else(|| panic!("{}", stderr(&sized)));
    assert!(task.starts_with("4 vCPU and 16 GB on Spot "), "{task}");
    let idle = text.lines().find_map(|line| line.strip_prefix("idle, a month: "));
    let idle: f64 = idle.and_then(|usd| usd.parse().ok()).expect("the idle cost");
    assert!(idle < 2.0, "dev costs {idle} dollars a month while nobody uses it");
}
