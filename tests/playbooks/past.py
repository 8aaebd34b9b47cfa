"""A record that may or may not support a playbook, and what the planner makes of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agents.planning import plan
from memory.proposal import Proposal
from memory.store import Store
from tests.agents.world import BRIEF, NOW, first_proposal, open_world
from tests.memory.builders import Row, purchase, write_lake
from tests.tools.scene import add_contacts

DAY = timedelta(days=1)


def orders_of(
    contacts: Iterable[int], days_ago: Iterable[int], category: str = "coffee"
) -> list[tuple[Row, list[Row]]]:
    """Orders of each of some contacts, so many days before now."""
    return [
        purchase(f"o-{category}-{one}-{ago}", one, NOW - ago * DAY, (category, 2_000))
        for one in contacts
        for ago in days_ago
    ]


def happened(kind: str, contacts: Iterable[int], days_ago: Iterable[int]) -> list[Row]:
    """Events of each of some contacts, so many days before now."""
    return [{"kind": kind, "contact_id": one, "at": NOW - ago * DAY} for one in contacts for ago in days_ago]


def sent_to(contacts: Iterable[int], days_ago: Iterable[int]) -> list[Row]:
    """Messages that each of some contacts got, so many days before now."""
    return [{"contact_id": one, "at": NOW - ago * DAY} for one in contacts for ago in days_ago]


def propose(
    store: Store,
    folder: Path,
    playbook: str,
    *,
    contacts: Collection[int] = range(1, 161),
    orders: Iterable[tuple[Row, list[Row]]] = (),
    events: Iterable[Row] = (),
    sends: Iterable[Row] = (),
    signal_at: datetime | None = None,
) -> tuple[Proposal | None, str]:
    """Let the rules plan with one playbook on such a record: its proposal, or why there is none."""
    columns: dict[str, Any] = {} if signal_at is None else {"last_human_signal_at": signal_at}
    add_contacts(store, contacts, **columns)
    pairs = list(orders)
    people: list[Row] = [
        {
            "contact_id": one,
            "time_zone": "Europe/Paris",
            "created_at": NOW - 500 * DAY,
            "consent_email": "granted",
            "consent_proof": True,
        }
        for one in contacts
    ]
    write_lake(
        folder / "lake",
        contacts=people,
        orders=[order for order, _ in pairs],
        lines=[line for _, lines in pairs for line in lines],
        events=events,
        sends=sends,
        products=[{"product_id": "product-coffee", "name": "Coffee", "category": "coffee", "price_cents": 1_500}],
    )
    with open_world(folder, names=[playbook]) as world:
        result = plan(world.threads, BRIEF)
        if not result.proposal_ids:
            return None, " ".join(one.sentence for one in result.withheld)
        return first_proposal(world, playbook), ""
