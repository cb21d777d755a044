//! Which tofu or terraform is used, and when it gets its provider from a mirror: with fake ones that write
//! down what they are asked to do.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::{
    cloud::{ralph, root, stderr, stdout},
    commands::FakeProject,
    fake_aws::FakeAws,
};

/// A tool that says what it is, and whose `init` fails as a test wishes.
fn fake(says: &str) -> String {
    format!(
        r#"echo "${{0##*/}} $*" >>"$CALLS"
case "$*" in
*version) echo "{says}"; echo "on linux_amd64" ;;
*-plugin-dir=*) [ -z "$MIRROR_FAILS" ] || {{ echo "$MIRROR_FAILS" >&2; exit 1; }} ;;
*" init "*) [ -z "$FAILS" ] || {{ echo "$FAILS" >&2; exit 1; }} ;;
esac"#
    )
}

const TOFU: &str = "registry.opentofu.org/hashicorp/aws";
const TERRAFORM: &str = "registry.terraform.io/hashicorp/aws";
const OUT_OF_REACH: &str = "Error: Failed to resolve provider packages: it is out of reach";
/// What is tried before the command itself.
const PLAIN: &[&str] = &["init"];
const BOTH: &[&str] = &["init", "init from the mirror"];

/// A project with both tools, whose home, settings and mirrors are its own.
struct Machine {
    project: FakeProject,
    aws: FakeAws,
}

