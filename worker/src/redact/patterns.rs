//! Well-known shapes of keys, for secrets nobody told the worker about.

use regex::Regex;

/// A key or mere words, such as `task-management-application-frontend`: where text is shown, both
/// are redacted.
const LOOSE: &str = r"sk-[A-Za-z0-9_-]{24,}";

/// The keys among them, which begin where no word goes on, or after an escape in JSON. A file that
/// holds only words is pushed.
const STRICT: [&str; 2] = [
    r"(?:(?-u:\b)|\\[nrt])sk-(?:ant|proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{20,}",
    r"(?:(?-u:\b)|\\[nrt])sk-[A-Za-z0-9]{32,}",
];

/// Keys of providers: nobody writes them by accident.
const CREDENTIALS: [&str; 8] = [
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    // The longer form of installation tokens: the App's id and a JWT
    // (https://github.blog/changelog/2026-04-24-notice-about-upcoming-new-format-for-github-app-installation-tokens/).
    r"gh[su]_[A-Za-z0-9]{1,20}_eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{8,}){0,2}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"glpat-[A-Za-z0-9_-]{16,}",
    r"A(?:KIA|SIA)[A-Z0-9]{16}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"npm_[A-Za-z0-9]{36}",
];

/// Shown by nobody who means well, but ordinary in the files of tests.
const OTHERS: [&str; 2] = [
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}",
    r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,24}PRIVATE KEY-----)?",
];

/// One expression for all shapes.
pub(super) fn well_known() -> Regex {
    any([LOOSE].iter().chain(&CREDENTIALS).chain(&OTHERS))
}

/// One expression for keys of providers.
pub(super) fn credentials() -> Regex {
    any(STRICT.iter().chain(&CREDENTIALS))
}

fn any<'a>(shapes: impl Iterator<Item = &'a &'static str>) -> Regex {
    let all: Vec<&str> = shapes.copied().collect();
    Regex::new(&format!("(?:{})", all.join("|")))
        .expect("the shapes are constant; a test compiles them")
}
