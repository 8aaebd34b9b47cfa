"""A finding: one rule's verdict on a proposal or a message, with the fact, the limit and one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """What a rule says: go on, wait, or never. The strongest verdict of all rules decides."""

    ALLOW = "allow"
    HOLD = "hold"
    REFUSE = "refuse"


_STRENGTH = {Verdict.ALLOW: 0, Verdict.HOLD: 1, Verdict.REFUSE: 2}


class Finding(BaseModel):
    """One rule's verdict, with what it saw and what it allows."""

    model_config = ConfigDict(frozen=True)

    rule: str
    """Id of the rule: the same in the pack, on screens, in the ledger and in the docs."""
    verdict: Verdict
    fact: str = ""
    """What was found, for example "3 messages in the last 7 days"."""
    limit: str = ""
    """What the rule allows, for example "3 messages in 7 days"."""
    sentence: str = ""
    """One sentence for people."""
    part: str = ""
    """The part of the play it speaks of: audience, copy, offer, schedule, experiment; empty for the whole."""


def strongest(findings: Iterable[Finding]) -> Verdict:
    """The verdict that decides: refuse beats hold beats allow."""
    return max((finding.verdict for finding in findings), key=_STRENGTH.__getitem__, default=Verdict.ALLOW)
