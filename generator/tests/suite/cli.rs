//! The program: its modes, its exit codes, what it touches and what it leaves alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{SETTINGS, generator, good, project, tree};

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Run {
    let output = generator().current_dir(folder).args(arguments).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with a configuration, generated.
fn generated() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ralph.toml"), SETTINGS).unwrap();
    let first = run(folder.path(), &[]);
    assert_eq!((first.code, first.err.as_str()), (0, ""));
    folder
}

const VPC: &str = "terraform/modules/vpc/main.tf";

#[test]
fn the_committed_tree_is_what_is_generated() {
    let check = run(&project(), &["--check"]);
    assert_eq!((check.code, check.out.as_str()), (0, ""), "{}", check.err);
}

#[test]
fn twice_gives_the_same_bytes_and_the_second_run_writes_nothing() {
    let folder = generated();
    let path = folder.path().join(VPC);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let again = run(folder.path(), &[]);
    assert_eq!((again.code, again.out.as_str()), (0, "nothing to write\n"));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    for (path, text) in tree() {
        assert_eq!(fs::read_to_string(folder.path().join("terraform").join(path)).unwrap(), text);
    }
}

#[test]
fn one_run_writes_everything_that_is_generated_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ralph.toml"), "architecture = \"arm64\"\n[env.dev]\n").unwrap();
    let written = run(folder.path(), &[]);
    assert_eq!(written.code, 0);
    for (path, text) in [
        ("docker/worker.env", "\nARCHITECTURE=arm64\n"),
        ("docs/checkov.md", "# Checks that are skipped"),
        ("docs/configuration.md", "## `[env.<name>]`"),
        ("docs/deploy-policy.md", "# What it takes to deploy"),
        ("docs/policies/dev-delivery.json", "\"Sid\": \"CreateApi\""),
        ("docs/policies/dev-network.json", "\"Sid\": \"DescribeNetworks\""),
        ("docs/policies/dev-tasks.json", "\"Sid\": \"ManageCluster\""),
        ("docs/ralph.schema.json", "http://json-schema.org/"),
        ("terraform/envs/dev/main.tf", "module \"websocket\""),
        ("terraform/modules/vpc/README.md", "# Module `vpc`"),
        ("terraform/modules/vpc/tests/vpc.tftest.hcl", "mock_provider \"aws\""),
        ("viewer/client/src/protocol.ts", "\nexport type ServerMessage ="),
    ] {
        assert!(written.out.lines().any(|line| line == format!("wrote {path}")), "{}", written.out);
        let there = fs::read_to_string(folder.path().join(path)).unwrap();
        assert!(there.contains(text), "{path}");
        let head: Vec<&str> = there.lines().take(3).collect();
        // JSON cannot have a comment, and IAM knows no other key.
        let marked =
            path.starts_with("docs/policies/") || head.join("").contains("Code generated from ");
        assert!(marked, "{path}");
    }

    fs::remove_dir_all(folder.path().join("docker")).unwrap();
    fs::create_dir_all(folder.path().join("terraform/envs/old")).unwrap();
    let mark = "# Code generated from ralph.toml by `just gen`; DO NOT EDIT.\n";
    fs::write(folder.path().join("terraform/envs/old/main.tf"), mark).unwrap();
    let again = run(folder.path(), &[]);
    assert_eq!(again.out, "wrote docker/worker.env\nremoved terraform/envs/old/main.tf\n");
    assert!(!folder.path().join("terraform/envs/old").exists());
}

