//! What the agent offers that we rely on, compared with a golden file: after a change of the pinned
//! version it shows what else has changed. `RALPH_WRITE=1 just test-agent` writes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read,
    path::Path,
    process::Command,
    sync::LazyLock,
};

use ralph_worker::config::DEFAULT_AGENT_COMMAND;
use regex::bytes::Regex;
use serde_json::{Value, json};

use crate::scripted::{Model, agent, claude, say};

/// Variables that the worker sets for the agent, and those of these tests.
const VARIABLES: [&str; 9] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "CLAUDE_CODE_MAX_RETRIES",
    "CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS",
    "CLAUDE_CONFIG_DIR",
    "DISABLE_AUTOUPDATER",
    "IS_SANDBOX",
];

/// Tools of these tests and of the page's examples.
const TOOLS: [&str; 6] = ["Bash", "Edit", "Read", "Task", "WebSearch", "Write"];

/// Header fields whose values only a new version changes.
const VALUES: [&str; 5] = ["accept", "anthropic-beta", "anthropic-version", "user-agent", "x-app"];

/// What the agent's program holds: JavaScript that can be read.
struct Inside {
    /// Ids of its table of models.
    models: BTreeSet<String>,
    /// Its list of aliases.
    aliases: BTreeSet<String>,
    variables: BTreeSet<String>,
}

static INSIDE: LazyLock<Inside> = LazyLock::new(inside);

/// Every match of these patterns in the program, which is read in pieces that overlap.
fn inside() -> Inside {
    const PIECE: usize = 16 << 20;
    const OVERLAP: usize = 4 << 10;
    let model = Regex::new(r#"\{id:"(claude-[a-z0-9-]+)",family:""#).unwrap();
    // The list begins with a family's name and has one with the long context.
    let list = Regex::new(r#"\[("[a-z]+",)+"[a-z]+\[1m\]"(,"[a-z]+(\[1m\])?")*\]"#).unwrap();
    let variable = Regex::new(&format!(r"\b({})\b", VARIABLES.join("|"))).unwrap();
    let mut found =
        Inside { models: BTreeSet::new(), aliases: BTreeSet::new(), variables: BTreeSet::new() };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut file = File::open(agent().join("claude")).unwrap();
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        let read = file.by_ref().take((PIECE - piece.len()) as u64).read_to_end(&mut piece);
        if read.unwrap() == 0 {
            break;
        }
        found.models.extend(model.captures_iter(&piece).map(|all| text(&all[1])));
        found.variables.extend(variable.find_iter(&piece).map(|one| text(one.as_bytes())));
        for one in list.find_iter(&piece) {
            let names: Vec<String> = serde_json::from_slice(one.as_bytes()).unwrap();
            found.aliases.extend(names);
        }
        piece.drain(..piece.len().saturating_sub(OVERLAP));
    }
    assert!(!found.models.is_empty(), "the agent's table of models looks different now");
    assert!(!found.aliases.is_empty(), "the agent's list of aliases looks different now");
    found
}

/// Every model that the agent knows.
pub fn models() -> BTreeSet<String> {
    INSIDE.models.clone()
}

/// Every alias and the model that it stands for; `default` is none given.
pub fn aliases() -> BTreeMap<String, String> {
    static ALIASES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
        let names = INSIDE.aliases.iter().map(String::as_str).chain(["default"]);
        names.map(|alias| (alias.to_owned(), stands_for(alias))).collect()
    });
    ALIASES.clone()
}

/// The model that it asks for, and says that it asks for.
fn stands_for(alias: &str) -> String {
    let model = Model::answers(json!([say("Yes.")]));
    let lines = claude(&model.url, &["--model", alias]);
    let requests = model.requests();
    let asked = requests.iter().find(|request| request["path"] == "/v1/messages").unwrap();
    assert_eq!(asked["model"], lines[0]["model"], "{alias}");
    asked["model"].as_str().unwrap().to_owned()
}

fn names(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

fn offers() -> Value {
    let version = Command::new(agent().join("claude")).arg("--version").output().unwrap();
    let help = Command::new(agent().join("claude")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let words: BTreeSet<&str> =
        help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    let flags = DEFAULT_AGENT_COMMAND.split([' ', '=']).chain(["--model"]);
    let flags = flags.filter(|word| word.starts_with('-'));

    let model = Model::answers(json!([say("Yes.")]));
    let lines = claude(&model.url, &[]);
    let requests = model.requests();
    let init = &lines[0];
    let tools = init["tools"].as_array().unwrap();
    let result = lines.last().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let asked = |request: &Value| text(&request["method"]) + " " + &text(&request["path"]);
    let message = requests.iter().find(|request| request["path"] == "/v1/messages").unwrap();
    let known = |name: &&str| tools.iter().any(|tool| tool == name);
    json!({
        "version": String::from_utf8(version.stdout).unwrap().trim(),
        "flags": flags.map(|flag| (flag, words.contains(flag))).collect::<BTreeMap<_, _>>(),
        "variables": INSIDE.variables,
        "init": names(init),
        "tools": TOOLS.iter().filter(|name| known(name)).collect::<Vec<_>>(),
        "permissionMode": init["permissionMode"],
        "result": names(result),
        "usage": names(&result["usage"]),
        "models": models(),
        "aliases": aliases(),
        "requests": requests.iter().map(asked).collect::<Vec<_>>(),
        "headers": names(&message["headers"]),
        "headerValues": VALUES.map(|name| (name, &message["headers"][name])).into_iter().collect::<BTreeMap<_, _>>(),
        "body": message["fields"],
        "maxTokens": message["maxTokens"],
    })
}

#[test]
fn the_agent_offers_what_the_golden_file_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent/offers.json");
    let found = format!("{:#}\n", offers());
    if std::env::var_os("RALPH_WRITE").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let without = |lines: &str, others: &str| -> Vec<String> {
        lines.lines().filter(|line| others.lines().all(|l| l != *line)).map(str::to_owned).collect()
    };
    assert!(
        golden == found,
        "the agent offers something else than tests/agent/offers.json says\nno longer: {:#?}\nnew: \
         {:#?}\nhint: see what has changed with `RALPH_WRITE=1 just test-agent` and `git diff`",
        without(&golden, &found),
        without(&found, &golden),
    );
}
