"""The words of the console: everything that a page says in English it says in French, with the same values in it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from markupsafe import Markup

import console
from agents.playbook import Playbook
from agents.written import LAYOUTS
from console.screens.agenda import WHAT
from console.screens.brand import COLOURS, LINES, LISTS, VOICE
from console.screens.conditions import SIGNS
from console.screens.frame import NAVIGATION, words
from console.screens.offers import KINDS
from console.translation import catalogue, translator
from console.tuning import LABELS
from memory import letters, plan_requests
from memory.proposal import ProposalStatus
from memory.role import ROLES
from memory.steps import ExitStep
from policies.explanation import explain
from policies.rules import RULES
from tests.agents.world import playbooks
from tests.policies.worlds import base_pack

CONSOLE = Path(console.__file__).parent
WORDY = ("flow/progress.py", "report/charts.py", "report/page.py", "screens/frame.py", "screens/measured.py")
DRAWN = [CONSOLE / place for place in WORDY]
TEMPLATES = CONSOLE / "templates" / "console"
VALUES = re.compile(r"\{\w+\}")


EXITS = {"goal", "completed", "consent_withdrawn", "suppressed", "programme_holdout", "erased", "finished", "cancelled"}


def ends_of(playbook: Playbook) -> list[ExitStep]:
    return [step for one in playbook.sequences for step in one.steps if isinstance(step, ExitStep)]


def sentences() -> set[str]:
    found = {*NAVIGATION.values(), *ROLES, *ProposalStatus, *SIGNS.values(), *LAYOUTS.values(), *LABELS}
    found |= {*get_args(letters.State), *get_args(plan_requests.State)}
    # Why a message or a contact is out, and what a limit is counted in.
    found |= {*RULES, *EXITS, *(step.reason for one in playbooks().values() for step in ends_of(one))}
    found |= {one.unit for rule in RULES for one in explain(base_pack(), rule, []).parameters} - {"yes or no"}
    found |= {said for names in (LINES, LISTS, VOICE, COLOURS, KINDS, WHAT) for said in names.values()}
    for path in TEMPLATES.glob("*.html"):
        found |= set(re.findall(r'\b_\("([^"]+)"', path.read_text(encoding="utf-8")))
    for path in DRAWN:
        found |= set(re.findall(r'\bsay\(\s*"([^"]+)"', path.read_text(encoding="utf-8")))
    return found


def test_every_sentence_is_said_in_french() -> None:
    assert len(sentences()) > 250
    assert sentences() - catalogue("fr").keys() == set()


def test_a_sentence_in_french_holds_the_same_values() -> None:
    assert [one for one, said in catalogue("fr").items() if set(VALUES.findall(one)) != set(VALUES.findall(said))] == []


def test_what_has_no_words_in_a_language_is_said_in_english() -> None:
    assert translator("fr")("console:marie") == "console:marie"
    assert translator("en")("Welcome, {name}", name="{x}") == "Welcome, {x}"
    assert translator("fr")("Welcome, {name}", name="Ann") == "Bienvenue, Ann"


def test_markup_keeps_its_place_in_a_sentence_and_the_words_are_escaped() -> None:
    said = translator("en")("<by> {who}, {when}", who="<b>", when=Markup("<time>"))
    assert said == "&lt;by&gt; &lt;b&gt;, <time>"


def test_a_moment_names_its_zone_and_that_of_a_contact_and_holds_utc() -> None:
    moment, at = words("fr", "EUR", "Europe/Paris")["moment"], datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    assert str(moment(at, "Europe/Berlin")) == (
        '<time datetime="2026-01-05T23:30:00Z" title="Europe/Paris; 5 janv. 2026 23:30 UTC">'
        "6 janv. 2026 00:30 CET</time>"
    )
    assert "6 janv. 2026 00:30 CET (5 janv. 18:30 EST chez le contact)" in moment(at, "America/New_York")
    assert "6 janv. 2026 00:30 CET (08:30 JST chez le contact)" in moment(at, "Asia/Tokyo")
    assert "(" not in moment(at, "Nowhere/At_all")
