//! What is built, and how often.

use std::{collections::BTreeSet, process::Command};

use crate::cloud::{root, stderr, stdout};

/// Each dependency with its features, as cargo resolves them for all packages.
fn resolved(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--prefix", "none", "--no-dedupe", "--edges", edges])
        .args(["--format", "{p} {f}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn the_tests_compile_no_dependency_again_that_the_demo_has_compiled() {
    let (demo, tests) = (resolved("normal,build"), resolved("normal,build,dev"));
    assert!(demo.len() > 200, "only {} dependencies", demo.len());
    let again: Vec<&String> = demo.difference(&tests).collect();
    assert!(
        again.is_empty(),
        "the tests' own dependencies switch features on in {again:?}\nhint: switch them on for a package that is built for the demo, too"
    );
}
