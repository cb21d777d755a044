//! The variables that `ralph.toml` gives the agent, the setup command and the verify command.

/// Shortest secret, bytes: a shorter one would be found by chance in ordinary lines, and redacting it
/// would make the log unreadable.
pub const MIN_AGENT_SECRET: usize = 8;

/// Names that belong to the worker, to AWS, or to programs that the worker trusts. Compared without
/// regard to case: curl and others also read `https_proxy`.
const RESERVED: [&str; 3] = ["NODE_OPTIONS", "PATH", "HOME"];
/// As above, of all names that begin with one of these.
const RESERVED_PREFIXES: [&str; 8] =
    ["AWS_", "ECS_", "GIT_", "LD_", "RALPH_", "ANTHROPIC_", "CLAUDE_", "SSL_"];
/// As above, of all names that end with this.
const RESERVED_SUFFIX: &str = "_PROXY";

/// What is wrong with a variable's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VariableProblem {
    /// No shell could set it.
    #[error(
        "is not the name of a variable\nhint: letters, digits and `_`, not beginning with a digit"
    )]
    Form,
    /// Not for `ralph.toml` to set.
    #[error(
        "is reserved\nhint: any name but AWS_*, ECS_*, GIT_*, LD_*, RALPH_*, ANTHROPIC_*, CLAUDE_*, SSL_*, *_PROXY, NODE_OPTIONS, PATH and HOME"
    )]
    Reserved,
}

/// Checks the name of a variable that the agent is to have.
///
/// # Errors
/// [`VariableProblem`] says what is wrong, to be read behind the name.
pub fn check_variable(name: &str) -> Result<(), VariableProblem> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(plain)
    {
        return Err(VariableProblem::Form);
    }
    let upper = name.to_ascii_uppercase();
    let reserved = RESERVED.contains(&upper.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || upper.ends_with(RESERVED_SUFFIX);
    if reserved { Err(VariableProblem::Reserved) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_names_the_agent_can_have() {
        use VariableProblem::{Form, Reserved};
        for (name, expected) in [
            ("DATABASE_URL", Ok(())),
            ("npm_config_registry", Ok(())),
            ("_X1", Ok(())),
            ("PATHS", Ok(())),
            ("PROXY", Ok(())),
            ("", Err(Form)),
            ("1A", Err(Form)),
            ("A-B", Err(Form)),
            ("A=B", Err(Form)),
            ("É", Err(Form)),
            ("AWS_REGION", Err(Reserved)),
            ("aws_region", Err(Reserved)),
            ("ECS_X", Err(Reserved)),
            ("GIT_DIR", Err(Reserved)),
            ("LD_PRELOAD", Err(Reserved)),
            ("RALPH_X", Err(Reserved)),
            ("ANTHROPIC_API_KEY", Err(Reserved)),
            ("CLAUDE_CONFIG_DIR", Err(Reserved)),
            ("SSL_CERT_FILE", Err(Reserved)),
            ("https_proxy", Err(Reserved)),
            ("NO_PROXY", Err(Reserved)),
            ("NODE_OPTIONS", Err(Reserved)),
            ("Path", Err(Reserved)),
            ("HOME", Err(Reserved)),
        ] {
            assert_eq!(check_variable(name), expected, "{name}");
        }
    }
}
