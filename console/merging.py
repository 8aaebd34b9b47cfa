"""Two entries that are one person: what becomes of them, shown before it is done."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from console.wiring import Workspace
from memory import consents, contacts
from memory.errors import ConflictError

_SHOWN: Final = ("email", "phone", "first_name", "last_name", "company", "language", "time_zone", "country",
                 "last_human_signal_at", "last_order_at", "open_cart_at")  # fmt: skip


class MergedValue(BaseModel):
    """One thing that is known of either, and what the one contact will have."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str
    kept: object
    merged: object
    after: object


class MergePreview(BaseModel):
    """What a merge would make of two contacts."""

    model_config = ConfigDict(frozen=True)

    kept: int
    merged: int
    values: tuple[MergedValue, ...]


def foresee_merge(opened: Workspace, kept: int, merged: int) -> MergePreview:
    """Merge two contacts, look, and take it back: nothing is changed. Raises NotFoundError, ConflictError."""
    with opened.store.write() as connection:
        stays, goes = two(connection, kept, merged)
        before, other = _known(connection, stays), _known(connection, goes)
        with connection.begin_nested() as trial:
            contacts.merge(connection, kept=stays, merged=goes, actor="console", at=opened.clock.now())
            after = _known(connection, stays)
            trial.rollback()
    values = tuple(
        MergedValue(name=name, kept=before.get(name), merged=other.get(name), after=value)
        for name, value in after.items()
        if before.get(name) or other.get(name) or value
    )
    return MergePreview(kept=stays, merged=goes, values=values)


def merge_two(opened: Workspace, kept: int, merged: int, actor: str) -> tuple[int, int]:
    """Make two contacts one; returns who stays and who became part of them. Raises NotFoundError, ConflictError."""
    with opened.store.write() as connection:
        stays, goes = two(connection, kept, merged)
        contacts.merge(connection, kept=stays, merged=goes, actor=actor, at=opened.clock.now())
    # Done again by the next import, should this be cut short.
    opened.lake.reassign({goes: stays})
    return stays, goes


def two(connection: Connection, kept: int, merged: int) -> tuple[int, int]:
    """The ids of two contacts, following merges. Raises NotFoundError, and ConflictError if they are one."""
    stays, goes = contacts.get(connection, kept).contact_id, contacts.get(connection, merged).contact_id
    if stays == goes:
        raise ConflictError("They are one contact already.", where=f"contact {stays}", remedy="Name two.")
    return stays, goes


def _known(connection: Connection, contact_id: int) -> dict[str, object]:
    found = contacts.get(connection, contact_id)
    said: dict[str, object] = {}
    for one in consents.history(connection, contact_id):
        said[f"{one.channel}, {one.purpose}"] = one.state
    return {**{name: getattr(found, name) for name in _SHOWN}, **said}
