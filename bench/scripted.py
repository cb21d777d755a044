"""A scripted Lambda runtime API and the little of DynamoDB that push-logs asks, on free ports."""

import contextlib
import http.server
import json
import queue
import sys
import threading
import time

STREAM_OWNER = {
    "Item": {
        "workstream": {"S": "docs"},
        "run": {"S": "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001"},
        "expiresAt": {"N": "99999999999"},
    }
}


class Handler(http.server.BaseHTTPRequestHandler):
    """One class for both: paths tell them apart."""

    protocol_version = "HTTP/1.1"
    services = None

    def log_message(self, *_):
        pass

    def answer(self, body, headers=()):
        self.send_response(200)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        # A function that is stopped reads no more.
        with contextlib.suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)

    def do_GET(self):
        self.services.polls.put(time.perf_counter())
        event = self.services.events.get()
        if event is None:
            self.close_connection = True
            return
        deadline = int(time.time() * 1000) + 60_000
        self.answer(event, [
            ("Lambda-Runtime-Aws-Request-Id", "1"),
            ("Lambda-Runtime-Deadline-Ms", str(deadline)),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:1:function:x"),
            ("Lambda-Runtime-Trace-Id", "Root=1-0-0"),
            ("content-type", "application/json"),
        ])

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        target = self.headers.get("x-amz-target", "")
        if not target:
            self.services.answers.put((self.path, body))
            self.answer(b"{}")
        elif target.endswith(".GetItem") and b"STREAM#-" not in body:
            self.answer(json.dumps(STREAM_OWNER).encode())
        elif target.endswith(".Query"):
            self.answer(b'{"Items":[],"Count":0,"ScannedCount":0}')
        else:
            self.answer(b"{}")


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of what breaks off: each process that is measured is killed in the end."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Services:
    """Both, for as long as a `with` lasts."""

    def __init__(self):
        self.polls, self.events, self.answers = queue.Queue(), queue.Queue(), queue.Queue()
        handler = type("Bound", (Handler,), {"services": self})
        self.server = Server(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.events.put(None)
        self.server.shutdown()
        self.server.server_close()

    def environment(self):
        address = f"127.0.0.1:{self.server.server_port}"
        return {
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_ENDPOINT_URL": f"http://{address}",
            "AWS_LAMBDA_FUNCTION_NAME": "ralph-bench-push-logs",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "RALPH_ENVIRONMENT": "bench",
            "RALPH_TABLE": "bench",
            "RALPH_MANAGEMENT_ENDPOINT": f"http://{address}",
            "RALPH_RETENTION_DAYS": "7",
        }

    def first_poll(self):
        """When the function asked for its first event (`time.perf_counter`)."""
        return self.polls.get(timeout=30)

    def invoke(self, event):
        """Gives the function an event and waits for its answer."""
        self.events.put(event)
        path, body = self.answers.get(timeout=60)
        if not path.endswith("/response"):
            raise SystemExit(f"the function failed: {body.decode()}")
