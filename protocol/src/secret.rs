//! The shapes of the three secrets. `ralph keys set` refuses every other shape, and no error or
//! `Debug` output of these types holds a value.

mod app;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use app::{GITHUB, GithubApp};

/// A secret text. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Value(String);

impl Value {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Call it where the secret is used, and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// `ralph/<env>/anthropic-keys`: the keys of the model's service, tried in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnthropicKeys {
    /// At least one key.
    pub keys: Vec<AnthropicKey>,
}

/// One key of the model's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnthropicKey {
    /// A name for events and messages; not secret.
    pub id: String,
    /// The key.
    pub value: Value,
}

/// `ralph/<env>/git-token`: `{"host","username","token"}`, a GitHub App's
/// `{"appId","installationId","privateKey"}`, or `{}` for public repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GitToken {
    /// A credential, sent to this host and no other.
    Token(GitCredential),
    /// A GitHub App, whose tokens are sent to its host and no other.
    App(GithubApp),
    /// No credential.
    Public(NoCredential),
}

/// The empty object `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoCredential {}

/// A git credential over https.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitCredential {
    /// Host name without scheme or port, such as `github.com`.
    pub host: String,
    /// User name (`x-access-token` for GitHub).
    pub username: String,
    /// The token.
    pub token: Value,
}

/// `ralph/<env>/websocket-signing-keys`: the key that signs connection tokens, and the one before
/// it, still accepted while a rotation is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKeys {
    /// Signs new tokens.
    pub current: SigningKey,
    /// Still verifies old ones. Absent in the text means `null`.
    #[serde(default)]
    pub previous: Option<SigningKey>,
}

/// One signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// Key id, the token's `kid`; not secret.
    pub kid: String,
    /// At least [`SigningKey::MIN_SECRET_LEN`] bytes.
    pub secret: Value,
}

impl SigningKey {
    /// RFC 7518, section 3.2: an HS256 key has at least the hash's 256 bits.
    pub const MIN_SECRET_LEN: usize = 32;
}

/// What is wrong with a secret's text. Never holds a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}\nhint: {hint}")]
pub struct ShapeError {
    problem: String,
    hint: String,
}

impl ShapeError {
    fn new(problem: impl Into<String>, hint: &str) -> Self {
        Self { problem: problem.into(), hint: hint.to_owned() }
    }

    fn expecting(problem: impl Into<String>, expected: &str) -> Self {
        Self { problem: problem.into(), hint: format!("expected {expected}") }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(
    text: &str,
    expected: &'static str,
) -> Result<T, ShapeError> {
    serde_json::from_str(text).map_err(|error| {
        // serde's own message can quote the value it did not expect.
        let problem = match error.classify() {
            serde_json::error::Category::Data => "the JSON has another shape".to_owned(),
            _ => format!("not JSON (line {}, column {})", error.line(), error.column()),
        };
        ShapeError::expecting(problem, expected)
    })
}

fn check(ok: bool, problem: &str, expected: &'static str) -> Result<(), ShapeError> {
    if ok { Ok(()) } else { Err(ShapeError::expecting(problem, expected)) }
}

fn is_host(text: &str) -> bool {
    url::Host::parse(text).is_ok_and(|host| matches!(host, url::Host::Domain(_)))
}

fn header_safe(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

impl AnthropicKeys {
    const EXPECTED: &'static str = r#"{"keys":[{"id":"main","value":"sk-ant-…"}]}"#;

    /// Reads and checks the secret's text.
    ///
    /// # Errors
    /// [`ShapeError`], without any part of the value.
    pub fn parse(text: &str) -> Result<Self, ShapeError> {
        let keys: Self = parse(text, Self::EXPECTED)?;
        check(!keys.keys.is_empty(), "there is no key", Self::EXPECTED)?;
        for (index, key) in keys.keys.iter().enumerate() {
            check(header_safe(&key.id), "a key's id is empty or has spaces", Self::EXPECTED)?;
            check(
                header_safe(key.value.expose()),
                "a key's value is empty or has characters no header can carry",
                Self::EXPECTED,
            )?;
            let first = keys.keys.iter().position(|other| other.id == key.id);
            check(first == Some(index), "two keys have the same id", Self::EXPECTED)?;
        }
        Ok(keys)
    }
}

impl GitToken {
    const EXPECTED: &'static str = r#"{"host":"github.com","username":"x-access-token","token":"…"}, a GitHub App's {"appId":"…","installationId":"…","privateKey":"…"}, or {} for public repositories"#;

    /// Reads and checks the secret's text.
    ///
    /// # Errors
    /// [`ShapeError`], without any part of the value.
    pub fn parse(text: &str) -> Result<Self, ShapeError> {
        if GithubApp::is_meant(text) {
            let app: GithubApp = parse(text, GithubApp::EXPECTED)?;
            app.check()?;
            return Ok(Self::App(app));
        }
        let token: Self = parse(text, Self::EXPECTED)?;
        if let Self::Token(credential) = &token {
            check(is_host(&credential.host), "`host` is not a host name", Self::EXPECTED)?;
            check(
                header_safe(&credential.username),
                "`username` is empty or has spaces",
                Self::EXPECTED,
            )?;
            check(
                header_safe(credential.token.expose()),
                "`token` is empty or has spaces",
                Self::EXPECTED,
            )?;
        }
        Ok(token)
    }

    /// The only host that sees the credential; `None` without one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Token(credential) => Some(&credential.host),
            Self::App(app) => Some(&app.host),
            Self::Public(_) => None,
        }
    }
}

impl SigningKeys {
    const EXPECTED: &'static str =
        r#"{"current":{"kid":"k1","secret":"at least 32 characters"},"previous":null}"#;

