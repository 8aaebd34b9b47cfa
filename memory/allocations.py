"""Decisions about the shares of a running campaign: what was decided, from which numbers, and since when it holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Row, func, select, update

from memory import campaigns
from memory.alerts import settle_alerts
from memory.bands import Shares, together
from memory.canonical import digest
from memory.errors import ConflictError, NotFoundError
from memory.journal import append
from memory.play import Play
from memory.schema import allocations, enrolments
from memory.store import upsert

NOBODY: Final = "nobody"
"""Stands for a sequence where whoever draws it gets nothing: withheld by allocation, and not the holdout."""
AllocationState = Literal["kept", "suggested", "waiting", "applied", "declined", "rolled_back"]
"""Nothing to move; only written down; waits for a person; in force; refused or overtaken; back to the approved plan."""


class Allocation(BaseModel):
    """One decision about the shares of one version of a campaign; they add up to 1 in each band."""

    model_config = ConfigDict(frozen=True)

    allocation_id: str
    campaign_id: str
    version: int
    state: AllocationState
    before: Shares
    shares: Shares
    evidence: dict[str, Any]
    reason: str
    decided_at: AwareDatetime
    applied_at: AwareDatetime | None = None
    actor: str = ""
    """Who put it in force, or refused it."""


def allocation_id_of(campaign_id: str, decided_at: datetime, by: str = "noria") -> str:
    """The id of what somebody decided at a moment: the same, however often it is written."""
    return "w" + digest(["allocation", campaign_id, decided_at.isoformat(), by])[:15]


def chances(found: Allocation) -> tuple[Mapping[str, float], ...]:
    """By band, in what part of the draws each sequence was best; only one where no bands are told apart."""
    by_band = found.evidence.get("by_band")
    return tuple(one["chance_best"] for one in by_band) if by_band else (found.evidence["chance_best"],)


def over_all(connection: Connection, campaign_id: str, shares: Shares) -> dict[str, float]:
    """The share of each sequence over all bands, weighed by how many ever entered from each."""
    if len(shares) == 1:
        return shares[0]
    query = select(enrolments.c.band, func.count()).where(enrolments.c.campaign_id == campaign_id)
    entered = [0] * len(shares)
    for band, contacts in connection.execute(query.group_by(enrolments.c.band)):
        entered[band] = contacts
    return together(shares, entered)


def alert_key(campaign_id: str) -> str:
    """Tells apart the alerts about one campaign's shares."""
    return f"shares {campaign_id}"


def keep(connection: Connection, found: Allocation, *, at: datetime) -> bool:
    """Write a decision and journal it; put it in force if it is ``applied`` or ``rolled_back``.

    An older one that still waits is overtaken by it. False, and nothing is written, where the campaign's version or
    shares are no longer those that it was decided on.
    """
    campaign = campaigns.lock(connection, found.campaign_id)
    if campaign.version != found.version or not same(
        campaigns.shares(connection, found.campaign_id, found.version), found.before
    ):
        return False
    if not upsert(connection, allocations, [found.model_dump()]):
        return False
    _overtake(connection, found, at)
    if found.state in {"applied", "rolled_back"}:
        _put_in_force(connection, found, at)
    elif found.state != "kept":
        _note(connection, found, f"shares.{found.state}", found.actor or "noria", at)
    return True


def accept(connection: Connection, campaign_id: str, *, actor: str, at: datetime) -> Allocation:
    """Put the decision in force that waits for a person. Raises NotFoundError, or ConflictError if it was overtaken."""
    found = _waiting(connection, campaign_id)
    campaign = campaigns.lock(connection, campaign_id)
    if campaign.version != found.version or campaign.status != "live":
        raise ConflictError(
            "The campaign has changed or stopped since this was decided.",
            where=f"campaign {campaign_id}",
            remedy="Wait for the next decision, a day after the last one.",
        )
    accepted = found.model_copy(update={"state": "applied", "applied_at": at, "actor": actor})
    _set(connection, accepted)
    _put_in_force(connection, accepted, at)
    settle_alerts(connection, alert_key(campaign_id), at=at, note=f"accepted by {actor}")
    return accepted


def decline(connection: Connection, campaign_id: str, *, actor: str, reason: str, at: datetime) -> Allocation:
    """Refuse the decision that waits for a person; the shares stay. Raises NotFoundError."""
    found = _waiting(connection, campaign_id)
    declined = found.model_copy(update={"state": "declined", "actor": actor})
    _set(connection, declined)
    _note(connection, declined, "shares.declined", actor, at, why=reason)
    settle_alerts(connection, alert_key(campaign_id), at=at, note=f"declined by {actor}")
    return declined


def return_to_plan(connection: Connection, campaign_id: str, *, actor: str, reason: str, at: datetime) -> Allocation:
    """Give every sequence its approved share again; from then on each move waits for a person.

    Raises ConflictError where the shares are the approved ones.
    """
    campaign = campaigns.lock(connection, campaign_id)
    before = campaigns.shares(connection, campaign_id, campaign.version)
    plan = back_to(campaigns.get_version(connection, campaign_id, campaign.version).play, before)
    if same(before, plan):
        raise ConflictError("The shares are the approved ones.", where=f"campaign {campaign_id}")
    found = Allocation(
        allocation_id=allocation_id_of(campaign_id, at, actor),
        campaign_id=campaign_id,
        version=campaign.version,
        state="rolled_back",
        before=before,
        shares=plan,
        evidence={},
        reason=reason,
        decided_at=at,
        applied_at=at,
        actor=actor,
    )
    keep(connection, found, at=at)
    return found


