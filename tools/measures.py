"""The look-ups themselves: sizes, rates, values, lessons, limits and offers, without a single name or address."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from memory import lessons, offers, replies
from memory.errors import InvalidInputError
from memory.features.registry import REGISTRY
from memory.features.table import Features
from memory.lake import Lake
from memory.play import Play
from memory.schema import campaigns, consent_current, contacts, from_micros, readouts, to_micros
from memory.segments.grammar import fields, parse
from memory.store import Store
from memory.trigger import DateTrigger, EventTrigger
from policies.pack import Pack
from tools.anniversaries import due_today
from tools.audience import features_for, preview
from tools.callers import expected_callers, past_calls
from tools.feature_cache import FeatureCache
from tools.lookups import Answerer, JsonObject, Offered

VALUE_FEATURES = ("orders_365d", "spend_365d_cents", "margin_365d_cents", "cost_coverage")
OBJECTIONS = timedelta(days=90)
"""So far back an objection bears on the next plan (house setting)."""
_KNOWN_COST_SHARE = 0.5
_MOST_VALUES = 12
# A value that fewer contacts share could point at a person.
_FEWEST_CONTACTS = 5
# Written in SQL: putting so small a question together as an expression costs many times the answer.
_RECORD = 'SELECT count(*) AS orders, min("at") AS first, max("at") AS last FROM orders'
_ORDERED = """
    SELECT contact_id, "at" FROM orders
    WHERE contact_id IS NOT NULL AND "at" >= $since AND "at" < $until AND total_cents > 0
"""
_SOLD = """
    SELECT contact_id, "at" FROM lines
    WHERE contact_id IS NOT NULL AND "at" >= $since AND "at" < $until AND category = $category AND amount_cents > 0
"""
_KNOWN = 'SELECT DISTINCT contact_id FROM orders WHERE contact_id IS NOT NULL AND "at" < $before'


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(_Arguments):
    """No arguments."""


class OfPlaybook(_Arguments):
    """Which playbook."""

    playbook: str = Field(max_length=64, description="id of a playbook")


class OfGoal(OfPlaybook):
    """Whose goal, within how many days."""

    window_days: int | None = Field(
        default=None, ge=1, le=365, description="days to reach the goal in; the playbook's own where none are given"
    )


class OfFeature(OfPlaybook):
    """Which feature, among the contacts of which playbook's segment."""

    feature: str = Field(max_length=64, description="name of a feature, for example recency_days")


class OfAudience(OfPlaybook):
    """Whose audience, with which share held out."""

    holdout_share: float = Field(default=0.1, ge=0, le=0.5)


