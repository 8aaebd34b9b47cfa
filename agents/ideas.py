"""What a weekly round proposes of what runs: what to end, what to take out, which shares to plan with, what to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from agents.live import WEIGHED, Live, LiveArm
from agents.scheduler import FEWEST_PER_ARM
from memory.bands import Shares
from memory.proposal import Evidence
from memory.segments.grammar import parse
from memory.segments.sentence import describe

MOST_VARIATIONS: Final = 5
"""A round tries at most so many variations, over all campaigns."""
MOST_TESTS: Final = 2
"""Campaigns that a round proposes anew, because nothing certain is known of their playbook yet."""
TRIED_SHARE: Final = 0.2
"""Together the variations get this share of entering contacts; what runs keeps the rest."""
MOST_ARMS: Final = 6
_SILENT = 0.9
_FADED = 0.01
_LEADS = 0.8
_FAR = 0.2
_LEAST_SHARE = 0.05

Kind = Literal["retire_campaign", "retire_sequence", "narrow", "rhythm", "reallocate", "vary", "test"]


class Idea(BaseModel):
    """One thing that a round would change, and why."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    campaign_id: str = ""
    """Empty for a new test."""
    playbook: str
    name: str
    sentence: str
    """What is proposed."""
    why: str
    evidence: tuple[Evidence, ...]
    sequences: tuple[str, ...] = ()
    """Those to be taken out, or the one to be varied."""
    shares: dict[str, float] = Field(default_factory=dict)
    """What is to be planned with; for variations the part that is left beside them."""
    by_band: Shares = ()
    """By which bands draw what runs today, where they draw by shares of their own."""
    variations: int = 0
    only: dict[str, Any] = Field(default_factory=dict)
    """The condition, of the grammar of segments, for whose contacts alone it goes on."""
    days_between: int | None = None
    """Days that are to lie between two letters."""


def ideas(running: Sequence[Live]) -> list[Idea]:
    """At most one idea for each campaign, what does harm first; campaigns about which people are asked are left alone.

    Decisions about shares count where ``WEIGHED`` of them in a row agree.
    """
    found: list[Idea] = []
    left = MOST_VARIATIONS
    for live in running:
        if not live.settled:
            continue
        idea = _end(live) or _take_out(live) or _narrow(live) or _cadence(live) or _plan_with(live) or _vary(live, left)
        if idea is not None:
            left -= idea.variations
            found.append(idea)
    return sorted(found, key=lambda one: (get_args(Kind).index(one.kind), one.campaign_id))


def _end(live: Live) -> Idea | None:
    """A campaign that harms, or where silence is the best sequence."""
    if live.verdict == "harms":
        why = "Those who are written to do worse than the holdout."
        return _idea(live, "retire_campaign", f"End {live.name}.", why, [_look(live)])
    if _agree(live.silence, _SILENT) and live.lets_in:
        chances = _told(live.silence)
        why = f"By {WEIGHED} decisions in a row no message of it is worth what it costs: nothing is best in {chances}."
        return _idea(live, "retire_campaign", f"End {live.name}.", why, [_weighing(live), *_looks(live)])
    return None


def _take_out(live: Live) -> Idea | None:
    """Sequences that harm, or that hardly can be the best one any more."""
    if not live.lets_in:
        return None
    gone = [one for one in live.arms if one.verdict == "harms" or _has_faded(one)]
    if not gone or len(gone) == len(live.arms):
        return None
    keys = tuple(one.key for one in gone)
    reasons = [
        f"{one.key} does harm" if one.verdict == "harms" else f"{one.key} is best in {_told(one.chances)} of the draws"
        for one in gone
    ]
    return _idea(
        live,
        "retire_sequence",
        f"Take {', '.join(keys)} out of {live.name}; whoever is in it finishes it.",
        f"{'; '.join(reasons)}. Its place is worth more to the others.",
        [*_looks(live), *([_weighing(live)] if live.allocation_ids else [])],
        sequences=keys,
        shares=_today(one for one in live.arms if one not in gone),
    )


def _narrow(live: Live) -> Idea | None:
    """The play for those whom it helps, and no longer for the others, whom it harms."""
    stop = live.stop
    if stop is None or not live.lets_in:
        return None
    only = {"type": "compare", "field": stop.field, "operator": stop.operator, "value": stop.value}
    told = describe(parse(only), "en")
    gain, low, high = (f"{one:+.2%}" for one in (stop.over_all.mean, stop.over_all.low, stop.over_all.high))
    valued = Evidence(
        lookup_id=live.lookup_id,
        sentence=f"By {live.targeted} contacts whose goal window is over, of whom {stop.share:.0%} meet the condition: "
        f"{gain} [{low}, {high}] of contacts reach the goal beyond {stop.sequence} for all, and surely at least "
        f"{stop.lower_bound:+.2%} beyond that and beyond silence.",
        value=stop.over_all.mean,
    )
    return _idea(
        live,
        "narrow",
        f"Go on with {live.name} for these only: {told}; with {stop.sequence}.",
        "It helps them and harms the others, more surely than chance would have it in all its weekly looks.",
        [valued, *_looks(live)],
        sequences=(stop.sequence,),
        shares={stop.sequence: 1.0},
        only=only,
    )


def _cadence(live: Live) -> Idea | None:
    """Letters more seldom or more often, where those so far surely speak for it."""
    found = live.cadence
    if found is None:
        return None
    return _idea(
        live,
        "rhythm",
        f"Let {found.then_days} days lie between two letters of {live.name} in the place of {found.now_days}.",
        found.why,
        [Evidence(lookup_id=live.lookup_id, sentence=found.sentence, value=found.value), *_looks(live)],
        days_between=found.then_days,
    )


