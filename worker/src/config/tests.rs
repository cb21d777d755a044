use super::*;

fn good() -> Environment {
    let pairs = [
        (env::WORKSTREAM, "docs"),
        (env::RUN, "01ARZ3NDEKTSV4RRFFQ69G5FAV-0002"),
        (env::REPO, "https://github.com/you/project"),
        (env::MAX_ITERATIONS, "10"),
        (env::MAX_DURATION_SECS, "3600"),
        (env::MAX_COST_USD, "5"),
        (env::ITERATION_TIMEOUT_SECS, "600"),
        (env::SILENCE_SECS, "120"),
        (env::MAX_STALLS, "3"),
        (env::ANTHROPIC_KEYS, r#"{"keys":[{"id":"main","value":"hunter2-hunter2"}]}"#),
        (env::GIT_TOKEN, "{}"),
    ];
    Environment(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

fn with(name: &str, value: &str) -> Result<(Config, Secrets), ConfigError> {
    let mut environment = good();
    environment.0.insert(name.to_owned(), value.to_owned());
    read(&environment)
}

#[test]
fn a_complete_environment_is_accepted_with_its_defaults() {
    let (config, _) = read(&good()).unwrap();
    assert_eq!(config.branch, "ralph/docs");
    assert_eq!(config.base, None);
    assert_eq!(config.run.attempt(), 2);
    assert_eq!(config.workdir, PathBuf::from(DEFAULT_WORKDIR));
    assert_eq!(config.agent_command[0], "claude");
    assert_eq!(config.max_log_bytes, 200_000_000);
    assert_eq!(config.commit_limits, CommitLimits { bytes: 200_000_000, files: 20_000 });
    assert_eq!(config.model_endpoint.as_str(), "https://api.anthropic.com/");
}

#[test]
fn empty_means_absent() {
    for name in [
        env::BASE,
        env::BRANCH,
        env::VERIFY_COMMAND,
        env::RUN,
        env::ATTEMPT,
        env::PROMPT_FILE,
        env::AGENT_COMMAND,
        env::JOURNAL,
        env::WORKDIR,
        env::MAX_LOG_MB,
        env::MAX_COMMIT_MB,
        env::MAX_COMMIT_FILES,
        env::PROMPT,
        env::SETUP_COMMAND,
        env::SETUP_TIMEOUT_SECS,
        env::MODEL,
        env::AGENT_REPOSITORIES,
    ] {
        assert!(with(name, "").is_ok(), "{name}");
    }
}

#[test]
fn what_a_run_may_log_and_commit_is_read() {
    let (config, _) = with(env::MAX_LOG_MB, "7").unwrap();
    assert_eq!(config.max_log_bytes, 7_000_000);
    let (config, _) = with(env::MAX_COMMIT_MB, "8").unwrap();
    assert_eq!(config.commit_limits, CommitLimits { bytes: 8_000_000, files: 20_000 });
    let (config, _) = with(env::MAX_COMMIT_FILES, "9").unwrap();
    assert_eq!(config.commit_limits, CommitLimits { bytes: 200_000_000, files: 9 });
}

#[test]
fn a_worker_alone_makes_its_own_run() {
    let (config, _) = with(env::RUN, "").unwrap();
    assert_eq!(config.run.attempt(), 1);
    assert!(config.run.started_ms() > 1_600_000_000_000);
}

#[test]
fn each_wrong_variable_is_named() {
    let cases: &[(&str, &[&str])] = &[
        (env::WORKSTREAM, &["", "Docs", "a/b"]),
        (env::RUN, &["x", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]),
        (env::ATTEMPT, &["0", "-1", "x", "3", "10000"]),
        (env::REPO, &["", "x", "http://github.com/a", "file:///x"]),
        (env::BASE, &["-x", "a b", "a..b", "HEAD", "x.lock", "a//b", "refs:x"]),
        (env::BRANCH, &["+x y", "ralph/rescue", "ralph/rescue/x", "@"]),
        (env::PROMPT_FILE, &["/etc/passwd", "../x", "a/../../b", "a//b", ".git/config"]),
        (env::MAX_ITERATIONS, &["", "0", "-1", "1.5", "unlimited"]),
        (env::MAX_DURATION_SECS, &["", "0", "x"]),
        (env::MAX_COST_USD, &["", "0", "NaN", "inf", "-5", "$5"]),
        (env::ITERATION_TIMEOUT_SECS, &["", "0"]),
        (env::SILENCE_SECS, &["", "0"]),
        (env::MAX_STALLS, &["", "0"]),
        (env::MAX_LOG_MB, &["0", "-1", "1.5", "200MB", "100001"]),
        (env::MAX_COMMIT_MB, &["0", "x", "100001", "99999999999999999999"]),
        (env::MAX_COMMIT_FILES, &["0", "many", "1000001"]),
        (env::AGENT_COMMAND, &["claude 'x"]),
        (env::SETUP_TIMEOUT_SECS, &["0", "-1", "1h", "86401"]),
        (env::MODEL, &["opus5", "gpt-5", "Opus", "-x", "a b", "{convention}", "$(id)"]),
        ("RALPH_AGENT_ENV_", &["x"]),
        ("RALPH_AGENT_ENV_PATH", &["x", ""]),
        ("RALPH_AGENT_ENV_1A", &["x"]),
        ("RALPH_AGENT_SECRET_GIT_DIR", &["long-enough"]),
        ("RALPH_AGENT_SECRET_A", &["", "1234567", "1234567\n\n"]),
        (env::CONVENTION, &["off", "2"]),
        (env::ANTHROPIC_KEYS, &["", "{}", "sk-ant-x"]),
        (env::GIT_TOKEN, &["", "x", r#"{"token":"t"}"#]),
        (
            env::MODEL_ENDPOINT,
            &[
                "x",
                "http://example.com",
                "ftp://x",
                "https://u:hunter2@llm.example.com",
                "https://llm.example.com/?key=hunter2",
                "https://llm.example.com/#hunter2",
                "https://llm.example.com/v1/",
                "https://llm.example.com:65536",
                "https://xn--a.example",
            ],
        ),
    ];
    for (name, values) in cases {
        for value in *values {
            let error = with(name, value).expect_err(&format!("{name}={value}"));
            assert!(error.problems.iter().any(|p| p.starts_with(name)), "{name}={value}: {error}");
            assert!(error.problems.iter().all(|p| !p.contains("panic")), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn all_problems_come_at_once_and_no_secret_with_them() {
    let error = read(&Environment::default()).unwrap_err();
    assert_eq!(error.problems.len(), 10, "{error}");
    let mut environment = good();
    environment.0.insert(env::ANTHROPIC_KEYS.into(), r#"{"keys":["hunter2-hunter2"]}"#.into());
    let error = read(&environment).unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
    assert_eq!(error.identity.unwrap().0.as_str(), "docs");
}

#[test]
fn the_debug_text_of_secrets_shows_no_value() {
    let (_, secrets) = read(&good()).unwrap();
    assert!(!format!("{secrets:?}").contains("hunter2"));
}

#[test]
fn the_agent_is_told_how_the_loop_works_unless_that_is_off() {
    let words = |command: &str, switch: &str| {
        let mut environment = good();
        environment.0.insert(env::AGENT_COMMAND.to_owned(), command.to_owned());
        environment.0.insert(env::CONVENTION.to_owned(), switch.to_owned());
        read(&environment).map(|(config, _)| config.agent_command)
    };
    let told = format!("--append-system-prompt={}", CONVENTION.trim_end());
    for switch in ["", "1"] {
        assert_eq!(words("", switch).unwrap().last(), Some(&told));
    }
    assert!(!words("", "0").unwrap().iter().any(|word| word.contains("prompt")));
    // An agent of one's own is told where its command says so.
    assert_eq!(words("a {convention} b", "1").unwrap()[1], CONVENTION.trim_end());
    assert_eq!(words("a {convention} b", "0").unwrap(), ["a", "b"]);
    assert_eq!(words("a b", "1").unwrap(), ["a", "b"]);
    assert!(words("{convention}", "0").unwrap_err().to_string().contains("names no program"));
}

#[test]
fn the_convention_is_the_one_that_the_documentation_shows() {
    let page = include_str!("../../../docs/operations.md");
    assert!(page.contains(&format!("```text the convention\n{CONVENTION}```\n")));
    // Whoever copies it into PROGRESS.md has not said that the work is complete.
    assert!(CONVENTION.contains("`## Status: COMPLETE`"));
    assert!(CONVENTION.lines().all(|line| !line.starts_with('#')));
}

/// What the agent gets with these variables added.
fn given(pairs: &[(&str, &str)]) -> Result<AgentVariables, ConfigError> {
    let mut environment = good();
    environment.0.extend(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    read(&environment).map(|(_, secrets)| secrets.agent)
}

#[test]
fn the_agent_gets_the_variables_that_it_is_given() {
    let got = given(&[
        ("RALPH_AGENT_ENV_EMPTY", ""),
        ("RALPH_AGENT_ENV_LINES", " a\nb\n"),
        ("RALPH_AGENT_SECRET_TOKEN", "hunter2-token"),
    ]);
    let got = got.unwrap();
    let all: Vec<(&str, &str)> = got.all().collect();
    assert_eq!(all, [("EMPTY", ""), ("LINES", " a\nb\n"), ("TOKEN", "hunter2-token")]);
    assert_eq!((got.to_redact(), got.withheld), (vec!["hunter2-token".to_owned()], vec![]));
}

#[test]
fn a_variable_that_the_agent_cannot_have_is_named_without_its_value() {
    for (pairs, name, says) in [
        (vec![("RALPH_AGENT_SECRET_A", "hunter2")], "RALPH_AGENT_SECRET_A", "shorter than 8 bytes"),
        (vec![("RALPH_AGENT_ENV_HOME", "hunter2")], "RALPH_AGENT_ENV_HOME", "is reserved"),
        (
            vec![("RALPH_AGENT_ENV_A", "hunter2"), ("RALPH_AGENT_SECRET_A", "hunter2-hunter2")],
            "RALPH_AGENT_SECRET_A",
            "is there as RALPH_AGENT_ENV_A too",
        ),
    ] {
        let error = given(&pairs).unwrap_err();
        let [problem] = &error.problems[..] else { panic!("{error}") };
        assert!(problem.starts_with(name) && problem.contains(says), "{problem}");
        assert!(problem.contains("\nhint: ") && !problem.contains("hunter2"), "{problem}");
    }
}

#[test]
fn a_repository_that_is_not_on_the_list_gets_none_of_them() {
    let with = |list: &str| {
        let secret = ("RALPH_AGENT_SECRET_TOKEN", "hunter2-token");
        given(&[("RALPH_AGENT_ENV_A", "1"), secret, (env::AGENT_REPOSITORIES, list)]).unwrap()
    };
    for list in
        ["", "https://github.com/you/project.git", "https://a.example/x https://github.com/you/*"]
    {
        let got = with(list);
        assert_eq!((got.all().count(), got.withheld.len()), (2, 0), "{list}");
    }
    let got = with("https://github.com/you/other");
    assert_eq!((got.all().count(), got.to_redact().len()), (0, 0));
    assert_eq!(got.withheld, ["A", "TOKEN"]);
}

#[test]
fn the_prompt_is_a_text_or_a_file_and_not_both() {
    let prompt = |name: &str, value: &str| with(name, value).map(|(config, _)| config.prompt);
    assert_eq!(prompt(env::RUN, "").unwrap(), Prompt::File("PROMPT.md".to_owned()));
    assert_eq!(prompt(env::PROMPT_FILE, "a/b.md").unwrap(), Prompt::File("a/b.md".to_owned()));
    let text = " Do it.\n\nNow.\n";
    assert_eq!(prompt(env::PROMPT, text).unwrap(), Prompt::Text(text.to_owned()));
    let mut both = good();
    both.0.insert(env::PROMPT.to_owned(), "Do it.".to_owned());
    both.0.insert(env::PROMPT_FILE.to_owned(), "PROMPT.md".to_owned());
    let error = read(&both).unwrap_err();
    assert!(error.problems[0].starts_with("RALPH_PROMPT: is set, and RALPH_PROMPT_FILE too"));
}

#[test]
fn setup_has_a_command_and_a_time_limit_of_its_own() {
    let (config, _) = read(&good()).unwrap();
    assert_eq!((config.setup_command, config.setup_timeout_secs), (None, 1_800));
    let (config, _) = with(env::SETUP_COMMAND, "make 'a b'").unwrap();
    assert_eq!(config.setup_command.as_deref(), Some("make 'a b'"));
    let (config, _) = with(env::SETUP_TIMEOUT_SECS, "86400").unwrap();
    assert_eq!(config.setup_timeout_secs, 86_400);
}

/// The agent's command with these variables.
fn command(pairs: &[(&str, &str)]) -> Result<Vec<String>, ConfigError> {
    let mut environment = good();
    environment.0.extend(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    read(&environment).map(|(config, _)| config.agent_command)
}

#[test]
fn a_model_stands_in_the_agents_command() {
    for model in ["opus", "sonnet[1m]", "claude-opus-4-5-20251101"] {
        let words = command(&[(env::MODEL, model)]).unwrap();
        assert!(words.contains(&format!("--model={model}")), "{words:?}");
    }
    // Without one, the words that would hold it are left out.
    assert!(!command(&[]).unwrap().iter().any(|word| word.contains("model")));
    let own = (env::AGENT_COMMAND, "a -m {model} --x={model} z");
    assert_eq!(command(&[own]).unwrap(), ["a", "-m", "z"]);
    assert_eq!(
        command(&[own, (env::MODEL, "haiku")]).unwrap(),
        ["a", "-m", "haiku", "--x=haiku", "z"]
    );
    let error = command(&[(env::AGENT_COMMAND, "a b"), (env::MODEL, "haiku")]).unwrap_err();
    let problem = &error.problems[0];
    assert!(problem.starts_with("RALPH_MODEL: is set, but RALPH_AGENT_COMMAND"), "{problem}");
    assert!(problem.contains("\nhint: put `--model={model}` into the command"), "{problem}");
}

#[test]
fn a_model_that_nobody_knows_is_refused_with_the_nearest_name() {
    for (model, meant) in [
        ("opsu", "did you mean `opus`?"),
        ("claude-sonet-5", "did you mean `claude-sonnet-5`?"),
        ("gpt-99-ultra", "hint: known are default, best, opus"),
    ] {
        let error = with(env::MODEL, model).unwrap_err();
        assert!(error.to_string().contains(meant), "{error}");
    }
    // A gateway has names of its own; the service by its own address has not.
    let at = |endpoint: &str, model: &str| {
        command(&[(env::MODEL_ENDPOINT, endpoint), (env::MODEL, model)]).is_ok()
    };
    let own = "us.anthropic.claude-opus-4-1-v1:0";
    for (endpoint, model, expected) in [
        ("https://gateway.example", own, true),
        ("https://gateway.example", "-x", false),
        ("https://api.anthropic.com/", own, false),
        ("https://api.anthropic.com/", "opus", true),
    ] {
        assert_eq!(at(endpoint, model), expected, "{endpoint} {model}");
    }
}
