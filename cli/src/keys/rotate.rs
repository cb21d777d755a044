//! `ralph keys rotate-signing`: a new key signs, the one before it is still accepted.
//!
//! The grace: a back end that still signs with the key it knows is accepted until the next
//! rotation. Functions keep the keys they read for up to five minutes, and a token that names a key
//! they do not know makes them read again, at most once a minute.

use anyhow::{Context, Result, bail};
use ralph_protocol::{names::SecretName, secret::SigningKeys};

use super::signing_key;
use crate::{
    aws::Secrets,
    target::Target,
    tools::{invocation::ralph_there, steps::say},
    watch::now_ms,
};

/// By then the functions' caches have expired and a back end has read the secret again.
const GRACE_MS: u64 = 10 * 60_000;

/// How to rotate.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// Accept the new key alone: the old one leaked.
    pub revoke: bool,
    /// Also when the last rotation is not through yet.
    pub force: bool,
}

pub async fn run(target: &Target, secrets: &Secrets, rotation: Rotation) -> Result<()> {
    let arn = target.secret_arn(SecretName::WebsocketSigningKeys)?;
    let text = secrets.get(arn).await?.with_context(|| {
        format!(
            "there is no signing key to rotate\nhint: make the first with `{}`",
            ralph_there("keys init-signing")
        )
    })?;
    let old = SigningKeys::parse(&text)?;
    let new = rotated(old, rotation, now_ms())?;
    secrets.put(arn, &serde_json::to_string(&new)?).await?;
    say(&format!("{} signs from now on", new.current.kid));
    match &new.previous {
        Some(previous) => say(&format!("{} is accepted until the next rotation", previous.kid)),
        None => say("no other key is accepted once the functions' caches end, in 5 minutes"),
    }
    Ok(())
}

fn rotated(old: SigningKeys, rotation: Rotation, now_ms: u64) -> Result<SigningKeys> {
    let age = age_ms(&old.current.kid, now_ms);
    let too_young = old.previous.is_some() && age.is_some_and(|age| age < GRACE_MS);
    if too_young && !rotation.force && !rotation.revoke {
        bail!(
            "the current key was made {} s ago; rotating again would refuse those who still sign with the one before it\nhint: wait until it is 10 minutes old, or use --force",
            age.unwrap_or_default() / 1000
        );
    }
    let previous = (!rotation.revoke).then_some(old.current);
    Ok(SigningKeys { current: signing_key()?, previous })
}

/// How old a key is whose id says so; others are taken to be old enough.
fn age_ms(kid: &str, now_ms: u64) -> Option<u64> {
    let made = ulid::Ulid::from_string(kid).ok()?.timestamp_ms();
    now_ms.checked_sub(made)
}

#[cfg(test)]
mod tests {
    use ralph_protocol::secret::{SigningKey, Value};

    use super::*;

    const KEEP: Rotation = Rotation { revoke: false, force: false };

    fn key(made_ms: u64) -> SigningKey {
        let kid = ulid::Ulid::from_parts(made_ms, 7).to_string();
        SigningKey { kid, secret: Value::new("x".repeat(32)) }
    }

    #[test]
    fn the_current_key_becomes_the_previous_one() {
        let old = SigningKeys { current: key(0), previous: None };
        let new = rotated(old.clone(), KEEP, GRACE_MS).unwrap();
        assert_eq!(new.previous, Some(old.current.clone()));
        assert_ne!(new.current, old.current);
        assert_ne!(new.current.secret, old.current.secret);
    }

    #[test]
    fn a_leaked_key_is_forgotten_at_once() {
        let old = SigningKeys { current: key(0), previous: Some(key(1)) };
        let new = rotated(old, Rotation { revoke: true, force: false }, 2).unwrap();
        assert_eq!(new.previous, None);
    }

    #[test]
    fn a_second_rotation_waits_for_the_first_unless_it_is_forced() {
        let young = SigningKeys { current: key(1_000), previous: Some(key(1)) };
        let error = rotated(young.clone(), KEEP, 31_000).unwrap_err().to_string();
        assert!(error.starts_with("the current key was made 30 s ago"), "{error}");
        assert!(rotated(young.clone(), KEEP, 1_000 + GRACE_MS).is_ok());
        assert!(rotated(young.clone(), Rotation { force: true, ..KEEP }, 31_000).is_ok());
        // The first rotation throws nothing away, so nothing has to wait for it.
        assert!(rotated(SigningKeys { previous: None, ..young }, KEEP, 31_000).is_ok());
    }
}
