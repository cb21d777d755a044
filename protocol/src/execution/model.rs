//! The models that the agent and the price table know, and where they are reached.

use super::repo;
use crate::nearest::nearest;

/// What claude-code calls a model beside its id. Each also with `[1m]` behind it, for a million tokens
/// of context.
pub const ALIASES: [&str; 7] = ["default", "best", "opus", "sonnet", "haiku", "fable", "opusplan"];

/// Ids, without the date that some end with. The worker has a price for each.
pub const MODELS: [&str; 26] = [
    "claude-3-5-haiku",
    "claude-haiku-4-5",
    "claude-haiku-5-5",
    "claude-3-5-sonnet",
    "claude-3-7-sonnet",
    "claude-sonnet-4",
    "claude-sonnet-4-0",
    "claude-sonnet-4-5",
    "claude-sonnet-4-6",
    "claude-sonnet-5",
    "claude-sonnet-5-5",
    "claude-opus-4",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-fable-5",
    "claude-fable-5-1",
    "claude-fable-5-2",
    "claude-mythos-5",
    "claude-mythos-5-1",
    "claude-mythos-5-2",
];

/// Whether the agent knows a model of that name: an alias, or an id with or without its date.
#[must_use]
pub fn is_known_model(name: &str) -> bool {
    let name = name.strip_suffix("[1m]").unwrap_or(name);
    let dated = name
        .rsplit_once('-')
        .filter(|(_, date)| date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()));
    let id = dated.map_or(name, |(id, _)| id);
    ALIASES.contains(&name) || MODELS.contains(&id)
}

/// A model that nobody has a price for: what it costs would be guessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a model that the worker has a price for\nhint: {0}")]
pub struct UnknownModel(String);

/// Whether a model is known. Behind a gateway, a model may have any name.
///
/// # Errors
/// [`UnknownModel`], to be read behind the name, with those that are known.
pub fn check_model(name: &str) -> Result<(), UnknownModel> {
    if is_known_model(name) {
        return Ok(());
    }
    let known = || ALIASES.into_iter().chain(MODELS);
    let all = known().collect::<Vec<_>>().join(", ");
    Err(UnknownModel(match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`? Known are {all}"),
        None => format!("known are {all}; a gateway's own names need model_endpoint"),
    }))
}

/// What is wrong with the endpoint of the model's service. Never repeats it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointProblem {
    /// Not https, a public host and perhaps a path, and nothing else.
    #[error(
        "is not an https URL of a public host and, perhaps, a path\nhint: such as https://llm.example.com/anthropic, without user name, IP address, query or fragment"
    )]
    Form,
    /// Every path of the API begins with it.
    #[error("ends in /v1\nhint: leave that out: the worker puts /v1/messages behind it")]
    Version,
}

/// Checks the endpoint of the model's service, or of a gateway to it.
///
/// # Errors
/// [`EndpointProblem`], to be read behind the endpoint's name.
pub fn check_endpoint(url: &str) -> Result<(), EndpointProblem> {
    let url = url.trim_end_matches('/');
    // What a repository's URL may be, but the path may be empty.
    repo::check(&format!("{url}/x"), false).map_err(|_| EndpointProblem::Form)?;
    if url.ends_with("/v1") { Err(EndpointProblem::Version) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_alias_by_id_and_by_id_with_its_date() {
        for name in ALIASES.iter().chain(&MODELS) {
            assert!(is_known_model(name), "{name}");
            assert!(is_known_model(&format!("{name}[1m]")), "{name}");
        }
        assert!(is_known_model("claude-opus-4-5-20251101"));
        for name in
            ["", "Opus", "opus-20251101", "opus5", "gpt-5", "claude-opus-4-5-2025", "claude"]
        {
            assert!(!is_known_model(name), "{name}");
        }
    }

    #[test]
    fn an_unknown_model_is_refused_with_what_may_be_meant() {
        assert_eq!(check_model("opus"), Ok(()));
        for (name, hint) in [
            ("opsu", "did you mean `opus`? Known are default, best,"),
            ("claude-sonet-5", "did you mean `claude-sonnet-5`?"),
            ("gpt-99-ultra", "known are default, best, "),
        ] {
            let problem = check_model(name).unwrap_err().to_string();
            assert!(problem.contains(&format!("\nhint: {hint}")), "{problem}");
        }
    }

    #[test]
    fn which_endpoints_are_accepted() {
        use EndpointProblem::{Form, Version};
        for (url, expected) in [
            ("https://api.anthropic.com", Ok(())),
            ("https://llm.example.com/anthropic/", Ok(())),
            ("https://llm.example.com:8443", Ok(())),
            ("https://llm.example.com/v1", Err(Version)),
            ("https://llm.example.com/v1//", Err(Version)),
            ("http://llm.example.com", Err(Form)),
            ("https://u:p@llm.example.com", Err(Form)),
            ("https://llm.example.com/?key=x", Err(Form)),
            ("https://llm.example.com/#x", Err(Form)),
            ("https://10.0.0.1", Err(Form)),
            ("https://llm.internal", Err(Form)),
            ("https://", Err(Form)),
            ("", Err(Form)),
        ] {
            assert_eq!(check_endpoint(url), expected, "{url}");
        }
    }
}
