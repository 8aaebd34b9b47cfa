"""Made-up people for the households of the data: names, addresses, languages, zones and what they allowed.

Nothing here is real. Every draw depends on the seed and the household's number alone, so a household stays the same
person whatever the cut-off.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import yaml

# (IANA zone, ISO country, share). The orders fall into a North American day, so most people live there.
PLACES = {
    "en": (
        ("America/New_York", "US", 0.44),
        ("America/Chicago", "US", 0.27),
        ("America/Los_Angeles", "US", 0.12),
        ("America/Denver", "US", 0.07),
        ("America/Toronto", "CA", 0.07),
        ("Europe/London", "GB", 0.03),
    ),
    "fr": (
        ("America/Toronto", "CA", 0.62),
        ("America/New_York", "US", 0.10),
        ("America/Moncton", "CA", 0.12),
        ("Europe/Paris", "FR", 0.11),
        ("America/Martinique", "FR", 0.05),
    ),
}
WORDINGS = {
    "en": "Yes, send me offers and news by e-mail. I can unsubscribe at any time.",
    "fr": "Oui, envoyez-moi vos offres et nouveautés par e-mail. Je peux me désinscrire à tout moment.",
}
SOURCES = ("web form", "checkout", "store card form", "contest form")

FRENCH_SHARE = 0.30
LANGUAGE_GAP, ZONE_GAP, COUNTRY_GAP, NOTE_SHARE = 0.04, 0.06, 0.02, 0.05
# Of all contacts: proof kept, granted without proof, granted with proof and later withdrawn; the rest never said.
PROVEN_SHARE, UNPROVEN_SHARE, WITHDRAWN_SHARE = 0.80, 0.05, 0.05
HISTORY_FROM = datetime(2017, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Consent:
    """One change of one person's consent to marketing e-mail."""

    state: str
    at: datetime
    source: str
    proof: str
    wording: str


@dataclass(frozen=True, slots=True)
class Person:
    """One made-up contact; empty strings are gaps, as a shop's own file has them."""

    household: int
    contact_id: str
    email: str
    first_name: str
    last_name: str
    language: str
    time_zone: str
    country: str
    created_at: datetime
    notes: str
    consents: tuple[Consent, ...]

    def may_be_mailed(self, at: datetime) -> bool:
        """Whether the shop held this person's consent at that moment, with or without proof of it."""
        past = [consent for consent in self.consents if consent.at <= at]
        return bool(past) and past[-1].state == "granted"


@cache
def _identities() -> dict[str, dict[str, list[str]]]:
    text = Path(__file__).with_name("identities.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, list[str]]] = yaml.safe_load(text)
    return loaded


def contact_id(household: int) -> str:
    """The shop's own name for a household: ``C00042``; not the number that Noria gives the contact."""
    return f"C{household:05d}"


def invent_people(
    households: Sequence[int], first_orders: dict[int, datetime], *, cut_off: datetime, seed: int
) -> list[Person]:
    """One person per household, in the order given; ``first_orders`` holds those who bought before the cut-off."""
    draws = np.random.default_rng([seed, 1]).random((max(households, default=0) + 1, 20))
    return [
        _person(household, draws[household].tolist(), first_orders.get(household), cut_off) for household in households
    ]


def _person(household: int, draw: list[float], first_order: datetime | None, cut_off: datetime) -> Person:
    spoken = "fr" if draw[0] < FRENCH_SHARE else "en"
    first, last = (_pick(_identities()[key][spoken], draw[n]) for n, key in ((1, "first_names"), (2, "last_names")))
    place, country = _place(spoken, draw[3])
    created = _created_at(draw[4:6], first_order, cut_off)
    return Person(
        household=household,
        contact_id=contact_id(household),
        email=f"{_ascii(first)}.{_ascii(last)}.{household}@example.com",
        first_name=first,
        last_name=last,
        language="" if draw[6] < LANGUAGE_GAP else spoken,
        time_zone="" if draw[7] < ZONE_GAP else place,
        country="" if draw[8] < COUNTRY_GAP else country,
        created_at=created,
        notes=_pick(_identities()["notes"][spoken], draw[10]) if draw[9] < NOTE_SHARE else "",
        consents=_consents(spoken, draw[11:18], created, cut_off),
    )


def _created_at(draw: list[float], first_order: datetime | None, cut_off: datetime) -> datetime:
    """Before the first order; households seen early in the data were customers before it began."""
    if first_order is None:
        return _second(HISTORY_FROM + draw[0] * 0.95 * (cut_off - HISTORY_FROM))
    if first_order < HISTORY_FROM + timedelta(days=60):
        return _second(HISTORY_FROM - timedelta(days=3 + 900 * draw[0]))
    return _second(first_order - timedelta(minutes=4 + 600 * draw[1]))


def _consents(spoken: str, draw: list[float], created: datetime, cut_off: datetime) -> tuple[Consent, ...]:
    kind, later, delay, channel, number, withdrawn = draw[:6]
    if kind >= PROVEN_SHARE + UNPROVEN_SHARE + WITHDRAWN_SHARE:
        return ()
    granted_at = created if later < 0.8 else _second(created + delay * min(timedelta(days=30), (cut_off - created) / 2))
    source = _pick(SOURCES, channel)
    if PROVEN_SHARE <= kind < PROVEN_SHARE + UNPROVEN_SHARE:
        return (Consent("granted", granted_at, "old mailing list", "", ""),)
    proof = f"{source} no. {100_000 + int(number * 900_000)}: box ticked by the customer on {granted_at:%Y-%m-%d}"
    granted = Consent("granted", granted_at, source, proof, WORDINGS[spoken])
    if kind < PROVEN_SHARE:
        return (granted,)
    earliest = max(granted_at, HISTORY_FROM)
    withdrawn_at = _second(earliest + (0.02 + 0.96 * withdrawn) * (cut_off - earliest))
    return (granted, Consent("withdrawn", withdrawn_at, "unsubscribe link", "link in a past mailing", ""))


def _place(spoken: str, draw: float) -> tuple[str, str]:
    for zone, country, share in PLACES[spoken]:
        if draw < share:
            return zone, country
        draw -= share
    zone, country, _ = PLACES[spoken][0]
    return zone, country


def _pick(choices: Sequence[str], draw: float) -> str:
    return choices[int(draw * len(choices))]


def _ascii(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
