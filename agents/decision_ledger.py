"""Who was right: for each decision what people chose, what Noria would have taken, and what each would have brought."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime

from agents.desk import Desk
from agents.learning.counts import Frozen
from agents.learning.off_policy import Value, arm_means, contacts_to_show, doubly_robust, mixed, watched
from agents.learning.readout import HOLDOUT
from agents.outcomes import Member, campaign_outcomes
from memory import allocations, campaigns, proposals
from memory.allocations import NOBODY, Allocation, Periods
from memory.campaigns import Campaign, CampaignVersion
from memory.proposal import LADDER, Decision, Pick
from memory.proposals import StoredProposal
from memory.schema.columns import EPOCH

FEWEST_CONVERSIONS: Final = 20
"""Below that, among those who got what the pick would have given them, no interval may be believed."""
Floats = NDArray[np.float64]
_Opinion = tuple[datetime, tuple[Mapping[str, float], ...]]
_NOTHING: Final = np.empty(0)
Right = Literal["noria", "you", "not shown", "no difference", "cannot be known"]


class Choice(Frozen):
    """What one side would have drawn for those who came, and what it would have brought."""

    chosen: dict[str, float]
    """Mean share of each sequence, over everybody who is valued; "nobody" among them where silence is a choice."""
    value: Value
    """Share of contacts who reach the goal, doubly robust."""
    snips: float
    """The same without a model."""


class Line(Frozen):
    """One proposal that somebody decided, and who turned out to be right."""

    proposal_id: str
    title: str
    campaign_id: str = ""
    decided: str
    """What was said of it last: approve, edit, reject."""
    people: tuple[str, ...] = ()
    pick: Pick | None = None
    """What Noria would have taken when it proposed."""
    contacts: int = 0
    """Whose goal window is over, and who might have drawn what either side chose."""
    yours: Choice | None = None
    noria: Choice | None = None
    runner_up: Choice | None = None
    gain: Value | None = None
    """Noria's choice less yours, in shares of contacts; the interval holds however often one looks."""
    right: Right
    sentence: str
    """Who was right, or what is missing to say so."""


class DecisionLedger(Frozen):
    """Every decision, the newest first, and all of them together."""

    at: AwareDatetime
    lines: tuple[Line, ...]
    gain: Value | None
    """Over all contacts of all campaigns in which the two sides differ."""
    right: Right
    sentence: str


@dataclass(frozen=True)
class _Sides:
    """Contact by arm: by what shares each side would have drawn, and by which each contact was drawn."""

    arms: NDArray[np.intp]
    outcomes: Floats
    probabilities: Floats
    yours: Floats
    noria: Floats
    runner_up: Floats


def decision_ledger(desk: Desk) -> DecisionLedger:
    """Value what was chosen off-policy, from the probabilities by which contacts were drawn; nothing is written.

    Yours is what people said yes to last: the approved shares, or a move of them that a person accepted. Noria's is
    the sequence that it thought best as a contact came in, by its newest decision before, or by its pick when it
    proposed; where it had no opinion it agrees with you. No contact's own outcome is behind the choice made for them.
    """
    lines: list[Line] = []
    gains: list[Floats] = []
    behind = 0.0
    with desk.store.read() as connection:
        decided = [
            (one, said)
            for one in proposals.list_proposals(connection)
            if one.proposal.kind == "launch_campaign"
            and (
                said := [
                    each for each in proposals.decisions_on(connection, one.proposal.proposal_id) if _settles(each)
                ]
            )
        ]
    for stored, said in sorted(decided, key=lambda one: (one[1][-1].decided_at, one[0].proposal.proposal_id)):
        line, each, reached = _line(desk, stored, said)
        lines.append(line)
        gains.append(each)
        behind += reached
    together = watched(np.concatenate(gains)) if sum(map(len, gains)) > 1 else None
    right, sentence = _judged(together, enough=behind >= FEWEST_CONVERSIONS)
    return DecisionLedger(
        at=desk.clock.now(), lines=tuple(reversed(lines)), gain=together, right=right, sentence=sentence
    )


