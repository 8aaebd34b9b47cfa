"""Every sentence that rules and agents make up in English has its French: their source is read, and none forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.backtest import NOT_KEPT_OF_MESSAGES, NOT_KEPT_OF_PROPOSALS
from console.retelling import Retelling
from console.translation import catalogue
from evals.bench import shop
from memory.segments.grammar import parse
from memory.segments.sentence import describe
from policies.rules import RULES
from tests.agents.world import playbooks
from tests.policies.worlds import base_pack

ROOT = Path(__file__).parents[2]
SPEAKING = ("refuse", "hold", "note", "Ruling")
AGENTS = (
    "agents/allocate.py", "agents/analyst.py", "agents/ideas.py", "agents/learn.py", "agents/left_out.py",
    "agents/cadence.py", "agents/look.py", "agents/planning.py", "agents/redraw.py", "agents/round.py",
    "agents/scheduler.py", "agents/series.py", "agents/sizing.py",
    "console/backtest.py", "console/doctor/parts.py", "console/doctor/sender.py", "console/dry_run.py",
    "console/explain.py", "console/queues.py",
)  # fmt: skip
NOT_SHOWN = {"agents/allocate.py": ("noria campaigns shares",)}
"""Alerts, which are written in both languages at once."""
FIGURE = "7"
MANY_ORDERS = {"type": "compare", "field": "orders_count", "operator": ">", "value": 3}
NAMES = {"The 7 of 7", "Template 7", "no 7", "no {{ 7 }}", "7 of 7", "An order of theirs is worth 7 7 (7).",
         "7, from 7.", "Mail of 7 to 7 is 7 since 7: 7.",
         "Mail of 7 to 7 is 7 since 7: 7. Nothing will be launched."}  # fmt: skip
"""Where a closed list of words stands for the figure, each of which is known by itself, or names alone."""


@pytest.fixture(scope="module")
def french() -> Retelling:
    return Retelling("fr", base_pack(), playbooks().values())


class Source:
    """What a module can say: its texts as templates are spelt, with a figure in the place of every value."""

    def __init__(self, path: str) -> None:
        self.tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        self.named: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.named.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.NamedExpr):
                self.named.setdefault(node.target.id, []).append(node.value)
            elif isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id == "str":
                returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
                self.named.setdefault(f"{node.name}()", []).extend(returned)

    def texts(self, node: ast.expr | None, depth: int = 3) -> list[str]:
        """Everything that an expression may come to; nothing for what is a value from elsewhere."""
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.IfExp):
            return [*self.texts(node.body, depth), *self.texts(node.orelse, depth)]
        if isinstance(node, ast.BoolOp):
            return [text for one in node.values for text in self.texts(one, depth)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            ends = self.texts(node.right, depth) or [FIGURE]
            return [start + end for start in self.texts(node.left, depth) for end in [*ends, *self._without(node)]]
        if isinstance(node, ast.JoinedStr):
            said = [""]
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    spelt = isinstance(part.value, ast.Name | ast.IfExp) and depth
                    inner = self.texts(part.value, depth - 1) if spelt else []
                    ways = inner or [FIGURE]
                else:
                    assert isinstance(part, ast.Constant)
                    ways = [str(part.value)]
                said = [start + way for start in said for way in ways]
            return said
        if depth and isinstance(node, ast.Name):
            return [text for one in self.named.get(node.id, []) for text in self.texts(one, depth - 1)]
        if depth and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return [text for one in self.named.get(f"{node.func.id}()", []) for text in self.texts(one, depth - 1)]
        return []

    def _without(self, node: ast.BinOp) -> list[str]:
        return [""] if isinstance(node.right, ast.IfExp) else []

    def rulings(self) -> Iterator[str]:
        """The sentences, facts and limits of a rule, and the phrases that stand ready for them in tuples."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SPEAKING:
                first = 1 if node.func.id == "Ruling" else 0
                given = [*node.args[first:], *(one.value for one in node.keywords if one.arg in ("fact", "limit"))]
                for argument in given:
                    yield from self.texts(argument)
            elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
                for one in node.value.elts:
                    yield from self.texts(one)
            elif isinstance(node, ast.FunctionDef):
                for inner in ast.walk(node):
                    ready = inner.elts if isinstance(inner, ast.Tuple) else []
                    if isinstance(inner, ast.Call) and "against" in ast.unparse(inner.func):
                        ready = inner.args
                    yield from (text for each in ready for text in self.texts(each) if " " in text)

    def sentences(self) -> Iterator[str]:
        """Whole sentences, besides those of docstrings and errors."""
        passed: set[int] = set()
        for node in ast.walk(self.tree):
            documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            if documented and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                passed |= {id(one.value) for one in node.body if isinstance(one, ast.Expr)}
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Error", "Alert")):
                passed |= {id(one) for one in ast.walk(node)}
            if isinstance(node, ast.JoinedStr):
                passed |= {id(one) for one in node.values}
            if isinstance(node, ast.BinOp):
                passed |= {id(one) for one in ast.walk(node) if one is not node}
        for node in ast.walk(self.tree):
            if id(node) not in passed and isinstance(node, ast.JoinedStr | ast.Constant | ast.BinOp):
                yield from (one for one in self.texts(node) if " " in one and one.strip().endswith("."))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_what_a_rule_says_is_said_in_french(rule: str, french: Retelling) -> None:
    said = [text for text in Source(f"policies/rules/{rule}.py").rulings() if text not in {"", FIGURE, *NAMES}]
    assert said
    assert [text for text in said if french.text(text) is None] == []


