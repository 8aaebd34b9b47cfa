"""The history of one campaign, in order of time: versions, edits, shares, pauses, looks, lessons, who said yes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, or_, select

from console.difference import Difference, play_differences
from console.report.page import environment, stylesheet
from memory import allocations, campaigns, journal, lessons, proposals, readouts
from memory.campaigns import Campaign
from memory.journal import Entry
from memory.pending_decisions import voided
from memory.play import Play
from memory.proposal import Proposal
from memory.schema import alerts, proposal_versions
from memory.schema import proposals as proposal_rows

Kind = Literal["proposal", "decision", "version", "status", "entry", "shares", "look", "lesson", "alert"]
_STATUS = {
    "campaign.live": "It runs.",
    "campaign.paused": "Paused.",
    "campaign.finished": "Finished.",
    "campaign.cancelled": "Cancelled.",
}
_SETTLED = ("launched", "rejected", "expired", "voided", "failed", "withheld")
_VERDICTS = {"approve": "Yes to", "edit": "Edit of", "reject": "No to", "ask": "Question about"}


class Happening(BaseModel):
    """One thing that happened to a campaign."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    kind: Kind
    who: str
    sentence: str
    refers_to: str = ""
    """Id of the proposal, decision about shares, read-out or lesson."""
    changes: tuple[Difference, ...] = ()
    """For a version: every part that is not as it was."""


class History(BaseModel):
    """Everything that happened to one campaign, the oldest first."""

    model_config = ConfigDict(frozen=True)

    campaign_id: str
    name: str
    status: str
    version: int
    happenings: tuple[Happening, ...]


def read_history(connection: Connection, campaign_id: str) -> History:
    """Read it from the journal and the rows; the same record tells the same. Raises NotFoundError."""
    campaign = campaigns.get(connection, campaign_id)
    found = [
        *_proposed(connection, campaign),
        *_versions(connection, campaign),
        *_steered(connection, campaign),
        *_looks(connection, campaign),
        *_lessons(connection, campaign),
        *_alerts(connection, campaign),
    ]
    return History(
        campaign_id=campaign.campaign_id,
        name=campaign.name,
        status=campaign.status,
        version=campaign.version,
        # What happens at one moment stays in the order in which it is read: a yes comes before what follows from it.
        happenings=tuple(sorted(found, key=lambda one: one.at)),
    )


def write_history(found: History, path: Path) -> Path:
    """Write it as one HTML file that needs nothing else, and return its path."""
    page = environment().get_template("history.html").render(found=found, css=stylesheet())
    path.write_text(page, encoding="utf-8")
    return path


def _proposed(connection: Connection, campaign: Campaign) -> Iterator[Happening]:
    """Every version of every proposal about the campaign, what was said about it, and how it ended."""
    for proposal_id in _about(connection, campaign):
        before: Play | None = None
        rows = connection.execute(
            select(proposal_versions)
            .where(proposal_versions.c.proposal_id == proposal_id)
            .order_by(proposal_versions.c.version)
        )
        for row in rows.all():
            proposal = Proposal.model_validate(row.body)
            what = "Proposed" if before is None else f"Version {row.version} of the proposal"
            yield Happening(
                at=row.created_at,
                kind="proposal",
                who=row.author,
                sentence=f"{what}: {proposal.title}. {proposal.summary}",
                refers_to=proposal_id,
                changes=_between(before, proposal.play),
            )
            before = proposal.play
        void = voided(connection, proposal_id)
        for said in proposals.decisions_on(connection, proposal_id):
            reason = f": {said.reason}" if said.reason else ""
            nothing = f" (void: {void[said.decision_id].rstrip('.')})" if said.decision_id in void else ""
            yield Happening(
                at=said.decided_at,
                kind="decision",
                who=said.actor,
                sentence=f"{_VERDICTS[said.verdict]} version {said.version}{reason}{nothing}",
                refers_to=proposal_id,
            )
        for entry in journal.entries(connection, subject=proposal_id):
            became = entry.action.removeprefix("proposal.")
            if became in _SETTLED:
                yield Happening(
                    at=entry.at,
                    kind="proposal",
                    who=entry.actor,
                    sentence=_because(f"The proposal is {became}.", entry),
                    refers_to=proposal_id,
                )


def _about(connection: Connection, campaign: Campaign) -> list[str]:
    """The proposal that was launched, and every one that would have changed or ended the campaign; the oldest first."""
    changing = (proposal_rows.c.kind != "launch_campaign") & (proposal_rows.c.playbook == campaign.playbook)
    query = (
        select(proposal_rows.c.proposal_id, proposal_rows.c.body)
        .where(or_(changing, proposal_rows.c.proposal_id == campaign.proposal_id))
        .order_by(proposal_rows.c.created_at, proposal_rows.c.proposal_id)
    )
    return [
        row.proposal_id
        for row in connection.execute(query)
        if row.proposal_id == campaign.proposal_id
        or (row.body["play"].get("replaces") or {}).get("campaign_id") == campaign.campaign_id
    ]


