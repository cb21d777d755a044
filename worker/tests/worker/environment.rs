//! What the agent, setup and the verify command get: variables, folders, programs, a model and a
//! prompt.

use std::{fs, path::Path};

use ralph_protocol::names::worker_env as env;
use serde_json::{Value, json};

use crate::harness::{AGENT, Done, Fixture, git, progress, run_id, write};

const SECRET: &str = "hunter2-database-password";
/// Not a key: five lines of text in the form of one.
const PEM: &str = "-----BEGIN EXAMPLE-----\nhunter2line1AAAAAAAAAAAA\nhunter2line2BBBBBBBBBBBB\n-----END EXAMPLE-----\n";

fn refused(mut fixture: Fixture, pairs: &[(&str, &str)], says: &[&str]) {
    for (name, value) in pairs {
        fixture.set(name, *value);
    }
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (30, 0), "{pairs:?}: {done:#?}");
    for text in says {
        assert!(done.text().contains(text), "{text}: {done:#?}");
    }
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.counted_calls(json!([[write("a", "1"), progress(true)]]));
    fixture
}

fn results(done: &Done) -> Vec<&str> {
    done.of("agent.tool_result").iter().map(|event| event["text"].as_str().unwrap()).collect()
}

fn home(fixture: &Fixture) -> std::path::PathBuf {
    fixture.path("work").join(run_id(1)).join("home")
}

