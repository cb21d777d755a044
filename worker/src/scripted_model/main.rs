//! `ralph-scripted-model`: plays the model's service from a scenario file, for the real agent.
//!
//! It speaks the Messages API (<https://docs.claude.com/en/api/messages-streaming>): streams, tool
//! calls, token counts, errors. Its first line on stdout says where it listens; each further line is
//! a request that it answered, with the key that it was shown. It ends when its stdin does.

mod answer;
mod scenario;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use clap::Parser;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    answer::{Frames, events, message},
    scenario::{Answer, Scenario},
};

/// Largest request that is read; the service's own limit is 32 MB.
const MAX_REQUEST: usize = 64 << 20;

/// Plays the model's service from a scenario file.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The scenario, a JSON file.
    #[arg(long)]
    scenario: PathBuf,
}

/// What the requests share.
struct Model {
    scenario: Scenario,
    /// How many answers each conversation has had.
    given: Mutex<Vec<usize>>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> Result<(), String> {
    let path = cli.scenario.display();
    let text =
        std::fs::read_to_string(&cli.scenario).map_err(|e| format!("cannot read {path}: {e}"))?;
    let scenario: Scenario = serde_json::from_str(&text).map_err(|e| format!("{path}: {e}"))?;
    let given = Mutex::new(vec![0; scenario.conversations.len()]);
    let model = Arc::new(Model { scenario, given });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| format!("cannot start the runtime: {e}"))?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        say(&json!({"listens": format!("http://{address}")}));
        std::thread::spawn(|| {
            // Whoever started it is gone, or needs it no longer.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
        let app = Router::new().fallback(handle).with_state(model);
        axum::serve(listener, app).await.map_err(|e| e.to_string())
    })
}

/// Writes a line; a reader that is gone needs none.
fn say(value: &Value) {
    let _ = writeln!(std::io::stdout().lock(), "{value}");
}

async fn handle(State(model): State<Arc<Model>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_REQUEST).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut seen = seen(&parts, &body);
    let (status, headers, content_type, frames) = match parts.uri.path() {
        "/v1/messages" => {
            let (answer, conversation) = model.next(&body);
            seen["conversation"] = conversation.into();
            let name = answer.model.as_deref().or(body["model"].as_str()).unwrap_or("scripted");
            if answer.status != StatusCode::OK {
                let frames = Frames::whole(answer.failure().to_string());
                (answer.status, answer.headers.clone(), "application/json", frames)
            } else if body["stream"] == true {
                let frames = Frames::stream(events(&answer, name), answer.cut);
                (answer.status, answer.headers.clone(), "text/event-stream", frames)
            } else {
                let frames = Frames::whole(message(&answer, name).to_string());
                (answer.status, answer.headers.clone(), "application/json", frames)
            }
        }
        "/v1/messages/count_tokens" => {
            let count = json!({"input_tokens": body.to_string().len() / 4});
            (StatusCode::OK, BTreeMap::new(), "application/json", Frames::whole(count.to_string()))
        }
        // A key that is refused gets no list either.
        "/v1/models" => match model.refusal() {
            Some(answer) => {
                let frames = Frames::whole(answer.failure().to_string());
                (answer.status, BTreeMap::new(), "application/json", frames)
            }
            None => {
                let frames = Frames::whole(json!({"data": []}).to_string());
                (StatusCode::OK, BTreeMap::new(), "application/json", frames)
            }
        },
        _ => {
            let error = json!({"type": "error", "error": {"type": "not_found_error", "message": "there is nothing here"}});
            let frames = Frames::whole(error.to_string());
            (StatusCode::NOT_FOUND, BTreeMap::new(), "application/json", frames)
        }
    };
    seen["status"] = status.as_u16().into();
    seen["answer"] = frames.text().into();
    say(&seen);
    let mut response = Response::new(Body::new(frames));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            fields.insert(name, value);
        }
    }
    response
}

/// What is written down about a request.
fn seen(parts: &Parts, body: &Value) -> Value {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: BTreeMap<&str, String> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "headers": headers,
        "model": body["model"],
        "maxTokens": body["max_tokens"],
        "system": system(body),
        "fields": body.as_object().map(|fields| fields.keys().collect::<Vec<_>>()),
    })
}

/// The system prompt, which may also come in blocks.
fn system(body: &Value) -> String {
    let blocks = body["system"].as_array().into_iter().flatten();
    let texts: Vec<&str> = blocks.filter_map(|block| block["text"].as_str()).collect();
    body["system"].as_str().map_or_else(|| texts.join("\n"), str::to_owned)
}

impl Model {
    /// The answer that refuses the key, if the scenario has one.
    fn refusal(&self) -> Option<&Answer> {
        let mut answers = self.scenario.conversations.iter().flat_map(|one| &one.answers);
        answers.find(|answer| answer.status == StatusCode::UNAUTHORIZED)
    }

    /// The next answer of the conversation that a request belongs to, and which one that is. Requests
    /// without tools come in between (a title, a summary): they have an answer of their own.
    fn next(&self, body: &Value) -> (Answer, Option<usize>) {
        let with_tools = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
        let first = body["messages"][0].to_string();
        let fits = |holds: &String| first.contains(holds.as_str());
        let mut all = self.scenario.conversations.iter();
        let place = all.position(|conversation| conversation.holds.as_ref().is_none_or(fits));
        let Some(place) = place.filter(|_| with_tools) else {
            return (self.scenario.aside.clone(), None);
        };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = &self.scenario.conversations[place].answers;
        let answer = answers.get(given[place]).or(answers.last()).cloned().unwrap_or_default();
        given[place] += 1;
        (answer, Some(place))
    }
}
