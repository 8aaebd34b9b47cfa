"""Hypothesis strategies for expressions and for small worlds to judge by them, with gaps and events on boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from memory.features.feature import FeatureValue
from memory.segments.evaluate import EventFact
from memory.segments.grammar import All, AnyOf, Between, Compare, Events, Expression, Missing, Not, OneOf

AS_OF = datetime(2025, 3, 3, 9, tzinfo=UTC)
NUMBERS = ("recency_days", "spend_cents", "median_interval_days")
TEXTS = ("language", "rfm_group")
FLAGS = ("has_email", "suppressed")
MOMENTS = ("last_order_at",)
KINDS = ("click", "visit", "order")
CATEGORIES = ("tea", "coffee")

numbers = st.sampled_from([-1, 0, 1, 2, 3, 2.5, 30, 31])
texts = st.sampled_from(["en", "fr", "champions", "l'été; DROP", "Ünïcode"])
moments = st.sampled_from([AS_OF - timedelta(days=days, microseconds=odd) for days in (0, 1, 30) for odd in (0, 1)])
comparisons = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
equalities = st.sampled_from(["==", "!="])
orderings = st.sampled_from(["<", "<=", ">", ">="])
windows = st.sampled_from([1, 7, 30])


def _between(field: str, ends: st.SearchStrategy[Any]) -> st.SearchStrategy[Expression]:
    return st.tuples(ends, ends).map(lambda two: Between(field=field, low=min(two), high=max(two)))


_leaves: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Compare, field=st.sampled_from(NUMBERS), operator=comparisons, value=numbers),
    st.builds(Compare, field=st.sampled_from(TEXTS), operator=equalities, value=texts),
    st.builds(Compare, field=st.sampled_from(FLAGS), operator=equalities, value=st.booleans()),
    st.builds(Compare, field=st.sampled_from(MOMENTS), operator=orderings, value=moments),
    st.sampled_from(NUMBERS).flatmap(lambda field: _between(field, numbers)),
    _between("last_order_at", moments),
    st.builds(OneOf, field=st.sampled_from(TEXTS), values=st.lists(texts, min_size=1, max_size=3).map(tuple)),
    st.builds(Missing, field=st.sampled_from((*NUMBERS, *TEXTS, *FLAGS, *MOMENTS))),
    st.builds(
        Events,
        event=st.sampled_from(KINDS),
        window_days=windows,
        category=st.sampled_from(["", *CATEGORIES]),
        operator=comparisons,
        value=st.integers(0, 3),
    ),
)


def _grow(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(
        st.builds(All, of=st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, of=st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, of=inner),
    )


expressions: st.SearchStrategy[Expression] = st.recursive(_leaves, _grow, max_leaves=6)


@dataclass(frozen=True)
class World:
    """Facts and events of a few contacts."""

    facts: dict[int, dict[str, FeatureValue]]
    events: dict[int, list[EventFact]]


_facts = st.fixed_dictionaries(
    {
        **{name: st.none() | numbers for name in NUMBERS},
        **{name: st.none() | texts for name in TEXTS},
        **{name: st.none() | st.booleans() for name in FLAGS},
        **{name: st.none() | moments for name in MOMENTS},
    }
)
# Exactly at the edges of the windows, and one microsecond to either side.
_edges = st.builds(
    lambda days, odd: AS_OF - timedelta(days=days) + timedelta(microseconds=odd),
    st.sampled_from([0, 1, 7, 30]),
    st.sampled_from([-1, 0, 1]),
)
_events = st.tuples(
    st.sampled_from(KINDS), _edges, st.lists(st.sampled_from(CATEGORIES), max_size=2, unique=True), st.booleans()
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """One to four contacts with gaps in what is known, and events round the edges of the windows."""
    facts = draw(st.lists(_facts, min_size=1, max_size=4))
    known: dict[int, dict[str, FeatureValue]] = dict(enumerate(facts, start=1))
    events: dict[int, list[EventFact]] = {contact_id: [] for contact_id in known}
    for number, (kind, at, categories, human) in enumerate(draw(st.lists(_events, max_size=6))):
        contact_id = draw(st.sampled_from(sorted(known)))
        if kind == "order":
            # An order has one fact for itself and one for each category; only people place orders.
            found = [EventFact(f"order-{number}", kind, at, name) for name in ("", *categories)]
        else:
            found = [EventFact(f"event-{number}", kind, at, next(iter(categories), ""), human)]
        events[contact_id] += found
    return World(known, events)
