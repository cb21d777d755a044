//! A GitHub App as git credential, and the check of its private key.

use std::fmt;

use ring::rsa::KeyPair;
use rustls_pki_types::pem::{Error as PemError, PemObject, SectionKind};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{ShapeError, Value, is_host};

/// The host of an App without one.
pub const GITHUB: &str = "github.com";

/// Most bytes of an id: no number of 64 bits is longer, and no client id.
const MAX_ID: usize = 40;

/// An installation of a GitHub App, which asks GitHub for tokens that are good for an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GithubApp {
    /// The App's id, a number, or its client id (`Iv…`). GitHub takes both as issuer of a JWT. Not
    /// secret.
    #[serde(deserialize_with = "text_or_number")]
    pub app_id: String,
    /// The number of the installation; not secret.
    #[serde(deserialize_with = "text_or_number")]
    pub installation_id: String,
    /// An RSA key as PEM, as GitHub hands it out (PKCS#1) or as PKCS#8.
    pub private_key: Value,
    /// Host name without scheme or port: [`GITHUB`], or that of a GitHub Enterprise Server.
    #[serde(default = "github")]
    pub host: String,
}

fn github() -> String {
    GITHUB.to_owned()
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Id;
    impl de::Visitor<'_> for Id {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an id")
        }
        fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }
    deserializer.deserialize_any(Id)
}

impl GithubApp {
    pub(super) const EXPECTED: &'static str = r#"{"appId":"123456","installationId":"7890","privateKey":"-----BEGIN RSA PRIVATE KEY-----\n…"}, for GitHub Enterprise Server with "host" too; `jq -n --rawfile privateKey app.pem '{appId: "123456", installationId: "7890", privateKey: $privateKey}'` makes it"#;

    /// Whether a text is meant to be one, also when it is not JSON: line breaks of a pasted key are
    /// not allowed there.
    pub(super) fn is_meant(text: &str) -> bool {
        ["appId", "installationId", "privateKey"]
            .iter()
            .any(|name| text.contains(&format!("\"{name}\"")))
    }

