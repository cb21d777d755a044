//! A state in S3: what the root says is accepted, and its lock is taken and given back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use ralph_generator::{config, generate};

use crate::support::{OFFLINE, good, init, init_with, terraform, write};

const STATE: &str = r#"
[env.staging]
region = "eu-central-1"
[env.staging.state]
bucket = "acme-states"
"#;

/// A bucket on this machine: objects by key, and the requests that changed any.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Vec<u8>>,
    changes: Vec<String>,
}

/// As much of S3 as a state needs. Ends with the process.
fn serve(bucket: Arc<Mutex<Bucket>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = answer(&stream.unwrap(), &bucket);
        }
    });
    port
}

fn answer(mut stream: &TcpStream, bucket: &Mutex<Bucket>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut only_new) = (String::new(), 0, false);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap_or(0);
        }
        only_new |= line == "if-none-match: *";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path.trim_start_matches("/acme-states").trim_start_matches('/').to_owned();
    let mut bucket = bucket.lock().unwrap();
    let there = bucket.objects.get(&key).cloned();
    let (status, text) = match (method, there) {
        ("GET", _) if query.contains("list-type=2") => {
            (200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".to_vec())
        }
        ("GET" | "HEAD", Some(object)) => (200, object),
        ("GET" | "HEAD", None) => (404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
        ("PUT", Some(_)) if only_new => {
            (412, b"<Error><Code>PreconditionFailed</Code></Error>".to_vec())
        }
        ("PUT", _) => {
            bucket.changes.push(format!("PUT {key}{}", if only_new { " if new" } else { "" }));
            bucket.objects.insert(key, body);
            (200, Vec::new())
        }
        ("DELETE", _) => {
            bucket.changes.push(format!("DELETE {key}"));
            bucket.objects.remove(&key);
            (204, Vec::new())
        }
        _ => (400, Vec::new()),
    };
    let length = text.len();
    write!(stream, "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(if method == "HEAD" { &[] } else { &text })
}

fn command(folder: &Path, port: u16, arguments: &[&str]) -> Command {
    let mut command = terraform(folder);
    command.args(arguments).args(["-input=false", "-no-color"]);
    command.env("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{port}"));
    command.env("AWS_ACCESS_KEY_ID", "offline").env("AWS_SECRET_ACCESS_KEY", "offline");
    command.env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required");
    command
}

fn run(folder: &Path, port: u16, arguments: &[&str]) -> Output {
    command(folder, port, arguments).output().unwrap()
}

#[test]
fn a_state_in_s3_is_locked_by_a_file_beside_it() {
    let settings = config::parse("ralph.toml", STATE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &generate::files(&settings).unwrap());
    let root = folder.path().join("envs/staging");
    init(&root);
    std::fs::write(root.join("offline_override.tf"), OFFLINE).unwrap();
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    let port = serve(Arc::clone(&bucket));

    // An override takes the state elsewhere, as `ralph plan --offline` and `ralph local` do.
    let elsewhere = root.join("local_override.tf");
    std::fs::write(&elsewhere, "terraform {\n  backend \"local\" {}\n}\n").unwrap();
    init_with(&root, || command(&root, port, &["init"]));
    assert!(bucket.lock().unwrap().changes.is_empty());
    std::fs::remove_file(elsewhere).unwrap();

    // What only this machine needs; everything else is the root's own.
    let elsewhere = [
        "-backend-config=use_path_style=true",
        "-backend-config=skip_credentials_validation=true",
        "-backend-config=skip_requesting_account_id=true",
        "-backend-config=skip_metadata_api_check=true",
        "-backend-config=skip_s3_checksum=true",
    ];
    let arguments = [&["init", "-reconfigure"], &elsewhere[..]].concat();
    init_with(&root, || command(&root, port, &arguments));

    let plan = ["plan", "-refresh=false"];
    good(&run(&root, port, &plan));
    let lock = "ralph/staging/terraform.tfstate.tflock";
    assert_eq!(
        bucket.lock().unwrap().changes,
        [format!("PUT {lock} if new"), format!("DELETE {lock}")]
    );

    let held = br#"{"ID":"1","Operation":"OperationTypeApply","Who":"someone else"}"#.to_vec();
    bucket.lock().unwrap().objects.insert(lock.to_owned(), held);
    let refused = run(&root, port, &plan);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("Error acquiring the state lock"), "{said}");
    assert!(said.contains("someone else"), "{said}");
}

#[test]
fn only_a_root_with_a_state_in_s3_says_so_and_needs_the_version_that_knows_the_lock() {
    let file = |toml: &str| {
        let settings = config::parse("ralph.toml", toml).unwrap();
        let files = generate::files(&settings).unwrap();
        files.into_iter().find(|(path, _)| path == "envs/staging/backend.tf").map(|(_, text)| text)
    };
    let text = |toml: &str| file(toml).expect("a state in S3");
    assert!(text(STATE).ends_with(
        r#"
terraform {
  required_version = ">= 1.10.0"

  backend "s3" {
    bucket       = "acme-states"
    key          = "ralph/staging/terraform.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    use_lockfile = true
  }
}
"#
    ));
    let whole = r#"
        [env.staging]
        account_id = "123456789012"
        [env.staging.state]
        bucket = "acme-states"
        key = "ralph.tfstate"
        region = "us-west-2"
        kms_key_arn = "arn:aws:kms:us-west-2:123456789012:key/abc"
    "#;
    for line in [
        "    key                 = \"ralph.tfstate\"\n",
        "    region              = \"us-west-2\"\n",
        "    kms_key_id          = \"arn:aws:kms:us-west-2:123456789012:key/abc\"\n",
        "    allowed_account_ids = [\"123456789012\"]\n",
    ] {
        assert!(text(whole).contains(line), "{}", text(whole));
    }
    assert_eq!(file("[env.staging]\n"), None);
}
