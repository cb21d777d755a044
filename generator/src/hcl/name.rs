//! Identifiers: checked, never renamed.

use std::sync::atomic::{AtomicUsize, Ordering};

use hcl::Identifier;

/// An identifier, unchanged. A name that is not an identifier is reported where it is declared or
/// bound, and then nothing is printed; hcl-rs would rename it silently.
pub(crate) fn ident(name: &str) -> Identifier {
    Identifier::new(name).unwrap_or_else(|_| Identifier::unchecked(name))
}

/// What binds a name: a `for` or a resource with `for_each`. Each is one of its own, so that a name
/// that is used where another binds the same one is found out.
#[derive(Clone, Copy)]
pub(in crate::hcl) struct Scope(usize);

impl Scope {
    pub(in crate::hcl) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The name as bound here. Never printed so: see [`plain`].
    pub(in crate::hcl) fn ident(self, name: &str) -> Identifier {
        Identifier::unchecked(format!("{name}{MARK}{}", self.0))
    }
}

/// Stands between a bound name and its scope: no identifier holds it.
const MARK: char = '#';

/// A name as it is printed.
pub(in crate::hcl) fn plain(name: &str) -> &str {
    name.rsplit_once(MARK).map_or(name, |(name, _)| name)
}

/// Whether a name is bound by a scope.
pub(in crate::hcl) fn is_bound(name: &str) -> bool {
    name.contains(MARK)
}

/// Whether HCL accepts `name` as an identifier. ASCII only: every name of ours is.
pub(crate) fn check(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
