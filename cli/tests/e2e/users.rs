//! The users of the shared cloud who operate it, keep its secrets, push its image and deploy it: each holds
//! exactly the published policies for that.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    cloud::{cloud, ralph, root, stderr},
    requests,
    steps::call,
};

/// A user of the local cloud.
pub struct User {
    /// Id and secret, as curl takes a user.
    pub key: String,
    /// The cloud's scratch folder, with this user's key in the operator's place.
    scratch: PathBuf,
}

/// The parts of statements that the local cloud cannot judge, and why: they are widened here.
const UNJUDGED: [(&str, &str, &str); 5] = [
    ("ListTasks", "Condition", "it knows no ecs:cluster"),
    ("DescribeAndStopTasks", "Resource", "it asks ECS's actions without a resource"),
    ("DescribeTasks", "Resource", "it asks ECS's actions without a resource"),
    ("CreateServiceLinkedRole", "Condition", "it knows no iam:AWSServiceName"),
    ("CreateServiceLinkedRole", "Resource", "it asks for this role without its name"),
];

/// A policy of dev as it is published, less what the local cloud cannot judge.
fn policy(part: &str) -> Value {
    let file = root().join(format!("docs/policies/dev-{part}.json"));
    let text = std::fs::read_to_string(file).expect("a policy");
    let mut policy: Value = serde_json::from_str(&text).expect("JSON");
    for statement in policy["Statement"].as_array_mut().expect("statements") {
        let sid = statement["Sid"].as_str().expect("a sid").to_owned();
        for (_, part, _) in UNJUDGED.iter().filter(|(unjudged, ..)| *unjudged == sid) {
            match *part {
                "Resource" => statement["Resource"] = json!("*"),
                part => drop(statement.as_object_mut().expect("a statement").remove(part)),
            }
        }
    }
    policy
}

impl User {
    /// Makes a user with the policies of those names. `scratch`, `endpoint` and `operator` are the cloud's.
    pub fn new(parts: &[&str], scratch: &Path, (endpoint, operator): (&str, &str)) -> Self {
        let user = parts[0];
        let iam = |fields: &[(&str, &str)]| {
            let mut curl = Command::new("curl");
            curl.args(["-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:iam"]);
            curl.args(["--user", operator, "--data-urlencode", "Version=2010-05-08"]);
            for (name, value) in [&[("UserName", user)], fields].concat() {
                curl.args(["--data-urlencode", &format!("{name}={value}")]);
            }
            let output = curl.arg(endpoint).output().expect("curl runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{fields:?}: {text}");
            text
        };
        iam(&[("Action", "CreateUser")]);
        for part in parts {
            let document = policy(part).to_string();
            let named = [("PolicyName", *part), ("PolicyDocument", &document)];
            iam(&[&[("Action", "PutUserPolicy")], &named[..]].concat());
        }
        let made = iam(&[("Action", "CreateAccessKey")]);
        let field = |name: &str| {
            let (_, rest) = made.split_once(&format!("<{name}>")).expect("a key");
            rest.split_once('<').expect("an end").0.to_owned()
        };
        let (id, secret) = (field("AccessKeyId"), field("SecretAccessKey"));
        let own = scratch.with_file_name(format!("e2e-{user}"));
        let _ = std::fs::remove_dir_all(&own);
        std::fs::create_dir_all(&own).expect("made");
        // The first task and the first run make them otherwise, and then for this user alone.
        for name in ["tasks", "shown"] {
            std::fs::create_dir_all(scratch.join(name)).expect("made");
        }
        for entry in std::fs::read_dir(scratch).expect("a folder").flatten() {
            if entry.file_name() != "cloud.json" {
                let link = own.join(entry.file_name());
                std::os::unix::fs::symlink(entry.path(), link).expect("a link");
            }
        }
        let text = std::fs::read(scratch.join("cloud.json")).expect("cloud.json");
        let mut description: Value = serde_json::from_slice(&text).expect("JSON");
        description["key"] = json!({"id": id, "secret": secret});
        std::fs::write(own.join("cloud.json"), description.to_string()).expect("written");
        Self { key: format!("{id}:{secret}"), scratch: own }
    }

    /// The scratch folder with which `ralph` acts as this user.
    pub fn scratch(&self) -> &str {
        self.scratch.to_str().expect("UTF-8")
    }
}

