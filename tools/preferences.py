"""What a contact chooses on the preference page: checked against what the brand offers, effective at the next claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from memory import contacts as people
from memory import ledger, preferences
from memory.brand import Brand
from memory.errors import InvalidInputError
from memory.preferences import Preferences
from memory.store import Store
from memory.workspace import salt
from tools.unsubscribe import verify

FREQUENCIES: Final = (0, 7, 30)
"""At most one message in so many days; 0 for as it comes."""
PAUSES: Final = (7, 30, 90)
"""Days of a pause that can be chosen."""
KEEP: Final = "keep"
"""Leaves a pause as it is."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was sent in by the form, as texts."""

    frequency: str
    pause: str
    """Days from now, "0" for none, or KEEP."""
    topics: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    """Question → answer; an empty one takes the answer back."""


def read(store: Store, token: str) -> Preferences:
    """The choices of the contact to whom a link was sent. Raises InvalidInputError for a link that is none."""
    with store.read() as connection:
        return preferences.of_contact(connection, _contact(connection, token))


def choose(store: Store, token: str, wish: Wish, brand: Brand, at: datetime) -> Preferences:
    """Keep what a contact chose, all or nothing. Raises InvalidInputError for a bad link or an unknown choice."""
    with store.write() as connection:
        contact_id = _contact(connection, token)
        before = preferences.of_contact(connection, contact_id)
        chosen = before.model_copy(
            update={
                "topics": _topics(wish, brand),
                "at_most_days": int(_one_of(wish.frequency, map(str, FREQUENCIES), "how often")),
                "paused_until": _pause(wish, before, at),
                "answers": _answers(wish, before, brand),
            }
        )
        if preferences.save(connection, chosen, at):
            # What waited for the old choices is judged by the new ones.
            ledger.ask_again(connection, contact_id, rule="preferences", at=at)
        return chosen


def _contact(connection: Connection, token: str) -> int:
    found = people.get(connection, verify(salt(connection), token).contact_id)
    if found.erased_at is not None:
        raise InvalidInputError("This link leads nowhere any more.", where="preferences")
    return found.contact_id


def _topics(wish: Wish, brand: Brand) -> tuple[str, ...] | None:
    known = [one.id for one in brand.topics]
    picked = {_one_of(one, known, "the topics") for one in wish.topics}
    # Who wants all of them wants those to come as well.
    return None if picked.issuperset(known) else tuple(one for one in known if one in picked)


def _pause(wish: Wish, before: Preferences, at: datetime) -> datetime | None:
    days = _one_of(wish.pause, [KEEP, "0", *map(str, PAUSES)], "the pause")
    if days == KEEP:
        return before.paused_until
    return at + timedelta(days=int(days)) if days != "0" else None


def _answers(wish: Wish, before: Preferences, brand: Brand) -> dict[str, str]:
    kept = dict(before.answers)
    for question in brand.questions:
        given = wish.answers.get(question.id, "")
        if given:
            kept[question.id] = _one_of(given, [one.id for one in question.choices], question.id)
        else:
            kept.pop(question.id, None)
    return kept


def _one_of(value: str, known: Iterable[str], what: str) -> str:
    if value in set(known):
        return value
    raise InvalidInputError("This is none of the choices.", where=what, remedy="Open the page again and choose.")
