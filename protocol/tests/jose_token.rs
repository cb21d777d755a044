//! What a front end's back end mints with `jose` (viewer/client/examples) is what the authorizer
//! takes: `jose-token.json` is checked from both sides.

use ralph_protocol::{
    secret::SigningKeys,
    token::{Scope, TokenError, verify},
};

#[test]
fn the_examples_token_is_taken() {
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("jose-token.json")).expect("the fixture is JSON");
    let keys = SigningKeys::parse(&fixture["keys"].to_string()).expect("the keys have their shape");
    let token = fixture["token"].as_str().expect("a token");
    let now = fixture["now"].as_u64().expect("a time");

    let claims = verify(token, &keys, "ralph/dev", now).expect("the token is good");
    assert_eq!(claims.sub, "ada");
    assert_eq!(claims.jti, fixture["id"]);
    let names = ["docs", "demo"].map(|name| name.parse().expect("a workstream"));
    assert_eq!(claims.ws, Scope::Only(names.to_vec()));

    assert_eq!(verify(token, &keys, "ralph/prod", now), Err(TokenError::Audience));
    assert_eq!(verify(token, &keys, "ralph/dev", now + 61), Err(TokenError::Expired));
}
