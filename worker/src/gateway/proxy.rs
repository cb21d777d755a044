//! Serves the agent's requests: checks the dummy key, adds a real one, passes the answer on.

use std::{collections::BTreeSet, error::Error, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State as Extract},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request, response,
    },
    response::Response,
    serve::ListenerExt,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use ralph_protocol::event::{Kind, Level};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, oneshot},
};
use url::Url;

use super::{
    Shared,
    body::{UnderWay, pipe},
    meter::Meter,
    request::most,
};
use crate::{
    account::{NoMoney, Reservation},
    config::DEFAULT_MODEL_ENDPOINT,
    journal::now_ms,
    machine::policy::UNKNOWN_LIMIT_MS,
};

/// Largest request that is passed on: the service's own limit
/// (<https://docs.claude.com/en/api/overview#request-size-limits>).
const MAX_REQUEST: usize = 32 << 20;

/// Largest error answer that is read to understand it.
const MAX_ERROR: usize = 64 << 10;

/// How long the text of an error may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the service may say nothing at all. It allows no request that takes longer without a
/// stream (<https://docs.claude.com/en/api/errors#long-requests>).
pub(super) const SILENCE: Duration = Duration::from_secs(11 * 60);

/// How long a limit lasts at least, ms.
const SHORTEST_LIMIT_MS: u64 = 1_000;

/// A client that follows no redirect.
pub(crate) type Client = HyperClient<HttpsConnector<HttpConnector>, Body>;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Header fields that belong to one connection (RFC 9110, 7.6.1), or that the gateway sets itself.
const NOT_PASSED_ON: [HeaderName; 11] = [
    API_KEY,
    header::AUTHORIZATION,
    header::HOST,
    header::CONTENT_LENGTH,
    // Compressed answers could not be metered.
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A client that trusts what the system trusts, or `SSL_CERT_FILE` where it is set.
pub(crate) fn client() -> io::Result<Client> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(Duration::from_secs(15)));
    // Or nobody learns that a connection is gone: an address translation on the way forgets it.
    http.set_keepalive(Some(Duration::from_secs(60)));
    http.set_keepalive_interval(Some(Duration::from_secs(30)));
    let https = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    let mut builder = HyperClient::builder(TokioExecutor::new());
    // Before the service closes it: a request on a connection that closes may have been taken.
    Ok(builder.pool_idle_timeout(Duration::from_secs(30)).build(https))
}

/// Where the service or a gateway to it has the API, without a slash at its end.
fn base(upstream: &Url) -> &str {
    upstream.as_str().trim_end_matches('/')
}

/// Shows a key as the service reads it. To another endpoint a key that is not the service's own is
/// shown as most gateways read it, too; the service's own could be passed on in both fields, and the
/// service takes it in the first alone. `None` when no field can carry the key.
fn show(upstream: &Url, key: &str, headers: &mut HeaderMap) -> Option<()> {
    let mut put = |name: HeaderName, text: &str| {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Some(())
    };
    put(API_KEY, key)?;
    let own = base(upstream) == DEFAULT_MODEL_ENDPOINT;
    if !own && !key.starts_with("sk-ant-") {
        put(header::AUTHORIZATION, &format!("Bearer {key}"))?;
    }
    Some(())
}

/// What the service answers to a request that needs a key and costs nothing: for the list of models, or
/// for a message that says nothing, where a gateway has no such list. Nothing of the agent's is in it,
/// so it tells what is the key's fault and what the request's.
async fn try_key(client: &Client, upstream: &Url, key: &str) -> Result<StatusCode, String> {
    let base = base(upstream);
    for (method, path, body) in
        [(Method::GET, "/v1/models", ""), (Method::POST, "/v1/messages", "{}")]
    {
        let is_list = method == Method::GET;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            // https://docs.claude.com/en/api/versioning
            .header("anthropic-version", "2023-06-01")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        show(upstream, key, request.headers_mut()).ok_or("no header can carry the key")?;
        let asked = tokio::time::timeout(Duration::from_secs(30), client.request(request)).await;
        let answer = asked.map_err(|_| format!("{base} did not answer within 30 s"))?;
        let answer =
            answer.map_err(|error| format!("{base} cannot be reached: {}", causes(&error)))?;
        if !is_list || !matches!(answer.status().as_u16(), 404 | 405 | 501) {
            return Ok(answer.status());
        }
    }
    Ok(StatusCode::NOT_FOUND)
}

