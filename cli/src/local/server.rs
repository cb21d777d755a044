//! Serves the page on 127.0.0.1, with what it needs to connect.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::{Request, State, rejection::JsonRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ralph_protocol::ids::Workstream;
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tower_http::{services::ServeDir, set_header::SetResponseHeaderLayer};

use super::shown::Shown;
use crate::{
    token::{Minter, scope_of},
    tools::{
        hex,
        invocation::{ralph, ralph_there},
    },
};

/// What is served.
pub struct Site {
    /// The built page; `None`: only the configuration and tokens.
    pub page: Option<PathBuf>,
    pub websocket_url: String,
    /// The page gets tokens for these alone.
    pub workstreams: Shown,
    pub minter: Minter,
}

/// A site and the secret of this start. Whoever has the secret gets tokens; the printed link carries
/// it in its fragment, which browsers do not send anywhere.
struct Guarded {
    site: Site,
    secret: String,
}

/// A server that is bound and not yet running.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    secret: String,
    router: Router,
}

/// Binds to a port of 127.0.0.1; 0: a free one.
pub async fn bind(port: u16, site: Site) -> Result<Server> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| {
        format!("port {port} is taken\nhint: name another with --viewer-port, or leave it out for a free one")
    })?;
    let address = listener.local_addr()?;
    let page = site.page.clone();
    let secret = hex::random()?;
    let policy = HeaderValue::from_str(&content_security_policy(&site.websocket_url))?;
    let mut router = Router::new()
        .route("/config.json", get(config))
        .route("/token", post(token))
        .with_state(Arc::new(Guarded { site, secret: secret.clone() }));
    if let Some(page) = page {
        router = router.fallback_service(ServeDir::new(page));
    }
    let no_store = HeaderValue::from_static("no-store");
    let nosniff = HeaderValue::from_static("nosniff");
    let same_origin = HeaderValue::from_static("same-origin");
    let resource_policy = HeaderName::from_static("cross-origin-resource-policy");
    let router = router
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy))
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, no_store))
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, nosniff))
        .layer(SetResponseHeaderLayer::overriding(resource_policy, same_origin))
        .layer(middleware::from_fn_with_state(address, only_this_host));
    Ok(Server { listener, address, secret, router })
}

impl Server {
    /// The link that opens the page. `/w/<workstream>` behind it leads to a workstream.
    pub fn link(&self) -> String {
        format!("http://{}/#secret={}", self.address, self.secret)
    }

    pub async fn run(self) -> Result<()> {
        Ok(axum::serve(self.listener, self.router).await?)
    }
}

/// What the page may load and reach: its own files and this WebSocket, by plain requests too, which
/// tell whether the gateway is there when it refuses a handshake. The page's own policy, in its markup,
/// cannot know the address; browsers hold it to both.
fn content_security_policy(websocket_url: &str) -> String {
    let (scheme, rest) = websocket_url.split_once("://").unwrap_or(("wss", websocket_url));
    let host = rest.split('/').next().unwrap_or_default();
    let plain = scheme.replacen("ws", "http", 1);
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; img-src 'self'; \
         connect-src 'self' {scheme}://{host} {plain}://{host}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// Only pages of this very server may ask: another site's page would carry its own Origin, and one
/// that points a name of its own at 127.0.0.1 its own Host.
async fn only_this_host(
    State(address): State<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if is_ours(address.port(), request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "only pages of this server may ask\n").into_response()
    }
}

