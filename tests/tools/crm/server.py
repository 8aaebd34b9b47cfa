"""Systems on this machine: each answers like the real one from the records it is given, and misbehaves on request."""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from tools.crm.connector import Connector
from tools.crm.connectors import SYSTEMS, import_connector

KEY = "a key that nobody may see"
START = datetime(2024, 9, 2, 8, 0, tzinfo=UTC)


class Request(NamedTuple):
    """One question that was asked."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


Reply = tuple[int, Any]


class Server(ABC):
    """Keeps records with the moment of their last change; the next answers fail as ``faults`` says, one after another.

    A fault is a status, ``cut`` (hangs up), ``cut body`` (in the middle of the answer), ``page`` (HTML, status 200),
    ``slow``, or ``expire``: from then on the token is refused until it is renewed.
    """

    system: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    rights: ClassVar[tuple[str, ...]] = ()
    """What its key must be allowed, to write back too, as the check names it."""
    asked_for_a_page: ClassVar[int] = 1
    """Questions that the connector asks for one page of contacts."""

    def __init__(self) -> None:
        self.now = START
        """Its own clock, which moves on with each change."""
        self.faults: list[int | str] = []
        self.headers: dict[str, str] = {}
        self.requests: list[Request] = []
        self.before: Callable[[Request], None] = lambda _request: None
        """Called before each answer, for what changes while somebody reads."""
        self.says = "out of order"
        """What it says of a fault."""
        self.withheld: set[str] = set()
        """Those of the rights that the key does not have."""
        self.token = KEY
        self.renewals = 0
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def secrets(self) -> dict[str, SecretStr]:
        """What the connector is given."""
        return {name: SecretStr(KEY) for name in SYSTEMS[self.system].secrets}

    def connector(self, **more: Any) -> Connector:
        """A connector to this server."""
        options = SYSTEMS[self.system].options.model_validate(self.options)
        return import_connector(self.system)(options, self.secrets, url=self.url, **more)

    def tick(self) -> datetime:
        """The moment of one more change."""
        self.now += timedelta(minutes=20)
        return self.now

    def take(self, request: Request) -> Reply | str:
        with self._lock:
            self.requests.append(request)
            token = self.renews(request)
            if token is not None:
                return token
            fault = self.faults.pop(0) if self.faults else 0
            if fault == "expire":
                self.token = "another that nobody has yet"
                fault = 0
            if fault == "slow":
                time.sleep(0.2)
                fault = 0
            if isinstance(fault, str) and fault != "cut body":
                return fault
            if isinstance(fault, int) and fault:
                return fault, {"message": f"{self.says}: {KEY}"}
            if not self.allows(request):
                return 401, {"message": f"no such token {KEY}"}
            if self.right_for(request) in self.withheld:
                return 403, {"message": f"not with the key {KEY}"}
            self.before(request)
            status, answer = self.answer(request)
            return (0, answer) if fault == "cut body" else (status, answer)

    def renews(self, request: Request) -> Reply | None:
        """The answer to a request for a fresh token; None for any other request."""
        return None

    def right_for(self, request: Request) -> str:
        """The right that a request takes; empty where it takes none, or where it is told in another way."""
        return ""

    @abstractmethod
    def allows(self, request: Request) -> bool:
        """Whether the right key came along."""

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """What it says."""

    @abstractmethod
    def put(self, number: int, **values: str) -> None:
        """Make or change person ``number``; ``first_name`` is theirs."""

    @abstractmethod
    def remove(self, number: int) -> None:
        """Delete one."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard = {name.lower(): value for name, value in self.headers.items()}
            said = server.take(Request(self.command, split.path, dict(parse_qsl(split.query)), heard, body))
            if said == "page":
                said = (200, "<html>Welcome</html>")
            if isinstance(said, str):
                self.close_connection = True
                return
            status, answer = said
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            if not status:
                self.close_connection = True
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
                self.wfile.write(head + content[: len(content) // 2])
                return
            self.send_response_only(status)
            self.send_header("Date", format_datetime(server.now, usegmt=True))
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names are the library's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    return Handler
