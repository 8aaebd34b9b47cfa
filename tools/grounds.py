"""What branches are decided on: segments, what contacts did since they entered, and what their record says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, select

from memory import campaigns, preferences
from memory.address import address_on
from memory.campaigns import CampaignVersion
from memory.canonical import digest
from memory.enrolments import Enrolment
from memory.play import RecordKind
from memory.schema import campaigns as campaign_rows
from memory.schema import consent_current, contacts, intake, messages
from memory.schema import enrolments as enrolment_rows
from memory.segments.grammar import fields, parse
from memory.steps import (
    BranchStep,
    Condition,
    HasAgreed,
    HasAttribute,
    HasDone,
    InSegment,
    SendStep,
    ShowsLife,
    Step,
    WaitWindowStep,
)
from tools.gather import zone_of
from tools.route import ahead
from tools.workplace import Workplace

if TYPE_CHECKING:
    from memory.features.table import Features

_Version = tuple[str, int]
_Stand = tuple[str, int, str, str | None]
"""Campaign, version, sequence and step: where somebody stands."""


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in which segment, for the campaigns whose enrolments were due when it was looked up."""

    versions: Mapping[_Version, CampaignVersion] = field(default_factory=dict)
    ahead: Mapping[_Stand, Sequence[Step]] = field(default_factory=dict)
    """What somebody may come to from where they stood, up to the next step that takes time."""
    by_expression: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Digest of a segment's expression → the contacts in it."""
    records: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Contact → the features that steps read, for everybody who was due when it was looked up."""

    def conditions(self) -> Iterator[Condition]:
        """Everything that branches ahead of these enrolments ask."""
        for steps in self.ahead.values():
            yield from _conditions(steps)

    def covers(self, enrolment: Enrolment) -> bool:
        """Whether everything was looked up that the enrolment's next steps may ask."""
        steps = self.ahead.get(_stand(enrolment))
        return steps is not None and (not _features(steps) or enrolment.contact_id in self.records)


def look_up_members(place: Workplace) -> Members:
    """Everything that branches of the enrolments due now may ask of the lake; it holds no lock while it computes."""
    at = place.clock.now()
    with place.store.read() as connection:
        query = (
            select(*(enrolment_rows.c[name] for name in ("campaign_id", "version", "sequence_key", "step_key")))
            .join(campaign_rows, campaign_rows.c.campaign_id == enrolment_rows.c.campaign_id)
            .where(enrolment_rows.c.state == "active", enrolment_rows.c.due_at <= at)
            .where(campaign_rows.c.status == "live")
            .distinct()
        )
        stands = [_stand(row) for row in connection.execute(query).all()]
        versions = {
            (campaign_id, version): campaigns.get_version(connection, campaign_id, version)
            for campaign_id, version, *_ in sorted({stand[:2] for stand in stands})
        }
    steps = {stand: _ahead(versions[stand[:2]], *stand[2:]) for stand in stands}
    asked = {
        digest(one.expression): one.expression
        for some in steps.values()
        for one in _conditions(some)
        if isinstance(one, InSegment)
    }
    read = {name for some in steps.values() for name in _features(some)}
    if not asked and not read:
        return Members(versions, steps)
    parsed = {name: parse(expression) for name, expression in asked.items()}
    needed = {name for expression in parsed.values() for name in fields(expression)} | read
    known = place.features.at(place.lake, at, needed)
    inside = {name: frozenset(known.select(one)) for name, one in parsed.items()}
    return Members(versions, steps, inside, _records(place, known, versions, sorted(read), at) if read else {})


def _records(
    place: Workplace, known: Features, versions: Iterable[_Version], names: Sequence[str], at: datetime
) -> dict[int, Mapping[str, Any]]:
    """The features that steps read, for everybody who is due."""
    campaign_ids = sorted({campaign_id for campaign_id, _ in versions})
    query = select(enrolment_rows.c.contact_id).where(
        enrolment_rows.c.state == "active",
        enrolment_rows.c.due_at <= at,
        enrolment_rows.c.campaign_id.in_(campaign_ids),
    )
    with place.store.read() as connection:
        ids = sorted(set(connection.execute(query).scalars()))
    found = known.rows(ids, names)
    return {contact_id: found.get(contact_id, {}) for contact_id in ids}


@dataclass(frozen=True, slots=True)
class _Deed:
    kind: str
    at: datetime
    properties: dict[str, Any]


