//! Whose credentials `ralph` uses on AWS, in which region, and what it says when there are none.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
};

use crate::{
    cloud::{stderr, stdout},
    fake_aws::{ACCOUNT, Asked, FakeAws, REGION, outputs},
};

/// Keys that only one kind of profile leads to.
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A home folder with a profile `work`.
struct Home(tempfile::TempDir);

impl Home {
    fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().expect("a folder"));
        home.write(".aws/config", config);
        home
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, text).expect("written");
        file
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `ralph ps` away from any checkout, with what else the surroundings hold.
    fn ps(&self, aws: &FakeAws, more: &[&str], surroundings: &[(&str, &str)]) -> Output {
        let mut command = aws.ralph(self.path(), self.path(), &["ps"]);
        command.args(more).envs(surroundings.iter().copied());
        command.output().expect("ralph runs")
    }
}

fn is_good(output: &Output) -> bool {
    output.status.success() && stderr(output) == "nothing runs; -a shows what ran\n"
}

/// Who asked, and where, without the calls by which a profile got its credentials.
fn signed(asked: Vec<Asked>) -> Vec<(String, String)> {
    let own = |asked: &Asked| {
        asked.what.starts_with("Amazon")
            || asked.what.starts_with("AWSStep")
            || asked.what.starts_with("Dynamo")
            || asked.what.ends_with("GetCallerIdentity")
    };
    let of = asked.into_iter().filter(own);
    let mut signed: Vec<_> = of.map(|asked| (asked.region, asked.key)).collect();
    let four = "the parameter, the account, the list and the executions";
    assert_eq!(signed.len(), 4, "{four}: {signed:?}");
    signed.dedup();
    signed
}

const PROCESS: &str = "[profile work]\ncredential_process = HOME/process\n";
const SSO: &str = "[profile work]
sso_session = work
sso_account_id = 123456789012
sso_role_name = Developer
[sso-session work]
sso_region = us-east-1
sso_start_url = https://example.awsapps.com/start
sso_registration_scopes = sso:account:access
";
const LOGIN: &str = "[profile work]\nlogin_session = arn:aws:iam::123456789012:user/ada\n";
const ROLE: &str = "[profile base]
aws_access_key_id = AKIABASE
aws_secret_access_key = base
[profile work]
role_arn = arn:aws:iam::123456789012:role/operator
source_profile = base
";
const KEYS: &str = "[profile work]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n";

/// A home with this profile, and whatever the AWS CLI keeps for it.
fn home(config: &str) -> Home {
    let home = Home::new("");
    let text = config.replace("HOME", &home.path().display().to_string());
    home.write(".aws/config", &text.replace("KEY", KEY).replace("SECRET", SECRET));
    let process = home.write("process", &format!(
        "#!/bin/sh\necho '{{\"Version\":1,\"AccessKeyId\":\"{KEY}\",\"SecretAccessKey\":\"{SECRET}\"}}'\n"
    ));
    std::fs::set_permissions(process, std::fs::Permissions::from_mode(0o755)).expect("set");
    // SHA-1 of the session's name.
    home.write(".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json",
        r#"{"accessToken":"a-token","expiresAt":"2099-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://example.awsapps.com/start"}"#);
    // SHA-256 of the session's ARN. The key is AWS's published example, and is not used before it expires.
    home.write(".aws/login/cache/397b11bbda6668a5a8d17d42c91036373f4a376627089c204bef61ce0ae993c2.json", &format!(
        r#"{{"accessToken":{{"accessKeyId":"{KEY}","secretAccessKey":"{SECRET}","sessionToken":"t","accountId":"{ACCOUNT}","expiresAt":"2099-01-01T00:00:00Z"}},"tokenType":"aws_sigv4","refreshToken":"r","clientId":"arn:aws:signin:::devtools/same-device","dpopKey":"not-used"}}"#
    ));
    home
}

/// An account with dev in it, which gives every kind of profile the same credentials.
fn account() -> FakeAws {
    let aws = FakeAws::with(&outputs(ACCOUNT, REGION));
    aws.answer("GET /federation/credentials", &format!(
        r#"{{"roleCredentials":{{"accessKeyId":"{KEY}","secretAccessKey":"{SECRET}","sessionToken":"t","expiration":4070908800000}}}}"#
    ));
    aws.answer("sts.AssumeRole", &format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ));
    aws
}

#[test]
fn every_kind_of_profile_gives_credentials() {
    for config in [KEYS, PROCESS, SSO, LOGIN, ROLE] {
        let (aws, home) = (account(), home(config));
        let output = home.ps(&aws, &["--region", REGION], &[("AWS_PROFILE", "work")]);
        assert!(is_good(&output), "{config}: {}", stderr(&output));
        assert_eq!(signed(aws.asked()), [(REGION.to_owned(), KEY.to_owned())], "{config}");
    }
}

