"""Take the copy of a play apart into texts that rules can read."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from functools import lru_cache
from itertools import product
from typing import Final

from memory.play import Offer, Play
from memory.slots import MissingValueError, SlotError, nested, parse_slot
from memory.steps import Copy
from policies.facts import ProposalFacts, last_planned_send, need
from policies.rule import Wording

VALUE: Final = "¤"
"""Stands for a value from a record."""
MOST_CONDITIONS: Final = 4
_SPACES = re.compile(r"\s+")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‑": "-"})


def wordings(facts: ProposalFacts) -> list[Wording]:
    """The copy of every message in every language, each with the records that it may speak from."""
    play = facts.play
    approved = need(facts.approved_facts, "approved_facts")
    last_send_at = last_planned_send(play)
    return [
        Wording(
            copy=shown,
            language=language,
            brand=play.brand,
            offer=offer,
            facts=tuple(
                fact
                for fact in approved
                if fact.language == language and (fact.valid_until is None or fact.valid_until > last_send_at)
            ),
            channel=step.channel,
            purpose=step.purpose,
            choices=step.labels(language),
            where=f"{sequence.key}/{step.key} ({language})",
        )
        for sequence, step in play.sends()
        for language, copy in sorted(step.copies.items())
        for offer, shown in _as_read(play, copy)
    ]


def _as_read(play: Play, copy: Copy) -> list[tuple[Offer | None, Copy]]:
    """The copy with each offer that a reader may get, and, where tiers leave some with none, as those read it."""
    if not play.tiers:
        return [(play.offer, copy)]
    read: list[tuple[Offer | None, Copy]] = [(offer, copy) for offer in play.offers]
    # What needs an offer reaches nobody without one, and what is no slot at all is refused with the others.
    with suppress(SlotError, MissingValueError):
        read.append((None, _without_offer(copy)))
    return read


def _without_offer(copy: Copy) -> Copy:
    def shown(text: str) -> str:
        slot = parse_slot(text)
        return slot.text(nested({name: VALUE for name in slot.names if not name.startswith("offer.")})) if text else ""

    slots = {name: shown(getattr(copy, name)) for name in ("subject", "preheader", "headline", "button")}
    return copy.model_copy(update={**slots, "body": tuple(shown(text) for text in copy.body)})


def plain(text: str) -> str:
    """The text in one spelling: compatibility forms folded, one kind of quote and dash, single spaces, lower case."""
    folded = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    return _SPACES.sub(" ", folded).strip().casefold()


def written(wording: Wording) -> list[tuple[str, str]]:
    """Every text that a reader could see, with its slot: a condition on a value gives one text for each answer.

    Values themselves show as ¤; they come from records and are no words of the writer.
    """
    return [(slot, variant) for slot, text in wording.slots() for variant in variants(text)]


@lru_cache(maxsize=4096)
def variants(text: str) -> tuple[str, ...]:
    """What a slot says with each of its optional values there or missing."""
    try:
        slot = parse_slot(text)
        optional = [name for name in slot.names if name not in slot.needed][:MOST_CONDITIONS]
        found = []
        for there in product((True, False), repeat=len(optional)):
            missing = {name for name, given in zip(optional, there, strict=True) if not given}
            found.append(slot.text(nested({name: VALUE for name in slot.names if name not in missing})))
    except (SlotError, MissingValueError):
        # The bindings rule refuses it; the other rules still read what stands there.
        return (text,)
    return tuple(dict.fromkeys(found))


def unapproved(text: str, approved: list[str]) -> str:
    """What is written, plain, without the approved sentences and labels that they quote."""
    rest = plain(text)
    for quote in sorted((plain(each).rstrip(".!") for each in approved), key=len, reverse=True):
        if quote:
            # Whole words only: "free" approved must not hide half of "freedom".
            rest = re.sub(rf"(?<!\w){re.escape(quote)}(?!\w)", " ¶ ", rest)
    return rest


def bare(text: str) -> str:
    """A plain text without accents, so that a list of words need not spell them both ways."""
    return "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))
