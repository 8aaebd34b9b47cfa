"""A record of the past, and what the agents propose on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agents.planning import plan
from memory import proposals
from memory.proposal import Proposal
from memory.store import Store
from tests.agents.world import BRIEF, NOW, open_world
from tests.memory.builders import Row, purchase, write_lake
from tests.tools.scene import add_contacts

EVERYBODY = range(1, 41)
DAY = timedelta(days=1)
Order = tuple[Row, list[Row]]


def write_record(
    folder: Path, *, events: Iterable[Row] = (), days_ago: Mapping[int, Collection[int]] | None = None
) -> None:
    """Forty contacts who consented; ``days_ago`` says when each of them ordered, without it once in the last year."""
    store = Store(f"sqlite:///{folder / 'store.db'}")
    store.migrate()
    add_contacts(store, EVERYBODY)
    store.close()
    turns = days_ago if days_ago is not None else {one: [40 + one * 5] for one in EVERYBODY}
    orders = [
        purchase(f"o{one}-{ago}", one, NOW - timedelta(days=ago, hours=one % 12), ("coffee", 2_000))
        for one, days in turns.items()
        for ago in days
    ]
    write_readers(folder, EVERYBODY, orders, events)


def propose(
    store: Store,
    folder: Path,
    playbook: str,
    *,
    contacts: Collection[int] = range(1, 161),
    orders: Iterable[Order] = (),
    events: Iterable[Row] = (),
    sends: Iterable[Row] = (),
    signal_at: datetime | None = None,
) -> tuple[Proposal | None, str]:
    """Let the rules plan with one playbook on such a record: its proposal, or why there is none."""
    columns: dict[str, Any] = {} if signal_at is None else {"last_human_signal_at": signal_at}
    add_contacts(store, contacts, **columns)
    write_readers(folder, contacts, orders, events, sends)
    return proposed(folder, playbook)


def proposed(folder: Path, playbook: str) -> tuple[Proposal | None, str]:
    """What a planning round on the record makes of one playbook: the proposal, or why there is none."""
    with open_world(folder, names=[playbook]) as world:
        result = plan(world.threads, BRIEF)
        with world.store.read() as connection:
            found = proposals.list_proposals(connection)
    return (found[0].proposal, "") if found else (None, " ".join(one.sentence for one in result.withheld))


def orders_of(contacts: Iterable[int], days_ago: Iterable[int], category: str = "coffee") -> list[Order]:
    """Orders of each of some contacts, so many days before now."""
    return [
        purchase(f"o-{category}-{one}-{ago}", one, NOW - ago * DAY, (category, 2_000))
        for one in contacts
        for ago in days_ago
    ]


def did(kind: str, who: Iterable[int], *days_ago: int, **columns: object) -> list[Row]:
    """Events of each of some contacts, so many days before now, at different hours of the day."""
    return [
        {"event_id": f"{kind}-{one}-{ago}", "contact_id": one, "kind": kind,
         "at": NOW - timedelta(days=ago, hours=one % 12), **columns}
        for one in who
        for ago in days_ago
    ]  # fmt: skip


def sent_to(contacts: Iterable[int], days_ago: Iterable[int]) -> list[Row]:
    """Messages that each of some contacts got, so many days before now."""
    return [{"contact_id": one, "at": NOW - ago * DAY} for one in contacts for ago in days_ago]


def write_readers(
    folder: Path,
    contacts: Iterable[int],
    orders: Iterable[Order],
    events: Iterable[Row] = (),
    sends: Iterable[Row] = (),
) -> None:
    """A lake of contacts of whom consent is on record with its proof, and what they did."""
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
    products: list[Row] = [
        {"product_id": f"product-{name}", "name": name.title(), "category": name, "price_cents": 1_500}
        for name in ("coffee", "tea")
    ]
    write_lake(
        folder / "lake",
        contacts=people,
        orders=[order for order, _ in pairs],
        lines=[line for _, lines in pairs for line in lines],
        events=list(events),
        sends=list(sends),
        products=products,
    )
