//! The variables that `ralph.toml` gives the agent, the setup command and the verify command.

use std::collections::BTreeMap;

use ralph_protocol::{
    execution::{MIN_AGENT_SECRET, Repositories, check_variable},
    names::worker_env as env,
    secret::Value,
};
use url::Url;

use super::fields::{Reader, clip};

/// Lines of a secret of several lines, such as a key in PEM form, that are looked for by themselves: not
/// its frame, and not those that are so short that they are found by chance.
pub fn long_lines(text: &str) -> impl Iterator<Item = &str> {
    const SHORTEST: usize = 16;
    text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST && !line.starts_with("-----"))
}

/// What the agent gets beside the worker's own, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentVariables {
    /// Shown as they are.
    pub plain: BTreeMap<String, String>,
    /// Redacted in events, and refused in commits.
    pub secret: BTreeMap<String, Value>,
    /// Names of those that this run does not get, because its repository is not among
    /// `RALPH_AGENT_REPOSITORIES`.
    pub withheld: Vec<String>,
}

impl AgentVariables {
    /// All that the agent gets: names and values.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let plain = self.plain.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        plain.chain(self.secret.iter().map(|(name, value)| (name.as_str(), value.expose())))
    }

    /// What to look for in texts: each secret, and of one of several lines, such as a key in PEM,
    /// each line that is not just a frame. Events and files often hold single lines of it.
    #[must_use]
    pub fn to_redact(&self) -> Vec<String> {
        self.secret.values().flat_map(|value| parts(value.expose())).map(str::to_owned).collect()
    }
}

fn parts(value: &str) -> Vec<&str> {
    let whole = value.trim();
    // Of one line, the whole.
    if !whole.contains('\n') {
        return vec![whole];
    }
    [whole].into_iter().chain(long_lines(whole)).collect()
}

impl Reader<'_> {
    /// Every variable that is wrong is a problem, also when the repository gets none of them.
    pub(super) fn agent_variables(&mut self, repo: Option<&Url>) -> AgentVariables {
        let mut given = AgentVariables::default();
        for (full, value) in &self.environment.0 {
            let (name, secret) = match (
                full.strip_prefix(env::AGENT_VARIABLE),
                full.strip_prefix(env::AGENT_SECRET),
            ) {
                (Some(name), _) => (name, false),
                (None, Some(name)) => (name, true),
                (None, None) => continue,
            };
            if let Err(problem) = check_variable(name) {
                self.problem(&clip(full), problem);
            } else if !secret {
                given.plain.insert(name.to_owned(), value.clone());
            } else if value.trim().len() < MIN_AGENT_SECRET {
                let problem = format!(
                    "is shorter than {MIN_AGENT_SECRET} bytes\nhint: it would be found by chance in ordinary lines; set a longer one, or make it a plain variable"
                );
                self.problem(full, problem);
            } else {
                given.secret.insert(name.to_owned(), Value::new(value.as_str()));
            }
        }
        for name in given.secret.keys().filter(|name| given.plain.contains_key(*name)) {
            let problem =
                format!("is there as {}{name} too\nhint: remove one", env::AGENT_VARIABLE);
            self.problem(&format!("{}{name}", env::AGENT_SECRET), problem);
        }
        let list = self.optional(env::AGENT_REPOSITORIES).map(Repositories::read);
        match (list, repo) {
            (Some(list), Some(repo)) if !list.contain(repo.as_str()) => AgentVariables {
                withheld: given.all().map(|(name, _)| name.to_owned()).collect(),
                ..AgentVariables::default()
            },
            _ => given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_of_a_secret() {
        let pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASC\n-----END KEY-----\n";
        for (value, expected) in [
            ("one-secret", vec!["one-secret"]),
            // As `echo` shows it, and as a file of its own holds it.
            (" padded-secret\n", vec!["padded-secret"]),
            (pem, vec![pem.trim(), "MIIEvQIBADANBgkqhkiG9w0B"]),
            ("a\r\nb", vec!["a\r\nb"]),
            (
                "----------------\n0123456789abcdef",
                vec!["----------------\n0123456789abcdef", "0123456789abcdef"],
            ),
        ] {
            assert_eq!(parts(value), expected, "{value:?}");
        }
    }
}
