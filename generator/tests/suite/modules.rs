//! Each module's own tests, its README and the checks that it skips.

use ralph_generator::generate::File;
use ralph_generator::skips;

use crate::support::{good, module_folder, terraform, tree};

const MODULES: [&str; 4] = ["fargate", "secrets", "vpc", "websocket"];

fn file(files: &[File], path: &str) -> String {
    let found = files.iter().find(|(own, _)| own == path);
    found.unwrap_or_else(|| panic!("{path} is not generated")).1.clone()
}

/// `terraform test` in a module's folder.
fn own_tests_pass(module: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = 0;
    let folder = module_folder(folder.path(), module, |tests| {
        runs = tests.lines().filter(|line| line.starts_with("run \"")).count();
    });
    let said = good(&terraform(&folder).args(["test", "-no-color"]).output().unwrap());
    let passed = said.lines().filter(|line| line.ends_with("... pass")).count();
    // The file is a line of its own.
    assert_eq!(passed, runs + 1, "{said}");
    assert!(said.contains(&format!("Success! {runs} passed, 0 failed.")), "{said}");
}

// A test each, so that they run side by side.
#[test]
fn fargates_own_tests_pass_with_a_mocked_provider() {
    own_tests_pass("fargate");
}

#[test]
fn secrets_own_tests_pass_with_a_mocked_provider() {
    own_tests_pass("secrets");
}

#[test]
fn vpcs_own_tests_pass_with_a_mocked_provider() {
    own_tests_pass("vpc");
}

#[test]
fn websockets_own_tests_pass_with_a_mocked_provider() {
    own_tests_pass("websocket");
}

#[test]
fn a_value_that_a_modules_own_tests_do_not_try_is_refused_too() {
    let network =
        |ids: &str| format!("security_group_id = \"sg-0123456789abcdef0\"\n subnet_ids = {ids}");
    for (module, input, value) in [
        ("fargate", "network", format!("{{ {} }}", network("[]"))),
        ("fargate", "network", format!("{{ {} }}", network("null"))),
        ("secrets", "recovery_window_in_days", "7.5".to_owned()),
        (
            "websocket",
            "lambda",
            "{\n reserved_concurrency = { push-logs = null }\n zip = \"versions.tf\"\n }"
                .to_owned(),
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = module_folder(folder.path(), module, |tests| {
            let (before, _) = tests.split_once("\n# The example of the README").unwrap();
            *tests = format!(
                "{before}\nrun \"refused\" {{\n command = plan\n expect_failures = [var.{input}]\n variables {{\n {input} = {value}\n }}\n}}\n"
            );
        });
        let said = good(&terraform(&folder).args(["test", "-no-color"]).output().unwrap());
        assert!(said.contains("Success! 1 passed, 0 failed."), "{module} {input}: {said}");
    }
}

#[test]
fn no_module_is_forgotten_here() {
    let files = tree();
    let folders = files.iter().filter_map(|(path, _)| path.strip_prefix("modules/"));
    let mut names: Vec<&str> = folders.filter_map(|path| path.split('/').next()).collect();
    names.dedup();
    assert_eq!(names, MODULES);
}

#[test]
fn a_readme_shows_the_call_that_the_tests_make_and_every_input_and_output() {
    let files = tree();
    for module in MODULES {
        let path = |name: &str| format!("modules/{module}/{name}");
        let readme = file(&files, &path("README.md"));
        assert!(readme.starts_with("<!-- Code generated "), "{readme}");
        let tests = file(&files, &path(&format!("tests/{module}.tftest.hcl")));
        let example = readme.split("```hcl\n").nth(1).unwrap().split("```").next().unwrap();
        let variables =
            tests.split("\nvariables {\n").nth(1).unwrap().split("\n}\n").next().unwrap();
        let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let given: Vec<String> = variables.lines().map(plain).collect();
        for line in example.lines().skip(3).filter(|line| line.starts_with("  ")) {
            let is_given = given.contains(&plain(line)) || line.contains("zip ");
            assert!(is_given, "{module}: {line}");
        }
        for (name, kind) in [("variables.tf", "variable"), ("outputs.tf", "output")] {
            let declared = file(&files, &path(name));
            let begin = format!("\n{kind} \"");
            for block in declared.split(&begin).skip(1) {
                let (name, rest) = block.split_once('"').unwrap();
                // An object's fields are rows of their own.
                let about = match rest.split_once("description = <<-EOT\n") {
                    Some((_, about)) => about.lines().next().unwrap().trim(),
                    None => {
                        rest.split("description = \"").nth(1).unwrap().split("\"\n").next().unwrap()
                    }
                };
                let (begin, end) = (format!("| `{name}` | "), format!("| {about} |"));
                let row = readme.lines().find(|l| l.starts_with(&begin) && l.ends_with(&end));
                assert!(row.is_some(), "{module}: {name} has no row");
                // An example may leave out only what has a default.
                if kind == "variable" {
                    let needed = !rest.contains("\n  default ");
                    let given = example.lines().any(|line| {
                        line.strip_prefix("  ")
                            .and_then(|line| line.strip_prefix(name))
                            .is_some_and(|rest| rest.trim_start().starts_with("= "))
                    });
                    assert!(given || !needed, "{module}: the example lacks {name}");
                }
            }
        }
    }
}

#[test]
fn every_validation_comes_with_a_value_that_it_refuses() {
    let files = tree();
    let mut all = 0;
    for module in MODULES {
        let variables = file(&files, &format!("modules/{module}/variables.tf"));
        let tests = file(&files, &format!("modules/{module}/tests/{module}.tftest.hcl"));
        let validations = variables.matches("\n  validation {\n").count();
        assert_eq!(tests.matches("\nrun \"refuses_").count(), validations, "{module}");
        all += validations;
    }
    assert!(all >= 5);
}

#[test]
fn every_skipped_check_is_in_one_table_stands_inside_its_block_and_is_used() {
    let files = tree();
    let page = std::fs::read_to_string(crate::support::project().join("docs/checkov.md")).unwrap();
    let mut used = std::collections::BTreeSet::new();
    for (path, text) in &files {
        for line in text.lines().filter(|line| line.contains("checkov:skip=")) {
            // Inside the block, alone on its line: checkov reads nothing else.
            let skip = line.strip_prefix("  # checkov:skip=");
            let (id, reason) =
                skip.unwrap_or_else(|| panic!("{path}: {line}")).split_once(':').unwrap();
            let known = skips::TABLE.iter().find(|skip| skip.id == id);
            assert_eq!(known.unwrap().reason, reason, "{path}");
            used.insert(id);
        }
    }
    for skip in skips::TABLE {
        assert!(used.contains(skip.id), "{} is skipped nowhere", skip.id);
        assert!(page.contains(&format!("| {} | {} | `", skip.id, skip.reason)), "{}", skip.id);
    }
}
