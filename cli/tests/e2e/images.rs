//! Which container engine the scripts in docker/ choose, with fake programs in place of the engines.

use std::{
    fs::Permissions,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Output},
};

use crate::cloud::{root, stderr, stdout};

/// A PATH with the tools that the scripts use, and the fake programs that a test adds.
struct Machine {
    folder: tempfile::TempDir,
}

const TOOLS: [&str; 8] = ["awk", "cat", "cut", "dirname", "grep", "sed", "sh", "uname"];
/// A program that writes down its arguments and does nothing else.
const WORKS: &str = "";
const CLIENT_WITHOUT_DAEMON: &str =
    r#"if [ "$1" = info ]; then echo "Cannot connect to the Docker daemon" >&2; exit 1; fi"#;
const PODMAN: &str = r#"if [ "$1" = info ]; then echo "runc false false"; fi"#;
const BROKEN: &str = "exit 125";

impl Machine {
    fn with(programs: &[(&str, &str)]) -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("a folder") };
        for tool in TOOLS {
            let found = Command::new("sh").args(["-c", "command -v \"$0\"", tool]).output();
            let found = stdout(&found.expect("sh runs"));
            symlink(found.trim(), machine.folder.path().join(tool)).expect("a link");
        }
        for (name, script) in programs {
            let file = machine.folder.path().join(name);
            let text = format!("#!/bin/sh\necho {name} \"$@\" >>\"$CALLS\"\n{script}\n");
            std::fs::write(&file, text).expect("written");
            std::fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("set");
        }
        machine
    }

    /// Runs a script of docker/, with what a person chose as `RALPH_BUILDER`.
    fn run(&self, script: &str, arguments: &[&str], builder: Option<&str>) -> Output {
        self.run_with(script, arguments, builder.map(|name| ("RALPH_BUILDER", name)).as_slice())
    }

    fn run_with(&self, script: &str, arguments: &[&str], chosen: &[(&str, &str)]) -> Output {
        let mut command = Command::new(root().join("docker").join(script));
        command
            .args(arguments)
            .env("PATH", self.folder.path())
            .env("CALLS", self.folder.path().join("calls"))
            .env_remove("RALPH_BUILD_ARGS")
            .env_remove("RALPH_BUILDER")
            .env_remove("RALPH_TERRAFORM")
            .env_remove("RALPH_TERRAFORM_DIR")
            .envs(chosen.iter().copied());
        command.output().expect("the script runs")
    }

    /// What the fake programs were asked to do, without the questions whether they answer.
    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        let question = |line: &&str| !line.contains(" info") && !line.contains(" --version");
        calls.lines().filter(question).map(str::to_owned).collect()
    }
}

#[test]
fn an_engine_counts_only_when_it_answers() {
    let all = [("docker", WORKS), ("podman", PODMAN), ("buildah", WORKS)];
    let no_daemon = [("docker", CLIENT_WITHOUT_DAEMON), ("podman", PODMAN), ("buildah", WORKS)];
    let buildah = [("docker", CLIENT_WITHOUT_DAEMON), ("podman", BROKEN), ("buildah", WORKS)];
    let podman_as_docker = [("docker", "echo podman version 5.0.0"), ("podman", PODMAN)];
    // What is installed, RALPH_BUILDER, and what builds and what runs images.
    let table: [(&[_], Option<&str>, &str, &str); 9] = [
        (&all, None, "docker", "docker"),
        (&no_daemon, None, "podman", "podman"),
        (&podman_as_docker, None, "podman", "podman"),
        (&buildah, None, "buildah", ""),
        (&[("buildah", WORKS)], None, "buildah", ""),
        (&all, Some("podman"), "podman", "podman"),
        (&all, Some("buildah"), "buildah", "podman"),
        (&buildah, Some("docker"), "", ""),
        (&[], None, "", ""),
    ];
    for (programs, builder, builds, runs) in table {
        let machine = Machine::with(programs);
        for (arguments, expected) in [(&["build"][..], builds), (&[][..], runs)] {
            let output = machine.run("engine.sh", arguments, builder);
            let case = format!("{programs:?} {builder:?} {arguments:?}: {}", stderr(&output));
            assert_eq!(stdout(&output).trim_end(), expected, "{case}");
            assert_eq!(output.status.code(), Some(i32::from(expected.is_empty())), "{case}");
        }
    }
}

