"""Messages as their readers would get them, before anything is sent: a contact of the audience, and one less known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memory.errors import NoriaError
from memory.lake import Lake
from memory.play import Play
from memory.steps import SendStep
from memory.store import Store
from tools.audience import PREVIEW_URL, records_of
from tools.bindings import Bindings, Recipient, resolve_many
from tools.records import LakeRecords
from tools.render import EXAMPLE_CODE, Rendered, example, render, without_optional

MADE_UP = "a made-up contact"
"""Stands in where no contact of the sample reads a language."""


@dataclass(frozen=True, slots=True)
class Preview:
    """One message in one language for one reader."""

    steps: tuple[str, ...]
    """SEQUENCE.STEP of every step that sends just this."""
    language: str
    reader: str
    bare: bool
    """Whether what a contact may lack was left out; only where that changes the message."""
    message: Rendered | None
    problem: str = ""
    """Why there is no message."""


def preview_messages(
    store: Store, lake: Lake, play: Play, sample: Sequence[int], *, at: datetime, currency: str = ""
) -> list[Preview]:
    """Every message of a play in each language, for a contact of the sample and for one of whom less is known."""
    features = _features(lake, play, sample, at)
    products = LakeRecords(lake).products() if features else {}
    found: list[Preview] = []
    for names, step in _different(play):
        recipients = [_recipient(one, play, step, features.get(one, {})) for one in sample]
        with store.read() as connection:
            ready = resolve_many(connection, play, step, recipients, products=products, currency=currency).ready
        for language in sorted(step.copies):
            readers = [(f"contact {one}", its) for one, its in ready.items() if its.language == language]
            # Whoever is known best shows most of what the text can say.
            made_up = (MADE_UP, example(play, language))
            reader, values = max(readers, key=lambda one: len(one[1].values), default=made_up)
            less = without_optional(play, step, values)
            whole = _preview(play, step, names, reader, values, bare=False)
            bare = _preview(play, step, names, reader, less, bare=True)
            found += [whole] if (whole.message, whole.problem) == (bare.message, bare.problem) else [whole, bare]
    return found


def _features(lake: Lake, play: Play, sample: Sequence[int], at: datetime) -> Mapping[int, Mapping[str, Any]]:
    """The features that name records, for each contact of the sample; empty where no message reads any."""
    names = sorted({*play.records.values(), *(name for _, step in play.sends() for name in step.records.values())})
    if not (names and sample):
        return {}
    # Loads ibis and DuckDB, which most plays do not need here.
    from memory.features.table import compute

    return compute(lake, at, names=names).rows(sample, names)


def _recipient(contact_id: int, play: Play, step: SendStep, values: Mapping[str, Any]) -> Recipient:
    own = {kind: str(values[name]) for kind, name in step.records.items() if values.get(name) is not None}
    kept = {kind: record for kind, record in records_of(play, values).items() if kind not in step.records}
    return Recipient(
        contact_id,
        {**kept, **own},
        unsubscribe_url=PREVIEW_URL,
        preferences_url=PREVIEW_URL,
        confirm_url=PREVIEW_URL,
        code=EXAMPLE_CODE,
    )


def _different(play: Play) -> list[tuple[tuple[str, ...], SendStep]]:
    """Each message once, with the names of the steps that send it."""
    groups: dict[str, tuple[list[str], SendStep]] = {}
    for sequence, step in play.sends():
        names, _ = groups.setdefault(step.model_dump_json(exclude={"key"}), ([], step))
        names.append(f"{sequence.key}.{step.key}")
    return [(tuple(names), step) for names, step in groups.values()]


def _preview(
    play: Play, step: SendStep, names: tuple[str, ...], reader: str, values: Bindings, *, bare: bool
) -> Preview:
    try:
        message = render(play, step, values.language, values)
    except NoriaError as error:
        return Preview(names, values.language, reader, bare, None, str(error))
    return Preview(names, values.language, reader, bare, message)
