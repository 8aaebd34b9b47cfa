"""A small shop whose record supports several playbooks, and the desk that deliberates on it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from agents.checkpoints import open_checkpoints
from agents.desk import Desk, DeskSettings
from agents.playbook import PACKAGED, Playbook, load_playbooks
from agents.provider import Provider
from agents.resume import Threads, Waiting
from agents.rules import RulesProvider
from memory import proposals
from memory.clock import Clock, ManualClock
from memory.journal import Entry, entries
from memory.lake import Lake
from memory.proposal import Brief, DecisionVerdict, Proposal, ProposalStatus
from memory.schema import offers
from memory.store import Store
from tests import examples
from tests.memory.builders import Row, purchase, write_lake
from tests.policies.worlds import base_pack
from tests.tools.scene import add_contacts
from tools.feature_cache import FeatureCache

NOW = datetime.fromisoformat("2025-03-03T09:00:00+00:00")
CONTACTS = 160
WITHOUT_CONSENT = range(151, 161)
LATE = range(1, 81)
"""Contacts who bought every 30 days and have stayed away for 62."""
BRIEF = Brief(
    brief_id="b1",
    metric="repeat orders",
    intention="Win back regular customers before they forget us",
    owner="marie",
    stop_rule="Stop when more than one in a hundred unsubscribes",
    decision="Whether win-back mails run all year",
    author="cli:marie",
)


# Shared by all tests: computing features is what takes time, and an untouched copy of a lake has the same ones.
_FEATURES = FeatureCache()


@cache
def playbooks() -> dict[str, Playbook]:
    return load_playbooks(PACKAGED)


def fill(store: Store, folder: Path) -> None:
    """Customers with a rhythm of 30 days; half of them are late. Four bought anyway in the last four weeks."""
    ids = range(1, CONTACTS + 1)
    add_contacts(store, [one for one in ids if one not in WITHOUT_CONSENT])
    add_contacts(store, list(WITHOUT_CONSENT), consent="")
    orders: list[Row] = []
    lines: list[Row] = []
    for one in ids:
        last = 62 if one in LATE else 5 + one % 20
        for turn in range(8):
            at = NOW - timedelta(days=last + 30 * turn, hours=one % 12)
            # A third has never bought tea, which the others go on to.
            only_coffee = turn % 2 == 1 or one % 3 == 0
            items = [("coffee", 2_000 + one)] if only_coffee else [("tea", 1_500), ("coffee", 1_000 + one)]
            order, its_lines = purchase(f"o{one}-{turn}", one, at, *items)
            orders.append(order)
            lines += its_lines
    people: list[Row] = [
        {
            "contact_id": one,
            "time_zone": "Europe/Paris",
            "created_at": NOW - timedelta(days=400),
            "consent_email": "" if one in WITHOUT_CONSENT else "granted",
            "consent_proof": one not in WITHOUT_CONSENT,
        }
        for one in ids
    ]
    products: list[Row] = [
        {"product_id": f"product-{name}", "name": name.title(), "category": name, "price_cents": 1_500}
        for name in ("coffee", "tea")
    ]
    write_lake(folder / "lake", contacts=people, orders=orders, lines=lines, products=products)


def add_offer(store: Store, offer_id: str = "spring", **changes: Any) -> None:
    """Ten percent off, approved, for two months."""
    values = {
        "offer_id": offer_id,
        "kind": "percent",
        "value": 1000,
        "code": "SPRING10",
        "labels": {"en": "10 % off your next order", "fr": "10 % sur votre prochaine commande"},
        "starts_at": NOW - timedelta(days=1),
        "ends_at": NOW + timedelta(days=60),
        "approved_by": "marie",
        **changes,
    }
    with store.write() as connection:
        connection.execute(insert(offers).values(**values))


@dataclass
class World:
    """One workspace folder with its threads open."""

    folder: Path
    desk: Desk
    threads: Threads
    clock: ManualClock

    @property
    def store(self) -> Store:
        return self.desk.store


def make_desk(
    folder: Path, *, provider: Provider | None = None, clock: Clock | None = None, store_url: str = "", **settings: Any
) -> Desk:
    return Desk(
        store=Store(store_url or f"sqlite:///{folder / 'store.db'}"),
        lake=Lake(folder / "lake"),
        clock=clock or ManualClock(NOW),
        pack=base_pack(),
        playbooks=playbooks(),
        brand=examples.brand(),
        provider=provider or RulesProvider(),
        settings=DeskSettings(**settings),
        features=_FEATURES,
    )


@contextmanager
def open_world(
    folder: Path,
    *,
    provider: Provider | None = None,
    clock: ManualClock | None = None,
    names: Collection[str] = (),
    only_sequence: str = "",
    **settings: Any,
) -> Iterator[World]:
    """Open a workspace as a process does at its start; opening it twice is two processes. ``names``: only these.

    ``only_sequence`` leaves one of their sequences, however small the list.
    """
    moved = clock or ManualClock(NOW)
    desk = make_desk(folder, provider=provider, clock=moved, **settings)
    if names:
        desk = replace(desk, playbooks={name: _with(desk.playbooks[name], only_sequence) for name in names})
    try:
        with open_checkpoints(desk.store, folder) as saver:
            yield World(folder, desk, Threads(desk, saver), moved)
    finally:
        desk.store.close()


def _with(playbook: Playbook, sequence: str) -> Playbook:
    if not sequence:
        return playbook
    [only] = [one for one in playbook.sequences if one.key == sequence]
    levels = {sequence: playbook.levels[sequence]}
    return playbook.model_copy(update={"sequences": (only.model_copy(update={"share": 1.0}),), "levels": levels})


def copy_of(template: Path, folder: Path) -> Path:
    """A workspace of one's own, as it stood when the template was closed."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return folder


def first_proposal(world: World, playbook: str = "win_back") -> Proposal:
    """The newest version of the waiting proposal of a playbook."""
    with world.store.read() as connection:
        found = proposals.list_proposals(connection)
    return next(one.proposal for one in found if one.proposal.play.playbook == playbook)


def status_of(world: World, proposal_id: str) -> ProposalStatus:
    with world.store.read() as connection:
        return proposals.get(connection, proposal_id).status


def question(world: World, proposal: Proposal) -> Waiting:
    """The one question that a proposal's thread waits for."""
    (waiting,) = world.threads.waiting(proposal.thread_id)
    return waiting


def say(world: World, proposal: Proposal, verdict: DecisionVerdict, *, actor: str = "cli:marie", **more: Any) -> str:
    """Store a decision as the command line or the console does; returns its id."""
    with world.store.write() as connection:
        return proposals.decide(
            connection,
            proposal_id=proposal.proposal_id,
            version=proposal.version,
            digest=proposal.digest,
            verdict=verdict,
            actor=actor,
            at=world.clock.now(),
            **more,
        ).decision_id


def journalled(world: World, action: str, subject: str | None = None) -> list[Entry]:
    with world.store.read() as connection:
        return list(entries(connection, action=action, subject=subject))
