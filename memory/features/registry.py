"""Every feature of a contact, defined once: name, unit, words in English and French, and ibis expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, Unpack

import ibis  # type: ignore[import-untyped]  # it ships no types

from memory.events import CLICK, SIGNALS, VISITS
from memory.features import lifecycle, rfm
from memory.features.feature import Column, Feature, Kind, Period, Source, Table


class _Rest(TypedDict, total=False):
    needs: tuple[str, ...]
    otherwise: int | None


def _feature(
    name: str,
    kind: Kind,
    unit: str,
    source: Source,
    build: Callable[[Table, Period], Column],
    en: tuple[str, str],
    fr: tuple[str, str],
    **rest: Unpack[_Rest],
) -> Feature:
    label, sentence = ({"en": en[part], "fr": fr[part]} for part in (0, 1))
    return Feature(name, kind, unit, label, sentence, source, build, **rest)


def _column(name: str) -> Callable[[Table, Period], Column]:
    return lambda table, _period: table[name]


def _known(name: str) -> Callable[[Table, Period], Column]:
    return lambda table, _period: table[name].nullif("")


def _days_since_last(table: Table, period: Period) -> Column:
    return period.days_since(table.at.max(where=table.bought))


def _count(days: int, kinds: tuple[str, ...] = ()) -> Callable[[Table, Period], Column]:
    def build(table: Table, period: Period) -> Column:
        recent = table.at >= period.ago(days)
        return table.count(where=recent & table.kind.isin(kinds) if kinds else recent)

    return build


def _last_human_signal(table: Table, period: Period) -> Column:
    return period.days_since(ibis.greatest(table.last_signal_at, table.last_order_at))


_CONTACT = (
    _feature(
        "language",
        "text",
        "",
        Source.CONTACTS,
        _known("language"),
        ("language", "Two-letter language of the contact."),
        ("langue", "Langue du contact, en deux lettres."),
    ),
    _feature(
        "time_zone",
        "text",
        "",
        Source.CONTACTS,
        _known("time_zone"),
        ("time zone", "Time zone of the contact."),
        ("fuseau horaire", "Fuseau horaire du contact."),
    ),
    _feature(
        "country",
        "text",
        "",
        Source.CONTACTS,
        _known("country"),
        ("country", "Country of the contact."),
        ("pays", "Pays du contact."),
    ),
    _feature(
        "consent_email",
        "text",
        "",
        Source.CONTACTS,
        _known("consent_email"),
        ("e-mail consent", "Consent to marketing e-mail when the snapshot was taken: granted or withdrawn."),
        ("consentement e-mail", "Consentement aux e-mails commerciaux lors de l'instantané : granted ou withdrawn."),
    ),
    _feature(
        "consent_proof",
        "flag",
        "",
        Source.CONTACTS,
        _column("consent_proof"),
        ("proof of e-mail consent", "Whether there is proof of the consent to marketing e-mail."),
        ("preuve du consentement e-mail", "S'il existe une preuve du consentement aux e-mails commerciaux."),
    ),
    _feature(
        "has_email",
        "flag",
        "",
        Source.CONTACTS,
        _column("has_email"),
        ("e-mail address on record", "Whether an e-mail address is on record."),
        ("adresse e-mail connue", "Si une adresse e-mail est connue."),
    ),
    _feature(
        "suppressed",
        "flag",
        "",
        Source.CONTACTS,
        _column("suppressed"),
        ("suppressed", "Whether the e-mail address was suppressed when the snapshot was taken."),
        ("bloqué", "Si l'adresse e-mail était bloquée lors de l'instantané."),
    ),
    _feature(
        "created_at",
        "moment",
        "moment",
        Source.CONTACTS,
        _column("created_at"),
        ("first known", "When the contact became known."),
        ("connu depuis", "Quand le contact a été connu."),
    ),
    _feature(
        "days_since_created",
        "number",
        "days",
        Source.CONTACTS,
        lambda table, period: ibis.greatest(period.days_since(table.created_at), 0),
        ("days since first known", "Whole days since the contact became known."),
        ("jours depuis le premier contact", "Jours entiers depuis que le contact est connu."),
    ),
)

_ORDERS = (
    _feature(
        "first_order_at",
        "moment",
        "moment",
        Source.ORDERS,
        lambda table, _: table.at.min(where=table.bought),
        ("first order", "When the first order was placed."),
        ("première commande", "Date de la première commande."),
    ),
    _feature(
        "last_order_at",
        "moment",
        "moment",
        Source.ORDERS,
        lambda table, _: table.at.max(where=table.bought),
        ("last order", "When the last order was placed."),
        ("dernière commande", "Date de la dernière commande."),
    ),
    _feature(
        "recency_days",
        "number",
        "days",
        Source.ORDERS,
        _days_since_last,
        ("days since the last order", "Whole days since the last order; missing before the first."),
        ("jours depuis la dernière commande", "Jours entiers depuis la dernière commande ; absent avant la première."),
    ),
    _feature(
        "orders_count",
        "number",
        "orders",
        Source.ORDERS,
        lambda table, _: table.bought.sum(),
        ("orders ever", "Number of orders so far."),
        ("commandes au total", "Nombre de commandes à ce jour."),
        otherwise=0,
    ),
    _feature(
        "orders_365d",
        "number",
        "orders",
        Source.ORDERS,
        lambda table, period: table.bought.sum(where=table.at >= period.ago(365)).fill_null(0),
        ("orders in 365 days", "Number of orders in the last 365 days."),
        ("commandes sur 365 jours", "Nombre de commandes sur les 365 derniers jours."),
        otherwise=0,
    ),
    _feature(
        "spend_cents",
        "number",
        "cents",
        Source.ORDERS,
        lambda table, _: table.total_cents.sum(),
        ("total spend", "Sum of all orders so far, net of discounts and returns."),
        ("dépense totale", "Somme des commandes à ce jour, nette des remises et des retours."),
        otherwise=0,
    ),
    _feature(
        "spend_365d_cents",
        "number",
        "cents",
        Source.ORDERS,
        lambda table, period: table.total_cents.sum(where=table.at >= period.ago(365)).fill_null(0),
        ("spend in 365 days", "Sum of the orders of the last 365 days, net of discounts and returns."),
        ("dépense sur 365 jours", "Somme des commandes des 365 derniers jours, nette des remises et des retours."),
        otherwise=0,
    ),
    _feature(
        "average_order_cents",
        "number",
        "cents",
        Source.ORDERS,
        lambda table, _: table.total_cents.sum() // table.bought.sum().nullif(0),
        ("average order", "Total spend divided by the number of orders, rounded down."),
        ("panier moyen", "Dépense totale divisée par le nombre de commandes, arrondie vers le bas."),
    ),
    _feature(
        "margin_365d_cents",
        "number",
        "cents",
        Source.COSTS,
        lambda table, _: (table.amount_cents - table.quantity * table.cost_cents).sum(where=table.cost_cents.notnull()),
        (
            "margin in 365 days",
            "Amount paid minus cost over 365 days, for the lines whose cost is known; missing if no cost is known.",
        ),
        (
            "marge sur 365 jours",
            "Montant payé moins coût sur 365 jours, pour les lignes dont le coût est connu ; absent sinon.",
        ),
    ),
    _feature(
        "cost_coverage",
        "number",
        "share",
        Source.COSTS,
        lambda table, _: (
            table.amount_cents.sum(where=table.cost_cents.notnull()).fill_null(0) / table.amount_cents.sum().nullif(0)
        ),
        ("share of spend with known cost", "Share of the 365 days' spend for which a cost is known, from 0 to 1."),
        ("part de dépense au coût connu", "Part de la dépense sur 365 jours dont le coût est connu, de 0 à 1."),
    ),
    _feature(
        "median_interval_days",
        "number",
        "days",
        Source.RHYTHM,
        _column("median_interval_days"),
        ("usual days between orders", "Median number of days between orders; missing with fewer than three."),
        ("jours habituels entre commandes", "Médiane des jours entre deux commandes ; absent à moins de trois."),
    ),
    _feature(
        "days_overdue",
        "number",
        "days",
        Source.FEATURES,
        lifecycle.days_overdue,
        (
            "days overdue by own rhythm",
            "Days since the last order minus the contact's usual interval; negative while none is due.",
        ),
        (
            "jours de retard sur son rythme",
            "Jours depuis la dernière commande moins l'intervalle habituel ; négatif tant que rien n'est attendu.",
        ),
        needs=("recency_days", "median_interval_days"),
    ),
    _feature(
        "recency_ratio",
        "number",
        "intervals",
        Source.FEATURES,
        lifecycle.recency_ratio,
        ("own intervals since the last order", "Days since the last order, counted in the contact's usual intervals."),
        (
            "intervalles depuis la dernière commande",
            "Jours depuis la dernière commande, comptés en intervalles habituels du contact.",
        ),
        needs=("recency_days", "median_interval_days"),
    ),
    _feature(
        "lifecycle_stage",
        "text",
        "",
        Source.FEATURES,
        lifecycle.stage,
        (
            "lifecycle stage",
            "Stage by the contact's own rhythm: prospect, new, active, slowing, lapsed or lost.",
        ),
        (
            "étape du cycle de vie",
            "Étape selon le rythme du contact : prospect, new, active, slowing, lapsed ou lost.",
        ),
        needs=("recency_days", "median_interval_days", "orders_count", "first_order_at"),
    ),
)

_RFM = (
    _feature(
        "rfm_recency",
        "number",
        "fifth",
        Source.FEATURES,
        rfm.recency_score,
        ("recency score", "Fifth of all buyers by how recently they bought; 5 is the most recent."),
        ("score de récence", "Cinquième des acheteurs selon la récence ; 5 est le plus récent."),
        needs=("recency_days", "orders_count"),
    ),
    _feature(
        "rfm_frequency",
        "number",
        "fifth",
        Source.FEATURES,
        rfm.frequency_score,
        ("frequency score", "Fifth of all buyers by number of orders; 5 is the highest."),
        ("score de fréquence", "Cinquième des acheteurs selon le nombre de commandes ; 5 est le plus élevé."),
        needs=("orders_count",),
    ),
    _feature(
        "rfm_monetary",
        "number",
        "fifth",
        Source.FEATURES,
        rfm.monetary_score,
        ("monetary score", "Fifth of all buyers by total spend; 5 is the highest."),
        ("score de montant", "Cinquième des acheteurs selon la dépense totale ; 5 est le plus élevé."),
        needs=("spend_cents", "orders_count"),
    ),
    _feature(
        "rfm_group",
        "text",
        "",
        Source.FEATURES,
        rfm.group,
        ("RFM group", "Named group by recency, frequency and monetary score; none before the first order."),
        ("groupe RFM", "Groupe selon récence, fréquence et montant ; none avant la première commande."),
        needs=("rfm_recency", "rfm_frequency", "rfm_monetary"),
    ),
)

_CATEGORIES = (
    _feature(
        "top_category",
        "text",
        "",
        Source.FAVOURITES,
        _column("top_category"),
        ("favourite category", "Category bought on most days in the last 365; then by spend, then by name."),
        ("catégorie préférée", "Catégorie achetée le plus de jours sur 365 ; puis selon la dépense, puis le nom."),
    ),
    _feature(
        "last_category",
        "text",
        "",
        Source.FAVOURITES,
        _column("last_category"),
        ("last category", "Category of the largest line of the last purchase."),
        ("dernière catégorie", "Catégorie de la plus grosse ligne du dernier achat."),
    ),
    _feature(
        "last_product_id",
        "text",
        "",
        Source.FAVOURITES,
        _column("last_product_id"),
        ("last product", "Product of the largest line of the last purchase."),
        ("dernier produit", "Produit de la plus grosse ligne du dernier achat."),
    ),
    _feature(
        "replenish_category",
        "text",
        "",
        Source.REPLENISHMENT,
        _column("replenish_category"),
        (
            "category due for replenishment",
            "Category bought at least three times whose next purchase by the contact's rhythm is nearest to today.",
        ),
        (
            "catégorie à réapprovisionner",
            "Catégorie achetée au moins trois fois dont le prochain achat attendu est le plus proche.",
        ),
    ),
    _feature(
        "replenish_product_id",
        "text",
        "",
        Source.REPLENISHMENT,
        _column("replenish_product_id"),
        ("product due for replenishment", "Product that the contact buys most often in that category."),
        ("produit à réapprovisionner", "Produit que le contact achète le plus souvent dans cette catégorie."),
    ),
    _feature(
        "replenish_interval_days",
        "number",
        "days",
        Source.REPLENISHMENT,
        _column("replenish_interval_days"),
        ("days between replenishments", "Median number of days between purchases in that category."),
        ("jours entre réapprovisionnements", "Médiane des jours entre deux achats dans cette catégorie."),
    ),
    _feature(
        "replenish_due_in_days",
        "number",
        "days",
        Source.REPLENISHMENT,
        _column("replenish_due_in_days"),
        ("days until replenishment is due", "Days until the next purchase in that category is due; negative if late."),
        ("jours avant réapprovisionnement", "Jours avant le prochain achat attendu ; négatif s'il est en retard."),
    ),
    _feature(
        "next_category",
        "text",
        "",
        Source.NEXT,
        _column("next_category"),
        (
            "category likely next",
            "Category that buyers of the contact's recent categories most often discover next and the contact lacks.",
        ),
        (
            "prochaine catégorie probable",
            "Catégorie que découvrent ensuite le plus souvent les acheteurs des mêmes catégories, et qui lui manque.",
        ),
    ),
)

_ENGAGEMENT = (
    _feature(
        "favourite_hour",
        "number",
        "hour",
        Source.HOURS,
        _column("favourite_hour"),
        (
            "favourite hour",
            "Hour of the contact's own day with most orders, clicks and visits, drawn towards everybody's habits.",
        ),
        (
            "heure préférée",
            "Heure locale la plus active (commandes, clics, visites), ramenée vers les habitudes de tous.",
        ),
    ),
    _feature(
        "last_signal_at",
        "moment",
        "moment",
        Source.EVENTS,
        lambda table, _: table.at.max(where=table.kind.isin(SIGNALS)),
        ("last click, visit or reply", "When the contact last clicked, visited or replied."),
        ("dernier clic, visite ou réponse", "Quand le contact a cliqué, visité ou répondu pour la dernière fois."),
    ),
    _feature(
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
    _feature(
        "clicks_90d",
        "number",
        "clicks",
        Source.EVENTS,
        _count(90, (CLICK,)),
        ("clicks in 90 days", "Clicks by a person in the last 90 days."),
        ("clics sur 90 jours", "Clics humains sur les 90 derniers jours."),
        otherwise=0,
    ),
    _feature(
        "visits_90d",
        "number",
        "visits",
        Source.EVENTS,
        _count(90, VISITS),
        ("visits in 90 days", "Visits, views, searches and carts by a person in the last 90 days."),
        ("visites sur 90 jours", "Visites, vues, recherches et paniers humains sur les 90 derniers jours."),
        otherwise=0,
    ),
    _feature(
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

REGISTRY: dict[str, Feature] = {
    feature.name: feature for feature in (*_CONTACT, *_ORDERS, *_RFM, *_CATEGORIES, *_ENGAGEMENT)
}
