"""What contacts buy by category: favourites, what is due for replenishment, and what they are likely to discover next.

Days are UTC days; returns and lines without a category are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis  # type: ignore[import-untyped]  # it ships no types

from memory.features.feature import DAY_MICROS, Column, Table
from memory.features.history import History

MINIMUM_PURCHASES = 3
SHORTEST_REPLENISHMENT_DAYS = 7
"""What is bought more often needs no reminder."""
ABANDONED_AFTER_INTERVALS = 2
"""After so many intervals without a purchase the habit is over, and nothing is due."""

SEQUENCE_LENGTH = 30
"""Of each contact, the categories discovered last; bounds the work for contacts who buy everything."""
SAMPLE = 50_000
"""Contacts from whom pairs are learned, at most."""
MINIMUM_SUPPORT = 5
"""Contacts who must have discovered the second category after the first."""
MINIMUM_LIFT = 1.1
FOLLOWERS = 20
"""Of each category, those that are kept."""
NEXT = ("next_category", "second_next_category", "third_next_category")
"""The features that name what is likely next, likeliest first."""
VIEWED_DAYS = 30
"""What was looked at longer ago is forgotten."""
RECENT_CATEGORIES = 5
"""Of each contact, those whose followers are looked at."""


def category_days(history: History) -> Table:
    """(contact, category, day) with what was spent, written out once for everything below."""
    lines = history.lines
    bought = lines.filter((lines.quantity > 0) & (lines.category != ""))
    days = bought.group_by("contact_id", "category", day=(bought.at // DAY_MICROS).cast("int64")).aggregate(
        spend=bought.amount_cents.sum().cast("int64")
    )
    return history.write_out("category_days", days)


def favourites(history: History, days: Table) -> Table:
    """Favourite category of a year, and category and product of the last purchase."""
    recent = days.filter(days.day >= history.period.ago(365) // DAY_MICROS)
    totals = recent.group_by("contact_id", "category").aggregate(days=recent.count(), spend=recent.spend.sum())
    top = first(totals, [totals.days.desc(), totals.spend.desc(), totals.category])
    lines = history.lines.filter((history.lines.quantity > 0) & (history.lines.category != ""))
    latest = lines.group_by("contact_id").aggregate(at=lines.at.max())
    last = lines.semi_join(latest, ["contact_id", "at"])
    last = first(last, [last.amount_cents.desc(), last.product_id, last.category])
    return last.left_join(top, "contact_id").select(
        contact_id=last.contact_id,
        top_category=top.category,
        last_category=last.category,
        last_product_id=last.product_id.nullif(""),
    )


def replenishment(history: History, days: Table) -> Table:
    """The category whose next purchase, by the contact's own median interval, is due nearest to now."""
    today = history.period.as_of // DAY_MICROS
    previous = days.day.lag().over(ibis.window(group_by=[days.contact_id, days.category], order_by=days.day))
    steps = days.mutate(interval=days.day - previous)
    habits = steps.group_by("contact_id", "category").aggregate(
        purchases=steps.count(), interval=steps.interval.median(), last=steps.day.max()
    )
    habits = habits.mutate(interval=habits.interval.floor().cast("int64"))
    since = today - habits.last
    alive = habits.filter(
        (habits.purchases >= MINIMUM_PURCHASES)
        & (habits.interval >= SHORTEST_REPLENISHMENT_DAYS)
        & (since <= ABANDONED_AFTER_INTERVALS * habits.interval)
    )
    alive = alive.mutate(due=alive.last + alive.interval - today)
    chosen = first(alive, [alive.due.abs(), alive.purchases.desc(), alive.category])
    lines = history.lines.filter(history.lines.quantity > 0)
    products = lines.semi_join(chosen, ["contact_id", "category"])
    products = products.group_by("contact_id", "product_id").aggregate(
        orders=products.order_id.nunique(), last_at=products.at.max()
    )
    product = first(products, [products.orders.desc(), products.last_at.desc(), products.product_id])
    return chosen.left_join(product, "contact_id").select(
        contact_id=chosen.contact_id,
        replenish_category=chosen.category,
        replenish_product_id=product.product_id.nullif(""),
        replenish_interval_days=chosen.interval,
        replenish_due_in_days=chosen.due,
    )