/// Asks the service whether it accepts the key.
pub(super) async fn probe(client: &Client, upstream: &Url, key: &str) -> Result<(), String> {
    let status = try_key(client, upstream, key).await?;
    let base = base(upstream);
    match status.as_u16() {
        // A limit passes, and a message that says nothing is refused after the key was read.
        200..=299 | 400 | 422 | 429 => Ok(()),
        401 | 403 => Err(format!("refused by {base} ({status})")),
        404 => Err(format!("there is no Messages API at {base}/v1/messages ({status})")),
        _ => Err(format!("{base} answered {status}")),
    }
}

/// An error and its causes, in one line.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| (*error).source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let app = Router::new().fallback(handle).with_state(shared);
    let listener = listener.tap_io(|stream| {
        // Small frames of a stream must not wait for each other; if it fails they merely do.
        let _ = stream.set_nodelay(true);
    });
    // Ends only with the runtime.
    let _ = axum::serve(listener, app).await;
}

/// An answer of the gateway's own, in the service's form.
fn refuse(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({"type": "error", "error": {"type": kind, "message": message}});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn handle(Extract(shared): Extract<Arc<Shared>>, request: Request) -> Response {
    pass(&shared, request).await.unwrap_or_else(|refusal| *refusal)
}

/// An answer of the gateway's own, boxed because it is large.
type Refusal = Box<Response>;

async fn pass(shared: &Arc<Shared>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    check(shared, &parts)?;
    // Nobody closes the semaphores.
    let ends = |_| Box::new(refuse(StatusCode::BAD_GATEWAY, "api_error", "the worker ends"));
    let slot = Arc::clone(&shared.under_way).acquire_owned().await.map_err(ends)?;
    let (body, held) = read(shared, &parts, body).await?;
    // What was closed or spent while this one waited counts.
    check(shared, &parts)?;
    let reservation = match parts.uri.path() {
        "/v1/messages" => Some(reserve(shared, &body).await?),
        _ => None,
    };
    // It may have waited for others.
    check(shared, &parts)?;
    let under_way = UnderWay { reservation, _slot: slot };
    let (answer, answered) = oneshot::channel();
    // In a task of its own: what an agent has asked for costs something, even if it hangs up.
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        // An agent that is gone reads no answer.
        let _ = answer.send(forward(&shared, &parts, body, under_way).await);
        drop(held);
    });
    answered.await.map_err(|_| {
        Box::new(refuse(StatusCode::BAD_GATEWAY, "api_error", "the request was given up"))
    })
}