impl Machine {
    fn new() -> Self {
        let project = FakeProject::new(&[
            ("tofu", &fake("OpenTofu v1.12.6")),
            ("terraform", &fake("Terraform v1.11.4")),
            ("renamed", &fake("Terraform v1.11.4-rc1")),
            ("oldest", &fake("Terraform v1.6.0")),
            ("too-old", &fake("OpenTofu v1.5.7")),
            ("broken", "echo cannot open shared object file >&2; exit 127"),
        ]);
        fs::create_dir(project.path("home")).expect("made");
        let machine = Self { project, aws: FakeAws::start() };
        // The range of the provider is what the generated HCL says.
        let versions = root().join("terraform/envs/dev/versions.tf");
        let versions = fs::read_to_string(versions).expect("the environment's versions");
        assert!(versions.contains(r#"version = ">= 5.88.0, < 7.0.0""#), "{versions}");
        machine.with("terraform/envs/dev/versions.tf", &versions)
    }

    fn with(self, name: &str, text: &str) -> Self {
        let file = self.project.path(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
        self
    }

    fn path(&self, name: &str) -> String {
        self.project.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// An apply asks whose account it is in.
    fn account(&self) -> [(&str, String); 3] {
        let any = |name| (name, "any".to_owned());
        let endpoint = ("AWS_ENDPOINT_URL", self.aws.endpoint());
        [endpoint, any("AWS_ACCESS_KEY_ID"), any("AWS_SECRET_ACCESS_KEY")]
    }

    fn apply(&self, environment: &[(&str, &str)]) -> Output {
        let path = std::env::var("PATH").expect("a PATH");
        let mut command = ralph(&["apply"]);
        for name in ["RALPH_TERRAFORM", "TF_CLI_CONFIG_FILE", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command
            .current_dir(self.project.path(""))
            .env("PATH", format!("{}:{path}", self.path("bin")))
            .env("HOME", self.path("home"))
            .env("CALLS", self.path("calls"))
            .env("RALPH_PROVIDER_MIRRORS", self.path("mirror"))
            .envs(self.account())
            .envs(environment.iter().copied())
            .output()
            .expect("ralph runs")
    }

    /// What the tools were asked to do: the tool's name and the command.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.project.path("calls")).unwrap_or_default();
        let call = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let mirror = words.iter().any(|word| word.starts_with("-plugin-dir="));
            let mirror = if mirror { " from the mirror" } else { "" };
            format!("{} {}{mirror}", words[0], words[2])
        };
        // Whether the state is empty does not matter here.
        calls.lines().filter(|line| !line.contains(" show ")).map(call).collect()
    }
}

/// Each command of a tool, after it was asked what it is.
fn of(tool: &str, commands: &[&str]) -> Vec<String> {
    let all = [&["version"], commands].concat();
    all.iter().map(|command| format!("{tool} {command}")).collect()
}

#[test]
fn a_mirror_is_used_if_it_has_the_provider_for_this_tool_version_and_platform() {
    let unpacked =
        |host: &str, version: &str, platform: &str| format!("{host}/{version}/{platform}/x");
    let packed = |version: &str, platform: &str| {
        format!("{TOFU}/terraform-provider-aws_{version}_{platform}.zip")
    };
    // The tool, the file in the mirror, and whether `init` is run a second time.
    let table = [
        ("tofu", unpacked(TOFU, "5.100.0", "linux_amd64"), true),
        ("tofu", unpacked(TOFU, "5.88.0", "linux_amd64"), true),
        ("tofu", packed("6.2.0", "linux_amd64"), true),
        ("terraform", unpacked(TERRAFORM, "5.100.0", "linux_amd64"), true),
        ("renamed", unpacked(TERRAFORM, "5.100.0", "linux_amd64"), true),
        ("tofu", unpacked(TERRAFORM, "5.100.0", "linux_amd64"), false),
        ("terraform", unpacked(TOFU, "5.100.0", "linux_amd64"), false),
        ("tofu", unpacked(TOFU, "4.67.0", "linux_amd64"), false),
        ("tofu", unpacked(TOFU, "5.87.1", "linux_amd64"), false),
        ("tofu", unpacked(TOFU, "7.0.0", "linux_amd64"), false),
        ("tofu", unpacked(TOFU, "6.0.0-beta1", "linux_amd64"), false),
        ("tofu", unpacked(TOFU, "5.100.0", "darwin_arm64"), false),
        ("tofu", packed("6.2.0", "linux_arm64"), false),
        ("tofu", packed("4.67.0", "linux_amd64"), false),
        ("tofu", "registry.opentofu.org/hashicorp/random/5.100.0/linux_amd64/x".to_owned(), false),
    ];
    for (tool, file, used) in table {
        let machine = Machine::new().with(&format!("mirror/{file}"), "");
        let output = machine.apply(&[("RALPH_TERRAFORM", tool), ("FAILS", OUT_OF_REACH)]);
        let case = format!("{tool} {file}: {}", stderr(&output));
        assert_eq!(output.status.success(), used, "{case}");
        if used {
            assert_eq!(machine.calls(), of(tool, &[BOTH, &["apply"]].concat()), "{case}");
        } else {
            assert_eq!(machine.calls(), of(tool, PLAIN), "{case}");
            let host = if tool == "tofu" { TOFU } else { TERRAFORM };
            let hint = format!(
                "hint: no mirror on this machine has {host} >= 5.88.0, < 7.0.0 for linux_amd64 either"
            );
            assert!(case.contains(OUT_OF_REACH) && case.contains(&hint), "{case}");
        }
    }
}

#[test]
fn a_mirror_is_used_only_after_a_plain_init_that_could_not_fetch_the_provider() {
    let right = format!("mirror/{TOFU}/5.100.0/linux_amd64/x");
    let lock = |version: &str| format!("provider \"{TOFU}\" {{\n  version     = \"{version}\"\n");
    let set_up = "provider_installation {\n  direct {}\n}\n";
    let lock_file = "terraform/envs/dev/.terraform.lock.hcl";
    let terraforms = format!("mirror/{TERRAFORM}/5.100.0/linux_amd64/x");
    // The tool, how its `init` fails, other files, and what is tried.
    let table: [(_, _, &[(&str, &str)], _); 14] = [
        ("tofu", "", &[], PLAIN),
        ("tofu", "Error: Unsupported argument", &[], PLAIN),
        ("tofu", "Error: error configuring S3 Backend", &[], PLAIN),
        ("tofu", "Error: Failed to install provider", &[], BOTH),
        (
            "terraform",
            "Error: Failed to query available provider packages",
            &[(&terraforms, "")],
            BOTH,
        ),
        ("tofu", OUT_OF_REACH, &[(lock_file, &lock("5.100.0"))], BOTH),
        ("tofu", OUT_OF_REACH, &[(lock_file, &lock("5.99.0"))], PLAIN),
        ("tofu", OUT_OF_REACH, &[("home/.tofurc", set_up)], PLAIN),
        ("tofu", OUT_OF_REACH, &[("home/.config/opentofu/tofurc", set_up)], PLAIN),
        ("tofu", OUT_OF_REACH, &[("home/.terraformrc", set_up)], PLAIN),
        ("tofu", OUT_OF_REACH, &[("home/.terraform.d/more.tfrc", set_up)], PLAIN),
        ("tofu", OUT_OF_REACH, &[("home/.tofurc", "# provider_installation {}\n")], BOTH),
        ("tofu", OUT_OF_REACH, &[("home/.tofurc", ""), ("home/.terraformrc", set_up)], BOTH),
        ("terraform", OUT_OF_REACH, &[("home/.tofurc", set_up), (&terraforms, "")], BOTH),
    ];
    for (tool, fails, files, tried) in table {
        let mut machine = Machine::new().with(&right, "");
        for (name, text) in files {
            machine = machine.with(name, text);
        }
        let output = machine.apply(&[("RALPH_TERRAFORM", tool), ("FAILS", fails)]);
        let case = format!("{tool} {fails} {files:?}: {}", stderr(&output));
        let works = fails.is_empty() || tried == BOTH;
        let then: &[&str] = if works { &["apply"] } else { &[] };
        assert_eq!(machine.calls(), of(tool, &[tried, then].concat()), "{case}");
        assert_eq!(output.status.success(), works, "{case}");
        assert!(
            works || case.contains(&format!("failed (exit status: 1)\n{fails}\nhint: ")),
            "{case}"
        );
    }
}

#[test]
fn settings_count_as_the_tool_reads_them() {
    let set_up = "provider_installation {\n  direct {}\n}\n";
    // Whether TF_CLI_CONFIG_FILE and `~/.tofurc` set up where providers come from.
    for (named, own, tried) in [
        (Some(set_up), "", PLAIN),
        (Some("{\"provider_installation\": []}"), "", PLAIN),
        (Some("disable_checkpoint = true\n"), set_up, BOTH),
        // A file that does not exist is not handed on.
        (None, set_up, PLAIN),
        (None, "", BOTH),
    ] {
        let right = format!("mirror/{TOFU}/5.100.0/linux_amd64/x");
        let mut machine = Machine::new().with(&right, "").with("home/.tofurc", own);
        if let Some(named) = named {
            machine = machine.with("named.tfrc", named);
        }
        let named_file = machine.path("named.tfrc");
        let environment = [("FAILS", OUT_OF_REACH), ("TF_CLI_CONFIG_FILE", &*named_file)];
        let output = machine.apply(&environment);
        let then: &[&str] = if tried == BOTH { &["apply"] } else { &[] };
        let case = format!("{named:?} {own:?}: {}", stderr(&output));
        assert_eq!(machine.calls(), of("tofu", &[tried, then].concat()), "{case}");
    }
}

#[test]
fn when_the_mirror_does_not_help_either_the_error_is_that_of_the_plain_init() {
    let machine = Machine::new().with(&format!("mirror/{TOFU}/5.100.0/linux_amd64/x"), "");
    let output = machine.apply(&[("FAILS", OUT_OF_REACH), ("MIRROR_FAILS", "it is damaged")]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(machine.calls(), of("tofu", BOTH));
    assert!(
        text.contains(&format!("`tofu init` failed (exit status: 1)\n{OUT_OF_REACH}")),
        "{text}"
    );
    let mirror = format!("hint: `-plugin-dir={}` did not help: ", machine.path("mirror"));
    let (_, log) = text.split_once(&mirror).expect("the mirror is named");
    assert_eq!(fs::read_to_string(log.trim()).expect("the log"), "it is damaged\n");
}

#[test]
fn the_persons_own_mirror_is_found() {
    let right = format!("home/.terraform.d/plugins/{TOFU}/5.100.0/linux_amd64/x");
    let machine = Machine::new().with(&right, "");
    let path = std::env::var("PATH").expect("a PATH");
    let output = ralph(&["apply"])
        .current_dir(machine.project.path(""))
        .env("PATH", format!("{}:{path}", machine.path("bin")))
        .env("HOME", machine.path("home"))
        .env("CALLS", machine.path("calls"))
        .env("FAILS", OUT_OF_REACH)
        .envs(machine.account())
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("RALPH_TERRAFORM")
        .env_remove("RALPH_PROVIDER_MIRRORS")
        .env_remove("TF_CLI_CONFIG_FILE")
        .output()
        .expect("ralph runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let calls = fs::read_to_string(machine.path("calls")).expect("calls");
    let argument = format!("-plugin-dir={}", machine.path("home/.terraform.d/plugins"));
    assert!(calls.contains(&argument), "{calls}");
}

#[test]
fn ralph_terraform_chooses_the_tool() {
    let machine = Machine::new();
    let by_path = machine.path("bin/terraform");
    let missing = machine.path("bin/missing");
    // The variable, the tool that is used, or what the error says.
    for (chosen, expected) in [
        ("", Ok("tofu")),
        ("tofu", Ok("tofu")),
        ("terraform", Ok("terraform")),
        ("bin/terraform", Ok("terraform")),
        (&*by_path, Ok("terraform")),
        ("renamed", Ok("renamed")),
        ("no-such-tool", Err("RALPH_TERRAFORM is `no-such-tool`, which is not a program\nhint: ")),
        (&*missing, Err("bin/missing`, which is not a program\nhint: ")),
        ("bin", Err("RALPH_TERRAFORM is `bin`, which is not a program\nhint: ")),
        (
            "broken",
            Err(
                "what RALPH_TERRAFORM names does not run: `broken version` failed (exit status: 127)\ncannot open shared object file\nhint: ",
            ),
        ),
    ] {
        let _ = fs::remove_file(machine.path("calls"));
        let output = machine.apply(&[("RALPH_TERRAFORM", chosen)]);
        let text = stderr(&output);
        match expected {
            Ok(tool) => {
                assert_eq!(machine.calls(), of(tool, &["init", "apply"]), "{chosen}: {text}")
            }
            Err(said) => {
                assert!(text.contains(said), "{chosen}: {text}");
                assert_eq!((output.status.code(), machine.calls()), (Some(1), Vec::new()));
            }
        }
    }
}

#[test]
fn a_tool_that_is_too_old_for_the_folder_is_refused_before_anything_else() {
    let backend = "terraform {\n  required_version = \">= 1.10.0\"\n\n  backend \"s3\" {}\n}\n";
    for (tool, backend, said) in [
        ("oldest", None, None),
        ("too-old", None, Some("too-old 1.5.7 is too old: ")),
        ("terraform", Some(backend), None),
        ("oldest", Some(backend), Some("oldest 1.6.0 is too old: ")),
    ] {
        let mut machine = Machine::new();
        if let Some(text) = backend {
            machine = machine.with("terraform/envs/dev/backend.tf", text);
        }
        let output = machine.apply(&[("RALPH_TERRAFORM", tool)]);
        let text = stderr(&output);
        assert_eq!(output.status.success(), said.is_none(), "{tool}: {text}");
        let then: &[&str] = if said.is_none() { &["init", "apply"] } else { &[] };
        assert_eq!(machine.calls(), of(tool, then), "{tool}: {text}");
        if let Some(said) = said {
            let needs = if backend.is_some() { "1.10.0" } else { "1.6.0" };
            assert!(text.contains(said), "{text}");
            assert!(
                text.contains(&format!("terraform/envs/dev requires >= {needs}\nhint: ")),
                "{text}"
            );
        }
    }
}

#[test]
fn a_recipe_refuses_a_tool_that_is_too_old_for_it() {
    let script = root().join("cli/tools/terraform.sh");
    // What is needed, what the tool says, and the tool or the error.
    for (needs, says, said) in [
        (&["1.6"][..], "Terraform v1.6.0", Ok(())),
        (&["1.10"], "Terraform v1.11.4", Ok(())),
        (
            &["1.10"],
            "Terraform v1.9.8",
            Err("is too old: this command needs 1.10 or later\nhint: "),
        ),
        (&["1.10"], "OpenTofu v1.9.1", Err("is too old: this command needs 1.10 or later\nhint: ")),
        (&["1.7", "1.8"], "Terraform v1.7.0", Ok(())),
        (&["1.7", "1.8"], "OpenTofu v1.8.0", Ok(())),
        (
            &["1.7", "1.8"],
            "OpenTofu v1.7.3",
            Err("is too old: this command needs 1.8 or later\nhint: "),
        ),
        (
            &["1.7", "1.8"],
            "Terraform v1.6.6",
            Err("is too old: this command needs 1.7 or later\nhint: "),
        ),
        (&["1.6"], "Python 3.12", Err("is neither OpenTofu nor Terraform: Python 3.12")),
    ] {
        let project =
            FakeProject::new(&[("fake", &format!("echo '{says}'\necho 'on linux_amd64'"))]);
        let tool = project.path("bin/fake");
        let run = |tool: &Path| {
            Command::new(&script).args(needs).env("RALPH_TERRAFORM", tool).output().expect("runs")
        };
        let output = run(&tool);
        match said {
            Ok(()) => assert_eq!(stdout(&output).trim(), tool.to_str().expect("UTF-8")),
            Err(said) => assert!(stderr(&output).contains(said), "{says}: {}", stderr(&output)),
        }
        assert_eq!(output.status.success(), said.is_ok(), "{says}");
        let missing = stderr(&run(&project.path("bin/missing")));
        assert!(missing.contains("which is not a program\nhint: "), "{missing}");
    }
}