#[test]
fn an_environment_whose_folder_holds_a_state_is_not_removed() {
    let folder = generated();
    let at = |path: &str| folder.path().join(path);
    let config = "[env.dev]\nworker.memory = 4096\n";
    for state in [
        "terraform.tfstate",
        "terraform.tfstate.backup",
        "terraform.tfstate.d/other/terraform.tfstate",
        ".terraform/terraform.tfstate",
        "backend.tf",
    ] {
        fs::write(at("ralph.toml"), config).unwrap();
        let state = at("terraform/envs/prod").join(state);
        fs::create_dir_all(state.parent().unwrap()).unwrap();
        fs::write(&state, "{}").unwrap();
        let dev = fs::read_to_string(at("terraform/envs/dev/main.tf")).unwrap();
        for arguments in [&[][..], &["--check"]] {
            let refused = run(folder.path(), arguments);
            assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{}", state.display());
            assert_eq!(
                refused.err,
                "error: terraform/envs/prod holds a state or a backend.tf, but ralph.toml no longer has the environment `prod`\nhint: if it is deployed, put its tables back and run `just destroy prod`; once nothing is deployed, delete the folder and run `just gen` again\n"
            );
        }
        assert_eq!(fs::read_to_string(at("terraform/envs/dev/main.tf")).unwrap(), dev);
        assert!(at("terraform/envs/prod/main.tf").exists(), "nothing else was written");

        // Described again, it is an environment as any other.
        fs::write(at("ralph.toml"), SETTINGS).unwrap();
        assert_eq!(run(folder.path(), &[]).out, "nothing to write\n");
        let top = state.strip_prefix(at("terraform/envs/prod")).unwrap().components().next();
        let top = at("terraform/envs/prod").join(top.unwrap());
        if top.is_dir() { fs::remove_dir_all(top).unwrap() } else { fs::remove_file(top).unwrap() }
    }
    fs::write(at("ralph.toml"), config).unwrap();
    let removed = run(folder.path(), &[]).out;
    assert!(removed.contains("\nremoved terraform/envs/prod/main.tf\n"), "{removed}");
    assert!(!at("terraform/envs/prod").exists());
}

#[test]
fn a_policy_that_nothing_generates_any_more_is_an_orphan_without_a_mark() {
    let folder = generated();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("docs/policies")).unwrap();
    fs::write(at("docs/policies/old-network.json"), "{}").unwrap();
    fs::write(at("docs/policies/notes.md"), "by hand\n").unwrap();
    let check = run(folder.path(), &["--check"]);
    let said = (check.code, check.out.as_str());
    assert_eq!(said, (2, "orphaned: docs/policies/old-network.json\n"));
    assert_eq!(run(folder.path(), &[]).out, "removed docs/policies/old-network.json\n");
    assert!(at("docs/policies/notes.md").exists());
}

#[test]
fn the_hcl_alone_can_go_to_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ralph.toml"), SETTINGS).unwrap();
    let written = run(folder.path(), &["--out", "elsewhere"]);
    assert_eq!(written.out.lines().count(), tree().len());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    for (path, text) in tree() {
        assert_eq!(fs::read_to_string(folder.path().join("elsewhere").join(path)).unwrap(), text);
    }
    assert_eq!(run(folder.path(), &["--out", "elsewhere", "--check"]).code, 0);
}

#[test]
fn a_file_names_its_source_and_not_when_where_or_by_what_version_it_was_made() {
    let version = env!("CARGO_PKG_VERSION");
    for (path, text) in tree() {
        let source = match path.split('/').collect::<Vec<_>>()[..] {
            ["modules", module, ..] => format!("generator/src/modules/{module}.rs"),
            _ => "ralph.toml".to_owned(),
        };
        assert!(project().join(&source).is_file(), "{source}");
        let (open, close) = if path.ends_with(".md") { ("<!--", " -->") } else { ("#", "") };
        assert_eq!(
            text.lines().next().unwrap(),
            format!("{open} Code generated from {source} by `just gen`; DO NOT EDIT.{close}")
        );
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{path}");
        let header: Vec<&str> = text.lines().take(2).collect();
        assert!(!header.join("").contains(version) && text.ends_with('\n') && !text.contains('\r'));
    }
}

