"""Rows of launched campaigns: the campaign, its versions with the approved play, its sequences and steps."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, bindparam, select, text, update

from memory.bands import Shares
from memory.canonical import canonical_json, digest
from memory.errors import NotFoundError
from memory.journal import append
from memory.play import Play
from memory.schema import campaign_versions, campaigns, steps
from memory.schema import shares as share_rows
from memory.store import upsert

# Any constant will do: it only serialises launches on PostgreSQL; SQLite has one writer anyway.
_LAUNCH_LOCK = 0x4E4F524C

Status = Literal["live", "paused", "finished", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A launched play and where it stands."""

    campaign_id: str
    proposal_id: str
    playbook: str
    name: str
    status: Status
    version: int
    holdout_share: float
    holdout_key: str = ""
    """Of a follow-up letter: the campaign that began the series, by whose id contacts are held out."""
    owner: str
    trigger_kind: str = "once"
    trigger_event: str = ""
    priority: int = 0
    value_per_message_cents: float = 0.0
    """Expected increment; decides which of several messages to one contact goes first."""
    checked_at: datetime | None = None
    """When its segment or date was last looked at."""
    starts_at: datetime
    ends_at: datetime
    """When the goal window of the last possible send closes."""
    review_at: datetime
    created_at: datetime

    @property
    def series_key(self) -> str:
        """By what its contacts are held out: the id of the campaign that began its series, often its own."""
        return self.holdout_key or self.campaign_id


@dataclass(frozen=True, kw_only=True)
class CampaignVersion:
    """What was approved, whole, and until when it may be sent."""

    campaign_id: str
    version: int
    digest: str
    """The digest that people approved."""
    body: dict[str, Any]
    policy_version: str
    approved_until: datetime
    activated_at: datetime
    proposal_id: str | None = None
    """Whose approval covers it; None where that is the campaign's own proposal."""

    @cached_property
    def _written(self) -> str:
        return canonical_json(self.body)

    @cached_property
    def digest_found(self) -> str:
        """The digest of the play as it is stored now; differs from ``digest`` if anybody touched it."""
        return hashlib.sha256(self._written.encode()).hexdigest()

    @property
    def is_untouched(self) -> bool:
        """Whether the play as it is stored now is the one that was approved."""
        return self.digest_found == self.digest

    @property
    def play(self) -> Play:
        """What was approved."""
        return _read(self._written)


@lru_cache(maxsize=64)
def _read(written: str) -> Play:
    # Every claim and every look-up reads the same few plays again; to check them costs milliseconds.
    return Play.model_validate_json(written)


def campaign_id_of(proposal_id: str) -> str:
    """The id of the campaign that a proposal becomes: always the same, however often a launch is repeated."""
    return "c" + digest(["campaign", proposal_id])[:15]


def create(connection: Connection, campaign: Campaign, version: CampaignVersion) -> bool:
    """Write a campaign with its first version, sequences and steps; False if it is there already."""
    names = list(Campaign.__dataclass_fields__)
    if not upsert(connection, campaigns, [{name: getattr(campaign, name) for name in names}]):
        return False
    add_version(connection, version)
    return True


def add_version(connection: Connection, version: CampaignVersion) -> None:
    """Write one version of a campaign; a version that exists is never changed."""
    names = list(CampaignVersion.__dataclass_fields__)
    upsert(connection, campaign_versions, [{name: getattr(version, name) for name in names}])
    of = {"campaign_id": version.campaign_id, "version": version.version}
    play = version.play
    set_shares(connection, version.campaign_id, version.version, play.shares)
    upsert(
        connection,
        steps,
        [
            {
                **of,
                "sequence_key": sequence.key,
                "step_key": step.key,
                "position": position,
                "kind": step.kind,
                "body": step.model_dump(mode="json"),
            }
            for sequence in play.sequences
            for position, step in enumerate(sequence.steps)
        ],
    )


def get(connection: Connection, campaign_id: str) -> Campaign:
    """The campaign; an id may be shortened to an unambiguous beginning. Raises NotFoundError."""
    rows = connection.execute(
        select(campaigns).where(campaigns.c.campaign_id.startswith(campaign_id, autoescape=True)).limit(2)
    ).all()
    exact = [row for row in rows if row.campaign_id == campaign_id] or rows
    if len(exact) != 1:
        what = "is ambiguous" if rows else "is not known"
        raise NotFoundError(f"Campaign {campaign_id} {what}.", remedy="`noria campaigns` shows them all.")
    return _campaign(exact[0])


