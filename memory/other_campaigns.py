"""What the campaigns besides a play send: from which addresses, and which of its words went out before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from memory import campaigns
from memory.play import Play
from memory.schema import messages


def senders(connection: Connection, play: Play) -> dict[str, tuple[str, ...]]:
    """From addresses of the e-mails that other live or paused campaigns send, by purpose."""
    found: dict[str, set[str]] = {}
    for campaign in campaigns.list_campaigns(connection, ["live", "paused"]):
        if play.replaces is not None and campaign.campaign_id == play.replaces.campaign_id:
            continue
        other = campaigns.get_version(connection, campaign.campaign_id, campaign.version).play
        for _, step in other.sends():
            if step.channel == "email":
                found.setdefault(step.purpose, set()).add(str(other.brand.sender_address))
    return {purpose: tuple(sorted(addresses)) for purpose, addresses in sorted(found.items())}


def words_last_sent(connection: Connection, play: Play, before: datetime, *, besides: str = "") -> dict[str, datetime]:
    """When the very words of each message of a play last left before a moment, by place ("one/mail-1 (en)").

    Words that never left are not in it. ``besides`` is the play's own campaign, which does not count.
    """
    places = {
        (language, copy): f"{sequence.key}/{step.key} ({language})"
        for sequence, step in play.sends()
        for language, copy in step.copies.items()
    }
    own = {besides, play.replaces.campaign_id if play.replaces is not None else ""}
    found: dict[str, datetime] = {}
    for campaign in campaigns.list_campaigns(connection):
        if campaign.campaign_id in own:
            continue
        other = campaigns.get_version(connection, campaign.campaign_id, campaign.version).play
        for _, step in other.sends():
            said = [places[one] for one in step.copies.items() if one in places]
            last = _last_sent(connection, campaign.campaign_id, step.key, before) if said else None
            if last is not None:
                found |= {place: max(last, found.get(place, last)) for place in said}
    return found


def _last_sent(connection: Connection, campaign_id: str, step_key: str, before: datetime) -> datetime | None:
    query = select(func.max(messages.c.sent_at)).where(
        messages.c.campaign_id == campaign_id, messages.c.step_key == step_key, messages.c.sent_at < before
    )
    found: datetime | None = connection.execute(query).scalar()
    return found
