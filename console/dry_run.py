"""What would leave if a proposal were launched now: to how many, on which way, and why not to the others."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from console.wiring import Workspace
from memory.offers import open_offers
from memory.proposal import Audience, Proposal
from memory.steps import SendStep
from memory.workspace import read_switch
from policies.pack import Pack
from tools.audience import select_now


class Way(BaseModel):
    """One sequence: its messages in order, and who would be on it."""

    model_config = ConfigDict(frozen=True)

    title: str
    messages: tuple[str, ...]
    treated: int
    held_out: int


class DryRun(BaseModel):
    """A launch that nobody notices."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    first_at: AwareDatetime
    """Before it nothing leaves."""
    audience: Audience
    ways: tuple[Way, ...]
    against: tuple[str, ...]
    """What would void or stop it at the door, in sentences."""


def dry_run(opened: Workspace, proposal: Proposal, pack: Pack) -> DryRun:
    """Count and draw as the launch would, with the rules and the record as they are; nothing is written or sent."""
    at, play = opened.clock.now(), proposal.play
    selection = select_now(
        opened.store,
        opened.lake,
        pack,
        play,
        at=at,
        proposal_id=proposal.proposal_id,
        programme_share=opened.settings.review.programme_holdout_share,
        currency=opened.settings.currency,
    )
    entrants, ways = selection.entrants, []
    for sequence in play.sequences:
        drew = entrants.drew(sequence.key)
        held_out = int((drew & entrants.in_holdout).sum())
        messages = tuple(step.key for step in sequence.steps if isinstance(step, SendStep))
        ways.append(Way(title=sequence.title, messages=messages, treated=int(drew.sum()) - held_out, held_out=held_out))
    return DryRun(
        at=at,
        first_at=max(play.schedule.starts_at, at),
        audience=selection.audience,
        ways=tuple(ways),
        against=tuple(_against(opened, proposal, selection.audience, pack, at)),
    )


def _against(opened: Workspace, proposal: Proposal, audience: Audience, pack: Pack, at: datetime) -> list[str]:
    play, found = proposal.play, []
    with opened.store.read() as connection:
        stopped = read_switch(connection).stopped
        offers = {one.offer_id: one for one in open_offers(connection, at)}
    if stopped:
        found.append("All sending is stopped.")
    if proposal.expires_at <= at:
        found.append("The proposal has expired.")
    if play.policy_version != pack.version:
        found.append(f"The policy changed since it was written: {play.policy_version} is now {pack.version}.")
    fewest, most = play.size_band
    if not play.trigger.runs_days and not fewest <= audience.reachable <= most:
        found.append(f"An approval covers {fewest} to {most} contacts, and now {audience.reachable} would enter.")
    absent = sorted({step.channel for _, step in play.sends()} - set(opened.settings.ways))
    if absent:
        found.append(f"It would go by {', '.join(absent)}, and this workspace has no such channel.")
    found += [
        f"The offer {one.offer_id} is not open, or is another by now."
        for one in play.offers
        if offers.get(one.offer_id) != one
    ]
    return found