#[test]
fn an_error_names_what_was_found_and_what_to_do() {
    let table: [(&[_], Option<&str>, &str); 4] = [
        (
            &[],
            None,
            "error: no container engine answers: docker is not installed; podman is not installed; buildah is not installed\nhint: install podman or docker; on Debian: apt-get install podman\n",
        ),
        (
            &[("docker", CLIENT_WITHOUT_DAEMON), ("podman", BROKEN)],
            None,
            "error: no container engine answers: docker is installed, but its daemon does not answer; podman is installed, but `podman info` fails; buildah is not installed\nhint: start docker's daemon, or install podman; on Debian: apt-get install podman\n",
        ),
        (
            &[("podman", PODMAN)],
            Some("docker"),
            "error: no container engine answers: docker is not installed\nhint: install podman or docker; on Debian: apt-get install podman\n",
        ),
        (
            &[("podman", PODMAN)],
            Some("kaniko"),
            "error: RALPH_BUILDER is `kaniko`\nhint: docker, podman or buildah\n",
        ),
    ];
    for (programs, builder, expected) in table {
        let machine = Machine::with(programs);
        let output = machine.run("build.sh", &[], builder);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), expected));
        assert_eq!(machine.calls(), Vec::<String>::new());
    }
}

#[test]
fn podman_runs_with_a_runtime_that_works_and_limits_that_it_may_set() {
    let crun = r#"if [ "$1" = info ]; then echo "crun false false"; fi"#;
    let machine = Machine::with(&[("podman", crun), ("runc", WORKS)]);
    let hybrid = Path::new("/sys/fs/cgroup/unified").is_dir();
    let global: &[&str] = if hybrid { &["podman", "--runtime", "runc"] } else { &["podman"] };
    let lines = |arguments: &[&str]| stdout(&machine.run("engine.sh", arguments, None));
    assert_eq!(lines(&[]).lines().collect::<Vec<_>>(), global);
    assert_eq!(lines(&["build"]), lines(&[]));
    let run = lines(&["run"]);
    let run: Vec<_> = run.lines().collect();
    assert_eq!(run[..global.len()], *global);
    assert_eq!(run[global.len()..][..2], ["run", "--read-only-tmpfs=false"]);
    let limits = run[global.len() + 2..].chunks(2);
    for limit in limits {
        assert_eq!(limit[0], "--ulimit");
        let (name, values) = limit[1].split_once('=').expect("a value");
        assert!(["nofile", "nproc"].contains(&name), "{limit:?}");
        let (soft, hard) = values.split_once(':').expect("two limits");
        assert_eq!(soft, hard);
        assert!(soft.parse::<u64>().is_ok(), "{limit:?}");
    }

    let machine = Machine::with(&[("podman", crun)]);
    let output = machine.run("engine.sh", &[], None);
    assert_eq!(output.status.code(), Some(i32::from(hybrid)));
    assert_eq!(stderr(&output).contains("hint: install runc"), hybrid, "{}", stderr(&output));
}

#[test]
fn a_rootless_podman_maps_its_user_to_the_one_in_the_image() {
    for (about, mapped) in
        [("runc false true", true), ("runc false false", false), ("crun true true", false)]
    {
        let podman = format!("echo {about}");
        let machine = Machine::with(&[("podman", &podman)]);
        let run = stdout(&machine.run("engine.sh", &["run"], None));
        assert_eq!(run.contains("\n--userns=keep-id:uid=10001,gid=10001\n"), mapped, "{run}");
    }
}

#[test]
fn an_image_is_built_with_the_engine_that_answers() {
    let machine = Machine::with(&[("docker", CLIENT_WITHOUT_DAEMON), ("podman", PODMAN)]);
    let output = machine.run("build.sh", &["example:1"], None);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "built example:1 with podman\n");
    let calls = machine.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].starts_with("podman build "), "{calls:?}");
    assert!(calls[0].ends_with("--file docker/worker.Dockerfile --tag example:1 ."), "{calls:?}");
}

/// `ralph outputs` of an environment.
fn outputs(image: &str, repository: &str) -> String {
    format!(
        "case $2 in worker_image) echo {image} ;; ecr_repository_url) echo {repository} ;; esac"
    )
}

#[test]
fn an_image_of_your_own_is_not_pushed_and_no_password_goes_to_its_registry() {
    let own = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ralph-worker";
    for image in [
        "ghcr.io/team/worker:1",
        "ghcr.io/team/worker@sha256:0",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/another:1",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ralph-worker-2:1",
        "999999999999.dkr.ecr.eu-central-1.amazonaws.com/ralph-worker:1",
    ] {
        let ralph = outputs(image, own);
        let machine = Machine::with(&[("docker", WORKS), ("aws", WORKS), ("ralph", &ralph)]);
        let output = machine.run("push.sh", &[], None);
        assert_eq!(output.status.code(), Some(1), "{image}");
        let text = stderr(&output);
        let said = format!(
            "error: tasks of dev run `{image}`, which is not in the environment's repository, `{own}`\nhint: "
        );
        assert!(text.contains(&said), "{text}");
        let calls = machine.calls();
        assert!(calls.iter().all(|call| call.starts_with("ralph outputs ")), "{calls:?}");
    }
}

