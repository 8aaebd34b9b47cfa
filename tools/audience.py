"""The audience of a play as a subtraction: who the segment selects, minus each reason, leaves who may enter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from memory import cap, workspace
from memory.assignment import draw_sequence, in_holdout
from memory.campaigns import campaign_id_of
from memory.canonical import bucket
from memory.finding import Verdict
from memory.lake import Lake
from memory.play import Play, RecordKind
from memory.proposal import Audience, Subtraction
from memory.segments.grammar import fields, parse
from memory.steps import SendStep
from memory.store import Store
from memory.trigger import DateTrigger
from policies.facts import ApprovalFacts
from policies.guardian import Review, gate_message
from policies.pack import Pack
from tools.callers import expected_callers
from tools.gather import Candidate, Ground, gather
from tools.records import LakeRecords
from tools.render import EXAMPLE_CODE
from tools.tiers import by_tier

if TYPE_CHECKING:
    from memory.features.table import Features

NOT_COUNTED: Final = frozenset({"approval", "deadline", "identity", "offer", "reputation", "send_window", "switch"})
"""Rules that speak of the play or of the hour, not of a contact: they are asked when a message is about to leave."""
PROGRAMME: Final = "programme_holdout"
_CHUNK = 2000
_SAMPLE = 10
PREVIEW_URL: Final = "https://unsubscribe.invalid"
"""Stands for the way out where nothing is sent."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One contact who may enter, with what is fixed at the entry."""

    contact_id: int
    in_holdout: bool
    sequence_key: str
    probability: float
    records: Mapping[RecordKind, str]


@dataclass(frozen=True, slots=True)
class Selection:
    """The audience in numbers, and who is in it."""

    audience: Audience
    entrants: tuple[Entrant, ...]


def preview(
    store: Store,
    lake: Lake,
    pack: Pack,
    play: Play,
    *,
    at: datetime,
    proposal_id: str = "preview",
    features: Features | None = None,
    programme_share: float = 0.0,
    currency: str = "",
) -> Audience:
    """Who would get it if it were launched at this moment, or whom its trigger may name; nothing is written.

    ``features`` saves computing them again; ``proposal_id`` makes the holdout that of the later campaign.
    """
    known = features or _computed(lake, at, play)
    callers = None if play.trigger.kind == "once" else expected_callers(store, known, play, at)
    return choose(
        store,
        lake,
        pack,
        play,
        at=at,
        campaign_id=campaign_id_of(proposal_id),
        features=known,
        programme_share=programme_share,
        currency=currency,
        only=callers,
        named=callers,
    ).audience


def choose(
    store: Store,
    lake: Lake,
    pack: Pack,
    play: Play,
    *,
    at: datetime,
    campaign_id: str,
    features: Features | None = None,
    programme_share: float = 0.0,
    currency: str = "",
    shares: Mapping[str, float] | None = None,
    only: Collection[int] | None = None,
    named: Mapping[int, Mapping[RecordKind, str]] | None = None,
) -> Selection:
    """The same with everybody who may enter, each with holdout and sequence drawn.

    With ``only``, of these contacts; ``named`` are records that a trigger gave for them, before those of the play.
    """
    asks_nothing = only is not None and not fields(parse(play.audience)) and not play.records
    # Whoever came a moment ago is not in the lake yet, and need not be where nothing of it is asked.
    known = None if asks_nothing else features or _computed(lake, at, play)
    ids = sorted(only or ()) if known is None else known.select(parse(play.audience))
    if known is not None and only is not None:
        ids = sorted(set(ids).intersection(only))
    records = LakeRecords(lake)
    shares = shares or {sequence.key: sequence.share for sequence in play.sequences}
    taken_out: Counter[str] = Counter()
    entrants: list[Entrant] = []
    languages: dict[int, str] = {}
    with store.read() as connection:
        salt = workspace.get_value(connection, "salt") or ""
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        values = known.rows(chunk, sorted(play.records.values())) if known is not None and play.records else {}
        drawn = [
            _entrant(salt, campaign_id, one, play, shares, values.get(one, {}), (named or {}).get(one, {}))
            for one in chunk
        ]
        with store.read() as connection:
            slots = cap.read(connection, chunk)
            for shown, step, group in (
                (shown, step, part)
                for step, whole in _by_first_send(play, drawn)
                for shown, part in by_tier(connection, play, whole, lambda one: one.contact_id)
            ):
                ground = Ground(
                    campaign_id=campaign_id,
                    play=shown,
                    step=step,
                    approval=ApprovalFacts(),
                    pack=pack,
                    at=at,
                    salt=salt,
                    switch_stopped=False,
                    programme_share=programme_share,
                    public_url=PREVIEW_URL,
                    currency=currency,
                )
                candidates = [_candidate(one, at) for one in group]
                cases = gather(connection, candidates, ground=ground, slots=slots, records=records)
                for entrant, case in zip(group, cases, strict=True):
                    rule = PROGRAMME if case.facts.in_programme_holdout else _against(gate_message(case.facts, pack))
                    if rule:
                        taken_out[rule] += 1
                    else:
                        entrants.append(entrant)
                        languages[entrant.contact_id] = case.bindings.language if case.bindings else ""
    entrants.sort(key=lambda one: one.contact_id)
    treated = [one.contact_id for one in entrants if not one.in_holdout]
    sample = _sample(sorted(treated, key=lambda one: bucket(salt, "sample", campaign_id, one)), languages)
    return Selection(_audience(len(ids), taken_out, entrants, pack, sample), tuple(entrants))


