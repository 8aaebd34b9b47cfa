"""What the report tells, read from the record."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import BigInteger, Connection, distinct, func, select, type_coerce

from console.flow.progress import Progress, progress
from memory import allocations, campaigns, forecasts, ledger, lessons, proposals
from memory.bands import by_label
from memory.lessons import Lesson
from memory.proposal import Decision, Proposal
from memory.schema import enrolments, messages, readouts
from memory.steps import Sequence
from memory.trigger import Trigger

PRESSURE_DAYS = 7


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProposalLine(_Frozen):
    """A proposal, where it stands, and everything that was said about it."""

    proposal: Proposal
    status: str
    decisions: tuple[Decision, ...]


class Look(_Frozen):
    """One read-out of a campaign: the increment as a share of contacts, with its interval."""

    look: int
    looks_planned: int
    verdict: str
    difference: float
    low: float
    high: float
    text: str
    said: dict[str, str] = {}
    """The same by language."""
    read_at: AwareDatetime


class CampaignLine(_Frozen):
    """A campaign from selection to read-out."""

    campaign_id: str
    name: str
    playbook: str
    status: str
    selected: int
    reachable: int
    holdout: int
    treated: int
    written_to: int
    """Contacts who got at least one message."""
    arms: dict[str, int] = {}
    """Entries of contacts who are not held out, by the sequence they drew."""
    shares: dict[str, float] = {}
    """With which probability whoever enters now draws each sequence."""
    by_band: dict[str, dict[str, float]] = {}
    """The same of each band of contacts, by its heading, where the campaign tells some apart."""
    exits: dict[str, int] = {}
    """Entries that are over, by the reason."""
    states: dict[str, int]
    reasons: dict[str, dict[str, int]]
    looks: tuple[Look, ...]


class FlowLine(_Frozen):
    """One sequence of a campaign, and where the contacts who drew it are."""

    campaign_id: str
    campaign: str
    trigger: Trigger
    sequence: Sequence
    progress: Progress


class ForecastLine(_Frozen):
    """A forecast beside what was measured, on log-odds."""

    name: str
    base_rate: float
    """The share expected to reach the goal without the campaign."""
    expected: float
    sd: float
    measured: float


class ReportFacts(_Frozen):
    """Everything on the page."""

    proposals: tuple[ProposalLine, ...]
    campaigns: tuple[CampaignLine, ...]
    flows: tuple[FlowLine, ...]
    forecasts: tuple[ForecastLine, ...]
    lessons: tuple[Lesson, ...]
    pressure: dict[int, int]
    """Contacts by the most messages they had in any seven days."""
    states: dict[str, int]
    planned: int
    """How many sends were intended, as the journal says."""
    reconciled: bool
    """True when the states of the ledger add up to that number."""


def read_facts(connection: Connection) -> ReportFacts:
    """Read the whole story of a workspace."""
    balance = ledger.reconcile(connection)
    launched = campaigns.list_campaigns(connection)
    return ReportFacts(
        proposals=tuple(
            ProposalLine(
                proposal=stored.proposal,
                status=stored.status,
                decisions=tuple(proposals.decisions_on(connection, stored.proposal.proposal_id)),
            )
            for stored in proposals.list_proposals(connection)
        ),
        campaigns=tuple(campaign_line(connection, one) for one in launched),
        flows=tuple(flow for one in launched for flow in _flows(connection, one)),
        forecasts=tuple(forecast_lines(connection)),
        lessons=tuple(lessons.every(connection)),
        pressure=pressure(connection),
        states=balance.states,
        planned=balance.planned,
        reconciled=balance.balances,
    )


def pressure(connection: Connection, since: datetime | None = None) -> dict[int, int]:
    """Contacts by the most messages of marketing they were sent in any seven days; those without any are not counted.

    With ``since``, only what was sent from then on counts.
    """
    # In milliseconds: PostgreSQL is told the span as a number of 32 bits.
    span = timedelta(days=PRESSURE_DAYS) // timedelta(milliseconds=1) - 1
    at = type_coerce(messages.c.sent_at, BigInteger) // 1000
    recent = func.count().over(partition_by=messages.c.contact_id, order_by=at, range_=(-span, 0))
    counted = (messages.c.state == "sent") & (messages.c.purpose == "marketing")
    sent = select(messages.c.contact_id, recent.label("recent")).where(counted)
    if since is not None:
        sent = sent.where(messages.c.sent_at >= since)
    each = sent.subquery()
    most = select(func.max(each.c.recent).label("most")).group_by(each.c.contact_id).subquery()
    query = select(most.c.most, func.count().label("contacts")).group_by(most.c.most).order_by(most.c.most)
    return {row.most: row.contacts for row in connection.execute(query)}


def campaign_line(connection: Connection, campaign: campaigns.Campaign) -> CampaignLine:
    """One campaign from selection to its newest read-out."""
    stored = proposals.get(connection, campaign.proposal_id)
    # Counted once by all that is told of them: there are few kinds, and perhaps a million rows.
    kinds = (enrolments.c.in_holdout, enrolments.c.sequence_key, enrolments.c.state, enrolments.c.exit_reason)
    entered, arms, exits = Counter[bool](), Counter[str](), Counter[str]()
    for in_holdout, sequence_key, state, exit_reason, entries in connection.execute(
        select(*kinds, func.count()).where(enrolments.c.campaign_id == campaign.campaign_id).group_by(*kinds)
    ):
        entered[bool(in_holdout)] += entries
        if not in_holdout:
            arms[sequence_key] += entries
        if state == "exited":
            exits[exit_reason] += entries
    reasons = ledger.reasons(connection, campaign.campaign_id)
    looks = connection.execute(
        select(readouts).where(readouts.c.campaign_id == campaign.campaign_id).order_by(readouts.c.look)
    )
    shares = campaigns.shares(connection, campaign.campaign_id, campaign.version)
    play = campaigns.get_version(connection, campaign.campaign_id, campaign.version).play
    return CampaignLine(
        campaign_id=campaign.campaign_id,
        name=campaign.name,
        playbook=campaign.playbook,
        status=campaign.status,
        selected=stored.proposal.audience.selected,
        reachable=stored.proposal.audience.reachable,
        holdout=entered[True],
        treated=entered[False],
        written_to=connection.execute(
            select(func.count(distinct(messages.c.contact_id))).where(
                messages.c.campaign_id == campaign.campaign_id, messages.c.state == "sent"
            )
        ).scalar_one(),
        arms=_most_first(arms),
        shares=allocations.over_all(connection, campaign.campaign_id, shares),
        by_band=by_label(play.bands, shares, "en"),
        exits=_most_first(exits),
        states={state: sum(numbers.values()) for state, numbers in reasons.items()},
        reasons=reasons,
        looks=tuple(
            Look(
                look=row.look,
                looks_planned=row.looks_planned,
                verdict=row.verdict,
                difference=row.body["difference"]["value"],
                low=row.body["difference"]["low"],
                high=row.body["difference"]["high"],
                text=row.body["text"]["en"],
                said=row.body["text"],
                read_at=row.read_at,
            )
            for row in looks
        ),
    )


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _flows(connection: Connection, campaign: campaigns.Campaign) -> list[FlowLine]:
    play = campaigns.get_version(connection, campaign.campaign_id, campaign.version).play
    return [
        FlowLine(
            campaign_id=campaign.campaign_id,
            campaign=campaign.name,
            trigger=play.trigger,
            sequence=sequence,
            progress=progress(connection, campaign, sequence),
        )
        for sequence in play.sequences
    ]


def forecast_lines(connection: Connection) -> list[ForecastLine]:
    """Every forecast that met its outcome, oldest first."""
    return [
        ForecastLine(
            name=one.name,
            base_rate=one.forecast.body["base_rate"],
            expected=one.forecast.body["effect_mean"],
            sd=one.forecast.body["effect_sd"],
            measured=one.score["observed"],
        )
        for one in reversed(forecasts.list_forecasts(connection))
        if one.score is not None
    ]
