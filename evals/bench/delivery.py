"""Measures delivery on a made-up shop: messages a second through the whole ledger, and how long an event waits.

Run ``python -m evals.bench.delivery``. Every rate stands beside two others from the same run: the client alone with
ready-made bytes, which is as fast as it can go, and a plain loop without ledger, approval or journal.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from evals.bench import loops, shop
from evals.bench.sinks import sink
from memory.clock import Clock, ManualClock
from memory.errors import NoriaError
from memory.lake import Lake
from memory.store import Store
from tools.channels.channel import Capabilities, Channel, Outcome, Outgoing, Sent
from tools.channels.http import HttpChannel, HttpEndpoint
from tools.channels.smtp import SmtpChannel, SmtpServer
from tools.deliver import deliver
from tools.intake import Incoming, receive
from tools.launch import launch
from tools.worker import tick
from tools.workplace import Workplace

RATIO = 0.6
"""Messages a second, as a share of what the client alone does over HTTP."""
WAIT_SECONDS = 2.0
"""How long 99 of 100 events may wait, at the highest rate."""
RATES = (50, 200, 500)
_CONNECTIONS = 4
_WIDTH = 150
"""Columns of the printed tables."""
_WARM_UP = 20
_PAUSE = 0.02
"""Seconds between two ticks."""
_PATIENCE = 180.0
_SECRET = "a secret of at least sixteen"  # noqa: S105 - of a server that lives for one measurement
# A loop with one request at a time would take minutes behind a slow server; its rate shows after a few.
_PLAIN_MOST = {0.0: 2000, 0.05: 200}


@dataclass(frozen=True)
class Way:
    """One kind of receiving side: messages in a request (0: a request for each) and its latency in seconds."""

    name: str
    kind: Literal["http", "smtp"]
    batch: int = 0
    latency: float = 0.0


WAYS = (
    Way("HTTP, one a request, instant", "http"),
    Way("HTTP, 500 a request, instant", "http", batch=500),
    Way("HTTP, 500 a request, 50 ms", "http", batch=500, latency=0.05),
    Way("SMTP, instant", "smtp"),
)


@dataclass(frozen=True)
class Rate:
    """Messages a second of one way on one engine."""

    engine: str
    way: str
    messages: int
    noria: float
    two: float
    """The same by two workers, each a process of its own."""
    raw: float
    plain: float
    noria_cpu_ms: float
    """Processor time of the sending process for each message: other work on the machine adds less to it."""
    raw_cpu_ms: float

    @property
    def of_raw(self) -> float:
        """Share of what the client alone does."""
        return self.noria / self.raw

    @property
    def two_of_raw(self) -> float:
        """Share that two workers reach of what the client alone does in one process."""
        return self.two / self.raw

    @property
    def cpu_of_raw(self) -> float:
        """The client's share of the processor time that a message takes."""
        return self.raw_cpu_ms / self.noria_cpu_ms

    @property
    def of_plain(self) -> float:
        """As a multiple of the plain loop."""
        return self.noria / self.plain


@dataclass(frozen=True)
class Wait:
    """Seconds from an event to the moment at which its message is handed to the channel."""

    engine: str
    events_per_second: int
    events: int
    p50: float
    p99: float
    cpu_ms: float
    """Processor time of the worker for each event."""


class _Keeping:
    """A channel that keeps what it is handed."""

    def __init__(self, inner: Channel) -> None:
        self.inner = inner
        self.name = inner.name
        self.capabilities = inner.capabilities
        self.kept: list[Outgoing] = []

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        self.kept += batch
        return self.inner.send_many(batch, seconds=seconds)

    def close(self) -> None:
        self.inner.close()


class _Noting:
    """A channel that takes everything at once, and notes when."""

    name = "noting"
    capabilities = Capabilities(carries="email", idempotent=True, batch_size=500, at_once=500)

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        now = time.time()
        self.at.update({one.address: now for one in batch})
        return [Sent(one.message_key) for one in batch]

    def close(self) -> None:
        pass


