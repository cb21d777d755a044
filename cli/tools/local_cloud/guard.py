"""Decides which requests reach MiniStack.

MiniStack answers every preflight with `Access-Control-Allow-Origin: *`, accepts any Host, takes
unsigned requests and well-known keys as root, and its control paths ask for no key at all. A web
page that is open while it runs could read secrets with that, and run code. So whatever comes by
TCP passes here first, in the process and by the parser that answers it: nothing can be read one way
here and another way there.

The rules, for a request by TCP:

- Its Host is this machine's own name. A page that lets a name of its own point at 127.0.0.1 (DNS
  rebinding) sends that name.
- It does not come from a browser: no Origin, no Sec-Fetch-Site (which older browsers do not send), no
  browser's User-Agent. A WebSocket may, from a page of this machine; what it may see is decided by its
  token.
- It names no control path.
- It is signed with a key of this start (keys.py). A WebSocket handshake has a token instead. MiniStack
  does not check the operator's signature: the id of that key is as secret as the key.

The Runtime API that functions poll listens on ports of its own, without a key. There the first two
rules hold.
"""

import http.server
import json
from urllib.parse import parse_qs, urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONTROL = ("/_ministack", "/_localstack", "/health")
SOCKETS = "/_aws/execute-api/"


class Guard:
    """An ASGI application: what comes by the Unix socket goes to `by_socket`, and what comes by TCP and
    the rules let through goes to `app`."""

    def __init__(self, app, by_socket, is_known):
        self.app = app
        self.by_socket = by_socket
        self.is_known = is_known

    async def __call__(self, scope, receive, send):
        # A client of the Unix socket has no address.
        if scope["type"] == "lifespan" or scope.get("client") is None:
            await self.by_socket(scope, receive, send)
            return
        reason = refusal(scope, self.is_known)
        if reason is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before it is accepted, this is an answer 403.
            await receive()
            await send({"type": "websocket.close"})
        else:
            body = json.dumps({"__type": "AccessDeniedException", "message": reason}).encode()
            await send({"type": "http.response.start", "status": 403, "headers": [
                (b"content-type", b"application/x-amz-json-1.0"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]})
            await send({"type": "http.response.body", "body": body})


def refusal(scope, is_known):
    """Why a request by TCP is refused; None, if it is not."""
    from ministack.core.router import extract_access_key_id

    headers = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    socket = scope["type"] == "websocket"
    foreign = foreign_headers(headers, page_allowed=socket)
    if foreign:
        return foreign
    path = scope["path"]
    if path.startswith(CONTROL):
        return "control paths are reached by the Unix socket alone"
    if socket:
        return None if path.startswith(SOCKETS) else "only the WebSocket API has sockets"
    query = parse_qs(scope["query_string"].decode("utf-8", "replace"), keep_blank_values=True)
    key = extract_access_key_id({name: ", ".join(all) for name, all in headers.items()}, query)
    if not key:
        return "the request is not signed"
    if not is_known(key):
        return "the access key is not one of this start"
    return None


def foreign_headers(headers, page_allowed=False):
    """Why the headers (lower-case name to values) are those of a stranger; None, if they are not."""
    hosts = headers.get("host", [])
    if len(hosts) != 1 or not is_loopback(f"//{hosts[0]}"):
        return "the Host is not this machine's"
    pages = headers.get("origin", [])
    sites = headers.get("sec-fetch-site", [])
    agents = headers.get("user-agent", [])
    if not page_allowed:
        browser = pages or sites or any(agent.startswith("Mozilla/") for agent in agents)
        return "browsers are not served" if browser else None
    if any(not is_loopback(page) for page in pages) or "cross-site" in sites:
        return "pages of another site are not served"
    return None


def is_loopback(url):
    """Whether a URL or an Origin names this machine. `*.localhost` is reserved for it (RFC 6761)."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in LOOPBACK or host.endswith(".localhost")


def install():
    """Guards the Runtime API's ports, and every other HTTP server that MiniStack opens so."""
    handler = http.server.BaseHTTPRequestHandler
    parse = handler.parse_request

    def guarded(self):
        if not parse(self):
            return False
        headers = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        reason = foreign_headers(headers)
        if reason:
            self.close_connection = True
            self.send_error(403, reason)
            return False
        return True

    handler.parse_request = guarded
