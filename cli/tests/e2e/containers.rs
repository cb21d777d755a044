//! `just test-containers`: images of one's own in a local cloud with containers. The recipe builds the
//! images first.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
};

use serde_json::{Value, json};

use crate::{
    cloud::{ralph, root, started, stderr, stdout},
    steps::call,
};

/// What docker/test-containers.sh builds from docs/images.md.
const OWN: &str = "localhost/ralph-own:test";

/// A local cloud whose workers run in containers.
struct Local {
    scratch: PathBuf,
    description: Value,
    child: Child,
    /// Ends it when the pipe closes, that is, with this program.
    _watchdog: Child,
}

impl Local {
    fn start() -> Self {
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("containers");
        let mut local = ralph(&["local", "--no-viewer", "--containers", "--scratch"]);
        let (description, child, watchdog) = started(local.arg(&scratch), &scratch);
        Self { scratch, description, child, _watchdog: watchdog }
    }

    /// A call by its operator, which must not fail.
    fn aws(&self, service: &str, target: &str, body: &Value) -> Value {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (endpoint, key) = (text(&self.description["endpoint"]), &self.description["key"]);
        let user = format!("{}:{}", text(&key["id"]), text(&key["secret"]));
        let answer = call((&endpoint, &user), (service, target), body);
        assert!(answer.get("__type").is_none(), "{target}: {answer}");
        answer
    }

    fn output(&self, name: &str) -> &str {
        self.description["outputs"][name].as_str().unwrap_or_else(|| panic!("no output {name}"))
    }

    /// Lets the state machine start tasks of an image, as an apply with another image does: with a new
    /// revision of the task definition.
    fn use_image(&self, image: &str) {
        let ecs = |action: &str, body: &Value| {
            self.aws("ecs", &format!("AmazonEC2ContainerServiceV20141113.{action}"), body)
        };
        let states = |action: &str, body: &Value| {
            self.aws("states", &format!("AWSStepFunctions.{action}"), body)
        };
        let machine = json!({"stateMachineArn": self.output("state_machine_arn")});
        let found = states("DescribeStateMachine", &machine);
        let definition: Value =
            serde_json::from_str(found["definition"].as_str().expect("a definition"))
                .expect("JSON");
        let old = definition["States"]["RunTask"]["Parameters"]["TaskDefinition"].clone();
        let mut task =
            ecs("DescribeTaskDefinition", &json!({"taskDefinition": old}))["taskDefinition"]
                .clone();
        let container = &mut task["containerDefinitions"][0];
        container["image"] = image.into();
        let new =
            ecs("RegisterTaskDefinition", &task)["taskDefinition"]["taskDefinitionArn"].clone();
        let text = |arn: &Value| arn.as_str().expect("an ARN").to_owned();
        let changed = definition.to_string().replace(&text(&old), &text(&new));
        assert_ne!(changed, definition.to_string());
        states(
            "UpdateStateMachine",
            &json!({"stateMachineArn": machine["stateMachineArn"], "definition": changed}),
        );
    }

    /// A bare repository with the files of docker/fixtures/NAME.
    fn repository(&self, name: &str) -> PathBuf {
        let repositories = self.scratch.join("repositories");
        let bare = repositories.join(format!("{name}.git"));
        let checkout = self.scratch.join(name);
        fs::create_dir_all(&repositories).expect("made");
        let fixture = root().join("docker/fixtures").join(name);
        succeeds(Command::new("cp").arg("-r").arg(fixture).arg(&checkout));
        let git = |folder: &Path, arguments: &[&str]| {
            succeeds(Command::new("git").arg("-C").arg(folder).args(arguments));
        };
        git(&checkout, &["init", "--quiet", "--initial-branch=main"]);
        git(&checkout, &["add", "."]);
        let author = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
        git(
            &checkout,
            &[&author[..], &["-c", "commit.gpgsign=false", "commit", "-qm", "Begin"]].concat(),
        );
        succeeds(Command::new("git").args(["clone", "--quiet", "--bare"]).arg(checkout).arg(&bare));
        bare
    }

    /// Lets the scripted agent work through a scenario, and follows it to the end.
    fn work(&self, workstream: &str, scenario: &Path, repository: &Path, more: &[&str]) -> Output {
        let agents = self.scratch.join("tasks/agents");
        fs::create_dir_all(&agents).expect("made");
        let agent = Path::new(env!("CARGO_BIN_EXE_ralph")).with_file_name("ralph-scripted-agent");
        let command = format!("{} --scenario {}", agent.display(), scenario.display());
        fs::write(agents.join(workstream), command).expect("written");
        let url = format!("file://{}", repository.display());
        self.ralph(
            &[&["run", workstream, &url, "--follow", "--max-iterations", "3"], more].concat(),
        )
    }