def measure_rate(urls: Iterator[str], folder: Path, way: Way, number: int, *, engine: str) -> Rate:
    """Send one campaign to ``number`` contacts by Noria, by two workers of it, by the client alone, by the plain loop.

    Raises NoriaError if they did not write to the same people once each.
    """
    ids = [one for one in range(1, number + 1) if shop.may_be_written_to(one)]
    everybody = sorted(shop.address(one) for one in ids)
    two = _two_workers(next(urls), folder / "two", way, number, everybody)
    url = next(urls)
    with _opened(url) as store, sink(way.kind, latency=way.latency) as receiver:
        shop.fill_store(store, number)
        channel = _Keeping(_channel(way, receiver.port))
        place = _workplace(store, folder, ManualClock(shop.MONDAY), channel)
        launch(place, shop.approve(store, shop.play(place.pack)))
        begun, busy = time.perf_counter(), time.process_time()
        deliver(place)
        took, worked = time.perf_counter() - begun, time.process_time() - busy
        channel.close()
        _same(receiver.taken(), everybody, "Noria")
        ready = channel.kept
        busy = time.process_time()
        if way.kind == "http":
            connections = 1 if way.batch else _CONNECTIONS
            raw = loops.raw_http(receiver, ready, _SECRET, batch=way.batch, connections=connections)
        else:
            raw = loops.raw_smtp(receiver, ready, connections=_CONNECTIONS)
        raw_worked = time.process_time() - busy
        _same(receiver.taken(), everybody, "the client alone")
        loops.prepare_plain(store)
        asked = range(1, min(number, _PLAIN_MOST[way.latency]) + 1)
        written = [one for one in asked if shop.may_be_written_to(one)]
        plain = loops.plain(store, asked, receiver, way=way.kind)
        _same(receiver.taken(), sorted(shop.address(one) for one in written), "the plain loop")
    return Rate(
        engine=engine,
        way=way.name,
        messages=len(ids),
        noria=len(ids) / took,
        two=len(ids) / two,
        raw=len(ids) / raw,
        plain=len(written) / plain,
        noria_cpu_ms=1000 * worked / len(ids),
        raw_cpu_ms=1000 * raw_worked / len(ids),
    )


def _two_workers(url: str, folder: Path, way: Way, number: int, everybody: Sequence[str]) -> float:
    """Seconds in which two processes, which are up and waiting for the word, send one campaign together."""
    context = get_context("spawn")
    with _opened(url) as store, sink(way.kind, latency=way.latency) as receiver:
        shop.fill_store(store, number)
        channel = _channel(way, receiver.port)
        place = _workplace(store, folder, ManualClock(shop.MONDAY), channel)
        launch(place, shop.approve(store, shop.play(place.pack)))
        channel.close()
        lines, workers = [], []
        for _ in range(2):
            here, there = context.Pipe()
            workers.append(context.Process(target=_deliver, args=(url, folder, way, receiver.port, there), daemon=True))
            workers[-1].start()
            lines.append(here)
        for line in lines:
            line.recv()
        begun = time.perf_counter()
        for line in lines:
            line.send("go")
        for worker in workers:
            worker.join()
        took = time.perf_counter() - begun
        _same(receiver.taken(), everybody, "two workers")
    return took


def _deliver(url: str, folder: Path, way: Way, port: int, line: Connection) -> None:
    """One of several workers: says that it is up, and sends what is due when it is told to."""
    with _opened(url) as store:
        channel = _channel(way, port)
        place = _workplace(store, folder, ManualClock(shop.MONDAY), channel)
        line.send("up")
        line.recv()
        deliver(place)
        channel.close()


