"""A real HTTP endpoint that checks signatures, delivers each key once, and misbehaves on request."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SECRET = "a secret of at least sixteen"
HARD, SOFT = "gone", "soft"


class Endpoint:
    """Refuses by the recipient: ``gone`` and ``soft``; the next requests fail as ``faults`` says, one after another.

    A fault is a status, ``garbage``, or ``cut`` before or ``cut after`` it has delivered; ``cut body`` delivers, and
    breaks off in the middle of its answer.
    """

    def __init__(self) -> None:
        self.faults: list[int | str] = []
        self.retry_after = ""
        self.answer: Any = None
        """What it says instead of the truth."""
        self.headers: dict[str, str] = {}
        """What else its answers carry."""
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.delivered: Counter[str] = Counter()
        self.messages: dict[str, dict[str, str]] = {}
        self._seen: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/messages"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int | str, Any]:
        """The status and answer to one request."""
        with self._lock:
            self.requests.append((headers, body))
            fault = self.faults.pop(0) if self.faults else 200
            if fault not in (200, "cut after"):
                return fault, {"reason": "out_of_order"}
            signed = f"{headers.get('noria-timestamp', '')}.".encode() + body
            seal = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
            if not hmac.compare_digest(headers.get("noria-signature", ""), f"v1={seal}"):
                return 401, {"reason": "unsigned"}
            said = json.loads(body)
            key = headers["idempotency-key"]
            if key not in self._seen:
                batch = "messages" in said
                results = [self._deliver(one) for one in (said["messages"] if batch else [said])]
                self._seen[key] = {"results": results} if batch else results[0]
            return fault, self._seen[key] if self.answer is None else self.answer

    def _deliver(self, message: dict[str, str]) -> dict[str, str]:
        key, name = message["key"], message.get("to", "").split("@")[0]
        if name == HARD:
            return {"key": key, "status": "hard_bounce", "reason": "no_such_mailbox"}
        if name == SOFT:
            return {"key": key, "status": "transient", "reason": f"{message['to']} is busy"}
        self.delivered[key] += 1
        self.messages[key] = message
        return {"key": key, "status": "sent", "id": f"id-{key}"}


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard = {name.lower(): value for name, value in self.headers.items()}
            status, answer = endpoint.take({**heard, ":path": self.path}, body)
            if status == "cut body":
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{")
                return
            if isinstance(status, str):
                self.close_connection = True
                if status == "garbage":
                    self.wfile.write(b"no HTTP at all\r\n\r\n")
                return
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            if endpoint.retry_after:
                self.send_header("Retry-After", endpoint.retry_after)
            for name, value in endpoint.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    return Handler
