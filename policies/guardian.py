"""The guardian: run every rule of a pack on a message or a proposal; forbid beats permit, and an error holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memory.finding import Finding, Verdict, strongest
from memory.play import Fact, Play
from memory.proposal import Audience
from policies.facts import MessageFacts, MissingFactError, ProposalFacts
from policies.pack import Gate, Pack, RuleSetting
from policies.rule import Context, Parameters, Rule, Ruling, Wording
from policies.table import STRENGTH, Mask, MessageTable, Verdicts
from policies.wording import wordings


@dataclass(frozen=True, slots=True)
class Review:
    """What all rules together say."""

    findings: tuple[Finding, ...]
    """For a message: every hold and refusal, and allows with a remark. For a proposal: at least one per rule."""
    verdict: Verdict
    retry_at: datetime | None = None
    """For a hold: the first moment at which asking again makes sense; None when nothing tells."""
    pack_version: str = ""

    @property
    def allowed(self) -> bool:
        return self.verdict is Verdict.ALLOW

    @property
    def withheld(self) -> bool:
        """True when nothing but the holdout stands in the way: the message's ghost passed the same gate."""
        against = [finding for finding in self.findings if finding.verdict is not Verdict.ALLOW]
        return bool(against) and all(finding.rule == "holdout" for finding in against)


@dataclass(frozen=True, slots=True)
class Sieve:
    """What first stands in the way of each of many messages."""

    rules: tuple[str, ...]
    """The rules that were asked, in the pack's order."""
    first: NDArray[np.int16]
    """Which of ``rules`` is the first that holds or refuses the message; -1 for none."""
    verdicts: Verdicts
    """What that rule says."""


def gate_message(facts: MessageFacts, pack: Pack) -> Review:
    """May this message leave now? Runs at preview and again in the transaction that claims the send."""
    context = pack.context
    said: list[tuple[RuleSetting, Ruling]] = []
    for gate, limits, setting in pack.gates:
        ruling = _asked(gate, limits, setting, facts, context)
        if ruling is not None:
            said.append((setting, ruling))
    if not said:
        return Review((), Verdict.ALLOW, None, context.pack_version)
    return _review(said, pack)


def sift_messages(table: MessageTable, pack: Pack, *, besides: Collection[str] = ()) -> Sieve:
    """The first rule against each message, as ``gate_message`` would name it; those in ``besides`` are not asked.

    A rule that has no set form, or whose set form breaks down, is asked about each message that passed so far.
    """
    asked = [(rule, setting) for rule, setting in pack.active if rule.gate and setting.id not in besides]
    first = np.full(table.size, -1, np.int16)
    verdicts = table.allow()
    for number, (rule, setting) in enumerate(asked):
        said = _sifted(rule, setting, table, first < 0, pack)
        stopped = (first < 0) & (said > 0)
        first[stopped] = number
        verdicts[stopped] = said[stopped]
    return Sieve(tuple(setting.id for _, setting in asked), first, verdicts)


def _sifted(rule: Rule, setting: RuleSetting, table: MessageTable, passed: Mask, pack: Pack) -> Verdicts:
    if rule.sift is not None:
        try:
            said = rule.sift(table, setting.parameters, pack.context)
            return table.allow() if setting.severity == "advisory" else said
        except Exception:  # noqa: BLE001, S110 - what cannot be said of all at once, each is asked about below
            pass
    assert rule.gate is not None
    said = table.allow()
    for row in np.flatnonzero(passed).tolist():
        ruling = _asked(rule.gate, setting.parameters, setting, table.row(row), pack.context)
        if ruling is not None:
            said[row] = STRENGTH[ruling.verdict]
    return said


def _asked(
    gate: Gate, limits: Parameters, setting: RuleSetting, facts: MessageFacts, context: Context
) -> Ruling | None:
    try:
        ruling = gate(facts, limits, context)
    except Exception as error:  # noqa: BLE001 - whatever breaks inside a rule must hold, never pass
        return _broken(error)
    return None if ruling is None else _softened(ruling, setting)


def review_proposal(facts: ProposalFacts, pack: Pack) -> Review:
    """May this proposal be put before people, or launched? Has at least one finding per rule."""
    said: list[tuple[RuleSetting, Ruling]] = []
    for rule, setting in pack.active:
        if rule.review is None and rule.read is None:
            continue
        try:
            rulings = rule.review(facts, setting.parameters, pack.context) if rule.review else []
            rulings += _readings(rule, setting, wordings(facts)) if rule.read else []
            said += [(setting, _softened(ruling, setting)) for ruling in rulings]
        except Exception as error:  # noqa: BLE001 - whatever breaks inside a rule must hold, never pass
            said.append((setting, _broken(error)))
        if not said or said[-1][0] is not setting:
            said.append((setting, Ruling(Verdict.ALLOW, setting.sentence.en)))
    return _review(said, pack)


def stops(
    play: Play, audience: Audience | None, at: datetime, pack: Pack, rule: str, approved_facts: tuple[Fact, ...] = ()
) -> bool:
    """Whether one rule is against a play as it was proposed once; no other is listened to, so little need be known."""
    facts = ProposalFacts(play=play, now=at, audience=audience, offers=play.offers, approved_facts=approved_facts)
    found = review_proposal(facts, pack).findings
    return any(finding.rule == rule and finding.verdict is not Verdict.ALLOW for finding in found)


def read_copy(wording: Wording, pack: Pack) -> Review:
    """May this copy be sent in this language? The same checks as in the review, for a writer to run while writing."""
    said: list[tuple[RuleSetting, Ruling]] = []
    for rule, setting in pack.active:
        if rule.read is None:
            continue
        try:
            said += [(setting, ruling) for ruling in _readings(rule, setting, [wording])]
        except Exception as error:  # noqa: BLE001 - whatever breaks inside a rule must hold, never pass
            said.append((setting, _broken(error)))
    return _review(said, pack)


def _readings(rule: Rule, setting: RuleSetting, texts: list[Wording]) -> list[Ruling]:
    if rule.read is None:
        return []
    return [_softened(ruling, setting) for wording in texts for ruling in rule.read(wording, setting.parameters)]


def _softened(ruling: Ruling, setting: RuleSetting) -> Ruling:
    """An advisory rule only remarks."""
    if setting.severity != "advisory" or ruling.verdict is Verdict.ALLOW:
        return ruling
    return Ruling(Verdict.ALLOW, f"Advice: {ruling.sentence}", ruling.fact, ruling.limit, ruling.part)


def _broken(error: Exception) -> Ruling:
    if isinstance(error, MissingFactError):
        return Ruling(Verdict.HOLD, "A fact that the rule needs is missing.", f"{error.name} unknown", "a known fact")
    # The text of a foreign error could carry personal data; its class cannot.
    return Ruling(Verdict.HOLD, "The rule broke down, so nothing may pass it.", type(error).__name__, "a working rule")


def _review(said: list[tuple[RuleSetting, Ruling]], pack: Pack) -> Review:
    findings = tuple(
        Finding(
            rule=setting.id,
            verdict=ruling.verdict,
            fact=ruling.fact,
            limit=ruling.limit,
            sentence=ruling.sentence,
            part=ruling.part,
        )
        for setting, ruling in said
    )
    verdict = strongest(findings)
    moments = [ruling.retry_at for _, ruling in said if ruling.verdict is Verdict.HOLD and ruling.retry_at]
    retry_at = max(moments, default=None) if verdict is Verdict.HOLD else None
    return Review(findings, verdict, retry_at, pack.version)
