//! docs/modules.md, and the root in docs/examples that uses the modules from a repository of its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::provider::{check_tags, plan, validate};
use crate::support::{good, project, terraform, tree, write};

/// The name of the module that a pinned source names.
fn pinned(source: &str) -> Option<&str> {
    let (repository, rest) = source.split_once("//terraform/modules/")?;
    let (name, version) = rest.split_once("?ref=v")?;
    (repository.starts_with("git::https://") && version.starts_with(|c: char| c.is_ascii_digit()))
        .then_some(name)
}

/// The root in a folder of its own, with the modules as they are now in place of the version that the
/// sources name. `more` is written into each module's block.
fn elsewhere(folder: &Path, more: &str) -> PathBuf {
    let example = project().join("docs/examples/modules");
    write(folder, &tree());
    let root = folder.join("elsewhere");
    fs::create_dir(&root).unwrap();
    let mut used = Vec::new();
    for file in ["main.tf", "versions.tf"] {
        let mut text = fs::read_to_string(example.join(file)).unwrap();
        for block in text.clone().split("\nmodule \"").skip(1) {
            let source = block.split("source = \"").nth(1).unwrap().split('"').next().unwrap();
            let name = pinned(source).unwrap_or_else(|| panic!("{source} is not pinned"));
            text = text.replace(&format!("{source}\"\n"), &format!("../modules/{name}\"\n{more}"));
            used.push(name.to_owned());
        }
        fs::write(root.join(file), text).unwrap();
    }
    assert_eq!(used, ["secrets", "fargate", "websocket"]);
    fs::write(root.join("ralph-lambda.zip"), "").unwrap();
    root
}

#[test]
fn a_root_elsewhere_with_pinned_modules_validates_and_plans_without_a_warning() {
    let example = project().join("docs/examples/modules");
    good(&terraform(&example).args(["fmt", "-check", "-diff"]).output().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let root = elsewhere(folder.path(), "");
    validate(&root);
    let (plan, said) = plan(&root, &[]);
    assert!(!said.contains("Warning"), "{said}");
    check_tags(&plan, "dev");
}

/// The key's ARN is not known at the plan, so no number of resources may follow from it.
#[test]
fn a_root_that_makes_its_own_key_plans() {
    let folder = tempfile::tempdir().unwrap();
    let root = elsewhere(folder.path(), "  kms_key_arn = aws_kms_key.this.arn\n");
    let key = "resource \"aws_kms_key\" \"this\" {\n  enable_key_rotation = true\n}\n";
    fs::write(root.join("key.tf"), key).unwrap();
    validate(&root);
    let (plan, said) = plan(&root, &[]);
    assert!(!said.contains("Warning"), "{said}");
    // Each of the three modules has something that is encrypted with it.
    let changes = plan["resource_changes"].as_array().unwrap();
    for (kind, attribute) in [
        ("aws_secretsmanager_secret", "kms_key_id"),
        ("aws_cloudwatch_log_group", "kms_key_id"),
        ("aws_lambda_function", "kms_key_arn"),
    ] {
        let mut all = changes.iter().filter(|change| change["type"] == kind).peekable();
        assert!(all.peek().is_some(), "{kind}");
        for change in all {
            let unknown = &change["change"]["after_unknown"][attribute];
            assert_eq!(unknown, true, "{}", change["address"]);
        }
    }
}

#[test]
fn the_page_shows_a_function_as_the_module_has_it() {
    let page = fs::read_to_string(project().join("docs/modules.md")).unwrap();
    let block = page.rsplit("```hcl\n").next().unwrap().split("```").next().unwrap();
    let files = tree();
    let path = "modules/websocket/functions.tf";
    let module = &files.iter().find(|(own, _)| own == path).unwrap().1;
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = module.lines().map(plain);
    for line in block.lines().map(plain).filter(|line| line != "# …") {
        assert!(
            lines.any(|own| own == line),
            "{path} has no `{line}` where docs/modules.md has it"
        );
    }
}
