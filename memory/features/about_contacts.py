"""Features of the contact themselves: language, place, consent."""

from __future__ import annotations

from collections.abc import Callable

import ibis  # type: ignore[import-untyped]  # it ships no types

from memory.features.feature import Column, Feature, Period, Source, Table, column, define


def _known(name: str) -> Callable[[Table, Period], Column]:
    return lambda table, _period: table[name].nullif("")


CONTACT: tuple[Feature, ...] = (
    define(
        "language",
        "text",
        "",
        Source.CONTACTS,
        _known("language"),
        ("language", "Two-letter language of the contact."),
        ("langue", "Langue du contact, en deux lettres."),
    ),
    define(
        "time_zone",
        "text",
        "",
        Source.CONTACTS,
        _known("time_zone"),
        ("time zone", "Time zone of the contact."),
        ("fuseau horaire", "Fuseau horaire du contact."),
    ),
    define(
        "country",
        "text",
        "",
        Source.CONTACTS,
        _known("country"),
        ("country", "Country of the contact."),
        ("pays", "Pays du contact."),
    ),
    define(
        "consent_email",
        "text",
        "",
        Source.CONTACTS,
        _known("consent_email"),
        ("e-mail consent", "Consent to marketing e-mail when the snapshot was taken: granted or withdrawn."),
        ("consentement e-mail", "Consentement aux e-mails commerciaux lors de l'instantané : granted ou withdrawn."),
    ),
    define(
        "consent_proof",
        "flag",
        "",
        Source.CONTACTS,
        column("consent_proof"),
        ("proof of e-mail consent", "Whether there is proof of the consent to marketing e-mail."),
        ("preuve du consentement e-mail", "S'il existe une preuve du consentement aux e-mails commerciaux."),
    ),
    define(
        "has_email",
        "flag",
        "",
        Source.CONTACTS,
        column("has_email"),
        ("e-mail address on record", "Whether an e-mail address is on record."),
        ("adresse e-mail connue", "Si une adresse e-mail est connue."),
    ),
    define(
        "suppressed",
        "flag",
        "",
        Source.CONTACTS,
        column("suppressed"),
        ("suppressed", "Whether the e-mail address was suppressed when the snapshot was taken."),
        ("bloqué", "Si l'adresse e-mail était bloquée lors de l'instantané."),
    ),
    define(
        "preferred_category",
        "text",
        "",
        Source.CONTACTS,
        _known("preferred_category"),
        ("preferred category by own word", "What the contact answered to the brand's question preferred_category."),
        ("catégorie préférée déclarée", "La réponse du contact à la question preferred_category de la marque."),
    ),
    define(
        "created_at",
        "moment",
        "moment",
        Source.CONTACTS,
        column("created_at"),
        ("first known", "When the contact became known."),
        ("connu depuis", "Quand le contact a été connu."),
    ),
    define(
        "days_since_created",
        "number",
        "days",
        Source.CONTACTS,
        lambda table, period: ibis.greatest(period.days_since(table.created_at), 0),
        ("days since first known", "Whole days since the contact became known."),
        ("jours depuis le premier contact", "Jours entiers depuis que le contact est connu."),
    ),
)