#[test]
fn check_names_what_is_stale_missing_and_orphaned_and_shows_the_difference() {
    let folder = generated();
    let at = |path: &str| folder.path().join(path);
    let text = fs::read_to_string(at(VPC)).unwrap();
    fs::write(at(VPC), text.replace("enable_dns_support   = true", "enable_dns_support   = false"))
        .unwrap();
    fs::remove_file(at("terraform/modules/vpc/outputs.tf")).unwrap();
    let old = "terraform/modules/old/main.tf";
    fs::create_dir_all(at("terraform/modules/old")).unwrap();
    fs::write(at(old), text).unwrap();

    let check = run(folder.path(), &["--check"]);
    assert_eq!(check.code, 2);
    let expected = "orphaned: terraform/modules/old/main.tf\n\
                    stale: terraform/modules/vpc/main.tf\n\
                    missing: terraform/modules/vpc/outputs.tf\n";
    assert!(check.out.starts_with(expected), "{}", check.out);
    for line in [
        "--- terraform/modules/vpc/main.tf",
        "+++ terraform/modules/vpc/main.tf (generated)",
        "-  enable_dns_support   = false",
        "+  enable_dns_support   = true",
    ] {
        assert!(check.out.lines().any(|own| own == line), "{line} in {}", check.out);
    }
    assert_eq!(check.err, "hint: run `just gen` and commit what it writes\n");

    assert_eq!(run(folder.path(), &[]).code, 0);
    assert_eq!(run(folder.path(), &["--check"]).code, 0);
    assert!(!at("terraform/modules/old").exists());
}

#[test]
fn a_hand_edit_of_the_reference_is_seen_too() {
    let folder = generated();
    let page = folder.path().join("docs/configuration.md");
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&page, format!("{text}more\n")).unwrap();
    let check = run(folder.path(), &["--check"]);
    assert_eq!(check.code, 2);
    assert!(check.out.starts_with("stale: docs/configuration.md\n"), "{}", check.out);
}

#[test]
fn a_checkout_with_carriage_returns_does_not_differ() {
    let folder = generated();
    let path = folder.path().join(VPC);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    assert_eq!(run(folder.path(), &["--check"]).code, 0);
}

#[test]
fn a_file_without_our_header_is_never_overwritten_or_deleted() {
    let folder = generated();
    let at = |path: &str| folder.path().join(path);
    fs::write(at(VPC), "# by hand\n").unwrap();
    fs::remove_file(at("terraform/modules/vpc/outputs.tf")).unwrap();
    for arguments in [&[][..], &["--check"]] {
        let refused = run(folder.path(), arguments);
        assert_eq!(refused.code, 1);
        assert!(
            refused.err.starts_with(
                "error: terraform/modules/vpc/main.tf was not written by the generator"
            ),
            "{}",
            refused.err
        );
        assert!(refused.err.contains("\nhint: move it away or delete it"), "{}", refused.err);
    }
    assert_eq!(fs::read_to_string(at(VPC)).unwrap(), "# by hand\n");
    assert!(!at("terraform/modules/vpc/outputs.tf").exists(), "nothing else was written");

    let folder = generated();
    let own = folder.path().join("terraform/modules/vpc/extra.tf");
    fs::write(&own, "# by hand, beside ours\n").unwrap();
    assert_eq!(run(folder.path(), &["--check"]).code, 0);
    assert_eq!(run(folder.path(), &[]).code, 0);
    assert!(own.exists());
}

#[test]
fn what_terraform_and_people_keep_there_is_never_an_orphan() {
    let folder = generated();
    let dev = folder.path().join("terraform/envs/dev");
    let header = tree()[0].1.clone();
    fs::create_dir_all(dev.join(".terraform/modules")).unwrap();
    let kept =
        ["terraform.tfstate", ".terraform.lock.hcl", "mine.tfvars", ".terraform/modules/x.tf"];
    for name in kept {
        fs::write(dev.join(name), &header).unwrap();
    }
    assert_eq!(run(folder.path(), &["--check"]).code, 0);
    assert_eq!(run(folder.path(), &[]).code, 0);
    for name in kept {
        assert!(dev.join(name).exists(), "{name}");
    }
}

