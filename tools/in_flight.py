"""Who is in a campaign now, and where a new version of it would take them; nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from memory import enrolments
from memory.enrolments import Enrolment
from memory.play import Play


@dataclass(frozen=True, slots=True)
class Flight:
    """Contacts who are in a campaign now, by what a new version would do to them."""

    moving: int = 0
    staying: int = 0
    """They finish the version that they entered."""
    held_out: int = 0
    """Of all of them."""


def foresee_flight(connection: Connection, play: Play) -> Flight:
    """Who would move to the new version, and who would stay on the old one because their step is gone."""
    assert play.replaces is not None
    inside = in_flight(connection, play.replaces.campaign_id)
    moving = [one for one in inside if moves(play, one)]
    return Flight(len(moving), len(inside) - len(moving), sum(one.in_holdout for one in inside))


def in_flight(connection: Connection, campaign_id: str) -> list[Enrolment]:
    """Enrolments that have not ended."""
    return [one for one in enrolments.of_campaign(connection, campaign_id) if one.state == "active"]


def moves(play: Play, one: Enrolment) -> bool:
    """Whether the new version has a place for this contact: their sequence, and the very step at which they stand."""
    assert play.replaces is not None
    if play.replaces.in_flight == "stay":
        return False
    sequence = next((each for each in play.sequences if each.key == one.sequence_key), None)
    return sequence is not None and (one.step_key is None or sequence.step(one.step_key) is not None)
