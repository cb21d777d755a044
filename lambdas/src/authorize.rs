//! `$connect`'s REQUEST authorizer: a signed token, used once, becomes the connection's scope.
//!
//! A bad token gets a Deny policy, so the client sees 403. A missing one never arrives here: it is
//! the authorizer's identity source, and API Gateway itself answers 401. No decision is cached.

use std::{cell::RefCell, collections::BTreeMap};

use aws_lambda_events::{
    apigw::ApiGatewayCustomAuthorizerResponse,
    iam::{IamPolicyEffect, IamPolicyStatement},
};
use ralph_protocol::{
    names::{context, metric},
    secret::SigningKeys,
    token::{self, Claims, LEEWAY_SECS, TokenError},
};
use serde_json::json;

use crate::{
    invocation::{Invocation, Metric},
    ports::{Clock, Keys, Table, Unavailable},
    request::AuthorizerRequest,
};

/// How long read keys are used, in ms. A rotation keeps the previous key valid for longer.
pub const KEYS_LIVE_MS: u64 = 5 * 60_000;
/// How often tokens with an unknown `kid` may cause another read, in ms. Anyone can send such
/// tokens, and reads of secrets cost money.
pub const UNKNOWN_KID_MS: u64 = 60_000;

/// The signing keys, read at most every few minutes.
pub struct CachedKeys<K> {
    keys: K,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    held: Option<(SigningKeys, u64)>,
    refreshed_for_unknown: Option<u64>,
}

impl<K: Keys> CachedKeys<K> {
    /// Nothing is read yet.
    pub fn new(keys: K) -> Self {
        Self { keys, state: RefCell::default() }
    }

    /// Reads the keys ahead of the first request.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub async fn warm(&self, now_ms: u64) -> Result<(), Unavailable> {
        self.read(now_ms).await.map(|_| ())
    }

    /// Keys to verify a token that names `kid`.
    async fn for_kid(&self, kid: &str, now_ms: u64) -> Result<SigningKeys, Unavailable> {
        let fresh = self.fresh(now_ms);
        let keys = match fresh {
            Some(keys) => keys,
            None => return self.read(now_ms).await,
        };
        if keys.by_kid(kid).is_none() && self.may_refresh(now_ms) {
            return self.read(now_ms).await;
        }
        Ok(keys)
    }

    fn fresh(&self, now_ms: u64) -> Option<SigningKeys> {
        let state = self.state.borrow();
        let (keys, read_at) = state.held.as_ref()?;
        (now_ms.saturating_sub(*read_at) < KEYS_LIVE_MS).then(|| keys.clone())
    }

    fn may_refresh(&self, now_ms: u64) -> bool {
        let last = &mut self.state.borrow_mut().refreshed_for_unknown;
        let may = last.is_none_or(|last| now_ms.saturating_sub(last) >= UNKNOWN_KID_MS);
        if may {
            *last = Some(now_ms);
        }
        may
    }

    async fn read(&self, now_ms: u64) -> Result<SigningKeys, Unavailable> {
        let keys = self.keys.signing_keys().await?;
        self.state.borrow_mut().held = Some((keys.clone(), now_ms));
        Ok(keys)
    }
}

/// Why a connection is refused. Safe to log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("there is no token")]
    NoToken,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the token was used before")]
    Used,
}

/// The authorizer's answer: an IAM policy and, when it allows, the connection's context: strings that
/// API Gateway repeats on every event of the connection.
pub type Policy = ApiGatewayCustomAuthorizerResponse<BTreeMap<String, String>>;

fn policy(effect: IamPolicyEffect, principal: &str, resource: &str) -> Policy {
    let mut statement = IamPolicyStatement::default();
    statement.action = vec!["execute-api:Invoke".to_owned()];
    statement.effect = effect;
    statement.resource = vec![resource.to_owned()];
    let mut policy = Policy::default();
    // Shown in API Gateway's own logs.
    policy.principal_id = Some(principal.to_owned());
    policy.policy_document.version = Some("2012-10-17".to_owned());
    policy.policy_document.statement = vec![statement];
    policy
}

/// Answers an authorizer request.
///
/// # Errors
/// The keys or the table cannot be read: API Gateway answers 500 and the client tries again.
pub async fn authorize(
    request: &AuthorizerRequest,
    audience: &str,
    keys: &CachedKeys<impl Keys>,
    table: &impl Table,
    clock: &impl Clock,
    invocation: Invocation<'_>,
) -> Result<Policy, Unavailable> {
    match check(request.token.as_deref(), audience, keys, table, clock).await? {
        Ok(claims) => {
            let scope = claims.ws.to_context();
            invocation.metrics(clock.now_ms(), &[Metric::count(metric::ALLOWED, 1)]);
            invocation.info("allowed", &[("user", json!(claims.sub)), ("scope", json!(scope))]);
            let mut policy = policy(IamPolicyEffect::Allow, &claims.sub, &request.method_arn);
            policy.context.insert(context::USER.to_owned(), claims.sub);
            policy.context.insert(context::SCOPE.to_owned(), scope);
            Ok(policy)
        }
        Err(refusal) => {
            invocation.metrics(clock.now_ms(), &[Metric::count(metric::DENIED, 1)]);
            invocation.warn("denied", &[("reason", json!(refusal.to_string()))]);
            Ok(policy(IamPolicyEffect::Deny, "denied", &request.method_arn))
        }
    }
}

async fn check(
    token: Option<&str>,
    audience: &str,
    keys: &CachedKeys<impl Keys>,
    table: &impl Table,
    clock: &impl Clock,
) -> Result<Result<Claims, Refusal>, Unavailable> {
    let Some(token) = token else { return Ok(Err(Refusal::NoToken)) };
    let kid = match token::kid(token) {
        Ok(kid) => kid,
        Err(error) => return Ok(Err(error.into())),
    };
    let keys = keys.for_kid(&kid, clock.now_ms()).await?;
    let claims = match token::verify(token, &keys, audience, clock.now_secs()) {
        Ok(claims) => claims,
        Err(error) => return Ok(Err(error.into())),
    };
    // The mark outlives the last moment at which the token could pass the checks above.
    let expires_at = claims.exp + LEEWAY_SECS + 60;
    // The table's own condition decides, so two handshakes with one token cannot both pass.
    let first = table.use_token(&claims.jti, expires_at).await?;
    Ok(if first { Ok(claims) } else { Err(Refusal::Used) })
}
