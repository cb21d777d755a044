//! The local cloud runs whatever `ralph.toml` may say: another environment, region, network, account.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use crate::cloud::{generate, ralph, root, stderr, stdout};

/// A project with another `ralph.toml`, whose programs and tools are this one's.
pub fn project(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("ralph.toml"), toml).expect("written");
    generate(&path("ralph.toml"), &path("terraform"));
    for name in ["cli", "worker", "docker"] {
        std::os::unix::fs::symlink(root().join(name), path(name)).expect("linked");
    }
    fs::create_dir(path(".tools")).expect("made");
    let venv = ".tools/venv-local-cloud";
    std::os::unix::fs::symlink(root().join(venv), path(venv)).expect("linked");
    // What it would build is built.
    fs::create_dir(path("bin")).expect("made");
    fs::write(path("bin/cargo"), "#!/bin/sh\n").expect("written");
    fs::set_permissions(path("bin/cargo"), fs::Permissions::from_mode(0o755)).expect("set");
    folder
}

/// Lets a command run in such a project.
pub fn in_project<'a>(command: &'a mut Command, project: &Path) -> &'a mut Command {
    let path = std::env::var("PATH").expect("a PATH");
    let target = Path::new(env!("CARGO_BIN_EXE_ralph")).ancestors().nth(2).expect("target");
    command
        .current_dir(project)
        .env("PATH", format!("{}:{path}", project.join("bin").display()))
        .env("CARGO_TARGET_DIR", target)
}

fn demo(project: &Path, more: &[&str]) -> Output {
    let mut command = ralph(&["demo", "--quiet"]);
    in_project(command.args(more), project).output().expect("ralph runs")
}

fn assert_whole(output: &Output) {
    let text = stdout(output);
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", stderr(output));
    assert!(text.contains("lost=0 duplicated=0"), "{text}");
}

/// Nothing of it is as in the committed ralph.toml.
const OTHER: &str = r#"
[env.team]
region = "eu-west-1"
account_id = "111122223333"

[env.team.network]
mode = "existing"
vpc_id = "vpc-0123456789abcdef0"
subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
zones = ["b", "c"]

[env.team.worker]
cpu = 2048
memory = 4096
image = "ghcr.io/team/worker:1"

[env.team.agent]
repositories = ["https://github.com/team/*"]

[env.team.agent.environment]
DATABASE_HOST = "db.example.com"
"#;

#[test]
fn a_demo_runs_in_another_environment_region_account_and_a_network_that_exists() {
    let project = project(OTHER);
    let none = demo(project.path(), &[]);
    assert_eq!(none.status.code(), Some(1));
    assert!(
        stderr(&none).contains("there is no environment `dev`\nhint: known are team"),
        "{}",
        stderr(&none)
    );
    assert_whole(&demo(project.path(), &["--env", "team"]));
    // The same once more is restored, in the same region and account.
    let again = demo(project.path(), &["--env", "team"]);
    assert_whole(&again);
    let text = stderr(&again);
    assert!(text.contains("environment restored") && !text.contains("(apply)"), "{text}");
    // Other HCL is applied.
    let main = project.path().join("terraform/envs/team/main.tf");
    let changed = fs::read_to_string(&main).expect("HCL") + "\n# Changed.\n";
    fs::write(&main, changed).expect("written");
    let applied = demo(project.path(), &["--env", "team"]);
    assert_whole(&applied);
    assert!(stderr(&applied).contains("(apply)"), "{}", stderr(&applied));
}

#[test]
fn a_demo_runs_in_the_default_vpc_of_any_zones() {
    let toml = "[env.dev.network]\nmode = \"default\"\nzones = [\"d\", \"f\"]\n";
    let project = project(toml);
    assert_whole(&demo(project.path(), &[]));
    // What was kept and is damaged now is applied again.
    let kept = fs::read_dir(project.path().join(".tools/applied/dev")).expect("what is kept");
    let state = kept.flatten().next().expect("one").path().join("state");
    let damaged = fs::read_dir(state).expect("the state").flatten();
    for file in damaged.filter(|file| file.file_name().to_string_lossy().ends_with(".json")) {
        fs::write(file.path(), "{").expect("written");
    }
    let again = demo(project.path(), &[]);
    assert_whole(&again);
    assert!(stderr(&again).contains("note: it is applied again"), "{}", stderr(&again));
}
