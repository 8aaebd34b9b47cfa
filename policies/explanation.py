"""What a rule of a pack says, where it comes from, what its parameters mean, and what it stops, by example."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from memory.finding import Verdict
from policies.pack import Pack, Sentence, Severity
from policies.pack_cases import Cases, judged_by
from policies.rules import RULES

# By the end of a parameter's name, the longest first.
_UNITS: Final = (
    ("_basis_points", "basis points (100 are 1 %)"),
    ("_characters", "characters"),
    ("_decisions", "proposals that people said yes to"),
    ("_contacts", "contacts"),
    ("_score", "points of SpamAssassin"),
    ("_ratio", "contrast ratio, from 1 to 21"),
    ("_bytes", "bytes"),
    ("_messages", "messages"),
    ("_reports", "people or addresses"),
    ("_segments", "parts of a text message"),
    ("_weekdays", "days of the week, 0 is Monday"),
    ("_playbooks", "names of playbooks"),
    ("_measures", "smallest value of each measure"),
    ("_domains", "domains"),
    ("_marks", "signs in one text"),
    ("_words", "words"),
    ("_hours", "hours"),
    ("_cents", "minor units of money"),
    ("_share", "share, from 0 to 1"),
    ("_lapse", "messages"),
    ("_days", "days"),
    ("_hour", "hour of the contact's day"),
    ("_unanswered", "messages"),
    ("holidays_of", "countries, as two letters"),
)
_NAMED: Final = {
    "messages": "messages to one contact",
    "paragraphs": "paragraphs",
    "playbooks": "names of playbooks",
    "weekdays": "days of the week, 0 is Monday",
    "shorteners": "domains",
    "pairs": "playbooks, each with a segment",
    "minimum_units": "units of a product",
    "required": "exits: goal, consent_withdrawn, suppressed",
}


class ParameterText(BaseModel):
    """One limit: its value, its unit, and what it is for."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: Any
    unit: str
    meaning: str


class Example(BaseModel):
    """A request that the rule stops, from the tests beside the pack."""

    model_config = ConfigDict(frozen=True)

    title: str
    verdict: Verdict
    said: tuple[str, ...]


class Explanation(BaseModel):
    """A rule as one pack sets it."""

    model_config = ConfigDict(frozen=True)

    rule: str
    pack: str
    enabled: bool
    always: bool
    """No pack may switch it off or make it advisory."""
    severity: Severity
    judges: tuple[str, ...]
    sentence: Sentence
    source: str
    parameters: tuple[ParameterText, ...]
    stops: tuple[Example, ...]


def explain(pack: Pack, rule_id: str, tests: list[Cases]) -> Explanation:
    """Explain one rule, with the tests that it stops as examples. KeyError for an id that is no rule."""
    rule, setting = RULES[rule_id], pack.setting(rule_id)
    fields = type(setting.parameters).model_fields
    tried = [
        one
        for cases in tests
        for one in Cases(tuple(case for case in cases.cases if case.rule == rule_id), cases.file, cases.marked).run(
            pack
        )
    ]
    stopped = {one.case.title: one for one in tried if one.verdict is not Verdict.ALLOW}
    return Explanation(
        rule=rule_id,
        pack=pack.version,
        enabled=setting.enabled,
        always=rule.locked,
        severity=setting.severity,
        judges=tuple(judged_by(rule)),
        sentence=setting.sentence,
        source=setting.source,
        parameters=tuple(
            ParameterText(
                name=name,
                value=value,
                unit=unit_of(name),
                meaning=(fields[name].description or "").replace("\n", " "),
            )
            for name, value in setting.parameters.model_dump(mode="json").items()
        ),
        stops=tuple(Example(title=one.case.title, verdict=one.verdict, said=one.said) for one in stopped.values()),
    )


def unit_of(parameter: str) -> str:
    """What a limit is counted in, told by its name; "yes or no" where its name has no unit."""
    if parameter in _NAMED:
        return _NAMED[parameter]
    return next((unit for end, unit in _UNITS if parameter.endswith(end)), "yes or no")