# Asked for every event that comes in: to build it anew each time costs more than to run it.
_WAITING: Final = (
    select(campaigns)
    .where(campaigns.c.status == "live", campaigns.c.trigger_kind == "event")
    .where(campaigns.c.trigger_event.in_(bindparam("these", expanding=True)))
    .order_by(campaigns.c.campaign_id)
)


def waiting_for(connection: Connection, events: Iterable[str]) -> list[Campaign]:
    """Live campaigns that some of these kinds of event let contacts into."""
    return [_campaign(row) for row in connection.execute(_WAITING, {"these": sorted(set(events))})]


def set_version(connection: Connection, campaign_id: str, version: int, *, ends_at: datetime, priority: int) -> None:
    """Let contacts in on another version from now on."""
    connection.execute(
        update(campaigns)
        .where(campaigns.c.campaign_id == campaign_id)
        .values(version=version, ends_at=ends_at, priority=priority)
    )


def set_review(
    connection: Connection, campaign_id: str, until: datetime, *, at: datetime, actor: str, reason: str
) -> None:
    """Move the day by which a campaign must have proved its worth; the journal remembers who did and why."""
    connection.execute(update(campaigns).where(campaigns.c.campaign_id == campaign_id).values(review_at=until))
    append(
        connection,
        at=at,
        actor=actor,
        action="campaign.renewed",
        subject=campaign_id,
        payload={"until": until.isoformat(), "reason": reason},
    )


def checked(connection: Connection, campaign_id: str, at: datetime) -> None:
    """Its segment or date has been looked at."""
    connection.execute(update(campaigns).where(campaigns.c.campaign_id == campaign_id).values(checked_at=at))


