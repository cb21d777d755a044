//! What is built, and how often.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::{
    cargo,
    cloud::{root, stderr, stdout},
};

/// Each dependency with its features, as cargo resolves them for all packages.
fn resolved(edges: &str) -> BTreeSet<String> {
    let output = cargo::command(Path::new(env!("CARGO")))
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

#[test]
fn a_test_that_calls_cargo_compiles_no_dependency_again() {
    let output = cargo::command(Path::new(env!("CARGO")))
        .args(["build", "--bin", "ralph", "--message-format", "json"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let built = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let (fresh, again): (Vec<Value>, Vec<Value>) = built
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| !message["package_id"].as_str().unwrap().starts_with("path+"))
        .partition(|message| message["fresh"] == true);
    assert!(fresh.len() > 200, "only {} dependencies", fresh.len());
    let again: Vec<&Value> = again.iter().map(|message| &message["package_id"]).collect();
    assert!(again.is_empty(), "compiled again: {again:?}");
}