def next_category(history: History, days: Table) -> Table:
    """Per contact the categories they lack that contacts with the same recent categories most often discover next.

    For categories a and b: confidence = contacts who first bought b after they first bought a, divided by contacts who
    bought a; usual = the same, over all a together. Pairs need MINIMUM_SUPPORT contacts and a lift (confidence divided
    by usual) of MINIMUM_LIFT. Among the followers of a contact's RECENT_CATEGORIES the largest excess (confidence minus
    usual) wins, then the support, then the name: what everybody buys sooner or later, or in season, is no excess.
    The first three are named.
    """
    owned = days.group_by("contact_id", "category").aggregate(first=days.day.min(), last=days.day.max())
    owned = history.write_out("owned_categories", owned)
    recent = ranked(owned, [owned.last.desc(), owned.category], RECENT_CATEGORIES)
    pairs = _pairs(history, owned)
    reached = recent.inner_join(pairs, recent.category == pairs.before).select(
        recent.contact_id, category=pairs.after, excess=pairs.excess, support=pairs.support
    )
    lacking = reached.anti_join(owned, ["contact_id", "category"])
    # One category may follow several of those that the contact has.
    order = [lacking.excess.desc(), lacking.support.desc()]
    turn = ibis.row_number().over(ibis.window(group_by=[lacking.contact_id, lacking.category], order_by=order))
    once = lacking.mutate(turn=turn)
    once = once.filter(once.turn == 0)
    order = [once.excess.desc(), once.support.desc(), once.category]
    place = ibis.row_number().over(ibis.window(group_by=once.contact_id, order_by=order))
    placed = once.mutate(place=place)
    return placed.group_by("contact_id").aggregate(
        **{name: placed.category.max(where=placed.place == number) for number, name in enumerate(NEXT)}
    )


def _pairs(history: History, owned: Table) -> Table:
    buyers = owned.aggregate(stride=((owned.contact_id.nunique() - 1) // SAMPLE + 1).cast("int64"))
    sample = owned.cross_join(buyers).filter(ibis._.contact_id % ibis._.stride == 0)
    found = ranked(sample, [sample["first"].desc(), sample.category], SEQUENCE_LENGTH)
    found = history.write_out("discovered_categories", found.select("contact_id", "category", "first"))
    later = found.view()
    both = found.inner_join(later, [found.contact_id == later.contact_id, found["first"] < later["first"]]).select(
        before=found.category, after=later.category
    )
    support = both.group_by("before", "after").aggregate(support=both.count())
    holders = found.group_by("category").aggregate(holders=found.count())
    usual = support.group_by("after").aggregate(followed=support.support.sum())
    every = holders.holders.sum().as_scalar()
    pairs = (
        support.inner_join(holders, support.before == holders.category)
        .inner_join(usual, support.after == usual.after)
        .select(support.before, support.after, support.support, holders.holders, usual.followed)
    )
    pairs = pairs.mutate(confidence=pairs.support / pairs.holders, usual=pairs.followed / every)
    lifted = pairs.filter((pairs.support >= MINIMUM_SUPPORT) & (pairs.confidence >= MINIMUM_LIFT * pairs.usual))
    lifted = lifted.mutate(excess=lifted.confidence - lifted.usual)
    order = [lifted.excess.desc(), lifted.support.desc(), lifted.after]
    place = ibis.row_number().over(ibis.window(group_by=lifted.before, order_by=order))
    kept = lifted.mutate(place=place)
    return kept.filter(kept.place < FOLLOWERS).select("before", "after", "support", "excess")


def viewed(history: History) -> Table:
    """The product looked at or put in the cart last, unless it was bought since."""
    events = history.events.filter(history.events.kind.isin(("view", "cart")) & (history.events.product_id != ""))
    looks = events.filter(events.at >= history.period.ago(VIEWED_DAYS)).select("contact_id", "product_id", "at")
    bought = history.lines.filter(history.lines.quantity > 0)
    open_ = looks.anti_join(
        bought,
        [looks.contact_id == bought.contact_id, looks.product_id == bought.product_id, looks.at <= bought.at],
    )
    last = first(open_, [open_.at.desc(), open_.product_id])
    return last.select("contact_id", viewed_product_id=last.product_id)


def first(table: Table, order: Sequence[Column]) -> Table:
    """The first row of each contact in an order that leaves no ties."""
    return ranked(table, order, 1)


def ranked(table: Table, order: Sequence[Column], most: int) -> Table:
    """The first rows of each contact in an order that leaves no ties."""
    place = ibis.row_number().over(ibis.window(group_by=table.contact_id, order_by=list(order)))
    numbered = table.mutate(place_=place)
    return numbered.filter(numbered.place_ < most).drop("place_")
