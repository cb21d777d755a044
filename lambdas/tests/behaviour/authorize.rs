use std::cell::{Cell, RefCell};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use ralph_lambdas::authorize::{CachedKeys, KEYS_LIVE_MS, UNKNOWN_KID_MS, authorize};
use ralph_protocol::{
    secret::{SigningKey, Value},
    token::{Claims, ISSUER, Scope, mint},
};
use serde_json::json;
use sha2::Sha256;
use tokio::time::{Duration, advance};

use crate::memory::{Lines, MemoryKeys, MemoryTable, START, TestClock};

const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abc/dev/$connect";
const NOW: u64 = START / 1000;

fn key(kid: &str) -> SigningKey {
    SigningKey { kid: kid.into(), secret: Value::new(format!("{kid:-<32}")) }
}

fn keys(current: &str, previous: Option<&str>) -> MemoryKeys {
    let text = |kid: &str| json!({"kid": kid, "secret": format!("{kid:-<32}")});
    let text = json!({"current": text(current), "previous": previous.map(text)}).to_string();
    MemoryKeys { text: RefCell::new(text), reads: Cell::new(0) }
}

fn claims(jti: &str) -> Claims {
    Claims {
        iss: ISSUER.into(),
        aud: "ralph/dev".into(),
        sub: "ada".into(),
        ws: Scope::Only(vec!["docs".parse().unwrap(), "api".parse().unwrap()]),
        jti: jti.into(),
        exp: NOW + 30,
        nbf: None,
    }
}

struct Fixture<'a> {
    keys: CachedKeys<&'a MemoryKeys>,
    table: MemoryTable,
    clock: TestClock,
    lines: Lines,
}

impl<'a> Fixture<'a> {
    fn new(keys: &'a MemoryKeys) -> Self {
        Self {
            keys: CachedKeys::new(keys),
            table: MemoryTable::default(),
            clock: TestClock::default(),
            lines: Lines::default(),
        }
    }

    /// The policy as API Gateway reads it; `null` when the function fails.
    async fn ask(&self, token: Option<&str>) -> serde_json::Value {
        let request = serde_json::from_value(json!({
            "type": "REQUEST", "methodArn": ARN, "headers": {"Host": "x"},
            "queryStringParameters": token.map(|token| json!({"token": token})),
            "requestContext": {"connectionId": "c="},
        }))
        .unwrap();
        let invocation = self.lines.invocation();
        let policy =
            authorize(&request, "ralph/dev", &self.keys, &self.table, &self.clock, invocation);
        policy.await.map_or(json!(null), |policy| json!(policy))
    }

