//! The environment of the agent, of setup and of the verify command.
//!
//! Everything in it that a tool may write to is below the run's home, because nothing else can be
//! written where the root of the file system is read-only. The agent can change what is there, so
//! the worker itself never looks for a program in these folders.

use std::{
    collections::BTreeMap,
    env::{join_paths, split_paths},
    fmt,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::command::Endpoint;
use crate::config::AgentVariables;

/// The worker's own variables that the agent may see. Everything else is left out: secrets first of
/// all, but also `GIT_*`, `AWS_*`, `LD_*` and the variables that the platform adds.
pub const INHERITED: [&str; 8] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "SHELL",
];

/// Where tools put what they download, build and install, below the run's home. As they do by
/// themselves where nobody says otherwise, so that a program that was started without these
/// variables finds the same folders:
/// <https://doc.rust-lang.org/cargo/reference/environment-variables.html>,
/// <https://docs.npmjs.com/cli/configuring-npm/folders>, <https://pip.pypa.io/en/stable/topics/caching>,
/// <https://go.dev/ref/mod#environment-variables>,
/// <https://specifications.freedesktop.org/basedir-spec/latest> and
/// <https://mise.jdx.dev/configuration/environment-variables.html>. Only npm would install to where
/// it is installed itself.
const FOLDERS: [(&str, &str); 17] = [
    ("TMPDIR", "tmp"),
    ("CLAUDE_CONFIG_DIR", ".claude"),
    ("XDG_CACHE_HOME", ".cache"),
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
    (CARGO_HOME, ".cargo"),
    ("npm_config_cache", ".npm"),
    ("npm_config_prefix", ".local"),
    ("PIP_CACHE_DIR", ".cache/pip"),
    ("PYTHONUSERBASE", ".local"),
    // Also where modules are kept.
    ("GOPATH", "go"),
    ("GOCACHE", ".cache/go-build"),
    (MISE_DATA_DIR, ".local/share/mise"),
    ("MISE_CACHE_DIR", ".cache/mise"),
    ("MISE_STATE_DIR", ".local/state/mise"),
    ("MISE_CONFIG_DIR", ".config/mise"),
];

const CARGO_HOME: &str = "CARGO_HOME";
const MISE_DATA_DIR: &str = "MISE_DATA_DIR";

/// What is the same in every run.
const FIXED: [(&str, &str); 6] = [
    ("USER", "ralph"),
    // https://docs.claude.com/en/docs/claude-code/settings: no updates, no telemetry. Scrubbing the
    // environment of the agent's own children stays off: it needs bubblewrap, which a container
    // without capabilities cannot run.
    ("DISABLE_AUTOUPDATER", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    // Nobody is there to answer.
    ("GIT_TERMINAL_PROMPT", "0"),
    ("CI", "1"),
    ("MISE_YES", "1"),
];

/// Variables by name. `Debug` shows the names only: some values are secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl IntoIterator for Variables {
    type Item = (String, String);
    type IntoIter = std::collections::btree_map::IntoIter<String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Variables {
    /// The whole environment except for the way to the model: some of the worker's `own` variables,
    /// folders below `home`, and what `ralph.toml` gives the agent, which wins. `checkout` is the
    /// working tree, whose settings of mise are followed: untrusted as the agent is, they can do no
    /// more than it can.
    #[must_use]
    pub fn new(
        own: impl Fn(&str) -> Option<String>,
        home: &Path,
        checkout: &Path,
        given: &AgentVariables,
    ) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), own(name)?)));
        let mut all: BTreeMap<String, String> = inherited.collect();
        all.extend(FIXED.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all.extend(FOLDERS.map(|(name, folder)| (name.to_owned(), text(&home.join(folder)))));
        all.insert("HOME".to_owned(), text(home));
        all.insert("MISE_TRUSTED_CONFIG_PATHS".to_owned(), text(checkout));
        if std::process::id() == 1 {
            // As PID 1 the worker is in a container, which is the sandbox the agent asks about.
            all.insert("IS_SANDBOX".to_owned(), "1".to_owned());
        }
        all.extend(given.all().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let below = |name: &str, folder: &str| PathBuf::from(&all[name]).join(folder);
        // The tools that mise chose for the checkout come first: rustup's own `cargo` in the last
        // folder does not know which toolchain they are of.
        let first =
            [below(MISE_DATA_DIR, "shims"), home.join(".local/bin"), below(CARGO_HOME, "bin")];
        let path = all.get("PATH").cloned().unwrap_or_default();
        let first = first.into_iter().filter(|folder| folder.is_absolute());
        if let Ok(path) = join_paths(first.chain(split_paths(&path))) {
            all.insert("PATH".to_owned(), path.to_string_lossy().into_owned());
        }
        Self(all)
    }

    /// The same with the way to the model.
    #[must_use]
    pub fn with_model(&self, endpoint: &Endpoint) -> Self {
        let mut all = self.clone();
        all.0.insert("ANTHROPIC_BASE_URL".to_owned(), endpoint.url.clone());
        all.0.insert("ANTHROPIC_API_KEY".to_owned(), endpoint.dummy_key.clone());
        all
    }
}