#[test]
fn debian_packages_are_added_by_name_and_nothing_else_is() {
    let hint = "hint: a name has small letters, digits, `+`, `.` and `-`, begins with a letter or a digit, and does not end with `-`\n";
    let table: [(&[&str], Result<&str, &str>); 11] = [
        (&["--packages", "g++ libpq-dev python3.11"], Ok("PACKAGES=g++ libpq-dev python3.11")),
        (&["example:1", "--packages", "cargo"], Ok("PACKAGES=cargo")),
        (&["--packages", "cargo", "example:1"], Ok("PACKAGES=cargo")),
        (&["--packages", ""], Ok("")),
        (&["--packages", "cargo; reboot"], Err("`cargo;` is not the name of a Debian package")),
        (&["--packages", "-oX=y"], Err("`-oX=y` is not the name of a Debian package")),
        (&["--packages", "git-"], Err("`git-` is not the name of a Debian package")),
        (&["--packages", "Cargo"], Err("`Cargo` is not the name of a Debian package")),
        (&["--packages", "*"], Err("`*` is not the name of a Debian package")),
        (&["--packages"], Err("--packages has no value")),
        (&["--packages", "cargo", "a", "b"], Err("`b` is a second image name")),
    ];
    for (arguments, expected) in table {
        let machine = Machine::with(&[("podman", PODMAN)]);
        let output = machine.run("build.sh", arguments, None);
        let said = stderr(&output);
        match expected {
            Ok(argument) => {
                assert!(output.status.success(), "{arguments:?}: {said}");
                let given = machine.calls()[0].contains(&format!("--build-arg {argument} --file"));
                assert_eq!(given, !argument.is_empty(), "{:?}", machine.calls());
            }
            Err(error) => {
                assert_eq!(output.status.code(), Some(1), "{arguments:?}");
                assert!(said.starts_with(&format!("error: {error}\nhint: ")), "{said}");
                assert!(!error.ends_with("Debian package") || said.ends_with(hint), "{said}");
                assert_eq!(machine.calls(), Vec::<String>::new());
            }
        }
    }
}

#[test]
fn a_program_from_npm_must_be_the_one_that_is_pinned() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let shell = |script: &str| {
        let output = Command::new("sh").args(["-euc", script]).current_dir(&folder).output();
        let output = output.expect("sh runs");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    };
    // `npm pack` copies a package that is there already, and prints its name.
    let npm = "mkdir -p package/bin bin\necho program >package/bin/tool\ntar -czf packed.tgz package
        printf '#!/bin/sh\\ncp \"$PACKED\" \"$5/x.tgz\"\\necho \"$6\" >>\"$PACKED.asked\"\\necho x.tgz\\n' >bin/npm
        chmod +x bin/npm";
    shell(npm);
    let pinned = shell(
        r#"node -p '"sha512-" + require("crypto").createHash("sha512").update(require("fs").readFileSync("packed.tgz")).digest("base64")'"#,
    );
    let arch = shell("node -p process.arch");
    for (integrity, fits) in [(pinned.as_str(), true), ("sha512-other", false)] {
        let target = path(if fits { "good/tool" } else { "bad/tool" });
        let output = Command::new(root().join("docker/fetch-binary.sh"))
            .args(["@a/tool-linux", "1.2.3", integrity, integrity, "bin/tool"])
            .arg(&target)
            .env(
                "PATH",
                format!("{}:{}", path("bin").display(), std::env::var("PATH").expect("a PATH")),
            )
            .env("PACKED", path("packed.tgz"))
            .output()
            .expect("it runs");
        assert_eq!(output.status.success(), fits, "{}", stderr(&output));
        assert_eq!(target.exists(), fits);
        let asked = std::fs::read_to_string(path("packed.tgz.asked")).expect("asked");
        assert_eq!(asked.lines().last(), Some(&*format!("@a/tool-linux-{arch}@1.2.3")));
        if !fits {
            let said = stderr(&output);
            assert!(
                said.contains(&format!("is not the package that is pinned: {pinned}\nhint: ")),
                "{said}"
            );
        }
        // Nothing half-written stays.
        let left = std::fs::read_dir(target.parent().expect("a folder")).expect("made").count();
        assert_eq!(left, usize::from(fits));
    }
}

