"""`langgraph dev` serves the graph: a proposal is deliberated, shown, and approved in the shape of Agent Inbox."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory import proposals
from memory.proposal import ProposalStatus
from memory.store import Store
from memory.workspace import StoreClock
from tests.agents.world import BRIEF, NOW

ROOT = Path(__file__).parents[2]
BRAND = (ROOT / "agents" / "playbooks" / "brand.example.yaml").read_text(encoding="utf-8")


@pytest.fixture
def workspace(fresh: Path) -> Path:
    """A workspace as `noria init` makes it, with a record and its own clock."""
    (fresh / "noria.toml").write_text('name = "Test shop"\nsandbox = true\n', encoding="utf-8")
    (fresh / "brand.yaml").write_text(BRAND, encoding="utf-8")
    store = Store(f"sqlite:///{fresh / 'store.db'}")
    StoreClock(store).advance_to(NOW)
    with store.write() as connection:
        proposals.write_brief(connection, BRIEF, NOW)
    store.close()
    return fresh


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a running `langgraph dev`, which writes its own files into a folder of this test."""
    pytest.importorskip("langgraph_api", reason="langgraph dev comes with the dev extra")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = tmp_path / "server"
    place.mkdir()
    # The server looks for the graph, and writes its files, in the folder it is started in.
    config = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))
    config["graphs"] = {name: str(ROOT / path) for name, path in config["graphs"].items()}
    (place / "langgraph.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with (place / "log").open("wb") as log:
        running = subprocess.Popen(
            command,
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 90
            while not answers(address):
                assert running.poll() is None, (place / "log").read_text(encoding="utf-8")[-2_000:]
                assert time.monotonic() < deadline, "langgraph dev did not come up"
                time.sleep(0.5)
            yield address
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
            running.wait(timeout=20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ok", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=90) as reply:
        return json.loads(reply.read())


@pytest.mark.slow
def test_a_proposal_is_approved_through_langgraph_dev(server: str, workspace: Path) -> None:
    config = {"configurable": {"workspace": str(workspace)}}
    thread = ask(f"{server}/threads", {})["thread_id"]
    run = {"assistant_id": "operator", "config": config}
    given = {"brief_id": BRIEF.brief_id, "playbook": "win_back"}
    ask(f"{server}/threads/{thread}/runs/wait", {**run, "input": given})
    (waiting,) = [one for task in ask(f"{server}/threads/{thread}/state")["tasks"] for one in task["interrupts"]]
    assert waiting["value"]["action_requests"][0]["arguments"]
    inbox = {"resume": [{"type": "accept", "args": None}]}
    ask(f"{server}/threads/{thread}/runs/wait", {**run, "command": inbox})
    store = Store(f"sqlite:///{workspace / 'store.db'}")
    with store.read() as connection:
        assert proposals.get(connection, waiting["value"]["proposal_id"]).status is ProposalStatus.APPROVED
    store.close()
