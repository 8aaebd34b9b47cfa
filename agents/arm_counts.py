"""What became of the contacts of each arm so far, in the form from which allocation learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from agents.learning.allocation import ArmCounts, believe, best_shares
from agents.learning.counts import Counts
from agents.learning.delay import delay_curve, part_in
from agents.learning.readout import HOLDOUT
from agents.outcomes import Member, Outcomes
from memory.allocations import NOBODY, Periods
from memory.bands import Bands
from memory.campaigns import Campaign
from memory.canonical import digest
from memory.lessons import Lesson
from memory.play import Play
from memory.proposal import Pick

_DAY_SECONDS = 86_400.0
_YEAR = timedelta(days=365)

# Contacts who drew what was hardly drawn would otherwise speak for many.
_LEAST = 0.02
# Campaigns that told other bands apart, or none, are segments of their own: numbered from beyond any band.
_FOREIGN = 1_000


@dataclass
class _Tally:
    contacts: float = 0.0
    conversions: float = 0.0
    weights: float = 0.0
    squares: float = 0.0

    def add(self, weight: float, part: float, *, converted: bool) -> None:
        """A contact who counts so much, and of whose conversions this part should be in."""
        self.contacts += weight * part
        self.conversions += weight * converted
        self.weights += weight
        self.squares += weight**2

    def worth(self) -> tuple[float, float]:
        """As many contacts as all of them are worth, and conversions of these."""
        scale = self.weights / self.squares if self.squares else 0.0
        return scale * self.contacts, scale * self.conversions


def so_far(
    outcomes: Outcomes, drawn_by: Periods, window_days: int, now: datetime, *, bands: int = 1
) -> list[dict[str, tuple[float, float]]]:
    """In each band by arm, contacts counted by the part of their conversions that should be in, and those that are.

    Shares that move put more of an arm's contacts into some weeks than into others, and weeks differ. So each contact
    counts by the inverse of the share that the arm had then, and an arm as a whole for as many contacts as that is
    worth (Horvitz and Thompson 1952; Kish 1965).
    """
    ages = np.asarray([(now - one.since).total_seconds() / _DAY_SECONDS for one in outcomes.members])
    cohort = np.minimum(ages.astype(np.int64), window_days)
    observed = np.zeros((window_days + 1, window_days), np.int64)
    for age in range(window_days):
        observed[age, age:] = -1
    for place, one in enumerate(outcomes.members):
        if (reached := outcomes.reached_at.get(one.contact_id)) is not None:
            day = (reached - one.since) // timedelta(days=1)
            if day < cohort[place]:
                observed[cohort[place], day] += 1
    parts = part_in(delay_curve(observed), ages) if len(ages) else ages
    tallies = [{one.name: _Tally() for one in outcomes.arms} for _ in range(bands)]
    keys = [one.name for one in outcomes.arms if one.name not in {HOLDOUT, NOBODY}]
    for one, part in zip(outcomes.members, parts.tolist(), strict=True):
        weight = 1 / max(_share(drawn_by, one, keys), _LEAST)
        converted = one.contact_id in outcomes.reached_at
        # Whoever reached the goal is a whole contact, however young: more cannot have reached it than there are.
        tallies[one.band][one.arm].add(weight, 1.0 if converted else part, converted=converted)
    return [{name: tally.worth() for name, tally in of.items()} for of in tallies]


def drawn_alike(outcomes: Outcomes, drawn_by: Periods) -> dict[str, Counts]:
    """What each sequence would have counted, had it been drawn by the same share in all bands at all times.

    Else a sequence that is drawn more by those who buy anyway looks as if it sold. Each contact counts by the inverse
    of the share of the sequence among those who got one, and a sequence as a whole for as many contacts as that is
    worth (Horvitz and Thompson 1952; Kish 1965).
    """
    keys = [one.name for one in outcomes.arms if one.name not in {HOLDOUT, NOBODY}]
    if sum(len(shares) for shares in drawn_by.shares) == 1:
        counted = {one.name: one for one in outcomes.arms}
        return {key: Counts(contacts=counted[key].contacts, conversions=counted[key].conversions) for key in keys}
    tallies = {key: _Tally() for key in keys}
    for one in outcomes.members:
        share = _share(drawn_by, one, keys)
        if one.arm in tallies and share:
            of_all = sum(drawn_by.at(one.since, one.band).get(key, 0.0) for key in keys)
            tallies[one.arm].add(of_all / share, 1.0, converted=one.contact_id in outcomes.reached_at)
    worth = {key: tally.worth() for key, tally in tallies.items()}
    return {key: Counts(contacts=round(all_), conversions=round(reached)) for key, (all_, reached) in worth.items()}


def _share(drawn_by: Periods, one: Member, keys: Iterable[str]) -> float:
    """By which a contact drew their arm; a held-out contact counts with the sequences that they did not get."""
    if one.arm != HOLDOUT and one.probability is not None:
        return one.probability
    shares = drawn_by.at(one.since, one.band)
    return sum(shares.get(key, 0.0) for key in (keys if one.arm == HOLDOUT else (one.arm,)))


def pick_of(keys: Sequence[str], earlier: Sequence[Lesson], now: datetime) -> Pick | None:
    """Which sequence is likely best by earlier campaigns of the playbook; None where they tell none apart."""
    used = [one for one in earlier if any(len(set(keys) & told.arms.keys()) > 1 for told in told_arms(one))]
    if not used:
        return None
    keys = sorted(keys)
    nothing = dict.fromkeys((HOLDOUT, *keys), (0.0, 0.0))
    ids = sorted(one.lesson_id for one in used)
    seed = int(digest(["pick", *ids])[:7], 16)
    counts = arm_counts([nothing], [told for one in used for told in told_arms(one)], keys, now)
    chances = best_shares(believe(counts), seed, explored=0.0)[0]
    told = {key: round(float(chance), 4) for key, chance in zip(keys, chances, strict=True)}
    return Pick(chances=told, lesson_ids=tuple(ids))


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of the sequences of one campaign: the counts of each, until when."""

    campaign_id: str
    observed_to: datetime
    arms: Mapping[str, Any]
    bands: Bands | None = None
    by_band: Sequence[Mapping[str, Any]] = ()
    """The same counts in each band, where it told some apart."""


