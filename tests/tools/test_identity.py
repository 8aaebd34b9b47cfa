"""Whose an event is: found for many at once, and as one contact alone would be found."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event as sql
from sqlalchemy import insert, update

from memory import contacts
from memory.errors import NotFoundError
from memory.schema import contact_aliases
from memory.schema import contacts as people
from memory.store import Store
from tests.tools.scene import NOW, add_contacts, address
from tools.identity import whose
from tools.intake import Incoming, receive


def about(contact: int | str, **properties: Any) -> Incoming:
    return Incoming(event_id=str(contact), kind="click", at=NOW, contact=contact, properties=properties)


@pytest.fixture
def store_of_four(any_store: Store) -> Store:
    """1 and 3 as they are, 2 merged into 1, 4 erased; each has an id in a shop."""
    add_contacts(any_store, [1, 2, 3, 4])
    with any_store.write() as connection:
        named = [{"source": "shop", "alias": f"s{one}", "contact_id": one} for one in (1, 2, 3, 4)]
        older = [
            {"source": "a_shop", "alias": "s3", "contact_id": 1},
            {"source": "shop", "alias": "77", "contact_id": 3},
        ]
        connection.execute(insert(contact_aliases), [*named, *older])
        contacts.merge(connection, kept=1, merged=2, actor="anna", at=NOW)
        connection.execute(update(people).where(people.c.contact_id == 4).values(erased_at=NOW, email=None))
    return any_store


@pytest.mark.parametrize(
    ("contact", "found"),
    [
        (1, 1),
        (2, 1),
        (4, None),
        (99, None),
        (address(1), 1),
        (f" {address(3).upper()} ", 3),
        (address(2), 1),
        ("s2", 1),
        # Of two sources that use one name, the first by its own name.
        ("s3", 1),
        ("s4", None),
        ("77", 3),
        # A shop's number that no shop gave is nobody's, though Noria has a contact of that number.
        ("3", None),
        ("nobody@shop.example.com", None),
        ("", None),
    ],
)
def test_an_event_is_whose_name_it_bears(store_of_four: Store, contact: int | str, found: int | None) -> None:
    with store_of_four.read() as connection:
        assert whose(connection, [about(contact)], {}) == [found]
        if isinstance(contact, str):
            try:
                alone = contacts.find(connection, contact, own_id=False)
            except NotFoundError:
                assert found is None
            else:
                assert (None if alone.erased_at else alone.contact_id) == found


def test_many_are_told_apart_in_the_order_in_which_they_came(store_of_four: Store) -> None:
    names: list[int | str] = ["s3", 2, "nobody", address(3), 4, 1, address(3)]
    with store_of_four.read() as connection:
        assert whose(connection, [about(one) for one in names], {}) == [1, 1, None, 3, None, 1, 3]


def test_a_number_counts_where_no_name_does_and_never_for_who_was_erased(store_of_four: Store) -> None:
    numbers = {"+331": 2, "+334": 4}
    with store_of_four.read() as connection:
        found = whose(connection, [about("+331"), about("+334"), about("+339"), about(address(3))], numbers)
    assert found == [1, None, None, 3]


def test_more_events_take_no_more_statements(store: Store) -> None:
    add_contacts(store, range(1, 101))
    ran: list[int] = []
    sql.listen(store.engine, "before_cursor_execute", lambda *_: ran.append(1))

    def statements(count: int, kind: str) -> int:
        ran.clear()
        events = [
            Incoming(event_id=f"{kind}{count}-{one}", kind=kind, at=NOW, contact=address(one))
            for one in range(1, count + 1)
        ]
        receive(store, events, NOW)
        return len(ran)

    for kind in ("view", "cart", "order"):
        assert statements(100, kind) == statements(2, kind)


@pytest.mark.parametrize("kind", ["view", "cart", "order", "unsubscribe", "complaint", "bounce", "delivered", "reply"])
def test_no_event_makes_the_store_read_all_contacts(store: Store, kind: str) -> None:
    add_contacts(store, [1, 2])
    ran: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        ran.append((statement, parameters[0] if many else parameters))

    sql.listen(store.engine, "before_cursor_execute", note)
    receive(store, [Incoming(event_id=kind, kind=kind, at=NOW, contact=address(1), properties={"bounce": "hard"})], NOW)
    sql.remove(store.engine, "before_cursor_execute", note)
    with store.read() as connection:
        plans = [
            row.detail
            for statement, parameters in ran
            if statement.startswith(("SELECT", "UPDATE", "DELETE"))
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert plans
    assert [plan for plan in plans if plan.startswith("SCAN contacts")] == []
