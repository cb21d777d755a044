//! Calling cargo from a program that cargo has started. The tests use this file too.

use std::{path::Path, process::Command};

/// `cargo` without what cargo sets for the programs it runs: build scripts watch some of those
/// variables, and everything behind them would be compiled again.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let set_by_cargo = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
            || matches!(
                &*text,
                "CARGO"
                    | "CARGO_PRIMARY_PACKAGE"
                    | "CARGO_TARGET_TMPDIR"
                    | "OUT_DIR"
                    | "LD_LIBRARY_PATH"
            );
        if set_by_cargo {
            command.env_remove(&name);
        }
    }
    command
}