def of_campaign(connection: Connection, campaign_id: str) -> list[Allocation]:
    """Every decision about a campaign, oldest first."""
    query = (
        select(allocations)
        .where(allocations.c.campaign_id == campaign_id)
        .order_by(allocations.c.decided_at, allocations.c.allocation_id)
    )
    return [_allocation(row) for row in connection.execute(query)]


def last_decided_at(connection: Connection, campaign_id: str) -> datetime | None:
    """When the newest decision about a campaign was made; None where there is none."""
    query = select(allocations.c.decided_at).where(allocations.c.campaign_id == campaign_id)
    return connection.execute(query.order_by(allocations.c.decided_at.desc()).limit(1)).scalar_one_or_none()


@dataclass(frozen=True)
class Periods:
    """By which shares contacts were drawn since a campaign began; the newest last."""

    since: tuple[datetime, ...]
    shares: tuple[Shares, ...]

    def at(self, moment: datetime, band: int) -> dict[str, float]:
        """By which shares contacts of a band were drawn at a moment."""
        return self.of(self.place(moment), band)

    def of(self, place: int, band: int) -> dict[str, float]:
        """The shares of a band in one of the periods."""
        return self.shares[place][band]

    def place(self, moment: datetime) -> int:
        """Which of the shares were in force at a moment; before the first ones, those."""
        return max(bisect_right(self.since, moment) - 1, 0)


def periods(connection: Connection, campaign_id: str) -> Periods:
    """Approved shares of each version from its activation on, and each decision that was put in force."""
    changes = [(one.activated_at, one.play.shares) for one in campaigns.versions(connection, campaign_id)]
    changes += [
        (one.applied_at, one.shares) for one in of_campaign(connection, campaign_id) if one.applied_at is not None
    ]
    changes.sort(key=lambda change: change[0])
    return Periods(tuple(since for since, _ in changes), tuple(shares for _, shares in changes))


def _waiting(connection: Connection, campaign_id: str) -> Allocation:
    query = select(allocations).where(allocations.c.campaign_id == campaign_id, allocations.c.state == "waiting")
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(
            f"No decision about the shares of campaign {campaign_id} waits for anybody.",
            remedy=f"`noria campaigns shares {campaign_id}` shows what was decided.",
        )
    return _allocation(row)


def _overtake(connection: Connection, by: Allocation, at: datetime) -> None:
    query = select(allocations).where(
        allocations.c.campaign_id == by.campaign_id,
        allocations.c.state == "waiting",
        allocations.c.allocation_id != by.allocation_id,
    )
    for row in connection.execute(query).all():
        overtaken = _allocation(row).model_copy(update={"state": "declined", "actor": "noria"})
        _set(connection, overtaken)
        _note(connection, overtaken, "shares.declined", "noria", at, why=f"overtaken by {by.allocation_id}")


def _put_in_force(connection: Connection, found: Allocation, at: datetime) -> None:
    campaigns.set_shares(connection, found.campaign_id, found.version, found.shares)
    _note(connection, found, f"shares.{found.state}", found.actor or "noria", at)


def _set(connection: Connection, found: Allocation) -> None:
    connection.execute(
        update(allocations)
        .where(allocations.c.allocation_id == found.allocation_id)
        .values(state=found.state, applied_at=found.applied_at, actor=found.actor)
    )


def _note(connection: Connection, found: Allocation, action: str, actor: str, at: datetime, *, why: str = "") -> None:
    append(
        connection,
        at=at,
        actor=actor,
        action=action,
        subject=found.campaign_id,
        payload={
            "allocation": found.allocation_id,
            "version": found.version,
            "before_millis": [_millis(one) for one in found.before],
            "shares_millis": [_millis(one) for one in found.shares],
            "reason": why or found.reason,
            "evidence": digest(found.evidence),
        },
    )


def _millis(shares: Mapping[str, float]) -> dict[str, int]:
    # The journal holds whole numbers: they are the same on every machine.
    return {key: round(1000 * share) for key, share in sorted(shares.items())}


def back_to(play: Play, before: Shares) -> Shares:
    """The shares that were approved, with none for what is drawn today and was not approved."""
    return tuple({**dict.fromkeys(now, 0.0), **plan} for now, plan in zip(before, play.shares, strict=True))


def same(one: Shares, other: Shares) -> bool:
    """Whether every band draws every sequence alike."""
    return len(one) == len(other) and all(
        abs(mine.get(key, 0.0) - theirs.get(key, 0.0)) < 1e-9
        for mine, theirs in zip(one, other, strict=True)
        for key in {*mine, *theirs}
    )


def _allocation(row: Row[Any]) -> Allocation:
    found = row._asdict()
    # Decisions from before there were bands name the shares of everybody.
    found |= {name: (found[name],) for name in ("before", "shares") if isinstance(found[name], dict)}
    return Allocation.model_validate(found)