fn is_ours(port: u16, headers: &HeaderMap) -> bool {
    let ours = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let host_ok =
        text(headers, &header::HOST).is_some_and(|host| ours.iter().any(|own| own == host));
    // A header that is not text is not ours either.
    let origin_ok = !headers.contains_key(header::ORIGIN)
        || text(headers, &header::ORIGIN)
            .is_some_and(|origin| ours.iter().any(|own| origin == format!("http://{own}")));
    host_ok && origin_ok
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// How a person gets a page with more workstreams.
fn to_add() -> String {
    format!(
        "name it when you start the page, as in `{}` or `{}`",
        ralph_there("view WORKSTREAM"),
        ralph("local --workstream WORKSTREAM")
    )
}

/// What the page needs to know before it asks for a token; no secret.
async fn config(State(guarded): State<Arc<Guarded>>) -> Json<serde_json::Value> {
    let Guarded { site, .. } = &*guarded;
    Json(json!({
        "websocketUrl": site.websocket_url,
        "tokenEndpoint": "/token",
        "workstreams": site.workstreams.all(),
        "otherWorkstreams": to_add(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    workstreams: Vec<Workstream>,
}

async fn token(
    State(guarded): State<Arc<Guarded>>,
    headers: HeaderMap,
    request: Result<Json<TokenRequest>, JsonRejection>,
) -> Response {
    match mint(&guarded, &headers, request) {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err((StatusCode::UNAUTHORIZED, words)) => {
            // The page knows by the realm that our link helps, and not a host's own sign-in.
            let challenge = [(header::WWW_AUTHENTICATE, r#"Bearer realm="ralph""#)];
            (StatusCode::UNAUTHORIZED, challenge, words).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn mint(
    Guarded { site, secret }: &Guarded,
    headers: &HeaderMap,
    request: Result<Json<TokenRequest>, JsonRejection>,
) -> Result<String, (StatusCode, String)> {
    // A page on another port of this machine is of the same site, and still not ours.
    let site_of_page = text(headers, &HeaderName::from_static("sec-fetch-site"));
    if matches!(site_of_page, Some("cross-site" | "same-site")) {
        return Err((StatusCode::FORBIDDEN, "only pages of this server may ask\n".to_owned()));
    }
    let given = text(headers, &header::AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer "));
    if !given.is_some_and(|given| given.as_bytes().ct_eq(secret.as_bytes()).into()) {
        let words = "the page's secret is missing or wrong\n\
                     hint: open the link that `ralph` printed, with all that follows the #\n";
        return Err((StatusCode::UNAUTHORIZED, words.to_owned()));
    }
    let Json(TokenRequest { workstreams }) = request.map_err(|rejection| {
        let status = match rejection.status() {
            // What is JSON and not a request is a bad request too.
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        let hint = r#"POST {"workstreams":["NAME"]} as application/json"#;
        (status, format!("{}\nhint: {hint}\n", rejection.body_text()))
    })?;
    let shown = site.workstreams.all();
    if let Some(other) = workstreams.iter().find(|asked| !shown.contains(asked)) {
        let words = format!("`{other}` is not a workstream of this page\nhint: {}\n", to_add());
        return Err((StatusCode::FORBIDDEN, words));
    }
    site.minter
        .mint("local-viewer", scope_of(&workstreams))
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("{error:#}\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_reaches_its_own_host_and_the_gateway_alone() {
        let policy = content_security_policy("wss://abc.execute-api.us-east-1.amazonaws.com/dev");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        let sources = policy.split("; ").find(|part| part.starts_with("connect-src")).unwrap();
        let gateway = "abc.execute-api.us-east-1.amazonaws.com";
        assert_eq!(sources, format!("connect-src 'self' wss://{gateway} https://{gateway}"));
    }

    const SECRET: &str = "0123456789abcdef";

    /// What the endpoint answers to a request for these workstreams with these headers.
    fn ask(
        workstreams: &[&str],
        headers: &[(&'static str, &str)],
    ) -> Result<String, (u16, String)> {
        let site = Site {
            page: None,
            websocket_url: "ws://127.0.0.1:1".to_owned(),
            workstreams: Shown::only(vec!["docs".parse().unwrap(), "parser".parse().unwrap()]),
            minter: Minter::new(crate::keys::signing_keys().unwrap(), "dev"),
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let workstreams = workstreams.iter().map(|name| name.parse().unwrap()).collect();
        let guarded = Guarded { site, secret: SECRET.to_owned() };
        mint(&guarded, &map, Ok(Json(TokenRequest { workstreams })))
            .map_err(|(status, words)| (status.as_u16(), words))
    }

    fn bearer(secret: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {secret}"))
    }

    #[test]
    fn a_token_needs_the_secret_of_the_link() {
        let (name, right) = bearer(SECRET);
        assert!(ask(&["docs"], &[(name, &right)]).is_ok());
        let longer = bearer(&format!("{SECRET}0")).1;
        for headers in [
            &[][..],
            &[(name, SECRET)],
            &[(name, "Bearer ")],
            &[(name, "Bearer 0123456789abcdee")],
            &[(name, &longer)],
        ] {
            let (status, words) = ask(&["docs"], headers).unwrap_err();
            assert_eq!(status, 401, "{headers:?}");
            assert!(words.contains("open the link that `ralph` printed"), "{words}");
        }
    }

    #[test]
    fn a_token_is_for_the_pages_own_workstreams() {
        let (name, right) = bearer(SECRET);
        assert!(ask(&["docs", "parser"], &[(name, &right)]).is_ok());
        for asked in [&["release"][..], &["docs", "release"]] {
            let (status, words) = ask(asked, &[(name, &right)]).unwrap_err();
            assert_eq!(status, 403);
            assert!(words.starts_with("`release` is not a workstream of this page\n"), "{words}");
            assert!(words.contains("--workstream"), "{words}");
        }
    }

    #[test]
    fn a_page_on_another_port_gets_no_token() {
        let (name, right) = bearer(SECRET);
        for (site, ok) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)]
        {
            let answer = ask(&["docs"], &[(name, &right), ("sec-fetch-site", site)]);
            assert_eq!(answer.map_err(|(status, _)| status).err(), (!ok).then_some(403), "{site}");
        }
    }

    #[test]
    fn only_pages_of_this_server_are_served() {
        for (host, origin, ok) in [
            ("127.0.0.1:8080", None, true),
            ("localhost:8080", Some("http://localhost:8080"), true),
            ("127.0.0.1:8081", None, false),
            ("evil.example:8080", Some("http://evil.example:8080"), false),
            ("127.0.0.1:8080", Some("https://evil.example"), false),
            ("127.0.0.1:8080", Some("null"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_ours(8080, &headers), ok, "{host} {origin:?}");
        }
    }
}
