"""When a campaign is looked at, and what travels between the nodes that do it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from agents.learning.looks import FOUR_LOOKS
from memory.campaigns import Campaign


class LookState(TypedDict, total=False):
    """One thread, one look at one campaign. Everything else is in the store, under these ids."""

    campaign_id: str
    look: int
    readout_id: str
    lesson_id: str
    """Empty when the look taught nothing."""
    outcome: str
    """What was learned, or why nothing was, in one sentence."""


def planned_looks(campaign: Campaign) -> tuple[datetime, ...]:
    """The moments at which a campaign is read: after 1/4, 1/2, 3/4 and all of the time from its start to its end.

    The share of the information that a look has is taken to be the share of the planned observation time that has
    passed. Both arms are watched for the same time at each look, so an early look compares like with like even while
    goal windows are open; at the last one every window has closed. Orders do not come evenly: where half of them are
    in at the first look the bounds err in 4.3 % of null campaigns, where a tenth is, in 5.4 % (5 % was wanted).
    """
    period = campaign.ends_at - campaign.starts_at
    return tuple(campaign.starts_at + share * period for share in FOUR_LOOKS)


def looks_left(campaign: Campaign, taken: Mapping[int, str]) -> dict[int, datetime]:
    """The looks that are still to come, by number; ``taken`` are the verdicts of those that were had.

    A campaign that harms or that cannot be trusted is not looked at again; a cancelled one, and one that holds nobody
    out, never.
    """
    if campaign.status == "cancelled" or not 0 < campaign.holdout_share < 1 or _stopped_by(taken):
        return {}
    return {look: at for look, at in enumerate(planned_looks(campaign), start=1) if look not in taken}


def tell_looks_left(campaign: Campaign, taken: Mapping[int, str]) -> str:
    """One sentence: when the next look comes, or why none does."""
    left = looks_left(campaign, taken)
    if left:
        look = min(left)
        after = f", the last on {max(left.values()):%d %B %Y}" if len(left) > 1 else ""
        return f"Look {look} of {len(FOUR_LOOKS)} comes on {left[look]:%d %B %Y}{after}."
    if campaign.status == "cancelled":
        return "It was cancelled before anything left: no look comes."
    if not 0 < campaign.holdout_share < 1:
        return "Nobody is held out, so nothing can be measured: no look comes."
    return "No further look comes."


def _stopped_by(taken: Mapping[int, str]) -> bool:
    return any(verdict in {"harms", "invalid"} for verdict in taken.values())
