"""Read yes and no, consent, addresses, languages, countries and time zones as exports write them."""

from __future__ import annotations

import json
import re
from functools import cache
from zoneinfo import available_timezones

from babel import Locale
from email_validator import EmailNotValidError, validate_email

from memory.importing.amounts import UnreadableError

# Cells by which tools say that there is nothing. Not applied to names: there are people called Null.
NOTHING = frozenset({"", "null", "none", "n/a", "#n/a", "na", "nan", "nil", "-", "—", "\\n", "undefined", "(none)"})

_YES = frozenset({"yes", "y", "oui", "o", "true", "t", "vrai", "1", "x", "✓", "on", "ja", "si", "sí", "checked"})
_NO = frozenset({"no", "n", "non", "false", "f", "faux", "0", "off", "nein", "unchecked"})
_GRANTED = _YES | {
    "granted",
    "subscribed",
    "opt-in",
    "opted in",
    "opt in",
    "optin",
    "opted_in",
    "double opt-in",
    "active",
    "confirmed",
    "consented",
    "given",
    "accepted",
    "inscrit",
    "inscrite",
    "abonné",
    "abonne",
    "accepté",
    "accordé",
    "consenti",
    "email",
}
_WITHDRAWN = _NO | {
    "withdrawn",
    "unsubscribed",
    "opt-out",
    "opted out",
    "opt out",
    "optout",
    "opted_out",
    "revoked",
    "refused",
    "denied",
    "cleaned",
    "suppressed",
    "blocklisted",
    "blacklisted",
    "désinscrit",
    "desinscrit",
    "désinscrite",
    "désabonné",
    "desabonne",
    "refusé",
    "retiré",
}
# A person who never said anything: no consent, and nothing withdrawn.
_NEVER = frozenset(
    {
        "never_subscribed",
        "never subscribed",
        "not_subscribed",
        "not subscribed",
        "redacted",
        "non-subscribed",
        "not set",
        "unknown",
        "pending",
        "inconnu",
    }
)
_REASONS = {
    "unsubscribed": ("unsubscribed", "unsubscribe", "unsub", "opt-out", "optout", "désinscrit", "désinscription"),
    "complained": ("complained", "complaint", "spam", "spam_complaint", "marked as spam", "abuse", "plainte"),
    "hard_bounce": (
        "hard_bounce",
        "hard bounce",
        "hardbounce",
        "bounce",
        "bounced",
        "cleaned",
        "invalid",
        "invalid_email",
    ),
    "manual": ("manual", "user_suppressed", "manually", "admin", "manuel", "blocklisted", "blacklisted"),
    "erased": ("erased", "gdpr", "rgpd", "deleted", "forgotten", "effacé"),
}
_ADDRESS = re.compile(
    r"^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$"
)
_LONG_COUNTRIES = {
    "usa": "US", "us": "US", "united states of america": "US", "uk": "GB", "gbr": "GB", "great britain": "GB",
    "england": "GB",
    "scotland": "GB", "wales": "GB", "fra": "FR", "deu": "DE", "ger": "DE", "esp": "ES", "ita": "IT", "bel": "BE",
    "che": "CH",
    "can": "CA", "nld": "NL", "lux": "LU", "prt": "PT", "holland": "NL", "czech republic": "CZ",
}  # fmt: skip
_LONG_LANGUAGES = {
    "fre": "fr",
    "fra": "fr",
    "eng": "en",
    "ger": "de",
    "deu": "de",
    "spa": "es",
    "ita": "it",
    "dut": "nl",
}


def read_flag(text: str) -> bool:
    """Yes or no, in English, French and the signs of spreadsheets."""
    word = text.strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise UnreadableError("this is neither yes nor no")


def read_consent(text: str) -> str:
    """ "granted", "withdrawn", or "" for somebody who never said anything."""
    word = text.strip().lower()
    if word in _GRANTED:
        return "granted"
    if word in _WITHDRAWN:
        return "withdrawn"
    if word in _NEVER:
        return ""
    raise UnreadableError("this does not say whether consent was granted or withdrawn")


def read_reason(text: str) -> str:
    """Why an address is suppressed, as one of the store's reasons; anything else is "imported"."""
    word = text.strip().lower()
    return next((reason for reason, words in _REASONS.items() if word in words), "imported")


def read_email(text: str) -> str:
    """A lower-cased address. Raises UnreadableError where mail could never arrive."""
    address = text.strip().strip("<>").lower().removeprefix("mailto:")
    if len(address) <= 254 and _ADDRESS.match(address) and address.index("@") <= 64:
        return address
    try:
        return validate_email(address, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise UnreadableError("this is not an e-mail address") from error


def read_id(text: str) -> str:
    """An id, without the apostrophe by which exports keep spreadsheets from rounding long numbers."""
    found = text.strip().lstrip("'").strip()
    if not found:
        raise UnreadableError("the id is empty")
    if len(found) > 200:
        raise UnreadableError("the id is longer than 200 characters")
    if re.fullmatch(r"\d(?:[.,]\d+)?E\+\d+", found):
        raise UnreadableError("a spreadsheet rounded this id (1.23E+12); format the column as text and export again")
    return found


def read_attributes(text: str) -> str:
    """Attributes as one JSON object of plain values: {"tier": "gold", "points": 12}."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UnreadableError("this is no JSON object") from error
    if not isinstance(found, dict) or any(isinstance(value, dict | list) for value in found.values()):
        raise UnreadableError("attributes are one JSON object of plain values")
    return json.dumps(found, ensure_ascii=False, sort_keys=True)


def read_language(text: str) -> str:
    """A language as two letters: "fr-CA", "French" and "Français" are fr."""
    word = text.strip().lower()
    if re.fullmatch(r"[a-z]{2}([-_].*)?", word) and word[:2] in _languages().values():
        return word[:2]
    found = _languages().get(word.split("(")[0].strip()) or _LONG_LANGUAGES.get(word)
    if found is None:
        raise UnreadableError("this language is not known")
    return found


def read_country(text: str) -> str:
    """A country as two letters: "France", "fra" and "fr" are FR."""
    word = text.strip().lower()
    found = _countries().get(word) or _LONG_COUNTRIES.get(word)
    if found is None:
        raise UnreadableError("this country is not known")
    return found


def read_time_zone(text: str) -> str:
    """A time zone of the IANA list, also within the words of a CRM: "(GMT+01:00) … (Europe/Paris)"."""
    word = text.strip().lower().replace("_slash_", "/").replace(" ", "_")
    candidates = (word, *re.findall(r"[a-z_]+/[a-z_/+-]+", word))
    found = next((_zones()[candidate] for candidate in candidates if candidate in _zones()), None)
    if found is None:
        raise UnreadableError("this time zone is not in the IANA list")
    return found


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


@cache
def _countries() -> dict[str, str]:
    names: dict[str, str] = {}
    for locale in ("en", "fr", "de", "es", "it", "nl"):
        for code, name in Locale(locale).territories.items():
            if re.fullmatch(r"[A-Z]{2}", code) and code not in {"EU", "EZ", "UN", "ZZ", "XA", "XB", "QO"}:
                names[name.lower()] = code
                names[code.lower()] = code
    return names


@cache
def _languages() -> dict[str, str]:
    names: dict[str, str] = {}
    for locale in ("en", "fr", "de", "es", "it", "nl"):
        for code, name in Locale(locale).languages.items():
            if re.fullmatch(r"[a-z]{2}", code):
                names[name.lower()] = code
                names[code] = code
    return names