#[test]
fn stdout_prints_every_file_and_writes_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ralph.toml"), SETTINGS).unwrap();
    let printed = run(folder.path(), &["--stdout"]);
    assert_eq!(printed.code, 0);
    for (path, text) in tree() {
        assert!(printed.out.contains(&format!("### terraform/{path}\n{text}")), "{path}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_wrong_configuration_or_argument_is_exit_code_1_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ralph.toml"), "[env.dev]\nregoin = \"x\"\n").unwrap();
    let wrong = run(folder.path(), &[]);
    assert_eq!(wrong.code, 1);
    let expected = "error: unknown key `regoin`\n --> ralph.toml:2:1\n";
    assert!(wrong.err.starts_with(expected), "{}", wrong.err);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let absent = run(folder.path(), &["--config", "nowhere.toml"]);
    assert_eq!(absent.code, 1);
    assert!(absent.err.starts_with("error: cannot read nowhere.toml: "), "{}", absent.err);
    assert!(absent.err.contains("\nhint: name another file with --config"), "{}", absent.err);

    assert_eq!(run(folder.path(), &["--chekc"]).code, 1);
    assert_eq!(run(folder.path(), &["--check", "--stdout"]).code, 1);
    assert_eq!(run(folder.path(), &["--help"]).code, 0);
}

#[test]
fn a_warning_is_printed_once_and_leaves_the_exit_code_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ralph.toml"), "[env.dev]\nregion = \"eu-south-9\"\n").unwrap();
    for arguments in [&[][..], &["--check"]] {
        let warned = run(folder.path(), arguments);
        assert_eq!(warned.code, 0, "{}", warned.err);
        let begin =
            "warning: `eu-south-9` is not a region that is known here\n --> ralph.toml:2:10\n";
        assert!(warned.err.starts_with(begin), "{}", warned.err);
        assert_eq!(warned.err.matches("warning").count(), 1);
    }
}

#[test]
fn an_empty_file_where_a_generated_one_belongs_is_somebody_elses() {
    let folder = generated();
    let path = folder.path().join(VPC);
    fs::write(&path, "").unwrap();
    assert_eq!(run(folder.path(), &["--check"]).code, 1);
    fs::remove_file(&path).unwrap();
    assert_eq!(run(folder.path(), &[]).code, 0);
    assert_eq!(run(folder.path(), &["--check"]).code, 0);
}

#[test]
fn what_a_killed_run_left_is_named_and_removed_in_both_folders() {
    let folder = generated();
    let left = ["docs/.ralph-x1.tmp", "terraform/modules/vpc/.ralph-x2.tmp"];
    for path in left {
        fs::write(folder.path().join(path), "half a li").unwrap();
    }
    let check = run(folder.path(), &["--check"]);
    assert_eq!(check.code, 2);
    for path in left {
        assert!(check.out.contains(&format!("orphaned: {path}\n")), "{}", check.out);
    }
    assert_eq!(run(folder.path(), &[]).code, 0);
    for path in left {
        assert!(!folder.path().join(path).exists(), "{path}");
    }
}

