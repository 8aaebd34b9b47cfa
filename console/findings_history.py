"""What the rules said week by week: of proposals as they were written, and of messages that never left."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, func, select, type_coerce
from sqlalchemy.types import BigInteger

from memory.finding import Verdict
from memory.proposal import Proposal
from memory.schema import EPOCH, messages, proposal_versions, to_micros

WEEKS: Final = 12
_WEEK: Final = timedelta(days=7)
_MOST: Final = 500
"""Versions of proposals that are looked at, the newest ones."""


class RuleHistory(BaseModel):
    """How often one rule stood against something, in each of the last weeks, the oldest first."""

    model_config = ConfigDict(frozen=True)

    name: str
    """A rule; of messages also another reason for which they were dropped."""
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


class FindingsHistory(BaseModel):
    """The last weeks, the most frequent rule first in each list."""

    model_config = ConfigDict(frozen=True)

    starts: tuple[datetime, ...]
    """The beginning of each week."""
    proposals: tuple[RuleHistory, ...]
    messages: tuple[RuleHistory, ...]


def findings_history(connection: Connection, now: datetime) -> FindingsHistory:
    """Count findings against proposals, and messages that ended suppressed, over the last twelve weeks."""
    this_week = int((now - EPOCH) / _WEEK)
    weeks = range(this_week - WEEKS + 1, this_week + 1)
    starts = tuple(EPOCH + week * _WEEK for week in weeks)
    return FindingsHistory(
        starts=starts,
        proposals=_lines(_of_proposals(connection, starts[0]), weeks),
        messages=_lines(_of_messages(connection, starts[0]), weeks),
    )


def _of_proposals(connection: Connection, since: datetime) -> Counter[tuple[str, int]]:
    query = (
        select(proposal_versions.c.body, proposal_versions.c.created_at)
        .where(proposal_versions.c.created_at >= since)
        .order_by(proposal_versions.c.created_at.desc())
        .limit(_MOST)
    )
    found: Counter[tuple[str, int]] = Counter()
    for row in connection.execute(query):
        against = [one for one in Proposal.model_validate(row.body).findings if one.verdict is not Verdict.ALLOW]
        found.update((rule, int((row.created_at - EPOCH) / _WEEK)) for rule in {one.rule for one in against})
    return found


def _of_messages(connection: Connection, since: datetime) -> Counter[tuple[str, int]]:
    week = type_coerce(messages.c.due_at, BigInteger) // to_micros(EPOCH + _WEEK)
    query = (
        select(messages.c.reason, week.label("week"), func.count().label("messages"))
        .where(messages.c.state == "suppressed", messages.c.due_at >= since)
        .group_by(messages.c.reason, week)
    )
    return Counter({(row.reason, int(row.week)): row.messages for row in connection.execute(query)})


def _lines(found: Counter[tuple[str, int]], weeks: range) -> tuple[RuleHistory, ...]:
    lines = [
        RuleHistory(name=name, counts=tuple(found[name, week] for week in weeks))
        for name in sorted({name for name, _ in found})
    ]
    return tuple(sorted((one for one in lines if one.total), key=lambda one: -one.total))