def measure_wait(url: str, folder: Path, per_second: int, seconds: float, *, engine: str) -> Wait:
    """Hand in carts at a steady rate while a worker in another process acts on them.

    An event's time counts from when it was due to be handed in, so that a slow intake shows too.
    """
    number = int(per_second * seconds)
    may = [one for one in range(1, 2 * number + 2 * _WARM_UP + 100) if shop.may_be_written_to(one)]
    first, asked = may[:_WARM_UP], may[_WARM_UP : _WARM_UP + number]
    with _opened(url) as store:
        shop.fill_store(store, asked[-1])
        started = time.time()
        clock = shop.RunningClock(started)
        place = _workplace(store, folder, clock, _Noting())
        launch(place, shop.approve(store, shop.cart_play(place.pack)))
        context = get_context("spawn")
        here, there = context.Pipe()
        worker = context.Process(target=_work, args=(url, folder, started, there), daemon=True)
        worker.start()
        # What a worker loads once, with its first message, is no part of the pace that it keeps.
        _hand_in(store, clock, first, _WARM_UP)
        _, busy = _answer(here, worker, len(first))
        due = _hand_in(store, clock, asked, per_second)
        noted, busy_then = _answer(here, worker, len(first) + len(asked))
        here.send(0)
        worker.join()
    waits = sorted(noted[shop.address(one)] - due[one] for one in asked)
    cpu_ms = 1000 * (busy_then - busy) / number
    return Wait(engine, per_second, number, _quantile(waits, 0.5), _quantile(waits, 0.99), cpu_ms)


def _answer(line: Connection, worker: BaseProcess, messages: int) -> tuple[dict[str, float], float]:
    """When each message was handed to the channel, by address, once so many were; and the worker's processor time."""
    line.send(messages)
    if not line.poll(_PATIENCE):
        worker.kill()
        raise NoriaError("The worker did not get through the events in time.")
    found: tuple[dict[str, float], float] = line.recv()
    return found


def _hand_in(store: Store, clock: Clock, asked: Sequence[int], per_second: int) -> dict[int, float]:
    """When each event was due to be handed in; those that fell due during one call go into the next together."""
    begin = time.time()
    due = {one: begin + place / per_second for place, one in enumerate(asked)}
    waiting = list(asked)
    while waiting:
        now = time.time()
        ready = [one for one in waiting if due[one] <= now]
        if not ready:
            time.sleep(max(due[waiting[0]] - now, 0))
            continue
        at = clock.now()
        receive(store, [Incoming(event_id=f"cart-{one}", kind="cart", at=at, contact=one) for one in ready], at)
        waiting = waiting[len(ready) :]
    return due


def _work(url: str, folder: Path, started: float, line: Connection) -> None:
    """A worker that ticks, and answers when as many messages have left as it is asked for; 0 lets it go."""
    channel = _Noting()
    with _opened(url) as store:
        place = _workplace(store, folder, shop.RunningClock(started), channel)
        expected: int | None = None
        while expected != 0:
            tick(place)
            if line.poll(_PAUSE):
                expected = line.recv()
            if expected and len(channel.at) >= expected:
                line.send((channel.at, time.process_time()))
                expected = None


def _channel(way: Way, port: int) -> Channel:
    if way.kind == "smtp":
        return SmtpChannel(SmtpServer(host="127.0.0.1", port=port, security="none", connections=_CONNECTIONS))
    return HttpChannel(
        HttpEndpoint(
            url=f"http://127.0.0.1:{port}/messages",
            carries="email",
            secret=SecretStr(_SECRET),
            batch=bool(way.batch),
            connections=_CONNECTIONS,
            batch_size=way.batch or None,
        )
    )


def _workplace(store: Store, folder: Path, clock: Clock, channel: Channel) -> Workplace:
    return Workplace(
        store=store,
        lake=Lake(folder / "lake"),
        pack=shop.base_pack(),
        clock=clock,
        channels={"email": channel},
        public_url=shop.URL,
        currency="EUR",
    )


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    store = Store(url)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


def _same(found: Sequence[str], expected: Sequence[str], who: str) -> None:
    if sorted(found) != list(expected):
        raise NoriaError(f"Not everybody was written to once by {who}: {len(found)} instead of {len(expected)}.")


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(int(share * len(values)), len(values) - 1)]


