"""Single-use codes of one claim: who shows which, kept only for what really leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from memory import codes
from memory.codes import Code
from memory.play import Play
from memory.steps import SendStep
from tools.bindings import shows_code
from tools.gather import Candidate


class CodeDraw:
    """The codes that one transaction shows to its candidates."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: dict[str, int] = {}
        self._shown: dict[int, Code] = {}

    def hand_out(self, play: Play, step: SendStep, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Each candidate with its own code, one that it holds or a fresh one, as far as the pool reaches.

        A held-out contact takes none: it is shown one that stays in the pool, so that its message waits like any other.
        """
        offer = play.offer
        if offer is None or not offer.single_use or not shows_code(play, step):
            return list(candidates)
        held = codes.of_contacts(self._connection, offer.offer_id, [one.contact_id for one in candidates])
        takers = [one.contact_id for one in candidates if one.contact_id not in held and not one.in_holdout]
        fresh = codes.lock_free(
            self._connection, offer.offer_id, max(len(takers), 1), after=self._last.get(offer.offer_id, 0)
        )
        drawn = dict(zip(takers, fresh, strict=False))
        self._shown |= drawn
        if drawn:
            self._last[offer.offer_id] = max(code.code_id for code in drawn.values())
        shown = fresh[0].code if fresh else ""
        return [
            replace(
                one,
                code=held.get(one.contact_id)
                or (shown if one.in_holdout else drawn[one.contact_id].code if one.contact_id in drawn else ""),
            )
            for one in candidates
        ]

    def keep(self, granted: Iterable[tuple[int, str]], at: datetime) -> None:
        """Give the contacts whose message leaves, with its key, the codes that they were shown."""
        taken = [(self._shown[one], one, key) for one, key in granted if one in self._shown]
        codes.assign(self._connection, taken, at)
