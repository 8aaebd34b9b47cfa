"""Measures the doors for events: how many a second are on record when they are answered, and how long an answer takes.

Run ``python -m evals.bench.intake``. Each rate stands beside that of a server that reads the same bodies, keeps nothing
and says yes: as fast as the web server can go here. Afterwards the events in the store are held against those answered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, insert, select

from console.event_door import HEADER, sign
from evals.bench import shop
from memory.clock import SystemClock
from memory.errors import NoriaError
from memory.schema import contacts, intake
from memory.store import Store

TARGET: Final = 1_000
"""Events a second, each on record before it is answered."""
_CONTACTS: Final = 10_000
_SECRET: Final = "k" * 40
_STARTS_WITHIN: Final = 60.0


@dataclass(frozen=True)
class Door:
    """One way in: its path, and how many events one request carries."""

    name: str
    path: str
    events: int


DOORS: Final = (
    Door("an event a request, signed", "/v1/events", 1),
    Door("Segment protocol, one a request", "/v1/track", 1),
    Door("Segment protocol, 100 a request", "/v1/batch", 100),
)


@dataclass(frozen=True)
class Rate:
    """What one door took in."""

    engine: str
    door: str
    events: int
    per_second: float
    bare: float
    """The same requests to the server that keeps nothing."""
    p50_ms: float
    p99_ms: float
    processor_ms: float | None
    """What `noria serve` worked for each event, whatever else the machine did; None where the system does not say."""


def measure(door: Door, url: str, engine: str, seconds: float, connections: int) -> Rate:
    """Fill one door of a fresh store for some seconds. Raises NoriaError if an answered event is not on record."""
    store = Store(url)
    store.migrate()
    with store.write() as connection:
        now = SystemClock().now()
        rows = [{"email": f"c{one}@shop.example.com", "created_at": now, "updated_at": now} for one in range(_CONTACTS)]
        connection.execute(insert(contacts), rows)
    with _serving(url) as (port, bare_port, serving):
        bare, _ = asyncio.run(_fill(door, bare_port, seconds / 2, connections))
        before = _worked_ms(serving)
        answered, waits = asyncio.run(_fill(door, port, seconds, connections))
        after = _worked_ms(serving)
    with store.read() as connection:
        kept = connection.execute(select(func.count()).select_from(intake)).scalar_one()
    store.close()
    if kept < answered.events:
        raise NoriaError(f"{answered.events} events were answered, and {kept} are on record.", where=door.path)
    waits.sort()
    return Rate(
        engine=engine,
        door=door.name,
        events=kept,
        per_second=answered.per_second,
        bare=bare.per_second,
        p50_ms=1000 * waits[len(waits) // 2],
        p99_ms=1000 * waits[int(len(waits) * 0.99)],
        processor_ms=None if before is None or after is None else (after - before) / answered.events,
    )


@dataclass
class _Answered:
    events: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.events / self.seconds


async def _fill(door: Door, port: int, seconds: float, connections: int) -> tuple[_Answered, list[float]]:
    """Send on several connections until the time is over; only what was answered well counts."""
    done, waits, number = _Answered(), list[float](), iter(range(10**9))
    began = time.perf_counter()

    async def send(client: aiohttp.ClientSession) -> None:
        while time.perf_counter() - began < seconds:
            body = _body(door, [next(number) for _ in range(door.events)])
            sent = time.perf_counter()
            url = f"http://127.0.0.1:{port}{door.path}"
            async with client.post(url, data=body, headers=_headers(door, body)) as answer:
                said = await answer.read()
                if answer.status >= 300:
                    raise NoriaError(f"It answered {answer.status}: {said[:200]!r}", where=door.path)
            waits.append(time.perf_counter() - sent)
            done.events += door.events

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(send(client) for _ in range(connections)))
    done.seconds = time.perf_counter() - began
    return done, waits


def _body(door: Door, numbers: Sequence[int]) -> bytes:
    at = SystemClock().now().isoformat()
    if door.path == "/v1/events":
        (one,) = numbers
        event = {"event_id": f"e{one}", "kind": "view", "at": at, "contact": _address(one)}
        return json.dumps({**event, "properties": {"product_id": "P1"}}).encode()
    calls = [
        {"type": "track", "event": "Product Viewed", "messageId": f"m{one}", "userId": _address(one), "timestamp": at}
        for one in numbers
    ]
    return json.dumps(calls[0] if door.events == 1 else {"batch": calls}).encode()


def _address(number: int) -> str:
    return f"c{number % _CONTACTS}@shop.example.com"


def _headers(door: Door, body: bytes) -> Mapping[str, str]:
    if door.path == "/v1/events":
        return {HEADER: sign(_SECRET, body, SystemClock().now()), "content-type": "application/json"}
    return {"authorization": "Basic " + b64encode(f"{_SECRET}:".encode()).decode()}


@contextmanager
def _serving(url: str) -> Iterator[tuple[int, int, int]]:
    """`noria serve` on a workspace of its own, and the bare server: the ports of both, and the process of the first."""
    context = get_context("spawn")
    here, there = context.Pipe()
    bare = context.Process(target=_bare, args=(there,), daemon=True)
    bare.start()
    with tempfile.TemporaryDirectory() as folder:
        noria, port = [sys.executable, "-m", "noria"], _free_port()
        # The environment goes on as it is, so that the command finds what this process finds.
        secrets = dict.fromkeys(("NORIA_EVENTS_KEY", "NORIA_SEGMENT_KEY"), _SECRET)
        environment = {**os.environ, **secrets, "NORIA_STORE_URL": url}
        subprocess.run([*noria, "init", folder], check=True, capture_output=True, env=environment)  # noqa: S603
        serve = [*noria, "serve", "--port", str(port), "--no-console", "--workspace", folder]
        doors = subprocess.Popen(serve, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603
        try:
            _wait_for(port)
            if not here.poll(_STARTS_WITHIN):
                raise TimeoutError("the bare server did not start")
            yield port, int(here.recv()), doors.pid
        finally:
            doors.terminate()
            doors.wait()
            bare.kill()
            bare.join()


def _worked_ms(process: int) -> float | None:
    """What a process, with all its threads, has worked so far; None where the system keeps no /proc."""
    try:
        said = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    user, system = said.rpartition(")")[2].split()[11:13]
    return 1000 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int) -> None:
    ends_at = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < ends_at:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError("noria serve did not start")


def _bare(line: Connection) -> None:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/v1/{method}", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        line.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured; whether it meets the target is for the reader, since machines differ."""
    parser = argparse.ArgumentParser(description="Measure the doors for events against a server that keeps nothing.")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each door is filled")
    parser.add_argument("--connections", type=int, default=16, help="how many send at a time")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    found: list[Rate] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, door in enumerate(DOORS):
            url = f"sqlite:///{folder / f'store{number}.db'}"
            found.append(measure(door, url, "sqlite", asked.seconds, asked.connections))
        if asked.postgres:
            with shop.postgres(folder) as server:
                for number, door in enumerate(DOORS):
                    url = shop.new_database(server, f"intake{number}")
                    found.append(measure(door, url, "postgresql", asked.seconds, asked.connections))
    if asked.json:
        print(json.dumps([asdict(one) for one in found]))
        return 0
    table = Table(title=f"Events on record when they are answered (target: {TARGET:,} a second)")
    for heading in ("store", "door", "events a second", "bare server", "p50 ms", "p99 ms", "processor ms an event"):
        table.add_column(heading, justify="left" if heading in {"store", "door"} else "right")
    for one in found:
        worked = "" if one.processor_ms is None else f"{one.processor_ms:.2f}"
        rates = (f"{one.per_second:,.0f}", f"{one.bare:,.0f}", f"{one.p50_ms:.0f}", f"{one.p99_ms:.0f}", worked)
        table.add_row(one.engine, one.door, *rates)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
