//! Identifiers: checked, never renamed.

use hcl::Identifier;

/// An identifier as it stands. A name that is none is reported where it is declared or bound, and
/// then nothing is printed; hcl-rs would rename it silently.
pub(crate) fn ident(name: &str) -> Identifier {
    Identifier::new(name).unwrap_or_else(|_| Identifier::unchecked(name))
}

/// Whether HCL accepts `name` as an identifier. ASCII only: every name of ours is.
pub(crate) fn check(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