def _settles(said: Decision) -> bool:
    return said.verdict != "ask"


def _line(desk: Desk, stored: StoredProposal, said: Sequence[Decision]) -> tuple[Line, Floats, float]:
    """The line, each contact's gain where the sides differ, and how many who got Noria's choice reached the goal."""
    proposal = stored.proposal
    people = tuple(sorted({one.actor for one in said} - {LADDER}))
    base = Line(
        proposal_id=proposal.proposal_id,
        title=proposal.title,
        decided=said[-1].verdict,
        people=people,
        pick=proposal.pick,
        right="cannot be known",
        sentence="Nothing was sent, so nobody can know: only a yes to a test tells.",
    )
    with desk.store.read() as connection:
        campaign = campaigns.of_proposal(connection, proposal.proposal_id)
    if campaign is None:
        return base, _NOTHING, 0.0
    base = base.model_copy(update={"campaign_id": campaign.campaign_id})
    sides, arms = _sides(desk, campaign, proposal.pick)
    if len(sides.arms) < 2:
        sentence = "No goal window is over yet of a contact who might have drawn what either side chose."
        return base.model_copy(update={"sentence": sentence}), _NOTHING, 0.0
    scores = doubly_robust(
        sides.arms, sides.outcomes, sides.probabilities, arm_means(sides.arms, sides.outcomes, len(arms))
    )
    valued = base.model_copy(update={"contacts": len(sides.arms), "yours": _choice(sides, scores, sides.yours, arms)})
    differs = np.abs(sides.noria - sides.yours).sum(axis=1) > 1e-9
    if not differs.any():
        sentence = "Noria would have done the same."
        return valued.model_copy(update={"right": "no difference", "sentence": sentence}), _NOTHING, 0.0
    each = mixed(scores, sides.noria - sides.yours)
    gain = watched(each)
    got = sides.noria[np.arange(len(sides.arms)), sides.arms] > 0
    behind = float(sides.outcomes[got & differs].sum())
    right, sentence = _judged(gain, enough=behind >= FEWEST_CONVERSIONS)
    more = {
        "noria": _choice(sides, scores, sides.noria, arms),
        "runner_up": _choice(sides, scores, sides.runner_up, arms),
        "gain": gain,
        "right": right,
        "sentence": sentence,
    }
    return valued.model_copy(update=more), each, behind


def _choice(sides: _Sides, scores: Floats, mix: Floats, arms: Sequence[str]) -> Choice:
    drawn = np.arange(len(sides.arms)), sides.arms
    weights = mix[drawn] / sides.probabilities[drawn]
    total = float(weights.sum())
    return Choice(
        chosen={key: round(float(share), 4) for key, share in zip(arms, mix.mean(axis=0), strict=True) if share > 0},
        value=watched(mixed(scores, mix)),
        snips=float(weights @ sides.outcomes) / total if total else 0.0,
    )


def _judged(gain: Value | None, *, enough: bool) -> tuple[Right, str]:
    """Who was right, said of Noria only with a positive lower bound."""
    if gain is None:
        return (
            "not shown",
            "Nothing can be compared yet: where Noria had an opinion of its own, no goal window is over.",
        )
    told = f"{100 * gain.mean:+.2f} points ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
    if enough and gain.low > 0:
        return "noria", f"Noria was right: its choice brings {told} more contacts to the goal than yours."
    if enough and gain.high < 0:
        return "you", f"You were right: Noria's choice brings {told} against yours."
    if not enough:
        least = f"at least {FEWEST_CONVERSIONS} of those who got what Noria would have given them must reach the goal"
        return "not shown", f"Not shown: {told}, and {least}."
    needed = contacts_to_show(gain)
    missing = f"about {needed} contacts would be needed if it is as large as it looks" if needed else "it looks even"
    return "not shown", f"Not shown: {told} on {gain.contacts} contacts; {missing}."


