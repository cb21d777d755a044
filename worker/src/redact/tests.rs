use base64::{Engine, engine::general_purpose};
use proptest::prelude::*;

use super::*;

const SECRET: &str = r#"k3y/with"odd\chars+and=more"#;

fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    Redactor::new([SECRET]).redact(&mut text);
    text
}

#[test]
fn every_form_of_a_known_value_is_found() {
    let json = serde_json::to_string(SECRET).unwrap();
    let twice = serde_json::to_string(&json).unwrap();
    let url = "k3y%2Fwith%22odd%5Cchars%2Band%3Dmore";
    let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
    let spread: String = SECRET.chars().map(|c| format!("\u{1b}[1;31m{c}\u{1b}[0m")).collect();
    let wrapped = format!("{}\r\n{}", &SECRET[..9], &SECRET[9..]);
    for text in [
        SECRET.to_owned(),
        json,
        twice,
        url.to_owned(),
        url.to_lowercase(),
        hex.to_uppercase(),
        hex,
        spread,
        wrapped,
        format!("\u{1b}]0;{SECRET}\u{7}"),
        format!("\u{1b}]8;;http://x/{SECRET}\u{1b}\\link"),
        format!("{}\u{1b}[{}", &SECRET[..5], &SECRET[5..]).replace("\u{1b}[", "\u{1b}[0m"),
    ] {
        let clean = redacted(&format!("before {text} after"));
        assert!(clean.starts_with("before ") && clean.ends_with(" after"), "{clean}");
        assert!(clean.contains(MARK), "{text:?} -> {clean:?}");
    }
}

#[test]
fn base64_is_found_at_every_alignment_and_across_wrapped_lines() {
    for before in ["", "a", "ab", "abc", "Authorization: Basic x:"] {
        for after in ["", "z", "zz", "zzz"] {
            let plain = format!("{before}{SECRET}{after}");
            for engine in [&general_purpose::STANDARD, &general_purpose::URL_SAFE] {
                let encoded = engine.encode(&plain);
                assert!(redacted(&encoded).contains(MARK), "{plain}");
                let wrapped: Vec<&str> = encoded
                    .as_bytes()
                    .chunks(10)
                    .map(|c| std::str::from_utf8(c).unwrap())
                    .collect();
                assert!(redacted(&wrapped.join("\n")).contains(MARK), "{plain}");
            }
        }
    }
}

#[test]
fn well_known_shapes_are_found() {
    // Put together here, so that no scanner takes this file for a leak.
    let a = |n: usize| "a1B2".repeat(n.div_ceil(4))[..n].to_owned();
    for text in [
        format!("sk-ant-api03-{}", a(40)),
        format!("ghp_{}", a(36)),
        format!("ghs_{}", a(36)),
        installation_token(1),
        format!("github_pat_{}", a(40)),
        format!("glpat-{}", a(20)),
        format!("AKIA{}", a(16).to_uppercase()),
        format!("xoxb-{}", a(24)),
        format!("npm_{}", a(36)),
        format!("eyJ{}.eyJ{}.{}", a(20), a(20), a(43)),
        format!("-----BEGIN RSA {} KEY-----\n{}\n-----END RSA PRIVATE KEY-----", "PRIVATE", a(64)),
        format!("-----BEGIN {} KEY-----\\n{}", "PRIVATE", a(64)),
        format!("\u{1b}[1msk-ant-\u{1b}[0m{}", a(40)),
    ] {
        let clean = redacted(&format!("x={text}"));
        assert!(clean.contains(MARK) && !clean.contains(&a(16)), "{text} -> {clean}");
    }
}