def lock(connection: Connection, campaign_id: str) -> Campaign:
    """The campaign, held until the transaction ends. Raises NotFoundError."""
    row = connection.execute(
        select(campaigns).where(campaigns.c.campaign_id == campaign_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"Campaign {campaign_id} is not known.", remedy="`noria campaigns` shows them all.")
    return _campaign(row)


def lock_launches(connection: Connection) -> None:
    """Let no other launch decide until the transaction ends, so that two at once see each other's campaign."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LAUNCH_LOCK})


def of_proposal(connection: Connection, proposal_id: str) -> Campaign | None:
    """The campaign that a proposal became, if it was launched."""
    row = connection.execute(select(campaigns).where(campaigns.c.proposal_id == proposal_id)).one_or_none()
    return None if row is None else _campaign(row)


def list_campaigns(connection: Connection, statuses: Iterable[Status] | None = None) -> list[Campaign]:
    """Campaigns, newest first, optionally of some statuses only."""
    query = select(campaigns).order_by(campaigns.c.created_at.desc(), campaigns.c.campaign_id)
    if statuses is not None:
        query = query.where(campaigns.c.status.in_(list(statuses)))
    return [_campaign(row) for row in connection.execute(query)]


def letters_of(connection: Connection, series_key: str) -> list[Campaign]:
    """The letters of a series in the order in which they began, without those of which nothing left."""
    query = (
        select(campaigns)
        .where((campaigns.c.campaign_id == series_key) | (campaigns.c.holdout_key == series_key))
        .where(campaigns.c.status != "cancelled")
        .order_by(campaigns.c.starts_at, campaigns.c.campaign_id)
    )
    return [_campaign(row) for row in connection.execute(query)]


def last_letter(connection: Connection, playbook: str) -> Campaign | None:
    """The newest campaign of a playbook that began once, if anything of it left."""
    query = (
        select(campaigns)
        .where(campaigns.c.playbook == playbook, campaigns.c.trigger_kind == "once", campaigns.c.status != "cancelled")
        .order_by(campaigns.c.starts_at.desc(), campaigns.c.campaign_id)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _campaign(row)


def approved_rhythm(connection: Connection, playbook: str) -> tuple[int, datetime] | None:
    """Days between letters that people approved last for a playbook, and since when; None where they never did."""
    query = (
        select(campaign_versions)
        .join(campaigns, campaigns.c.campaign_id == campaign_versions.c.campaign_id)
        .where(campaigns.c.playbook == playbook, campaigns.c.trigger_kind == "once", campaign_versions.c.version > 1)
        .order_by(campaigns.c.starts_at.desc(), campaign_versions.c.version.desc())
    )
    for row in connection.execute(query):
        version = CampaignVersion(**row._asdict())
        if version.body.get("days_between") and version.is_untouched:
            return version.body["days_between"], version.activated_at
    return None


def newest(connection: Connection, statuses: Collection[Status] = (), *, after: str = "", limit: int) -> list[Campaign]:
    """Some campaigns, newest first, after one of them if it is named. Raises NotFoundError for a name that none has."""
    query = select(campaigns).order_by(campaigns.c.created_at.desc(), campaigns.c.campaign_id).limit(limit)
    if statuses:
        query = query.where(campaigns.c.status.in_(list(statuses)))
    if after:
        at = connection.execute(
            select(campaigns.c.created_at).where(campaigns.c.campaign_id == after)
        ).scalar_one_or_none()
        if at is None:
            raise NotFoundError(f"Campaign {after} is not known.", where="after", remedy="Begin at the first page.")
        later = (campaigns.c.created_at == at) & (campaigns.c.campaign_id > after)
        query = query.where((campaigns.c.created_at < at) | later)
    return [_campaign(row) for row in connection.execute(query)]


def get_version(connection: Connection, campaign_id: str, version: int) -> CampaignVersion:
    """One version of a campaign. Raises NotFoundError."""
    row = connection.execute(
        select(campaign_versions).where(
            campaign_versions.c.campaign_id == campaign_id, campaign_versions.c.version == version
        )
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"Campaign {campaign_id} has no version {version}.")
    return CampaignVersion(**row._asdict())


def approved_under_another(connection: Connection, policy_version: str) -> list[Campaign]:
    """Campaigns that are live or paused and whose messages wait, as people approved them under another policy."""
    other = select(campaign_versions.c.campaign_id, campaign_versions.c.version).where(
        campaign_versions.c.policy_version != policy_version
    )
    held = {tuple(row) for row in connection.execute(other)}
    running = list_campaigns(connection, ["live", "paused"])
    return [one for one in running if (one.campaign_id, one.version) in held]


def versions(connection: Connection, campaign_id: str | None = None) -> list[CampaignVersion]:
    """Every version of one campaign, or of all, the oldest first."""
    query = select(campaign_versions).order_by(campaign_versions.c.campaign_id, campaign_versions.c.version)
    if campaign_id is not None:
        query = query.where(campaign_versions.c.campaign_id == campaign_id)
    return [CampaignVersion(**row._asdict()) for row in connection.execute(query)]


def shares(connection: Connection, campaign_id: str, version: int) -> Shares:
    """Today's probability of each sequence, in each band by key; they add up to 1."""
    query = (
        select(share_rows.c.band, share_rows.c.sequence_key, share_rows.c.share)
        .where(share_rows.c.campaign_id == campaign_id, share_rows.c.version == version)
        .order_by(share_rows.c.band, share_rows.c.sequence_key)
    )
    found: dict[int, dict[str, float]] = {}
    for row in connection.execute(query):
        found.setdefault(row.band, {})[row.sequence_key] = row.share
    return tuple(found.values())


def set_shares(connection: Connection, campaign_id: str, version: int, wanted: Shares) -> None:
    """Let contacts draw by these shares from now on; a sequence that is not named keeps its own."""
    of = {"campaign_id": campaign_id, "version": version}
    rows = [
        {**of, "band": band, "sequence_key": key, "share": share}
        for band, shares_of_band in enumerate(wanted)
        for key, share in sorted(shares_of_band.items())
    ]
    upsert(connection, share_rows, rows, update=["share"])


def swap_status(
    connection: Connection,
    campaign_id: str,
    expected: Iterable[Status],
    new: Status,
    *,
    at: datetime,
    actor: str,
    reason: str = "",
) -> bool:
    """Compare and swap: True for the one caller that moved it, which the journal remembers."""
    changed = connection.execute(
        update(campaigns)
        .where(campaigns.c.campaign_id == campaign_id, campaigns.c.status.in_(list(expected)))
        .values(status=new)
    )
    if changed.rowcount != 1:
        return False
    append(connection, at=at, actor=actor, action=f"campaign.{new}", subject=campaign_id, payload={"reason": reason})
    return True


def _campaign(row: Row[Any]) -> Campaign:
    return Campaign(**row._asdict())
