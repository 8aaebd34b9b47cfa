"""The API over a workspace, and programs that act in somebody's name."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from console.tokens import make_token
from memory import proposals, users
from memory.clock import SystemClock
from memory.role import Role
from memory.tokens import SCOPES, Scope
from memory.workspace import StoreClock
from tests import examples
from tests.console.screens.conftest import House, _new_workspace, house, serve
from tests.tools import scene

__all__ = ["_new_workspace", "house", "serve"]


def program_of(house: House, role: Role, *scopes: Scope, name: str = "") -> TestClient:
    """A program that acts for somebody of a role, with every scope unless some are named."""
    name, at = name or role, SystemClock().now()
    with house.opened.store.write() as connection:
        if name not in {one.name for one in users.everyone(connection)}:
            until = at.replace(year=2100)
            users.invite(connection, name, role, invite_hash=name, until=until, actor="cli:test", at=at)
            users.take_up(connection, name, password_hash="none", second_factor=None, at=at)
    written, _ = make_token(house.opened.store, name, "test", scopes or SCOPES, days=30, actor=f"console:{name}", at=at)
    return TestClient(house.app, base_url="http://testserver/api/v1", headers={"Authorization": f"Bearer {written}"})


@pytest.fixture
def stocked(house: House) -> House:
    """A workspace at 3 March 2025 with two contacts, a campaign that runs, and two proposals that wait."""
    opened = house.opened
    StoreClock(opened.store).advance_to(scene.NOW)
    scene.add_contacts(opened.store, [1, 2])
    scene.start(opened.workplace, scene.play(), [1, 2], proposal_id="ran")
    with opened.store.write() as connection:
        for name in ("p1", "p2"):
            one = examples.proposal(name, created_at=scene.NOW, expires_at=scene.NOW + 3 * scene.DAY)
            proposals.submit(connection, one, author="agents", at=scene.NOW, open_limit=99)
    return house