    /// Reads and checks the secret's text.
    ///
    /// # Errors
    /// [`ShapeError`], without any part of the value.
    pub fn parse(text: &str) -> Result<Self, ShapeError> {
        let keys: Self = parse(text, Self::EXPECTED)?;
        for key in keys.iter() {
            check(header_safe(&key.kid), "a `kid` is empty or has spaces", Self::EXPECTED)?;
            check(
                key.secret.expose().len() >= SigningKey::MIN_SECRET_LEN,
                "a signing secret is shorter than 32 bytes",
                Self::EXPECTED,
            )?;
        }
        let distinct =
            keys.previous.as_ref().is_none_or(|previous| previous.kid != keys.current.kid);
        check(distinct, "`current` and `previous` have the same kid", Self::EXPECTED)?;
        Ok(keys)
    }

    /// The current key, then the previous one.
    pub fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// The key a token names.
    #[must_use]
    pub fn by_kid(&self, kid: &str) -> Option<&SigningKey> {
        self.iter().find(|key| key.kid == kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn good_shapes() {
        assert!(
            AnthropicKeys::parse(
                r#"{"keys":[{"id":"a","value":"sk-1"},{"id":"b","value":"sk-2"}]}"#
            )
            .is_ok()
        );
        assert_eq!(GitToken::parse("{}").unwrap(), GitToken::Public(NoCredential {}));
        assert!(matches!(
            GitToken::parse(r#"{"host":"github.com","username":"x","token":"t"}"#),
            Ok(GitToken::Token(_))
        ));
        let keys = SigningKeys::parse(&format!(
            r#"{{"current":{{"kid":"k1","secret":"{SECRET}"}},"previous":null}}"#
        ))
        .unwrap();
        assert!(keys.by_kid("k1").is_some() && keys.by_kid("k2").is_none());
    }

    #[test]
    fn wrong_shapes_are_refused_without_showing_the_value() {
        let hidden = "hunter2-hunter2";
        for text in [
            format!("\"{hidden}\""),
            format!(r#"{{"keys":["{hidden}"]}}"#),
            format!(r#"{{"keys":[{{"id":"a","value":"{hidden}","x":1}}]}}"#),
            format!(r#"{{"keys":[{{"id":"a","value":"{hidden}\n"}}]}}"#),
            format!(
                r#"{{"keys":[{{"id":"a","value":"{hidden}"}},{{"id":"a","value":"{hidden}"}}]}}"#
            ),
            r#"{"keys":[]}"#.to_owned(),
            hidden.to_owned(),
        ] {
            let error = AnthropicKeys::parse(&text).unwrap_err().to_string();
            assert!(!error.contains(hidden), "{error}");
        }
        for text in [
            format!(r#"{{"token":"{hidden}"}}"#),
            format!(r#"{{"host":"https://github.com","username":"x","token":"{hidden}"}}"#),
            format!(r#"{{"host":"10.0.0.1","username":"x","token":"{hidden}"}}"#),
            format!(r#"{{"host":"github.com","username":"","token":"{hidden}"}}"#),
        ] {
            let error = GitToken::parse(&text).unwrap_err().to_string();
            assert!(!error.contains(hidden), "{error}");
        }
        for text in [
            r#"{"current":{"kid":"k","secret":"short"}}"#.to_owned(),
            format!(
                r#"{{"current":{{"kid":"k","secret":"{SECRET}"}},"previous":{{"kid":"k","secret":"{SECRET}"}}}}"#
            ),
        ] {
            let error = SigningKeys::parse(&text).unwrap_err().to_string();
            assert!(!error.contains(SECRET), "{error}");
        }
    }

    #[test]
    fn debug_output_holds_no_value() {
        let keys = AnthropicKeys::parse(r#"{"keys":[{"id":"a","value":"sk-1"}]}"#).unwrap();
        assert!(!format!("{keys:?}").contains("sk-1"));
    }
}