#[test]
fn a_module_that_is_gone_goes_with_all_its_folders_and_nothing_else() {
    let folder = generated();
    let old = folder.path().join("terraform/modules/old");
    fs::create_dir_all(old.join("tests")).unwrap();
    let header = |path: &str| {
        let open = if path.ends_with(".md") { "<!--" } else { "#" };
        format!("{open} Code generated from ralph.toml by `just gen`; DO NOT EDIT.\n")
    };
    let files = ["main.tf", "README.md", "tests/old.tftest.hcl"];
    for path in files {
        fs::write(old.join(path), header(path)).unwrap();
    }
    let check = run(folder.path(), &["--check"]).out;
    for path in files {
        assert!(check.contains(&format!("orphaned: terraform/modules/old/{path}\n")), "{check}");
    }
    fs::write(old.join("notes.md"), "by hand\n").unwrap();
    assert_eq!(run(folder.path(), &[]).code, 0);
    assert!(!old.join("tests").exists() && !old.join("main.tf").exists());
    assert_eq!(fs::read_to_string(old.join("notes.md")).unwrap(), "by hand\n");
    fs::remove_file(old.join("notes.md")).unwrap();
    fs::write(old.join("main.tf"), header("main.tf")).unwrap();
    assert_eq!(run(folder.path(), &[]).code, 0);
    assert!(!old.exists() && folder.path().join("terraform/modules/vpc").exists());
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_a_link_to_nothing_is_never_replaced() {
    use std::os::unix::fs::symlink;
    let folder = generated();
    let at = |path: &str| folder.path().join(path);
    // The whole folder somewhere else, and one file within it.
    fs::rename(at("terraform"), at("elsewhere")).unwrap();
    symlink("elsewhere", at("terraform")).unwrap();
    fs::rename(at(VPC), at("vpc.tf")).unwrap();
    symlink(at("vpc.tf"), at(VPC)).unwrap();
    assert_eq!(run(folder.path(), &["--check"]).code, 0);
    let text = fs::read_to_string(at(VPC)).unwrap();
    fs::write(at("vpc.tf"), text.replace("enable_dns_support ", "enable_dns_supper ")).unwrap();
    assert_eq!(run(folder.path(), &["--check"]).code, 2);
    assert_eq!(run(folder.path(), &[]).code, 0);
    assert!(at(VPC).is_symlink() && at("terraform").is_symlink());
    assert_eq!(fs::read_to_string(at("vpc.tf")).unwrap(), text);

    fs::remove_file(at("vpc.tf")).unwrap();
    assert_eq!(run(folder.path(), &[]).code, 1);
    assert!(at(VPC).is_symlink() && !at("vpc.tf").exists());
}

#[test]
fn what_cannot_be_written_says_what_and_where_and_nothing_is_torn() {
    // A folder where a file belongs, a file where a folder belongs.
    let folder = generated();
    let at = |path: &str| folder.path().join(path);
    fs::remove_file(at(VPC)).unwrap();
    fs::create_dir(at(VPC)).unwrap();
    let refused = run(folder.path(), &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.starts_with(&format!("error: cannot read {VPC}: ")), "{}", refused.err);

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ralph.toml"), SETTINGS).unwrap();
    fs::write(folder.path().join("terraform"), "a file\n").unwrap();
    let refused = run(folder.path(), &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.starts_with("error: cannot read terraform"), "{}", refused.err);
    assert_eq!(fs::read_to_string(folder.path().join("terraform")).unwrap(), "a file\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_where_nobody_can_write_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ralph.toml"), SETTINGS).unwrap();
    let refused = run(folder.path(), &["--out", "/proc/ralph"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.starts_with("error: cannot make /proc/ralph/"), "{}", refused.err);
}

#[cfg(unix)]
#[test]
fn the_image_is_built_for_the_architecture_of_the_settings() {
    use std::os::unix::fs::PermissionsExt as _;
    for (architecture, platform) in [("x86_64", "linux/amd64"), ("arm64", "linux/arm64")] {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let settings = format!("architecture = '{architecture}' # as the functions\n[env.dev]\n");
        fs::write(at("ralph.toml"), settings).unwrap();
        assert_eq!(run(folder.path(), &[]).code, 0);
        for script in ["docker/build.sh", "docker/engine.sh"] {
            fs::copy(project().join(script), at(script)).unwrap();
        }
        // A builder that shows its arguments, on a machine that is of no known kind.
        fs::create_dir(at("bin")).unwrap();
        for (name, script) in [("docker", "#!/bin/sh\necho \"$@\"\n"), ("uname", "#!/bin/sh\n")] {
            let program = at("bin").join(name);
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        let mut build = Command::new("sh");
        build.arg(at("docker/build.sh")).env("PATH", path).env("RALPH_BUILDER", "docker");
        let said = good(&build.env_remove("RALPH_BUILD_ARGS").output().unwrap());
        assert!(said.starts_with(&format!("build --platform {platform} --file ")), "{said}");
    }
}