def told_arms(lesson: Lesson) -> list[Told]:
    """What a lesson says of sequences, for each letter that it speaks of."""
    letters = lesson.evidence.get("letters", ())
    if not letters:
        return [Told(lesson.campaign_id or "", lesson.observed_to, lesson.evidence.get("arms", {}))]
    return [
        Told(
            campaign_id=one["campaign"],
            observed_to=datetime.fromisoformat(one["observed_to"]),
            arms=one["arms"],
            bands=Bands.model_validate(one["bands"]) if one.get("bands") else None,
            by_band=one.get("by_band", ()),
        )
        for one in letters
    ]


def told_so_far(
    counted: Sequence[Mapping[str, tuple[float, float]]], campaign: Campaign, play: Play, now: datetime
) -> Told:
    """What a campaign that still runs says of its sequences, by what was counted in each band (``so_far``)."""
    keys = [one.key for one in play.sequences]
    by_band = [{key: {"contacts": of[key][0], "conversions": of[key][1]} for key in keys} for of in counted]
    arms = {key: {part: sum(of[key][part] for of in by_band) for part in ("contacts", "conversions")} for key in keys}
    return Told(campaign.campaign_id, now, arms, play.bands, by_band)


def arm_counts(
    mine: Sequence[Mapping[str, tuple[float, float]]],
    earlier: Sequence[Told],
    keys: Sequence[str],
    now: datetime,
    bands: Bands | None = None,
) -> ArmCounts:
    """This campaign by band and, as further rows, what other ones of the playbook said of the same sequences.

    Their weight halves each year. What being written to adds is in the prior already, so their holdouts stay out; and
    silence is read from this holdout alone, because nobody was drawn in some weeks only. What a campaign with the same
    bands said is read by band; any other speaks for a segment that is its own.
    """
    rows = [[of[key] for key in keys] for of in mine]
    segment, campaign = list(range(len(mine))), [0] * len(mine)
    for turn, told in enumerate(earlier, start=1):
        weight = 0.5 ** ((now - told.observed_to) / _YEAR)
        alike = bands is not None and told.bands == bands
        for band, arms in enumerate(told.by_band if alike else (told.arms,)):
            found = [arms.get(key, {"contacts": 0, "conversions": 0}) for key in keys]
            rows.append([(weight * each["contacts"], weight * each["conversions"]) for each in found])
            segment.append(band if alike else _FOREIGN + turn)
            campaign.append(turn)
    table = np.asarray(rows, float)
    silent = np.zeros((2, len(rows)))
    silent[:, : len(mine)] = np.transpose([of[HOLDOUT] for of in mine])
    groups = {"segment": _numbered(segment), "campaign": tuple(campaign)} if bands else {}
    return ArmCounts(table[:, :, 0], table[:, :, 1], (silent[0], silent[1]), **groups)


def _numbered(groups: Sequence[int]) -> tuple[int, ...]:
    """The same groups without a number that none has."""
    places = {one: place for place, one in enumerate(sorted(set(groups)))}
    return tuple(places[one] for one in groups)
