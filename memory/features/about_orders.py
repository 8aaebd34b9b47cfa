"""Features of what a contact bought when: recency, frequency, spend, margin, rhythm, RFM."""

from __future__ import annotations

from memory.features import lifecycle, rfm
from memory.features.feature import Column, Feature, Period, Source, Table, column, define


def _days_since_last(table: Table, period: Period) -> Column:
    return period.days_since(table.at.max(where=table.bought))


ORDERS: tuple[Feature, ...] = (
    define(
        "first_order_at",
        "moment",
        "moment",
        Source.ORDERS,
        lambda table, _: table.at.min(where=table.bought),
        ("first order", "When the first order was placed."),
        ("première commande", "Date de la première commande."),
    ),
    define(
        "last_order_at",
        "moment",
        "moment",
        Source.ORDERS,
        lambda table, _: table.at.max(where=table.bought),
        ("last order", "When the last order was placed."),
        ("dernière commande", "Date de la dernière commande."),
    ),
    define(
        "recency_days",
        "number",
        "days",
        Source.ORDERS,
        _days_since_last,
        ("days since the last order", "Whole days since the last order; missing before the first."),
        ("jours depuis la dernière commande", "Jours entiers depuis la dernière commande ; absent avant la première."),
    ),
    define(
        "orders_count",
        "number",
        "orders",
        Source.ORDERS,
        lambda table, _: table.bought.sum(),
        ("orders ever", "Number of orders so far."),
        ("commandes au total", "Nombre de commandes à ce jour."),
        otherwise=0,
    ),
    define(
        "orders_365d",
        "number",
        "orders",
        Source.ORDERS,
        lambda table, period: table.bought.sum(where=table.at >= period.ago(365)).fill_null(0),
        ("orders in 365 days", "Number of orders in the last 365 days."),
        ("commandes sur 365 jours", "Nombre de commandes sur les 365 derniers jours."),
        otherwise=0,
    ),
    define(
        "spend_cents",
        "number",
        "cents",
        Source.ORDERS,
        lambda table, _: table.total_cents.sum(),
        ("total spend", "Sum of all orders so far, net of discounts and returns."),
        ("dépense totale", "Somme des commandes à ce jour, nette des remises et des retours."),
        otherwise=0,
    ),
    define(
        "spend_365d_cents",
        "number",
        "cents",
        Source.ORDERS,
        lambda table, period: table.total_cents.sum(where=table.at >= period.ago(365)).fill_null(0),
        ("spend in 365 days", "Sum of the orders of the last 365 days, net of discounts and returns."),
        ("dépense sur 365 jours", "Somme des commandes des 365 derniers jours, nette des remises et des retours."),
        otherwise=0,
    ),
    define(
        "average_order_cents",
        "number",
        "cents",
        Source.ORDERS,
        lambda table, _: table.total_cents.sum() // table.bought.sum().nullif(0),
        ("average order", "Total spend divided by the number of orders, rounded down."),
        ("panier moyen", "Dépense totale divisée par le nombre de commandes, arrondie vers le bas."),
    ),
    define(
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
    define(
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
    define(
        "median_interval_days",
        "number",
        "days",
        Source.RHYTHM,
        column("median_interval_days"),
        ("usual days between orders", "Median number of days between orders; missing with fewer than three."),
        ("jours habituels entre commandes", "Médiane des jours entre deux commandes ; absent à moins de trois."),
    ),
    define(
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
    define(
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
    define(
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

RFM: tuple[Feature, ...] = (
    define(
        "rfm_recency",
        "number",
        "fifth",
        Source.FEATURES,
        rfm.recency_score,
        ("recency score", "Fifth of all buyers by how recently they bought; 5 is the most recent."),
        ("score de récence", "Cinquième des acheteurs selon la récence ; 5 est le plus récent."),
        needs=("recency_days", "orders_count"),
    ),
    define(
        "rfm_frequency",
        "number",
        "fifth",
        Source.FEATURES,
        rfm.frequency_score,
        ("frequency score", "Fifth of all buyers by number of orders; 5 is the highest."),
        ("score de fréquence", "Cinquième des acheteurs selon le nombre de commandes ; 5 est le plus élevé."),
        needs=("orders_count",),
    ),
    define(
        "rfm_monetary",
        "number",
        "fifth",
        Source.FEATURES,
        rfm.monetary_score,
        ("monetary score", "Fifth of all buyers by total spend; 5 is the highest."),
        ("score de montant", "Cinquième des acheteurs selon la dépense totale ; 5 est le plus élevé."),
        needs=("spend_cents", "orders_count"),
    ),
    define(
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
