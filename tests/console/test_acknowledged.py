"""What is answered is on record: a server that is killed at any moment has lost nothing that it said yes to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import select

from console.event_door import HEADER, sign
from console.web import public_app
from memory.clock import SystemClock
from memory.schema import intake
from memory.store import Store
from tests import examples
from tests.tools.scene import add_contacts, address

KEY = "k" * 40
SENDERS = 8


def serve(url: str, line: Connection) -> None:
    web = public_app(Store(url), SystemClock(), examples.brand(), events_key=SecretStr(KEY))
    server = uvicorn.Config(web, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    listening = server.bind_socket()
    line.send(listening.getsockname()[1])
    uvicorn.Server(server).run(sockets=[listening])


@contextmanager
def killed_after(url: str) -> Iterator[tuple[str, Event]]:
    """A server of its own process: its address, and what to set for it to be killed."""
    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(url, there), daemon=True)
    server.start()
    enough = Event()

    def kill() -> None:
        enough.wait()
        server.kill()
        server.join()

    with ThreadPoolExecutor(1) as watch:
        killing = watch.submit(kill)
        try:
            yield f"http://127.0.0.1:{here.recv()}/v1/events", enough
        finally:
            enough.set()
            killing.result()


def post(client: httpx.Client, url: str, body: bytes) -> httpx.Response:
    signed = {HEADER: sign(KEY, body, SystemClock().now())}
    return client.post(url, content=body, headers=signed)


@pytest.mark.parametrize("answers", [1, 25, 150])
def test_nothing_that_was_answered_is_lost_when_the_server_is_killed(tmp_path: Path, answers: int) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    add_contacts(store, [1])
    numbers, accepted, refused = count(), list[str](), Counter[int]()

    def send(url: str, enough: Event) -> None:
        """Sound events, each now and then followed by one that is none, until nobody answers."""
        with httpx.Client(timeout=30) as client:
            while True:
                name = f"e{next(numbers)}"
                event = {"event_id": name, "kind": "view", "at": SystemClock().now().isoformat(), "contact": address(1)}
                try:
                    answer = post(client, url, json.dumps(event).encode())
                    refused[post(client, url, b'{"kind": "view"}').status_code] += 1
                except httpx.TransportError:
                    return
                assert answer.status_code == 202
                accepted.append(name)
                if len(accepted) >= answers:
                    enough.set()

    with killed_after(store.url) as (url, enough), ThreadPoolExecutor(SENDERS) as pool:
        for one in [pool.submit(send, url, enough) for _ in range(SENDERS)]:
            one.result()
    with store.read() as connection:
        kept = Counter(connection.execute(select(intake.c.event_id)).scalars())
    store.close()
    assert len(accepted) >= answers
    assert {f"shop:{name}" for name in accepted} <= kept.keys()
    assert set(kept.values()) == {1}
    assert set(refused) == {422}