class Grounds:
    """Decides the branches of some enrolments, read from the store in a few statements, whatever their number."""

    def __init__(self, connection: Connection, members: Members, due: Sequence[Enrolment]):
        self._members = members
        kinds = {one.event for one in members.conditions() if isinstance(one, HasDone)}
        self._people = _people(connection, {one.contact_id for one in due})
        self._chosen = preferences.read(connection, {one.contact_id for one in self._people.values()})
        self._done = _done(connection, self._people.values(), due, sorted(kinds))
        asked = {type(one) for one in members.conditions()}
        self._agreed = _agreed(connection, self._people.values()) if HasAgreed in asked else frozenset()
        self._written = _written(connection, due) if ShowsLife in asked else {}

    def zone(self, contact_id: int, fallback: str) -> ZoneInfo:
        """The contact's own time zone, or the fallback."""
        person = self._people.get(contact_id)
        return zone_of(person.time_zone if person else "", fallback)[0]

    def records(self, step: SendStep, enrolment: Enrolment) -> dict[RecordKind, str]:
        """The records that a message reads: those of the step as they stand now, the others as they were."""
        values = self._members.records.get(enrolment.contact_id, {})
        kept = {kind: record for kind, record in enrolment.bindings.items() if kind not in step.records}
        return kept | {kind: str(values[name]) for kind, name in step.records.items() if values.get(name) is not None}

    def own(self, name: str, enrolment: Enrolment) -> int | None:
        """The hour or weekday of the contact's own time that a feature names; None where it is unknown."""
        found = self._members.records.get(enrolment.contact_id, {}).get(name)
        return None if found is None else int(found)

    def holds(self, condition: Condition, enrolment: Enrolment) -> bool:
        """Whether a condition is true of the contact now; what nobody knows is not."""
        person = self._people.get(enrolment.contact_id)
        if person is None:
            return False
        match condition:
            case InSegment():
                inside = self._members.by_expression.get(digest(condition.expression), frozenset())
                return person.contact_id in inside
            case HasDone():
                return any(
                    condition.accepts(deed.kind, deed.properties)
                    for deed in self._done.get(person.contact_id, ())
                    if deed.at >= enrolment.entered_at
                )
            case HasAttribute():
                own = self._chosen.get(person.contact_id)
                said = {**person.attributes, **(own.answers if own else {})}
                return condition.accepts(said.get(condition.attribute))
            case ShowsLife():
                since = enrolment.entered_at
                if condition.since == "message":
                    since = self._written.get(enrolment.enrolment_id, since)
                signal_at = person.last_human_signal_at
                return signal_at is not None and signal_at >= since
            case HasAgreed():
                agreed = (person.contact_id, condition.channel) in self._agreed
                return agreed and bool(address_on(condition.channel, email=person.email, phone=person.phone))


def _stand(one: Enrolment | Row[Any]) -> _Stand:
    return one.campaign_id, one.version, one.sequence_key, one.step_key or None


def _ahead(version: CampaignVersion, sequence_key: str, step_key: str | None) -> Sequence[Step]:
    if not version.is_untouched:
        # Somebody touched it, so it may not even be a play; nothing of it moves.
        return ()
    sequence = next(one for one in version.play.sequences if one.key == sequence_key)
    return ahead(sequence, step_key)


def _features(steps: Iterable[Step]) -> set[str]:
    """The features that steps read anew: those that name records, and the contact's own hour and weekday."""
    found: set[str] = set()
    for step in steps:
        if isinstance(step, SendStep):
            found |= set(step.records.values())
        elif isinstance(step, WaitWindowStep):
            found |= {name for name in (step.at, step.day) if name}
    return found


def _conditions(steps: Iterable[Step]) -> Iterator[Condition]:
    return (step.condition for step in steps if isinstance(step, BranchStep))


def _agreed(connection: Connection, people: Iterable[Row[Any]]) -> frozenset[tuple[int, str]]:
    """Each contact with the channels on which they agreed to marketing."""
    query = select(consent_current.c.contact_id, consent_current.c.channel).where(
        consent_current.c.contact_id.in_(sorted({one.contact_id for one in people})),
        consent_current.c.purpose == "marketing",
        consent_current.c.state == "granted",
    )
    return frozenset((row.contact_id, row.channel) for row in connection.execute(query))


def _written(connection: Connection, due: Sequence[Enrolment]) -> dict[int, datetime]:
    """When the last message of each enrolment left."""
    query = (
        select(messages.c.enrolment_id, func.max(messages.c.sent_at).label("at"))
        # By contact too: an index leads there, none to an enrolment.
        .where(messages.c.contact_id.in_(sorted({one.contact_id for one in due})))
        .where(messages.c.enrolment_id.in_(sorted(one.enrolment_id for one in due)), messages.c.sent_at.is_not(None))
        .group_by(messages.c.enrolment_id)
    )
    return {row.enrolment_id: row.at for row in connection.execute(query)}


def _people(connection: Connection, ids: set[int]) -> dict[int, Row[Any]]:
    """Each contact as who they are now: after a merge, the one they became part of."""
    query = select(
        contacts.c.contact_id,
        contacts.c.time_zone,
        contacts.c.attributes,
        contacts.c.email,
        contacts.c.phone,
        contacts.c.last_human_signal_at,
        contacts.c.merged_into,
    )
    found = {row.contact_id: row for row in connection.execute(query.where(contacts.c.contact_id.in_(sorted(ids))))}
    missing = {row.merged_into for row in found.values() if row.merged_into is not None} - found.keys()
    further = _people(connection, missing) if missing else {}
    known = {**further, **found}
    return {one: known.get(row.merged_into, row) for one, row in known.items()}


def _done(
    connection: Connection, people: Iterable[Row[Any]], due: Sequence[Enrolment], kinds: Sequence[str]
) -> dict[int, list[_Deed]]:
    if not kinds or not due:
        return {}
    since: datetime = min(one.entered_at for one in due)
    query = (
        select(intake.c.contact_id, intake.c.kind, intake.c.at, intake.c.properties)
        .where(intake.c.contact_id.in_(sorted({one.contact_id for one in people})), intake.c.kind.in_(kinds))
        .where(intake.c.human, intake.c.at >= since)
        .order_by(intake.c.intake_id)
    )
    found: dict[int, list[_Deed]] = {}
    for row in connection.execute(query):
        found.setdefault(row.contact_id, []).append(_Deed(row.kind, row.at, row.properties))
    return found
