"""Whom a trigger would have named: the past that tells how many contacts a running campaign can expect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from memory.events import ORDER
from memory.play import Play, RecordKind
from memory.schema import from_micros, to_micros
from memory.segments.grammar import parse
from memory.store import Store
from memory.trigger import DateTrigger, EventTrigger
from tools.anniversaries import coming_up

if TYPE_CHECKING:
    from memory.features.table import Features

_COLUMNS = ("product_id", "category", "value_cents")
_ORDERS = """
    SELECT contact_id, "at", '{"total_cents": ' || total_cents || '}' AS properties FROM orders
    WHERE contact_id IS NOT NULL AND "at" >= $since AND "at" < $until AND total_cents > 0
"""
_EVENTS = f"""
    SELECT contact_id, "at", properties, {", ".join(_COLUMNS)} FROM events
    WHERE contact_id IS NOT NULL AND "at" >= $since AND "at" < $until AND human AND kind = $kind
"""  # noqa: S608 - names of our own


class Call(NamedTuple):
    """A contact whom the trigger would have named, and when."""

    contact_id: int
    at: datetime
    records: dict[RecordKind, str]


def expected_callers(store: Store, features: Features, play: Play, at: datetime) -> dict[int, dict[RecordKind, str]]:
    """Contacts whom the trigger would name while it runs, going by the record; for ``once`` and ``api`` the audience.

    An event names those who did it in as many days before ``at`` as the campaign is to run, each with the records
    that the last one names; a date those whose day comes in as many days from now, a segment those who are in it now.
    """
    inside = features.select(parse(play.audience))
    if isinstance(play.trigger, EventTrigger):
        since = at - timedelta(days=play.trigger.runs_days)
        records = {call.contact_id: call.records for call in past_calls(features, play.trigger, since, at)}
        return {one: records[one] for one in inside if one in records}
    if isinstance(play.trigger, DateTrigger):
        with store.read() as connection:
            return {one: {} for one in coming_up(connection, play.trigger, inside, features, at=at)}
    return {one: {} for one in inside}


def past_calls(features: Features, trigger: EventTrigger, since: datetime, until: datetime) -> list[Call]:
    """Every event in a stretch of the past that would have named somebody, oldest first."""
    asks = bool(trigger.where or trigger.records)
    found = [
        Call(row["contact_id"], from_micros(row["at"]), trigger.records_of(properties))
        for row in _events(features, trigger.event, since, until)
        if trigger.accepts(trigger.event, properties := _properties(row) if asks else {})
    ]
    return sorted(found, key=lambda call: (call.at, call.contact_id))


def _properties(row: dict[str, Any]) -> dict[str, Any]:
    """What an event said, wherever the lake keeps it: an import puts the product into a column of its own."""
    columns = {name: row[name] for name in _COLUMNS if row.get(name) not in (None, "")}
    return columns | dict(json.loads(row["properties"]))


def _events(features: Features, kind: str, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    given = {"since": to_micros(since), "until": to_micros(until)}
    found = features.ask(_ORDERS, given) if kind == ORDER else features.ask(_EVENTS, given | {"kind": kind})
    yield from found.to_pylist()
