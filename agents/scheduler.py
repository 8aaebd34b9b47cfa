"""The scheduler: when messages leave, how many contacts enter a day, which arms run, and who is held out."""

from __future__ import annotations

import math

from agents.desk import Desk
from agents.handover import fetch, keep
from agents.learning.looks import FOUR_LOOKS
from agents.provider import Analysis, Scheduling, Task, Writing
from agents.send_window import plain_schedule, starts_from
from agents.starting_shares import starting_shares
from agents.state import ProposalState
from agents.tasks import task_of
from memory.bands import Shares, only, together
from memory.proposal import Authorship
from policies.rules.holdout import HoldoutLimits
from policies.rules.review_date import ReviewDateLimits

# The audience moves between the proposal and the launch; beyond this share it is no longer what was approved.
_SIZE_TOLERANCE = 0.2
FEWEST_PER_ARM = 50
"""An arm with fewer people than this says nothing even after a year."""
# A slow start leaves time to stop: a large list enters over several days.
_ONE_DAY_LIMIT = 5_000
_MOST_ENTRY_DAYS = 7
_FEWEST_ENTRIES_A_DAY = 20


def schedule(state: ProposalState, desk: Desk) -> ProposalState:
    """Have the play scheduled, and store the result."""
    task = task_of(state, desk)
    analysis = fetch(desk, state["thread_id"], state["analysis_id"], Analysis)
    writing = fetch(desk, state["thread_id"], state["writing_id"], Writing)
    scheduling = desk.provider.schedule(task, analysis, writing)
    return {"scheduling_id": keep(desk, state["thread_id"], "scheduling", scheduling)}


def schedule_by_rules(task: Task, analysis: Analysis, writing: Writing, *, note: str = "") -> Scheduling:
    """The next send window that leaves people a day to decide, and a test that the list can carry."""
    reachable = analysis.opportunity.audience.reachable
    limits = task.desk.pack.limits("holdout", HoldoutLimits)
    share = min(max(analysis.opportunity.holdout_share, limits.minimum_share), limits.maximum_share)
    if not task.playbook.holdout_share:
        share = 0.0
    if analysis.opportunity.holdout_key:
        share = analysis.opportunity.holdout_share
    by_band, taught = arm_shares(task, analysis, writing, round(reachable * (1 - share)))
    shares = together(by_band, analysis.opportunity.audience.bands)
    runs_days = task.playbook.trigger.runs_days
    per_day = entries_per_day(reachable, runs_days) if runs_days else contacts_per_day(reachable)
    review_days = min(
        max(task.playbook.review_days, task.playbook.goal.window_days),
        task.desk.pack.limits("review_date", ReviewDateLimits).maximum_days,
    )
    dropped = len(writing.sequences) - len(shares)
    reasons = (
        f"{share:.0%} held out: {analysis.opportunity.detection.sentence}",
        f"{len(shares)} sequence{'s' if len(shares) > 1 else ''} tested"
        + (f"; {dropped} left out because the list is too small for more." if dropped else "."),
        *filter(None, [learnt := _learnt(by_band, taught)]),
        f"Looked at {len(FOUR_LOOKS)} times, the last after {review_days} days.",
        f"At most {per_day} contacts enter a day." if per_day else "Everybody enters on the first day.",
    )
    return Scheduling(
        schedule=plain_schedule(task.desk, starts_from(task.desk, days_ahead=1)),
        holdout_share=share,
        size_band=(0, per_day * runs_days) if runs_days and per_day else size_band(reachable),
        contacts_per_day=per_day,
        shares=shares,
        band_shares=by_band if len(by_band) > 1 and taught else (),
        shares_why=learnt,
        review_days=review_days,
        author=Authorship(agent="scheduler", provider="rules", note=note),
        reasons=reasons,
    )


def arm_shares(task: Task, analysis: Analysis, writing: Writing, treated: int) -> tuple[Shares, int]:
    """As many sequences as the list can carry, by band, and how many earlier campaigns their shares rest on.

    Those that earlier campaigns speak for stay; where none does, the playbook's first ones, with equalised shares.
    """
    written = {one.key: one for one in writing.sequences}
    by_band, taught = starting_shares(task, analysis.opportunity, written)
    shares = together(by_band, analysis.opportunity.audience.bands)
    best = sorted(written, key=lambda key: -shares[key]) if taught else list(written)
    kept = best[: max(1, min(len(best), treated // FEWEST_PER_ARM))]
    return only(by_band, [key for key in written if key in kept]), taught


def _learnt(by_band: Shares, taught: int) -> str:
    if not taught:
        return ""
    said = [", ".join(f"{key} {share:.0%}" for key, share in shares.items()) for shares in by_band]
    return f"Shares as {taught} earlier campaign{'s' if taught > 1 else ''} taught: {'; '.join(said)}."


def size_band(reachable: int) -> tuple[int, int]:
    """How many contacts may enter under one approval."""
    slack = max(5, math.ceil(reachable * _SIZE_TOLERANCE))
    return max(1, reachable - slack), reachable + slack


def entries_per_day(expected: int, runs_days: int) -> int:
    """How many a trigger may let in a day: three times what the past would, so that a flood stops at the door."""
    return max(_FEWEST_ENTRIES_A_DAY, math.ceil(3 * expected / runs_days))


def contacts_per_day(reachable: int) -> int | None:
    """None lets everybody in on the first day; a large list is spread over up to a week."""
    if reachable <= _ONE_DAY_LIMIT:
        return None
    days = min(_MOST_ENTRY_DAYS, math.ceil(reachable / _ONE_DAY_LIMIT))
    return math.ceil(reachable / days)
