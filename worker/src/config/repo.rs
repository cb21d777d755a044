//! Which repositories a worker may talk to: those that an execution may name, on the token's host.

use ralph_protocol::{
    execution::{RepoProblem, check_repo},
    secret::GitToken,
};
use url::Url;

/// Why a repository is refused. The URL's user info is never part of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepoError {
    /// No execution may name it.
    #[error(transparent)]
    Refused(#[from] RepoProblem),
    /// A credential for another host.
    #[error(
        "is on {repo}, but the git token is for {token}\nhint: use a token for the repository's host, or {{}} for a public repository"
    )]
    OtherHost {
        /// The repository's host.
        repo: String,
        /// The credential's host.
        token: String,
    },
    /// A GitHub App's token is for a repository with an owner and a name.
    #[error(
        "is not the URL of a repository on GitHub, but git-token is a GitHub App's\nhint: such as https://github.com/you/project"
    )]
    NotOnGithub,
}

/// What [`check_repo`] accepts, on the token's host when a token is used.
pub(super) fn check(
    text: &str,
    git: Option<&GitToken>,
    allow_file: bool,
) -> Result<Url, RepoError> {
    check_repo(text, allow_file)?;
    let url = Url::parse(text).map_err(|_| RepoProblem::Form)?;
    let host = url.host_str().unwrap_or("this machine");
    if let Some(token) = git.and_then(GitToken::host)
        && !token.eq_ignore_ascii_case(host)
    {
        return Err(RepoError::OtherHost { repo: host.to_owned(), token: token.to_owned() });
    }
    let parts = url.path().trim_matches('/').split('/').filter(|part| !part.is_empty()).count();
    if matches!(git, Some(GitToken::App(_))) && parts != 2 {
        return Err(RepoError::NotOnGithub);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use ralph_protocol::secret::GithubApp;

    use super::*;

    fn public() -> GitToken {
        GitToken::parse("{}").unwrap()
    }

    #[test]
    fn a_token_is_for_repositories_on_its_host() {
        let token = GitToken::parse(r#"{"host":"github.com","username":"x","token":"t"}"#).unwrap();
        let elsewhere = |repo: &str| {
            Err(RepoError::OtherHost { repo: repo.into(), token: "github.com".into() })
        };
        for (text, git, expected) in [
            ("https://github.com/a/b", &public(), Ok(())),
            ("https://gitlab.com/a/b", &public(), Ok(())),
            ("https://github.com/a/b", &token, Ok(())),
            ("https://GitHub.com:8443/a/b", &token, Ok(())),
            ("https://gitlab.com/a/b", &token, elsewhere("gitlab.com")),
            ("https://github.com.evil.example/a", &token, elsewhere("github.com.evil.example")),
            ("file:///srv/repo.git", &public(), Ok(())),
            ("file:///srv/repo.git", &token, elsewhere("this machine")),
        ] {
            assert_eq!(check(text, Some(git), true).map(drop), expected, "{text}");
        }
    }

    #[test]
    fn a_github_app_is_for_repositories_with_an_owner_and_a_name() {
        let app: GithubApp = serde_json::from_str(
            r#"{"appId":1,"installationId":1,"privateKey":"","host":"git.example"}"#,
        )
        .unwrap();
        let app = GitToken::App(app);
        let elsewhere =
            RepoError::OtherHost { repo: "github.com".into(), token: "git.example".into() };
        for (text, expected) in [
            ("https://git.example/you/project", Ok(())),
            ("https://git.example:8443/you/project.git/", Ok(())),
            ("https://git.example/project", Err(RepoError::NotOnGithub)),
            ("https://git.example/you/group/project", Err(RepoError::NotOnGithub)),
            ("https://github.com/you/project", Err(elsewhere)),
        ] {
            assert_eq!(check(text, Some(&app), true).map(drop), expected, "{text}");
        }
    }

    #[test]
    fn what_no_execution_may_name_is_refused_whatever_the_token() {
        let long = format!("https://github.com/{}", "a".repeat(1_000));
        for text in [
            "https://localhost/a",
            "https://localhost:8443/a",
            "https://intranet/a",
            "https://git.internal/a",
            "https://git.localhost/a",
            "https://github.com./a",
            "https://github.com/",
            "https://github.com/a b",
            r"https://github.com\@evil.example/a",
            "https://u@github.com/a/b",
            "https://10.0.0.1/a",
            "https://0x7f.1/a",
            "https://[::1]/a",
            "https://github.com/a?x=1",
            "http://github.com/a",
            "ssh://git@github.com/a",
            "git@github.com:a/b",
            "ext::sh -c id",
            "file:///srv/repo.git",
            "",
            &long,
        ] {
            let problem = check_repo(text, false).unwrap_err();
            assert_eq!(check(text, Some(&public()), false), Err(problem.into()), "{text}");
            assert_eq!(check(text, None, false), Err(problem.into()), "{text}");
        }
    }

    #[test]
    fn a_refusal_never_repeats_the_password() {
        let error = check("https://u:hunter2@github.com/a", None, false).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
