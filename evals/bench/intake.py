"""Measures the doors for events: how many a second are on record when they are answered, and how long an answer takes.

Run ``python -m evals.bench.intake``. Each rate stands beside that of a server that reads the same bodies, keeps nothing
and says yes: as fast as the web server can go here. Afterwards the events in the store are held against those answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import aiohttp
import uvicorn
from fastapi import FastAPI, Request
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, insert, select
from starlette.responses import Response

from console.event_door import HEADER, sign
from console.web import public_app
from console.wiring import EXAMPLE_BRAND
from evals.bench import shop
from memory.brand import load_brand
from memory.clock import SystemClock
from memory.errors import NoriaError
from memory.schema import contacts, intake
from memory.store import Store

TARGET: Final = 1_000
"""Events a second, each on record before it is answered."""
_CONTACTS: Final = 10_000
_CONNECTIONS: Final = 16
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


def measure(door: Door, url: str, engine: str, seconds: float) -> Rate:
    """Fill one door of a fresh store for some seconds. Raises NoriaError if an answered event is not on record."""
    store = Store(url)
    store.migrate()
    with store.write() as connection:
        now = SystemClock().now()
        rows = [{"email": f"c{one}@shop.example.com", "created_at": now, "updated_at": now} for one in range(_CONTACTS)]
        connection.execute(insert(contacts), rows)
    with _serving(url) as (port, bare_port):
        bare, _ = asyncio.run(_fill(door, bare_port, seconds / 2))
        answered, waits = asyncio.run(_fill(door, port, seconds))
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
    )


@dataclass
class _Answered:
    events: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.events / self.seconds


async def _fill(door: Door, port: int, seconds: float) -> tuple[_Answered, list[float]]:
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
        await asyncio.gather(*(send(client) for _ in range(_CONNECTIONS)))
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
def _serving(url: str) -> Iterator[tuple[int, int]]:
    """The doors and the bare server, each in a process of its own."""
    context = get_context("spawn")
    lines, processes = [], []
    for serve in (_doors, _bare):
        here, there = context.Pipe()
        process = context.Process(target=_run, args=(serve, url, there), daemon=True)
        process.start()
        lines.append(here)
        processes.append(process)
    try:
        ports = []
        for line in lines:
            if not line.poll(_STARTS_WITHIN):
                raise TimeoutError("the server did not start")
            ports.append(int(line.recv()))
        yield ports[0], ports[1]
    finally:
        for process in processes:
            process.kill()
            process.join()


def _doors(url: str) -> FastAPI:
    brand = load_brand(EXAMPLE_BRAND.read_text(encoding="utf-8"), str(EXAMPLE_BRAND))
    key = SecretStr(_SECRET)
    return public_app(Store(url), SystemClock(), brand, events_key=key, segment_key=key)


def _bare(_: str) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/{method}")
    async def take(method: str, request: Request) -> Response:
        await request.body()
        return Response(status_code=200)

    return app


def _run(serve: Callable[[str], FastAPI], url: str, line: Connection) -> None:
    config = uvicorn.Config(serve(url), host="127.0.0.1", port=0, log_level="error", access_log=False)
    server = uvicorn.Server(config)

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        line.send(server.servers[0].sockets[0].getsockname()[1])
        await serving

    asyncio.run(run())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured; whether it meets the target is for the reader, since machines differ."""
    parser = argparse.ArgumentParser(description="Measure the doors for events against a server that keeps nothing.")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each door is filled")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    found: list[Rate] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, door in enumerate(DOORS):
            found.append(measure(door, f"sqlite:///{folder / f'store{number}.db'}", "sqlite", asked.seconds))
        if asked.postgres:
            with shop.postgres(folder) as server:
                for number, door in enumerate(DOORS):
                    url = shop.new_database(server, f"intake{number}")
                    found.append(measure(door, url, "postgresql", asked.seconds))
    if asked.json:
        print(json.dumps([asdict(one) for one in found]))
        return 0
    table = Table(title=f"Events on record when they are answered (target: {TARGET:,} a second)")
    for heading in ("store", "door", "events a second", "bare server", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading in {"store", "door"} else "right")
    for one in found:
        table.add_row(
            one.engine, one.door, f"{one.per_second:,.0f}", f"{one.bare:,.0f}", f"{one.p50_ms:.0f}", f"{one.p99_ms:.0f}"
        )
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
