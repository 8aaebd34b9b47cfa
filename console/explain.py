"""Everything the record knows about one contact, and why they are or were in or out of each campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, select

from console.wiring import Workspace
from memory import campaigns, cap, consents, contacts, enrolments, preferences
from memory.allocations import NOBODY
from memory.consents import Consent
from memory.contacts import Contact
from memory.features.feature import FeatureValue
from memory.features.registry import COMPARING, REGISTRY
from memory.features.table import Features, compute
from memory.play import Play
from memory.preferences import Preferences
from memory.schema import messages, suppressions
from memory.segments.evaluate import EventFact, matches
from memory.segments.grammar import Events, Expression, fields, parse, parts


class FeatureLine(BaseModel):
    """One feature, in words and as a value."""

    model_config = ConfigDict(frozen=True)

    name: str
    sentence: str
    value: Any


class CampaignLine(BaseModel):
    """Where a contact stands towards one campaign that runs, or that they were in, and why."""

    model_config = ConfigDict(frozen=True)

    campaign_id: str
    name: str
    standing: str
    reason: str


class MessageLine(BaseModel):
    """One message of the ledger."""

    model_config = ConfigDict(frozen=True)

    campaign_id: str
    step_key: str
    state: str
    reason: str
    sentences: tuple[str, ...]
    """What the rules said at the last attempt."""
    at: AwareDatetime


class Explanation(BaseModel):
    """The whole of it."""

    model_config = ConfigDict(frozen=True)

    contact: Contact
    suppressed: str
    preferences: Preferences
    consents: tuple[Consent, ...]
    features: tuple[FeatureLine, ...]
    """Without a value where the lake does not know them yet; none at the depth of campaigns."""
    messages_in_window: int
    cap: str
    campaigns: tuple[CampaignLine, ...]
    messages: tuple[MessageLine, ...]


_RUNNING = ("live", "paused")
_LETS_IN = {
    "event": "the event",
    "segment": "coming into the segment",
    "date": "the day",
    "api": "the call of another system",
}
Depth = Literal["campaigns", "alone", "comparing"]
"""How much of a contact's features is looked up: what tells of campaigns, all of one's own, those too that compare."""


def explain(workspace: Workspace, contact_id: int, *, depth: Depth = "alone") -> Explanation:
    """Explain one contact.

    Raises NotFoundError.
    """
    now = workspace.clock.now()
    limit = workspace.pack.cap
    with workspace.store.read() as connection:
        contact = contacts.get(connection, contact_id)
        contact_id = contact.contact_id
        suppressed = connection.execute(
            select(suppressions.c.reason).where(
                suppressions.c.channel == "email", suppressions.c.address_hash == (contact.email_hash or "")
            )
        ).scalar()
        slots = cap.read(connection, [contact_id]).get(contact_id, [])
        entered = enrolments.entered_campaigns(connection, contact_id)
        shown = [
            one
            for one in campaigns.list_campaigns(connection, ["live", "paused", "finished", "cancelled"])
            if one.status in _RUNNING or one.campaign_id in entered
        ]
        sent = connection.execute(
            select(messages).where(messages.c.contact_id == contact_id).order_by(messages.c.message_id)
        ).all()
        chosen = preferences.of_contact(connection, contact_id)
        history = consents.history(connection, contact_id)
        plays = [campaigns.get_version(connection, one.campaign_id, one.version).play for one in shown]
        names = None if depth != "campaigns" else {name for one in plays for name in fields(parse(one.audience))}
        alone = compute(workspace.lake, now, names=names and names - COMPARING, contact_id=contact_id)
        row = alone.rows([contact_id]).get(contact_id)
        known = _Known(contact_id, alone, row, among_all=depth == "comparing")
        standings = [_standing(connection, one, play, known) for one, play in zip(shown, plays, strict=True)]
    if depth == "comparing":
        row = (row or {}) | compute(workspace.lake, now, names=COMPARING).rows([contact_id], sorted(COMPARING)).get(
            contact_id, {}
        )
    return Explanation(
        contact=contact,
        suppressed=suppressed or "",
        preferences=chosen,
        consents=tuple(history),
        features=tuple(
            FeatureLine(name=one.name, sentence=one.sentence["en"], value=(row or {}).get(one.name))
            for one in REGISTRY.values()
            if depth == "comparing" or (depth == "alone" and one.name not in COMPARING)
        ),
        messages_in_window=cap.Cap(limit.messages, limit.window_days).used(slots, now),
        cap=f"{limit.messages} in {limit.window_days} days",
        campaigns=tuple(standings),
        messages=tuple(
            MessageLine(
                campaign_id=one.campaign_id,
                step_key=one.step_key,
                state=one.state,
                reason=one.reason,
                sentences=tuple(finding["sentence"] for finding in one.findings),
                at=one.sent_at or one.due_at,
            )
            for one in sent
        ),
    )


@dataclass(frozen=True)
class _Known:
    """What is known of one contact."""

    contact_id: int
    alone: Features
    row: Mapping[str, FeatureValue] | None
    """None where the lake does not know them yet."""
    among_all: bool
    """Whether there is time to look at everybody."""

    @cached_property
    def events(self) -> list[EventFact]:
        return self.alone.events([self.contact_id]).get(self.contact_id, [])

    def is_in(self, segment: Expression) -> bool | None:
        """Whether they are in a segment; None for one that compares contacts where nobody looks at everybody."""
        names = set(fields(segment))
        if names & COMPARING:
            if not self.among_all:
                return None
            return self.contact_id in compute(self.alone.lake, self.alone.as_of, names=names).select(segment)
        events = self.events if any(isinstance(part, Events) for part in parts(segment)) else []
        return self.row is not None and matches(segment, self.row, events, self.alone.as_of)


def _standing(connection: Connection, campaign: campaigns.Campaign, play: Play, known: _Known) -> CampaignLine:
    entered = enrolments.last_entries(connection, campaign.campaign_id, [known.contact_id]).get(known.contact_id)
    if entered is None:
        standing = "out"
        belongs = known.is_in(parse(play.audience))
        if belongs and play.trigger.runs_days:
            what = _LETS_IN[play.trigger.kind]
            reason = (
                f"In the audience, but {what} that lets contacts in did not happen since it began, "
                "or its limits kept them out."
            )
        elif belongs:
            reason = "In the segment now, but a rule took them out at the launch, or they came into it later."
        elif belongs is None:
            reason = "Whether they are in its segment takes a look at everybody."
        else:
            reason = f"Not in the segment: {play.audience_sentence}"
    elif entered.in_holdout:
        until = "for as long as the campaign runs" if campaign.status in _RUNNING else "until the campaign ended"
        standing, reason = "held out", f"Drawn into the holdout, {until}."
    elif entered.sequence_key == NOBODY:
        standing = "left alone"
        reason = f"Drew nobody on {entered.entered_at:%d %B %Y}, by {entered.probability:.0%}: they get nothing."
    elif entered.state == "exited":
        standing, reason = "left", f"Left on {entered.exited_at:%d %B %Y}: {entered.exit_reason}."
    else:
        standing = "in"
        reason = (
            f"Entered on {entered.entered_at:%d %B %Y} with the sequence {entered.sequence_key}, at {entered.step_key}."
        )
    return CampaignLine(campaign_id=campaign.campaign_id, name=campaign.name, standing=standing, reason=reason)
