"""`noria up`: console and worker by one command, and both gone when it is stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from console.cli import app

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="Other systems let a child outlive its parent.")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(true: Callable[[], object]) -> None:
    last = time.monotonic() + 60
    while not true():
        assert time.monotonic() < last
        time.sleep(0.1)


@contextmanager
def started(shop: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a group of its own, after these words, once it serves, and the link that it printed."""
    command = [*words, sys.executable, "-m", "noria", "up", "--port", str(free_port()), "--workspace", str(shop)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as parent:
        try:
            assert parent.stdout is not None
            link = re.search(r"http://\S+/console/welcome/[\w-]{43}", parent.stdout.readline())
            assert link
            until(lambda: answers(link[0]))
            yield parent, link[0]
        finally:
            if members(parent.pid):
                os.killpg(parent.pid, signal.SIGKILL)
            parent.communicate(timeout=60)


def answers(link: str) -> bool:
    try:
        return httpx.get(link, trust_env=False, timeout=30).status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False


def members(group: int) -> list[int]:
    """The processes of a group that still run."""
    told = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in told.stdout.splitlines()]
    return [int(pid) for pid, of, state in rows if int(of) == group and not state.startswith("Z")]


@pytest.mark.slow(seconds=40)
@pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGKILL, marks=linux)], ids=lambda one: one.name
)
def test_it_serves_and_works_and_nobody_is_left_however_it_ends(shop: Path, how: signal.Signals) -> None:
    with started(shop) as (parent, _link):
        assert len(members(parent.pid)) == 2
        parent.send_signal(how)
        parent.wait(timeout=60)
        until(lambda: not members(parent.pid))


@pytest.mark.slow(seconds=20)
def test_in_the_background_of_a_shell_a_signal_to_stop_is_no_error(shop: Path) -> None:
    # Shells let what runs in the background ignore Ctrl-C.
    with started(shop, "sh", "-c", "trap '' INT; exec \"$@\"", "sh") as (parent, _link):
        os.killpg(parent.pid, signal.SIGINT)
        said, _ = parent.communicate(timeout=60)
    assert "Error" not in said
    assert parent.returncode == 0


@pytest.mark.slow(seconds=20)
def test_a_worker_that_ends_by_itself_ends_it_with_an_error(shop: Path) -> None:
    with started(shop) as (parent, _link):
        [worker] = set(members(parent.pid)) - {parent.pid}
        os.kill(worker, signal.SIGKILL)
        said, _ = parent.communicate(timeout=60)
    assert "The worker has ended (status -9)" in said
    assert parent.returncode == 1


def test_a_key_in_the_environment_is_the_workers_alone(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, seen = ("NORIA_SMTP_PASSWORD", "NORIA_EVENTS_KEY"), list[tuple[bool, ...]]()
    for name in names:
        monkeypatch.setenv(name, "a key of more than thirty-two characters")

    def look(*_: object) -> None:
        seen.append(tuple(name in os.environ for name in names))

    real = subprocess.Popen

    def start(_command: list[str], **_more: object) -> subprocess.Popen[bytes]:
        look()
        return real([sys.executable, "-c", "import time; time.sleep(60)"])

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(uvicorn.Server, "run", look)
    before = signal.getsignal(signal.SIGTERM)
    try:
        CliRunner().invoke(app, ["up", "--workspace", str(shop)])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [(True, True), (False, True)]
