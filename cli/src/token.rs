//! `ralph token`, and tokens for this program's own connections.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use ralph_protocol::{
    ids::Workstream,
    names::{Resources, SecretName},
    secret::SigningKeys,
    token::{Claims, ISSUER, MAX_LIFETIME_SECS, Scope, mint},
};

use crate::{
    args::TokenArgs,
    aws::Aws,
    target::Target,
    tools::{invocation::ralph_there, output},
};

/// Mints tokens for an environment.
#[derive(Clone)]
pub struct Minter {
    keys: SigningKeys,
    audience: String,
}

impl Minter {
    /// Reads the environment's signing keys.
    pub async fn connect(target: &Target, aws: &Aws) -> Result<Self> {
        let arn = target.secret_arn(SecretName::WebsocketSigningKeys)?;
        let text = aws.secrets().get(arn).await?.with_context(|| {
            format!(
                "the environment has no signing key yet\nhint: make one with `{}`",
                ralph_there("keys init-signing")
            )
        })?;
        Ok(Self::new(SigningKeys::parse(&text)?, &target.environment))
    }

    /// With these keys.
    pub fn new(keys: SigningKeys, environment: &str) -> Self {
        Self { keys, audience: Resources::new(environment).audience() }
    }

    /// A token for one handshake within a minute.
    pub fn mint(&self, user: &str, scope: Scope) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: self.audience.clone(),
            sub: user.to_owned(),
            ws: scope,
            jti: ulid::Ulid::generate().to_string(),
            exp: now + MAX_LIFETIME_SECS,
            nbf: None,
        };
        Ok(mint(&claims, &self.keys.current)?)
    }
}

/// A scope of these workstreams.
pub fn scope_of(workstreams: &[Workstream]) -> Scope {
    Scope::Only(workstreams.to_vec())
}

pub async fn run(options: TokenArgs) -> Result<()> {
    let target = options.target.resolve().await?;
    let minter = Minter::connect(&target, &Aws::connect(&target).await?).await?;
    let scope = if options.all { Scope::ALL } else { scope_of(&options.workstreams) };
    let token = minter.mint(&options.user, scope)?;
    match options.url {
        true => output::print(format_args!("{}?token={token}\n", target.websocket_url()?)),
        false => output::print(format_args!("{token}\n")),
    }
}