def test_what_the_guardian_says_for_a_rule_is_said_in_french(french: Retelling) -> None:
    said = list(Source("policies/guardian.py").rulings())
    assert len(said) > 3
    assert [text for text in said if french.text(text) is None] == []


@pytest.mark.parametrize("path", AGENTS)
def test_what_an_agent_says_is_said_in_french(path: str, french: Retelling) -> None:
    unseen = NOT_SHOWN.get(path, ())
    said = [text for text in Source(path).sentences() if text not in NAMES and not any(one in text for one in unseen)]
    assert said
    assert [text for text in said if french.text(text.strip()) is None] == []


CHECKED = {f"{FIGURE}: {FIGURE}", f"{FIGURE}: {FIGURE} is {FIGURE}, not {FIGURE}", "7 is 7, not 7"}
"""What a check says of another sentence, a name or a value."""


@pytest.mark.parametrize("path", sorted(path.stem for path in (ROOT / "evals/scores").glob("*.py")))
def test_why_a_case_of_the_evals_fails_is_said_in_french(path: str, french: Retelling) -> None:
    source = Source(f"evals/scores/{path}.py")
    said = []
    for node in ast.walk(source.tree):
        called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        if isinstance(node, ast.Call) and called in ("check", "equal") and len(node.args) > 1:
            way = "{} is 7, not 7" if called == "equal" else "{}"
            said += [way.format(one) for one in source.texts(node.args[called == "check"])]
    assert [one for one in said if one not in CHECKED and french.text(one) is None] == []


SHOWN_ERRORS = (
    *(f"agents/{name}.py" for name in ("change", "edit", "model", "playbook", "tasks", "written")),
    *(f"console/{name}.py" for name in ("credentials", "decisions", "merging")),
    *(f"memory/{name}.py" for name in ("campaigns", "offers", "pending_decisions", "plan_requests", "proposals")),
    "memory/users.py",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "console/screens").glob("*.py")),
    "tools/campaign.py", "tools/lookups.py",
)  # fmt: skip
"""Modules whose errors somebody at the console reads."""
SPELT_OUT = {
    "`noria work` acts on it; then nothing is left to decide, or reject it now.",
    "`noria work` acts on it; then decide on the new version.",
}
"""What only a reader of the source takes for a sentence: its two halves never meet."""