def _plan_with(live: Live) -> Idea | None:
    """Shares that the decisions ask for and the approved plan is far from, or does not let them have."""
    # What bands draw is left to the daily decision, and to what the next campaign starts with.
    if live.shares or not live.lets_in or len(live.arms) < 2 or any(len(one.chances) < WEIGHED for one in live.arms):
        return None
    wanted = _wanted(live.arms)
    far = sum(abs(wanted[one.key] - one.planned) for one in live.arms) / 2
    moved = sum(abs(one.share - one.planned) for one in live.arms) / 2
    bound = any(not one.share_range[0] <= wanted[one.key] <= one.share_range[1] for one in live.arms)
    if far < _FAR or not (bound or moved >= _FAR):
        return None
    planned = ", ".join(f"{key} {share:.0%}" for key, share in wanted.items())
    why = "What was approved does not let the shares go there." if bound else "The shares have moved there already."
    return _idea(
        live,
        "reallocate",
        f"Plan {live.name} with {planned}.",
        f"By {WEIGHED} decisions in a row these are the shares that bring most. {why}",
        [_weighing(live), *_looks(live)],
        shares=wanted,
    )


def _vary(live: Live, left: int) -> Idea | None:
    """The sequence that works best, in as many variations as contacts still come for."""
    best = max(live.arms, key=lambda one: (one.chances[-1] if one.chances else 0.0, one.planned, one.key))
    leads = _agree(best.chances, _LEADS)
    young = len(live.arms) > 1 and any(one.contacts < FEWEST_PER_ARM for one in live.arms)
    number = min(left, MOST_ARMS - len(live.arms), int(live.ahead * TRIED_SHARE / FEWEST_PER_ARM))
    if not live.lets_in or not (live.verdict == "works" or leads) or young or number < 1:
        return None
    why = "It works" if live.verdict == "works" else f"{best.key} is best in {_told(best.chances)} of the draws"
    return _idea(
        live,
        "vary",
        f"Try up to {number} variations of {best.key} in {live.name}, on {TRIED_SHARE:.0%} of those who come in.",
        f"{why}, and about {live.ahead} contacts will still come: enough to see whether something does better.",
        [*_looks(live), *([_weighing(live)] if live.allocation_ids else [])],
        sequences=(best.key,),
        shares=_today(live.arms),
        variations=number,
    )


def _wanted(arms: Sequence[LiveArm]) -> dict[str, float]:
    """The mean of what the decisions wanted, without silence, and with enough for each to go on being learnt of."""
    means = {one.key: sum(one.chances) / len(one.chances) for one in arms}
    total = sum(means.values()) or 1.0
    room = 1 - _LEAST_SHARE * len(arms)
    return {key: round(_LEAST_SHARE + room * mean / total, 4) for key, mean in means.items()}


def _today(arms: Iterable[LiveArm]) -> dict[str, float]:
    """The shares in force, made to add up to 1: what was learnt since the approval goes on."""
    found = {one.key: max(one.share, 0.01) for one in arms}
    return {key: share / sum(found.values()) for key, share in found.items()}


def _has_faded(one: LiveArm) -> bool:
    enough = len(one.chances) >= WEIGHED and one.contacts >= FEWEST_PER_ARM
    return enough and all(chance <= _FADED for chance in one.chances)


def _agree(values: Sequence[float], least: float) -> bool:
    return len(values) >= WEIGHED and all(one >= least for one in values)


def _told(chances: Sequence[float]) -> str:
    return ", ".join(f"{one:.0%}" for one in chances)


def _idea(
    live: Live,
    kind: Kind,
    sentence: str,
    why: str,
    evidence: Sequence[Evidence],
    *,
    sequences: tuple[str, ...] = (),
    shares: dict[str, float] | None = None,
    variations: int = 0,
    only: dict[str, Any] | None = None,
    days_between: int | None = None,
) -> Idea:
    return Idea(
        kind=kind,
        campaign_id=live.campaign_id,
        playbook=live.playbook,
        name=live.name,
        sentence=sentence,
        why=why,
        evidence=(*evidence, *_remembered(live)),
        sequences=sequences,
        shares=shares or {},
        by_band=live.shares if shares else (),
        variations=variations,
        only=only or {},
        days_between=days_between,
    )


def _looks(live: Live) -> Iterator[Evidence]:
    if live.readout_id:
        yield _look(live)


def _look(live: Live) -> Evidence:
    assert live.difference is not None
    value, low, high = live.difference
    sentence = (
        f"Read-out {live.readout_id}, look {live.look} of {live.looks_planned}: {live.verdict}; "
        f"{value:+.2%} [{low:+.2%}, {high:+.2%}] of contacts reach the goal beyond the holdout."
    )
    return Evidence(lookup_id=live.lookup_id, sentence=sentence, value=value)


def _weighing(live: Live) -> Evidence:
    chances = "; ".join(f"{one.key} best in {_told(one.chances)}" for one in live.arms)
    return Evidence(
        lookup_id=live.lookup_id,
        sentence=f"Decisions about shares {', '.join(live.allocation_ids)}: {chances}; nothing in "
        f"{_told(live.silence)}.",
    )


def _remembered(live: Live) -> Iterator[Evidence]:
    if live.lesson_ids:
        sentence = f"Remembered of this playbook: lessons {', '.join(live.lesson_ids[:3])}."
        yield Evidence(lookup_id=live.lookup_id, sentence=sentence, value=len(live.lesson_ids))
