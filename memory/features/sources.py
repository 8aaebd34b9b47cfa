"""One row per contact from each source over which features are defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ibis  # type: ignore[import-untyped]  # it ships no types

from memory.events import SIGNALS
from memory.features.categories import category_days, favourites, next_category, replenishment, viewed
from memory.features.feature import DAY_MICROS, Feature, Source, Table
from memory.features.history import History
from memory.features.hours import favourite_hours, favourite_weekdays

MINIMUM_INTERVALS = 2


class Sources:
    """Builds the tables of a history; what several sources share is written out once."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._days: Table | None = None

    def table(self, source: Source, features: Sequence[Feature]) -> Table:
        """(contact_id, a column for each of these features of the source)."""
        history = self._history
        aggregated: dict[Source, Callable[[], Table]] = {
            Source.ORDERS: lambda: history.orders,
            Source.COSTS: self._costs,
            Source.EVENTS: lambda: history.events,
            Source.SENDS: lambda: history.sends,
        }
        by_contact: dict[Source, Callable[[], Table]] = {
            Source.CONTACTS: lambda: history.contacts,
            Source.RHYTHM: self._rhythm,
            Source.UNANSWERED: self._unanswered,
            Source.FAVOURITES: lambda: favourites(history, self._category_days()),
            Source.REPLENISHMENT: lambda: replenishment(history, self._category_days()),
            Source.NEXT: lambda: next_category(history, self._category_days()),
            Source.VIEWED: lambda: viewed(history),
            Source.HOURS: lambda: favourite_hours(history),
            Source.WEEKDAYS: lambda: favourite_weekdays(history),
        }
        if source in aggregated:
            table = aggregated[source]()
            built = {feature.name: feature.build(table, history.period) for feature in features}
            return table.group_by("contact_id").aggregate(**built)
        table = by_contact[source]()
        return table.select("contact_id", **{each.name: each.build(table, history.period) for each in features})

    def _category_days(self) -> Table:
        if self._days is None:
            self._days = category_days(self._history)
        return self._days

    def _costs(self) -> Table:
        lines = self._history.lines.filter(self._history.lines.at >= self._history.period.ago(365))
        products = self._history.products
        return lines.left_join(products, "product_id").select(
            lines.contact_id, lines.quantity, lines.amount_cents, products.cost_cents
        )

    def _unanswered(self) -> Table:
        events, orders, sends = self._history.events, self._history.orders, self._history.sends
        signals = ibis.union(
            events.filter(events.kind.isin(SIGNALS)).select("contact_id", "at"),
            orders.filter(orders.bought).select("contact_id", "at"),
            distinct=False,
        )
        last = signals.group_by(of_contact_id=signals.contact_id).aggregate(signal_at=signals.at.max())
        since = sends.filter(sends.delivered).left_join(last, sends.contact_id == last.of_contact_id)
        # Without any sign of life nothing is known, so nothing counts as unanswered.
        unanswered = since.filter(since.at > since.signal_at)
        return unanswered.group_by("contact_id").aggregate(sends_since_signal=unanswered.count())

    def _rhythm(self) -> Table:
        orders = self._history.orders.filter(self._history.orders.bought)
        days = orders.select("contact_id", day=(orders.at // DAY_MICROS).cast("int64")).distinct()
        previous = days.day.lag().over(ibis.window(group_by=days.contact_id, order_by=days.day))
        steps = days.mutate(interval=days.day - previous)
        rhythm = steps.group_by("contact_id").aggregate(
            median_interval_days=steps.interval.median(), intervals=steps.interval.count()
        )
        return rhythm.filter(rhythm.intervals >= MINIMUM_INTERVALS)
