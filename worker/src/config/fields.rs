//! Reads variables one by one and gathers what is wrong with them.

use std::{path::PathBuf, str::FromStr};

use ralph_protocol::{
    event::Limits,
    execution::{
        DEFAULT_MAX_COMMIT_FILES, DEFAULT_MAX_COMMIT_MB, DEFAULT_MAX_LOG_MB,
        DEFAULT_SETUP_TIMEOUT_SECS, EndpointProblem, MAX_COMMIT_FILES, MAX_MB, MAX_MODEL,
        MAX_SETUP_TIMEOUT_SECS, check_endpoint, check_model,
    },
    ids::{Run, Workstream},
    link::check_log_url,
    names::worker_env as env,
    secret::{GitToken, ShapeError},
};
use url::Url;

use super::{
    CONVENTION, CommitLimits, DEFAULT_AGENT_COMMAND, DEFAULT_MODEL_ENDPOINT, DEFAULT_PROMPT_FILE,
    Environment, MB, Prompt, RESCUE_PREFIXES, repo,
};
use crate::machine::{Ledger, Usd};

pub(super) struct Reader<'a> {
    pub(super) environment: &'a Environment,
    pub(super) problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        let mut reader = Self { environment, problems: Vec::new() };
        let wrong = |(name, value): &(&String, &String)| {
            name.starts_with("RALPH_") && value.contains(char::REPLACEMENT_CHARACTER)
        };
        for (name, _) in environment.0.iter().filter(wrong) {
            reader.problem(name, "is not text in UTF-8\nhint: set it again");
        }
        reader
    }

    pub(super) fn problem(&mut self, name: &str, text: impl std::fmt::Display) {
        self.problems.push(format!("{name}: {text}"));
    }

    pub(super) fn optional(&self, name: &str) -> Option<&'a str> {
        self.environment.get(name).map(str::trim)
    }

    fn required(&mut self, name: &str, hint: &str) -> Option<&'a str> {
        let text = self.optional(name);
        if text.is_none() {
            self.problem(name, format_args!("is not set\nhint: {hint}"));
        }
        text
    }

    fn checked<T, E: std::fmt::Display>(&mut self, name: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.problem(name, error)).ok()
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.optional(name).map(str::to_owned)
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.optional(name).map(PathBuf::from)
    }

    pub(super) fn workstream(&mut self) -> Option<Workstream> {
        let text = self.required(env::WORKSTREAM, "the workstream's id, such as docs")?;
        self.checked(env::WORKSTREAM, text.parse())
    }

    /// The run given, or a new one: a worker that runs alone is its own execution.
    pub(super) fn run(&mut self) -> Option<Run> {
        let attempt = match self.optional(env::ATTEMPT) {
            None => None,
            Some(text) => match u32::from_str(text) {
                Ok(attempt @ 1..=9999) => Some(attempt),
                _ => {
                    self.problem(
                        env::ATTEMPT,
                        format_args!(
                            "`{}` is not an attempt\nhint: a whole number from 1 to 9999",
                            clip(text)
                        ),
                    );
                    None
                }
            },
        };
        let Some(text) = self.optional(env::RUN) else {
            return self.checked(env::RUN, Run::new(ulid::Ulid::generate(), attempt.unwrap_or(1)));
        };
        let run: Run = self.checked(env::RUN, text.parse())?;
        if attempt.is_some_and(|attempt| attempt != run.attempt()) {
            let said = attempt.unwrap_or_default();
            self.problem(
                env::ATTEMPT,
                format_args!(
                    "says {said}, but {} ends in {:04}\nhint: leave one of them out",
                    env::RUN,
                    run.attempt()
                ),
            );
        }
        Some(run)
    }

    pub(super) fn secret<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, ShapeError>,
    ) -> Option<T> {
        let text = self.required(name, "a secret; `ralph keys set` stores it")?;
        self.checked(name, parse(text))
    }

    pub(super) fn repo(&mut self, git: Option<&GitToken>) -> Option<Url> {
        let text = self
            .required(env::REPO, "the repository's URL, such as https://github.com/you/project")?;
        let allow_file = self.optional(env::ALLOW_FILE_REPO) == Some("1");
        let result = repo::check(text, git, allow_file);
        self.checked(env::REPO, result)
    }

    pub(super) fn branch(&mut self, name: &str) -> Option<String> {
        let text = self.optional(name)?;
        if !is_branch_name(text) {
            self.problem(
                name,
                format_args!(
                    "`{}` is not a branch name\nhint: see `git help check-ref-format`",
                    clip(text)
                ),
            );
            return None;
        }
        let rescue = RESCUE_PREFIXES.into_iter().find(|prefix| {
            text.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if let Some(prefix) = rescue {
            self.problem(
                name,
                format_args!("`{}` is for work that could not be pushed\nhint: choose a branch outside {prefix}", clip(text)),
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// A word that may be absent.
    pub(super) fn one_of<T: FromStr>(&mut self, name: &str, words: &str) -> Option<T> {
        let text = self.optional(name)?;
        let word = text.parse().ok();
        if word.is_none() {
            self.problem(name, format_args!("is `{}`\nhint: {words}", clip(text)));
        }
        word
    }

    pub(super) fn log_url(&mut self) -> Option<String> {
        let text = self.optional(env::LOG_URL)?;
        self.checked(env::LOG_URL, check_log_url(text))?;
        Some(text.to_owned())
    }

    pub(super) fn prompt(&mut self) -> Option<Prompt> {
        // As it is, white space too.
        let Some(text) = self.environment.get(env::PROMPT) else {
            return self.prompt_file().map(Prompt::File);
        };
        if self.optional(env::PROMPT_FILE).is_some() {
            let problem =
                format!("is set, and {} too\nhint: leave one of them out", env::PROMPT_FILE);
            self.problem(env::PROMPT, problem);
        }
        Some(Prompt::Text(text.to_owned()))
    }

    fn prompt_file(&mut self) -> Option<String> {
        let text = self.optional(env::PROMPT_FILE).unwrap_or(DEFAULT_PROMPT_FILE);
        let inside = !text.starts_with('/')
            && !text.contains(['\0', '\n', '\\'])
            && text.split('/').all(|part| !matches!(part, "" | "." | ".." | ".git"));
        if !inside {
            self.problem(
                env::PROMPT_FILE,
                format_args!("`{}` is not a path inside the repository\nhint: a relative path, such as {DEFAULT_PROMPT_FILE}", clip(text)),
            );
        }
        inside.then(|| text.to_owned())
    }

    fn limit<T: FromStr + Copy>(
        &mut self,
        name: &str,
        allowed: &str,
        ok: impl Fn(T) -> bool,
    ) -> Option<T> {
        let text =
            self.required(name, &format!("{allowed}; a run without this limit is refused"))?;
        self.read_limit(name, text, allowed, ok)
    }

    fn read_limit<T: FromStr + Copy>(
        &mut self,
        name: &str,
        text: &str,
        allowed: &str,
        ok: impl Fn(T) -> bool,
    ) -> Option<T> {
        let value = text.parse::<T>().ok().filter(|value| ok(*value));
        if value.is_none() {
            self.problem(name, format_args!("`{}` is not a limit\nhint: {allowed}", clip(text)));
        }
        value
    }

    /// A whole number from 1 to `most`.
    fn number_or(&mut self, name: &str, default: u32, most: u32) -> Option<u64> {
        let Some(text) = self.optional(name) else { return Some(default.into()) };
        let allowed = format!("a whole number from 1 to {most}");
        self.read_limit(name, text, &allowed, |n: u32| (1..=most).contains(&n)).map(u64::from)
    }

    pub(super) fn max_log_bytes(&mut self) -> Option<u64> {
        Some(self.number_or(env::MAX_LOG_MB, DEFAULT_MAX_LOG_MB, MAX_MB)? * MB)
    }

    /// Longest run of setup, seconds.
    pub(super) fn setup_timeout(&mut self) -> Option<u64> {
        let (default, most) = (DEFAULT_SETUP_TIMEOUT_SECS, MAX_SETUP_TIMEOUT_SECS);
        self.number_or(env::SETUP_TIMEOUT_SECS, default, most)
    }

    pub(super) fn commit_limits(&mut self) -> Option<CommitLimits> {
        let mb = self.number_or(env::MAX_COMMIT_MB, DEFAULT_MAX_COMMIT_MB, MAX_MB);
        let files =
            self.number_or(env::MAX_COMMIT_FILES, DEFAULT_MAX_COMMIT_FILES, MAX_COMMIT_FILES);
        Some(CommitLimits { bytes: mb? * MB, files: files? })
    }

    pub(super) fn limits(&mut self) -> Option<Limits> {
        const YEAR: u64 = 366 * 24 * 3600;
        let seconds = "a whole number of seconds, from 1 to a year's";
        let in_year = |secs: u64| (1..=YEAR).contains(&secs);
        // Read them all before `?`, so that every wrong one is reported.
        let max_iterations =
            self.limit(env::MAX_ITERATIONS, "a whole number from 1 to 100000", |n: u32| {
                (1..=100_000).contains(&n)
            });
        let max_duration_secs = self.limit(env::MAX_DURATION_SECS, seconds, in_year);
        let max_cost_usd = self.limit(
            env::MAX_COST_USD,
            "US dollars, more than 0 and at most 1000000",
            |usd: f64| (0.000_001..=1e6).contains(&usd),
        );
        let iteration_timeout_secs = self.limit(env::ITERATION_TIMEOUT_SECS, seconds, in_year);
        let silence_secs = self.limit(env::SILENCE_SECS, seconds, in_year);
        let max_stalls = self.limit(env::MAX_STALLS, "a whole number from 1 to 1000", |n: u32| {
            (1..=1000).contains(&n)
        });
        Some(Limits {
            max_iterations: max_iterations?,
            max_duration_secs: max_duration_secs?,
            max_cost_usd: max_cost_usd?,
            iteration_timeout_secs: iteration_timeout_secs?,
            silence_secs: silence_secs?,
            max_stalls: max_stalls?,
        })
    }

    /// What the earlier runs have used. Either variable alone means that the other is zero.
    pub(super) fn earlier(&mut self) -> Option<Ledger> {
        let (spent, done) = (self.optional(env::SPENT_USD), self.optional(env::ITERATIONS_DONE));
        let cost = spent.and_then(|text| {
            let usd = text.parse().ok().filter(|usd| (0.0..=1e9).contains(usd));
            let allowed = "US dollars, from 0 to 1000000000";
            let problem = || format!("`{}` is not a sum\nhint: {allowed}", clip(text));
            self.checked(env::SPENT_USD, usd.map(Usd::from_dollars).ok_or_else(problem))
        });
        let iterations = done.and_then(|text| {
            let problem = |_| format!("`{}` is not a number of iterations", clip(text));
            self.checked(env::ITERATIONS_DONE, text.parse().map_err(problem))
        });
        spent.or(done)?;
        let (cost, iterations) = (cost.unwrap_or_default(), iterations.unwrap_or_default());
        Some(Ledger { iterations, cost })
    }

    /// The model that the agent asks for. Behind a gateway, which is any endpoint but the service's own,
    /// a model may have any name.
    pub(super) fn model(&mut self, endpoint: Option<&Url>) -> Option<String> {
        let model = self.optional(env::MODEL)?;
        // Nothing that a shell, a placeholder or another option could be made of.
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/@[]+=,~".contains(c);
        if model.len() > MAX_MODEL || model.starts_with('-') || !model.chars().all(plain) {
            let hint = "letters, digits and signs, such as claude-sonnet-5";
            let problem = format!("`{}` is not the name of a model\nhint: {hint}", clip(model));
            self.problem(env::MODEL, problem);
            return None;
        }
        let own =
            endpoint.is_none_or(|url| url.as_str().trim_end_matches('/') == DEFAULT_MODEL_ENDPOINT);
        if own && let Err(problem) = check_model(model) {
            self.problem(env::MODEL, format_args!("`{}` {problem}", clip(model)));
            return None;
        }
        Some(model.to_owned())
    }

    pub(super) fn agent_command(&mut self, model: Option<&str>) -> Option<Vec<String>> {
        let text = self.optional(env::AGENT_COMMAND).unwrap_or(DEFAULT_AGENT_COMMAND);
        let convention = self.convention()?.then(|| CONVENTION.trim_end());
        if model.is_some() && !text.contains(MODEL_HERE) {
            let problem = format!(
                "is set, but {} does not pass it on\nhint: put `--model={MODEL_HERE}` into the command, or what its program wants",
                env::AGENT_COMMAND
            );
            self.problem(env::MODEL, problem);
        }
        let told = |words| tell(tell(words, MODEL_HERE, model), CONVENTION_HERE, convention);
        match shell_words::split(text).map(told) {
            Ok(words) if !words.is_empty() => Some(words),
            Ok(_) => {
                self.problem(
                    env::AGENT_COMMAND,
                    "names no program\nhint: a program and its arguments",
                );
                None
            }
            Err(_) => {
                self.problem(env::AGENT_COMMAND, "has a quote that is not closed\nhint: words are split as a shell would, but no shell runs");
                None
            }
        }
    }

    /// Whether the agent is told how the loop works.
    fn convention(&mut self) -> Option<bool> {
        match self.optional(env::CONVENTION) {
            None | Some("1") => Some(true),
            Some("0") => Some(false),
            Some(text) => {
                self.problem(
                    env::CONVENTION,
                    format_args!("`{}` is not a switch\nhint: 1, or 0 for off", clip(text)),
                );
                None
            }
        }
    }

    pub(super) fn model_endpoint(&mut self) -> Option<Url> {
        let text = self.optional(env::MODEL_ENDPOINT).unwrap_or(DEFAULT_MODEL_ENDPOINT);
        let url = Url::parse(text).map_err(|_| EndpointProblem::Form);
        // Plain http would carry a key in the clear; only a test's own machine may ask for it.
        let here = |url: &Url| {
            url.scheme() == "http"
                && matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
        };
        if url.as_ref().is_ok_and(here) {
            return url.ok();
        }
        // The check does not know which names of hosts are punycode.
        self.checked(env::MODEL_ENDPOINT, check_endpoint(text).and(url))
    }
}

/// Placeholders of the agent's command for what is the same in every iteration.
const CONVENTION_HERE: &str = "{convention}";
const MODEL_HERE: &str = "{model}";

/// Fills in a placeholder; without a text for it, words that hold it are left out.
fn tell(words: Vec<String>, placeholder: &str, text: Option<&str>) -> Vec<String> {
    let stays = |word: &String| text.is_some() || !word.contains(placeholder);
    let words = words.into_iter().filter(stays);
    words.map(|word| word.replace(placeholder, text.unwrap_or_default())).collect()
}

/// The rules of `git check-ref-format --branch`, and nothing that an argument parser or a
/// refspec could read as something else.
fn is_branch_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !" ~^:?*[\\".contains(c);
    name.len() <= 200
        && name != "@"
        && name != "HEAD"
        && !name.starts_with('-')
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("@{")
        && name.chars().all(plain)
        && name
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

/// Bad texts come from outside and can be long; an error shows their beginning.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}
