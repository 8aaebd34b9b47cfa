"""The audience of a play as a subtraction: who the segment selects, minus each reason, leaves who may enter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from memory import workspace
from memory.allocations import NOBODY
from memory.assignment import all_in_holdout, draw_sequences
from memory.bands import Bands, Shares
from memory.campaigns import campaign_id_of
from memory.canonical import buckets
from memory.lake import Lake
from memory.play import Play, RecordKind
from memory.proposal import Audience, Subtraction
from memory.segments.grammar import fields, parse
from memory.steps import SendStep
from memory.store import Store
from memory.trigger import DateTrigger
from policies.facts import ApprovalFacts
from policies.guardian import sift_messages
from policies.pack import Pack
from policies.table import MessageTable
from tools.callers import expected_callers
from tools.gather import Ground
from tools.records import LakeRecords
from tools.survey import survey
from tools.tiers import by_tier

if TYPE_CHECKING:
    from memory.features.table import Features

NOT_COUNTED: Final = frozenset({"approval", "deadline", "identity", "offer", "reputation", "send_window", "switch"})
"""Rules that speak of the play or of the hour, not of a contact: they are asked when a message is about to leave."""
PROGRAMME: Final = "programme_holdout"
_CHUNK = 50_000
_SAMPLE = 10
PREVIEW_URL: Final = "https://unsubscribe.invalid"
"""Stands for the way out where nothing is sent."""


@dataclass(frozen=True, slots=True)
class Entrants:
    """Contacts who may enter, as columns of one order, with what is fixed at the entry."""

    contact_ids: NDArray[np.int64]
    in_holdout: NDArray[np.bool_]
    bands: NDArray[np.intp]
    """The band of each, 0 where the play tells none apart."""
    drawn: NDArray[np.intp]
    """The sequence of each, as its place in ``keys``."""
    shares: Shares
    """By band, the probability with which each sequence was drawn."""
    records: Mapping[int, Mapping[RecordKind, str]]
    """By contact, the records that personal values are read from; a contact without any may be left out."""

    def __len__(self) -> int:
        return len(self.contact_ids)

    @property
    def keys(self) -> list[str]:
        """What could be drawn."""
        return sorted(self.shares[0])

    def drew(self, sequence_key: str) -> NDArray[np.bool_]:
        """Who drew a sequence."""
        if sequence_key not in self.keys:
            return np.zeros(len(self), bool)
        return np.equal(self.drawn, self.keys.index(sequence_key))

    def take(self, rows: NDArray[Any] | slice) -> Entrants:
        """Some of them, by a mask or by their places, in that order."""
        return replace(
            self,
            contact_ids=self.contact_ids[rows],
            in_holdout=self.in_holdout[rows],
            bands=self.bands[rows],
            drawn=self.drawn[rows],
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The audience in numbers, and who is in it."""

    audience: Audience
    entrants: Entrants


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
    return select_now(
        store,
        lake,
        pack,
        play,
        at=at,
        proposal_id=proposal_id,
        features=features,
        programme_share=programme_share,
        currency=currency,
    ).audience


def select_now(
    store: Store,
    lake: Lake,
    pack: Pack,
    play: Play,
    *,
    at: datetime,
    proposal_id: str,
    features: Features | None = None,
    programme_share: float = 0.0,
    currency: str = "",
) -> Selection:
    """The same with everybody in it, each with holdout and sequence drawn as the campaign would draw them."""
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
    )


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
    shares: Shares | None = None,
    only: Collection[int] | None = None,
    named: Mapping[int, Mapping[RecordKind, str]] | None = None,
) -> Selection:
    """The same with everybody who may enter, each with holdout and sequence drawn.

    With ``only``, of these contacts; ``named`` are records that a trigger gave for them, before those of the play.
    """
    known = None if only is not None and asks_nothing(play) else features or _computed(lake, at, play)
    named_ids = np.asarray(sorted(only or ()), np.int64)
    if known is None or (only is not None and _takes_whoever_is_named(play)):
        # Whoever came a moment ago is not in the lake yet, and need not be where nothing of it decides who enters.
        ids = named_ids
    else:
        ids = np.asarray(known.select(parse(play.audience)), np.int64)
        ids = ids if only is None else np.intersect1d(ids, named_ids)
    shares = shares or play.shares
    bands = _bands(known, ids, play.bands)
    with store.read() as connection:
        salt = workspace.get_value(connection, "salt") or ""
    found = Entrants(
        contact_ids=ids,
        in_holdout=all_in_holdout(salt, play.holdout_key or campaign_id, ids, play.holdout_share),
        bands=bands,
        drawn=draw_sequences(salt, campaign_id, ids, bands, shares),
        shares=shares,
        records=_records(known, ids, play, named or {}),
    )
    records = LakeRecords(lake)
    taken_out: Counter[str] = Counter()
    may_enter = np.zeros(len(ids), bool)
    spoken: dict[str, int] = {}
    languages = np.zeros(len(ids), np.int32)
    for start in range(0, len(ids), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(ids)))
        with store.read() as connection:
            for shown, step, group in _by_first_message(connection, play, found, rows):
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
                seen = survey(connection, ids[group], ground=ground, named=found.records, records=records)
                taken_out += _taken_out(seen.table, pack, group, may_enter)
                codes = [spoken.setdefault(one, len(spoken)) for one in seen.languages.values]
                languages[group] = np.asarray(codes, np.int32)[seen.languages.codes]
    entrants = found.take(may_enter)
    treated = ~entrants.in_holdout
    order = np.argsort(buckets(salt, ("sample", campaign_id), entrants.contact_ids[treated].tolist()), kind="stable")
    sample = _sample(entrants.contact_ids[treated][order], languages[may_enter][treated][order])
    audience = _audience(len(ids), taken_out, entrants, pack, sample)
    by_band = np.bincount(entrants.bands, minlength=len(play.bands)).tolist() if play.bands else ()
    return Selection(audience.model_copy(update={"bands": tuple(by_band)}), entrants)


