//! How a person runs the project's commands, so that a hint can be copied as it stands.

use std::{env, path::Path, sync::OnceLock};

/// What names the target of this command line, with a space before it: ` --local`.
static TARGET: OnceLock<String> = OnceLock::new();

/// How it begins for a local cloud with a scratch folder of its own.
const SCRATCH: &str = " --scratch ";

/// The program that runs recipes; `justw` and the justfile say it.
const JUST: &str = "RALPH_JUST";

/// Notes how this command line names its target.
pub fn remember(target: String) {
    let _ = TARGET.set(target);
}

/// A recipe as the person would run it: `just <recipe>`, or `./justw <recipe>` for who started us so
/// or has no `just`.
pub fn just(recipe: &str) -> String {
    let has_just = || {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|folder| folder.join("just").is_file())
    };
    let program = env::var(JUST).unwrap_or_else(|_| {
        let program = if has_just() { "just" } else { "./justw" };
        program.to_owned()
    });
    format!("{program} {recipe}")
}

/// A command of `ralph` as the person would run it.
pub fn ralph(words: &str) -> String {
    let (just, own) = (env::var(JUST).ok(), env::args().next());
    format!("{} {words}", program(just.as_deref(), own.as_deref()))
}

/// The same, for the target that this command line names.
pub fn ralph_there(words: &str) -> String {
    ralph(words) + TARGET.get().map(String::as_str).unwrap_or_default()
}

/// Whether this command line names a local cloud.
pub fn is_local() -> bool {
    TARGET.get().is_some_and(|target| target.starts_with(" --local") || target.starts_with(SCRATCH))
}

/// The recipe that starts the local cloud that this command line names.
pub fn start_local() -> String {
    let target = TARGET.get().filter(|target| target.starts_with(SCRATCH));
    just(&format!("local{}", target.map(String::as_str).unwrap_or_default()))
}

/// A path as one word of a command line.
pub fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}

/// `ralph` as it was run: by a recipe, or by this name.
fn program(just: Option<&str>, own: Option<&str>) -> String {
    match (just, own) {
        (Some(just), _) => format!("{just} ralph"),
        (None, Some(own)) => quoted(Path::new(own)),
        (None, None) => "ralph".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_as_it_was_run() {
        for (just, own, named) in [
            (Some("./justw"), Some("target/debug/ralph"), "./justw ralph"),
            (Some("just"), None, "just ralph"),
            (None, Some("ralph"), "ralph"),
            (None, Some("target/debug/ralph"), "target/debug/ralph"),
            (None, Some("/my tools/ralph"), "'/my tools/ralph'"),
            (None, None, "ralph"),
        ] {
            assert_eq!(program(just, own), named);
        }
    }
}
