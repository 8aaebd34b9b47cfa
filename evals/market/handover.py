"""Where the market meets the record: whom it plays, and how the intake is told what they do."""

from __future__ import annotations

import re

from sqlalchemy import select

from evals.market.event import MarketEvent
from memory.schema import contact_aliases
from memory.store import Store
from tools.intake import Incoming

SOURCE = "simulated market"
# People need longer than this to receive, open and read before they follow a link.
FASTEST_PERSON_SECONDS = 15.0
_MACHINE = re.compile(r"bot\b|scanner|prefetch|preview|crawler|safelinks", re.IGNORECASE)


def contact_ids(store: Store, source: str) -> dict[str, int]:
    """Noria's contact for each id of the source under which the shop's exports were imported."""
    query = select(contact_aliases.c.alias, contact_aliases.c.contact_id).where(contact_aliases.c.source == source)
    with store.read() as connection:
        return {row.alias: row.contact_id for row in connection.execute(query)}


def incoming(event: MarketEvent) -> Incoming:
    """The event as the intake takes it; a click is a machine's if its user agent says so or it came too fast."""
    return Incoming(
        event_id=event.event_id,
        kind=event.kind,
        at=event.at,
        contact=event.contact_id,
        properties=event.properties,
        source=SOURCE,
        human=event.kind != "click" or not _by_machine(event),
    )


def _by_machine(event: MarketEvent) -> bool:
    named = _MACHINE.search(str(event.properties.get("user_agent", "")))
    return bool(named) or float(event.properties["seconds_after_delivery"]) < FASTEST_PERSON_SECONDS
