//! Which repositories an execution may name. `ralph run`, `admit` and the worker all call [`check`];
//! the worker adds what only it knows: the credential's host.

/// Most bytes of a repository's URL.
pub const MAX_REPO: usize = 1_000;

/// Last labels of hosts that are never public: names of this machine, of a private network, and of
/// AWS's own metadata.
const INSIDE: [&str; 10] = [
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "private",
];

/// Why a repository is refused. Never repeats the URL, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RepoProblem {
    /// Longer than [`MAX_REPO`].
    #[error("the repository's URL is longer than 1000 bytes\nhint: use a shorter one")]
    TooLong,
    /// Not https, a host of at least two labels and a path, and nothing else. The last label begins
    /// with a letter, so the host is not an IPv4 address in any of its spellings (`10.0.0.1`,
    /// `0x7f.1`, `2130706433`); brackets, as IPv6 has, are not allowed.
    #[error(
        "the repository is not an https URL with a host name and a path, and nothing else\nhint: such as https://github.com/you/project, without user name, IP address, query or fragment; the git-token secret is for credentials"
    )]
    Form,
    /// The host ends in one of [`INSIDE`].
    #[error(
        "the repository's host is a name inside a private network\nhint: use a host that the public internet knows"
    )]
    Inside,
}

/// Checks a repository's URL. `files` also accepts `file://`.
///
/// # Errors
/// [`RepoProblem`] says what is wrong and what to do.
pub fn check(url: &str, files: bool) -> Result<(), RepoProblem> {
    if url.len() > MAX_REPO {
        return Err(RepoProblem::TooLong);
    }
    if files && url.strip_prefix("file:///").is_some_and(is_path) {
        return Ok(());
    }
    let rest = url.strip_prefix("https://").ok_or(RepoProblem::Form)?;
    let (authority, path) = rest.split_once('/').ok_or(RepoProblem::Form)?;
    let host = match authority.split_once(':') {
        None => authority,
        Some((host, port)) if is_port(port) => host,
        Some(_) => return Err(RepoProblem::Form),
    };
    let (front, last) = host.rsplit_once('.').ok_or(RepoProblem::Form)?;
    let is_name = front.split('.').all(is_label)
        && is_label(last)
        && last.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_name || !is_path(path) {
        return Err(RepoProblem::Form);
    }
    if INSIDE.iter().any(|inside| last.eq_ignore_ascii_case(inside)) {
        return Err(RepoProblem::Inside);
    }
    Ok(())
}

/// The repositories whose runs get the agent's variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repositories(Vec<String>);

impl Repositories {
    /// Reads URLs that are separated by white space. One that ends in `/*` stands for all below it.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(text.split_whitespace().map(plain).collect())
    }

    /// Whether a repository is among them. `.git` and a slash at the end, and the case of letters, make
    /// no difference: git hosts compare paths as they like, and two spellings are one repository.
    /// Nothing that a host could read as another path is below one: a `%`, or a segment of dots.
    #[must_use]
    pub fn contain(&self, repo: &str) -> bool {
        let repo = plain(repo);
        self.0.iter().any(|one| match one.strip_suffix("/*") {
            Some(above) => repo.strip_prefix(above).is_some_and(|rest| {
                let plain = |part: &str| !part.contains('%') && part != "." && part != "..";
                rest.starts_with('/') && rest.split('/').all(plain)
            }),
            None => *one == repo,
        })
    }
}

fn plain(url: &str) -> String {
    let url = url.trim_end_matches('/').to_ascii_lowercase();
    let url = url.strip_suffix(".git").unwrap_or(&url);
    url.replacen(":443/", "/", 1)
}

fn is_label(label: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !label.is_empty()
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

fn is_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~%+/-".contains(&b);
    !path.is_empty() && path.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_repositories_are_accepted() {
        use RepoProblem::{Form, Inside, TooLong};
        let long = format!("https://github.com/{}", "a".repeat(MAX_REPO));
        for (url, expected) in [
            ("https://github.com/you/project", Ok(())),
            ("https://GitHub.com/you/project.git", Ok(())),
            ("https://git.example.com:8443/~you/a%20b", Ok(())),
            ("https://xn--bcher-kva.example/a", Ok(())),
            ("http://github.com/a", Err(Form)),
            ("https://github.com", Err(Form)),
            ("https://github.com/", Err(Form)),
            ("https://u@github.com/a", Err(Form)),
            ("https://u:p@github.com/a", Err(Form)),
            ("https://github.com/a?x=1", Err(Form)),
            ("https://github.com/a#b", Err(Form)),
            (r"https://github.com\@evil.example/a", Err(Form)),
            ("https://10.0.0.1/a", Err(Form)),
            ("https://169.254.169.254/latest", Err(Form)),
            ("https://2130706433/a", Err(Form)),
            ("https://0x7f.1/a", Err(Form)),
            ("https://127.0.0.0x1/a", Err(Form)),
            ("https://[::1]/a", Err(Form)),
            ("https://１２７.0.0.1/a", Err(Form)),
            ("https://localhost/a", Err(Form)),
            ("https://intranet/a", Err(Form)),
            ("https://-a.example/a", Err(Form)),
            ("https://a..example/a", Err(Form)),
            ("https://github.com./a", Err(Form)),
            ("https://github.com:/a", Err(Form)),
            ("https://github.com:65536/a", Err(Form)),
            ("https://github.com/a b", Err(Form)),
            ("https://github.com/a\n", Err(Form)),
            ("https://git.localhost/a", Err(Inside)),
            ("https://git.Internal/a", Err(Inside)),
            ("https://instance-data.ec2.internal/a", Err(Inside)),
            ("https://printer.local:443/a", Err(Inside)),
            ("file:///srv/repo.git", Err(Form)),
            ("ssh://git@github.com/a", Err(Form)),
            ("ext::sh -c id", Err(Form)),
            ("", Err(Form)),
            (long.as_str(), Err(TooLong)),
        ] {
            assert_eq!(check(url, false), expected, "{url}");
        }
    }

    #[test]
    fn a_list_of_repositories_names_each_or_all_below_a_path() {
        let list =
            Repositories::read("https://github.com/you/project.git  https://github.com/Team/*");
        for (repo, expected) in [
            ("https://github.com/you/project", true),
            ("https://GitHub.com/You/Project/", true),
            ("https://github.com:443/you/project.git", true),
            ("https://github.com/you/project2", false),
            ("https://github.com/you/project/x", false),
            ("https://github.com/team/a", true),
            ("https://github.com/team/a/b.git", true),
            ("https://github.com/team", false),
            ("https://github.com/teams/a", false),
            // A host may decode these before it looks.
            ("https://github.com/team/..%2Fevil/a", false),
            ("https://github.com/team/%2e%2e/evil/a", false),
            ("https://github.com/team/../evil/a", false),
            ("https://gitlab.com/you/project", false),
        ] {
            assert_eq!(list.contain(repo), expected, "{repo}");
        }
        assert!(!Repositories::read("").contain("https://github.com/you/project"));
    }

    #[test]
    fn files_are_accepted_only_where_they_are_asked_for() {
        assert_eq!(check("file:///srv/repo.git", true), Ok(()));
        for bad in ["file://host/a", "file:///", "file:///a b", "file:///a?b"] {
            assert_eq!(check(bad, true), Err(RepoProblem::Form), "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do_and_never_repeats_the_url() {
        let problem = check("https://u:hunter2@github.com/a", false).unwrap_err().to_string();
        assert!(problem.contains("\nhint: ") && !problem.contains("hunter2"), "{problem}");
    }
}
