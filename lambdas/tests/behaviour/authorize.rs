use std::cell::{Cell, RefCell};

use ralph_lambdas::authorize::{CachedKeys, KEYS_LIVE_MS, UNKNOWN_KID_MS, authorize};
use ralph_protocol::{
    secret::{SigningKey, Value},
    token::{Claims, ISSUER, Scope, mint},
};
use serde_json::json;
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

struct World<'a> {
    keys: CachedKeys<&'a MemoryKeys>,
    table: MemoryTable,
    clock: TestClock,
    lines: Lines,
}

impl<'a> World<'a> {
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
    let world = World::new(&keys);
    let token = mint(&claims("1"), &key("k1")).unwrap();
    assert_eq!(
        world.ask(Some(&token)).await,
        json!({
            "principalId": "ada",
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN},
            ]},
            "context": {"user": "ada", "scope": "docs,api"},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_one_connection_only() {
    let keys = keys("k1", None);
    let world = World::new(&keys);
    let token = mint(&claims("1"), &key("k1")).unwrap();
    assert!(world.allows(&token).await);
    assert!(!world.allows(&token).await);
    assert!(world.lines.all().contains("the token was used before"));
    assert!(world.allows(&mint(&claims("2"), &key("k1")).unwrap()).await);
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_once_in_minutes_and_for_an_unknown_kid_once_a_minute() {
    let keys = keys("k1", None);
    let world = World::new(&keys);
    let good = |jti: &str| mint(&claims(jti), &key("k1")).unwrap();
    let stranger = |jti: &str| mint(&claims(jti), &key("k9")).unwrap();
    assert!(world.allows(&good("1")).await);
    assert!(world.allows(&good("2")).await);
    assert_eq!(keys.reads.get(), 1);
    for jti in 0..20 {
        assert!(!world.allows(&stranger(&jti.to_string())).await);
    }
    assert_eq!(keys.reads.get(), 2, "one read for twenty strangers");
    advance(Duration::from_millis(UNKNOWN_KID_MS)).await;
    // A rotation: the new key is found by its unknown id, without waiting for the cache.
    *keys.text.borrow_mut() = self::keys("k9", Some("k1")).text.into_inner();
    let now = NOW + UNKNOWN_KID_MS / 1000;
    let late = Claims { exp: now + 30, ..claims("new") };
    assert!(world.allows(&mint(&late, &key("k9")).unwrap()).await);
    assert_eq!(keys.reads.get(), 3);
    advance(Duration::from_millis(KEYS_LIVE_MS)).await;
    let later = Claims { exp: now + KEYS_LIVE_MS / 1000 + 30, ..claims("later") };
    assert!(world.allows(&mint(&later, &key("k9")).unwrap()).await);
    assert_eq!(keys.reads.get(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_is_a_failure_and_no_decision() {
    let keys = keys("k1", None);
    let world = World::new(&keys);
    let token = mint(&claims("1"), &key("k1")).unwrap();
    world.table.down.set(true);
    assert_eq!(world.ask(Some(&token)).await, json!(null));
    world.table.down.set(false);
    assert!(world.allows(&token).await, "the token was not used up");
    let broken = MemoryKeys { text: RefCell::new("oops".into()), reads: Cell::new(0) };
    let world = World::new(&broken);
    assert_eq!(world.ask(Some(&token)).await, json!(null));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_the_log_why_and_never_the_token() {
    let keys = keys("k1", None);
    let world = World::new(&keys);
    let denied = json!({
        "principalId": "denied",
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": ARN},
        ]},
    });
    let expired = mint(&Claims { exp: NOW - 60, ..claims("1") }, &key("k1")).unwrap();
    assert_eq!(world.ask(Some(&expired)).await, denied);
    assert_eq!(world.ask(None).await, denied);
    let log = world.lines.all();
    assert!(log.contains("the token has expired") && log.contains("there is no token"), "{log}");
    for part in expired.split('.') {
        assert!(!log.contains(part), "{log}");
    }
}
