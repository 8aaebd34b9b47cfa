"""What the reason for a no may become: a closed set of limits, each with a test of what it allows and stops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from memory.play import Play
from memory.proposal import Proposal
from policies.pack import Pack
from policies.rules.audience_size import AudienceSizeLimits
from policies.rules.claims import ClaimLimits
from policies.rules.discount import DiscountLimits
from policies.rules.not_for import NotForLimits, Pair
from policies.rules.send_window import SendWindowLimits

_DISCOUNT: Final = re.compile(r"discount|% off|cheap|generous|remise|rabais|réduction|promo", re.IGNORECASE)
_OFTEN: Final = re.compile(r"(?:too often|trop souvent|(?:too many|trop de) (?:(?:e-)?mails|messages))", re.IGNORECASE)
_LARGE: Final = re.compile(
    r"(?:too|trop) (?:large|big|wide|grand)|(?:too many|trop de) (?:people|contacts|customers|monde|clients)",
    re.IGNORECASE,
)
_NOT_FOR: Final = re.compile(
    r"\b(?:not|never|nothing|wrong|no \w+) (?:playbook )?(?:for |to |with )?(?:(?:this|these|those|that|the|our|any) )?"
    r"(?:\w+ )?(?:segment|audience|customers|contacts|people|buyers|prospects)\b|"
    r"\b(?:pas|jamais|rien) (?:pour|à|aux|avec) (?:(?:ce|ces|cette|cet|les|nos|la|le|des) )?"
    r"(?:\w+ )?(?:segment|audience|cible|clients?|contacts?|gens|acheteurs|prospects|inactifs|perdus)\b|"
    r"\bmauvaise? (?:segment|audience|cible)\b",
    re.IGNORECASE,
)
_STAGES: Final = {
    stage: re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for stage, words in {
        "prospect": "prospects?",
        "new": "new|nouveaux?|nouvelles?",
        "active": "active|actifs?|actives?",
        "slowing": "slowing|ralentissent",
        "lapsed": "lapsed|inactive|inactifs?|inactives?",
        "lost": "lost|perdus?|perdues?",
    }.items()
}
"""Stages of a customer's life as people call them, by the value of the feature `lifecycle_stage`."""
_HARMLESS: Final = ("good day to you", "a few words for spring")
_TAG: Final = re.compile(r"{[{%].*?[%}]}")
_BEFORE: Final = re.compile(r"(?:before|earlier than|avant)\s+(\d{1,2})\b", re.IGNORECASE)
_AFTER: Final = re.compile(r"(?:after|later than|après)\s+(\d{1,2})\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r"[“\"«']\s*([^“”\"«»']{2,40}?)\s*[”\"»']")


class Limit(BaseModel):
    """One parameter of one rule, as it would be set."""

    model_config = ConfigDict(frozen=True)

    rule: str
    parameter: str
    value: Any
    sentence: str
    allows: dict[str, Any]
    """What a test of the pack asks that the limit allows, and below what it stops."""
    stops: dict[str, Any]


def limits_from(reason: str, seen: Proposal, pack: Pack) -> Iterator[Limit]:
    """The limits that the reason for a no, or an edit, of a proposal may become; none that the pack holds already."""
    play = seen.play
    deepest = max((one.value for one in play.offers if one.kind == "percent"), default=0)
    allowed = pack.limits("discount", DiscountLimits).maximum_basis_points
    if _DISCOUNT.search(reason) and 100 <= deepest <= allowed:
        most = deepest - 100
        yield Limit(
            rule="discount",
            parameter="maximum_basis_points",
            value=most,
            sentence=f"No discount of more than {most / 100:g} %.",
            allows={"proposal": {"play": {"offer": {"value": most}}}},
            stops={"proposal": {"play": {"offer": {"value": deepest}}}},
        )
    cap, reached = pack.cap.messages, seen.audience.reachable
    if _OFTEN.search(reason) and cap > 1:
        yield Limit(
            rule="frequency",
            parameter="messages",
            value=cap - 1,
            sentence=f"At most {cap - 1} messages to one contact in {pack.cap.window_days} days.",
            allows={"message": {"sent_in_window": cap - 2}},
            stops={"message": {"sent_in_window": cap - 1}},
        )
    sizes = pack.limits("audience_size", AudienceSizeLimits)
    if _LARGE.search(reason) and sizes.minimum_contacts < reached <= sizes.maximum_contacts:
        yield Limit(
            rule="audience_size",
            parameter="maximum_contacts",
            value=reached - 1,
            sentence=f"No campaign reaches {reached} contacts or more.",
            allows={"proposal": _of_size(reached - 1)},
            stops={"proposal": _of_size(reached)},
        )
    yield from _left_alone(reason, play, pack)
    yield from _hours(reason, pack.limits("send_window", SendWindowLimits))
    banned = pack.limits("claims", ClaimLimits).banned_words
    words = [one for one in _QUOTED.findall(reason) if one not in banned and one.casefold() in _words_of(play)]
    harmless = next((one for one in _HARMLESS if not any(word.casefold() in one for word in words)), "")
    if words and harmless:
        yield Limit(
            rule="claims",
            parameter="banned_words",
            value=[*banned, *dict.fromkeys(words)],
            sentence=f"Copy does not say {', '.join(words)}.",
            # In every slot: the sample's own words may be the ones that are banned.
            allows={"copy": dict.fromkeys(("subject", "headline", "body", "button"), harmless)},
            stops={"copy": {"body": f"It is {words[0]}, they say."}},
        )


def _left_alone(reason: str, play: Play, pack: Pack) -> Iterator[Limit]:
    """The playbook leaves a group of customers alone that the reason names, or else everybody whom it was for."""
    if not _NOT_FOR.search(reason):
        return
    # Features load a table engine, which nobody needs who says something else.
    from memory.segments.grammar import parse
    from memory.segments.sentence import describe

    named = next((stage for stage, words in _STAGES.items() if words.search(reason)), "")
    stage = {"type": "compare", "field": "lifecycle_stage", "operator": "==", "value": named}
    segment = parse(stage if named else play.audience)
    pair = Pair(playbook=play.playbook, segment=segment.model_dump(mode="json"))
    setting = pack.setting("not_for")
    pairs = pack.limits("not_for", NotForLimits).pairs
    if setting.enabled and pair in pairs:
        return
    others = {"type": "not", "of": pair.segment}
    yield Limit(
        rule="not_for",
        parameter="pairs",
        value=[one.model_dump(mode="json") for one in (*pairs, pair)],
        sentence=f"The playbook {play.playbook} leaves these alone. {describe(segment, 'en')}",
        allows={"proposal": {"play": {"playbook": play.playbook, "audience": others}}},
        stops={"proposal": {"play": {"playbook": play.playbook, "audience": pair.segment}}},
    )


def _hours(reason: str, window: SendWindowLimits) -> Iterator[Limit]:
    before, after = _BEFORE.search(reason), _AFTER.search(reason)
    for name, found in (("earliest_hour", before), ("latest_hour", after)):
        hour = int(found[1]) if found else -1
        stricter = window.earliest_hour < hour < window.latest_hour
        if stricter:
            word, inside, outside = ("before", hour, hour - 1) if found is before else ("from", hour - 1, hour)
            yield Limit(
                rule="send_window",
                parameter=name,
                value=hour,
                sentence=f"Nothing leaves {word} {hour} o'clock of the contact's day{' on' if word == 'from' else ''}.",
                allows={"message": {"local_now": f"2025-03-03 {inside:02}:00 Europe/Paris"}},
                stops={"message": {"local_now": f"2025-03-03 {outside:02}:00 Europe/Paris"}},
            )
            return


def _of_size(reachable: int) -> dict[str, Any]:
    return {"audience": {"reachable": reachable}, "play": {"size_band": [1, reachable]}}


def _words_of(play: Play) -> str:
    """What its messages say, without the bindings that are filled in at the send."""
    copies = [copy for _, step in play.sends() for copy in step.copies.values()]
    texts = [text for copy in copies for text in (copy.subject, copy.headline, *copy.body, copy.button)]
    return _TAG.sub(" ", " ".join(texts)).casefold()
