//! The models that the agent and the price table know.

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
}