    async fn allows(&self, token: &str) -> bool {
        self.ask(Some(token)).await["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_token_opens_the_connection_with_its_scope() {
    let keys = keys("k2", Some("k1"));
    let fixture = Fixture::new(&keys);
    let token = mint(&claims("1"), &key("k1")).unwrap();
    assert_eq!(
        fixture.ask(Some(&token)).await,
        json!({
            "principalId": "ada",
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Action": ["execute-api:Invoke"], "Effect": "Allow", "Resource": [ARN]},
            ]},
            "context": {"user": "ada", "scope": "docs,api"},
            "usageIdentifierKey": null,
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_one_connection_only() {
    let keys = keys("k1", None);
    let fixture = Fixture::new(&keys);
    let token = mint(&claims("1"), &key("k1")).unwrap();
    assert!(fixture.allows(&token).await);
    assert!(!fixture.allows(&token).await);
    assert!(fixture.lines.all().contains("the token was used before"));
    assert!(fixture.allows(&mint(&claims("2"), &key("k1")).unwrap()).await);
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_once_in_minutes_and_for_an_unknown_kid_once_a_minute() {
    let keys = keys("k1", None);
    let fixture = Fixture::new(&keys);
    let good = |jti: &str| mint(&claims(jti), &key("k1")).unwrap();
    let stranger = |jti: &str| mint(&claims(jti), &key("k9")).unwrap();
    assert!(fixture.allows(&good("1")).await);
    assert!(fixture.allows(&good("2")).await);
    assert_eq!(keys.reads.get(), 1);
    for jti in 0..20 {
        assert!(!fixture.allows(&stranger(&jti.to_string())).await);
    }
    assert_eq!(keys.reads.get(), 2, "one read for twenty strangers");
    advance(Duration::from_millis(UNKNOWN_KID_MS)).await;
    // A rotation: the new key is found by its unknown id, without waiting for the cache.
    *keys.text.borrow_mut() = self::keys("k9", Some("k1")).text.into_inner();
    let now = NOW + UNKNOWN_KID_MS / 1000;
    let late = Claims { exp: now + 30, ..claims("new") };
    assert!(fixture.allows(&mint(&late, &key("k9")).unwrap()).await);
    assert_eq!(keys.reads.get(), 3);
    advance(Duration::from_millis(KEYS_LIVE_MS)).await;
    let later = Claims { exp: now + KEYS_LIVE_MS / 1000 + 30, ..claims("later") };
    assert!(fixture.allows(&mint(&later, &key("k9")).unwrap()).await);
    assert_eq!(keys.reads.get(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_is_a_failure_and_no_decision() {
    let keys = keys("k1", None);
    let fixture = Fixture::new(&keys);
    let token = mint(&claims("1"), &key("k1")).unwrap();
    fixture.table.down.set(true);
    assert_eq!(fixture.ask(Some(&token)).await, json!(null));
    fixture.table.down.set(false);
    assert!(fixture.allows(&token).await, "the token was not used up");
    let broken = MemoryKeys { text: RefCell::new("oops".into()), reads: Cell::new(0) };
    let fixture = Fixture::new(&broken);
    assert_eq!(fixture.ask(Some(&token)).await, json!(null));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_the_log_why_and_never_the_token() {
    let keys = keys("k1", None);
    let fixture = Fixture::new(&keys);
    let denied = json!({
        "principalId": "denied",
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Action": ["execute-api:Invoke"], "Effect": "Deny", "Resource": [ARN]},
        ]},
        "context": {},
        "usageIdentifierKey": null,
    });
    let expired = mint(&Claims { exp: NOW - 60, ..claims("1") }, &key("k1")).unwrap();
    assert_eq!(fixture.ask(Some(&expired)).await, denied);
    assert_eq!(fixture.ask(None).await, denied);
    let log = fixture.lines.all();
    assert!(log.contains("the token has expired") && log.contains("there is no token"), "{log}");
    for part in expired.split('.') {
        assert!(!log.contains(part), "{log}");
    }
}

/// A token of anyone who has `secret`: header, claims and all.
fn forge(header: &serde_json::Value, claims: &serde_json::Value, secret: &str) -> String {
    let signed =
        format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

#[tokio::test(start_paused = true)]
async fn attacks_are_refused_and_logged_without_the_token() {
    let secret = format!("{:-<32}", "k1");
    let header = |alg: &str| json!({"alg": alg, "typ": "JWT", "kid": "k1"});
    let good = || json!(claims("1"));
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good();
        claims[name] = value;
        forge(&header("HS256"), &claims, &secret)
    };
    let without = |name: &str| {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        forge(&header("HS256"), &claims, &secret)
    };
    let honest = forge(&header("HS256"), &good(), &secret);
    let parts: Vec<&str> = honest.split('.').collect();
    let (body, signature) = (parts[1], parts[2]);
    let wide = BASE64.encode(json!({"sub": "ada", "ws": "*"}).to_string());
    let ids = |n: usize| json!((0..n).map(|i| format!("w{i}")).collect::<Vec<_>>());
    let key_of = |name: &str, value: serde_json::Value| {
        let mut header = header("HS256");
        header[name] = value;
        forge(&header, &good(), &secret)
    };
    let attacks = [
        (
            "alg none, no signature",
            format!("{}.{body}.", BASE64.encode(header("none").to_string())),
        ),
        (
            "alg none, old signature",
            format!("{}.{body}.{signature}", BASE64.encode(header("none").to_string())),
        ),
        ("alg None", forge(&header("None"), &good(), &secret)),
        ("no alg", forge(&json!({"kid": "k1"}), &good(), &secret)),
        ("RS256 over the HMAC", forge(&header("RS256"), &good(), &secret)),
        ("ES256 over the HMAC", forge(&header("ES256"), &good(), &secret)),
        ("HS384", forge(&header("HS384"), &good(), &secret)),
        ("HS512", forge(&header("HS512"), &good(), &secret)),
        ("another secret", forge(&header("HS256"), &good(), "guess-guess-guess-guess-guess-gu")),
        ("the empty secret", forge(&header("HS256"), &good(), "")),
        ("the kid as the secret", forge(&header("HS256"), &good(), "k1")),
        ("an unknown kid", key_of("kid", json!("k9"))),
        ("a kid that is a path", key_of("kid", json!("../../dev/null"))),
        ("a kid that is not text", key_of("kid", json!(["k1"]))),
        ("no kid", key_of("kid", json!(null))),
        ("claims of another token", format!("{}.{wide}.{signature}", parts[0])),
        ("signature cut short", honest[..honest.len() - 2].to_owned()),
        ("signature of nothing", format!("{}.{body}.", parts[0])),
        ("a part too many", format!("{honest}.{signature}")),
        ("a part too few", format!("{}.{body}", parts[0])),
        ("whitespace around", format!(" {honest} ")),
        ("standard base64", honest.replace('-', "+").replace('_', "/") + "="),
        ("another issuer", with("iss", json!("mallory"))),
        ("no issuer", without("iss")),
        ("another environment", with("aud", json!("ralph/prod"))),
        ("a prefix of the audience", with("aud", json!("ralph"))),
        ("no audience", without("aud")),
        ("expired", with("exp", json!(NOW - 6))),
        ("no expiry", without("exp")),
        ("an expiry that is text", with("exp", json!("soon"))),
        ("a negative expiry", with("exp", json!(-1))),
        ("an expiry beyond all time", with("exp", json!(u64::MAX))),
        ("an hour of life", with("exp", json!(NOW + 3_600))),
        ("not yet valid", with("nbf", json!(NOW + 30))),
        ("no user", without("sub")),
        ("an empty user", with("sub", json!(""))),
        ("a user without end", with("sub", json!("x".repeat(129)))),
        ("no jti", without("jti")),
        ("an empty jti", with("jti", json!(""))),
        ("no scope", without("ws")),
        ("an empty scope", with("ws", json!([]))),
        ("51 workstreams", with("ws", ids(51))),
        ("a scope that is one text", with("ws", json!("docs"))),
        ("a star among ids", with("ws", json!(["docs", "*"]))),
        ("a comma in an id", with("ws", json!(["docs,secret"]))),
        ("a path as an id", with("ws", json!(["../docs"]))),
        ("a null scope", with("ws", json!(null))),
        ("a token of a megabyte", "x".repeat(1 << 20)),
        ("a long token with a good form", with("sub", json!("x".repeat(5_000)))),
        ("the empty token", String::new()),
        ("dots", "..".into()),
        ("not ASCII", "tökén.ü.ö".into()),
        ("a NUL", "\0".into()),
    ];
    for (name, token) in attacks {
        let keys = keys("k1", None);
        let fixture = Fixture::new(&keys);
        let policy = fixture.ask(Some(&token)).await;
        assert_eq!(policy["policyDocument"]["Statement"][0]["Effect"], "Deny", "{name}");
        assert_eq!(policy["context"], json!({}), "{name}");
        assert!(fixture.table.tokens.borrow().is_empty(), "{name}: it used up a jti");
        let log = fixture.lines.all();
        assert!(log.contains("denied") && log.contains("reason"), "{name}: {log}");
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!log.contains(part), "{name}: {log}");
        }
    }
    // What is just within the rules passes.
    for (name, token) in [
        ("as it should be", honest),
        ("within the leeway", with("exp", json!(NOW - 4))),
        ("sixty seconds", with("exp", json!(NOW + 60))),
        ("a clock that is a little behind", with("nbf", json!(NOW + 4))),
        ("50 workstreams", with("ws", ids(50))),
        ("every workstream", with("ws", json!("*"))),
        ("claims nobody knows", with("admin", json!(true))),
    ] {
        let keys = keys("k1", None);
        assert!(Fixture::new(&keys).allows(&token).await, "{name}");
    }
}
