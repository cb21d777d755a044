//! Who reaches the local cloud by TCP: each rule of cli/tools/local_cloud/guard.py, one at a time.
//! viewer/test/browser/real-foreign-page.test.ts tries the same from pages in a browser.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::{
    cloud::{cloud, stderr, stdout},
    requests::aws_get,
    socket::{handshake, handshake_with},
};

const HOST: &str = "the Host is not this machine's";
const BROWSER: &str = "browsers are not served";
const CONTROL: &str = "control paths are reached by the Unix socket alone";
const UNSIGNED: &str = "the request is not signed";
const UNKNOWN: &str = "the access key is not one of this start";

/// Status and body of a request that curl makes.
fn curl(arguments: &[&str], path: &str) -> (u16, String) {
    let output = Command::new("curl")
        .args(["-sS", "--path-as-is", "-w", "\n%{http_code}"])
        .args(arguments)
        .arg(format!("{}{path}", cloud().endpoint()))
        .output()
        .expect("curl runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let (body, status) = text.rsplit_once('\n').expect("a status");
    (status.parse().expect("a number"), body.to_owned())
}

/// The same, signed for STS with this access key.
fn signed(user: &str, arguments: &[&str], path: &str) -> (u16, String) {
    let sign = ["--aws-sigv4", "aws:amz:us-east-1:sts", "--user", user];
    curl(&[&sign, arguments].concat(), path)
}

/// Asks STS who is asking: every key may.
const WHO: [&str; 2] = ["-d", "Action=GetCallerIdentity&Version=2011-06-15"];

/// Status and answer of a request as it is written here.
fn raw(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = Vec::new();
    // A refusal may close the connection before it has read the body.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer to {request}: {answer}")), answer)
}

fn address() -> &'static str {
    cloud().endpoint().strip_prefix("http://").expect("an address")
}

#[test]
fn requests_signed_by_the_operator_are_refused_for_where_they_come_from() {
    let user = cloud().user();
    let (status, body) = signed(&user, &WHO, "/");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(":root</Arn>"), "{body}");

    let own = cloud().endpoint();
    let foreign_host = format!("Host: evil.example:{}", own.rsplit(':').next().expect("a port"));
    let own_origin = format!("Origin: {own}");
    for (header, reason) in [
        (foreign_host.as_str(), HOST),
        ("Host: evil.example", HOST),
        ("Host: localhost.evil.example", HOST),
        ("Host: 127.0.0.1.evil.example", HOST),
        ("Host: 0.0.0.0", HOST),
        // curl's way to send it empty.
        ("Host;", HOST),
        ("Origin: http://evil.example", BROWSER),
        ("Origin: null", BROWSER),
        (&own_origin, BROWSER),
        ("Sec-Fetch-Site: cross-site", BROWSER),
        ("Sec-Fetch-Site: same-site", BROWSER),
        ("Sec-Fetch-Site: same-origin", BROWSER),
        ("Sec-Fetch-Site: none", BROWSER),
    ] {
        let (status, body) = signed(&user, &[&WHO[..], &["-H", header]].concat(), "/");
        assert_eq!(status, 403, "{header}: {body}");
        assert!(body.contains(reason), "{header}: {body}");
    }
}

#[test]
fn control_paths_are_refused_to_the_operator_too() {
    let user = cloud().user();
    for path in [
        "/_ministack/health",
        "/_ministack/config",
        "/%5fministack/health",
        "/_%6Dinistack/health",
        "/_localstack/health",
        "/health",
    ] {
        let (status, body) = signed(&user, &["-X", "POST"], path);
        assert_eq!(status, 403, "{path}: {body}");
        assert!(body.contains(CONTROL), "{path}: {body}");
    }
    // MiniStack takes none of these for a control path.
    for path in ["//_ministack/health", "/./_ministack/health", "/x/../_ministack/health"] {
        let (_, body) = signed(&user, &[], path);
        assert!(!body.contains("ready_scripts"), "{path}: {body}");
    }
}

#[test]
fn requests_without_a_key_of_this_start_are_refused() {
    let v4 = |key: &str| {
        let scope = format!("{key}/20300101/us-east-1/sts/aws4_request");
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00")
    };
    let header = |value: &str| format!("Authorization: {value}");
    for (authorization, path, reason) in [
        (String::new(), "/", UNSIGNED),
        (header("Bearer x"), "/", UNSIGNED),
        (header(&v4("test")), "/", UNKNOWN),
        (header(&v4("000000000000")), "/", UNKNOWN),
        (header("AWS test:00"), "/", UNKNOWN),
        (String::new(), "/?AWSAccessKeyId=test&Signature=00", UNKNOWN),
        (String::new(), "/?X-Amz-Credential=test/20300101/us-east-1/sts/aws4_request", UNKNOWN),
    ] {
        let (status, body) = curl(&[&WHO[..], &["-H", &authorization]].concat(), path);
        assert_eq!(status, 403, "{authorization} {path}: {body}");
        assert!(body.contains(reason), "{authorization} {path}: {body}");
    }
    for user in ["test:test", "000000000000:test"] {
        let (status, body) = signed(user, &WHO, "/");
        assert!(status == 403 && body.contains(UNKNOWN), "{user}: {status} {body}");
    }
    // A preflight asks without a key; MiniStack would let every page in.
    let (status, body) = curl(&["-X", "OPTIONS"], "/");
    assert!(status == 403 && body.contains(UNSIGNED), "{status} {body}");
}