#[test]
fn an_image_is_pushed_with_the_engine_that_built_it() {
    const IMAGE: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ralph-worker:1";
    let ralph = outputs(&format!("{IMAGE}@sha256:0"), IMAGE.trim_end_matches(":1"));
    // The tag does not exist until something was pushed.
    let aws = r#"case $2 in
get-login-password) echo the-password ;;
describe-images) grep -q ' push ' "$CALLS" && echo sha256:1 || { echo ImageNotFoundException; exit 254; } ;;
esac"#;
    let engine = r#"case $1 in
info) echo "runc false false" ;;
login) [ "$(cat)" = the-password ] || exit 1 ;;
esac"#;
    for (docker, builder, expected) in [
        (WORKS, None, "docker"),
        (CLIENT_WITHOUT_DAEMON, None, "podman"),
        (WORKS, Some("buildah"), "buildah"),
    ] {
        let docker = format!("{docker}\n{engine}");
        let machine = Machine::with(&[
            ("docker", &docker),
            ("podman", engine),
            ("buildah", engine),
            ("ralph", &ralph),
            ("aws", aws),
        ]);
        let output = machine.run("push.sh", &["--packages", "cargo"], builder);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(machine.calls().iter().any(|call| call.contains(" --build-arg PACKAGES=cargo ")));
        let said = stdout(&output);
        assert!(said.ends_with(&format!("pushed {IMAGE}\ndigest sha256:1\n")), "{said}");
        let calls = machine.calls();
        assert!(calls.iter().all(|call| !call.contains("the-password")), "{calls:?}");
        let engines: Vec<_> = calls
            .iter()
            .filter(|call| !call.starts_with("aws ") && !call.starts_with("ralph "))
            .map(|call| call.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(engines, ["build", "login", "push"].map(|step| format!("{expected} {step}")));
    }
}

#[test]
fn the_image_is_named_by_ralph_or_by_the_chosen_tool_in_the_chosen_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    // A state that lies elsewhere is read after an `init`, which happens once.
    for (environment, file) in [("local", "main.tf"), ("s3", "backend.tf"), ("ready", "backend.tf")]
    {
        let root = folder.path().join("envs").join(environment);
        std::fs::create_dir_all(&root).expect("made");
        std::fs::write(root.join(file), "").expect("written");
    }
    std::fs::create_dir(folder.path().join("envs/ready/.terraform")).expect("made");
    let folder = folder.path().to_str().expect("UTF-8");
    let here = ("RALPH_TERRAFORM_DIR", folder);
    // What is installed, the environment, what the person chose, and what the tools are asked to do.
    let table: [(&[&str], _, &[(_, _)], &[_]); 8] = [
        (
            &["ralph"],
            "dev",
            &[],
            &["ralph outputs worker_image --env dev", "ralph outputs ecr_repository_url --env dev"],
        ),
        (
            &["terraform"],
            "local",
            &[here],
            &["terraform -chdir=DIR/envs/local output -raw worker_image"],
        ),
        (
            &["terraform", "tofu"],
            "local",
            &[here],
            &["tofu -chdir=DIR/envs/local output -raw worker_image"],
        ),
        (
            &["terraform", "tofu"],
            "local",
            &[("RALPH_TERRAFORM", "terraform"), here],
            &["terraform -chdir=DIR/envs/local output -raw worker_image"],
        ),
        (
            &["terraform", "wrapped"],
            "local",
            &[("RALPH_TERRAFORM", "wrapped"), here],
            &["wrapped -chdir=DIR/envs/local output -raw worker_image"],
        ),
        (
            &["tofu"],
            "s3",
            &[here],
            &[
                "tofu -chdir=DIR/envs/s3 init -input=false",
                "tofu -chdir=DIR/envs/s3 output -raw worker_image",
            ],
        ),
        (&["tofu"], "ready", &[here], &["tofu -chdir=DIR/envs/ready output -raw worker_image"]),
        // What the variable meant before.
        (&["tofu"], "local", &[("RALPH_TERRAFORM", folder), here], &[]),
    ];
    for (tools, environment, chosen, expected) in table {
        let mut programs = vec![("docker", WORKS), ("aws", WORKS)];
        programs.extend(tools.iter().map(|tool| (*tool, WORKS)));
        let machine = Machine::with(&programs);
        let output = machine.run_with("push.sh", &[environment], chosen);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let said = match expected {
            // Its own errors say more.
            ["ralph outputs worker_image --env dev", ..] => "error: tasks of dev run ``".to_owned(),
            [] => format!("error: RALPH_TERRAFORM is `{folder}`, a folder\nhint: "),
            _ => "has no output worker_image yet\nhint: ".to_owned(),
        };
        assert!(text.contains(&said), "{text}");
        let calls = machine.calls().into_iter().map(|call| call.replace(folder, "DIR"));
        assert_eq!(calls.collect::<Vec<_>>(), expected, "{tools:?} {chosen:?}");
    }
}
