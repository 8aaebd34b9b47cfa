"""After a restore: an old record does not know what left since, so nothing of it may go on by itself."""

from __future__ import annotations

from dataclasses import dataclass

from memory import campaigns, cap, proposals, sessions, unknown, users
from memory.cap import Cap
from memory.proposal import ProposalStatus
from memory.workspace import turn_switch
from tools.advance import advance
from tools.campaign import end
from tools.workplace import Workplace

_PENDING = (
    *proposals.WAITING,
    ProposalStatus.QUEUED,
    ProposalStatus.APPROVED,
    ProposalStatus.LAUNCHING,
)
_REASON = "restored from a backup"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restored record was made to say."""

    unknown: int
    """Messages that may have left after the backup."""
    campaigns: int
    """How many were ended."""
    proposals: int
    """How many were voided."""


def make_safe(place: Workplace, *, actor: str) -> Restored:
    """Stop sending, call everything that may have left ``unknown``, end what ran, void what waited.

    Doing it again changes nothing more. Room under the frequency cap is taken for each unknown message.
    """
    with place.store.write() as connection:
        turn_switch(connection, stopped=True, actor=actor, reason=_REASON, at=place.clock.now())
        # Who was shut out since must not come in by an old session or token.
        sessions.end_all(connection)
        users.end_tokens(connection, place.clock.now())
    # What the workers would have planned since the backup is planned now, and may have left like the rest.
    advance(place)
    at = place.clock.now()
    with place.store.write() as connection:
        lost = unknown.give_up(connection, at=at, reason=_REASON)
        limits = Cap(place.pack.cap.messages, place.pack.cap.window_days)
        uncounted = [one for one in lost if one.purpose == "marketing"]
        while uncounted:
            # One message of each contact at a time: a slot once taken must be seen by the next.
            turn = {one.contact_id: one.message_key for one in uncounted}
            cap.reserve(connection, turn, cap.lock(connection, turn, limits.limit), cap=limits, at=at)
            uncounted = [one for one in uncounted if turn[one.contact_id] != one.message_key]
        waiting = proposals.list_proposals(connection, _PENDING)
        for stored in waiting:
            proposals.swap_status(
                connection,
                stored.proposal.proposal_id,
                stored.status,
                ProposalStatus.VOIDED,
                at,
                actor=actor,
                reason=_REASON,
            )
        running = campaigns.list_campaigns(connection, ["live", "paused"])
        for campaign in running:
            end(connection, campaign.campaign_id, "finished", at, actor, _REASON)
    return Restored(len(lost), len(running), len(waiting))
