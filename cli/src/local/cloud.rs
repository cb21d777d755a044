//! MiniStack, the local cloud's server, behind a guard (cli/tools/local_cloud).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;

use super::PATIENCE;
use crate::{
    target::AccessKey,
    tools::{
        children::Group,
        program::tail,
        supervise::{Handover, supervised},
    },
};

/// How long the server may take to answer for the first time.
const START: Duration = Duration::from_secs(60);
/// How often it is looked whether it still listens.
const LOOK: Duration = Duration::from_millis(500);
/// The socket that control paths are asked by, in the scratch folder.
const SOCKET: &str = "cloud.sock";
/// Bytes of a Unix socket's path, with the zero at its end, on Linux; macOS has 104.
/// <https://man7.org/linux/man-pages/man7/unix.7.html>
const SOCKET_PATH: usize = 104;

/// What a server is started with.
#[derive(Clone)]
pub struct Start {
    /// The virtual environment's.
    pub python: PathBuf,
    /// `cli/tools/local_cloud`.
    pub starter: PathBuf,
    pub scratch: PathBuf,
    /// 0: a free one.
    pub port: u16,
    pub region: String,
    /// Not MiniStack's own, if the HCL insists on one.
    pub account: Option<String>,
    /// The operator's.
    pub key: AccessKey,
    /// A network that is there already.
    pub network: Option<serde_json::Value>,
    /// Where the state is restored from, and the functions' code.
    pub restore: Option<(PathBuf, PathBuf)>,
    /// Where [`Cloud::save`] writes the state; the folder must not be there.
    pub save: Option<PathBuf>,
}

/// A running local cloud.
pub struct Cloud {
    start: Start,
    group: Group,
}

impl Cloud {
    /// Starts the server and waits until it answers.
    pub async fn start(mut start: Start) -> Result<Self> {
        if start.socket().as_os_str().len() >= SOCKET_PATH {
            bail!(
                "{} is too long a path for a socket\nhint: name a folder with a shorter path with --scratch",
                start.scratch.display()
            );
        }
        start.port = claim(start.port, "--port")?;
        let group = start.spawn().await?;
        let mut cloud = Self { start, group };
        cloud.ready().await?;
        Ok(cloud)
    }

    /// Ends the server and starts it afresh, at the same port.
    pub async fn again(mut self) -> Result<Self> {
        self.stop().await;
        Self::start(self.start).await
    }

    async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if health(&self.start.socket()) {
                return Ok(());
            }
            tokio::select! {
                status = self.group.wait() => bail!(
                    "the local cloud ended at its start ({})\n{}",
                    status?, tail(&self.start.log(), 15)
                ),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            if Instant::now() > deadline {
                bail!(
                    "the local cloud does not answer after {} seconds\n{}\nhint: the whole output is in {}",
                    START.as_secs(),
                    tail(&self.start.log(), 15),
                    self.start.log().display()
                );
            }
        }
    }

    /// Writes the state to the folder that the server was started with.
    pub fn save(&self) -> Result<()> {
        let answer = control(&self.start.socket(), "POST /_ralph/save")?;
        if !answer.contains(" 200") {
            bail!("the local cloud cannot save its state\n{}", tail(&self.start.log(), 15));
        }
        Ok(())
    }

    /// The operator's key.
    pub fn key(&self) -> &AccessKey {
        &self.start.key
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.start.port)
    }

    /// Resolves when the server ends by itself.
    pub async fn ended(&mut self) -> anyhow::Error {
        let endpoint = self.endpoint();
        let status = tokio::select! {
            status = self.group.wait() => status.ok(),
            // Somebody asked it to end: it serves nobody any more, and takes seconds for that.
            () = refuses(&endpoint) => self.group.stop(Duration::from_secs(1)).await,
        };
        let status = status.map_or_else(|| "unknown".to_owned(), |status| status.to_string());
        anyhow::anyhow!("the local cloud ended ({status})\n{}", tail(&self.start.log(), 15))
    }

    /// Ends the server and its functions.
    pub async fn stop(&mut self) {
        self.group.stop(PATIENCE).await;
    }
}

impl Start {
    fn socket(&self) -> PathBuf {
        self.scratch.join(SOCKET)
    }

    fn log(&self) -> PathBuf {
        self.scratch.join("cloud.log")
    }

    async fn spawn(&self) -> Result<Group> {
        let temporary = self.scratch.join("tmp");
        std::fs::create_dir_all(&temporary)?;
        let log = File::create(self.log())?;
        let mut command = supervised(&self.python)?;
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("AWS_") || text.starts_with("PYTHON") {
                command.env_remove(name);
            }
        }
        let port = self.port.to_string();
        command.arg(&self.starter).args(["--port", &port, "--socket", SOCKET]).args(
            self.network.iter().flat_map(|network| ["--network".into(), network.to_string()]),
        );
        if let Some((state, code)) = &self.restore {
            command.arg("--restore").arg(state).arg("--code").arg(code);
        }
        if let Some(folder) = &self.save {
            command.arg("--save").arg(folder);
        }
        command
            .envs(self.account.iter().map(|account| ("MINISTACK_ACCOUNT_ID", account)))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("GATEWAY_PORT", &port)
            .env("LAMBDA_EXECUTOR", "local")
            // Policies are enforced: what a role may not do on AWS, it may not do here.
            .env("AUTH", "true")
            .env("AWS_DEFAULT_REGION", &self.region)
            // The functions find the cloud by it.
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("TMPDIR", &temporary)
            .env("S3_DATA_DIR", self.scratch.join("s3"))
            // Nothing here may reach a container engine by accident, or listen elsewhere.
            .env("DOCKER_HOST", "unix:///nonexistent")
            .env("SFTP_ENABLED", "0")
            .env("IOT_MTLS_ENABLED", "0")
            .current_dir(&self.scratch)
            .stdout(log.try_clone()?)
            .stderr(log);
        let secrets = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID".to_owned(), self.key.id.clone()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), self.key.secret.clone()),
        ]);
        Group::spawn(&mut command, &Handover { secrets, at_once: true, ..Handover::default() })
            .await
    }
}

/// Resolves when nobody listens any more where the local cloud did.
pub async fn refuses(endpoint: &str) {
    let address = endpoint.trim_start_matches("http://");
    let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    while !TcpStream::connect(address).await.is_err_and(refused) {
        tokio::time::sleep(LOOK).await;
    }
}

/// A port that is free now: the wanted one, or any. `option` is how another is named.
pub fn claim(port: u16, option: &str) -> Result<u16> {
    let listener = match TcpListener::bind(("127.0.0.1", port)) {
        Ok(listener) => listener,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "port {port} is taken\nhint: name another with {option}, or leave it out for a free one"
        ),
        Err(error) => {
            return Err(error).context(format!(
                "cannot listen on port {port}\nhint: name another with {option}, or leave it out for a free one"
            ));
        }
    };
    Ok(listener.local_addr()?.port())
}

/// Whether the server answers that listens at a socket.
fn health(socket: &Path) -> bool {
    control(socket, "GET /_ministack/health").is_ok_and(|answer| answer.contains(" 200"))
}

/// Asks a control path; the first line of the answer.
fn control(socket: &Path, request: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let request = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = format!("{:#}", claim(port, "--port").unwrap_err());
        assert!(error.starts_with(&format!("port {port} is taken\nhint: ")), "{error}");
        assert_ne!(claim(0, "--port").unwrap(), 0);
    }
}
