"""One holdout for each playbook at a time: whom it holds out of one campaign gets no mail of another."""

from __future__ import annotations

from sqlalchemy import Connection

from memory import campaigns, readouts
from memory.play import Play


def holdout_objection(connection: Connection, play: Play, campaign_id: str) -> str:
    """Why a play must not be launched beside the campaigns of its playbook; empty where it may.

    A launch that depends on the answer asks again once it holds ``campaigns.lock_launches``.
    """
    return _not_its_series(connection, play) or _beside_another(connection, play, campaign_id)


def _not_its_series(connection: Connection, play: Play) -> str:
    """Why a follow-up letter must not follow the letters before it, or holds out others; empty for any other play."""
    if not play.holdout_key:
        return ""
    letters = campaigns.letters_of(connection, play.holdout_key)
    if not any(one.playbook == play.playbook for one in letters):
        return "No letter before it left, so there is no series to follow."
    if any(one.holdout_share != play.holdout_share for one in letters):
        return f"Its series holds out {letters[0].holdout_share:.0%}, and it would hold out {play.holdout_share:.0%}."
    if readouts.any_harms(connection, [one.campaign_id for one in letters]):
        return "A letter of its series does harm."
    return ""


def _beside_another(connection: Connection, play: Play, campaign_id: str) -> str:
    """Which campaign of the same playbook runs with another holdout, and what to do; empty where none does."""
    if play.replaces is not None:
        # A new version holds out whom its campaign holds out.
        return ""
    own = play.holdout_key or campaign_id
    for one in campaigns.list_campaigns(connection, ["live", "paused"]):
        if one.playbook == play.playbook and one.series_key != own and (one.holdout_share or play.holdout_share):
            return (
                f"Campaign {one.campaign_id} of the same playbook is {one.status}, and the two would not hold out the "
                "same people: whom one holds out, the other would write to. Propose it again when that campaign has "
                f"ended, or end it first with `noria campaigns stop {one.campaign_id}`."
            )
    return ""
