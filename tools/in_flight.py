"""Who is in a campaign now, and where a new version of it would take them; nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from memory import enrolments
from memory.enrolments import Enrolment
from memory.play import Play
from memory.schema import enrolments as enrolment_rows


@dataclass(frozen=True, slots=True)
class Flight:
    """Contacts who are in a campaign now, by what a new version would do to them."""

    moving: int = 0
    staying: int = 0
    """They finish the version that they entered."""
    held_out: int = 0
    """Of all of them."""


@dataclass(frozen=True, slots=True)
class StepFlight:
    """Contacts who stand at one step now, and whether a new version has a place for them."""

    sequence_key: str
    step_key: str | None
    """None before the first one."""
    contacts: int
    held_out: int
    moves: bool


def foresee_flight(connection: Connection, play: Play) -> Flight:
    """Who would move to the new version, and who would stay on the old one because their step is gone."""
    steps = foresee_steps(connection, play)
    moving = sum(one.contacts for one in steps if one.moves)
    return Flight(moving, sum(one.contacts for one in steps) - moving, sum(one.held_out for one in steps))


def foresee_steps(connection: Connection, play: Play) -> list[StepFlight]:
    """The same step by step, counted without reading anybody's row."""
    assert play.replaces is not None
    standing = (enrolment_rows.c.sequence_key, enrolment_rows.c.step_key)
    query = (
        select(*standing, enrolment_rows.c.in_holdout, func.count())
        .where(enrolment_rows.c.campaign_id == play.replaces.campaign_id, enrolment_rows.c.state == "active")
        .group_by(*standing, enrolment_rows.c.in_holdout)
    )
    counts: dict[tuple[str, str | None], dict[bool, int]] = {}
    for sequence_key, step_key, in_holdout, contacts in connection.execute(query):
        counts.setdefault((sequence_key, step_key), {})[bool(in_holdout)] = int(contacts)
    return [
        StepFlight(*place, sum(each.values()), each.get(True, 0), _has_place(play, *place))
        for place, each in sorted(counts.items(), key=lambda one: (one[0][0], one[0][1] or ""))
    ]


def in_flight(connection: Connection, campaign_id: str) -> list[Enrolment]:
    """Enrolments that have not ended."""
    return [one for one in enrolments.of_campaign(connection, campaign_id) if one.state == "active"]


def moves(play: Play, one: Enrolment) -> bool:
    """Whether the new version has a place for this contact: their sequence, and the very step at which they stand."""
    return _has_place(play, one.sequence_key, one.step_key)


def _has_place(play: Play, sequence_key: str, step_key: str | None) -> bool:
    assert play.replaces is not None
    if play.replaces.in_flight == "stay":
        return False
    sequence = next((each for each in play.sequences if each.key == sequence_key), None)
    return sequence is not None and (step_key is None or sequence.step(step_key) is not None)
