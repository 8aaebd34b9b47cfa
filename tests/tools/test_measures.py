"""What the record says about a play: who would have reached its goal without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory import replies
from memory.play import Goal, Limits
from memory.replies import Objection, Reply
from memory.store import Store
from memory.trigger import EventTrigger
from tests.memory.builders import Row, purchase, write_lake
from tests.policies.worlds import base_pack
from tests.tools.scene import DAY, NOW, add_contacts, play
from tools.measures import Measures


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal(event="order", window_days=14), 2),
        (Goal(event="order", window_days=14, category="tea"), 1),
        (Goal(event="order", window_days=14, category="shoes"), 0),
        (Goal(event="review", window_days=14), 1),
    ],
    ids=["any order", "an order of tea", "an order of shoes", "a review"],
)
def test_the_base_rate_of_an_event_trigger_counts_only_its_goal(
    store: Store, tmp_path: Path, goal: Goal, reached: int
) -> None:
    add_contacts(store, range(1, 5))
    carts: list[Row] = [{"contact_id": one, "kind": "cart", "at": NOW - 30 * DAY} for one in range(1, 5)]
    reviews: list[Row] = [{"contact_id": 3, "kind": "review", "at": NOW - 25 * DAY}]
    bought = [
        purchase("o1", 1, NOW - 28 * DAY, ("tea", 900)),
        purchase("o2", 2, NOW - 27 * DAY, ("coffee", 900)),
        # Too late, and before the cart.
        purchase("o3", 3, NOW - 10 * DAY, ("tea", 900)),
        purchase("o4", 4, NOW - 31 * DAY, ("tea", 900)),
    ]
    lake = write_lake(
        tmp_path / "lake",
        contacts=[{"contact_id": one, "created_at": NOW - 400 * DAY} for one in range(1, 5)],
        orders=[order for order, _ in bought],
        lines=[line for _, lines in bought for line in lines],
        events=[*carts, *reviews],
    )
    wanted = play(trigger=EventTrigger(event="cart", runs_days=30), goal=goal, limits=Limits(contacts_per_day=100))
    measures = Measures(store=store, lake=lake, pack=base_pack(), plays={"cart": wanted}, now=NOW, currency="EUR")
    _, answer = measures.offered()["base_rate"]
    found = answer({"playbook": "cart"})
    assert (found["contacts"], found["reached"]) == (4, reached)


def test_objections_are_those_of_the_segment_in_the_last_ninety_days(store: Store, tmp_path: Path) -> None:
    add_contacts(store, range(1, 5))
    lake = write_lake(
        tmp_path / "lake", contacts=[{"contact_id": one, "created_at": NOW - 400 * DAY} for one in range(1, 4)]
    )
    said: list[tuple[int, int, Objection]] = [
        (1, 3, "price"),
        (1, 2, "price"),
        (2, 5, "frequency"),
        (3, 91, "timing"),
        (4, 1, "price"),
    ]
    with store.write() as connection:
        rows = [
            Reply(event_id=f"mail:{contact}-{days}", contact_id=contact, at=NOW - days * DAY, channel="email",
                  words="", reading="objection", objection=kind, read_by="rules")
            for contact, days, kind in said
        ]  # fmt: skip
        replies.keep(connection, rows)
    plays = {"p": play(audience={"type": "all", "of": []})}
    measures = Measures(store=store, lake=lake, pack=base_pack(), plays=plays, now=NOW, currency="EUR")
    _, answer = measures.offered()["objections"]
    assert answer({"playbook": "p"})["objections"] == {"frequency": 1, "price": 1}
