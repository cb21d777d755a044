//! Plays the steps.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    scenario::{Scenario, Step},
    stream::Stream,
};

/// Plays the call this is. Returns the exit code.
///
/// # Errors
/// A text for a person.
pub fn play(path: &Path) -> Result<u8, String> {
    let text =
        fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let scenario: Scenario =
        serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let call = call_number(scenario.state.as_deref())?;
    let mut prompt = String::new();
    io::stdin().read_to_string(&mut prompt).map_err(|e| format!("cannot read the prompt: {e}"))?;
    let steps = scenario
        .calls
        .get(call.saturating_sub(1))
        .or(scenario.calls.last())
        .ok_or("the scenario has no calls")?;
    let mut stream = Stream::begin(scenario.plain, &format!("scripted-{call}")).map_err(gone)?;
    let mut said = false;
    for step in steps {
        said |= matches!(step, Step::Result(_));
        if let Some(code) = take(step, &mut stream, &prompt)? {
            return Ok(code);
        }
    }
    if !said {
        stream.result(&json!({})).map_err(gone)?;
    }
    Ok(0)
}

fn gone(error: io::Error) -> String {
    format!("stdout is gone: {error}")
}

/// From 1.
fn call_number(state: Option<&Path>) -> Result<usize, String> {
    if let Some(path) = state {
        let before: usize =
            fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        fs::write(path, (before + 1).to_string())
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        return Ok(before + 1);
    }
    // Iterations whose work is here. Their numbers may leave out one whose work was lost.
    let format = "--format=%(trailers:key=Ralph-Iteration,valueonly,separator=)";
    let log = output("git", &["log", "--grep=^ralph: checkpoint after [1-9]", format])?;
    let done: BTreeSet<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    Ok(done.len() + 1)
}

fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let done = Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&done.stderr));
    if done.status.success() { Ok(text) } else { Err(text) }
}

/// Plays one step; `Some` ends the call.
fn take(step: &Step, stream: &mut Stream, prompt: &str) -> Result<Option<u8>, String> {
    match step {
        Step::Text(text) => stream.text(&text.replace("{prompt}", prompt)).map_err(gone)?,
        Step::Thinking(text) => stream.thinking(text).map_err(gone)?,
        Step::Lines { count, template, delay_ms } => {
            for n in 1..=*count {
                stream.text(&template.replace("{n}", &n.to_string())).map_err(gone)?;
                sleep(Duration::from_millis(*delay_ms));
            }
        }
        Step::Long { bytes, pattern } => {
            stream.text(&pattern.repeat(bytes.div_ceil(pattern.len().max(1)))).map_err(gone)?;
        }
        Step::Tool { name, input, result, is_error } => {
            stream.tool(name, input, result, *is_error).map_err(gone)?;
        }
        Step::Write { path, text, repeat, append, executable } => {
            write(path, &text.repeat(*repeat), *append, *executable)?;
            let input = json!({"file_path": path});
            stream.tool("Write", &input, "written", false).map_err(gone)?;
        }
        Step::Commit(message) => {
            output("git", &["add", "-A"])?;
            output("git", &["commit", "-q", "-m", message])?;
            let input = json!({"command": format!("git commit -m '{message}'")});
            stream.tool("Bash", &input, "committed", false).map_err(gone)?;
        }
        Step::Run(words) => {
            let (program, args) = words.split_first().ok_or("`run` needs a program")?;
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let done = output(program, &args);
            let (text, failed) = match &done {
                Ok(text) => (text, false),
                Err(text) => (text, true),
            };
            stream
                .tool("Bash", &json!({"command": words.join(" ")}), text, failed)
                .map_err(gone)?;
        }
        Step::SleepMs(ms) => sleep(Duration::from_millis(*ms)),
        Step::IgnoreTerm => ignore_term()?,
        Step::Grandchild { ms, detached } => grandchild(*ms, *detached)?,
        Step::Line(text) => stream.line(text).map_err(gone)?,
        Step::Json(value) => stream.json(value).map_err(gone)?,
        Step::Stderr(text) => eprintln!("{text}"),
        Step::Ask { headers, path, body, key } => {
            let answer = ask(headers.iter(), path, body, key.as_deref());
            let failed = answer.is_err();
            let text = answer.unwrap_or_else(|error| error);
            stream.tool("Ask", &json!({"path": path}), &text, failed).map_err(gone)?;
        }
        Step::Result(given) => stream.result(given).map_err(gone)?,
        Step::Exit(code) => return Ok(Some(*code)),
        Step::Hang => loop {
            sleep(Duration::from_secs(3600));
        },
    }
    Ok(None)
}

fn write(path: &Path, text: &str, append: bool, executable: bool) -> Result<(), String> {
    let failed = |e: io::Error| format!("cannot write {}: {e}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    options.create(true).write(true).append(append).truncate(!append);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    if executable {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    Ok(())
}

/// Installs a handler that does nothing; it replaces the default for good.
fn ignore_term() -> Result<(), String> {
    let failed = |e: io::Error| format!("cannot ignore SIGTERM: {e}");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let guard = runtime.enter();
    let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(failed)?;
    drop(guard);
    Ok(())
}

fn grandchild(ms: u64, detached: bool) -> Result<(), String> {
    let own: PathBuf = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(own);
    command.args(["--linger-ms", &ms.to_string()]);
    if detached {
        command.arg("--detached");
    }
    // Inherits stdout: it also holds the worker's pipe open.
    let child = command.spawn().map_err(|e| format!("cannot start a grandchild: {e}"))?;
    let pid = rustix::process::Pid::from_child(&child);
    // One that is detached has left this process's group before the next step. Its group is asked
    // for and not its session: in a PID namespace whose session was begun outside, that has no id.
    while detached && rustix::process::getpgid(Some(pid)).is_ok_and(|group| group != pid) {
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Stays for a while.
///
/// # Errors
/// A text for a person.
pub fn linger(ms: u64, detached: bool) -> Result<u8, String> {
    if detached {
        ignore_term()?;
        rustix::process::setsid().map_err(|e| format!("setsid: {e}"))?;
    }
    sleep(Duration::from_millis(ms));
    Ok(0)
}

/// One request over plain HTTP/1.1 to the endpoint in `ANTHROPIC_BASE_URL`. Returns status line
/// and body.
fn ask<'a>(
    headers: impl Iterator<Item = (&'a String, &'a String)>,
    path: &str,
    body: &Value,
    key: Option<&str>,
) -> Result<String, String> {
    let base = std::env::var("ANTHROPIC_BASE_URL").map_err(|_| "no ANTHROPIC_BASE_URL")?;
    let address = base.strip_prefix("http://").ok_or("the endpoint is not plain http")?;
    let address = address.trim_end_matches('/');
    let key = match key {
        Some(key) => key.to_owned(),
        None => std::env::var("ANTHROPIC_API_KEY").map_err(|_| "no ANTHROPIC_API_KEY")?,
    };
    let failed = |e: io::Error| format!("cannot ask {base}: {e}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    let body = body.to_string();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(&body);
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    // A cut stream still shows what came before the cut.
    let cut = stream.read_to_end(&mut answer).err();
    let mut text = String::from_utf8_lossy(&answer).into_owned();
    if let Some(error) = cut {
        text.push_str(&format!("\n[cut: {error}]"));
    }
    Ok(text)
}
