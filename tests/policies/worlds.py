"""One message that may leave and one proposal that may be put before people; each test spoils one thing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from memory.play import Fact, Offer, Play
from memory.steps import Copy, ExitStep, Purpose, SendStep, Sequence
from policies import sample
from policies.facts import ApprovalFacts, MessageFacts, ProposalFacts
from policies.pack import Pack, parse_pack
from policies.rule import Wording
from tests import examples

NOW = sample.NOW
PARIS = sample.ZONE
OFFER = sample.OFFER
FACT = sample.FACT
BASE = Path(__file__).parents[2] / "policies" / "packs" / "base.yaml"

LETTER = """<mjml><mj-body><mj-section><mj-column>
<mj-text>{{ copy.headline }}{% for paragraph in copy.body %}<p>{{ paragraph }}</p>{% endfor %}</mj-text>
<mj-button href="{{ copy.link }}">{{ copy.button }}</mj-button>
<mj-text><a href="{{ links.unsubscribe }}">Unsubscribe</a> {{ brand.name }}, {{ brand.postal_address }}</mj-text>
</mj-column></mj-section></mj-body></mjml>"""


@cache
def base_text() -> str:
    return BASE.read_text(encoding="utf-8")


@cache
def base_pack() -> Pack:
    return parse_pack(base_text(), where="base.yaml")


def own_pack(rules: str) -> Pack:
    """The base pack with some rules set otherwise."""
    text = f"schema_version: 1\nname: own\nextends: base\nrules:\n{rules}"
    return parse_pack(text, where="own.yaml", parents={"base": base_text()})


def approval(**changes: Any) -> ApprovalFacts:
    found = sample.message(base_pack().version).approval
    assert found is not None
    return replace(found, **changes)


def message(**changes: Any) -> MessageFacts:
    """A message with nothing against it, within office hours."""
    values: dict[str, Any] = {
        "approval": approval(), "send_from_hour": 9, "send_until_hour": 18, "weekdays": (0, 1, 2, 3, 4), **changes
    }  # fmt: skip
    return sample.message(base_pack().version, **values)


def play(**changes: Any) -> Play:
    """A win-back letter in English and French, without an offer."""
    return examples.play(**{"templates": {"letter": LETTER}, **changes})


def sends(count: int, every_days: int = 1) -> tuple[Sequence, ...]:
    """One sequence of some messages, some days apart."""
    steps: list[Any] = []
    for number in range(count):
        if number:
            steps.append({"kind": "wait", "key": f"wait-{number}", "days": every_days})
        steps.append(step(key=f"mail-{number}"))
    steps.append({"kind": "exit", "key": "done"})
    return (Sequence.model_validate({"key": "one", "title": "One", "steps": steps, "share": 1}),)


def step(**changes: Any) -> SendStep:
    values: dict[str, Any] = {"key": "mail", "template": "letter", "copies": {"en": examples.copy("en")}, **changes}
    return SendStep(**values)


def one_mail(**changes: Any) -> tuple[Sequence, ...]:
    return (Sequence(key="one", title="One", steps=(step(**changes), ExitStep(key="done")), share=1),)


def proposal(**changes: Any) -> ProposalFacts:
    """A proposal with nothing against it; `play_changes` go to its play."""
    of_play = changes.pop("play_changes", {})
    return sample.proposal(**{"play": play(**of_play), "offers": (OFFER,), "approved_facts": (FACT,), **changes})


def wording(
    language: str = "en",
    *,
    offer: Offer | None = None,
    facts: tuple[Fact, ...] = (FACT,),
    text: tuple[str, ...] = (),
    purpose: Purpose = "marketing",
    **slots: Any,
) -> Wording:
    """Short, truthful copy with some slots written otherwise, or a text message."""
    copy = Copy(body=text) if text else examples.copy(language, **slots)
    return Wording(
        copy=copy,
        language=language,
        brand=examples.brand(),
        offer=offer,
        facts=facts,
        where="one/mail",
        channel="sms" if text else "email",
        purpose=purpose,
    )
