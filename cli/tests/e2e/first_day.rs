//! `just test-first-day`: every block of commands in docs/first-day.md, in its order, in a copy of the
//! checkout and an empty account of the local cloud, with the real Terraform and the real AWS CLI. A
//! fake `docker` stands in for the registry: what it is given to push, it names to ECR.
//!
//! Before the environment is destroyed, the blocks of docs/from-repository-to-pull-request.md, with a
//! stand-in for GitHub.

use std::{
    collections::BTreeSet,
    fs::{self, File, Permissions},
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    cloud::{root, stderr, stdout, watchdog},
    github, tls,
};

const PAGE: &str = include_str!("../../../docs/first-day.md");
/// What a reader does next, while the environment is there.
const NEXT_PAGE: &str = include_str!("../../../docs/from-repository-to-pull-request.md");
/// What stands in the page for the reader's own repository.
const REPOSITORY: &str = "https://github.com/you/project";

/// A block of the page: what follows its fence, and its text.
fn blocks(page: &'static str) -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Where the reader works.
struct Place {
    folder: PathBuf,
    checkout: PathBuf,
}

impl Place {
    /// A copy of what git knows of the checkout. It has the same path each time, so that what is compiled
    /// in it is compiled once.
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-day");
        let checkout = folder.join("checkout");
        let tools = folder.join("tools");
        let _ = fs::rename(checkout.join(".tools"), &tools);
        let _ = fs::remove_dir_all(&checkout);
        fs::create_dir_all(&checkout).expect("made");
        let _ = fs::rename(&tools, checkout.join(".tools"));
        let copy = "git ls-files --cached --others --exclude-standard -z | xargs -0 cp -p --parents -t \"$1\"";
        shell(copy, root(), &[checkout.to_str().expect("UTF-8")]);
        let place = Self { folder, checkout };
        let repository = place.folder.join("repository");
        let make = "rm -rf \"$1\" && git init -q -b main \"$1\" && cd \"$1\" && echo 'Do the tasks.' >PROMPT.md && git add . \
            && git -c user.name=ada -c user.email=ada@example.com commit -qm begin && git config receive.denyCurrentBranch ignore";
        shell(make, &place.folder, &[repository.to_str().expect("UTF-8")]);
        place
    }

    fn program(&self, name: &str, script: &str) {
        let file = self.folder.join("bin").join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("set");
    }

    fn repository(&self) -> String {
        format!("file://{}", self.folder.join("repository").display())
    }
}

fn shell(script: &str, folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("sh");
    command.args(["-euc", script, "sh"]).args(arguments).current_dir(folder);
    let output = command.output().expect("sh runs");
    assert!(output.status.success(), "{script}: {}", stderr(&output));
    stdout(&output)
}

/// The empty account, until this is dropped or the test program ends.
struct Account {
    local: Child,
    _watchdog: Child,
}

impl Drop for Account {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.local);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.local.wait();
    }
}

fn account(scratch: &Path, github: &Github) -> Account {
    let mut local = tls::with_hosts(&github.root.join(HOSTS), env!("CARGO_BIN_EXE_ralph"))
        .args(["local", "--empty", "--scratch"])
        .arg(scratch)
        .current_dir(root())
        .env("RALPH_JUST", "just")
        .env("SSL_CERT_FILE", github.root.join(CERTIFICATES))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    let out = BufReader::new(local.stdout.take().expect("a pipe"));
    let account = Account { _watchdog: watchdog(local.id()), local };
    let ready = out.lines().map_while(Result::ok).any(|line| line.starts_with("ready"));
    assert!(ready, "the account did not come up");
    account
}