def _versions(connection: Connection, campaign: Campaign) -> Iterator[Happening]:
    before: Play | None = None
    for one in campaigns.versions(connection, campaign.campaign_id):
        held = "" if one.is_untouched else " It was tampered with since."
        yield Happening(
            at=one.activated_at,
            kind="version",
            who="noria",
            sentence=f"Version {one.version} is in place, approved until {one.approved_until:%Y-%m-%d}.{held}",
            refers_to=one.proposal_id or campaign.proposal_id,
            changes=_between(before, one.play),
        )
        before = one.play


def _between(before: Play | None, after: Play) -> tuple[Difference, ...]:
    return () if before is None else tuple(play_differences(before, after, "en"))


def _steered(connection: Connection, campaign: Campaign) -> Iterator[Happening]:
    """What was done to it by name: launched, paused, renewed, ended, and every decision about its shares."""
    begins_empty = campaigns.get_version(connection, campaign.campaign_id, 1).play.trigger.runs_days > 0
    reasons = {one.allocation_id: one.reason for one in allocations.of_campaign(connection, campaign.campaign_id)}
    for entry in journal.entries(connection, subject=campaign.campaign_id):
        if begins_empty and entry.action == "campaign.enrolled":
            continue
        told = _told(entry, reasons)
        if told is not None:
            kind, sentence, refers_to = told
            yield Happening(at=entry.at, kind=kind, who=entry.actor, sentence=sentence, refers_to=refers_to)


def _told(entry: Entry, reasons: Mapping[str, str]) -> tuple[Kind, str, str] | None:
    payload = entry.payload
    if entry.action in _STATUS:
        return "status", _because(_STATUS[entry.action], entry), ""
    if entry.action == "campaign.renewed":
        return "status", _because(f"Renewed until {payload['until'][:10]}.", entry), ""
    if entry.action == "campaign.enrolled":
        entered = payload["entered"] - payload["holdout"]
        return "entry", f"{entered} contacts entered, {payload['holdout']} more are held out.", ""
    if entry.action.startswith("shares."):
        became = entry.action.removeprefix("shares.").replace("_", " ")
        change = f"{_shares(payload['before_millis'])} → {_shares(payload['shares_millis'])}"
        allocation_id = payload["allocation"]
        return "shares", _because(f"Shares {became}: {change}.", entry, reasons.get(allocation_id, "")), allocation_id
    return None


def _shares(millis: Mapping[str, int] | list[Mapping[str, int]]) -> str:
    # What was journalled before there were bands names the shares of everybody.
    by_band = [millis] if isinstance(millis, Mapping) else millis
    return "; ".join(", ".join(f"{key} {value / 10:g} %" for key, value in sorted(of.items())) for of in by_band)


def _because(sentence: str, entry: Entry, otherwise: str = "") -> str:
    reason = str(entry.payload.get("reason") or otherwise).strip()
    return f"{sentence} {reason}" if reason else sentence


def _looks(connection: Connection, campaign: Campaign) -> Iterator[Happening]:
    for one in readouts.of_campaign(connection, campaign.campaign_id):
        yield Happening(
            at=one.read_at,
            kind="look",
            who="noria",
            sentence=f"Look {one.look} of {one.looks_planned}: {one.verdict}. {one.body['text']['en']}",
            refers_to=one.readout_id,
        )


def _lessons(connection: Connection, campaign: Campaign) -> Iterator[Happening]:
    for one in lessons.every(connection):
        if one.campaign_id == campaign.campaign_id:
            for entry in journal.entries(connection, subject=one.lesson_id):
                became = entry.action.removeprefix("lesson.")
                sentence = _because(f"Lesson {became}.", entry, one.text.get("en", "") if became == "written" else "")
                yield Happening(at=entry.at, kind="lesson", who=entry.actor, sentence=sentence, refers_to=one.lesson_id)


def _alerts(connection: Connection, campaign: Campaign) -> Iterator[Happening]:
    """What people were asked to do about the campaign as a whole, and whether they did."""
    query = select(alerts).where(alerts.c.campaign_id == campaign.campaign_id, alerts.c.contact_id.is_(None))
    for row in connection.execute(query.order_by(alerts.c.alert_id)):
        task: dict[str, Any] = row.task
        yield Happening(at=row.raised_at, kind="alert", who="noria", sentence=str(task.get("en", "")))
        if row.done_at is not None:
            note = f": {row.note}" if row.note else "."
            yield Happening(at=row.done_at, kind="alert", who=row.done_by, sentence=f"Seen to{note}")