/// A program's file on the worker's own PATH, which leads to no folder of the agent's. `None` when
/// the name is a path already, or there is no such program.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return None;
    }
    let path = std::env::var_os("PATH")?;
    // A relative folder would be one of the checkout's.
    let folders = split_paths(&path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|path| is_program(path))
}

/// Whether a file is there that can be executed.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use ralph_protocol::secret::Value;

    use super::*;

    fn variables(given: &AgentVariables) -> Variables {
        let own = |name: &str| Some(format!("/own-{name}"));
        Variables::new(own, Path::new("/run/home"), Path::new("/run/checkout"), given)
    }

    fn given(pairs: &[(&str, &str)]) -> AgentVariables {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        AgentVariables { plain: pairs.collect(), ..AgentVariables::default() }
    }

    #[test]
    fn the_agent_sees_nothing_but_the_list() {
        let Variables(all) = variables(&AgentVariables::default());
        for name in all.keys() {
            let known = INHERITED.contains(&name.as_str())
                || FIXED.iter().any(|(fixed, _)| fixed == name)
                || FOLDERS.iter().any(|(folder, _)| folder == name)
                || ["HOME", "MISE_TRUSTED_CONFIG_PATHS", "IS_SANDBOX"].contains(&name.as_str());
            assert!(known, "{name}");
            assert!(!name.starts_with("RALPH_") && !name.starts_with("AWS_"), "{name}");
        }
        assert!(!all.contains_key("ANTHROPIC_API_KEY"));
        assert_eq!(all["MISE_TRUSTED_CONFIG_PATHS"], "/run/checkout");
    }

    #[test]
    fn every_folder_is_below_the_home_and_programs_there_come_first() {
        let Variables(all) = variables(&AgentVariables::default());
        for (name, _) in FOLDERS {
            assert!(Path::new(&all[name]).starts_with("/run/home"), "{name}");
        }
        let home = "/run/home";
        let expected =
            format!("{home}/.local/share/mise/shims:{home}/.local/bin:{home}/.cargo/bin:/own-PATH");
        assert_eq!(all["PATH"], expected);
    }

    #[test]
    fn what_is_given_wins_over_the_workers_own() {
        let Variables(all) = variables(&given(&[("CARGO_HOME", "/x"), ("CI", ""), ("A", "b\nc")]));
        assert_eq!((all["CARGO_HOME"].as_str(), all["CI"].as_str()), ("/x", ""));
        assert_eq!(all["A"], "b\nc");
        assert!(all["PATH"].contains(":/x/bin:"), "{}", all["PATH"]);
    }

    #[test]
    fn the_way_to_the_model_is_added_last() {
        let endpoint = Endpoint { url: "http://127.0.0.1:1".into(), dummy_key: "k".into() };
        let Variables(all) = variables(&AgentVariables::default()).with_model(&endpoint);
        assert_eq!(all["ANTHROPIC_BASE_URL"], "http://127.0.0.1:1");
        assert_eq!(all["ANTHROPIC_API_KEY"], "k");
    }

    #[test]
    fn the_debug_text_shows_no_value() {
        let secret = BTreeMap::from([("TOKEN".to_owned(), Value::new("hunter2-hunter2"))]);
        let given = AgentVariables { secret, ..AgentVariables::default() };
        let all = variables(&given);
        assert_eq!(all.0["TOKEN"], "hunter2-hunter2");
        for text in [format!("{all:?}"), format!("{given:?}")] {
            assert!(text.contains("TOKEN") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn only_what_the_workers_own_path_leads_to_is_found() {
        assert!(find_program("sh").is_some_and(|path| path.is_absolute()));
        for name in ["/bin/sh", "./sh", "no-such-program", ""] {
            assert_eq!(find_program(name), None, "{name}");
        }
    }
}
