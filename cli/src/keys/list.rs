//! `ralph keys list`: what is set, since when, and by which ids its keys go. Never a value.

use anyhow::Result;
use ralph_protocol::{
    event::timestamp_text,
    names::SecretName,
    secret::{AnthropicKeys, GitToken, SigningKeys},
};

use crate::{aws::Secrets, table::Table, target::Target, tools::invocation::ralph_there};

/// How much of a version id tells two apart.
const VERSION_SHOWN: usize = 8;

pub async fn run(target: &Target, secrets: &Secrets) -> Result<()> {
    let mut table = Table::new(["secret", "changed", "version", "holds"]);
    for name in SecretName::ALL {
        let arn = target.secret_arn(name)?;
        let about = secrets.about(arn).await?;
        let holds = match secrets.get(arn).await? {
            Some(text) => describe(name, &text),
            None => "no value yet".to_owned(),
        };
        let changed = about.changed_ms.and_then(|ms| u64::try_from(ms).ok()).map(timestamp_text);
        let changed = changed.map_or_else(|| "-".to_owned(), |text| text[..16].replace('T', " "));
        let version = about.version.unwrap_or_else(|| "-".to_owned());
        let version = version.chars().take(VERSION_SHOWN).collect();
        table.row([about.name, changed, version, holds]);
    }
    table.print()
}

/// The ids in a secret. They are names for people; nothing of a value is in them.
fn describe(name: SecretName, text: &str) -> String {
    let described = match name {
        SecretName::AnthropicKeys => AnthropicKeys::parse(text).map(|keys| {
            let ids: Vec<String> = keys.keys.into_iter().map(|key| key.id).collect();
            format!("keys {}", ids.join(", "))
        }),
        SecretName::GitToken => GitToken::parse(text).map(|token| match token {
            GitToken::Token(token) => format!("a token for {}", token.host),
            GitToken::App(app) => format!("a GitHub App, id {}, for {}", app.app_id, app.host),
            GitToken::Public(_) => "no token: public repositories only".to_owned(),
        }),
        SecretName::WebsocketSigningKeys => SigningKeys::parse(text).map(|keys| {
            let previous = keys.previous.map_or_else(|| "none".to_owned(), |key| key.kid);
            format!("current {}, previous {previous}", keys.current.kid)
        }),
    };
    described.unwrap_or_else(|_| {
        format!("another shape: `{}`", ralph_there(&format!("keys set {}", name.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::app, *};

    #[test]
    fn ids_are_shown_and_values_are_not() {
        let hidden = "hidden-hidden-hidden-hidden-hidden";
        let other = format!("another shape: `{}`", ralph_there("keys set anthropic-keys"));
        for (name, text, shown) in [
            (
                SecretName::AnthropicKeys,
                format!(
                    r#"{{"keys":[{{"id":"a","value":"{hidden}"}},{{"id":"b","value":"{hidden}2"}}]}}"#
                ),
                "keys a, b",
            ),
            (
                SecretName::GitToken,
                format!(r#"{{"host":"github.com","username":"{hidden}","token":"{hidden}"}}"#),
                "a token for github.com",
            ),
            (
                SecretName::GitToken,
                app("RSA", "rsa_keygen_bits:2048"),
                "a GitHub App, id 123456, for github.com",
            ),
            (SecretName::GitToken, "{}".to_owned(), "no token: public repositories only"),
            (
                SecretName::WebsocketSigningKeys,
                format!(
                    r#"{{"current":{{"kid":"k2","secret":"{hidden}"}},"previous":{{"kid":"k1","secret":"{hidden}"}}}}"#
                ),
                "current k2, previous k1",
            ),
            (SecretName::AnthropicKeys, hidden.to_owned(), &other),
        ] {
            assert_eq!(describe(name, &text), shown);
        }
    }
}
