//! The scenario file's form. Unknown fields are refused: a typo in a test must not pass.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// A scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// What it shows.
    #[serde(default, rename = "about")]
    _about: String,
    /// A file that counts calls, instead of the history of HEAD.
    #[serde(default)]
    pub state: Option<PathBuf>,
    /// Do not speak stream-json.
    #[serde(default)]
    pub plain: bool,
    /// One list of steps a call; calls beyond the last repeat it.
    pub calls: Vec<Vec<Step>>,
}

/// One thing the agent does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// Says something.
    Text(String),
    /// Thinks something.
    Thinking(String),
    /// Says many things. `{n}` in the template is the number, from 1.
    Lines {
        /// How many.
        count: u32,
        /// What.
        template: String,
        /// Pause after each.
        #[serde(default)]
        delay_ms: u64,
    },
    /// Says one long text: the pattern again and again, at least `bytes` long.
    Long {
        /// Least bytes.
        bytes: usize,
        /// What is repeated.
        pattern: String,
    },
    /// Calls a tool and shows its result.
    Tool {
        /// Name.
        name: String,
        /// Input.
        #[serde(default)]
        input: Value,
        /// Result.
        #[serde(default)]
        result: String,
        /// Whether it failed.
        #[serde(default)]
        is_error: bool,
    },
    /// Writes a file.
    Write {
        /// Path, from the checkout.
        path: PathBuf,
        /// Content.
        text: String,
        /// How many times over.
        #[serde(default = "one")]
        repeat: usize,
        /// Adds to the file instead.
        #[serde(default)]
        append: bool,
        /// Makes it executable.
        #[serde(default)]
        executable: bool,
    },
    /// Commits the whole tree.
    Commit(String),
    /// Runs a program; its output is shown as a tool's result. It may fail.
    Run(Vec<String>),
    /// Waits.
    SleepMs(u64),
    /// Ignores SIGTERM from here on.
    IgnoreTerm,
    /// Leaves a process behind.
    Grandchild {
        /// How long it stays.
        ms: u64,
        /// In a session of its own, ignoring SIGTERM.
        #[serde(default)]
        detached: bool,
    },
    /// A line of stdout, verbatim.
    Line(String),
    /// A line of stdout, as JSON.
    Json(Value),
    /// A line of stderr.
    Stderr(String),
    /// Asks the model, through the endpoint in the environment; the answer is shown as a tool's
    /// result.
    Ask {
        /// Header fields besides the key.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Path.
        #[serde(default = "messages")]
        path: String,
        /// Body.
        #[serde(default)]
        body: Value,
        /// Key, instead of the one in the environment.
        #[serde(default)]
        key: Option<String>,
    },
    /// A result line; `{}` is a success that costs nothing. Without this step, a call ends with that one.
    Result(Value),
    /// Ends at once with this code, without a result line.
    Exit(u8),
    /// Never ends.
    Hang,
}

const fn one() -> usize {
    1
}

fn messages() -> String {
    "/v1/messages".to_owned()
}