#[test]
#[ignore = "takes minutes: `just test-first-day`"]
fn every_command_of_the_first_day_works() {
    let just =
        std::env::var("RALPH_TEST_JUST").expect("RALPH_TEST_JUST, set by `just test-first-day`");
    let aws = std::env::var("RALPH_TEST_AWS").expect("RALPH_TEST_AWS, the folder of the AWS CLI");
    let place = Place::new();
    let scratch = place.folder.join("cloud");
    let github = Github::start(&place.folder.join("github"));
    let _account = account(&scratch, &github);

    let built = Path::new(env!("CARGO_BIN_EXE_ralph")).parent().expect("a folder");
    // What a checkout compiles with cargo is compiled already.
    place.program(
        "cargo",
        &format!(
            r#"case "$*" in
*"--bin ralph --"*) program=ralph ;;
*"--bin generator --"*) program=generator ;;
*) exec "{}" "$@" ;;
esac
while [ "$1" != -- ]; do shift; done
shift
exec "{}/$program" "$@""#,
            env!("CARGO"),
            built.display()
        ),
    );
    let registry = place.folder.join("registry");
    let _ = fs::remove_file(&registry);
    place.program(
        "docker",
        &format!(
            r#"case $1 in
login) [ -n "$(cat)" ] || exit 1 ;;
push) image=${{2#*/}}
    aws ecr put-image --region us-east-1 --repository-name "${{image%:*}}" --image-tag "${{image#*:}}" --image-manifest '{{"schemaVersion":2}}' ;;
esac
echo "$@" >>"{}""#,
            registry.display()
        ),
    );
    let path = [
        place.folder.join("bin").display().to_string(),
        built.display().to_string(),
        aws,
        Path::new(&just).parent().expect("a folder").display().to_string(),
        std::env::var("PATH").expect("a PATH"),
    ];

    let reader = Reader { place: &place, scratch: &scratch, path: path.join(":") };
    let mut said = String::new();
    for block in blocks(PAGE) {
        if block.1.starts_with("just destroy") {
            pull_request(&reader, &github);
        }
        said += &reader.does(block, &|text| text.replace(REPOSITORY, &place.repository()));
    }

    for expected in [
        "\"arn:aws:iam::000000000000:policy/ralph-dev-network\"",
        "\"arn:aws:iam::000000000000:policy/ralph-dev-operate\"",
        "Apply complete!",
        "a signing key was made",
        "digest sha256:",
        "the execution is over (complete",
        "docs        complete",
        "run.end           complete (exit 0)",
        ".execute-api.us-east-1.amazonaws.com/dev",
        "Destroy complete!",
    ] {
        assert!(said.contains(expected), "`{expected}` was not said:\n{said}");
    }
    let pushed = fs::read_to_string(&registry).expect("docker was called");
    assert!(pushed.contains("push 000000000000.dkr.ecr.us-east-1.amazonaws.com/ralph-worker:"));
    let branch = "git log --format=%s ralph/docs";
    assert!(shell(branch, &place.folder.join("repository"), &[]).lines().count() > 2);
    let state =
        fs::read(place.checkout.join("terraform/envs/dev/terraform.tfstate")).expect("a state");
    let state: serde_json::Value = serde_json::from_slice(&state).expect("JSON");
    assert_eq!(state["resources"], serde_json::json!([]));
}

/// What the page on pull requests says, with a stand-in for GitHub.
fn pull_request(reader: &Reader<'_>, github: &Github) {
    let own = |text: &str| {
        let host = format!("https://{HOST}:{}/", github.port);
        text.replace("https://github.com/", &host).replace("github.com", HOST)
    };
    let mut said = String::new();
    for block in blocks(NEXT_PAGE) {
        let applies = block.1.contains("just apply");
        said += &reader.does(block, &own);
        if applies {
            // In the place of a mailbox.
            reader.run(SUBSCRIBE);
        }
    }
    let link = |number: u64| format!("https://{HOST}:{}/you/project/pull/{number}", github.port);
    for expected in ["(complete", &link(7), &link(8), "readme      complete"] {
        assert!(said.contains(expected), "`{expected}` was not said:\n{said}");
    }

    // Two tasks on one branch, and one on a branch of its own.
    let pulls = github::of(&github.pulls).list.clone();
    let heads = pulls.iter().map(|pull| pull["head"]["ref"].as_str().unwrap());
    assert_eq!(heads.collect::<Vec<_>>(), ["ralph/readme", "ralph/readme.2"]);
    for pull in &pulls {
        let body = pull["body"].as_str().unwrap();
        assert!(pull["draft"] == true && body.contains("the work is complete"), "{body}");
    }
    let log = |range: &str| {
        let executions = format!("git log --format='%(trailers:key=Ralph-Run,valueonly)' {range}");
        let runs = shell(&executions, &github.root.join("remote.git"), &[]);
        let runs = runs.lines().filter_map(|run| run.get(..26).map(str::to_owned));
        runs.collect::<BTreeSet<_>>().len()
    };
    assert_eq!((log("main..ralph/readme"), log("main..ralph/readme.2")), (2, 1), "executions");

    let messages = reader.run(RECEIVE);
    let messages: Vec<String> = serde_json::from_str(&messages).expect("JSON");
    assert_eq!(messages.len(), 3, "{messages:#?}");
    for (expected, times) in [("readme is complete", 3), (&*link(7), 2), (&*link(8), 1)] {
        let with = messages.iter().filter(|message| message.contains(expected)).count();
        assert_eq!(with, times, "messages with `{expected}`: {messages:#?}");
    }
}

