"""How fast contacts are read from a system: against a bare httpx loop over the same pages, and taken in to the end.

The system is a HubSpot on this machine, in a process of its own, that answers from memory. Run it with
``python -m evals.bench.sync``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from memory.clock import SystemClock
from memory.errors import NoriaError
from memory.importing.report import ImportSettings
from memory.lake import Lake
from memory.store import Store
from tools.crm.connectors import mapping_of
from tools.crm.hubspot.connector import HubSpot
from tools.crm.hubspot.options import HubSpotOptions
from tools.crm.intake import Intake
from tools.crm.mapping import properties_in
from tools.crm.sync import pull

TARGET: Final = 0.8
"""Share of the bare loop's speed that reading should reach."""
_PAGE: Final = 100
_AT: Final = "2025-01-02T09:00:00.000Z"
_PATH: Final = "/crm/v3/objects/contacts"


@dataclass(frozen=True)
class Measured:
    """Contacts, and seconds for each way."""

    contacts: int
    bare: float
    """Asking for every page and reading its JSON, nothing else."""
    read: float
    """The connector: the same pages as records."""
    taken_in: float
    """A whole first pull: read, mapped, checked, written, receipts and snapshot."""
    again: float
    """All of it once more, which changes nothing."""

    @property
    def share(self) -> float:
        """Speed of reading as a share of the bare loop's."""
        return self.bare / self.read


def measure(contacts: int) -> Measured:
    """Measure all ways over the same contacts. Raises NoriaError where they do not read the same."""
    with _system(contacts) as url, tempfile.TemporaryDirectory(prefix="noria-bench-") as name:
        folder = Path(name)
        mapping = {"contacts": mapping_of("hubspot", folder)["contacts"]}
        wanted = properties_in(mapping["contacts"])
        _bare(url, wanted)  # the server makes each page once
        begun = time.perf_counter()
        seen = _bare(url, wanted)
        bare = time.perf_counter() - begun
        connector = HubSpot(HubSpotOptions(), {"NORIA_HUBSPOT_KEY": SecretStr("any")}, url=url)
        begun = time.perf_counter()
        cursor, more, read = "", True, 0
        while more:
            page = connector.read("contacts", cursor, wanted)
            cursor, more, read = page.cursor, page.more, read + len(page.records)
        reading = time.perf_counter() - begun
        store = Store(f"sqlite:///{folder / 'store.db'}")
        store.migrate()
        place = Intake(store=store, lake=Lake(folder / "lake"), clock=SystemClock(), settings=ImportSettings())
        taken = []
        for again in (False, True):
            begun = time.perf_counter()
            (done,) = pull(place, connector, mapping, again=again)
            taken.append(time.perf_counter() - begun)
            if (seen, read, done.read, done.written) != (contacts, contacts, contacts, 0 if again else contacts):
                raise NoriaError(f"Of {contacts} contacts {seen}, {read} and {done.read} were read.", where="bench")
        connector.close()
        store.close()
    return Measured(contacts, bare, reading, *taken)


def _bare(url: str, wanted: Sequence[str]) -> int:
    seen, after = 0, "0"
    with httpx.Client(base_url=url, trust_env=False) as client:
        while after:
            said = client.get(_PATH, params={"limit": _PAGE, "after": after, "properties": ",".join(wanted)}).json()
            seen += len(said["results"])
            after = said.get("paging", {}).get("next", {}).get("after", "")
    return seen


@contextmanager
def _system(contacts: int) -> Iterator[str]:
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, contacts), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(there: Connection, contacts: int) -> None:
    pages: dict[int, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            after = int(dict(parse_qsl(urlsplit(self.path).query)).get("after", 0))
            if after not in pages:
                pages[after] = json.dumps(_page(after, contacts)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(pages[after])))
            self.end_headers()
            self.wfile.write(pages[after])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.send(server.server_port)
    server.serve_forever()


def _page(after: int, contacts: int) -> dict[str, Any]:
    last = min(after + _PAGE, contacts)
    said: dict[str, Any] = {"results": [_contact(number) for number in range(after + 1, last + 1)]}
    if last < contacts:
        said["paging"] = {"next": {"after": str(last), "link": f"{_PATH}?after={last}"}}
    return said


def _contact(number: int) -> dict[str, Any]:
    properties = {
        "email": f"person{number}@shop.example.com",
        "firstname": f"First{number}",
        "lastname": f"Last{number}",
        "company": f"Company {number % 500}",
        "city": "Lyon",
        "country": "France",
        "phone": f"+336{number:08}",
        "createdate": _AT,
        "lifecyclestage": "lead",
        "hs_object_id": str(number),
    }
    return {"id": str(number), "properties": properties, "createdAt": _AT, "updatedAt": _AT, "archived": False}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured; whether it meets the target is for the reader, since machines differ."""
    parser = argparse.ArgumentParser(description="Measure reading a system against a bare loop over its pages.")
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.contacts)
    if chosen.json:
        json.dump({**asdict(found), "share": found.share}, sys.stdout, indent=2)
        return 0
    table = Table(title=f"{found.contacts:,} contacts, {_PAGE} a page")
    for heading in ("way", "seconds", "contacts a second"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    ways = {
        "bare httpx loop": found.bare,
        "Noria: read": found.read,
        "Noria: read and take in": found.taken_in,
        "Noria: once more": found.again,
    }
    for way, seconds in ways.items():
        table.add_row(way, f"{seconds:.2f}", f"{found.contacts / seconds:,.0f}")
    console = Console()
    console.print(table)
    console.print(f"Reading is at {found.share:.0%} of the bare loop (target {TARGET:.0%}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