#[test]
fn ordinary_text_is_left_alone() {
    for text in [
        "",
        "hello",
        "task-force sk-ip eyJust",
        "\u{1b}[31mred\u{1b}[0m\nline",
        "AKIA is a prefix",
        "\u{1b}",
        "\u{1b}[",
        "漢字\r\n🦀",
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn what_may_not_be_pushed() {
    let redactor = Redactor::new([SECRET]);
    let twenty = "a1B2".repeat(10);
    for (text, expected) in [
        (format!("x {SECRET}"), true),
        (format!("sk-ant-{twenty}"), true),
        (format!("eyJ{twenty}.eyJ{twenty}.{twenty}"), false),
        (format!("-----BEGIN {} KEY-----\n{twenty}", "PRIVATE"), false),
        (format!("\"\\nsk-proj-{twenty}"), true),
        (format!("key=sk-{twenty}"), true),
        ("sk-learn".to_owned(), false),
        (".task-management-application-frontend {}".to_owned(), false),
        ("class=\"sk-circle-fade-dot-with-animation-delay\"".to_owned(), false),
        (format!("task-{twenty}"), false),
        (installation_token(1), true),
        ("ghs_123456_token_of_an_installation_has_this_form".to_owned(), false),
    ] {
        assert_eq!(redactor.finds_credential(&text), expected, "{text}");
    }
}

#[test]
fn short_values_are_not_looked_for() {
    let mut text = "a b c".to_owned();
    Redactor::new(["a", ""]).redact(&mut text);
    assert_eq!(text, "a b c");
}

proptest! {
    #[test]
    fn a_known_value_never_survives(
        secret in "[!-~]{8,60}",
        // Without an unfinished escape sequence, which would take the value's first character.
        before in "(\\PC|[\\x00-\\x1a]){0,40}",
        after in "(\\PC|[\\x00-\\x1f]){0,40}",
        colour in prop::sample::select(vec!["", "\u{1b}[0m", "\u{1b}[38;5;1m", "\n", "\r\n"]),
        every in 1usize..20,
    ) {
        let redactor = Redactor::new([&secret]);
        let mut dressed = String::new();
        for (index, c) in secret.chars().enumerate() {
            if index > 0 && index % every == 0 {
                dressed.push_str(colour);
            }
            dressed.push(c);
        }
        let mut text = format!("{before} {dressed} {after}");
        redactor.redact(&mut text);
        prop_assert!(!text.contains(&secret));
        prop_assert!(!text.contains(&dressed), "{text:?}");
    }
}

#[test]
fn a_credential_is_found_in_wrapped_base64_too() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let key = "a-key-that-is-long-enough-to-be-wrapped-at-76-columns-".repeat(3);
    let redactor = Redactor::new([&key]);
    let encoded = STANDARD.encode(&key);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    assert!(lines.len() > 2 && redactor.finds_credential(&lines.join("\n")));
    assert!(!redactor.finds_credential(&lines[1..].join("\n")));
}

/// A token of an installation, in the form that GitHub gives out since 2026.
fn installation_token(n: usize) -> String {
    let part = format!("a1B2-_{n}").repeat(8);
    format!("ghs_123456_eyJ{part}.eyJ{part}.{part}")
}

#[test]
fn what_is_learned_later_is_found_in_every_clone_and_form() {
    let redactor = Redactor::new([SECRET]);
    let clone = redactor.clone();
    let token = "hunter2-token-learned-later";
    assert!(!clone.finds_credential(token));
    redactor.learn(token);
    let basic = general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
    for text in [token, &format!("Authorization: Basic {basic}"), SECRET] {
        assert!(clone.finds_credential(text), "{text}");
        let mut text = text.to_owned();
        clone.redact(&mut text);
        assert!(text.contains(MARK), "{text}");
        // Nothing but the user's name is left of the pair.
        let left = text.replace("Authorization: Basic ", "").replace(MARK, "");
        assert!(left.len() < basic.len() - token.len(), "{left}");
    }
}

#[test]
fn the_last_values_that_were_learned_are_looked_for() {
    let redactor = Redactor::new([SECRET]);
    let token = |n: usize| format!("hunter2-{n}-token");
    for n in 0..=LEARNED {
        redactor.learn(&token(n));
        // Again, which changes nothing.
        redactor.learn(&token(n));
    }
    let found: Vec<bool> = (0..=LEARNED).map(|n| redactor.finds_credential(&token(n))).collect();
    assert_eq!(found, [false, true, true, true, true]);
    assert!(redactor.finds_credential(SECRET));
}

#[test]
fn texts_that_are_looked_for_as_they_are() {
    let line = "MIIEowIBAAKCAQEAqhunter2+/hunter2";
    let redactor = Redactor::new([SECRET]).and_verbatim([line.to_owned()]);
    redactor.learn("hunter2-token");
    let mut text = format!("-----BEGIN-----\n{line}\n{SECRET}");
    assert!(redactor.finds_credential(&text));
    redactor.redact(&mut text);
    assert_eq!(text, format!("-----BEGIN-----\n{MARK}\n{MARK}"));
    assert!(!redactor.finds_credential(&general_purpose::STANDARD.encode(line)));
}

#[test]
fn a_value_of_several_short_lines_is_found_however_its_lines_end() {
    let value = "user: bob\r\npin: h2";
    let redactor = Redactor::new([value]);
    for shown in [value, "user: bob\npin: h2"] {
        let mut text = format!("before\n{shown}\nafter\n");
        assert!(redactor.finds_credential(&text), "{text:?}");
        redactor.redact(&mut text);
        assert_eq!(text, format!("before\n{MARK}\nafter\n"));
    }
}
