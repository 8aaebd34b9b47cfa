"""Enrolments on their way: due ones go on to the next step that takes time, and what lies between is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from memory import alerts, campaigns, enrolments, ledger, time_draws
from memory import contacts as people
from memory.alerts import Alert
from memory.assignment import TimeKind, draw_time
from memory.campaigns import Campaign, CampaignVersion
from memory.enrolments import Enrolment
from memory.journal import append
from memory.ledger import Message
from memory.play import Play, RecordKind
from memory.steps import AlertStep, SendStep, WaitWindowStep
from memory.steps import Sequence as PlaySequence
from memory.time_draws import TimeDraw
from memory.workspace import salt
from tools.campaign import end
from tools.grounds import Grounds, Members, look_up_members
from tools.route import Stand, walk
from tools.workplace import Workplace

_CHUNK = 500


@dataclass
class _Moves:
    """What a chunk of enrolments comes to, written in one transaction."""

    places: list[tuple[int, str, datetime | None]] = field(default_factory=list)
    exits: dict[int, str] = field(default_factory=dict)
    records: list[tuple[int, dict[RecordKind, str]]] = field(default_factory=list)
    planned: list[Message] = field(default_factory=list)
    times: list[TimeDraw] = field(default_factory=list)
    attributes: list[tuple[int, str, str | int | bool]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)


def advance(place: Workplace, *, most: int | None = None) -> int:
    """Move every due enrolment of a live campaign on; returns how many moved."""
    moved = 0
    members = look_up_members(place)
    # An idle worker must not stand in the way of whoever writes.
    while members.versions and (most is None or moved < most):
        with place.store.write() as connection:
            at = place.clock.now()
            due = enrolments.due(connection, at=at, limit=_CHUNK)
            # What became due since the look-up waits for the next one.
            ready = [one for one in due if members.covers(one)]
            _move(connection, ready, members, at, place.actor)
        moved += len(ready)
        if not ready or len(due) < _CHUNK:
            break
    return moved


def finish(place: Workplace) -> list[str]:
    """Close campaigns, live or paused, whose last goal window is over; returns their ids."""
    at = place.clock.now()
    with place.store.read() as connection:
        if not _over(connection, at):
            return []
    with place.store.write() as connection:
        over = _over(connection, at)
        for campaign in over:
            end(connection, campaign.campaign_id, "finished", at, place.actor)
        return [campaign.campaign_id for campaign in over]


def _over(connection: Connection, at: datetime) -> list[Campaign]:
    return [one for one in campaigns.list_campaigns(connection, ["live", "paused"]) if one.ends_at <= at]


def message_at(enrolment: Enrolment, play: Play, at: datetime, due_at: datetime) -> Message | None:
    """The message of the step at which an enrolment stands, if that step sends."""
    step = sequence_of(play, enrolment.sequence_key).step(enrolment.step_key or "")
    if not isinstance(step, SendStep):
        return None
    return Message(
        message_key=ledger.message_key(enrolment.campaign_id, enrolment.contact_id, step.key, enrolment.occurrence),
        campaign_id=enrolment.campaign_id,
        contact_id=enrolment.contact_id,
        enrolment_id=enrolment.enrolment_id,
        version=enrolment.version,
        sequence_key=enrolment.sequence_key,
        step_key=step.key,
        occurrence=enrolment.occurrence,
        channel=step.channel,
        purpose=step.purpose,
        planned_at=at,
        due_at=due_at,
        deadline_at=due_at + timedelta(days=play.schedule.deadline_days),
    )


def sequence_of(play: Play, key: str) -> PlaySequence:
    """The sequence of that name."""
    return next(one for one in play.sequences if one.key == key)


def _move(connection: Connection, due: Sequence[Enrolment], members: Members, at: datetime, actor: str) -> None:
    grounds = Grounds(connection, members, due)
    moves = _Moves()
    plays = {key: _untouched(version) for key, version in members.versions.items()}
    secret = salt(connection)
    for one in due:
        play = plays[one.campaign_id, one.version]
        if play is None:
            # The gate stops a campaign that drifted; nothing moves until then.
            moves.places.append((one.enrolment_id, one.step_key or "", at + timedelta(hours=1)))
            continue
        stand = walk(
            sequence_of(play, one.sequence_key),
            one.step_key or None,
            at,
            holds=lambda condition, whose=one: grounds.holds(condition, whose),  # type: ignore[misc]  # bound per turn
            zone=grounds.zone(one.contact_id, play.schedule.fallback_zone),
            own=lambda name, whose=one: grounds.own(name, whose),  # type: ignore[misc]  # bound per turn
            drawn=partial(_drawn, moves, secret, one, at),
            schedule=play.schedule,
        )
        _note(moves, one, stand, play, at)
        step = sequence_of(play, one.sequence_key).step(stand.step_key or "")
        if isinstance(step, SendStep) and step.records:
            moves.records.append((one.enrolment_id, grounds.records(step, one)))
    _write(connection, moves, at, actor)


def _drawn(
    moves: _Moves,
    secret: str,
    one: Enrolment,
    at: datetime,
    step: WaitWindowStep,
    kind: TimeKind,
    own: int,
    possible: Sequence[int],
) -> int:
    """The contact's own hour or weekday or another one, written down with its probability where these are explored."""
    explored = step.explored if kind == "hour" else step.explored_days
    drawn, probability = draw_time(
        secret, kind, one.campaign_id, one.contact_id, one.occurrence, step.key, own, possible, explored
    )
    if explored:
        moves.times.append(
            TimeDraw(
                enrolment_id=one.enrolment_id,
                step_key=step.key,
                kind=kind,
                drawn=drawn,
                own=own,
                probability=probability,
                possible=tuple(possible),
                drawn_at=at,
            )
        )
    return drawn


def _untouched(version: CampaignVersion) -> Play | None:
    return version.play if version.is_untouched else None


def _note(moves: _Moves, one: Enrolment, stand: Stand, play: Play, at: datetime) -> None:
    if not one.in_holdout:
        # Whoever is held out gets nothing of the campaign, no attribute and no caller either.
        for step in stand.passed:
            if isinstance(step, AlertStep):
                moves.alerts.append(
                    Alert(
                        campaign_id=one.campaign_id,
                        contact_id=one.contact_id,
                        enrolment_id=one.enrolment_id,
                        step_key=step.key,
                        owner=play.owner,
                        task=dict(step.task),
                        raised_at=at,
                    )
                )
            else:
                moves.attributes.append((one.contact_id, step.attribute, step.value))
    if stand.step_key is None:
        moves.exits[one.enrolment_id] = stand.exit_reason
        return
    moves.places.append((one.enrolment_id, stand.step_key, stand.due_at))
    message = message_at(replace(one, step_key=stand.step_key), play, at, at)
    if message is not None:
        moves.planned.append(message)


def _write(connection: Connection, moves: _Moves, at: datetime, actor: str) -> None:
    enrolments.move(connection, moves.places)
    for enrolment_id, records in moves.records:
        enrolments.rebind(connection, enrolment_id, records)
    enrolments.leave(connection, moves.exits, at)
    time_draws.keep(connection, moves.times)
    ledger.plan(connection, moves.planned, actor=actor, at=at)
    people.set_attributes(connection, moves.attributes, at)
    alerts.raise_alerts(connection, moves.alerts)
    counts: Mapping[str, int] = {
        "enrolments.completed": len(moves.exits),
        "contacts.updated": len(moves.attributes),
        "alerts.raised": len(moves.alerts),
    }
    for action, number in counts.items():
        if number:
            append(connection, at=at, actor=actor, action=action, subject="campaigns", payload={"contacts": number})