@dataclass(kw_only=True)
class Measures:
    """Answers look-ups about some plays from the record as it stands at one moment. Belongs to one thread."""

    store: Store
    lake: Lake
    pack: Pack
    plays: Mapping[str, Play]
    """Playbook id → the play as it would stand if nothing were tailored."""
    now: datetime
    currency: str
    programme_share: float = 0.0
    cache: FeatureCache = field(default_factory=FeatureCache)

    def offered(self) -> dict[str, tuple[Offered, Answerer]]:
        """Every look-up by name, with its sentence, its arguments and what answers it."""
        rows: tuple[tuple[str, str, type[BaseModel], Callable[[Any], JsonObject]], ...] = (
            ("history", "How far back the record of orders goes.", Nothing, self._history),
            ("segment", "How many contacts are in a playbook's segment.", OfPlaybook, self._segment),
            ("audience", "Who of them could be written to, as a subtraction.", OfAudience, self._audience),
            (
                "base_rate",
                "Which share of them would reach the goal without any campaign.",
                OfGoal,
                self._base_rate,
            ),
            ("order_value", "What an order of theirs is worth, in minor units.", OfPlaybook, self._order_value),
            ("feature", "How a feature is distributed among them.", OfFeature, self._feature),
            ("lessons", "What earlier campaigns of a playbook taught.", OfPlaybook, self._lessons),
            ("past_campaigns", "Which campaigns of a playbook ran, and how they came out.", OfPlaybook, self._past),
            ("objections", "What they wrote back against, in the last 90 days.", OfPlaybook, self._objections),
            ("offers", "Which approved offers are open now.", Nothing, self._offers),
            ("consent", "How many contacts consented to e-mail, and with proof.", Nothing, self._consent),
            ("policy_limits", "The limits of every policy rule.", Nothing, self._limits),
        )
        return {
            name: (Offered(name=name, sentence=sentence, arguments=form), _typed(form, answer))
            for name, sentence, form, answer in rows
        }

    def features_at(self, as_of: datetime) -> Features:
        """The features at a moment that the plays' segments and records need, and what an order is worth."""
        return self.cache.at(self.lake, as_of, features_of(self.plays.values()))

    def _audiences_at(self, as_of: datetime) -> Features:
        """What the plays' segments alone need: of the past nobody asks more."""
        return self.cache.at(self.lake, as_of, _audience_features(self.plays.values()))

    def _ask(self, question: str, given: Mapping[str, Any]) -> pa.Table:
        # The features hold the lake open already, and every look-up needs them sooner or later.
        return self.features_at(self.now).ask(question, given)

    def _play(self, name: str) -> Play:
        if name not in self.plays:
            raise InvalidInputError(
                f"There is no playbook {name!r}.", remedy=f"There are: {', '.join(sorted(self.plays))}."
            )
        return self.plays[name]

    def _history(self, _: Nothing) -> JsonObject:
        found = self._ask(_RECORD, {}).to_pylist()[0]
        days = 0 if found["first"] is None else (found["last"] - found["first"]) // (86_400 * 1_000_000)
        return {"orders": int(found["orders"]), "days": int(days)}

    def _segment(self, asked: OfPlaybook) -> JsonObject:
        play = self._play(asked.playbook)
        found = self.features_at(self.now)
        if play.trigger.kind == "once":
            return {"contacts": found.count(parse(play.audience)), "sentence": play.audience_sentence}
        named = expected_callers(self.store, found, play, self.now)
        return {"contacts": len(named), "sentence": play.audience_sentence, "days": play.trigger.runs_days}

    def _audience(self, asked: OfAudience) -> JsonObject:
        play = self._play(asked.playbook).model_copy(update={"holdout_share": asked.holdout_share})
        counted = preview(
            self.store,
            self.lake,
            self.pack,
            play,
            at=self.now,
            features=self.features_at(self.now),
            programme_share=self.programme_share,
            currency=self.currency,
        )
        # Who they are stays here: an agent decides on numbers.
        return counted.model_copy(update={"sample": ()}).model_dump(mode="json")

    def _base_rate(self, asked: OfGoal) -> JsonObject:
        """Who was in the segment one goal window ago, or whose day it then was, and how many reached the goal since."""
        play = self._play(asked.playbook)
        play = play.model_copy(update={"goal": play.goal.within(asked.window_days or play.goal.window_days)})
        window = timedelta(days=play.goal.window_days)
        since = self.now - window
        if isinstance(play.trigger, EventTrigger):
            return self._rate_after(play, play.trigger, since)
        members = self._members_at(play, since)
        bought = self._buyers(since, self.now, play.goal.category)
        basis: Literal["segment", "everybody"] = "segment"
        if not members:
            members, basis = self._known_buyers(since), "everybody"
        reached = len(bought.intersection(members))
        return {
            "contacts": len(members),
            "reached": reached,
            "rate": round(reached / len(members), 6) if members else 0.0,
            "window_days": play.goal.window_days,
            "basis": basis,
        }

    def _members_at(self, play: Play, at: datetime) -> list[int]:
        known = self._audiences_at(at)
        inside = known.select(parse(play.audience))
        if not isinstance(play.trigger, DateTrigger):
            return inside
        with self.store.read() as connection:
            zone = play.schedule.fallback_zone
            return due_today(connection, play.trigger, inside, known, at=at, fallback_zone=zone)

    def _rate_after(self, play: Play, trigger: EventTrigger, until: datetime) -> JsonObject:
        """Of those whom the trigger would have named before, how many reached the goal in the days after."""
        known = self.features_at(self.now)
        window = timedelta(days=play.goal.window_days)
        first: dict[int, datetime] = {}
        for call in past_calls(known, trigger, until - timedelta(days=trigger.runs_days), until):
            first.setdefault(call.contact_id, call.at)
        goals: dict[int, list[datetime]] = {}
        for contact_id, at in self._goals(known, play, min(first.values(), default=until)):
            goals.setdefault(contact_id, []).append(at)
        reached = sum(any(at < goal < at + window for goal in goals.get(one, ())) for one, at in first.items())
        return {
            "contacts": len(first),
            "reached": reached,
            "rate": round(reached / len(first), 6) if first else 0.0,
            "window_days": play.goal.window_days,
            "basis": "segment",
        }

    def _goals(self, known: Features, play: Play, since: datetime) -> Iterator[tuple[int, datetime]]:
        """Who reached the goal, and when."""
        if play.goal.category:
            yield from self._purchases(since, self.now, play.goal.category)
        else:
            wanted = EventTrigger(event=play.goal.event, where=play.goal.where)
            yield from ((call.contact_id, call.at) for call in past_calls(known, wanted, since, self.now))

    def _order_value(self, asked: OfPlaybook) -> JsonObject:
        """Orders of the segment in the last year: their average, and the margin where enough costs are known."""
        play = self._play(asked.playbook)
        members = self.features_at(self.now).select(parse(play.audience))
        rows = list(self.features_at(self.now).rows(members, VALUE_FEATURES).values())
        orders = sum(_whole(row["orders_365d"]) for row in rows)
        spend = sum(_whole(row["spend_365d_cents"]) for row in rows)
        known = [row for row in rows if row["margin_365d_cents"] is not None]
        # The margin covers only what has a known cost, and so must the spend it is divided by.
        known_spend = sum(_whole(row["spend_365d_cents"]) * float(str(row["cost_coverage"] or 0)) for row in known)
        margin = sum(_whole(row["margin_365d_cents"]) for row in known)
        costs_known = spend > 0 and known_spend >= _KNOWN_COST_SHARE * spend
        average = spend / orders if orders else 0.0
        return {
            "orders": orders,
            "average_order_cents": round(average),
            "value_per_order_cents": round(average * margin / known_spend) if costs_known else round(average),
            "value_kind": "margin" if costs_known else "revenue",
            "currency": self.currency,
        }

    def _feature(self, asked: OfFeature) -> JsonObject:
        play = self._play(asked.playbook)
        feature = REGISTRY.get(asked.feature)
        if feature is None:
            raise InvalidInputError(f"There is no feature {asked.feature!r}.", remedy="See `noria explain`.")
        members = self.features_at(self.now).select(parse(play.audience))
        found = self.cache.at(self.lake, self.now, [asked.feature])
        values = [row[asked.feature] for row in found.rows(members, [asked.feature]).values()]
        there = [value for value in values if value is not None]
        said: JsonObject = {"feature": asked.feature, "contacts": len(values), "unknown": len(values) - len(there)}
        if feature.kind == "number" and there:
            numbers = sorted(float(value) for value in there if isinstance(value, int | float))
            said |= {f"q{share}": _quantile(numbers, share / 100) for share in (10, 25, 50, 75, 90)}
        elif feature.kind in ("text", "flag"):
            counts: dict[str, int] = {}
            for value in there:
                counts[str(value)] = counts.get(str(value), 0) + 1
            shared = {value: count for value, count in counts.items() if count >= _FEWEST_CONTACTS}
            most = sorted(shared.items(), key=lambda item: (-item[1], item[0]))[:_MOST_VALUES]
            said["most_common"] = [{"value": value, "contacts": count} for value, count in most]
        return said

    def _lessons(self, asked: OfPlaybook) -> JsonObject:
        self._play(asked.playbook)
        with self.store.read() as connection:
            found = lessons.usable(connection, self.now, playbook=asked.playbook)
        return {
            "lessons": [
                {
                    "lesson_id": one.lesson_id,
                    "lever": one.lever,
                    "level": one.level,
                    "effect": round(one.effect, 4),
                    "standard_error": round(one.standard_error, 4),
                    "contacts": one.contacts,
                    "verdict": one.verdict,
                    "observed_to": one.observed_to.date().isoformat(),
                }
                for one in found
            ]
        }

    def _past(self, asked: OfPlaybook) -> JsonObject:
        self._play(asked.playbook)
        last = (
            select(readouts.c.campaign_id, func.max(readouts.c.look).label("look"))
            .group_by(readouts.c.campaign_id)
            .subquery()
        )
        query = (
            select(campaigns.c.campaign_id, campaigns.c.status, campaigns.c.starts_at, readouts.c.verdict)
            .outerjoin(last, last.c.campaign_id == campaigns.c.campaign_id)
            .outerjoin(readouts, (readouts.c.campaign_id == last.c.campaign_id) & (readouts.c.look == last.c.look))
            .where(campaigns.c.playbook == asked.playbook)
            .order_by(campaigns.c.starts_at, campaigns.c.campaign_id)
        )
        with self.store.read() as connection:
            rows = connection.execute(query).all()
        return {
            "campaigns": [
                {
                    "campaign_id": row.campaign_id,
                    "status": row.status,
                    "started": row.starts_at.date().isoformat(),
                    "verdict": row.verdict or "not read out yet",
                }
                for row in rows
            ]
        }

    def _objections(self, asked: OfPlaybook) -> JsonObject:
        members = self.features_at(self.now).select(parse(self._play(asked.playbook).audience))
        with self.store.read() as connection:
            found = replies.objections(connection, members, self.now - OBJECTIONS)
        return {"contacts": len(members), "days": OBJECTIONS.days, "objections": found}

    def _offers(self, _: Nothing) -> JsonObject:
        with self.store.read() as connection:
            found = offers.open_offers(connection, self.now)
        fields = {"offer_id", "kind", "value", "currency", "category", "minimum_basket_cents", "ends_at"}
        return {"offers": [one.model_dump(mode="json", include=fields) for one in found]}

    def _consent(self, _: Nothing) -> JsonObject:
        mine = (
            (consent_current.c.channel == "email")
            & (consent_current.c.purpose == "marketing")
            & (consent_current.c.state == "granted")
        )
        with self.store.read() as connection:
            living = contacts.c.erased_at.is_(None) & contacts.c.merged_into.is_(None)
            known = connection.execute(select(func.count()).select_from(contacts).where(living)).scalar_one()
            granted = connection.execute(select(func.count()).select_from(consent_current).where(mine)).scalar_one()
            proved = connection.execute(
                select(func.count()).select_from(consent_current).where(mine, consent_current.c.has_proof)
            ).scalar_one()
        return {"contacts": known, "consented": granted, "with_proof": proved}

    def _limits(self, _: Nothing) -> JsonObject:
        return {
            "policy_version": self.pack.version,
            "rules": {rule.id: setting.parameters.model_dump(mode="json") for rule, setting in self.pack.active},
        }

    def _buyers(self, since: datetime, until: datetime, category: str) -> set[int]:
        return {contact_id for contact_id, _ in self._purchases(since, until, category)}

    def _purchases(self, since: datetime, until: datetime, category: str) -> Iterator[tuple[int, datetime]]:
        given = {"since": to_micros(since), "until": to_micros(until)}
        rows = self._ask(_SOLD, given | {"category": category}) if category else self._ask(_ORDERED, given)
        for contact_id, at in zip(rows["contact_id"].to_pylist(), rows["at"].to_pylist(), strict=True):
            yield contact_id, from_micros(at)

    def _known_buyers(self, before: datetime) -> list[int]:
        return sorted(self._ask(_KNOWN, {"before": to_micros(before)})["contact_id"].to_pylist())


def features_of(plays: Iterable[Play]) -> set[str]:
    """Every feature that the audiences and records of some plays name, and those that tell what an order is worth."""
    known = list(plays)
    return {name for play in known for name in features_for(play)} | set(VALUE_FEATURES)


def _audience_features(plays: Iterable[Play]) -> set[str]:
    return {name for play in plays for name in features_for(play) - set(play.records.values())} | {
        name for play in plays for name in fields(parse(play.audience))
    }


def _typed(form: type[BaseModel], answer: Callable[[Any], JsonObject]) -> Answerer:
    return lambda arguments: answer(form.model_validate(arguments))


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(math.floor(share * len(ordered)), len(ordered) - 1)]
