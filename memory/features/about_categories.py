"""Features of the categories a contact buys: favourites, replenishment, what comes next."""

from __future__ import annotations

from memory.features.feature import Feature, Source, column, define

CATEGORIES: tuple[Feature, ...] = (
    define(
        "top_category",
        "text",
        "",
        Source.FAVOURITES,
        column("top_category"),
        ("favourite category", "Category bought on most days in the last 365; then by spend, then by name."),
        ("catégorie préférée", "Catégorie achetée le plus de jours sur 365 ; puis selon la dépense, puis le nom."),
    ),
    define(
        "last_category",
        "text",
        "",
        Source.FAVOURITES,
        column("last_category"),
        ("last category", "Category of the largest line of the last purchase."),
        ("dernière catégorie", "Catégorie de la plus grosse ligne du dernier achat."),
    ),
    define(
        "last_product_id",
        "text",
        "",
        Source.FAVOURITES,
        column("last_product_id"),
        ("last product", "Product of the largest line of the last purchase."),
        ("dernier produit", "Produit de la plus grosse ligne du dernier achat."),
    ),
    define(
        "replenish_category",
        "text",
        "",
        Source.REPLENISHMENT,
        column("replenish_category"),
        (
            "category due for replenishment",
            "Category bought at least three times whose next purchase by the contact's rhythm is nearest to today.",
        ),
        (
            "catégorie à réapprovisionner",
            "Catégorie achetée au moins trois fois dont le prochain achat attendu est le plus proche.",
        ),
    ),
    define(
        "replenish_product_id",
        "text",
        "",
        Source.REPLENISHMENT,
        column("replenish_product_id"),
        ("product due for replenishment", "Product that the contact buys most often in that category."),
        ("produit à réapprovisionner", "Produit que le contact achète le plus souvent dans cette catégorie."),
    ),
    define(
        "replenish_interval_days",
        "number",
        "days",
        Source.REPLENISHMENT,
        column("replenish_interval_days"),
        ("days between replenishments", "Median number of days between purchases in that category."),
        ("jours entre réapprovisionnements", "Médiane des jours entre deux achats dans cette catégorie."),
    ),
    define(
        "replenish_due_in_days",
        "number",
        "days",
        Source.REPLENISHMENT,
        column("replenish_due_in_days"),
        ("days until replenishment is due", "Days until the next purchase in that category is due; negative if late."),
        ("jours avant réapprovisionnement", "Jours avant le prochain achat attendu ; négatif s'il est en retard."),
    ),
    define(
        "next_category",
        "text",
        "",
        Source.NEXT,
        column("next_category"),
        (
            "category likely next",
            "Category that buyers of the contact's recent categories most often discover next and the contact lacks.",
        ),
        (
            "prochaine catégorie probable",
            "Catégorie que découvrent ensuite le plus souvent les acheteurs des mêmes catégories, et qui lui manque.",
        ),
    ),
    define(
        "second_next_category",
        "text",
        "",
        Source.NEXT,
        column("second_next_category"),
        ("second category likely next", "The category that comes second by the same measure."),
        ("deuxième catégorie probable", "Catégorie qui vient en deuxième selon la même mesure."),
    ),
    define(
        "third_next_category",
        "text",
        "",
        Source.NEXT,
        column("third_next_category"),
        ("third category likely next", "The category that comes third by the same measure."),
        ("troisième catégorie probable", "Catégorie qui vient en troisième selon la même mesure."),
    ),
)