#[test]
fn a_host_that_is_missing_or_ambiguous_is_refused() {
    let port = address().rsplit(':').next().expect("a port");
    for request in [
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
        format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        ),
        format!(
            "GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        ),
    ] {
        let (status, answer) = raw(address(), &request);
        assert!(status == 400 || status == 403 && answer.contains(HOST), "{request}: {answer}");
    }
    // Neither does a whole URL in the request lead to a control path.
    let (_, answer) = raw(
        address(),
        &format!(
            "GET http://127.0.0.1:{port}/_ministack/health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        ),
    );
    assert!(!answer.contains("ready_scripts"), "{answer}");
}

/// The environment of the authorizer's process.
fn authorizer() -> BTreeMap<String, String> {
    // It runs since somebody connected.
    let token = cloud().token(&["guarded"]);
    assert_eq!(handshake(cloud(), &format!("?token={token}")).0, 101);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let mut environments = processes
            .filter_map(|process| std::fs::read(process.path().join("environ")).ok())
            .map(|text| {
                String::from_utf8_lossy(&text)
                    .split('\0')
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect::<BTreeMap<_, _>>()
            });
        let value = |environment: &BTreeMap<String, String>, name: &str, is: &str| {
            environment.get(name).is_some_and(|value| value == is)
        };
        let found = environments.find(|own| {
            value(own, "AWS_LAMBDA_FUNCTION_NAME", "ralph-dev-authorize")
                && value(own, "AWS_ENDPOINT_URL", cloud().endpoint())
        });
        if let Some(found) = found {
            return found;
        }
        assert!(Instant::now() < deadline, "the authorizer does not run");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_functions_key_is_random_and_works() {
    let environment = authorizer();
    let [key, secret, token] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
        .map(|name| environment[name].as_str());
    let with = |key: &str, secret: &str, token: &str| {
        let token = format!("x-amz-security-token: {token}");
        signed(&format!("{key}:{secret}"), &[&WHO[..], &["-H", &token]].concat(), "/")
    };
    let (status, body) = with(key, secret, token);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(":assumed-role/ralph-dev-authorize"), "{body}");

    // What MiniStack itself makes of the ARNs, which everybody can compute.
    let function = aws_get("lambda", "/2015-03-31/functions/ralph-dev-authorize/configuration");
    let arn = |name: &str| function[name].as_str().unwrap_or_else(|| panic!("{function}"));
    let hex = |text: &str| -> String {
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let digest = hex(&format!("{}:{}", arn("FunctionArn"), arn("Role")));
    let guessed = format!("ASIA{}", digest[..16].to_uppercase());
    assert_ne!(key, guessed);
    let (status, body) =
        with(&guessed, &hex(&format!("secret:{digest}")), &hex(&format!("token:{digest}")));
    assert!(status == 403 && body.contains(UNKNOWN), "{status} {body}");
}

#[test]
fn the_runtime_api_of_a_function_serves_no_browser_and_no_other_host() {
    let address = authorizer().remove("AWS_LAMBDA_RUNTIME_API").expect("an address");
    let own = format!("Host: {address}\r\n");
    let invocation = "/2018-06-01/runtime/invocation";
    for (headers, reason) in [
        (String::new(), HOST),
        ("Host: evil.example\r\n".to_owned(), HOST),
        (format!("{own}Host: evil.example\r\n"), HOST),
        (format!("{own}Origin: http://{address}\r\n"), BROWSER),
        (format!("{own}Origin: null\r\n"), BROWSER),
        (format!("{own}Sec-Fetch-Site: cross-site\r\n"), BROWSER),
        (format!("{own}Sec-Fetch-Site: same-site\r\n"), BROWSER),
        (format!("{own}Sec-Fetch-Site: none\r\n"), BROWSER),
    ] {
        for line in [
            format!("GET {invocation}/next"),
            format!("GET {invocation}/x/response"),
            format!("POST {invocation}/x/response"),
            "POST /2018-06-01/runtime/init/error".to_owned(),
        ] {
            let (status, answer) = raw(&address, &format!("{line} HTTP/1.1\r\n{headers}\r\n"));
            assert_eq!(status, 403, "{line} {headers}: {answer}");
            assert!(answer.contains(reason), "{line} {headers}: {answer}");
        }
    }
    // A function's own request gets in, and nothing was taken away from it.
    let request = format!("GET /x HTTP/1.1\r\n{own}Connection: close\r\n\r\n");
    assert_eq!(raw(&address, &request).0, 404);
    let token = cloud().token(&["guarded"]);
    assert_eq!(handshake(cloud(), &format!("?token={token}")).0, 101);
}

#[test]
fn pages_of_this_machine_alone_open_a_websocket() {
    for (header, value, status) in [
        ("origin", "http://127.0.0.1:1", 101),
        ("origin", "http://localhost:8080", 101),
        ("sec-fetch-site", "same-site", 101),
        ("origin", "http://evil.example", 403),
        ("origin", "http://127.0.0.1.evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("host", "evil.example", 403),
    ] {
        let query = format!("?token={}", cloud().token(&["guarded"]));
        let url = format!("{}{query}", cloud().websocket());
        assert_eq!(handshake_with(&url, &[(header, value)]).0, status, "{header}: {value}");
    }
    // MiniStack has other sockets, which ask for no token of ours.
    let root = cloud().endpoint().replacen("http", "ws", 1);
    assert_eq!(handshake_with(&root, &[]).0, 403);
}
