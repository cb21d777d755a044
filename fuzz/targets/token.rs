//! Tokens: whatever is presented is refused unless it was signed with the key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ralph_protocol::{
    secret::SigningKeys,
    token::{MAX_LEN, Scope, kid, verify},
};

/// The keys of the seeds.
const KEYS: &str =
    r#"{"current":{"kid":"k1","secret":"0123456789abcdef0123456789abcdef"},"previous":null}"#;
const NOW: u64 = 1_800_000_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let keys = SigningKeys::parse(KEYS).expect("keys");
    let named = kid(text);
    if let Ok(claims) = verify(text, &keys, "ralph/dev", NOW) {
        assert_eq!(named.as_deref(), Ok("k1"));
        assert!(claims.exp <= NOW + 65);
        assert!(text.len() <= MAX_LEN);
    }
    let _ = SigningKeys::parse(text);
    if let Some(scope) = Scope::from_context(text) {
        assert_eq!(Scope::from_context(&scope.to_context()), Some(scope));
    }
});