def records_of(play: Play, values: Mapping[str, Any]) -> dict[RecordKind, str]:
    """The records that personal values are read from, by a contact's features."""
    return {kind: str(values[name]) for kind, name in play.records.items() if values.get(name) is not None}


def _computed(lake: Lake, at: datetime, play: Play) -> Features:
    # Loads ibis and DuckDB, which a worker without a launch never needs.
    from memory.features.table import compute

    return compute(lake, at, names=features_for(play))


def features_for(play: Play) -> set[str]:
    """The features that its audience, its bands, its records and its trigger read."""
    dated = {play.trigger.feature} if isinstance(play.trigger, DateTrigger) and play.trigger.feature else set()
    banded = {play.bands.feature} if play.bands else set()
    return {*fields(parse(play.audience)), *banded, *play.records.values(), *dated}


def asks_nothing(play: Play) -> bool:
    """Whether who gets what is decided without anything that the lake knows of a contact."""
    return _takes_whoever_is_named(play) and play.bands is None


def _takes_whoever_is_named(play: Play) -> bool:
    return not fields(parse(play.audience)) and not play.records


def _bands(known: Features | None, ids: NDArray[np.int64], bands: Bands | None) -> NDArray[np.intp]:
    found = np.zeros(len(ids), np.intp)
    for start in range(0, len(ids) if known is not None and bands else 0, _CHUNK):
        assert known is not None
        assert bands is not None
        part = ids[start : start + _CHUNK].tolist()
        rows = known.rows(part, [bands.feature])
        found[start : start + _CHUNK] = [bands.place(rows.get(one, {}).get(bands.feature)) for one in part]
    return found


def _records(
    known: Features | None,
    ids: NDArray[np.int64],
    play: Play,
    named: Mapping[int, Mapping[RecordKind, str]],
) -> dict[int, Mapping[RecordKind, str]]:
    found: dict[int, Mapping[RecordKind, str]] = {}
    for start in range(0, len(ids) if known is not None and play.records else 0, _CHUNK):
        assert known is not None
        rows = known.rows(ids[start : start + _CHUNK].tolist(), sorted(play.records.values()))
        found |= {one: records_of(play, values) for one, values in rows.items()}
    for one, given in named.items():
        found[one] = {**found.get(one, {}), **given}
    return found


def _by_first_message(
    connection: Connection, play: Play, found: Entrants, rows: NDArray[np.intp]
) -> Iterator[tuple[Play, SendStep, NDArray[np.intp]]]:
    """Rows of contacts by the message that they would get first: its step, and the play with the offer it shows.

    Whoever drew nobody is judged by the first sequence: who gets nothing must be like those who get something.
    """
    for place, sequence in enumerate(play.sequences):
        step = next((one for one in sequence.steps if isinstance(one, SendStep)), None)
        drew = found.drew(sequence.key) | found.drew(NOBODY) if place == 0 else found.drew(sequence.key)
        group = rows[drew[rows]]
        if step is None or not len(group):
            continue
        if not play.tiers:
            yield play, step, group
            continue
        for shown, part in by_tier(connection, play, group.tolist(), lambda row: int(found.contact_ids[row])):
            yield shown, step, np.asarray(part)


def _taken_out(table: MessageTable, pack: Pack, group: NDArray[np.intp], may_enter: NDArray[np.bool_]) -> Counter[str]:
    """How many each rule takes out, as the first in their way; the others of the group are marked as entering."""
    sieve = sift_messages(table, pack, besides=NOT_COUNTED)
    outside = table.column("in_programme_holdout")
    may_enter[group] = (sieve.first < 0) & ~outside
    counts = np.bincount(sieve.first[(sieve.first >= 0) & ~outside], minlength=len(sieve.rules)).tolist()
    found = Counter({rule: count for rule, count in zip(sieve.rules, counts, strict=True) if count})
    found[PROGRAMME] = int(outside.sum())
    return +found


def _audience(
    selected: int, taken_out: Counter[str], entrants: Entrants, pack: Pack, sample: Sequence[int]
) -> Audience:
    held_out = int(entrants.in_holdout.sum())
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


def _sample(drawn: NDArray[np.int64], languages: NDArray[np.int32]) -> list[int]:
    """The first few of a random order, and among them one reader of every language."""
    firsts = np.sort(np.unique(languages, return_index=True)[1])
    rest = np.setdiff1d(np.arange(min(len(drawn), _SAMPLE)), firsts)
    return [int(one) for one in drawn[np.concatenate([firsts, rest])[:_SAMPLE]]]


def _sentence(rule: str, pack: Pack) -> str:
    if rule == PROGRAMME:
        return "Outside all marketing this quarter, so that its total effect can be measured."
    return pack.setting(rule).sentence.en
