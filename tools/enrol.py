"""Enrol contacts into a campaign, each at the first step of the sequence they drew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from memory import entrance
from memory.allocations import NOBODY
from memory.campaigns import Campaign
from memory.entrance import Entries, Threshold
from memory.play import Play
from memory.steps import SendStep, WaitStep
from memory.steps import Sequence as PlaySequence
from tools.audience import Entrants
from tools.workplace import Workplace


def enrol(
    connection: Connection,
    place: Workplace,
    campaign: Campaign,
    play: Play,
    entering: Entrants,
    enters_at: NDArray[np.datetime64],
    occurrences: Mapping[int, int] | None = None,
) -> int:
    """Write enrolments and first messages: both are there, or neither. Returns how many entered.

    ``enters_at`` says when each contact enters; ``occurrences`` numbers the entries of those who were in before. One
    who is in already stays as they are. Who drew nobody leaves as they enter, so that what silence does can be counted.
    """
    at = place.clock.now()
    numbers = occurrences or {}
    entered = 0
    thresholds: list[Threshold] = []
    for band, shares in enumerate(entering.shares):
        thresholds += [_threshold(campaign, play, one, band, shares) for one in play.sequences if one.key in shares]
        thresholds += [_way_past(campaign, band, shares[NOBODY])] if NOBODY in shares else []
    for threshold in thresholds:
        rows = np.flatnonzero(entering.drew(threshold.sequence_key) & (entering.bands == threshold.band))
        if not len(rows):
            continue
        ids = entering.contact_ids[rows].tolist()
        entries = Entries(
            contact_ids=ids,
            occurrences=[numbers.get(one, 1) for one in ids],
            in_holdout=entering.in_holdout[rows].tolist(),
            entered_at=enters_at[rows].view(np.int64).tolist(),
            records=entering.records,
        )
        entered += entrance.enter(connection, threshold, entries, actor=place.actor, at=at)
    return entered


def _threshold(
    campaign: Campaign, play: Play, sequence: PlaySequence, band: int, shares: Mapping[str, float]
) -> Threshold:
    """Where an enrolment stands as it enters, and when it goes on; step None is the door, where nothing was done."""
    step = sequence.steps[0]
    sends = isinstance(step, SendStep) and not step.records
    return Threshold(
        campaign_id=campaign.campaign_id,
        version=campaign.version,
        sequence_key=sequence.key,
        band=band,
        probability=shares[sequence.key],
        step_key=step.key if sends or isinstance(step, WaitStep) else None,
        wait=None if sends else step.duration if isinstance(step, WaitStep) else timedelta(),
        channel=step.channel if isinstance(step, SendStep) and sends else "",
        purpose=step.purpose if isinstance(step, SendStep) and sends else "",
        deadline=timedelta(days=play.schedule.deadline_days),
    )


def _way_past(campaign: Campaign, band: int, probability: float) -> Threshold:
    """Where those stand who drew nobody: outside again, with nothing planned."""
    return Threshold(
        campaign_id=campaign.campaign_id,
        version=campaign.version,
        sequence_key=NOBODY,
        band=band,
        probability=probability,
        step_key=None,
        wait=None,
        exit_reason=NOBODY,
    )
