"""The people of a case, one by one, with every order they placed: what both the record and the truth are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from evals.scenario import Group, Scenario


@dataclass(frozen=True)
class Order:
    """One order of one category."""

    at: datetime
    category: str
    cents: int


@dataclass(frozen=True)
class Person:
    """One contact of a group."""

    contact_id: int
    group_name: str
    group: Group
    orders: tuple[Order, ...]
    """Oldest first."""

    @property
    def email(self) -> str:
        return f"contact{self.contact_id}@shop.example.com"

    @property
    def last_signal_at(self) -> datetime | None:
        """The last sign of life by order; None without any."""
        return self.orders[-1].at if self.orders else None


def people_of(scenario: Scenario) -> Mapping[int, Person]:
    """Everybody in the world of a case, by contact id; groups follow each other in the order of the file."""
    found: dict[int, Person] = {}
    for name, group in scenario.world.groups.items():
        for place in range(group.contacts):
            contact_id = len(found) + 1
            orders = sorted(_orders(group, place, scenario.clock), key=lambda one: (one.at, one.category))
            found[contact_id] = Person(contact_id, name, group, tuple(orders))
    return found


def _orders(group: Group, place: int, now: datetime) -> list[Order]:
    orders = []
    for buys in group.buys:
        last = buys.last_days + (place % (buys.spread_days + 1))
        for turn in range(buys.count):
            # Two hours before the hour of the clock, so that a day count is exact and no order is in the future.
            at = now - timedelta(days=last + turn * buys.every_days, hours=2)
            orders.append(Order(at, buys.category, buys.cents))
    return orders