def records_of(play: Play, values: Mapping[str, Any]) -> dict[RecordKind, str]:
    """The records that personal values are read from, by a contact's features."""
    return {kind: str(values[name]) for kind, name in play.records.items() if values.get(name) is not None}


def _computed(lake: Lake, at: datetime, play: Play) -> Features:
    # Loads ibis and DuckDB, which a worker without a launch never needs.
    from memory.features.table import compute

    return compute(lake, at, names=features_for(play))


def features_for(play: Play) -> set[str]:
    """The features that its audience, its records and its trigger read."""
    dated = {play.trigger.feature} if isinstance(play.trigger, DateTrigger) and play.trigger.feature else set()
    return {*fields(parse(play.audience)), *play.records.values(), *dated}


def _entrant(
    salt: str,
    campaign_id: str,
    contact_id: int,
    play: Play,
    shares: Mapping[str, float],
    values: Mapping[str, Any],
    named: Mapping[RecordKind, str],
) -> Entrant:
    key, probability = draw_sequence(salt, campaign_id, contact_id, 1, shares)
    held_out = in_holdout(salt, campaign_id, contact_id, play.holdout_share)
    return Entrant(contact_id, held_out, key, probability, {**records_of(play, values), **named})


def _candidate(entrant: Entrant, at: datetime) -> Candidate:
    # The holdout is no reason not to enter, so nobody is held out while the audience is counted.
    return Candidate(
        contact_id=entrant.contact_id,
        message_key="",
        in_holdout=False,
        deadline_at=at + timedelta(days=1),
        records=entrant.records,
        # Whether the pool is large enough for all of them is the guardian's question.
        code=EXAMPLE_CODE,
    )


def _by_first_send(play: Play, drawn: Sequence[Entrant]) -> Iterator[tuple[SendStep, list[Entrant]]]:
    for sequence in play.sequences:
        step = next((one for one in sequence.steps if isinstance(one, SendStep)), None)
        group = [one for one in drawn if one.sequence_key == sequence.key]
        if step is not None and group:
            yield step, group


def _against(review: Review) -> str:
    """The first rule that stands in a contact's way; empty for none."""
    return next(
        (one.rule for one in review.findings if one.verdict is not Verdict.ALLOW and one.rule not in NOT_COUNTED), ""
    )


def _audience(
    selected: int, taken_out: Counter[str], entrants: Sequence[Entrant], pack: Pack, sample: Sequence[int]
) -> Audience:
    held_out = sum(one.in_holdout for one in entrants)
    return Audience(
        selected=selected,
        subtractions=tuple(
            Subtraction(rule=rule, sentence=_sentence(rule, pack), contacts=contacts)
            for rule, contacts in sorted(taken_out.items(), key=lambda item: (-item[1], item[0]))
        ),
        reachable=len(entrants),
        holdout=held_out,
        treated=len(entrants) - held_out,
        sample=tuple(sorted(sample)),
    )


def _sample(drawn: Sequence[int], languages: Mapping[int, str]) -> list[int]:
    """The first few of a random order, and among them one reader of every language."""
    firsts = {languages[one]: one for one in reversed(drawn)}
    return sorted(drawn, key=lambda one: firsts[languages[one]] != one)[:_SAMPLE]


def _sentence(rule: str, pack: Pack) -> str:
    if rule == PROGRAMME:
        return "Outside all marketing this quarter, so that its total effect can be measured."
    return pack.setting(rule).sentence.en
