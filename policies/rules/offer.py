"""Only offers of the approved list, in date and as they stand on record."""

from __future__ import annotations

from datetime import datetime, timedelta

from memory.play import Offer
from policies.facts import MessageFacts, ProposalFacts, last_planned_send, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, note, refuse


class OfferLimits(Parameters):
    """Nothing to set: the record decides."""


def gate(facts: MessageFacts, limits: OfferLimits, context: Context) -> Ruling | None:
    offer = need(facts.offer, "offer")
    if offer.planned is None:
        return None
    against = _judge(offer.planned, offer.recorded, facts.now)
    if against is None and offer.pool_empty:
        return hold(
            "No code of the offer is left for this contact.",
            fact=f"the pool of {offer.planned.offer_id} is empty",
            limit="one code for each contact",
            part="offer",
        )
    return against


def review(facts: ProposalFacts, limits: OfferLimits, context: Context) -> list[Ruling]:
    return [ruling for offer in facts.play.offers for ruling in _review(offer, facts)]


def _review(offer: Offer, facts: ProposalFacts) -> list[Ruling]:
    play = facts.play
    recorded = {known.offer_id: known for known in need(facts.offers, "offers")}.get(offer.offer_id)
    against = _judge(offer, recorded, max(facts.now, play.schedule.starts_at))
    if against:
        return [against]
    said = []
    last = last_planned_send(play)
    if offer.ends_at <= last:
        said.append(
            refuse(
                "The offer ends before the last message is due.",
                fact=f"ends {_day(offer.ends_at)}, last message {_day(last)}",
                limit="in date at every send",
                part="offer",
            )
        )
    elif offer.ends_at <= last + timedelta(days=play.schedule.deadline_days):
        said.append(
            note(
                "Messages that are held for long would find the offer ended, and be suppressed.",
                fact=f"ends {_day(offer.ends_at)}",
                limit=f"{_day(last)} plus {play.schedule.deadline_days} days",
                part="offer",
            )
        )
    if offer.single_use:
        left, wanted = (
            need(facts.codes_left, "codes_left").get(offer.offer_id, 0),
            need(facts.audience, "audience").treated,
        )
        if left < wanted:
            said.append(
                hold(
                    "The offer has fewer codes left than the play has contacts.",
                    fact=f"{left} codes",
                    limit=f"at least {wanted}, one for each contact",
                    part="audience",
                )
            )
    languages = {language for _, step in play.sends() for language in step.copies}
    unnamed = sorted(languages - set(offer.labels))
    if unnamed:
        said.append(
            refuse(
                "The offer has no approved words in a language of the play.",
                fact=", ".join(unnamed),
                limit="a label in every language",
                part="offer",
            )
        )
    return said


def _judge(planned: Offer, recorded: Offer | None, at: datetime) -> Ruling | None:
    if recorded is None:
        return refuse(
            "The offer is not in the approved list.", fact=planned.offer_id, limit="approved offers", part="offer"
        )
    if planned is not recorded and planned != recorded:
        return refuse(
            "The offer has changed since it was approved.",
            fact=planned.offer_id,
            limit="unchanged since approval",
            part="offer",
        )
    if at >= recorded.ends_at:
        return refuse("The offer has ended.", fact=f"ended {_day(recorded.ends_at)}", limit="in date", part="offer")
    if at < recorded.starts_at:
        return hold(
            "The offer has not begun.",
            fact=f"begins {_day(recorded.starts_at)}",
            limit="in date",
            part="offer",
            retry_at=recorded.starts_at,
        )
    return None


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


RULE = Rule(id="offer", parameters=OfferLimits, gate=gate, review=review, locked=True)