def _sides(desk: Desk, campaign: Campaign, pick: Pick | None) -> tuple[_Sides, tuple[str, ...]]:
    with desk.store.read() as connection:
        versions = campaigns.versions(connection, campaign.campaign_id)
        past = allocations.of_campaign(connection, campaign.campaign_id)
        drawn_by = allocations.periods(connection, campaign.campaign_id)
        yours = _said(versions, past)
    opinions = _opinions(past, pick, len(versions[-1].play.shares))
    # A sequence that Noria would have taken and people took out is no arm of the campaign, and still a choice.
    keys = {one.key for version in versions for one in version.play.sequences}
    names = sorted(keys.union(*(chances for _, by_band in opinions for chances in by_band)) - {NOBODY})
    arms = (NOBODY, *names)
    goal, now = versions[-1].play.goal, desk.clock.now()
    found = campaign_outcomes(desk.store, desk.lake, campaign.campaign_id, goal=goal, arms=(*names, NOBODY), as_of=now)
    over = [one for one in found.members if one.since + timedelta(days=goal.window_days) <= now]
    rows = [_row(one, arms, drawn_by, campaign.holdout_share, yours, opinions) for one in over]
    # Whoever could not have drawn what a side chose tells nothing of it.
    kept = [
        (one, row)
        for one, row in zip(over, rows, strict=True)
        if not (((row[1] > 0) | (row[2] > 0)) & (row[0] <= 0)).any()
    ]
    table = np.asarray([row for _, row in kept]).reshape(len(kept), 4, len(arms))
    return _Sides(
        arms=np.asarray([arms.index(NOBODY if one.arm == HOLDOUT else one.arm) for one, _ in kept], np.intp),
        outcomes=np.asarray([float(one.contact_id in found.reached_at) for one, _ in kept]),
        probabilities=table[:, 0],
        yours=table[:, 1],
        noria=table[:, 2],
        runner_up=table[:, 3],
    ), arms


def _row(
    one: Member,
    arms: Sequence[str],
    drawn_by: Periods,
    holdout_share: float,
    yours: Periods,
    opinions: Sequence[_Opinion],
) -> Floats:
    """By arm: the probability, and what you, Noria and its second choice would have drawn for this contact."""
    drawn = _vector(drawn_by.at(one.since, one.band), arms)
    mine = _vector(yours.at(one.since, one.band), arms)
    probabilities = (1 - holdout_share) * drawn
    probabilities[0] += holdout_share
    place = bisect_right([since for since, _ in opinions], one.since)
    if not place or not opinions[place - 1][1]:
        return np.stack([probabilities, mine, mine, mine])
    chances = opinions[place - 1][1][one.band]
    first, second, *_ = [*sorted(chances, key=lambda key: (-chances[key], key)), NOBODY]
    return np.stack([probabilities, mine, _vector({first: 1.0}, arms), _vector({second: 1.0}, arms)])


def _vector(shares: Mapping[str, float], arms: Sequence[str]) -> Floats:
    return np.asarray([shares.get(key, 0.0) for key in arms])


def _said(versions: Sequence[CampaignVersion], past: Sequence[Allocation]) -> Periods:
    """The shares that people said yes to: those of each version, and each move that a person put in force."""
    changes = [(one.activated_at, one.play.shares) for one in versions]
    changes += [
        (one.applied_at, one.shares) for one in past if one.applied_at is not None and one.actor not in {"", "noria"}
    ]
    changes.sort(key=lambda change: change[0])
    return Periods(tuple(since for since, _ in changes), tuple(shares for _, shares in changes))


def _opinions(past: Sequence[Allocation], pick: Pick | None, bands: int) -> list[_Opinion]:
    """Since when Noria thought what of each band; it thinks nothing before its first decision if it had no pick."""
    found: list[_Opinion] = []
    if pick is not None:
        found.append((EPOCH, (pick.chances,) * bands if pick.chances else ()))
    return found + [(one.decided_at, allocations.chances(one)) for one in past if "chance_best" in one.evidence]
