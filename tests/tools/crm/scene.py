"""A record that systems are read into."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from sqlalchemy import select

from memory.clock import ManualClock
from memory.importing.report import ImportSettings
from memory.lake import Lake
from memory.schema import contact_aliases, contacts
from memory.store import Store
from tests.tools.crm.server import Server
from tools.crm.connectors import mapping_of
from tools.crm.intake import Intake
from tools.crm.sync import Pulled, pull


def intake(store: Store, folder: Path, clock: ManualClock, **more: Any) -> Intake:
    """Where what is read goes: an empty lake beside the store."""
    settings = ImportSettings(currency="EUR", time_zone="UTC")
    return Intake(store=store, lake=Lake(folder / "lake"), clock=clock, settings=settings, **more)


def read(
    place: Intake, server: Server, folder: Path, *, things: Collection[str] = (), **more: Any
) -> dict[str, Pulled]:
    """One pull of these things, or of all, with the mapping of the workspace in a folder."""
    connector, mapping = server.connector(), mapping_of(server.system, folder)
    chosen = {thing: rules for thing, rules in mapping.items() if thing in (things or mapping)}
    try:
        return {one.thing: one for one in pull(place, connector, chosen, **more)}
    finally:
        connector.close()


def people(store: Store, source: str) -> dict[str, str]:
    """First names of all contacts by the source's id; raises if one id stands for two or a contact has two ids."""
    with store.read() as connection:
        query = select(contact_aliases.c.alias, contact_aliases.c.contact_id, contacts.c.first_name).join(
            contacts, contacts.c.contact_id == contact_aliases.c.contact_id
        )
        rows = connection.execute(query.where(contact_aliases.c.source == source)).all()
        assert len({row.contact_id for row in rows}) == len(rows)
        return {row.alias: row.first_name for row in rows}