    pub(super) fn check(&self) -> Result<(), ShapeError> {
        let digits = |text: &str| {
            (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        let client = |text: &str| {
            text.len() <= MAX_ID
                && text.starts_with("Iv")
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
        };
        if !digits(&self.app_id) && !client(&self.app_id) {
            return Err(ShapeError::new(
                "`appId` is not a number",
                "the App's settings page shows it as App ID; the client ID (Iv…) is accepted too",
            ));
        }
        if !digits(&self.installation_id) {
            return Err(ShapeError::new(
                "`installationId` is not a number",
                "it is the last part of the address of the installation's page: …/settings/installations/<number>",
            ));
        }
        if !is_host(&self.host) {
            return Err(ShapeError::expecting("`host` is not a host name", Self::EXPECTED));
        }
        self.key().map(drop)
    }

    /// The key that signs the App's JWTs.
    ///
    /// # Errors
    /// [`ShapeError`] says what the key is instead, without any part of it.
    pub fn key(&self) -> Result<KeyPair, ShapeError> {
        rsa_key(self.private_key.expose())
            .map_err(|(problem, hint)| ShapeError::new(format!("`privateKey` {problem}"), hint))
    }
}

type Problem = (&'static str, &'static str);

const WHOLE: &str = "put the whole .pem file in, with its line breaks: `jq -n --rawfile privateKey app.pem '{appId: \"123456\", installationId: \"7890\", privateKey: $privateKey}'`";
const FRESH: &str = "make a private key on the App's settings page on GitHub, and use the .pem file that it downloads";

/// Reads an RSA key of 2048 to 4096 bits from PEM.
fn rsa_key(pem: &str) -> Result<KeyPair, Problem> {
    let has = |part: &str| pem.contains(part);
    if !has("-----BEGIN ") {
        return Err(("is not a key in PEM form", WHOLE));
    }
    if pem.trim().lines().count() < 3 {
        return Err(("has lost its line breaks", WHOLE));
    }
    if has("ENCRYPTED") {
        let hint = "`openssl rsa -in app.pem -out plain.pem` takes the passphrase off; a key as GitHub makes it has none";
        return Err(("is encrypted with a passphrase", hint));
    }
    let (kind, der) = match <(SectionKind, Vec<u8>)>::from_pem_slice(pem.as_bytes()) {
        Ok(section) => section,
        Err(PemError::NoItemsFound) if has("OPENSSH") => {
            return Err(("is a key of OpenSSH, not an RSA key of GitHub's", FRESH));
        }
        Err(PemError::NoItemsFound) => return Err(("holds no RSA private key", FRESH)),
        Err(PemError::MissingSectionEnd { .. }) => {
            return Err(("is cut off: its END line is missing", WHOLE));
        }
        Err(_) => return Err(("is damaged: its lines are not base64", WHOLE)),
    };
    let key = match kind {
        SectionKind::RsaPrivateKey => KeyPair::from_der(&der),
        SectionKind::PrivateKey => KeyPair::from_pkcs8(&der),
        SectionKind::EcPrivateKey => return Err(("is an EC key, not an RSA key", FRESH)),
        SectionKind::PublicKey => return Err(("is a public key, not the private one", FRESH)),
        _ => return Err(("holds no RSA private key", FRESH)),
    };
    // ring's names of what is wrong, which it offers as text only.
    key.map_err(|error| match error.to_string().as_str() {
        "WrongAlgorithm" => ("is not an RSA key", FRESH),
        "TooSmall" => ("has fewer than 2048 bits", FRESH),
        "TooLarge" => ("has more than 4096 bits", FRESH),
        _ => ("is damaged or cut off", WHOLE),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::GitToken;

    /// What `openssl` makes; each of the words of a command line.
    fn openssl(words: &str, input: &str) -> String {
        use std::io::Write;
        let mut child = Command::new("openssl")
            .args(words.split(' '))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program openssl");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "openssl {words}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn secret(key: &str) -> String {
        serde_json::json!({"appId": 123_456, "installationId": "7890", "privateKey": key})
            .to_string()
    }

    #[test]
    fn an_rsa_key_is_taken_in_both_forms_and_every_other_is_refused_by_name() {
        let pkcs8 = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "");
        let pkcs1 = openssl("rsa -traditional", &pkcs8);
        for good in [&pkcs8, &pkcs1, &pkcs1.replace('\n', "\r\n")] {
            let GitToken::App(app) = GitToken::parse(&secret(good)).unwrap() else {
                panic!("another kind of credential")
            };
            assert_eq!((app.app_id.as_str(), app.host.as_str()), ("123456", "github.com"));
            assert_eq!(app.key().unwrap().public().modulus_len(), 256);
        }
        let small = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "");
        let ec = openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "");
        let lines: Vec<&str> = pkcs1.lines().collect();
        let without_end = lines[..lines.len() - 1].join("\n");
        let shorter = [&lines[..9], &lines[lines.len() - 1..]].concat().join("\n");
        let damaged = pkcs1.replacen(lines[3], &format!("{}!", lines[3]), 1);
        for (key, expected) in [
            (String::new(), "is not a key in PEM form"),
            ("app.pem".to_owned(), "is not a key in PEM form"),
            (pkcs1.replace('\n', " "), "has lost its line breaks"),
            (pkcs1.replace('\n', "\\n"), "has lost its line breaks"),
            (without_end, "is cut off: its END line is missing"),
            (shorter, "is damaged or cut off"),
            (damaged, "is damaged"),
            (openssl("rsa -pubout", &pkcs1), "is a public key"),
            (openssl("ec", &ec), "is an EC key"),
            (ec, "is not an RSA key"),
            (small, "has fewer than 2048 bits"),
            (openssl("rsa -traditional -aes128 -passout pass:x", &pkcs1), "is encrypted"),
            (openssl("pkcs8 -topk8 -passout pass:x", &pkcs1), "is encrypted"),
            (pkcs1.replace("RSA PRIVATE", "OPENSSH PRIVATE"), "is a key of OpenSSH"),
            (pkcs1.replace("RSA PRIVATE KEY", "CERTIFICATE"), "holds no RSA private key"),
        ] {
            let error = GitToken::parse(&secret(&key)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`privateKey` {expected}")), "{expected}: {error}");
            assert!(error.contains("\nhint: "), "{error}");
            let line = key.lines().find(|line| line.len() > 40 && !line.contains("---"));
            assert!(line.is_none_or(|line| !error.contains(&line[..20])), "{error}");
        }
    }

    #[test]
    fn ids_are_numbers_or_texts_and_a_client_id_names_an_app() {
        let key = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "");
        let read = |app: serde_json::Value, installation: serde_json::Value, host: &str| {
            let text = serde_json::json!({
                "appId": app, "installationId": installation, "privateKey": key, "host": host,
            });
            GitToken::parse(&text.to_string()).map_err(|error| error.to_string())
        };
        for app in [1.into(), "123456".into(), "Iv1.8a61f9b3a7aba766".into(), "Iv23liQ".into()] {
            let token = read(app, 7_890.into(), "git.example").unwrap();
            assert_eq!(token.host(), Some("git.example"));
        }
        let pasted = format!(r#"{{"appId":1,"installationId":1,"privateKey":"{key}"}}"#);
        let error = GitToken::parse(&pasted).unwrap_err().to_string();
        assert!(error.starts_with("not JSON (line ") && error.contains("`jq -n"), "{error}");
        for (app, installation, host, expected) in [
            ("my-app".into(), 1.into(), "git.example", "`appId` is not a number"),
            ("".into(), 1.into(), "git.example", "`appId` is not a number"),
            (1.into(), "you".into(), "git.example", "`installationId` is not a number"),
            (1.into(), 1.into(), "https://git.example", "`host` is not a host name"),
            (1.5.into(), 1.into(), "git.example", "the JSON has another shape"),
            ((-1).into(), 1.into(), "git.example", "the JSON has another shape"),
        ] {
            let error = read(app, installation, host).unwrap_err();
            assert!(error.starts_with(expected) && error.contains("hint: "), "{error}");
        }
    }
}
