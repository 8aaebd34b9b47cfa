"""Say a step, a condition, a trigger, a re-entry rule or a whole sequence in a few words, in English or French."""

from __future__ import annotations

import re
from collections.abc import Sequence as Many
from typing import Final, assert_never

from memory.features.registry import REGISTRY
from memory.segments.grammar import parse
from memory.segments.sentence import clause
from memory.step_words import EVENTS, WEEKDAYS, WORDS
from memory.steps import (
    AlertStep,
    BranchStep,
    Condition,
    EventPattern,
    ExitStep,
    HasAgreed,
    HasAttribute,
    HasDone,
    InSegment,
    Plain,
    PropertyFilter,
    SendStep,
    Sequence,
    ShowsLife,
    Step,
    UpdateStep,
    WaitEventStep,
    WaitStep,
    WaitWindowStep,
)
from memory.trigger import ApiTrigger, DateTrigger, EventTrigger, OnceTrigger, Reentry, SegmentTrigger, Trigger

_UNNAMED: Final = ("event_doing", "event_done", "event_awaited")
_OTHERWISE: Final = re.compile(r"\{%-?\s*(?:else|elsif)\b.*?(?=\{%-?\s*end)", re.DOTALL)
_TAG: Final = re.compile(r"\{%.*?%\}", re.DOTALL)
_PRINTED: Final = re.compile(r"\{\{-?\s*([\w.]+).*?\}\}", re.DOTALL)


def tell_step(step: Step, language: str) -> str:
    """What one step does, for example “wait 1 day”; languages other than fr are told in English."""
    return _Teller(language).step(step)


def tell_condition(condition: Condition, language: str) -> str:
    """What a branch asks of a contact, for example “clicked “shoes””."""
    return _Teller(language).condition(condition)


def tell_trigger(trigger: Trigger, language: str) -> str:
    """What lets contacts in, for example “after putting something in the cart”."""
    return _Teller(language).trigger(trigger)


def tell_reentry(reentry: Reentry, language: str) -> str:
    """Whether somebody who was in may come in again."""
    teller = _Teller(language)
    return teller.words[reentry.allowed].format(time=teller.time(days=reentry.days))


def tell_sequence(sequence: Sequence, language: str, trigger: Trigger | None = None) -> str:
    """All steps in the order in which they are written, after the trigger if there is one; jumps name their step."""
    return _Teller(language).sequence(sequence, trigger)


def tell_answer(yes: bool, language: str) -> str:
    """“Yes” or “no”, for the two ways out of a branch."""
    return _Teller(language).words["yes" if yes else "no"]


