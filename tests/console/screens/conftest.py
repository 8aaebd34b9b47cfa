"""The console over a workspace, and people of each role who are signed in to it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from console.cli.serve import web_app
from console.cli.setup import make_workspace
from console.credentials import hash_token
from console.wiring import Workspace
from memory import sessions, users
from memory.clock import SystemClock
from memory.role import Role

HERE = {"Sec-Fetch-Site": "same-origin"}
PASSWORD = "four words that differ"


@dataclass
class House:
    """A workspace that is served, with people in it."""

    opened: Workspace
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.app = web_app(self.opened, console=True)

    def stranger(self, **headers: str) -> TestClient:
        """Somebody who is not signed in, whose browser sends its forms from pages of ours."""
        return TestClient(self.app, headers=HERE | headers, follow_redirects=False)

    def person(self, role: Role, name: str = "") -> TestClient:
        """Somebody who is signed in; without a password, which would take a while to check."""
        name, at = name or role, datetime.now(UTC)
        token = f"session of {name}"
        with self.opened.store.write() as connection:
            if name not in {one.name for one in users.everyone(connection)}:
                users.invite(connection, name, role, invite_hash=name, until=SystemClock().now().replace(year=2100),
                             actor="cli:test", at=at)  # fmt: skip
                users.take_up(connection, name, password_hash="none", second_factor=None, at=at)
            if sessions.user_of(connection, hash_token(token), at) is None:
                sessions.open_session(connection, name, hash_token(token), at=at, until=at.replace(year=2100))
        client = self.stranger()
        client.cookies.set("noria", token)
        return client


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


Serve = Callable[[Path], House]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves the workspace of a folder."""
    opened: list[Workspace] = []

    def start(folder: Path) -> House:
        opened.append(Workspace(folder, {}))
        return House(opened[-1])

    yield start
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def _new_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_workspace(tmp_path_factory.mktemp("new") / "shop", name="Shop", currency="EUR", zone="Europe/Paris")
    workspace = Workspace(folder, {})
    assert workspace.store.is_migrated
    workspace.close()
    return folder


@pytest.fixture
def house(tmp_path: Path, _new_workspace: Path, serve: Serve) -> House:
    """A new workspace in which nothing has happened."""
    return serve(Path(shutil.copytree(_new_workspace, tmp_path / "shop")))
