"""Features of what a contact does besides buying, and of what was sent: never from opens."""

from __future__ import annotations

from collections.abc import Callable

import ibis  # type: ignore[import-untyped]  # it ships no types

from memory.events import CLICK, SIGNALS, VISITS
from memory.features.feature import Column, Feature, Period, Source, Table, column, define


def _count(days: int, kinds: tuple[str, ...] = ()) -> Callable[[Table, Period], Column]:
    def build(table: Table, period: Period) -> Column:
        recent = table.at >= period.ago(days)
        return table.count(where=recent & table.kind.isin(kinds) if kinds else recent)

    return build


def _last_human_signal(table: Table, period: Period) -> Column:
    return period.days_since(ibis.greatest(table.last_signal_at, table.last_order_at))


ENGAGEMENT: tuple[Feature, ...] = (
    define(
        "favourite_hour",
        "number",
        "hour",
        Source.HOURS,
        column("favourite_hour"),
        (
            "favourite hour",
            "Hour of the contact's own day with most orders, clicks and visits, drawn towards everybody's habits.",
        ),
        (
            "heure préférée",
            "Heure locale la plus active (commandes, clics, visites), ramenée vers les habitudes de tous.",
        ),
    ),
    define(
        "favourite_weekday",
        "number",
        "",
        Source.WEEKDAYS,
        column("favourite_weekday"),
        (
            "favourite weekday",
            "Weekday (0 is Monday) of most orders, clicks and visits, drawn towards everybody's habits.",
        ),
        (
            "jour préféré de la semaine",
            "Jour de la semaine (0 : lundi) le plus actif, ramené vers les habitudes de tous.",
        ),
    ),
    define(
        "viewed_product_id",
        "text",
        "",
        Source.VIEWED,
        column("viewed_product_id"),
        (
            "product looked at last",
            "Product that the contact looked at or put in the cart last, within 30 days, and has not bought since.",
        ),
        (
            "dernier produit consulté",
            "Dernier produit consulté ou mis au panier, sur 30 jours, et pas acheté depuis.",
        ),
    ),
    define(
        "last_signal_at",
        "moment",
        "moment",
        Source.EVENTS,
        lambda table, _: table.at.max(where=table.kind.isin(SIGNALS)),
        ("last click, visit or reply", "When the contact last clicked, visited or replied."),
        ("dernier clic, visite ou réponse", "Quand le contact a cliqué, visité ou répondu pour la dernière fois."),
    ),
    define(
        "last_human_signal_days",
        "number",
        "days",
        Source.FEATURES,
        _last_human_signal,
        (
            "days since the last sign of life",
            "Days since the last click, visit, reply or order by a person; missing means unknown, never inactive.",
        ),
        (
            "jours depuis le dernier signe de vie",
            "Jours depuis le dernier clic, visite, réponse ou commande humaine ; absent signifie inconnu.",
        ),
        needs=("last_signal_at", "last_order_at"),
    ),
    define(
        "clicks_90d",
        "number",
        "clicks",
        Source.EVENTS,
        _count(90, (CLICK,)),
        ("clicks in 90 days", "Clicks by a person in the last 90 days."),
        ("clics sur 90 jours", "Clics humains sur les 90 derniers jours."),
        otherwise=0,
    ),
    define(
        "visits_90d",
        "number",
        "visits",
        Source.EVENTS,
        _count(90, VISITS),
        ("visits in 90 days", "Visits, views, searches and carts by a person in the last 90 days."),
        ("visites sur 90 jours", "Visites, vues, recherches et paniers humains sur les 90 derniers jours."),
        otherwise=0,
    ),
    define(
        "sends_since_signal",
        "number",
        "messages",
        Source.UNANSWERED,
        column("sends_since_signal"),
        (
            "messages since the last sign of life",
            "Delivered messages since the last click, visit, reply or order by a person; 0 where no sign is on record.",
        ),
        (
            "messages depuis le dernier signe de vie",
            "Messages remis depuis le dernier clic, visite, réponse ou commande humaine ; 0 sans signe connu.",
        ),
        otherwise=0,
    ),
    define(
        "sends_30d",
        "number",
        "messages",
        Source.SENDS,
        _count(30),
        ("messages in 30 days", "Messages sent to the contact in the last 30 days, over all campaigns and tools."),
        ("messages sur 30 jours", "Messages envoyés sur les 30 derniers jours, toutes campagnes confondues."),
        otherwise=0,
    ),
)