/// Reads a request's body once there is room for it.
async fn read(
    shared: &Shared,
    parts: &request::Parts,
    body: Body,
) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
    let too_large = || {
        let text = "the request is too large";
        Box::new(refuse(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", text))
    };
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = said.and_then(|text| text.parse().ok()).unwrap_or(MAX_REQUEST);
    let kib = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
    if length > MAX_REQUEST {
        return Err(too_large());
    }
    let held = Arc::clone(&shared.held).acquire_many_owned(kib).await.map_err(|_| too_large())?;
    let body = to_bytes(body, length).await.map_err(|_| too_large())?;
    Ok((body, held))
}

/// Reserves what a request for a message can cost.
async fn reserve(shared: &Shared, body: &[u8]) -> Result<Reservation, Refusal> {
    let most = most(body).map_err(|error| {
        let text = format!("the request cannot be read: {error}");
        Box::new(refuse(StatusCode::BAD_REQUEST, "invalid_request_error", &text))
    })?;
    shared.account.reserve(most).await.map_err(|problem| {
        Box::new(match problem {
            NoMoney::OverBudget => over_budget(shared),
            NoMoney::Unheard => {
                let text = "nobody reads what is spent: the worker's stdout is gone";
                refuse(StatusCode::BAD_GATEWAY, "api_error", text)
            }
        })
    })
}

fn over_budget(shared: &Shared) -> Response {
    shared.lock().over_budget = true;
    let text = "the cost limit of the run is reached";
    refuse(StatusCode::PAYMENT_REQUIRED, "billing_error", text)
}

/// Only this attempt's agent, only the service's API, only within the budget.
fn check(shared: &Shared, parts: &request::Parts) -> Result<(), Refusal> {
    let shown = parts.headers.get(API_KEY).and_then(|value| value.to_str().ok()).or_else(|| {
        let bearer = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        bearer.strip_prefix("Bearer ")
    });
    let ours = {
        let mut state = shared.lock();
        let ours = shown.is_some() && shown == state.dummy.as_deref();
        state.asked |= ours;
        ours
    };
    if !ours {
        let text = "this key is not valid here; each attempt has its own";
        return Err(Box::new(refuse(StatusCode::UNAUTHORIZED, "authentication_error", text)));
    }
    // Only what is metered or free: a batch, for one, is billed later and says no usage now.
    let path = parts.uri.path();
    let models = path == "/v1/models"
        || path.strip_prefix("/v1/models/").is_some_and(|model| !model.contains(['/', '%', '.']));
    if !models && !matches!(path, "/v1/messages" | "/v1/messages/count_tokens") {
        let text = "the gateway passes on messages and models only";
        return Err(Box::new(refuse(StatusCode::NOT_FOUND, "not_found_error", text)));
    }
    if shared.account.is_empty() { Err(Box::new(over_budget(shared))) } else { Ok(()) }
}

/// Tries one key after the other until the service takes one. Nothing was streamed to the agent
/// until then, so it sees only the last answer.
async fn forward(
    shared: &Arc<Shared>,
    parts: &request::Parts,
    body: Bytes,
    mut under_way: UnderWay,
) -> Response {
    let mut last: Option<Response> = None;
    let mut asked = BTreeSet::new();
    loop {
        let now = now_ms();
        let key = {
            let state = shared.lock();
            let key = state.keys.usable(now, &asked);
            key.map(|(number, id, value)| (number, id.to_owned(), value.clone()))
        };
        // One that may be asked again already is the agent's to wait for.
        let Some((number, id, value)) = key else {
            return last.unwrap_or_else(|| no_key(shared, now));
        };
        asked.insert(number);
        let Some(request) = upstream_request(shared, parts, body.clone(), value.expose()) else {
            return refuse(
                StatusCode::BAD_REQUEST,
                "invalid_request_error",
                "the request cannot be passed on",
            );
        };
        under_way.sent(true);
        let answer = tokio::time::timeout(SILENCE, shared.client.request(request)).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Err(_) => {
                let text = format!("{} does not answer", base(&shared.upstream));
                return refuse(StatusCode::GATEWAY_TIMEOUT, "timeout_error", &text);
            }
            Ok(Err(error)) => {
                // Without a connection the service has not seen the request. Otherwise nobody
                // knows, and it costs what is reserved.
                if error.is_connect() {
                    under_way.sent(false);
                }
                let base = base(&shared.upstream);
                let text = format!("{base} cannot be reached: {}", causes(&error));
                return refuse(StatusCode::BAD_GATEWAY, "api_error", &text);
            }
        };
        let (head, incoming) = answer.into_parts();
        if head.status.is_success() {
            shared.lock().keys.accept(number);
            let content_type = head.headers.get(header::CONTENT_TYPE);
            let meter = Meter::new(content_type.and_then(|v| v.to_str().ok()).unwrap_or_default());
            let piped = pipe(incoming, meter, under_way, Arc::clone(shared));
            return passed_on(head, Body::new(piped));
        }
        // An error is not billed.
        under_way.sent(false);
        let text = to_bytes(Body::new(incoming), MAX_ERROR);
        let text = tokio::time::timeout(PATIENCE, text).await;
        let text = text.map_or_else(|_| Bytes::new(), Result::unwrap_or_default);
        let now = now_ms();
        let reason = match judge(head.status, &head.headers, &text, now) {
            Verdict::Answer => return passed_on(head, Body::from(text)),
            Verdict::Suspect(reason) => {
                let asked = try_key(&shared.client, &shared.upstream, value.expose()).await;
                let refused = asked.is_ok_and(|status| matches!(status.as_u16(), 401 | 403));
                if refused {
                    shared.refuse(number);
                }
                refused.then_some(reason)
            }
            Verdict::Broke => {
                shared.refuse(number);
                Some("billing")
            }
            Verdict::Limited(until) => {
                shared.lock().keys.limit(number, until);
                Some("rate limit")
            }
        };
        if let Some(reason) = reason {
            let next = shared.lock().keys.usable(now, &asked).map(|(_, id, _)| id.to_owned());
            let reason = reason.to_owned();
            shared.journal.emit(Level::Warn, Kind::KeyRotate { from: id, to: next, reason });
        }
        last = Some(passed_on(head, Body::from(text)));
    }
}

