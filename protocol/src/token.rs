//! The connection token: a JWT (RFC 7519) signed with HS256, good for one handshake.
//!
//! A browser cannot set headers on a WebSocket, so the token travels as `?token=`; it therefore
//! lives a minute at most and is used once (the authorizer remembers its `jti`).

use std::sync::Once;

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error as JwtError, ErrorKind},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    ids::Workstream,
    secret::{SigningKey, SigningKeys},
};

/// `iss` of every token.
pub const ISSUER: &str = "ralph";
/// Most seconds between now and `exp`.
pub const MAX_LIFETIME_SECS: u64 = 60;
/// Seconds by which two clocks may differ.
pub const LEEWAY_SECS: u64 = 5;
/// Most workstreams a token names.
pub const MAX_WORKSTREAMS: usize = 50;
/// Most bytes of a handshake's URL, by API Gateway's quotas:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>.
const MAX_URL_LEN: usize = 4_096;
/// The longest name of a stage; ours have their environment's name, which is shorter.
const MAX_STAGE_LEN: usize = 128;
/// Most bytes of a token: what the longest URL leaves of [`MAX_URL_LEN`]. No Region has a longer host.
/// Fifty of the longest ids fit beside the longest user that `ralph token` takes.
pub const MAX_LEN: usize = MAX_URL_LEN
    - "wss://0123456789.execute-api.cn-northwest-1.amazonaws.com.cn/".len()
    - MAX_STAGE_LEN
    - "?token=".len();
/// Most bytes of `sub` and `jti`.
pub const MAX_TEXT: usize = 128;

/// Which workstreams a connection may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scope {
    /// `"*"`: every workstream of the environment.
    All(Star),
    /// These.
    Only(Vec<Workstream>),
}

/// The text `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Star {
    /// `*`.
    #[serde(rename = "*")]
    Star,
}

impl Scope {
    /// Every workstream.
    pub const ALL: Self = Self::All(Star::Star);

    /// Whether the scope holds a workstream.
    #[must_use]
    pub fn allows(&self, workstream: &Workstream) -> bool {
        match self {
            Self::All(_) => true,
            Self::Only(list) => list.contains(workstream),
        }
    }

    /// The scope as the authorizer's context carries it (a string): `*`, or ids separated by `,`.
    #[must_use]
    pub fn to_context(&self) -> String {
        match self {
            Self::All(_) => "*".to_owned(),
            Self::Only(list) => list.iter().map(Workstream::as_str).collect::<Vec<_>>().join(","),
        }
    }

    /// Reads [`Scope::to_context`] back; `None` when it is not one.
    #[must_use]
    pub fn from_context(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::ALL);
        }
        let list = text.split(',').map(|id| id.parse().ok()).collect::<Option<Vec<_>>>()?;
        Some(Self::Only(list))
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// [`ISSUER`].
    pub iss: String,
    /// `ralph/<env>`.
    pub aud: String,
    /// The user.
    pub sub: String,
    /// Which workstreams.
    pub ws: Scope,
    /// Unique; a token is used once.
    pub jti: String,
    /// Expiry, seconds since the epoch, at most [`MAX_LIFETIME_SECS`] ahead.
    pub exp: u64,
    /// Not before, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nbf: Option<u64>,
}

/// Why a token is refused. Safe to log: never holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_LEN`].
    #[error("the token is longer than {} bytes", MAX_LEN)]
    TooLong,
    /// Minting: longer than [`MAX_LEN`] with these workstreams, but not with fewer.
    #[error(
        "a token of {named} workstreams is longer than {} bytes\nhint: the first {fit} fit; name the others in another token",
        MAX_LEN
    )]
    TooMany {
        /// How many workstreams the claims name.
        named: usize,
        /// How many of them, from the first on, fit into a token.
        fit: usize,
    },
    /// Not a JWT with a usable header.
    #[error("not a token")]
    Malformed,
    /// `alg` is not HS256 (`none` included).
    #[error("the token is not signed with HS256")]
    Algorithm,
    /// No key has the token's `kid`.
    #[error("no key has the token's kid")]
    UnknownKey,
    /// The signature is another key's.
    #[error("the signature does not match")]
    Signature,
    /// Past `exp`.
    #[error("the token has expired")]
    Expired,
    /// Before `nbf`.
    #[error("the token is not valid yet")]
    NotYet,
    /// `exp` is further ahead than [`MAX_LIFETIME_SECS`].
    #[error("the token lives longer than 60 seconds")]
    LivesTooLong,
    /// Another issuer.
    #[error("the token has another issuer")]
    Issuer,
    /// Another audience: another environment's token, for one.
    #[error("the token has another audience")]
    Audience,
    /// `ws` is empty, too long, or holds something that is not a workstream id.
    #[error("the token's workstreams are not 1 to 50 ids or `*`")]
    Scope,
    /// `sub` or `jti` is empty or too long.
    #[error("the token's sub or jti is empty or longer than 128 bytes")]
    Text,
    /// Signing failed.
    #[error("the token cannot be signed")]
    Signing,
}

