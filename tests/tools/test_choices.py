"""Choices of a message: buttons that say what they lead to, in both parts, and that the guardian reads."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from pydantic import ValidationError

from agents.playbook import PACKAGED, Playbook, check, load_playbook
from memory.finding import Verdict
from memory.slots import MissingValueError
from memory.steps import Choice, SendStep
from policies.facts import ProposalFacts
from policies.guardian import read_copy, review_proposal
from policies.wording import wordings
from tests import examples
from tests.plays import play_of
from tests.policies.worlds import NOW, base_pack, proposal
from tools.bindings import Bindings
from tools.mould import RenderError
from tools.render import example, render

NURTURE = load_playbook(PACKAGED / "nurture")
LAYOUT = NURTURE.templates["choices"]
TEA = Choice(key="tea", labels={"en": "Tea for {{ contact.first_name }}", "fr": "Du thé"})
COFFEE = Choice(key="coffee", labels={"en": "Coffee & cake", "fr": "Du café"}, link="{{ links.product }}")


def asking(*choices: Choice, **changes: Any) -> SendStep:
    values = {
        "key": "ask",
        "template": "choices",
        "copies": {one: examples.copy(one) for one in ("en", "fr")},
        "choices": choices,
        **changes,
    }
    return SendStep.model_validate(values)


def shown(step: SendStep, language: str = "en", layout: str = LAYOUT, **values: str) -> tuple[str, str]:
    play = play_of(NURTURE, templates={**NURTURE.templates, "choices": layout})
    given = {**example(play, language).values, "links.unsubscribe": "https://noria.example.net/u/1", **values}
    found = render(play, step, language, Bindings(language, given))
    return found.html, found.text


def test_each_choice_is_a_button_with_its_own_label_and_link() -> None:
    html, text = shown(asking(TEA, COFFEE), **{"links.product": "https://shop.example.com/coffee"})
    buttons = [(one.get_text(strip=True), one["href"]) for one in BeautifulSoup(html, "html.parser").find_all("a")]
    assert ("Tea for Camille", "https://shop.example.com") in buttons
    assert ("Coffee & cake", "https://shop.example.com/coffee") in buttons
    assert "Tea for Camille\nhttps://shop.example.com" in text
    assert "Coffee & cake\nhttps://shop.example.com/coffee" in text


def test_clicks_are_counted_under_the_key_of_the_choice() -> None:
    play = play_of(NURTURE)
    values = example(play, "en")
    given = Bindings("en", {**values.values, "links.unsubscribe": "https://noria.example.net/u/1"})
    found = render(
        play,
        asking(TEA, COFFEE),
        "en",
        given,
        lambda name, to: f"https://c.example.com/{name}?{to.removeprefix('https://')}",
    )
    for name in ("shop", "tea", "coffee"):
        assert f'"https://c.example.com/{name}?shop.example.com"' in found.html
        assert f"https://c.example.com/{name}?shop.example.com\n" in found.text
    assert '"https://noria.example.net/u/1"' in found.html


def test_labels_are_in_the_language_of_the_message() -> None:
    _, text = shown(asking(TEA, COFFEE), "fr")
    assert "Du thé\n" in text
    assert "Coffee" not in text


def test_a_message_without_choices_has_none() -> None:
    html, _ = shown(asking())
    assert BeautifulSoup(html, "html.parser").find(string="Du thé") is None


def test_a_name_in_a_label_cannot_add_markup() -> None:
    html, _ = shown(asking(TEA), **{"contact.first_name": "<b>Eve</b>"})
    assert "<b>Eve" not in html


def test_a_layout_that_shows_no_choices_is_refused() -> None:
    with pytest.raises(RenderError, match=r"leaves out choices\.tea\.label"):
        shown(asking(TEA), layout=NURTURE.templates["letter"])


def test_a_choice_that_leads_off_the_brand_is_refused() -> None:
    with pytest.raises(RenderError, match="not allowed"):
        shown(asking(COFFEE), **{"links.product": "https://elsewhere.example.net"})


def test_a_value_that_a_label_needs_and_nobody_has_keeps_the_message_back() -> None:
    with pytest.raises(MissingValueError):
        render(play_of(NURTURE), asking(TEA), "en", Bindings("en", {"links.shop": "https://shop.example.com"}))


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ((TEA, TEA), "same key"),
        ((Choice(key="tea", labels={"en": "Tea"}),), "no label in fr"),
        (tuple(TEA.model_copy(update={"key": f"tea{number}"}) for number in range(6)), "at most 5"),
    ],
)
def test_choices_that_nobody_could_tell_apart_or_read_are_refused(choices: tuple[Choice, ...], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        asking(*choices)


@pytest.mark.parametrize(
    ("label", "rule"),
    [
        ("Yes, please", ""),
        ("Save 40 % today", "copy_facts"),
        ("Only a few left, hurry", "claims"),
        ("x" * 41, "length"),
        ("<b>Yes</b>", "plain_text"),
        ("{{ brand.slogan }}", "bindings"),
    ],
)
def test_the_guardian_reads_labels_as_it_reads_copy(label: str, rule: str) -> None:
    choice = Choice(key="yes", labels={"en": label, "fr": "Oui"})
    play = play_of(NURTURE)
    others = list(play.sequences[0].steps)
    place = next(index for index, step in enumerate(others) if step.key == "question")
    others[place] = others[place].model_copy(update={"choices": (choice,)})
    changed = play.model_copy(update={"sequences": (play.sequences[0].model_copy(update={"steps": tuple(others)}),)})
    against = {
        finding.rule
        for wording in wordings(ProposalFacts(play=changed, now=NOW, approved_facts=()))
        for finding in read_copy(wording, base_pack()).findings
        if finding.verdict is not Verdict.ALLOW
    }
    assert rule in against if rule else against == set()


@pytest.mark.parametrize(
    ("link", "verdict"), [("{{ links.shop }}", Verdict.ALLOW), ("https://evil.example.net", Verdict.REFUSE)]
)
def test_the_guardian_looks_where_choices_lead(link: str, verdict: Verdict) -> None:
    facts = proposal()
    [sequence] = facts.play.sequences
    step = sequence.steps[0].model_copy(update={"choices": (TEA.model_copy(update={"link": link}),)})
    changed = sequence.model_copy(update={"steps": (step, *sequence.steps[1:])})
    review = review_proposal(proposal(play=facts.play.model_copy(update={"sequences": (changed,)})), base_pack())
    [found] = [finding for finding in review.findings if finding.rule == "links"]
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"template": "letter"}, "shows no choices"),
        ({"choices": (TEA.model_copy(update={"link": "https://example.com"}),)}, "must lead to one link"),
        ({"choices": (TEA.model_copy(update={"labels": {"en": "{{ product.name }}", "fr": "x"}}),)}, "needs a product"),
    ],
)
def test_a_playbook_with_faulty_choices_says_where(changes: dict[str, Any], says: str) -> None:
    assert check(NURTURE) == []
    problems = check(_with_question(changes))
    assert any(says in problem.what for problem in problems), problems


def _with_question(changes: dict[str, Any]) -> Playbook:
    first, *others = NURTURE.sequences
    steps = tuple(step.model_copy(update=changes) if step.key == "question" else step for step in first.steps)
    return NURTURE.model_copy(update={"sequences": (first.model_copy(update={"steps": steps}), *others)})