    fn ralph(&self, arguments: &[&str]) -> Output {
        ralph(arguments).arg("--scratch").arg(&self.scratch).output().expect("ralph runs")
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.ralph(&["local", "--stop"]);
        let _ = self.child.wait();
    }
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    stdout(&output)
}

fn scenario(name: &str) -> PathBuf {
    root().join("docker/fixtures").join(format!("{name}.json"))
}

/// The image that the Dockerfile takes for its base: it has no worker.
fn without_worker() -> String {
    let text = fs::read_to_string(root().join("docker/worker.Dockerfile")).expect("a file");
    let line = text.lines().find_map(|line| line.strip_prefix("ARG NODE_IMAGE="));
    line.expect("the base").to_owned()
}

#[test]
#[ignore = "needs a container engine and images: `just test-containers`"]
fn images_of_ones_own() {
    let local = Local::start();
    repositories_are_set_up_worked_on_verified_by_their_own_tests_and_pushed(&local);
    an_image_without_the_worker_cannot_start_and_is_named(&local);
    an_image_that_is_not_there_cannot_start_and_is_named(&local);
}

fn repositories_are_set_up_worked_on_verified_by_their_own_tests_and_pushed(local: &Local) {
    local.use_image(OWN);
    // One has a .ralph/setup of its own.
    let python = ["--verify", ".venv/bin/python -m pytest -q"];
    let rust = [
        "--setup",
        "cargo build --tests --locked --offline",
        "--verify",
        "cargo test --locked --offline",
        "--cpu",
        "2048",
        "--memory",
        "4096",
    ];
    for (name, more, file, set_up, failed) in [
        ("python", &python[..], "src/readings/__init__.py", ".ralph/setup of main", "1 failed"),
        ("rust", &rust[..], "src/lib.rs", "Compiling readings", "test result: FAILED"),
    ] {
        let repository = local.repository(name);
        let output = local.work(name, &scenario(name), &repository, more);
        let said = stdout(&output) + &stderr(&output);
        assert!(output.status.success(), "{name}: {said}");
        assert!(
            said.contains("the execution is over (complete, $0.0000 in 2 iterations)"),
            "{said}"
        );
        assert!(said.contains(set_up), "it is set up first: {said}");
        assert!(said.contains(failed), "its tests refused the first change: {said}");
        let mut git = Command::new("git");
        git.args(["-c", "safe.directory=*", "-C"]).arg(&repository);
        let pushed = succeeds(git.args(["show", &format!("ralph/{name}:{file}")]));
        let steps: Value =
            serde_json::from_slice(&fs::read(scenario(name)).expect("read")).expect("JSON");
        assert_eq!(
            pushed,
            steps["calls"][1][1]["write"]["text"].as_str().expect("a text"),
            "{name}"
        );
    }
}

fn an_image_without_the_worker_cannot_start_and_is_named(local: &Local) {
    let image = without_worker();
    local.use_image(&image);
    let repository = local.scratch.join("repositories/rust.git");
    let output = local.work("empty-image", &scenario("rust"), &repository, &[]);
    assert!(!output.status.success());
    let reason = format!(
        "image `{image}` has no worker that starts, /usr/local/bin/ralph-loop-cloud (docs/images.md says"
    );
    let said = stderr(&output);
    assert!(said.contains("(cannotStart"), "{said}");
    assert!(said.contains(&reason) && said.contains("no such file or directory"), "{said}");
    for arguments in [&["ps", "--all", "--json"][..], &["logs", "empty-image"]] {
        let output = local.ralph(arguments);
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains(&reason), "{arguments:?}: {said}");
    }
}

fn an_image_that_is_not_there_cannot_start_and_is_named(local: &Local) {
    local.use_image("localhost/ralph-none:1");
    let repository = local.scratch.join("repositories/rust.git");
    let output = local.work("no-image", &scenario("rust"), &repository, &[]);
    let said = stderr(&output);
    let reason =
        "CannotPullContainerError: image localhost/ralph-none:1: not found on this machine";
    assert!(
        !output.status.success() && said.contains("(cannotStart") && said.contains(reason),
        "{said}"
    );
}
