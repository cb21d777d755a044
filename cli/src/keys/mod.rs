//! `ralph keys`: secret values come from standard input, never from the command line, and are
//! never shown.

mod list;
mod rotate;

use std::io::{IsTerminal, Read};

use anyhow::{Context, Result, bail};
use ralph_protocol::{
    names::SecretName,
    secret::{AnthropicKeys, GitToken, SigningKey, SigningKeys, Value},
};

use crate::{
    args::{KeysArgs, KeysCommand, Secret},
    aws::Aws,
    tools::{hex, invocation::ralph_there, steps::say},
};

/// Most bytes a secret holds in Secrets Manager.
const MAX_SECRET: u64 = 65_536;

pub async fn run(options: KeysArgs) -> Result<()> {
    match options.command {
        KeysCommand::Set { secret, target } => {
            let text = from_stdin(secret)?;
            let name = check(secret, &text)?;
            let target = target.resolve().await?;
            let aws = Aws::connect(&target).await?;
            aws.secrets().put(target.secret_arn(name)?, &text).await?;
            say(&format!("{} is set", name.as_str()));
        }
        KeysCommand::List { target } => {
            let target = target.resolve().await?;
            list::run(&target, &Aws::connect(&target).await?.secrets()).await?;
        }
        KeysCommand::InitSigning { target } => {
            let target = target.resolve().await?;
            let secrets = Aws::connect(&target).await?.secrets();
            let arn = target.secret_arn(SecretName::WebsocketSigningKeys)?;
            if secrets.get(arn).await?.is_some() {
                say("there is a signing key already; nothing was changed");
            } else {
                secrets.put(arn, &serde_json::to_string(&signing_keys()?)?).await?;
                say("a signing key was made");
            }
        }
        KeysCommand::RotateSigning { revoke, force, target } => {
            let target = target.resolve().await?;
            let secrets = Aws::connect(&target).await?.secrets();
            rotate::run(&target, &secrets, rotate::Rotation { revoke, force }).await?;
        }
    }
    Ok(())
}

fn from_stdin(secret: Secret) -> Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        // A terminal would echo the secret and keep it in its history.
        bail!(
            "the secret's JSON is read from standard input\nhint: `{} < file`, or pipe it in",
            ralph_there(&format!("keys set {}", name(secret).as_str()))
        );
    }
    let mut text = String::new();
    stdin
        .lock()
        .take(MAX_SECRET + 1)
        .read_to_string(&mut text)
        .context("standard input is not UTF-8 text")?;
    if text.len() as u64 > MAX_SECRET {
        bail!("the secret is longer than 65536 bytes\nhint: Secrets Manager holds no more");
    }
    Ok(text.trim().to_owned())
}

fn check(secret: Secret, text: &str) -> Result<SecretName> {
    let name = name(secret);
    let result = match name {
        SecretName::AnthropicKeys => AnthropicKeys::parse(text).map(drop),
        SecretName::GitToken => GitToken::parse(text).map(drop),
        SecretName::WebsocketSigningKeys => SigningKeys::parse(text).map(drop),
    };
    result.with_context(|| format!("{} was not set", name.as_str()))?;
    Ok(name)
}

const fn name(secret: Secret) -> SecretName {
    match secret {
        Secret::AnthropicKeys => SecretName::AnthropicKeys,
        Secret::GitToken => SecretName::GitToken,
        Secret::WebsocketSigningKeys => SecretName::WebsocketSigningKeys,
    }
}

/// Fresh signing keys: one, without a predecessor.
pub fn signing_keys() -> Result<SigningKeys> {
    Ok(SigningKeys { current: signing_key()?, previous: None })
}

/// A fresh signing key. Its id is a ULID, so it says when it was made.
fn signing_key() -> Result<SigningKey> {
    let secret = Value::new(hex::random()?);
    Ok(SigningKey { kid: ulid::Ulid::generate().to_string(), secret })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::process::Command;

    use super::*;

    /// The secret of a GitHub App with a fresh key of this algorithm, which `openssl` makes.
    pub(crate) fn app(algorithm: &str, option: &str) -> String {
        let args = ["genpkey", "-quiet", "-algorithm", algorithm, "-pkeyopt", option];
        let made = Command::new("openssl").args(args).output().expect("the program openssl");
        assert!(made.status.success(), "openssl {args:?}");
        let key = String::from_utf8(made.stdout).unwrap();
        serde_json::json!({"appId": 123_456, "installationId": 7_890, "privateKey": key})
            .to_string()
    }

    #[test]
    fn an_app_is_taken_with_an_rsa_key_and_with_no_other() {
        assert!(check(Secret::GitToken, &app("RSA", "rsa_keygen_bits:2048")).is_ok());
        let text = app("EC", "ec_paramgen_curve:P-256");
        let error = format!("{:#}", check(Secret::GitToken, &text).unwrap_err());
        assert!(
            error.contains("git-token was not set: `privateKey` is not an RSA key\nhint: "),
            "{error}"
        );
        let line = text.split("\\n").nth(1).unwrap();
        assert!(line.len() > 40 && !error.contains(&line[..20]), "{error}");
    }

    #[test]
    fn fresh_signing_keys_have_the_shape_that_is_asked_for() {
        let text = serde_json::to_string(&signing_keys().unwrap()).unwrap();
        assert!(SigningKeys::parse(&text).is_ok());
    }

    #[test]
    fn a_wrong_shape_is_refused_without_showing_the_value() {
        let error = format!("{:#}", check(Secret::GitToken, r#"{"tokn":"hunter2"}"#).unwrap_err());
        assert!(
            error.contains("git-token was not set") && error.contains("hint: expected"),
            "{error}"
        );
        assert!(!error.contains("hunter2"));
    }
}
