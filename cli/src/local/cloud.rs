//! MiniStack, the local cloud's server.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::PATIENCE;
use crate::tools::{children::Group, program::tail};

/// How long the server may take to answer for the first time.
const START: Duration = Duration::from_secs(60);

/// A running local cloud.
pub struct Cloud {
    group: Group,
    port: u16,
    log: PathBuf,
}

impl Cloud {
    /// Starts the server on `port` (0: a free one) and waits until it answers.
    pub async fn start(bin: &Path, scratch: &Path, port: u16) -> Result<Self> {
        let port = claim(port, "--port")?;
        let log = scratch.join("cloud.log");
        let temporary = scratch.join("tmp");
        std::fs::create_dir_all(&temporary)?;
        let file = File::create(&log)?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(bin.join("ministack"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("LAMBDA_EXECUTOR", "local")
            // Policies are enforced: what a role may not do on AWS, it may not do here.
            .env("AUTH", "true")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            // The functions find the cloud by it.
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("TMPDIR", &temporary)
            .env("S3_DATA_DIR", scratch.join("s3"))
            // Nothing here may reach a container engine by accident.
            .env("DOCKER_HOST", "unix:///nonexistent")
            .current_dir(scratch)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let mut cloud = Self { group: Group::spawn(&mut command)?, port, log };
        cloud.ready().await?;
        Ok(cloud)
    }

    async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if health(self.port) {
                return Ok(());
            }
            tokio::select! {
                status = self.group.wait() => bail!(
                    "the local cloud ended at its start ({})\n{}",
                    status?, tail(&self.log, 15)
                ),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            if Instant::now() > deadline {
                bail!(
                    "the local cloud does not answer on port {} after {} seconds\n{}\nhint: the whole output is in {}",
                    self.port,
                    START.as_secs(),
                    tail(&self.log, 15),
                    self.log.display()
                );
            }
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Resolves when the server ends by itself.
    pub async fn ended(&mut self) -> anyhow::Error {
        let status = self.group.wait().await;
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        anyhow::anyhow!("the local cloud ended ({status})\n{}", tail(&self.log, 15))
    }

    /// Ends the server and its functions.
    pub async fn stop(&mut self) {
        self.group.stop(PATIENCE).await;
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

/// Whether a local cloud answers there.
pub fn is_alive(endpoint: &str) -> bool {
    endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).is_some_and(health)
}

fn health(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(
            b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )?;
        let mut start = [0u8; 12];
        stream.read_exact(&mut start)?;
        Ok(start.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
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
