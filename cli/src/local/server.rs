//! Serves the page on 127.0.0.1, with what it needs to connect.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ralph_protocol::ids::Workstream;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tower_http::{services::ServeDir, set_header::SetResponseHeaderLayer};

use crate::token::{Minter, scope_of};

/// What is served.
pub struct Site {
    /// The built page; `None`: only the configuration and tokens.
    pub page: Option<PathBuf>,
    pub websocket_url: String,
    pub workstreams: Vec<Workstream>,
    pub minter: Minter,
}

/// A server that is bound and not yet running.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

/// Binds to a port of 127.0.0.1; 0: a free one.
pub async fn bind(port: u16, site: Site) -> Result<Server> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| {
        format!("port {port} is taken\nhint: name another with --viewer-port, or leave it out for a free one")
    })?;
    let address = listener.local_addr()?;
    let page = site.page.clone();
    let policy = HeaderValue::from_str(&content_security_policy(&site.websocket_url))?;
    let mut router = Router::new()
        .route("/config.json", get(config))
        .route("/token", post(token))
        .with_state(Arc::new(site));
    if let Some(page) = page {
        router = router.fallback_service(ServeDir::new(page));
    }
    let no_store = HeaderValue::from_static("no-store");
    let nosniff = HeaderValue::from_static("nosniff");
    let router = router
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy))
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, no_store))
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, nosniff))
        .layer(middleware::from_fn_with_state(address, only_this_host));
    Ok(Server { listener, address, router })
}

impl Server {
    /// The page's address.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn run(self) -> Result<()> {
        Ok(axum::serve(self.listener, self.router).await?)
    }
}

/// What the page may load and reach: its own files and this WebSocket. The page's own policy, in its
/// markup, cannot know the address; browsers hold it to both.
fn content_security_policy(websocket_url: &str) -> String {
    let (scheme, rest) = websocket_url.split_once("://").unwrap_or(("wss", websocket_url));
    let host = rest.split('/').next().unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; img-src 'self'; \
         connect-src 'self' {scheme}://{host}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// Tokens are handed out without a password, so only pages of this very server may ask: another
/// site's page would carry its own Origin, and one that points a name of its own at 127.0.0.1 its
/// own Host.
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
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host_ok = text(header::HOST).is_some_and(|host| ours.iter().any(|own| own == host));
    let origin_ok = text(header::ORIGIN)
        .is_none_or(|origin| ours.iter().any(|own| origin == format!("http://{own}")));
    host_ok && origin_ok
}

async fn config(State(site): State<Arc<Site>>) -> Json<serde_json::Value> {
    Json(json!({
        "websocketUrl": site.websocket_url,
        "tokenEndpoint": "/token",
        "workstreams": site.workstreams,
    }))
}

#[derive(Deserialize)]
struct TokenRequest {
    workstreams: Vec<Workstream>,
}

async fn token(State(site): State<Arc<Site>>, Json(request): Json<TokenRequest>) -> Response {
    match site.minter.mint("local-viewer", scope_of(&request.workstreams)) {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_reaches_its_own_host_and_the_websocket_alone() {
        let policy = content_security_policy("wss://abc.execute-api.us-east-1.amazonaws.com/dev");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        let sources = policy.split("; ").find(|part| part.starts_with("connect-src")).unwrap();
        assert_eq!(sources, "connect-src 'self' wss://abc.execute-api.us-east-1.amazonaws.com");
    }

    #[test]
    fn only_pages_of_this_server_get_a_token() {
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
