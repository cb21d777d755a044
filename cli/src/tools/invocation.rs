//! How a person runs the project's commands, so that a hint can be copied as it stands.

/// A recipe as the person would run it: `./justw <recipe>` for who started us so, else `just <recipe>`.
pub fn just(recipe: &str) -> String {
    let program = std::env::var("RALPH_JUST").unwrap_or_else(|_| "just".to_owned());
    format!("{program} {recipe}")
}
