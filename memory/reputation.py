"""What became of e-mails, counted by sender and receiving domain, and how each sender stands.

Everything counts for the hour in which the message left, so that a rate sets complaints against the very messages that
they are about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, and_, bindparam, case, func, literal, or_, select, update

from memory.events import BOUNCE, COMPLAINT, DEFERRED, UNSUBSCRIBE
from memory.journal import append
from memory.schema import (
    EPOCH,
    Moment,
    campaign_versions,
    contacts,
    messages,
    reputation_counts,
    reputation_reports,
    reputation_standings,
)
from memory.standing import OTHERS, WINDOW_DAYS, Standing, Window, domain_of
from memory.store import upsert

Kind = Literal["sent", "refused", "deferred", "bounced", "soft_bounced", "complaint", "unsubscribe"]
_FIELDS: Final[Mapping[str, str]] = {"complaint": "complaints", "unsubscribe": "unsubscribes"}
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one message."""

    sender: str
    """Domain of the From address."""
    domain: str
    """Where it went, as ``domain_of`` says."""
    kind: Kind
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """What was reported of a message after it left."""

    contact_id: int
    kind: str
    """As events name it: bounce, complaint, deferred, unsubscribe."""
    at: datetime
    message_key: str = ""
    """Empty where nobody says which message: then it is the last one before."""
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The share of complaints (0 to 1) that a provider reports for one day."""

    sender: str
    domain: str
    day: datetime
    """Its midnight, UTC."""
    complaint_share: float


def count(connection: Connection, fates: Sequence[Fate]) -> None:
    """Add what became of messages; the last thing that a transaction does before it ends."""
    if not fates:
        return
    restarts = {
        (row.sender, row.domain): row.counted_from
        for row in connection.execute(
            select(reputation_standings).where(reputation_standings.c.counted_from.is_not(None))
        )
    }
    numbers: dict[tuple[str, str, str, datetime], int] = {}
    for one in fates:
        resumed = [restarts.get((one.sender, domain)) for domain in (one.domain, OTHERS)]
        hour = one.sent_at.replace(minute=0, second=0, microsecond=0)
        start = max([hour, *(at for at in resumed if at is not None and at <= one.sent_at)])
        key = (one.sender, one.domain, one.kind, start)
        numbers[key] = numbers.get(key, 0) + 1
    names = ("sender", "domain", "kind", "at")
    rows: list[dict[str, Any]] = [dict(zip(names, key, strict=True)) for key in sorted(numbers)]
    upsert(connection, reputation_counts, [{**row, "messages": 0} for row in rows])
    mine = and_(*(reputation_counts.c[name] == bindparam(f"of_{name}") for name in names))
    connection.execute(
        update(reputation_counts).where(mine).values(messages=reputation_counts.c.messages + bindparam("more")),
        [
            {**{f"of_{name}": value for name, value in zip(names, key, strict=True)}, "more": numbers[key]}
            for key in sorted(numbers)
        ],
    )


def count_said(connection: Connection, said: Sequence[Said]) -> None:
    """Add what was reported of messages that Noria sent; what is said of others' messages is left out."""
    kinds: dict[str, Kind] = {
        COMPLAINT: "complaint",
        UNSUBSCRIBE: "unsubscribe",
        BOUNCE: "soft_bounced",
        DEFERRED: "deferred",
    }
    wanted = [one for one in said if one.kind in kinds]
    if not wanted:
        return
    left_at = func.coalesce(messages.c.sent_at, messages.c.claimed_at)
    owner = func.coalesce(contacts.c.merged_into, contacts.c.contact_id)
    query = (
        select(
            messages.c.message_key,
            owner.label("owner"),
            left_at.label("left_at"),
            contacts.c.email,
            campaign_versions.c.body["brand"]["sender_address"].as_string().label("sender"),
        )
        .join(contacts, contacts.c.contact_id == messages.c.contact_id)
        .join(
            campaign_versions,
            and_(
                campaign_versions.c.campaign_id == messages.c.campaign_id,
                campaign_versions.c.version == messages.c.version,
            ),
        )
        .where(messages.c.channel == "email", left_at.is_not(None), contacts.c.email.is_not(None))
        .where(
            or_(
                messages.c.message_key.in_({one.message_key for one in wanted if one.message_key}),
                owner.in_({one.contact_id for one in wanted if not one.message_key}),
            )
        )
        .order_by(left_at, messages.c.message_id)
    )
    rows = connection.execute(query).all()
    by_key = {row.message_key: row for row in rows}
    fates = []
    for one in wanted:
        before = (row for row in reversed(rows) if row.owner == one.contact_id and row.left_at <= one.at)
        row = by_key.get(one.message_key) if one.message_key else next(before, None)
        if row is not None:
            kind: Kind = "bounced" if one.kind == BOUNCE and one.hard else kinds[one.kind]
            fates.append(Fate(domain_of(row.sender), domain_of(row.email), kind, row.left_at))
    count(connection, fates)