/// Signs claims with a key.
///
/// # Errors
/// The same checks as [`verify`] makes of the claims' form and of the token's length.
pub fn mint(claims: &Claims, key: &SigningKey) -> Result<String, TokenError> {
    check_form(claims)?;
    let token = sign(claims, key)?;
    if token.len() <= MAX_LEN {
        return Ok(token);
    }
    let Scope::Only(list) = &claims.ws else { return Err(TokenError::TooLong) };
    let fits = |count: &usize| {
        let fewer = Claims { ws: Scope::Only(list[..*count].to_vec()), ..claims.clone() };
        sign(&fewer, key).is_ok_and(|token| token.len() <= MAX_LEN)
    };
    match (1..list.len()).rev().find(fits) {
        Some(fit) => Err(TokenError::TooMany { named: list.len(), fit }),
        None => Err(TokenError::TooLong),
    }
}

fn sign(claims: &Claims, key: &SigningKey) -> Result<String, TokenError> {
    install_provider();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key.kid.clone());
    let secret = EncodingKey::from_secret(key.secret.expose().as_bytes());
    jsonwebtoken::encode(&header, claims, &secret).map_err(|_| TokenError::Signing)
}

/// The `kid` a token names, before anything of it is trusted.
///
/// # Errors
/// [`TokenError::TooLong`], [`TokenError::Malformed`], [`TokenError::Algorithm`],
/// [`TokenError::UnknownKey`] when there is no `kid`.
pub fn kid(token: &str) -> Result<String, TokenError> {
    if token.len() > MAX_LEN {
        return Err(TokenError::TooLong);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| match raw_algorithm(token) {
        // The library does not know an algorithm `none`; say so rather than "malformed".
        Some(alg) if alg != "HS256" => TokenError::Algorithm,
        _ => TokenError::Malformed,
    })?;
    if header.alg != Algorithm::HS256 {
        return Err(TokenError::Algorithm);
    }
    header.kid.ok_or(TokenError::UnknownKey)
}

/// Checks everything about a token but its single use, which needs a table.
///
/// `now` is in seconds since the epoch.
///
/// # Errors
/// [`TokenError`] says which check failed.
pub fn verify(
    token: &str,
    keys: &SigningKeys,
    audience: &str,
    now: u64,
) -> Result<Claims, TokenError> {
    install_provider();
    let kid = kid(token)?;
    let key = keys.by_kid(&kid).ok_or(TokenError::UnknownKey)?;
    let mut validation = Validation::new(Algorithm::HS256);
    // Times are checked below, against the caller's clock; the rest is the library's.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let secret = DecodingKey::from_secret(key.secret.expose().as_bytes());
    let claims: Claims = jsonwebtoken::decode(token, &secret, &validation)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            ErrorKind::InvalidIssuer => TokenError::Issuer,
            ErrorKind::InvalidAudience => TokenError::Audience,
            ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
            _ => TokenError::Malformed,
        })?
        .claims;
    check_form(&claims)?;
    if claims.exp.saturating_add(LEEWAY_SECS) <= now {
        return Err(TokenError::Expired);
    }
    if claims.exp > now.saturating_add(MAX_LIFETIME_SECS + LEEWAY_SECS) {
        return Err(TokenError::LivesTooLong);
    }
    if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(LEEWAY_SECS)) {
        return Err(TokenError::NotYet);
    }
    Ok(claims)
}

fn check_form(claims: &Claims) -> Result<(), TokenError> {
    if let Scope::Only(list) = &claims.ws
        && !(1..=MAX_WORKSTREAMS).contains(&list.len())
    {
        return Err(TokenError::Scope);
    }
    let text_ok = |text: &str| (1..=MAX_TEXT).contains(&text.len());
    if !text_ok(&claims.sub) || !text_ok(&claims.jti) {
        return Err(TokenError::Text);
    }
    Ok(())
}

