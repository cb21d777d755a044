//! `ralph completions`.

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::Args;

/// The script that completes the words of `ralph` in a shell.
pub fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(&Args::command()), "ralph", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// A command without what its help does not show: clap_complete would offer that too.
fn visible(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|one| !one.is_hide_set()).cloned();
    let commands = command.get_subcommands().filter(|one| !one.is_hide_set()).map(visible);
    let mut shown =
        Command::new(command.get_name().to_owned()).args(arguments).subcommands(commands);
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    shown
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn a_script_offers_what_the_help_shows_and_nothing_else() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for shown in ["logs", "completions", "init-signing", "max-cost-usd"] {
                assert!(script.contains(shown), "{shell}: {shown}");
            }
            for hidden in ["supervise", "without-rules", "management-base"] {
                assert!(!script.contains(hidden), "{shell}: {hidden}");
            }
        }
    }
}
