//! The local cloud all tests share: `ralph local`, started once, ended with the test program.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::{cargo, gateway::Gateway, users::User};

/// A running `ralph local`.
pub struct Cloud {
    scratch: PathBuf,
    description: Value,
    /// The link of its server, which gives tokens.
    server: String,
    gateway: Gateway,
    /// Who runs workstreams, who keeps the secrets, who pushes the image, and who deploys.
    users: [User; 4],
    /// Ends the cloud when the pipe to it closes, that is, with this program.
    _watchdog: Child,
}

/// The shared cloud.
pub fn cloud() -> &'static Cloud {
    static CLOUD: OnceLock<Cloud> = OnceLock::new();
    CLOUD.get_or_init(Cloud::start)
}

/// `ralph` with arguments, in the project.
pub fn ralph(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ralph"));
    // Hints name commands as they are run: here, whoever runs the tests, by the recipes.
    command.args(arguments).current_dir(root()).env("RALPH_JUST", "just");
    command
}

/// Starts a `ralph local` with this scratch folder, and waits until it is ready: what it says about itself,
/// the process, and the watchdog that ends it with this program.
pub fn started(local: &mut Command, scratch: &Path) -> (Value, Child, Child) {
    let mut child =
        local.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("ralph starts");
    let watchdog = watchdog(child.id());
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("ready"));
    assert!(ready, "the local cloud did not come up");
    let text = std::fs::read(scratch.join("cloud.json")).expect("cloud.json");
    (serde_json::from_slice(&text).expect("JSON"), child, watchdog)
}

/// Writes the configuration of a `ralph.toml` into a folder, with the generator.
pub fn generate(config: &Path, out: &Path) {
    let mut generator = cargo::command(Path::new(env!("CARGO")));
    generator.args(["run", "--quiet", "--bin", "generator", "--", "--config"]);
    generator.arg(config).arg("--out").arg(out).current_dir(root());
    let output = generator.output().expect("cargo runs");
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli lies in the project")
}

/// A program's standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A program's standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Cloud {
    fn start() -> Self {
        // Not a temporary folder: a static is never dropped, so the next run clears it instead.
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e");
        // The functions' posts go through a gateway of ours, which must know where to pass them on.
        let port = free_port();
        let gateway = Gateway::start(port, 0x5eed_0fa0_175a_11ed);
        let mut child = ralph(&["local", "--no-viewer", "--port", &port.to_string(), "--scratch"])
            // The state machine waits a tenth of the time that a step names.
            .env("SFN_WAIT_SCALE", "0.1")
            .arg(&scratch)
            .args(["--management-base", &gateway.base()])
            // What is measured is what is shipped.
            .args(if cfg!(debug_assertions) { &[][..] } else { &["--release"] })
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ralph starts");
        let stdout = child.stdout.take().expect("a pipe");
        let watchdog = watchdog(child.id());
        let mut server = String::new();
        let ready = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .inspect(|line| eprintln!("local: {line}"))
            .inspect(|line| server.extend(line.strip_prefix("tokens  ")))
            .any(|line| line.starts_with("ready"));
        let status = (!ready).then(|| child.wait());
        assert!(ready, "the local cloud did not come up: {status:?}");
        let text = std::fs::read(scratch.join("cloud.json")).expect("cloud.json");
        let description: Value = serde_json::from_slice(&text).expect("JSON");
        let key = |part: &str| description["key"][part].as_str().expect("a key");
        let endpoint = description["endpoint"].as_str().expect("an endpoint");
        let root = (endpoint, &*format!("{}:{}", key("id"), key("secret")));
        let deploy = ["network", "tasks", "delivery"];
        let users = [&["operate"][..], &["keys"], &["push"], &deploy];
        let users = users.map(|parts| User::new(parts, &scratch, root));
        Self { scratch, description, server, gateway, users, _watchdog: watchdog }
    }

    /// The gateway that the functions post to.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Who holds the policy `operate`.
    pub fn operator(&self) -> &User {
        &self.users[0]
    }

    /// Who holds the policy `keys`.
    pub fn keeper(&self) -> &User {
        &self.users[1]
    }

    /// Who holds the policy `push`.
    pub fn pusher(&self) -> &User {
        &self.users[2]
    }

    /// Who holds the three policies for a deployment.
    pub fn deployer(&self) -> &User {
        &self.users[3]
    }

    /// Its scratch folder.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Its scratch folder as an argument: with it, `ralph` has every permission. What an operator does is
    /// done with [`Cloud::operator`]'s.
    pub fn scratch_text(&self) -> &str {
        self.scratch.to_str().expect("UTF-8")
    }

    /// An output of the root module.
    pub fn output(&self, name: &str) -> &str {
        self.description["outputs"][name].as_str().unwrap_or_else(|| panic!("no output {name}"))
    }

    /// The key of its root, as curl takes a user.
    pub fn user(&self) -> String {
        let part = |name: &str| self.description["key"][name].as_str().expect("a key");
        format!("{}:{}", part("id"), part("secret"))
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &str {
        self.description["endpoint"].as_str().expect("an endpoint")
    }

    /// The page's server and its secret.
    pub fn viewer(&self) -> (&str, &str) {
        self.server.split_once("/#secret=").expect("a secret")
    }

    /// The WebSocket's address without a token.
    pub fn websocket(&self) -> String {
        format!(
            "{}/_aws/execute-api/{}/{}",
            self.endpoint().replacen("http", "ws", 1),
            self.output("websocket_api_id"),
            self.output("websocket_stage")
        )
    }

    /// A token from `ralph token`.
    pub fn token(&self, workstreams: &[&str]) -> String {
        let output = ralph(&["token", "--scratch", self.operator().scratch()])
            .args(workstreams)
            .output()
            .expect("ralph runs");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    }

    /// Every file below the scratch folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.scratch.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_file() => files.push(entry.path()),
                    _ => {}
                }
            }
        }
        files
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Ends the cloud when this program is gone, however it ended: the shell waits for the pipe's end,
/// which the kernel closes with the program.
pub fn watchdog(pid: u32) -> Child {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("cat >/dev/null; kill -TERM {pid} 2>/dev/null")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    shell.spawn().expect("sh starts")
}
