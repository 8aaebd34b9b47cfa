"""The send ledger: one row per intended send, and every move that such a row may make.

``planned → claimed → sent``, or ``suppressed``, ``failed``, ``unknown`` or ``withheld``. Each move is one statement
that names the state it leaves, so that whoever comes second changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    String,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    update,
)

from memory.canonical import digest
from memory.journal import append, entries
from memory.schema import Moment, campaigns, enrolments, messages
from memory.steps import OFF, REACHING
from memory.store import upsert
from memory.verdicts import findings_digest, judged

State = Literal["planned", "claimed", "sent", "suppressed", "failed", "unknown", "withheld"]
PLANNED: Final = "ledger.planned"
_CHUNK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One intended send."""

    message_id: int = 0
    message_key: str
    campaign_id: str
    contact_id: int
    enrolment_id: int
    version: int
    sequence_key: str
    step_key: str
    occurrence: int
    channel: str
    purpose: str
    state: State = "planned"
    reason: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)
    pack_version: str = ""
    judged: str = ""
    findings_digest: str = ""
    chunk: str = ""
    planned_at: datetime
    due_at: datetime
    deadline_at: datetime
    claim_token: str | None = None
    in_flight: bool = False
    """False while it certainly has not left: no worker began to hand it over."""
    lease_until: datetime | None = None
    claimed_at: datetime | None = None
    sent_at: datetime | None = None
    provider: str = ""
    provider_id: str | None = None
    content_digest: str | None = None
    attempts: int = 0

    @property
    def is_removal(self) -> bool:
        """Whether it only takes the contact off the audience that its step put them on; it outlives the enrolment."""
        return self.step_key.endswith(OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate said of one message: its next state, why, and on what grounds."""

    message_id: int
    state: Literal["planned", "claimed", "suppressed", "withheld", "unknown"]
    reason: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)
    due_at: datetime
    """For a held message the moment of the next attempt, else unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one claimed message ended, or that it goes back to be tried again."""

    message_id: int
    state: Literal["sent", "failed", "unknown", "planned"]
    reason: str = ""
    due_at: datetime | None = None
    """For a message that goes back: the moment of the next attempt."""
    sent_at: datetime | None = None
    provider_id: str | None = None
    content_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Every intended send and where it ended; ``open`` counts what is still planned or claimed."""

    planned: int
    """How many sends were intended, as the journal says."""
    states: dict[str, int]

    @property
    def open(self) -> int:
        return self.states.get("planned", 0) + self.states.get("claimed", 0)

    @property
    def balances(self) -> bool:
        """True when the end states and what is open add up to what was intended."""
        return self.planned == sum(self.states.values())


def message_key(campaign_id: str, contact_id: int, step_key: str, occurrence: int) -> str:
    """The name of one intended send: the same for every attempt, and the idempotency key at a provider."""
    return digest([campaign_id, contact_id, step_key, occurrence])


def plan(connection: Connection, rows: Iterable[Message], *, actor: str, at: datetime) -> int:
    """Enter intended sends; one that is already there stays as it is. Returns how many were new."""
    names = [column.name for column in messages.c if column.name != "message_id"]
    planned: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        planned.setdefault(row.campaign_id, []).append({name: getattr(row, name) for name in names})
    written = 0
    for campaign_id, values in sorted(planned.items()):
        new = upsert(connection, messages, values, keys=["message_key"])
        note_planned(connection, campaign_id, new, actor=actor, at=at)
        written += new
    return written


def note_planned(connection: Connection, campaign_id: str, number: int, *, actor: str, at: datetime) -> None:
    """Say in the journal how many sends were entered, so that a row that vanishes later is missed."""
    if number:
        append(connection, at=at, actor=actor, action=PLANNED, subject=campaign_id, payload={"messages": number})


def due(connection: Connection, *, channels: Collection[str], at: datetime, limit: int) -> list[Message]:
    """Planned messages of live campaigns, and removals of any, whose time has come, locked; another worker's left out.

    At most one per contact, so that a verdict on one of them can never rest on facts that another just changed: of
    those among the oldest that of the campaign with the highest priority, then with the highest value.
    """
    query = (
        select(messages, campaigns.c.priority, campaigns.c.value_per_message_cents)
        .join(campaigns, campaigns.c.campaign_id == messages.c.campaign_id)
        .where(messages.c.state == "planned", messages.c.due_at <= at, messages.c.channel.in_(sorted(channels)))
        .where(or_(campaigns.c.status == "live", _takes_off()))
        .order_by(messages.c.due_at, messages.c.message_id)
        .limit(limit)
        .with_for_update(of=messages, skip_locked=True)
    )
    best: dict[int, tuple[int, float, Message]] = {}
    for row in connection.execute(query):
        worth = (row.priority, row.value_per_message_cents)
        if row.contact_id not in best or worth > best[row.contact_id][:2]:
            best[row.contact_id] = (*worth, message_of(row))
    return [message for _, _, message in best.values()]


def rivals(
    connection: Connection, campaign_id: str, contact_ids: Collection[int], *, until: datetime
) -> dict[int, list[datetime]]:
    """When marketing of live campaigns worth more than this one is due to some contacts, soonest first.

    What is held out would never leave, and is no rival.
    """
    own = select(campaigns.c.priority, campaigns.c.value_per_message_cents).where(
        campaigns.c.campaign_id == campaign_id
    )
    mine = connection.execute(own).one_or_none()
    if mine is None:
        return {}
    worth_more = or_(
        campaigns.c.priority > mine.priority,
        and_(
            campaigns.c.priority == mine.priority,
            campaigns.c.value_per_message_cents > mine.value_per_message_cents,
        ),
    )
    found: dict[int, list[datetime]] = {}
    for chunk in chunks(sorted(contact_ids)):
        query = (
            select(messages.c.contact_id, messages.c.due_at)
            .join(campaigns, campaigns.c.campaign_id == messages.c.campaign_id)
            .join(enrolments, enrolments.c.enrolment_id == messages.c.enrolment_id)
            .where(messages.c.contact_id.in_(chunk), messages.c.state == "planned", messages.c.due_at <= until)
            .where(messages.c.purpose == "marketing", messages.c.channel.in_(REACHING))
            .where(campaigns.c.status == "live", worth_more)
            .where(enrolments.c.in_holdout.is_(False))
            .order_by(messages.c.due_at, messages.c.message_id)
        )
        for row in connection.execute(query):
            found.setdefault(row.contact_id, []).append(row.due_at)
    return found


def last_sent_at(connection: Connection, provider: str) -> datetime | None:
    """When a provider last took a message; None when it never did."""
    query = select(func.max(messages.c.sent_at)).where(messages.c.provider == provider)
    found: datetime | None = connection.execute(query).scalar_one()
    return found


def stale(
    connection: Connection, *, ways: Collection[tuple[str, str]], others: bool, now: datetime, limit: int
) -> list[Message]:
    """Claimed messages whose lease is over (``now`` is real time), locked, at most one per contact.

    Only those claimed for one of the ``ways`` (channel, provider), or with ``others`` only those that were not.
    """
    pairs = [and_(messages.c.channel == channel, messages.c.provider == provider) for channel, provider in sorted(ways)]
    mine = or_(false(), *pairs)
    query = (
        select(messages)
        .where(messages.c.state == "claimed", messages.c.lease_until <= now, ~mine if others else mine)
        .order_by(messages.c.lease_until, messages.c.message_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    first: dict[int, Message] = {}
    for row in connection.execute(query):
        first.setdefault(row.contact_id, message_of(row))
    return list(first.values())


def judge(
    connection: Connection,
    verdicts: Sequence[Verdict],
    *,
    token: str,
    lease_until: datetime,
    at: datetime,
    provider: str,
    pack_version: str,
    chunk: str,
) -> None:
    """Write the gate's verdicts, which the journal knows as one ``chunk``, on messages that are locked here."""
    # Whom no rule is against, most rules pass without a word: few different remarks, each written for many at once.
    remarks: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.state == "claimed":
            remarks.setdefault(findings_digest(verdict.findings), []).append(verdict)
    for proof, alike in sorted(remarks.items()):
        for ids in chunks(sorted(one.message_id for one in alike)):
            connection.execute(
                update(messages)
                .where(messages.c.message_id.in_(ids), _undecided())
                .values(
                    state="claimed",
                    reason="",
                    findings=alike[0].findings,
                    pack_version=pack_version,
                    judged=judged("claimed", ""),
                    findings_digest=proof,
                    chunk=chunk,
                    provider=provider,
                    claim_token=token,
                    lease_until=lease_until,
                    claimed_at=func.coalesce(messages.c.claimed_at, literal(at, Moment)),
                    attempts=messages.c.attempts + 1,
                )
            )
    others = [
        {
            "of": verdict.message_id,
            "then": verdict.state,
            "why": verdict.reason,
            "grounds": verdict.findings,
            "said": judged(verdict.state, verdict.reason),
            "proof": findings_digest(verdict.findings),
            "when": verdict.due_at,
        }
        for verdict in verdicts
        if verdict.state != "claimed"
    ]
    if others:
        connection.execute(
            update(messages)
            .where(messages.c.message_id == bindparam("of"), _undecided())
            .values(
                state=bindparam("then"),
                reason=bindparam("why"),
                findings=bindparam("grounds"),
                judged=bindparam("said"),
                findings_digest=bindparam("proof"),
                chunk=chunk,
                due_at=bindparam("when"),
                pack_version=pack_version,
                # A message that goes back is claimed anew, at another moment.
                claimed_at=case((bindparam("then", type_=String) == "planned", null()), else_=messages.c.claimed_at),
                lease_until=None,
            ),
            others,
        )


def begin(connection: Connection, message_ids: Sequence[int], *, token: str) -> set[int]:
    """Mark claimed messages as in flight, before anything of them leaves; returns those that still carry the token."""
    claim = (messages.c.claim_token == token, messages.c.state == "claimed")
    mine: set[int] = set()
    for chunk in chunks(sorted(message_ids)):
        query = update(messages).where(messages.c.message_id.in_(chunk), *claim).values(in_flight=True)
        mine |= set(connection.execute(query.returning(messages.c.message_id)).scalars())
    return mine


def record(connection: Connection, results: Sequence[Result], *, token: str) -> list[Message]:
    """Write how claimed messages ended; returns those that this changed, as they stand now.

    A row counts only while it carries the worker's own token. One that became ``unknown`` because the lease ran out is
    still put right by the worker that knows; it is then over, even if it could have been tried again.
    """
    wanted = {result.message_id: result for result in results}
    mine: dict[int, Message] = {}
    for chunk in chunks(sorted(wanted)):
        query = (
            select(messages)
            .where(messages.c.message_id.in_(chunk), messages.c.claim_token == token)
            .where(messages.c.state.in_(["claimed", "unknown"]))
            .order_by(messages.c.message_id)
            .with_for_update()
        )
        mine |= {row.message_id: message_of(row) for row in connection.execute(query)}
    rows: list[dict[str, Any]] = [
        {
            "of": message_id,
            "then": "failed" if (mine[message_id].state, result.state) == ("unknown", "planned") else result.state,
            "why": result.reason,
            "when": result.due_at or mine[message_id].due_at,
            "left": result.sent_at,
            "as": result.provider_id,
            "bytes": result.content_digest,
            # A message that goes back is claimed anew, at another moment.
            "taken": None if result.state == "planned" else mine[message_id].claimed_at,
            "flying": result.state != "planned",
        }
        for message_id, result in sorted(wanted.items())
        if message_id in mine and (mine[message_id].state, result.state) != ("unknown", "unknown")
    ]
    if rows:
        connection.execute(
            update(messages)
            .where(messages.c.message_id == bindparam("of"))
            .values(
                state=bindparam("then"),
                reason=bindparam("why"),
                due_at=bindparam("when"),
                sent_at=bindparam("left"),
                provider_id=bindparam("as"),
                content_digest=bindparam("bytes"),
                claimed_at=bindparam("taken"),
                in_flight=bindparam("flying"),
                lease_until=None,
            ),
            rows,
        )
    return [
        replace(mine[row["of"]], state=row["then"], reason=row["why"], due_at=row["when"], sent_at=row["left"])
        for row in rows
    ]


def cancel(connection: Connection, where: ColumnElement[bool], reason: str) -> list[Message]:
    """Suppress everything planned that matches, but no removal; what is already claimed is in flight and stays."""
    return _suppress(connection, and_(where, ~_takes_off()), reason)


def cancel_removals(connection: Connection, where: ColumnElement[bool], reason: str) -> list[Message]:
    """Suppress the planned removals that match: somebody else has taken the contacts off."""
    return _suppress(connection, and_(where, _takes_off()), reason)


def _suppress(connection: Connection, where: ColumnElement[bool], reason: str) -> list[Message]:
    query = select(messages).where(messages.c.state == "planned", where).order_by(messages.c.message_id)
    found = [message_of(row) for row in connection.execute(query.with_for_update())]
    for chunk in chunks([row.message_id for row in found]):
        connection.execute(
            update(messages)
            .where(messages.c.message_id.in_(chunk), messages.c.state == "planned")
            .values(state="suppressed", reason=reason)
        )
    return found


def ask_again(connection: Connection, contact_id: int | None, *, rule: str, at: datetime) -> None:
    """Let messages that one rule held for a contact, or with None for anybody, come before the gate at once."""
    mine = true() if contact_id is None else messages.c.contact_id == contact_id
    connection.execute(
        update(messages).where(mine, messages.c.state == "planned", messages.c.reason == rule).values(due_at=at)
    )


def postpone(connection: Connection, enrolment_id: int, until: datetime) -> bool:
    """Let the first message of an enrolment wait longer; False where there is none, or it may have left already."""
    whose = select(enrolments.c.contact_id).where(enrolments.c.enrolment_id == enrolment_id).scalar_subquery()
    # By contact too: an index leads there, none to an enrolment.
    mine = and_(messages.c.contact_id == whose, messages.c.enrolment_id == enrolment_id)
    states = connection.execute(select(messages.c.state).where(mine).with_for_update()).scalars().all()
    if states != ["planned"]:
        return False
    connection.execute(update(messages).where(mine, messages.c.due_at < until).values(due_at=until))
    return True


def hold_campaign(connection: Connection, campaign_id: str, finding: Mapping[str, Any], reason: str) -> int:
    """Write on every planned message of a paused campaign why it waits; its deadline keeps running."""
    waiting = update(messages).where(messages.c.campaign_id == campaign_id, messages.c.state == "planned")
    # No verdict of the gate any more, so no chunk holds it.
    return connection.execute(waiting.values(reason=reason, findings=[dict(finding)], chunk="")).rowcount


def overdue(connection: Connection, *, at: datetime, limit: int) -> list[Message]:
    """Planned messages past their deadline, also those of paused campaigns, locked."""
    query = (
        select(messages)
        .where(messages.c.state == "planned", messages.c.due_at <= at, messages.c.deadline_at <= at)
        .order_by(messages.c.due_at, messages.c.message_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [message_of(row) for row in connection.execute(query)]


def reconcile(connection: Connection, campaign_id: str | None = None) -> Reconciliation:
    """Count intended sends and where they stand, of one campaign or of all."""
    grouped = select(messages.c.state, func.count().label("messages")).group_by(messages.c.state)
    if campaign_id is not None:
        grouped = grouped.where(messages.c.campaign_id == campaign_id)
    states = {row.state: row.messages for row in connection.execute(grouped)}
    planned = sum(int(entry.payload["messages"]) for entry in entries(connection, action=PLANNED, subject=campaign_id))
    return Reconciliation(planned=planned, states=states)


def reasons(connection: Connection, campaign_id: str | None = None) -> dict[str, dict[str, int]]:
    """How many messages are in each state for each reason."""
    query = select(messages.c.state, messages.c.reason, func.count()).group_by(messages.c.state, messages.c.reason)
    if campaign_id is not None:
        query = query.where(messages.c.campaign_id == campaign_id)
    found: dict[str, dict[str, int]] = {}
    for state, reason, number in connection.execute(query.order_by(messages.c.state, messages.c.reason)):
        found.setdefault(state, {})[reason] = number
    return found


def held_out() -> ColumnElement[bool]:
    """Matches the rows of contacts in a campaign's holdout."""
    held = select(enrolments.c.enrolment_id).where(enrolments.c.in_holdout)
    return messages.c.enrolment_id.in_(held)


def _takes_off() -> ColumnElement[bool]:
    return messages.c.step_key.endswith(OFF)


def _undecided() -> ColumnElement[bool]:
    return or_(messages.c.state == "planned", messages.c.state == "claimed")


def message_of(row: Row[Any]) -> Message:
    """A row of the table as a message."""
    values = row._asdict()
    return Message(**{name: values[name] for name in Message.__dataclass_fields__})


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Some ids at a time, few enough for one statement."""
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
