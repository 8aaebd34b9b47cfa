"""Say an expression as one sentence, in English or French."""

from __future__ import annotations

from datetime import datetime

from memory.features.lifecycle import STAGE_NAMES
from memory.features.registry import REGISTRY
from memory.features.rfm import GROUP_NAMES
from memory.segments.grammar import (
    All,
    AnyOf,
    Between,
    Compare,
    Events,
    Expression,
    Missing,
    Not,
    OneOf,
    Scalar,
)

_WORDS = {
    "en": {
        "everybody": "all contacts",
        "contacts": "Contacts whose {conditions}.",
        "and": " and ",
        "or": " or ",
        "not": "not ({part})",
        "missing": "{label} is unknown",
        "known": "{label} is known",
        "yes": "{label}: yes",
        "no": "{label}: no",
        "between": "{label} is from {low} to {high}",
        "one_of": "{label} is {values}",
        "==": "{label} is {value}",
        "!=": "{label} is known and not {value}",
        "<": "{label} is less than {value}",
        "<=": "{label} is at most {value}",
        ">": "{label} is more than {value}",
        ">=": "{label} is at least {value}",
        "events": "number of {event} events{category} in the last {days} days {count}",
        "category": " in {category}",
        "count==": "is {value}",
        "count!=": "is not {value}",
        "count<": "is less than {value}",
        "count<=": "is at most {value}",
        "count>": "is more than {value}",
        "count>=": "is at least {value}",
        "moment": "%Y-%m-%d %H:%M UTC",
    },
    "fr": {
        "everybody": "tous les contacts",
        "contacts": "Contacts tels que : {conditions}.",
        "and": " et ",
        "or": " ou ",
        "not": "pas ({part})",
        "missing": "« {label} » inconnu",
        "known": "« {label} » connu",
        "yes": "« {label} » : oui",
        "no": "« {label} » : non",
        "between": "« {label} » de {low} à {high}",
        "one_of": "« {label} » égal à {values}",
        "==": "« {label} » égal à {value}",
        "!=": "« {label} » connu et différent de {value}",
        "<": "« {label} » inférieur à {value}",
        "<=": "« {label} » au plus égal à {value}",
        ">": "« {label} » supérieur à {value}",
        ">=": "« {label} » au moins égal à {value}",
        "events": "nombre d'événements {event}{category} des {days} derniers jours {count}",
        "category": " dans {category}",
        "count==": "égal à {value}",
        "count!=": "différent de {value}",
        "count<": "inférieur à {value}",
        "count<=": "au plus égal à {value}",
        "count>": "supérieur à {value}",
        "count>=": "au moins égal à {value}",
        "moment": "%d/%m/%Y %H:%M UTC",
    },
}
VALUE_NAMES = {"rfm_group": GROUP_NAMES, "lifecycle_stage": STAGE_NAMES}


def describe(expression: Expression, language: str, *, currency: str = "") -> str:
    """One sentence for people; languages other than fr are told in English.

    Amounts are shown in major units, with the currency if one is given.
    """
    words = _WORDS["fr" if language == "fr" else "en"]
    if isinstance(expression, All) and not expression.of:
        return words["everybody"][:1].upper() + words["everybody"][1:] + "."
    return words["contacts"].format(conditions=clause(expression, language, currency=currency))


def clause(expression: Expression, language: str, *, currency: str = "") -> str:
    """The same as part of a sentence: what must be true of a contact."""
    return _Teller("fr" if language == "fr" else "en", currency).tell(expression)


class _Teller:
    def __init__(self, language: str, currency: str) -> None:
        self._language = language
        self._words = _WORDS[language]
        self._currency = currency

    def tell(self, part: Expression) -> str:
        words = self._words
        match part:
            case All(of=inner):
                return self._join(words["and"], inner) if inner else words["everybody"]
            case AnyOf(of=inner):
                return self._join(words["or"], inner)
            case Not(of=Missing(field=field)):
                return words["known"].format(label=self._label(field))
            case Not(of=inside):
                return words["not"].format(part=self.tell(inside))
            case Missing(field=field):
                return words["missing"].format(label=self._label(field))
            case Between(field=field, low=low, high=high):
                return words["between"].format(
                    label=self._label(field), low=self._value(field, low), high=self._value(field, high)
                )
            case OneOf(field=field, values=values):
                listed = [self._value(field, value) for value in values]
                shown = words["or"].join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
                return words["one_of"].format(label=self._label(field), values=shown)
            case Compare(field=field, operator=sign, value=bool() as value):
                key = "yes" if value is (sign == "==") else "no"
                return words[key].format(label=self._label(field))
            case Compare(field=field, operator=sign, value=value):
                return words[sign].format(label=self._label(field), value=self._value(field, value))
            case Events():
                category = words["category"].format(category=part.category) if part.category else ""
                return words["events"].format(
                    event=part.event,
                    category=category,
                    days=part.window_days,
                    count=words[f"count{part.operator}"].format(value=part.value),
                )

    def _join(self, word: str, inner: tuple[Expression, ...]) -> str:
        return word.join(
            f"({self.tell(part)})" if isinstance(part, All | AnyOf) and len(part.of) > 1 else self.tell(part)
            for part in inner
        )

    def _label(self, field: str) -> str:
        return REGISTRY[field].label[self._language]

    def _value(self, field: str, value: Scalar) -> str:
        if isinstance(value, datetime):
            return value.strftime(self._words["moment"])
        if REGISTRY[field].unit == "cents" and isinstance(value, int | float):
            amount = f"{value / 100:.2f}"
            if self._language == "fr":
                amount = amount.replace(".", ",")
            return f"{amount} {self._currency}".strip()
        names = VALUE_NAMES.get(field, {}).get(str(value))
        if names:
            return names[self._language]
        if isinstance(value, float) and self._language == "fr":
            return str(value).replace(".", ",")
        return str(value)