#[test]
fn setup_the_agent_and_the_verify_command_get_the_same_variables() {
    let mut fixture = Fixture::new();
    // Lengths, because secrets would not be shown.
    let show = "printf '%s|%s|%s|%s\\n' \"$PLAIN\" \"${EMPTY-unset}\" ${#TOKEN} \"${#PEM}\"";
    fixture.set("RALPH_AGENT_ENV_PLAIN", "two\nlines").set("RALPH_AGENT_ENV_EMPTY", "");
    fixture.set("RALPH_AGENT_SECRET_TOKEN", SECRET).set("RALPH_AGENT_SECRET_PEM", PEM);
    let expected = format!("two\nlines||{}|{}\n", SECRET.len(), PEM.len());
    fixture.set(env::SETUP_COMMAND, format!("{show} > ../of-setup"));
    fixture.set(env::VERIFY_COMMAND, format!("{show} > ../of-verify"));
    fixture.calls(json!([[{"run": ["sh", "-c", show]}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(results(&done)[0], expected);
    for name in ["of-setup", "of-verify"] {
        let file = fixture.path("work").join(run_id(1)).join(name);
        assert_eq!(fs::read_to_string(file).unwrap(), expected, "{name}");
    }
}

#[test]
fn a_variable_that_the_agent_cannot_have_ends_the_run_before_anything_is_spent() {
    refused(fixture(), &[("RALPH_AGENT_SECRET_A", "hunter2")], &["RALPH_AGENT_SECRET_A", "hint: "]);
    refused(fixture(), &[("RALPH_AGENT_ENV_NODE_OPTIONS", "x")], &["NODE_OPTIONS: is reserved"]);
    refused(fixture(), &[("RALPH_AGENT_SECRET_A-B", SECRET)], &["is not the name of a variable"]);
    let both = [("RALPH_AGENT_ENV_A", "x"), ("RALPH_AGENT_SECRET_A", SECRET)];
    refused(fixture(), &both, &["RALPH_AGENT_SECRET_A: is there as RALPH_AGENT_ENV_A too"]);
}

#[test]
fn a_secret_is_redacted_in_every_event_and_in_no_commit() {
    let mut fixture = Fixture::new();
    fixture.set("RALPH_AGENT_SECRET_TOKEN", format!("{SECRET}\n"));
    fixture.set("RALPH_AGENT_SECRET_PEM", PEM).set("RALPH_AGENT_ENV_PLAIN", "a plain value");
    let sh = |script: &str| json!({"run": ["sh", "-c", script]});
    fixture.calls(json!([
        [
            sh("echo $TOKEN; echo \"$PEM\"; echo \"$PEM\" | sed -n 3p; echo $PLAIN"),
            {"stderr": "plain text"},
            sh("echo \"$TOKEN\" > token.txt; echo \"$PEM\" > key.pem"),
            sh("mkdir src; echo \"$PEM\" | sed -n '2s/^/key = /p' > src/line.txt; echo $PLAIN > plain.txt"),
            sh("git add -A && git commit -q -m \"with $TOKEN\""),
        ],
        [{"text": "prompt was: {prompt}"}, sh("rm token.txt key.pem src/line.txt"), progress(true)],
    ]));
    // The harness looks for the secrets in every line.
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let shown = results(&done)[0];
    assert!(shown.matches("[redacted]").count() >= 3 && shown.contains("a plain value"), "{shown}");
    let prompt = done.of("agent.text")[0]["text"].as_str().unwrap();
    for path in ["token.txt", "key.pem", "src/line.txt"] {
        assert!(prompt.contains(&format!("`{path}`")), "{path}: {prompt}");
        assert!(done.text().contains(&format!("`{path}` is not pushed")), "{done:#?}");
    }
    assert_eq!(fixture.file("ralph/docs", "plain.txt").as_deref(), Some("a plain value\n"));
    fixture.assert_no_secret_in_the_remote("a secret of the agent's");
}

#[test]
fn a_secret_is_not_in_what_the_kernel_shows_of_the_worker() {
    let mut fixture = fixture();
    fixture.set("RALPH_AGENT_SECRET_TOKEN", SECRET).set("RALPH_AGENT_ENV_PLAIN", "seen");
    fixture.set(env::SETUP_COMMAND, ": > ../begun; while [ -e ../begun ]; do sleep 0.05; done");
    let running = fixture.spawn();
    let begun = fixture.path("work").join(run_id(1)).join("begun");
    crate::harness::appears(&begun);
    // Only root can read it at all.
    let environ = fs::read(format!("/proc/{}/environ", running.child.id()));
    fs::remove_file(begun).unwrap();
    assert_eq!(running.wait().exit(), 0);
    if rustix::process::getuid().is_root() {
        let text = String::from_utf8(environ.unwrap()).unwrap();
        assert!(text.contains("RALPH_AGENT_ENV_PLAIN=seen"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("RALPH_AGENT_SECRET_"), "{text}");
    } else {
        assert!(environ.is_err());
    }
}

#[test]
fn a_repository_that_is_not_on_the_list_gets_none_of_them_and_the_run_goes_on() {
    for (list, expected) in [("https://github.com/you/*", "|"), ("", "plain|yes")] {
        let mut fixture = Fixture::new();
        fixture.set("RALPH_AGENT_SECRET_TOKEN", SECRET).set("RALPH_AGENT_ENV_PLAIN", "plain");
        fixture.set(env::AGENT_REPOSITORIES, list);
        let show = "printf '%s|%s' \"$PLAIN\" \"${TOKEN:+yes}\"";
        fixture.calls(json!([[{"run": ["sh", "-c", show]}, progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{done:#?}");
        assert_eq!(results(&done)[0], expected);
        let warnings: Vec<&Value> =
            done.of("log").into_iter().filter(|event| event["level"] == "warn").collect();
        if list.is_empty() {
            assert!(warnings.is_empty(), "{done:#?}");
        } else {
            let text = "the agent does not get PLAIN, TOKEN: RALPH_AGENT_REPOSITORIES does not name this repository";
            assert_eq!(warnings.len(), 1, "{done:#?}");
            assert_eq!(warnings[0]["text"], text);
        }
    }
}

/// A program in the folder where tools install theirs.
fn installs(name: &str, script: &str) -> String {
    format!(
        "mkdir -p ~/.local/bin && printf '#!/bin/sh\\n{script}\\n' > ~/.local/bin/{name} && chmod +x ~/.local/bin/{name}"
    )
}

#[test]
fn what_setup_installs_is_found_by_the_agent() {
    let mut fixture = Fixture::new();
    let cargo = "mkdir -p $CARGO_HOME/bin && cp ~/.local/bin/tool $CARGO_HOME/bin/of-cargo";
    let shims =
        "mkdir -p $MISE_DATA_DIR/shims && cp ~/.local/bin/tool $MISE_DATA_DIR/shims/of-mise";
    let setup = format!("{} && {cargo} && {shims}", installs("tool", "echo $0"));
    fixture.set(env::SETUP_COMMAND, setup).set(env::VERIFY_COMMAND, "tool && of-cargo");
    fixture.calls(json!([[
        {"run": ["tool"]}, {"run": ["of-cargo"]}, {"run": ["of-mise"]},
        {"run": ["sh", "-c", "echo $MISE_TRUSTED_CONFIG_PATHS; npm config get prefix 2>/dev/null || true"]},
        progress(true)
    ]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let home = home(&fixture);
    let at = |path: &str| home.join(path).display().to_string() + "\n";
    let expected =
        [at(".local/bin/tool"), at(".cargo/bin/of-cargo"), at(".local/share/mise/shims/of-mise")];
    assert_eq!(results(&done)[..3], expected.each_ref().map(String::as_str));
    let checkout = home.with_file_name("checkout").display().to_string();
    assert!(results(&done)[3].starts_with(&checkout), "{done:#?}");
}

#[test]
fn nothing_that_the_worker_runs_comes_from_a_folder_of_the_agents() {
    let mut fixture = Fixture::new();
    let folder = Path::new(AGENT).parent().unwrap().display().to_string();
    let name = Path::new(AGENT).file_name().unwrap().to_str().unwrap();
    let path = format!("{folder}:{}", fixture.env["PATH"]);
    fixture.counted_calls(json!([[write("a", "1"), progress(true)]]));
    let scenario = fixture.path("scenario.json").display().to_string();
    fixture.set("PATH", path).set(env::AGENT_COMMAND, format!("{name} --scenario {scenario}"));
    let evil = |name: &str| {
        installs(name, &format!("echo {name} >> {}; exit 1", fixture.path("evil").display()))
    };
    let setup = [evil(name), evil("git"), evil("git-lfs"), evil("sh")].join(" && ");
    fixture.set(env::SETUP_COMMAND, setup).set(env::VERIFY_COMMAND, "test -f a");
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 1), "{done:#?}");
    assert!(!fixture.path("evil").exists(), "{done:#?}");
    // The agent itself does find them.
    fixture.counted_calls(json!([[{"run": ["git", "status"]}, progress(true)]]));
    fixture.set(env::AGENT_COMMAND, format!("{name} --scenario {scenario}"));
    fs::remove_file(fixture.path("calls")).unwrap();
    fixture.set(env::VERIFY_COMMAND, "");
    git(&fixture.remote(), &["branch", "-D", "ralph/docs"]);
    assert_eq!(fixture.run().exit(), 0);
    assert_eq!(fs::read_to_string(fixture.path("evil")).unwrap(), "git\n");
}

#[test]
fn an_agent_that_setup_installs_is_found_when_the_workers_own_path_has_none() {
    let mut fixture = Fixture::new();
    let state = fixture.path("scenario.json").display().to_string();
    fixture.calls(json!([[progress(true)]]));
    fixture.set(env::AGENT_COMMAND, format!("my-own-agent --scenario {state}"));
    fixture.set(
        env::SETUP_COMMAND,
        format!("mkdir -p ~/.local/bin && ln -s {AGENT} ~/.local/bin/my-own-agent"),
    );
    assert_eq!(fixture.run().exit(), 0);
    let said = |fixture: &Fixture| {
        let output = fixture.command().arg("--dry-run").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = said(&fixture);
    assert!(text.contains("note: there is no program `my-own-agent` yet"), "{text}");
    fixture.set(env::SETUP_COMMAND, "");
    let text = said(&fixture);
    assert!(text.contains("error: there is no program `my-own-agent`\nhint: "), "{text}");
}

#[test]
fn a_model_stands_in_the_agents_command() {
    let mut fixture = Fixture::new();
    let script = "echo \"model $1\"; printf \"## Status: COMPLETE\\n\" > PROGRESS.md";
    fixture.set(env::AGENT_COMMAND, format!("sh -c '{script}' sh --model={{model}}"));
    fixture.set(env::MODEL, "opus");
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("model --model=opus"), "{done:#?}");
}

#[test]
fn a_model_that_the_run_cannot_have_is_refused() {
    let own =
        |model: &'static str| [(env::MODEL, model), (env::AGENT_COMMAND, "a --model={model}")];
    let says =
        ["RALPH_MODEL: `opsu` is not a model that the worker has a price for", "mean `opus`?"];
    refused(fixture(), &own("opsu"), &says);
    // The scripted agent's command has no place for it.
    refused(fixture(), &[(env::MODEL, "opus")], &["RALPH_AGENT_COMMAND does not pass it on"]);
}

#[test]
fn a_prompt_that_the_run_came_with_needs_no_file_and_stays_the_same() {
    let mut fixture = Fixture::empty();
    fixture.seed("main", &[("README.md", "A project.\n")]);
    fixture.set(env::PROMPT, " Do this.\n\nThen that.\n");
    let prompt = json!({"text": "[{prompt}]"});
    fixture.calls(json!([
        [prompt, write("PROMPT.md", "Something else.\n")],
        [prompt, progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let prompts: Vec<&Value> = done.of("agent.text").iter().map(|event| &event["text"]).collect();
    assert_eq!(prompts, ["[ Do this.\n\nThen that.\n]"; 2]);
    assert_eq!(done.of("log").iter().filter(|event| event["level"] == "warn").count(), 0);
    let output = fixture.command().arg("validate").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("ok: the prompt is the text in RALPH_PROMPT (22 bytes)"), "{said}");
}

#[test]
fn a_prompt_and_a_prompt_file_are_refused() {
    let both = [(env::PROMPT, "Do it."), (env::PROMPT_FILE, "PROMPT.md")];
    refused(fixture(), &both, &["RALPH_PROMPT: is set, and RALPH_PROMPT_FILE too"]);
}

#[test]
fn a_dry_run_names_the_variables_and_shows_no_value() {
    let mut fixture = fixture();
    fixture.set("RALPH_AGENT_ENV_A", "hunter2-plain").set("RALPH_AGENT_ENV_B", "2");
    fixture.set("RALPH_AGENT_SECRET_TOKEN", SECRET);
    let said = |fixture: &Fixture| {
        let output = fixture.command().arg("--dry-run").output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        text
    };
    let text = said(&fixture);
    assert!(text.contains("ok: the agent gets the variables A, B\n"), "{text}");
    assert!(text.contains("ok: the agent gets the secrets TOKEN\n"), "{text}");
    fixture.set(env::AGENT_REPOSITORIES, "https://github.com/you/other");
    let text = said(&fixture);
    assert!(text.contains("does not name this repository: A, B, TOKEN\n"), "{text}");
}
