"""A small record of the past, and what the agents propose on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from agents.planning import plan
from memory import proposals
from memory.proposal import Proposal
from memory.store import Store
from tests.agents.world import BRIEF, NOW, open_world
from tests.memory.builders import Row, purchase, write_lake
from tests.tools.scene import add_contacts

EVERYBODY = range(1, 41)
DAY = timedelta(days=1)


def write_record(
    folder: Path,
    *,
    events: Iterable[Row] = (),
    days_ago: Mapping[int, Collection[int]] | None = None,
    items: tuple[tuple[str, int], ...] = (("coffee", 2_000),),
) -> None:
    """Forty contacts who consented; ``days_ago`` says when each of them ordered, without it once in the last year."""
    turns = days_ago if days_ago is not None else {one: [40 + one * 5] for one in EVERYBODY}
    store = Store(f"sqlite:///{folder / 'store.db'}")
    store.migrate()
    add_contacts(store, EVERYBODY)
    store.close()
    orders: list[Row] = []
    lines: list[Row] = []
    for one, days in turns.items():
        for day in days:
            order, its_lines = purchase(f"o{one}-{day}", one, NOW - timedelta(days=day, hours=one % 12), *items)
            orders.append(order)
            lines += its_lines
    people: list[Row] = [
        {
            "contact_id": one,
            "time_zone": "Europe/Paris",
            "created_at": NOW - 400 * DAY,
            "consent_email": "granted",
            "consent_proof": True,
        }
        for one in EVERYBODY
    ]
    products: list[Row] = [
        {"product_id": f"product-{name}", "name": name.title(), "category": name, "price_cents": 1_500}
        for name in ("coffee", "tea")
    ]
    write_lake(folder / "lake", contacts=people, orders=orders, lines=lines, products=products, events=list(events))


def did(kind: str, who: Iterable[int], days_ago: int, **columns: object) -> list[Row]:
    """An event of each of some contacts, at different hours of a day."""
    return [
        {"event_id": f"{kind}-{one}-{days_ago}", "contact_id": one, "kind": kind,
         "at": NOW - timedelta(days=days_ago, hours=one % 12), **columns}
        for one in who
    ]  # fmt: skip


def proposed(folder: Path, playbook: str) -> tuple[Proposal | None, str]:
    """What a planning round on the record makes of one playbook: the proposal, or why there is none."""
    with open_world(folder, names=[playbook]) as world:
        result = plan(world.threads, BRIEF)
        with world.store.read() as connection:
            found = proposals.list_proposals(connection)
    return (found[0].proposal, "") if found else (None, " ".join(one.sentence for one in result.withheld))
