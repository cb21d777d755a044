//! Identifiers: checked, never renamed.

use hcl::Identifier;

/// An identifier the generator itself spells, known to be good.
///
/// # Panics
/// When `name` is no identifier. Names that come from outside go through [`check`] first.
pub(crate) fn ident(name: &str) -> Identifier {
    match Identifier::new(name) {
        Ok(identifier) => identifier,
        Err(_) => panic!("`{name}` is not an identifier"),
    }
}

/// Whether HCL accepts `name` as an identifier. ASCII only: every name of ours is.
pub(crate) fn check(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