fn no_key(shared: &Shared, now: u64) -> Response {
    let until = shared.lock().keys.limited_until(now);
    let Some(until) = until else {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "the service refuses every key",
        );
    };
    let mut response = refuse(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limit_error",
        "every key has reached its limit",
    );
    let seconds = until.saturating_sub(now).div_ceil(1000);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn upstream_request(
    shared: &Shared,
    parts: &request::Parts,
    body: Bytes,
    key: &str,
) -> Option<Request<Body>> {
    let base = base(&shared.upstream);
    let path = parts.uri.path_and_query()?.as_str();
    let uri: Uri = format!("{base}{path}").parse().ok()?;
    let mut request =
        Request::builder().method(parts.method.clone()).uri(uri).body(Body::from(body)).ok()?;
    let headers = request.headers_mut();
    copy(&parts.headers, headers);
    show(&shared.upstream, key, headers)?;
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Some(request)
}

fn passed_on(head: response::Parts, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    copy(&head.headers, response.headers_mut());
    response
}

fn copy(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if !NOT_PASSED_ON.contains(name) {
            to.append(name, value.clone());
        }
    }
}

/// What an error answer says about the key.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing: the agent gets it.
    Answer,
    /// This key may not work, or the request asks for what it may not: a request of our own tells.
    Suspect(&'static str),
    /// The key's account cannot pay.
    Broke,
    /// Not before then, ms since the epoch.
    Limited(u64),
}

/// What an empty account answers with status 400, whole: a request can cause an error that quotes
/// a part of the request.
const BROKE: [&str; 2] = [
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    "Your credit balance is too low to access the Claude API. Please go to Plans & Billing to upgrade or purchase credits.",
];

/// The service's form of an error: <https://docs.claude.com/en/api/errors>.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    error: SaidError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SaidError {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], now: u64) -> Verdict {
    let Said { error } = serde_json::from_slice(body).unwrap_or_default();
    let broke = error.kind == "billing_error" || BROKE.contains(&error.message.as_str());
    match status.as_u16() {
        402 => Verdict::Broke,
        400 | 403 if broke => Verdict::Broke,
        401 => Verdict::Suspect("authentication"),
        403 => Verdict::Suspect("permission"),
        429 => Verdict::Limited(limit_end(headers, now)),
        _ => Verdict::Answer,
    }
}