#[test]
fn the_region_is_the_environments_whatever_the_surroundings_say() {
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let (foreign, none) = ([("AWS_REGION", "eu-west-1")], []);
    let foreign_profile = [("AWS_PROFILE", "work")];
    let config = format!("{KEYS}region = ap-south-1\n");
    for surroundings in [&foreign[..], &none[..], &foreign_profile[..]] {
        let (aws, home) = (account(), home(&config));
        let surroundings = [&keys[..], surroundings].concat();
        // Where to look is all that has to be said; a file needs not even that.
        home.write("outputs.json", &outputs(ACCOUNT, REGION).to_string());
        let output = home.ps(&aws, &["--region", REGION], &surroundings);
        assert!(is_good(&output), "{surroundings:?}: {}", stderr(&output));
        assert_eq!(signed(aws.asked()), [(REGION.to_owned(), KEY.to_owned())], "{surroundings:?}");

        let output = home.ps(&aws, &["--outputs", "outputs.json"], &surroundings);
        assert!(is_good(&output), "{surroundings:?}: {}", stderr(&output));
        assert!(aws.asked().iter().all(|asked| asked.region == REGION), "{surroundings:?}");
    }
}

#[test]
fn the_surroundings_say_where_to_look_when_nothing_else_does() {
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let (aws, home) = (account(), home(&format!("{KEYS}region = {REGION}\n")));
    let output = home.ps(&aws, &[], &[("AWS_PROFILE", "work")]);
    assert!(is_good(&output), "{}", stderr(&output));
    let output = home.ps(&aws, &[], &[keys[0], keys[1], ("AWS_REGION", REGION)]);
    assert!(is_good(&output), "{}", stderr(&output));
    let output = home.ps(&aws, &[], &keys);
    assert_eq!(
        stderr(&output),
        "error: the region in which to look for environment `dev` is not known\nhint: add --region, or set AWS_REGION; it is needed only until the environment is found\n"
    );
}

#[test]
fn what_is_wrong_with_credentials_is_said_in_the_providers_words_with_a_hint() {
    let expired = r#"{"accessToken":"t","expiresAt":"2020-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://example.awsapps.com/start"}"#;
    let cases = [
        ("", "", "there are no AWS credentials\nhint: set AWS_PROFILE, or AWS_ACCESS_KEY_ID"),
        ("[profile work]\ncredential_process = HOME/none\n", "work", "none"),
        (SSO, "work", "expired"),
        ("[profile other]\n", "work", "profile `work` (AWS_PROFILE) gives no AWS credentials"),
    ];
    for (config, profile, said) in cases {
        let (aws, home) = (account(), home(config));
        home.write(".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json", expired);
        let profile = [("AWS_PROFILE", profile)];
        let surroundings = if profile[0].1.is_empty() { &[][..] } else { &profile[..] };
        let output = home.ps(&aws, &["--region", REGION], surroundings);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{config}: {text}");
        assert!(text.contains(said), "{config}: {text}");
        assert!(
            text.starts_with("error: environment `dev` cannot be looked up in region us-east-1: "),
            "{text}"
        );
        assert!(text.contains("\nhint: "), "{config}: {text}");
        assert_eq!((text.lines().count(), stdout(&output).as_str()), (2, ""), "{config}: {text}");
    }
}

#[test]
fn an_instance_that_gives_no_credentials_is_asked_last_and_named() {
    let (aws, home) = (account(), home(""));
    let output = home.ps(
        &aws,
        &["--region", REGION],
        &[
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.endpoint()),
        ],
    );
    let text = stderr(&output);
    assert!(text.contains("there are no AWS credentials: ") && text.contains("IMDS"), "{text}");
    assert!(text.contains("\nhint: set AWS_PROFILE"), "{text}");
}

#[test]
fn a_refusal_of_the_service_says_which_credentials_or_permission_it_lacks() {
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let cases = [
        ("ExpiredTokenException", "the token is expired", "sign in again"),
        ("UnrecognizedClientException", "the security token is invalid", "sign in again"),
        (
            "AccessDeniedException",
            "User: ada is not authorized to perform: ssm:GetParameter",
            "docs/deploy-policy.md",
        ),
    ];
    for (code, message, hint) in cases {
        let (aws, home) = (account(), home(""));
        aws.refuse("AmazonSSM.GetParameter", 400, code, message);
        let output = home.ps(&aws, &["--region", REGION], &keys);
        let text = stderr(&output);
        assert!(text.contains(&format!(": {message} ({code})\nhint: ")), "{text}");
        assert!(text.contains(hint), "{text}");
    }
}

#[test]
fn a_network_that_does_not_answer_is_named_with_a_hint() {
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let home = home("");
    // A port that no other test may be given meanwhile.
    let endpoint = "http://127.0.0.1:9";
    let named = format!("AWS_ENDPOINT_URL names {endpoint}; does anything answer there?");
    for (variable, hint) in
        [("AWS_ENDPOINT_URL", &*named), ("AWS_ENDPOINT_URL_SSM", "check the network")]
    {
        let mut command = account().ralph(home.path(), home.path(), &["ps", "--region", REGION]);
        command.env_remove("AWS_ENDPOINT_URL").envs(keys).env(variable, endpoint);
        let text = stderr(&command.output().expect("runs"));
        assert!(text.contains("onnect") && text.contains(&format!("\nhint: {hint}")), "{text}");
        assert!(!text.contains("dispatch failure"), "{text}");
    }
}