def windows(
    connection: Connection, *, at: datetime, silent: Collection[str]
) -> dict[tuple[str, str], tuple[Window, ...]]:
    """The numbers of each sender and receiving domain over the last days, shortest window first.

    ``silent`` domains report no complaints; of the others those do from which one ever came.
    """
    own, others = reputation_standings.alias(), reputation_standings.alias()
    rows = reputation_counts
    since = {days: at - days * _DAY for days in WINDOW_DAYS}
    never = literal(EPOCH, Moment)
    query = (
        select(
            rows.c.sender,
            rows.c.domain,
            rows.c.kind,
            *(
                func.sum(case((rows.c.at >= start, rows.c.messages), else_=0)).label(f"last_{days}")
                for days, start in since.items()
            ),
        )
        .outerjoin(own, and_(own.c.sender == rows.c.sender, own.c.domain == rows.c.domain))
        .outerjoin(others, and_(others.c.sender == rows.c.sender, others.c.domain == OTHERS))
        .where(rows.c.at >= min(since.values()))
        .where(rows.c.at >= func.coalesce(own.c.counted_from, never))
        .where(rows.c.at >= func.coalesce(others.c.counted_from, never))
        .group_by(rows.c.sender, rows.c.domain, rows.c.kind)
    )
    heard = select(rows.c.domain).where(rows.c.kind == "complaint").distinct()
    telling = set(connection.execute(heard).scalars()) - {domain_of(one) for one in silent}
    numbers: dict[tuple[str, str], dict[str, Any]] = {}
    for row in connection.execute(query):
        numbers.setdefault((row.sender, row.domain), {})[_FIELDS.get(row.kind, row.kind)] = row
    reported = _reported(connection, since)
    found = {}
    for sender, domain in sorted({*numbers, *reported}):
        of = numbers.get((sender, domain), {})
        shown = []
        for days in WINDOW_DAYS:
            values = {name: int(getattr(row, f"last_{days}")) for name, row in of.items()}
            if domain not in telling:
                values.pop("complaints", None)
            reporting = values.get("sent", 0) if domain in telling else 0
            share = reported.get((sender, domain), {}).get(days)
            shown.append(Window(days=days, reporting=reporting, reported_share=share, **values))
        found[sender, domain] = tuple(shown)
    return found


def _reported(connection: Connection, since: Mapping[int, datetime]) -> dict[tuple[str, str], dict[int, float]]:
    """The highest share that a provider reported for any day of each window, after the day of the last resume."""
    query = select(reputation_reports).where(reputation_reports.c.day > min(since.values()) - _DAY)
    standing = standings(connection)
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in connection.execute(query):
        resumed = [standing[key].counted_from for key in _both(row.sender, row.domain) if key in standing]
        if any(at is not None and row.day <= at for at in resumed):
            continue
        shares = found.setdefault((row.sender, row.domain), {})
        for days, start in since.items():
            if row.day + _DAY > start:
                shares[days] = max(row.complaint_share, shares.get(days, 0.0))
    return found


def _both(sender: str, domain: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (sender, domain), (sender, OTHERS)


def standings(connection: Connection, sender: str | None = None) -> dict[tuple[str, str], Standing]:
    """Every sender and domain that was ever slowed or stopped, with how it stands now."""
    query = select(reputation_standings)
    if sender is not None:
        query = query.where(reputation_standings.c.sender == sender)
    return {(row.sender, row.domain): Standing(**row._asdict()) for row in connection.execute(query)}


def standings_of(connection: Connection, sender: str) -> dict[str, Standing]:
    """The same of one sender, by receiving domain."""
    return {domain: one for (_, domain), one in standings(connection, sender).items()}


def keep_reports(connection: Connection, reports: Sequence[Report], *, at: datetime, actor: str) -> int:
    """Keep what a provider reported, a later report of the same day replacing the earlier; returns how many."""
    rows = [
        {
            "sender": one.sender,
            "domain": one.domain,
            "day": one.day,
            "complaint_share": one.complaint_share,
            "imported_at": at,
        }
        for one in reports
    ]
    kept = upsert(connection, reputation_reports, rows, update=["complaint_share", "imported_at"])
    senders = ", ".join(sorted({one.sender for one in reports}))
    append(connection, at=at, actor=actor, action="reputation.imported", subject=senders, payload={"days": kept})
    return kept
