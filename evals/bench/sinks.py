"""Servers that take whatever they are handed and remember for whom it was, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal

_STARTS_WITHIN = 30.0


@dataclass(frozen=True)
class Sink:
    """One running server."""

    port: int
    _line: Connection

    @property
    def url(self) -> str:
        """Where an HTTP sink takes messages."""
        return f"http://127.0.0.1:{self.port}/messages"

    def taken(self) -> list[str]:
        """Addresses written to since the last time that somebody asked, as often as they were."""
        self._line.send("taken")
        found: list[str] = self._line.recv()
        return found


@contextmanager
def sink(kind: Literal["http", "smtp"], *, latency: float = 0.0) -> Iterator[Sink]:
    """A server that answers each request after ``latency`` seconds."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(kind, latency, there), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(_STARTS_WITHIN):
            raise TimeoutError("the sink did not start")
        yield Sink(here.recv(), here)
    finally:
        here.close()
        process.join(timeout=5)
        if process.is_alive():
            process.kill()


def _serve(kind: str, latency: float, line: Connection) -> None:
    taken: list[str] = []
    threading.Thread(target=_http if kind == "http" else _smtp, args=(latency, taken, line), daemon=True).start()
    try:
        while line.recv():
            found = taken.copy()
            taken.clear()
            line.send(found)
    except EOFError:
        # Whoever asked has left.
        return


def _http(latency: float, taken: list[str], line: Connection) -> None:
    from aiohttp import web

    async def take(request: web.Request) -> web.Response:
        said = json.loads(await request.read())
        messages = said.get("messages", [said])
        if latency:
            await asyncio.sleep(latency)
        taken.extend(one["to"] for one in messages)
        return web.json_response({"results": [{"key": one["key"], "status": "sent"} for one in messages]})

    async def run() -> None:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/messages", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        line.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


def _smtp(latency: float, taken: list[str], line: Connection) -> None:
    from aiosmtpd.controller import Controller

    class Takes:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the name is aiosmtpd's
            if latency:
                await asyncio.sleep(latency)
            taken.extend(envelope.rcpt_tos)
            return "250 2.0.0 OK"

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    controller = Controller(Takes(), hostname="127.0.0.1", port=port)
    controller.start()
    line.send(port)
    while True:
        time.sleep(3600)
