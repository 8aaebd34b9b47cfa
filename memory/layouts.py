"""Layouts that people brought along, as MJML; those that come with Noria are files."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from memory.canonical import digest
from memory.errors import ConflictError
from memory.journal import append
from memory.schema import layouts
from memory.store import upsert


def own_layouts(connection: Connection) -> dict[str, str]:
    """MJML by name."""
    rows = connection.execute(select(layouts.c.name, layouts.c.mjml).order_by(layouts.c.name))
    return {row.name: row.mjml for row in rows}


def keep_layout(connection: Connection, name: str, mjml: str, *, actor: str, at: datetime) -> None:
    """Keep a layout under a new name: what letters use never changes under them. Raises ConflictError."""
    row = {"name": name, "mjml": mjml, "imported_by": actor, "imported_at": at}
    if not upsert(connection, layouts, [row]):
        raise ConflictError(f"There is a layout {name} already.", where=f"layout {name}", remedy="Choose another name.")
    append(
        connection, at=at, actor=actor, action="layout.imported", subject=f"layout {name}",
        payload={"digest": digest(mjml)},
    )  # fmt: skip
