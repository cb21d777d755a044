//! What the agent gets and the image that it works in: what `ralph.toml` may say, and what the HCL says then.

use ralph_generator::config::{self, keys::KEYS, reference};
use ralph_generator::generate;
use ralph_protocol::execution::{
    DEFAULT_SETUP_TIMEOUT_SECS, MAX_SETUP_TIMEOUT_SECS, is_known_model,
};
use ralph_protocol::names::DEFAULT_AGENT_COMMAND;

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:";

fn refused(text: &str) -> String {
    match config::parse("ralph.toml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// The root's main.tf, with one space where there are several.
fn root(text: &str) -> String {
    let settings = config::parse("ralph.toml", text).unwrap();
    assert_eq!(settings.warnings, "", "{text}");
    let files = generate::files(&settings).unwrap();
    let (_, root) = files.iter().find(|(path, _)| path == "envs/dev/main.tf").unwrap();
    root.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn a_mistake_about_the_agent_or_the_image_shows_its_line_and_what_is_allowed() {
    let agent = |line: &str| format!("[env.dev.agent]\n{line}\n");
    let worker = |line: &str| format!("[env.dev.worker]\n{line}\n");
    let secrets = |arn: &str| agent(&format!("secrets.TOKEN = \"{arn}\""));
    let credentials = format!("image_credentials_arn = \"{SECRET}registry-a1b2c3\"");
    let own = "image = \"ghcr.io/team/worker:1\"\n";
    for (text, title, at, hint) in [
        // Names of variables.
        (
            agent("environment.A-B = \"x\""),
            "`A-B` is not the name",
            "2:13",
            "letters, digits and `_`",
        ),
        (agent("environment.\"1\" = \"x\""), "`1` is not the name", "2:13", "not beginning with a"),
        (agent("environment.PATH = \"x\""), "`PATH` is reserved", "2:13", "any name but AWS_*"),
        (agent("environment.Aws_Region = \"x\""), "`Aws_Region` is reserved", "2:13", "AWS_*"),
        (
            agent(&format!("secrets.GIT_DIR = \"{SECRET}x-a1b2c3\"")),
            "`GIT_DIR` is reserved",
            "2:9",
            "any name but",
        ),
        (
            agent(&format!("environment.TOKEN = \"x\"\nsecrets.TOKEN = \"{SECRET}x-a1b2c3\"")),
            "`TOKEN` is a plain variable and a secret",
            "3:9",
            "leave one of them out",
        ),
        (agent("environment.A = 1"), "expected a string", "2:17", ""),
        (agent("environment.A = \"\\u0000\""), "`A` holds a NUL character", "2:13", "no variable"),
        (
            agent(&format!("environment.B = \"x\"\nenvironment.A = \"{}\"", "x".repeat(49_153))),
            "the agent's variables take 49200 bytes of the task definition",
            "3:13",
            "at most 49152 fit",
        ),
        // Secrets.
        (
            secrets("database"),
            "`TOKEN` is not the ARN of a secret",
            "2:9",
            "arn:aws:secretsmanager:",
        ),
        (
            secrets("arn:aws:ssm:us-east-1:123456789012:parameter/x"),
            "`TOKEN` is not the ARN of a secret",
            "2:9",
            "arn:aws:secretsmanager:",
        ),
        // The name alone: no policy would allow it.
        (
            secrets(&format!("{SECRET}team/user")),
            "`TOKEN` is not the ARN of a secret",
            "2:9",
            "secret:<name>-<six characters>",
        ),
        (
            secrets("arn:aws-cn:secretsmanager:us-east-1:123456789012:secret:x-a1b2c3"),
            "`TOKEN` is not the ARN of a secret: us-east-1 is in aws",
            "2:9",
            "begin it with arn:aws:,",
        ),
        (secrets(&format!("{SECRET}*")), "`TOKEN` is not the ARN of a secret", "2:9", ""),
        (secrets(&format!("{SECRET}x:key")), "`TOKEN` is not the ARN of", "2:9", ":<json-key>:"),
        (
            format!(
                "[env.dev]\nregion = \"eu-west-1\"\nagent.secrets.TOKEN = \"{SECRET}x-a1b2c3\"\n"
            ),
            "`TOKEN` is in region us-east-1, the environment in eu-west-1",
            "3:15",
            "name a secret in region eu-west-1",
        ),
        (
            format!(
                "[env.dev]\naccount_id = \"000000000000\"\nagent.secrets.TOKEN = \"{SECRET}x-a1b2c3\"\n"
            ),
            "`TOKEN` is in account 123456789012, the environment in 000000000000",
            "3:15",
            "name a secret in account 000000000000",
        ),
        (
            secrets(&format!("{SECRET}ralph/dev/anthropic-keys-a1b2c3")),
            "`TOKEN` is a secret of ralph's own",
            "2:9",
            "the agent must not get the worker's keys",
        ),
        (
            secrets(&format!("{SECRET}ralph/prod/git-token-a1b2c3:token::")),
            "`TOKEN` is a secret of ralph's own",
            "2:9",
            "name a secret that you have made yourself",
        ),
        (
            agent(
                &(0..20)
                    .map(|n| {
                        format!("secrets.NUMBER_{n} = \"{SECRET}a-rather-long-name-a1b2c3\"\n")
                    })
                    .collect::<String>(),
            ),
            "the names and ARNs of the secrets take 1851 characters",
            "2:1",
            "at most 1800 fit into the environment's outputs",
        ),
        // The model and its endpoint.
        (
            agent("model = \"opuss\""),
            "`opuss` is not a model",
            "2:9",
            "did you mean `opus`? Known are",
        ),
        (agent("model = \"gpt-5\""), "`gpt-5` is not a model", "2:9", "need model_endpoint"),
        (agent("model = \"a b\""), "expected the name of a model", "2:9", ""),
        (
            "[env.dev]\nworker.agent_command = \"mine\"\nagent.model = \"opus\"\n".to_owned(),
            "agent_command does not hand on the model",
            "2:24",
            "write {model} where",
        ),
        (agent("model_endpoint = \"http://a.example\""), "expected an https URL", "2:18", ""),
        (
            agent("model_endpoint = \"https://a.example:8443\""),
            "tasks cannot reach port 8443 of model_endpoint",
            "2:18",
            "lets out port 443 and no other",
        ),
        (
            agent("model_endpoint = \"https://a.example/v1\""),
            "ends in /v1",
            "2:18",
            "leave that out",
        ),
        (agent("model_endpoint = \"https://u:p@a.example\""), "model_endpoint is not", "2:18", ""),
        (agent("model_endpoint = \"https://a.example/?x\""), "model_endpoint is not", "2:18", ""),
        (agent("model_endpoint = \"https://a.example/#x\""), "model_endpoint is not", "2:18", ""),
        (agent("model_endpoint = \"https://10.0.0.1\""), "model_endpoint is not", "2:18", ""),
        (agent("model_endpoint = \"https://llm.internal\""), "model_endpoint is not", "2:18", ""),
        // Repositories.
        (agent("repositories = []"), "repositories is empty", "2:16", "leave it out"),
        (agent("repositories = [\"git@a.b:c\"]"), "expected an https URL", "2:17", ""),
        (
            agent("repositories = [\"https://github.com/*\"]"),
            "`https://github.com/*` names no repository",
            "2:16",
            "https://host/owner/* for all",
        ),
        (agent("repositories = [\"https://a.b/c/*/d\"]"), "`https://a.b/c/*/d` names", "2:16", ""),
        (agent("repositories = [\"https://a.b/c?d\"]"), "`https://a.b/c?d` names", "2:16", ""),
        // The image.
        (worker("image = \"ghcr.io/team/worker\""), "image does not say which", "2:9", "a digest"),
        (worker("image = \"ghcr.io:5000/a\""), "image does not say which image", "2:9", ""),
        (
            worker("image = \"ghcr.io/team/worker:latest\""),
            "image does not say which image a run has",
            "2:9",
            "a run must know what it runs",
        ),
        (worker("image = \"https://ghcr.io/a:1\""), "expected the name of an image", "2:9", ""),
        (worker("image = \"ghcr.io/A:1\""), "expected the name of an image", "2:9", ""),
        (worker(&format!("image = \"{}:1\"", "a".repeat(254))), "image does not say", "2:9", ""),
        (
            worker(&format!("{own}image_tag = \"2\"")),
            "image_tag has no meaning beside image",
            "3:13",
            "leave out image_tag",
        ),
        (
            worker(&format!("{own}image_digest = \"sha256:{}\"", "0".repeat(64))),
            "image_digest has no meaning beside image",
            "3:16",
            "leave out image_digest",
        ),
        (worker(&credentials), "image_credentials_arn has no meaning without image", "2:25", ""),
        (
            worker(&format!(
                "image = \"123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1\"\n{credentials}"
            )),
            "image_credentials_arn has no meaning with an image in ECR",
            "3:25",
            "execution role pulls",
        ),
        (
            worker(&format!("{own}image_credentials_arn = \"{SECRET}ralph/dev/git-token-a1b2c3\"")),
            "image_credentials_arn is a secret of ralph's own",
            "3:25",
            "",
        ),
        (
            format!("[env.dev]\nregion = \"eu-west-1\"\nworker.{own}worker.{credentials}\n"),
            "image_credentials_arn is in region us-east-1, the environment in eu-west-1",
            "4:32",
            "name a secret in region eu-west-1",
        ),
        // The setup command.
        (worker("setup_command = \"a\\nb\""), "expected text on one line", "2:17", ""),
        (worker("setup_timeout_secs = 0"), "from 1 to 86400", "2:22", ""),
        (worker("setup_timeout_secs = 86401"), "from 1 to 86400", "2:22", ""),
    ] {
        let said = refused(&text);
        let short: String = text.chars().take(300).collect();
        assert_eq!(said.matches(" --> ").count(), 1, "{short}\nsays: {said}");
        for part in [title, &format!(" --> ralph.toml:{at}\n"), hint] {
            assert!(said.contains(part), "{short}\nshould say: {part}\nsays: {said}");
        }
        let first = said.lines().next().unwrap_or_default();
        assert!(first.contains(title), "{short}\nshould begin with: {title}\nsays: {first}");
    }
}

#[test]
fn both_lines_of_a_contradiction_are_shown() {
    assert_eq!(
        refused("[env.dev.worker]\nimage = \"ghcr.io/team/worker:1\"\nimage_tag = \"2\"\n"),
        "image_tag has no meaning beside image
 --> ralph.toml:3:13
  |
2 | image = \"ghcr.io/team/worker:1\"
  |         ----------------------- tasks run this image
3 | image_tag = \"2\"
  |             ^^^ of the environment's own repository
  |
  = hint: leave out image_tag, and name the tag or the digest in image"
    );
}

#[test]
fn what_the_agent_gets_reaches_the_module() {
    let text = format!(
        r#"
        [env.dev.worker]
        image = "ghcr.io/team/worker:1"
        image_credentials_arn = "{SECRET}registry-a1b2c3"
        setup_command = "just setup"
        setup_timeout_secs = 600
        agent_command = "mine --model {{model}}"
        [env.dev.agent]
        model = "opus"
        model_endpoint = "https://gateway.example.com:443/anthropic"
        repositories = ["https://github.com/you/project", "https://github.com/team/*"]
        [env.dev.agent.environment]
        npm_config_registry = "https://npm.example.com"
        EMPTY = ""
        TEMPLATE = "${{x}} and %{{y}}"
        [env.dev.agent.secrets]
        DATABASE_URL = "{SECRET}database-a1b2c3"
        USER_NAME = "{SECRET}team/user-a1b2c3:name::"
        OF_RDS = "{SECRET}rds!db-0a1b2c3d-a1b2c3:password::"
        "#
    );
    let root = root(&text);
    for line in [
        "RALPH_AGENT_ENV_EMPTY = \"\"",
        "RALPH_AGENT_ENV_TEMPLATE = \"$${x} and %%{y}\"",
        "RALPH_AGENT_ENV_npm_config_registry = \"https://npm.example.com\"",
        "RALPH_AGENT_REPOSITORIES = \"https://github.com/you/project https://github.com/team/*\"",
        "RALPH_MODEL = \"opus\"",
        "RALPH_MODEL_ENDPOINT = \"https://gateway.example.com:443/anthropic\"",
        "RALPH_SETUP_COMMAND = \"just setup\"",
        "RALPH_SETUP_TIMEOUT_SECS = \"600\"",
        "uri = \"ghcr.io/team/worker:1\"",
        &format!("credentials_arn = \"{SECRET}registry-a1b2c3\""),
        &format!("DATABASE_URL = \"{SECRET}database-a1b2c3\""),
        &format!("USER_NAME = \"{SECRET}team/user-a1b2c3:name::\""),
        &format!("OF_RDS = \"{SECRET}rds!db-0a1b2c3d-a1b2c3:password::\""),
        "model_endpoint = true",
    ] {
        assert!(root.contains(&format!("\n{line}\n")), "{line}\nin {root}");
    }
}

#[test]
fn without_a_table_for_it_the_agent_gets_nothing() {
    let root = root("[env.dev]\n");
    for part in ["RALPH_AGENT_", "RALPH_MODEL", "RALPH_SETUP_COMMAND", "uri =", "agent_arns ="] {
        assert!(!root.contains(part), "{part} in {root}");
    }
    assert!(root.contains("\nagent_secrets = {}\n") && root.contains("\nmodel_endpoint = false\n"));
}

#[test]
fn a_gateway_may_have_models_of_its_own() {
    let text = "[env.dev.agent]\nmodel = \"gpt-5\"\nmodel_endpoint = \"https://a.example\"\n";
    assert!(!is_known_model("gpt-5"));
    assert_eq!(config::parse("ralph.toml", text).unwrap().warnings, "");
}

#[test]
fn an_image_of_any_registry_is_accepted_with_a_tag_or_a_digest() {
    let digest = format!("@sha256:{}", "0a".repeat(32));
    for name in
        ["worker", "team/worker", "ghcr.io/team/worker", "registry.example.com:5000/a/b_c--d"]
    {
        for version in [":1", ":v1.0_latest", &digest] {
            let text = format!("[env.dev.worker]\nimage = \"{name}{version}\"\n");
            assert!(root(&text).contains(&format!("\nuri = \"{name}{version}\"\n")), "{text}");
        }
    }
}

#[test]
fn the_setup_command_has_the_time_that_an_order_may_give_it() {
    let worker = KEYS.environment.sections.iter().find(|one| one.name == "worker").unwrap();
    let key = worker.keys.iter().find(|key| key.name == "setup_timeout_secs").unwrap();
    assert_eq!(key.default, Some(DEFAULT_SETUP_TIMEOUT_SECS.into()));
    let most = i64::from(MAX_SETUP_TIMEOUT_SECS);
    assert!(matches!(key.kind, config::keys::Kind::Integer(1, high) if high == most));
}

#[test]
fn the_page_shows_the_default_command_and_explains_each_placeholder_in_it() {
    let page = reference::markdown();
    assert!(page.contains(&format!("\n```\n{DEFAULT_AGENT_COMMAND}\n```\n")), "{page}");
    let placeholders: Vec<&str> = DEFAULT_AGENT_COMMAND
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .collect();
    assert!(placeholders.len() >= 3, "{placeholders:?}");
    for name in placeholders.into_iter().chain(["model", "iteration", "prompt_file"]) {
        assert!(page.contains(&format!("\n| `{{{name}}}` | ")), "{name} in {page}");
    }
}