#[test]
fn each_user_is_refused_what_the_others_may_do() {
    let set = r#"{"keys":[{"id":"a","value":"refused"}]}"#;
    let cases: [(&User, &[&str], &str); 8] = [
        (cloud().operator(), &["keys", "set", "anthropic-keys"], "the secret cannot be set"),
        (cloud().operator(), &["keys", "list"], "the secret cannot be read"),
        (cloud().operator(), &["keys", "rotate-signing", "--force"], "the secret cannot be set"),
        (cloud().keeper(), &["run", "refused", "https://example.com/x"], "cannot be listed"),
        (cloud().keeper(), &["ps"], "cannot be listed"),
        (cloud().keeper(), &["stop", "refused"], "executions cannot be listed"),
        (cloud().pusher(), &["run", "refused", "https://example.com/x"], "cannot be described"),
        (cloud().pusher(), &["token", "refused"], "the secret cannot be read"),
    ];
    for (user, words, said) in cases {
        let mut child = ralph(words)
            .args(["--scratch", user.scratch()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ralph starts");
        child.stdin.take().expect("a pipe").write_all(set.as_bytes()).unwrap_or_default();
        let output = child.wait_with_output().expect("ralph ends");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains(said) && text.contains("not authorized"), "{words:?}: {text}");
    }
}

#[test]
fn who_pushes_may_do_what_a_push_takes_and_delete_nothing() {
    let repository = cloud().output("ecr_repository_url").rsplit('/').next().expect("a name");
    let named = |more: Value| {
        let mut body = json!({"repositoryName": repository});
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("fields"));
        body
    };
    let ecr = |user: &User, action: &str, body: &Value| {
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{action}");
        call((cloud().endpoint(), &user.key), ("ecr", &target), body)
    };
    let digest = format!("sha256:{}", "0".repeat(64));
    let layer = json!({"layerDigests": [digest]});
    let manifest = json!({"schemaVersion": 2, "config": {}, "layers": []}).to_string();
    let image = json!({"imageManifest": manifest, "imageTag": "policies"});
    let tag = json!({"imageIds": [{"imageTag": "policies"}]});
    let refused = |answer: &Value| answer.to_string().contains("not authorized");
    // What docker/push.sh asks by the AWS CLI, then what an engine's push is made of.
    for (action, body) in [
        ("DescribeImages", named(tag.clone())),
        ("GetAuthorizationToken", json!({})),
        ("BatchCheckLayerAvailability", named(layer.clone())),
        ("InitiateLayerUpload", named(json!({}))),
        ("UploadLayerPart", named(json!({"uploadId": "none", "layerPartBlob": ""}))),
        ("CompleteLayerUpload", named(json!({"uploadId": "none", "layerDigests": [digest]}))),
        ("PutImage", named(image.clone())),
        ("BatchGetImage", named(tag.clone())),
    ] {
        let answer = ecr(cloud().pusher(), action, &body);
        assert!(!refused(&answer), "{action}: {answer}");
    }
    let found = ecr(cloud().pusher(), "DescribeImages", &named(tag.clone()));
    assert_eq!(found["imageDetails"][0]["imageTags"], json!(["policies"]), "{found}");
    for (user, action, body) in [
        (cloud().pusher(), "BatchDeleteImage", named(tag)),
        (cloud().pusher(), "DeleteRepository", named(json!({"force": true}))),
        (cloud().operator(), "PutImage", named(image)),
        (cloud().keeper(), "GetAuthorizationToken", json!({})),
    ] {
        let answer = ecr(user, action, &body);
        assert!(refused(&answer), "{action}: {answer}");
    }
}

#[test]
fn an_operator_reads_no_value_but_the_signing_keys() {
    for (secret, may) in
        [("anthropic-keys", false), ("git-token", false), ("websocket-signing-keys", true)]
    {
        let body = json!({"SecretId": format!("ralph/dev/{secret}")});
        let url = (cloud().endpoint(), cloud().operator().key.as_str());
        let answer = requests::send(
            "secretsmanager",
            url,
            &[
                "x-amz-target: secretsmanager.GetSecretValue",
                "content-type: application/x-amz-json-1.1",
            ],
            Some(&body),
        );
        assert_eq!(answer["SecretString"].is_string(), may, "{secret}: {}", answer["message"]);
    }
}