/// Puts a queue behind the topic of the executions.
const SUBSCRIBE: &str = r#"
sqs="aws sqs --region us-east-1 --endpoint-url $AWS_ENDPOINT_URL"
topic=$(aws sns list-topics --region us-east-1 --query 'Topics[0].TopicArn' --output text)
queue=arn:aws:sqs:us-east-1:000000000000:mailbox
policy='{"Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}'
$sqs create-queue --queue-name mailbox --attributes "$(python3 -c 'import json, sys; print(json.dumps({"Policy": sys.argv[1]}))' "$policy")"
aws sns subscribe --region us-east-1 --topic-arn "$topic" --protocol sqs --notification-endpoint "$queue"
"#;
/// Every message that has arrived.
const RECEIVE: &str = r#"
sqs="aws sqs --region us-east-1 --endpoint-url $AWS_ENDPOINT_URL"
queue=$($sqs get-queue-url --queue-name mailbox --query QueueUrl --output text)
$sqs receive-message --queue-url "$queue" --max-number-of-messages 10 --query 'Messages[].Body'
"#;

/// A stand-in for GitHub with one repository, `you/project`, behind TLS.
struct Github {
    root: PathBuf,
    port: u16,
    pulls: github::Shared,
}

/// A name as the public internet has them; only the local cloud is told that it is this machine.
const HOST: &str = "git.example";
/// Its folder has the names that the local cloud knows, and whom it trusts.
const HOSTS: &str = "hosts";
const CERTIFICATES: &str = "certificates.pem";

/// The token in the page.
const TOKEN: &str = "github_pat_your-token";

impl Github {
    fn start(root: &Path) -> Self {
        let _ = fs::remove_dir_all(root);
        fs::create_dir_all(root).expect("made");
        let make = "git init -q -b main work && cd work && echo '# A project' >README.md && git add . \
            && git -c user.name=ada -c user.email=ada@example.com commit -qm begin && git clone -q --bare . ../remote.git";
        shell(make, root, &[]);
        let (pulls, folder) = (github::Shared::default(), root.to_path_buf());
        let api = Arc::clone(&pulls);
        let (port, certificate) = tls::serve(HOST, move |request, mut stream| {
            if let Some(path) = request.target().strip_prefix("/api/v3") {
                return github::serve(&api, TOKEN, path, request, &mut stream, &folder);
            }
            let login = STANDARD.encode(format!("x-access-token:{TOKEN}"));
            if request.field("authorization") != format!("Basic {login}") {
                let field = "www-authenticate: Basic realm=\"GitHub\"\r\n";
                return github::say(&mut stream, "401 Unauthorized", field, "");
            }
            tls::serve_git(&mut stream, &request.under("/you/project/", "/remote.git/"), &folder)
        });
        let names = fs::read_to_string("/etc/hosts").unwrap_or_default();
        fs::write(root.join(HOSTS), format!("{names}\n127.0.0.1 {HOST}\n")).expect("written");
        let machine = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
        fs::write(root.join(CERTIFICATES), machine + &certificate).expect("written");
        Self { root: root.to_path_buf(), port, pulls }
    }
}

/// Whoever follows a page.
struct Reader<'a> {
    place: &'a Place,
    scratch: &'a Path,
    path: String,
}

impl Reader<'_> {
    /// Does what a block says, with what is the reader's own in it; what was said.
    fn does(&self, (kind, text): (&str, String), own: &dyn Fn(&str) -> String) -> String {
        let text = own(&text);
        match (kind, kind.split_once(' ')) {
            ("sh", _) => {
                assert!(!text.contains('…'), "{text}");
                eprintln!("$ {}", text.trim_end().replace('\n', "\n  "));
                return self.run(&text);
            }
            ("text", _) => {}
            (_, Some((_, file))) => {
                fs::write(self.place.checkout.join(file), text).expect("written");
            }
            _ => panic!("a block is neither sh, text nor a file: {kind}"),
        }
        String::new()
    }

    /// Runs commands as a person does who answers `yes`; what they said.
    fn run(&self, script: &str) -> String {
        let log = self.place.folder.join("said.log");
        let file = File::create(&log).expect("made");
        let mut child = Command::new("sh")
            .args(["-euc", &format!(". '{}/account.sh'\n{script}", self.scratch.display())])
            .current_dir(&self.place.checkout)
            .env("PATH", &self.path)
            // A copy compiles where everything else is compiled.
            .env("CARGO_TARGET_DIR", root().join("target"))
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("RALPH_BUILDER", "docker")
            // Where the page's `mktemp` goes, too.
            .env("TMPDIR", self.place.folder.join("checkout"))
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("a file"))
            .stderr(file)
            .spawn()
            .expect("sh starts");
        // Whoever asks nothing does not read it.
        let _ = child.stdin.take().expect("a pipe").write_all(b"yes\n");
        let status = child.wait().expect("sh ends");
        let said = fs::read_to_string(&log).expect("text");
        assert!(status.success(), "{status}: {script}\n{said}");
        said
    }
}