@pytest.mark.parametrize("path", sorted(SHOWN_ERRORS))
def test_what_is_wrong_and_what_to_do_is_said_in_french(path: str, french: Retelling) -> None:
    source, console = Source(path), catalogue("fr")
    said = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error") and node.args:
            given = [node.args[0], *(one.value for one in node.keywords if one.arg == "remedy")]
            said += [text for one in given for text in source.texts(one)]
    told = [one for one in said if one not in {"", FIGURE, *SPELT_OUT}]
    assert [one for one in told if one not in console and french.text(one) is None] == []


def test_words_of_a_closed_list_are_told_within_their_phrase(french: Retelling) -> None:
    assert french.text("no sender address, no postal address") == "pas d’adresse d’expéditeur, pas d’adresse postale"
    assert french.text("no {{ links.unsubscribe }}") == "pas de {{ links.unsubscribe }}"
    assert french.text("0.42% complaints in 7 days (21 of 5000 messages), limit 0.30%") == (
        "0,42\u202f% de plaintes en 7 jours (21 messages sur 5000), limite 0,30\u202f%"
    )
    assert french.text("Wednesday 21:30, opens 2025-03-06 07:00 UTC") == "mercredi 21:30, ouvre le 2025-03-06 07:00 UTC"


def test_sentences_that_follow_each_other_are_told_one_by_one(french: Retelling) -> None:
    assert french.text("End Win-back. Tried: two: without its last message. Nothing more of it is sent.") == (
        "Arrêter Reconquête. Essayé : two : sans son dernier message. Plus rien n’en est envoyé."
    )
    assert french.text("End Win-back. The moon is full.") is None


def test_short_phrases_do_not_take_words_for_their_figures(french: Retelling) -> None:
    assert french.text("at least 500") == "au moins 500"
    assert french.text("at least try it") is None


def test_a_sentence_that_no_template_knows_is_missed(french: Retelling) -> None:
    assert french.text("The moon is full.") is None


def test_an_audience_is_told_as_its_conditions_are(french: Retelling) -> None:
    play = shop.play(base_pack(), audience=MANY_ORDERS, audience_sentence=describe(parse(MANY_ORDERS), "en"))
    knowing = Retelling("fr", base_pack(), (), [play])
    assert knowing.text(f"Not in the segment: {play.audience_sentence}") == (
        "Hors du segment : Contacts tels que : « commandes au total » supérieur à 3."
    )
    assert french.text(play.audience_sentence) is None


def test_what_the_past_would_have_been_is_told(french: Retelling) -> None:
    assert all(french.text(one) for one in (*NOT_KEPT_OF_MESSAGES.values(), *NOT_KEPT_OF_PROPOSALS.values()))
    assert french.text("contact 12 in campaign c1, step mail-1") == "contact 12 dans la campagne c1, étape mail-1"
    assert french.text("held, two people asked") == "retenu, deux personnes consultées"


def test_a_case_that_scores_worse_is_told(french: Retelling) -> None:
    assert (
        french.text("winback: scheduler fell from 1.000 to 0.500") == "winback : scheduler est passé de 1,000 à 0,500"
    )


def test_what_the_doctor_says_is_told(french: Retelling) -> None:
    assert french.text("Shop, from hello@shop.example.com.") == "Shop, depuis hello@shop.example.com."
    assert french.text("Mail of smtp to all domains is slowed since 05 March 2025: too many complaints.") == (
        "Le courrier de smtp vers tous les domaines est ralenti depuis le 5 mars 2025 : too many complaints."
    )


@pytest.mark.parametrize(
    ("english", "said"),
    [
        ("Version 2 had taken the place of version 1.", "La version 2 avait pris la place de la version 1."),
        ("The proposal was rejected by then.", "La proposition était alors : refusée."),
        (
            "An edit of version 1 by cli:ann waits to be acted on; nothing else was noted.",
            "Une modification de la version 1 par cli:ann attend d’être appliquée ; rien d’autre n’a été noté.",
        ),
    ],
)
def test_why_a_decision_is_void_or_cannot_be_said_is_told(french: Retelling, english: str, said: str) -> None:
    assert french.text(english) == said
