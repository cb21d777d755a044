//! Which repositories a worker may talk to.

use ralph_protocol::secret::GitToken;
use url::{Host, Url};

/// Why a repository is refused. The URL's user info is never part of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepoError {
    /// Not a URL.
    #[error("is not a URL\nhint: such as https://github.com/you/project")]
    NotAUrl,
    /// A scheme other than https.
    #[error("uses {0}\nhint: only https is accepted")]
    Scheme(String),
    /// `file://` where it is not allowed.
    #[error(
        "is a file:// URL\nhint: only for tests and the local cloud: RALPH_ALLOW_FILE_REPO=1 and a git token of {{}}"
    )]
    File,
    /// `user:password@`.
    #[error(
        "holds a user name or password\nhint: take it out of the URL; the git-token secret is for that"
    )]
    UserInfo,
    /// `https://10.0.0.1/…`.
    #[error("names its host by an IP address\nhint: use the host's name")]
    IpLiteral,
    /// `?…` or `#…`.
    #[error("has a query or a fragment\nhint: take it out of the URL")]
    Query,
    /// A credential for another host.
    #[error(
        "is on {repo}, but the git token is for {token}\nhint: use a token for {repo}, or {{}} for a public repository"
    )]
    OtherHost {
        /// The repository's host.
        repo: String,
        /// The credential's host.
        token: String,
    },
    /// Too long for an event line.
    #[error("is longer than 2000 characters")]
    TooLong,
}

/// https without user info, on the token's host when a token is used, no IP literal; `file://`
/// only without a token and when it is allowed.
pub(super) fn check(
    text: &str,
    git: Option<&GitToken>,
    allow_file: bool,
) -> Result<Url, RepoError> {
    if text.len() > 2000 {
        return Err(RepoError::TooLong);
    }
    let url = Url::parse(text).map_err(|_| RepoError::NotAUrl)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RepoError::UserInfo);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(RepoError::Query);
    }
    if url.scheme() == "file" {
        let public = matches!(git, Some(GitToken::Public(_)));
        return if allow_file && public { Ok(url) } else { Err(RepoError::File) };
    }
    if url.scheme() != "https" {
        return Err(RepoError::Scheme(url.scheme().to_owned()));
    }
    let Some(Host::Domain(host)) = url.host() else { return Err(RepoError::IpLiteral) };
    if let Some(GitToken::Token(credential)) = git
        && !credential.host.eq_ignore_ascii_case(host)
    {
        return Err(RepoError::OtherHost { repo: host.to_owned(), token: credential.host.clone() });
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_repositories_are_accepted() {
        let public = GitToken::parse("{}").unwrap();
        let token = GitToken::parse(r#"{"host":"github.com","username":"x","token":"t"}"#).unwrap();
        let file = "file:///srv/repo.git";
        type Case<'a> = (&'a str, &'a GitToken, bool, Result<(), RepoError>);
        let cases: &[Case] = &[
            ("https://github.com/a/b", &public, false, Ok(())),
            ("https://github.com/a/b", &token, false, Ok(())),
            ("https://GitHub.com/a/b", &token, false, Ok(())),
            (
                "https://gitlab.com/a/b",
                &token,
                false,
                Err(RepoError::OtherHost { repo: "gitlab.com".into(), token: "github.com".into() }),
            ),
            (
                "https://github.com.evil.example/a",
                &token,
                false,
                Err(RepoError::OtherHost {
                    repo: "github.com.evil.example".into(),
                    token: "github.com".into(),
                }),
            ),
            ("https://u@github.com/a/b", &token, false, Err(RepoError::UserInfo)),
            ("https://u:p@github.com/a/b", &token, false, Err(RepoError::UserInfo)),
            ("https://10.0.0.1/a", &public, false, Err(RepoError::IpLiteral)),
            ("https://0x7f.1/a", &public, false, Err(RepoError::IpLiteral)),
            ("https://[::1]/a", &public, false, Err(RepoError::IpLiteral)),
            ("https://github.com/a?x=1", &public, false, Err(RepoError::Query)),
            ("http://github.com/a", &public, false, Err(RepoError::Scheme("http".into()))),
            ("ssh://git@github.com/a", &public, false, Err(RepoError::UserInfo)),
            ("git@github.com:a/b", &public, false, Err(RepoError::NotAUrl)),
            ("ext::sh -c id", &public, false, Err(RepoError::Scheme("ext".into()))),
            (file, &public, true, Ok(())),
            (file, &public, false, Err(RepoError::File)),
            (file, &token, true, Err(RepoError::File)),
            ("", &public, false, Err(RepoError::NotAUrl)),
        ];
        for (text, git, allow_file, expected) in cases {
            assert_eq!(check(text, Some(git), *allow_file).map(drop), *expected, "{text}");
        }
    }

    #[test]
    fn a_refusal_never_repeats_the_password() {
        let error = check("https://u:hunter2@github.com/a", None, false).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