class _Teller:
    def __init__(self, language: str) -> None:
        self._asked = language
        self._told = "fr" if language == "fr" else "en"
        self.words = WORDS[self._told]

    def step(self, step: Step) -> str:
        words = self.words
        match step:
            case SendStep():
                if step.listing is not None:
                    return words[f"audience_{step.listing.action}"].format(audience=self._quote(step.listing.audience))
                if step.crm_field is not None:
                    value = self._values([step.crm_field.value])
                    return words["crm"].format(field=self._quote(step.crm_field.name), value=value)
                copy = step.copies.get(self._asked) or step.copies.get("en") or next(iter(step.copies.values()))
                told = words[step.channel].format(subject=self._quote(readable(copy.subject or copy.body[0])))
                return told + (words["transactional"] if step.purpose == "transactional" else "")
            case WaitEventStep():
                return words["wait_event"].format(done=self._event(step, 2), time=self._lasts(step))
            case WaitStep():
                return words["wait"].format(time=self._lasts(step))
            case WaitWindowStep():
                hours = words["hours_of_day"].format(start=step.from_hour, end=step.until_hour)
                return words["wait_window"].format(
                    days=self._window_days(step),
                    hours=words[step.at].format(hours=hours) if step.at else hours,
                    explored=self._share("explored", step.explored),
                    explored_days=self._share("explored_days", step.explored_days)
                    + (words["within_a_week"] if step.day else ""),
                )
            case BranchStep():
                return words["branch"].format(
                    condition=self.condition(step.condition), then=step.then, otherwise=step.otherwise
                )
            case UpdateStep():
                return words["update"].format(attribute=self._quote(step.attribute), value=self._values([step.value]))
            case AlertStep():
                task = step.task.get(self._asked) or step.task.get("en") or next(iter(step.task.values()))
                return words["alert"].format(task=self._quote(task))
            case ExitStep(reason="completed"):
                return words["exit"]
            case ExitStep():
                return words["exit_because"].format(reason=step.reason)
        assert_never(step)

    def condition(self, condition: Condition) -> str:
        match condition:
            case InSegment():
                return clause(parse(condition.expression), self._asked)
            case HasDone():
                return self.words["has_done"].format(done=self._event(condition, 1))
            case HasAttribute():
                told = self.words["attribute_present" if condition.present else "attribute"]
                values = self._values(condition.one_of)
                return told.format(attribute=self._quote(condition.attribute), values=values)
            case ShowsLife():
                return self.words[f"signal_since_{condition.since}"]
            case HasAgreed():
                return self.words[f"agreed_{condition.channel}"]
        assert_never(condition)

    def trigger(self, trigger: Trigger, later: str = "") -> str:
        words = self.words
        match trigger:
            case OnceTrigger():
                return words["once"]
            case DateTrigger():
                return self._date(trigger)
            case EventTrigger():
                doing = self._event(trigger, 0)
            case SegmentTrigger():
                doing = words["segment"]
            case ApiTrigger():
                doing = words["api"]
            case _:
                assert_never(trigger)
        return words["time_after" if later else "after"].format(time=later, doing=doing)

    def sequence(self, sequence: Sequence, trigger: Trigger | None) -> str:
        aims = _aims(sequence)
        steps, told = list(sequence.steps), ""
        if trigger is not None:
            first, later = steps[0], ""
            # “20 minutes after …” reads better than “after …: wait 20 minutes”.
            if isinstance(first, WaitStep) and first.next is None and first.key not in aims and len(steps) > 1:
                later = "" if isinstance(trigger, OnceTrigger | DateTrigger) else self._lasts(first)
            steps = steps[1:] if later else steps
            told = self.words["start"].format(trigger=self.trigger(trigger, later))
        for place, step in enumerate(steps):
            if step.key in aims:
                told += self.words["part"].format(key=step.key) if place else f"{step.key}: "
            elif place:
                told += ", "
            told += self.step(step)
            following = steps[place + 1].key if place + 1 < len(steps) else None
            onward = getattr(step, "next", None)
            if onward is not None and onward != following:
                told += ", " + self.words["go_to"].format(key=onward)
        return told

    def time(self, *, days: int = 0, hours: int = 0, minutes: int = 0) -> str:
        numbers = {"day": days, "hour": hours, "minute": minutes}
        return " ".join(
            self.words[unit if number == 1 else f"{unit}s"].format(n=number)
            for unit, number in numbers.items()
            if number
        )

    def _lasts(self, step: WaitStep | WaitEventStep) -> str:
        return self.time(days=step.days, hours=step.hours, minutes=step.minutes)

    def _window_days(self, step: WaitWindowStep) -> str:
        days, words = self._days(step.weekdays), self.words
        if step.day:
            return words[step.day].format(days=words["some_days"].format(days=days) if days else "")
        return words["days_of_week"].format(days=days) if days else ""

    def _share(self, word: str, share: float) -> str:
        return self.words[word].format(share=f"{100 * share:g}") if share else ""

    def _days(self, weekdays: Many[int]) -> str:
        """Days of the week, those in a row as “Tuesday to Thursday”; empty for all of them."""
        days, names = sorted(set(weekdays)), WEEKDAYS[self._told]
        if len(days) == len(names):
            return ""
        rows: list[list[int]] = []
        for day in days:
            if rows and rows[-1][-1] == day - 1:
                rows[-1].append(day)
            else:
                rows.append([day])
        parts = []
        for row in rows:
            if len(row) > 2:
                parts.append(f"{names[row[0]]}{self.words['to']}{names[row[-1]]}")
            else:
                parts += [names[day] for day in row]
        return self._joined(parts, "and")

    def _date(self, trigger: DateTrigger) -> str:
        if trigger.attribute is not None:
            date = self.words["attribute_date"].format(name=self._quote(trigger.attribute))
        else:
            date = self.words["feature_date"].format(name=self._quote(REGISTRY[trigger.feature].label[self._told]))
        when = "on_date" if trigger.offset_days == 0 else "before_date" if trigger.offset_days < 0 else "after_date"
        told = self.words[when].format(date=date, time=self.time(days=abs(trigger.offset_days)))
        return told + (self.words["yearly"] if trigger.yearly else "")

    def _event(self, pattern: EventPattern, form: int) -> str:
        known = EVENTS[self._told].get(pattern.event)
        named = self.words[_UNNAMED[form]].format(event=self._quote(pattern.event))
        told = known[form] if known else named
        filters = list(pattern.where)
        link = next((one for one in filters if one.property == "link" and one.one_of), None)
        if pattern.event == "click" and link is not None:
            filters.remove(link)
            told = self.words["clicked"].format(done=told, values=self._values(link.one_of))
        if filters:
            told += self.words["with"].format(filters=self._joined([self._filter(one) for one in filters], "and"))
        return told

    def _filter(self, one: PropertyFilter) -> str:
        if one.present:
            return self.words["present"].format(name=one.property)
        if one.at_least is not None:
            return self.words["at_least"].format(name=one.property, value=one.at_least)
        return self.words["one_of"].format(name=one.property, values=self._values(one.one_of))

    def _values(self, values: Many[Plain]) -> str:
        return self._joined([self._value(one) for one in values], "or")

    def _value(self, value: Plain) -> str:
        if isinstance(value, bool):
            return self.words["yes" if value else "no"]
        return str(value) if isinstance(value, int) else self._quote(value)

    def _quote(self, text: str) -> str:
        return self.words["quote"].format(text=text)

    def _joined(self, parts: Many[str], word: str) -> str:
        return self.words[word].join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _aims(sequence: Sequence) -> set[str]:
    """Steps to which some step jumps."""
    found: set[str] = set()
    for step, following in zip(sequence.steps, (*sequence.steps[1:], None), strict=True):
        if isinstance(step, BranchStep):
            found |= {step.then, step.otherwise}
        elif not isinstance(step, ExitStep) and step.next and (following is None or step.next != following.key):
            found.add(step.next)
    return found


def readable(text: str) -> str:
    """A text of a message with the names of its bindings in brackets, as it reads when all of them are known."""
    return _PRINTED.sub(r"[\1]", _TAG.sub("", _OTHERWISE.sub("", text)))
