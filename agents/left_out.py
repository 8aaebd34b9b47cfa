"""What was considered for a proposal and is no part of it, and why: sequences of its playbook, and other plays."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agents.desk import Desk
from agents.handover import newest
from agents.playbook import Playbook
from agents.playbook_model import sends_of
from agents.provider import Writing
from agents.ranking import Ranking
from agents.scheduler import FEWEST_PER_ARM
from agents.series import RUNNING
from memory.proposal import LeftOut
from memory.steps import Sequence


def sequences_left_out(
    playbook: Playbook, writing: Writing, shares: Mapping[str, float], channels: Collection[str]
) -> tuple[LeftOut, ...]:
    """Each sequence of the playbook that nobody would go through."""
    kept = {key for key, share in shares.items() if share > 0}
    return tuple(
        LeftOut(kind="sequence", key=one.key, name=one.title, why=_why_not(playbook, writing, one, channels))
        for one in playbook.sequences
        if one.key not in kept
    )


def plays_left_out(desk: Desk, plan_id: str, playbook: str) -> tuple[LeftOut, ...]:
    """Each play that the same planning round weighed and did not put forward; those that came after, best first."""
    ranking = newest(desk, plan_id, "ranking", Ranking) if plan_id else None
    if ranking is None:
        return ()
    most = desk.settings.opportunities
    after = {one.playbook: f"Its expected gain per message is lower than that of the {most} best, which are proposed."
             for one in ranking.opportunities[most:]}  # fmt: skip
    withheld = {one.playbook: one.sentence for one in ranking.withheld}
    return tuple(
        LeftOut(kind="play", key=key, name=_name(desk.playbooks.get(key), key), why=why)
        for key, why in (after | withheld).items()
        # That another one runs already says nothing about this one.
        if key != playbook and why != RUNNING
    )


def _why_not(playbook: Playbook, writing: Writing, sequence: Sequence, channels: Collection[str]) -> str:
    if any(one.key == sequence.key for one in writing.sequences):
        return f"The list is too small to test it as well: {FEWEST_PER_ARM} contacts must go through each sequence."
    if writing.offer is None and playbook.needs_offer(sequence):
        return "It needs an offer, and none that may be used here is approved."
    if not any(step.channel in channels for step in sends_of(sequence)):
        return "No channel that is set up carries its messages."
    return "Without the channels that are not set up it does the same as another sequence."


def _name(playbook: Playbook | None, key: str) -> str:
    return key if playbook is None else playbook.name["en"]
