"""Measures every page of the console, and the lists of the API, over a large made-up record.

Run ``python -m evals.bench.console``. Rows are written into the store directly; each page is then asked for in the same
process, as somebody who is signed in, so that what is measured is the page and not the network.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, select

from console.cli.serve import web_app
from console.cli.setup import make_workspace
from console.credentials import hash_token
from console.settings import SERVING_SECRETS
from console.tokens import make_token
from console.wiring import Workspace
from evals.bench import shop
from memory import campaigns, sessions, users
from memory.proposal import Proposal, ProposalStatus
from memory.schema import proposal_versions, proposals
from memory.store import Store
from memory.tokens import SCOPES
from memory.workspace import StoreClock
from tools.launch import launch

TARGET_MS = 200.0
_DAY = timedelta(days=1)
_STATUSES = (
    *[ProposalStatus.OPEN] * 2, *[ProposalStatus.QUEUED] * 8, *[ProposalStatus.LAUNCHED] * 40,
    *[ProposalStatus.REJECTED] * 25, *[ProposalStatus.EXPIRED] * 25,
)  # fmt: skip
"""How a hundred proposals stand."""


@dataclass(frozen=True)
class Page:
    """How long a page takes, in milliseconds."""

    name: str
    first: float
    """The first time it was asked for after the start."""
    median: float
    p95: float
    kilobytes: float


def fill_proposals(store: Store, like: Proposal, number: int) -> None:
    """Copies of one proposal, an hour apart, of a hundred owners, standing at every stage."""
    body = like.model_dump(mode="json")
    for start in range(0, number, 500):
        rows: list[dict[str, Any]] = []
        for one in range(start, min(start + 500, number)):
            name, at = f"made{one:06}", shop.MONDAY - one * timedelta(hours=1)
            body = {**body, "proposal_id": name, "thread_id": f"thread-{name}", "title": f"Plan {one}"}
            rows.append(
                {
                    "proposal_id": name,
                    "version": 1,
                    "thread_id": f"thread-{name}",
                    "kind": like.kind,
                    "playbook": like.play.playbook,
                    "status": _STATUSES[one % len(_STATUSES)],
                    "digest": like.digest,
                    "rank_score": float(one % 97),
                    "body": body,
                    "owner": f"owner{one % 100}",
                    "created_at": at,
                    "updated_at": at,
                    "expires_at": shop.MONDAY + 3 * _DAY,
                }
            )
        with store.write() as connection:
            connection.execute(insert(proposals), rows)
            named = ("proposal_id", "version", "digest", "body", "created_at")
            connection.execute(
                insert(proposal_versions), [{**{key: row[key] for key in named}, "author": "agents"} for row in rows]
            )


def fill_campaign(opened: Workspace, contacts: int) -> str:
    """A campaign that a tenth of the contacts is in, with its planned messages; returns its id."""
    proposal_id = shop.approve(opened.store, shop.play(opened.pack))
    some: Any = _Some(contacts // 10)
    launch(opened.workplace, proposal_id, features=some)
    return campaigns.campaign_id_of(proposal_id)


def prepare(folder: Path, *, contacts: int, proposals_number: int, events: bool) -> str:
    """The workspace; returns the id of the campaign."""
    opened = Workspace(make_workspace(folder, name="Bench", currency="EUR", zone="Europe/Paris"), {})
    StoreClock(opened.store).advance_to(shop.MONDAY)
    shop.fill_store(opened.store, contacts)
    if events:
        shop.fill_lake(opened.lake, contacts)
    campaign_id = fill_campaign(opened, contacts)
    with opened.store.read() as connection:
        body = connection.execute(select(proposals.c.body).limit(1)).scalar_one()
    fill_proposals(opened.store, Proposal.model_validate(body), proposals_number)
    opened.close()
    return campaign_id


def pages(campaign_id: str, contacts: int, proposals_number: int) -> Mapping[str, str]:
    """What is asked for, by its name."""
    one, last = contacts // 2, contacts - 1
    screens = {
        "inbox": "", "inbox, settled": "?view=settled", "proposal": "proposals/made000000",
        "campaigns": "campaigns", "campaign": f"campaigns/{campaign_id}", "contacts": "contacts",
        "contact by address": f"contacts?name={shop.address(one)}", "contact": f"contacts/{last}",
        "memory": "memory", "policies": "policies", "journal": "journal", "health": "health", "evals": "evals",
        "people": "people", "tokens": "tokens", "account": "account", "switch": "switch",
    }  # fmt: skip
    lists = {
        "proposals": "proposals", "proposals, far on": f"proposals?limit=200&after=made{proposals_number // 2:06}",
        "proposal": "proposals/made000000", "campaigns": "campaigns", "contacts": f"contacts?limit=200&after={one}",
        "contact": f"contacts/{last}", "health": "health", "metrics": "metrics",
    }  # fmt: skip
    return {
        **{name: f"/console/{path}" for name, path in screens.items()},
        **{f"API: {name}": f"/api/v1/{path}" for name, path in lists.items()},
    }


def measure(opened: Workspace, wanted: Mapping[str, str], times: int) -> list[Page]:
    """Ask for each page again and again, as somebody with a session and a token; the first time stands apart."""
    at = datetime.now(UTC)
    with opened.store.write() as connection:
        users.invite(connection, "bench", "admin", invite_hash="bench", until=at + _DAY, actor="cli:bench", at=at)
        users.take_up(connection, "bench", password_hash="none", second_factor=None, at=at)  # noqa: S106 - none
        sessions.open_session(connection, "bench", hash_token("bench"), at=at, until=at + _DAY)
    written, _ = make_token(opened.store, "bench", "bench", SCOPES, days=1, actor="cli:bench", at=at)
    return asyncio.run(_measure(web_app(opened, console=True), written, wanted, times))


async def _measure(app: Any, token: str, wanted: Mapping[str, str], times: int) -> list[Page]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://bench",
        headers={"Authorization": f"Bearer {token}"},
        cookies={"noria": "bench"},
    ) as client:
        return [await _page(client, name, address, times) for name, address in wanted.items()]


async def _page(client: httpx.AsyncClient, name: str, address: str, times: int) -> Page:
    taken: list[float] = []
    size = 0
    for _ in range(times + 1):
        begun = time.perf_counter()
        answer = await client.get(address)
        taken.append((time.perf_counter() - begun) * 1000)
        size = len(answer.content)
        if answer.status_code != httpx.codes.OK:
            raise SystemExit(f"{name} answered {answer.status_code}: {answer.text[:300]}")
    first, *rest = taken
    p95 = sorted(rest)[min(len(rest) - 1, int(0.95 * len(rest)))]
    return Page(name, first, statistics.median(rest), p95, size / 1000)


class _Some:
    """Features that select the first contacts, so many."""

    def __init__(self, number: int) -> None:
        self._ids = range(1, number + 1)

    def select(self, _expression: object) -> list[int]:
        return list(self._ids)

    def rows(self, ids: Sequence[int], _names: Sequence[str]) -> dict[int, dict[str, Any]]:
        return {one: {} for one in ids}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--proposals", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--no-events", action="store_true", help="leave the lake empty, so that no features are there")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bench"
        begun = time.perf_counter()
        campaign_id = prepare(
            folder, contacts=given.contacts, proposals_number=given.proposals, events=not given.no_events
        )
        made = time.perf_counter() - begun
        opened = Workspace(folder, {}, SERVING_SECRETS)
        found = measure(opened, pages(campaign_id, given.contacts, given.proposals), given.times)
        opened.close()
    if given.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
        return
    title = f"{given.contacts:,} contacts, {given.proposals:,} proposals (made in {made:.0f} s); milliseconds"
    table = Table(title=title, title_justify="left")
    for column in ("page", "first", "median", "p95", "kB"):
        table.add_column(column, justify="left" if column == "page" else "right")
    for one in found:
        mark = "[red]" if one.median > TARGET_MS else ""
        table.add_row(one.name, f"{one.first:.0f}", f"{mark}{one.median:.0f}", f"{one.p95:.0f}", f"{one.kilobytes:.0f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