fn raw_algorithm(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Alg {
        alg: String,
    }
    let header = token.split('.').next()?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).ok()?;
    serde_json::from_slice::<Alg>(&bytes).ok().map(|header| header.alg)
}

/// HMAC-SHA-256, the only algorithm. jsonwebtoken's own providers bring RSA code (with an open
/// advisory) or a second C library; this one brings neither.
struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self, JwtError> {
        if algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl signature::Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let mut mac = self.0.clone();
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

impl signature::Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let mut mac = self.0.clone();
        mac.update(message);
        // Compares in constant time.
        mac.verify_slice(signature).map_err(signature::Error::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn install_provider() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.as_bytes())?)),
        verifier_factory: |algorithm, key| {
            Ok(Box::new(Hs256::new(*algorithm, key.try_get_as_bytes()?)?))
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only if the program has installed one itself, which then serves as well.
        let _ = PROVIDER.install_default();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn keys() -> SigningKeys {
        SigningKeys::parse(
            r#"{"current":{"kid":"k2","secret":"current-current-current-current-"},"previous":{"kid":"k1","secret":"previous-previous-previous-previ"}}"#,
        )
        .unwrap()
    }

    fn claims() -> Claims {
        Claims {
            iss: ISSUER.into(),
            aud: "ralph/dev".into(),
            sub: "ada".into(),
            ws: Scope::Only(vec!["docs".parse().unwrap()]),
            jti: "01".into(),
            exp: NOW + 30,
            nbf: None,
        }
    }

    fn check(claims: &Claims) -> Result<Claims, TokenError> {
        let keys = keys();
        // Without mint's checks, as an attacker with a key would do it.
        let token = sign(claims, &keys.current).unwrap();
        verify(&token, &keys, "ralph/dev", NOW)
    }

    #[test]
    fn a_good_token_gives_its_claims_with_either_key() {
        let keys = keys();
        for key in keys.iter() {
            let token = mint(&claims(), key).unwrap();
            assert_eq!(verify(&token, &keys, "ralph/dev", NOW), Ok(claims()));
        }
    }

    #[test]
    fn claims_that_are_refused() {
        let many = |n| Scope::Only(vec!["docs".parse().unwrap(); n]);
        let cases: [(&str, Claims, Result<(), TokenError>); 11] = [
            ("as it should be", claims(), Ok(())),
            ("expired", Claims { exp: NOW - 6, ..claims() }, Err(TokenError::Expired)),
            ("expired within the leeway", Claims { exp: NOW - 4, ..claims() }, Ok(())),
            ("lives too long", Claims { exp: NOW + 66, ..claims() }, Err(TokenError::LivesTooLong)),
            ("not yet", Claims { nbf: Some(NOW + 6), ..claims() }, Err(TokenError::NotYet)),
            ("issuer", Claims { iss: "x".into(), ..claims() }, Err(TokenError::Issuer)),
            (
                "audience",
                Claims { aud: "ralph/prod".into(), ..claims() },
                Err(TokenError::Audience),
            ),
            ("50 workstreams", Claims { ws: many(50), ..claims() }, Ok(())),
            ("51 workstreams", Claims { ws: many(51), ..claims() }, Err(TokenError::Scope)),
            ("no workstream", Claims { ws: many(0), ..claims() }, Err(TokenError::Scope)),
            ("no jti", Claims { jti: String::new(), ..claims() }, Err(TokenError::Text)),
        ];
        for (name, claims, expected) in cases {
            assert_eq!(check(&claims).map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn forged_tokens_are_refused() {
        let keys = keys();
        let good = mint(&claims(), &keys.current).unwrap();
        let (head_and_body, _) = good.rsplit_once('.').unwrap();
        let body = head_and_body.split('.').nth(1).unwrap();
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let other =
            SigningKey { kid: "k2".into(), secret: crate::secret::Value::new("x".repeat(32)) };
        let stranger = SigningKey { kid: "k9".into(), ..other.clone() };
        let none = format!("{}.{body}.", encode(r#"{"alg":"none","typ":"JWT","kid":"k2"}"#));
        let rs256 = format!("{}.{body}.AAAA", encode(r#"{"alg":"RS256","typ":"JWT","kid":"k2"}"#));
        let hs512 = format!("{}.{body}.AAAA", encode(r#"{"alg":"HS512","typ":"JWT","kid":"k2"}"#));
        let no_kid = format!("{}.{body}.AAAA", encode(r#"{"alg":"HS256","typ":"JWT"}"#));
        for (name, token, expected) in [
            ("alg none", none, TokenError::Algorithm),
            ("RS256", rs256, TokenError::Algorithm),
            ("HS512", hs512, TokenError::Algorithm),
            ("no kid", no_kid, TokenError::UnknownKey),
            ("another secret", mint(&claims(), &other).unwrap(), TokenError::Signature),
            ("another kid", mint(&claims(), &stranger).unwrap(), TokenError::UnknownKey),
            ("signature cut off", format!("{head_and_body}."), TokenError::Signature),
            ("empty", String::new(), TokenError::Malformed),
            ("not a token", "a.b.c".into(), TokenError::Malformed),
            ("too long", "x".repeat(MAX_LEN + 1), TokenError::TooLong),
        ] {
            assert_eq!(verify(&token, &keys, "ralph/dev", NOW), Err(expected), "{name}");
        }
    }

    /// Claims that name workstreams with the longest ids.
    fn longest_ids(count: usize) -> Claims {
        let ids = (0..count).map(|n| format!("{n:0>width$}", width = Workstream::MAX_LEN));
        Claims { ws: Scope::Only(ids.map(|id| id.parse().unwrap()).collect()), ..claims() }
    }

    #[test]
    fn the_longest_token_fits_into_the_longest_url() {
        let mut keys = keys();
        let mut longest = 0;
        // A key id of each length moves the token's length a byte or two at a time.
        for length in 1..200 {
            keys.current.kid = "k".repeat(length);
            let text = "x".repeat(MAX_TEXT);
            let claims = Claims {
                sub: text.clone(),
                jti: text,
                nbf: Some(NOW),
                ..longest_ids(MAX_WORKSTREAMS)
            };
            let Err(TokenError::TooMany { named: MAX_WORKSTREAMS, fit }) =
                mint(&claims, &keys.current)
            else {
                panic!("fifty fit, with a key id of {length} bytes")
            };
            let of = |count| Claims { ws: longest_ids(count).ws, ..claims.clone() };
            let token = mint(&of(fit), &keys.current).unwrap();
            assert_eq!(verify(&token, &keys, "ralph/dev", NOW), Ok(of(fit)));
            assert_eq!(
                mint(&of(fit + 1), &keys.current),
                Err(TokenError::TooMany { named: fit + 1, fit })
            );
            let (region, stage) = ("cn-northwest-1", "s".repeat(128));
            let host = format!("a1b2c3d4e5.execute-api.{region}.amazonaws.com.cn");
            let url = format!("wss://{host}/{stage}?token={token}");
            longest = longest.max(url.len());
        }
        assert_eq!(longest, MAX_URL_LEN);
    }

    #[test]
    fn fifty_workstreams_fit_beside_the_longest_user() {
        // `ralph token` takes ULIDs for `kid` and `jti`, and roles' names limit an environment's to 41.
        let key = SigningKey { kid: "k".repeat(26), ..keys().current };
        let claims = Claims {
            aud: format!("ralph/{}", "e".repeat(41)),
            sub: "x".repeat(MAX_TEXT),
            jti: "j".repeat(26),
            ..longest_ids(MAX_WORKSTREAMS)
        };
        assert!(mint(&claims, &key).is_ok());
    }

    #[test]
    fn a_token_that_no_scope_makes_short_enough_is_refused() {
        let key = SigningKey { kid: "k".repeat(MAX_LEN), ..keys().current };
        assert_eq!(mint(&claims(), &key), Err(TokenError::TooLong));
        assert_eq!(mint(&Claims { ws: Scope::ALL, ..claims() }, &key), Err(TokenError::TooLong));
    }

    #[test]
    fn scope_survives_the_context() {
        for scope in [Scope::ALL, claims().ws] {
            assert_eq!(Scope::from_context(&scope.to_context()), Some(scope));
        }
        assert_eq!(Scope::from_context("a,../b"), None);
        assert_eq!(Scope::from_context(""), None);
    }

    #[test]
    fn a_scope_holds_what_it_names() {
        let docs = "docs".parse().unwrap();
        let other = "docs2".parse().unwrap();
        assert!(Scope::ALL.allows(&docs));
        assert!(claims().ws.allows(&docs) && !claims().ws.allows(&other));
    }
}
