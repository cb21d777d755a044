//! A server over TLS on this machine, which tests let stand in for others. The end-to-end tests of
//! `ralph` use this file too.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

/// A request, read.
#[derive(Clone)]
pub struct Request {
    /// Method, target and version.
    pub line: String,
    fields: Vec<String>,
    pub body: Vec<u8>,
}

impl Request {
    fn read(stream: impl Read) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let line = if head.is_empty() { String::new() } else { head.remove(0) };
        let mut request = Self { line, fields: head, body: Vec::new() };
        request.body = vec![0; request.field("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut request.body)?;
        Ok(request)
    }

    /// The same for another path, when it begins like this.
    pub fn under(&self, from: &str, to: &str) -> Self {
        Self { line: self.line.replacen(&format!(" {from}"), &format!(" {to}"), 1), ..self.clone() }
    }

    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// A header field's value; empty without one.
    pub fn field(&self, name: &str) -> String {
        let found = self.fields.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        found.unwrap_or_default()
    }
}

/// Serves a host's name on a free port of this machine until the test's process ends; the port, and the
/// certificate as PEM.
pub fn serve(
    host: &str,
    answer: impl Fn(&Request, &mut dyn Write) -> std::io::Result<()> + Send + Sync + 'static,
) -> (u16, String) {
    let certified = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                // A client that does not like the certificate hangs up.
                if let Ok(request) = Request::read(&mut stream) {
                    let _ = answer(&request, &mut stream);
                }
                stream.conn.send_close_notify();
                let _ = stream.flush();
            });
        }
    });
    (port, certified.cert.pem())
}

/// A program in a mount namespace of its own, with another `/etc/hosts` and no more rights than without.
pub fn with_hosts(hosts: &Path, program: &str) -> Command {
    let mut unshare = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        unshare.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    let start = "mount --bind \"$0\" /etc/hosts && \
        exec setpriv --ambient-caps=-all --inh-caps=-all \"$@\"";
    unshare.args(["--mount", "sh", "-c", start]).arg(hosts).arg(program);
    unshare
}

/// git-http-backend(1), a CGI program.
pub fn serve_git(stream: &mut impl Write, request: &Request, root: &Path) -> std::io::Result<()> {
    let target = request.target();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "x")
        .env("REQUEST_METHOD", request.method())
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", request.field("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.field("content-encoding"))
        .env("GIT_PROTOCOL", request.field("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().unwrap().write_all(&request.body)?;
    let output = child.wait_with_output()?.stdout;
    let end = memchr::memmem::find(&output, b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&output[..end]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let length = output.len() - end;
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n")?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&output[end..])
}