/// When the limit is over: what the service says, else a guess. Never at once: the next key would
/// not be asked.
fn limit_end(headers: &HeaderMap, now: u64) -> u64 {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    number("anthropic-ratelimit-unified-reset")
        .map(|seconds| seconds.saturating_mul(1000))
        .filter(|until| *until > now)
        .or_else(|| {
            number("retry-after").map(|seconds| now.saturating_add(seconds.saturating_mul(1000)))
        })
        .unwrap_or(now + UNKNOWN_LIMIT_MS / 15)
        .max(now + SHORTEST_LIMIT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_key_is_shown() {
        for (endpoint, key, bearer) in [
            ("https://api.anthropic.com", "sk-ant-x", false),
            ("https://api.anthropic.com/", "another", false),
            // A gateway that passes the service's own key on, and one with keys of its own.
            ("https://llm.example.com/anthropic", "sk-ant-x", false),
            ("https://llm.example.com/anthropic", "sk-1234", true),
        ] {
            let mut headers = HeaderMap::new();
            show(&endpoint.parse().unwrap(), key, &mut headers).unwrap();
            assert_eq!(headers[API_KEY], key);
            let shown = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
            let expected = bearer.then(|| format!("Bearer {key}"));
            assert_eq!(shown, expected.as_deref(), "{endpoint} {key}");
            assert!(headers.values().all(HeaderValue::is_sensitive));
        }
        let mut headers = HeaderMap::new();
        assert!(show(&"https://h".parse().unwrap(), "a\nb", &mut headers).is_none());
    }

    #[test]
    fn what_an_answer_says_about_the_key() {
        type Case<'a> = (u16, &'a [(&'a str, &'a str)], &'a str, Verdict);
        let told = |kind: &str, message: &str| {
            serde_json::json!({"type": "error", "error": {"type": kind, "message": message}})
                .to_string()
        };
        let cases: &[Case] = &[
            (400, &[], "invalid", Verdict::Answer),
            (400, &[], &told("invalid_request_error", BROKE[0]), Verdict::Broke),
            (400, &[], &told("billing_error", "x"), Verdict::Broke),
            (
                400,
                &[],
                &told("invalid_request_error", &format!("`{}` is not a beta", BROKE[0])),
                Verdict::Answer,
            ),
            (
                400,
                &[],
                &told(
                    "invalid_request_error",
                    "Unexpected value(s) `billing_error` for the `anthropic-beta` header",
                ),
                Verdict::Answer,
            ),
            (401, &[], "", Verdict::Suspect("authentication")),
            (402, &[], "", Verdict::Broke),
            (403, &[], &told("permission_error", "x"), Verdict::Suspect("permission")),
            (403, &[], "a proxy says no", Verdict::Suspect("permission")),
            (404, &[], "", Verdict::Answer),
            (429, &[("retry-after", "7")], "", Verdict::Limited(8_000)),
            (
                429,
                &[("anthropic-ratelimit-unified-reset", "90"), ("retry-after", "7")],
                "",
                Verdict::Limited(90_000),
            ),
            (
                429,
                &[("anthropic-ratelimit-unified-reset", "0"), ("retry-after", "7")],
                "",
                Verdict::Limited(8_000),
            ),
            (429, &[("retry-after", "soon")], "", Verdict::Limited(61_000)),
            (429, &[("retry-after", "0")], "", Verdict::Limited(2_000)),
            (429, &[("retry-after", "18446744073709551615")], "", Verdict::Limited(u64::MAX)),
            (500, &[], "", Verdict::Answer),
            (529, &[("retry-after", "7")], "", Verdict::Answer),
        ];
        for (status, fields, body, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *fields {
                headers.insert(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    value.parse().unwrap(),
                );
            }
            let verdict =
                judge(StatusCode::from_u16(*status).unwrap(), &headers, body.as_bytes(), 1_000);
            assert_eq!(verdict, *expected, "{status} {fields:?} {body}");
        }
    }
}
