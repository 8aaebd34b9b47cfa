"""What contacts chose for themselves holds: their topics, their pause, and how often at most."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from policies.facts import ANY_TOPIC, NEVER, MessageFacts, ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, refuse
from policies.table import NEVER64, MessageTable, Verdicts, hold_where, refuse_where


class PreferenceLimits(Parameters):
    """What the choice of topics leaves open."""

    general_to_choosers: bool = True
    """Whether messages without a topic also reach contacts who picked some topics and not others."""


def gate(facts: MessageFacts, limits: PreferenceLimits, context: Context) -> Ruling | None:
    if facts.needs_no_leave or need(facts.purpose, "purpose") != "marketing":
        return None
    topic = need(facts.topic, "topic")
    wanted = need(facts.topics_wanted, "topics_wanted")
    free = limits.general_to_choosers and not topic
    if wanted != ANY_TOPIC and topic not in wanted and not free:
        return refuse(
            "The contact does not want messages of this kind.",
            fact=f"topic {topic or 'none'}",
            limit=", ".join(wanted) or "no topic",
        )
    paused_until = need(facts.paused_until, "paused_until")
    if facts.now < paused_until:
        return hold(
            "The contact asked for a pause.",
            fact=f"paused until {paused_until:%Y-%m-%d %H:%M} UTC",
            limit="after the pause",
            retry_at=paused_until,
        )
    days = need(facts.at_most_days, "at_most_days")
    last = need(facts.last_sent_at, "last_sent_at")
    free_at = NEVER if last == NEVER else last + timedelta(days=days)
    if facts.now < free_at:
        return hold(
            "The contact wants messages less often.",
            fact=f"the last one on {last:%Y-%m-%d %H:%M} UTC",
            limit=f"at most one in {days} days",
            retry_at=free_at,
        )
    return None


def sift(table: MessageTable, limits: PreferenceLimits, context: Context) -> Verdicts:
    if table.common.needs_no_leave or need(table.common.purpose, "purpose") != "marketing":
        return table.allow()
    topic = need(table.common.topic, "topic")
    free = limits.general_to_choosers and not topic
    unwanted = table.which("topics_wanted", lambda wanted: wanted != ANY_TOPIC and topic not in wanted and not free)
    last = table.column("last_sent_at")
    spaced = last + table.column("at_most_days").astype("timedelta64[D]")
    too_soon = (last != NEVER64) & (table.now < spaced)
    waiting = (table.now < table.column("paused_until")) | too_soon
    return np.maximum(refuse_where(unwanted), hold_where(waiting))


def review(facts: ProposalFacts, limits: PreferenceLimits, context: Context) -> list[Ruling]:
    play = facts.play
    known = [one.id for one in play.brand.topics]
    if not play.topic or play.topic in known:
        return []
    return [
        refuse(
            "The play's topic is none that contacts can choose.",
            fact=f"topic {play.topic}",
            limit=", ".join(known) or "no topic in the brand file",
            part="copy",
        )
    ]


RULE = Rule(id="preferences", parameters=PreferenceLimits, gate=gate, sift=sift, review=review, locked=True)