def measure(
    number: int,
    *,
    seconds: float = 10.0,
    rates: Sequence[int] = RATES,
    engines: Sequence[str] = ("sqlite", "postgresql"),
) -> tuple[list[Rate], list[Wait]]:
    """Every way and every rate of events on each engine that can start."""
    found: list[Rate] = []
    waits: list[Wait] = []
    for engine in engines:
        with tempfile.TemporaryDirectory(prefix="noria-bench-") as name:
            folder = Path(name)
            with _urls(engine, folder) as urls:
                found += [
                    measure_rate(urls, folder / f"rate{place}", way, number, engine=engine)
                    for place, way in enumerate(WAYS)
                ]
                waits += [
                    measure_wait(next(urls), folder / f"wait{rate}", rate, seconds, engine=engine) for rate in rates
                ]
    return found, waits


@contextmanager
def _urls(engine: str, folder: Path) -> Iterator[Iterator[str]]:
    """One fresh store after another."""
    if engine == "sqlite":
        yield (f"sqlite:///{folder / f'store{number}.db'}" for number in range(1000))
        return
    with shop.postgres(folder) as server:
        yield (shop.new_database(server, f"bench{number}") for number in range(1000))


def _tables(rates: Sequence[Rate], waits: Sequence[Wait]) -> list[Table]:
    first = Table(title="Messages a second, claim to record")
    speeds = ("Noria", "two workers", "client alone", "plain loop", "of client", "two of client", "times plain")
    for heading in ("store", "way", "messages", *speeds, "CPU ms", "client's CPU ms", "its share"):
        first.add_column(heading, justify="left" if heading in {"store", "way"} else "right")
    for one in rates:
        paces = (f"{pace:,.0f}" for pace in (one.noria, one.two, one.raw, one.plain))
        busy = (f"{one.noria_cpu_ms:.2f}", f"{one.raw_cpu_ms:.2f}", f"{one.cpu_of_raw:.0%}")
        ratios = (f"{one.of_raw:.0%}", f"{one.two_of_raw:.0%}", f"{one.of_plain:.1f}")
        first.add_row(one.engine, one.way, f"{one.messages:,}", *paces, *ratios, *busy)
    second = Table(title="Seconds from a cart to its message at the channel")
    for heading in ("store", "events a second", "events", "p50", "p99", "CPU ms"):
        second.add_column(heading, justify="left" if heading == "store" else "right")
    for wait in waits:
        second.add_row(
            wait.engine,
            str(wait.events_per_second),
            f"{wait.events:,}",
            f"{wait.p50:.2f}",
            f"{wait.p99:.2f}",
            f"{wait.cpu_ms:.2f}",
        )
    return [first, second]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured; whether it meets the targets is for the reader, since machines differ."""
    parser = argparse.ArgumentParser(description="Measure delivery against the client alone and a plain loop.")
    parser.add_argument("--contacts", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long events are handed in at each rate")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    rates: list[Rate] = []
    waits: list[Wait] = []
    lacking = ""
    for engine in ("sqlite", "postgresql"):
        try:
            more = measure(chosen.contacts, seconds=chosen.seconds, engines=[engine])
        except shop.NoPostgresError as error:
            lacking = str(error)
            continue
        rates, waits = rates + more[0], waits + more[1]
    if chosen.json:
        shown = [
            {
                **asdict(one),
                "of_raw": one.of_raw,
                "two_of_raw": one.two_of_raw,
                "cpu_of_raw": one.cpu_of_raw,
                "of_plain": one.of_plain,
            }
            for one in rates
        ]
        json.dump({"rates": shown, "waits": [asdict(one) for one in waits], "lacking": lacking}, sys.stdout, indent=2)
        return 0
    console = Console(width=_WIDTH)
    for table in _tables(rates, waits):
        console.print(table)
    most = RATES[-1]
    console.print(f"Targets: {RATIO:.0%} of the client over HTTP; p99 below {WAIT_SECONDS:g} s at {most} events/s.")
    if lacking:
        console.print(lacking)
    return 0


if __name__ == "__main__":
    sys.exit(main())
