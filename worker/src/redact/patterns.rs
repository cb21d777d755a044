//! Well-known shapes of keys, for secrets nobody told the worker about.

use regex::Regex;

const SHAPES: [&str; 10] = [
    r"sk-[A-Za-z0-9_-]{24,}",
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"glpat-[A-Za-z0-9_-]{16,}",
    r"A(?:KIA|SIA)[A-Z0-9]{16}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"npm_[A-Za-z0-9]{36}",
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}",
    r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,24}PRIVATE KEY-----)?",
];

/// One expression for all shapes.
pub(super) fn well_known() -> Regex {
    let all = format!("(?:{})", SHAPES.join("|"));
    Regex::new(&all).expect("the shapes are constant; a test compiles them")
}
