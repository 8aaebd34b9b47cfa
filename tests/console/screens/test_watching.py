"""What people look at over time: memory, evals, findings, the past under a pack, the journal as a file, and health."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, insert, select, update

from memory import eval_runs, heartbeat, journal, lessons, proposals
from memory.eval_runs import EvalRun, FailingCase
from memory.finding import Finding, Verdict
from memory.lessons import Lesson
from memory.proposal import LessonUse
from memory.schema import imports
from memory.schema import journal as lines
from memory.schema import proposals as proposal_rows
from memory.vectors import Document, SentenceEncoder
from tests.console.conftest import run_in
from tests.console.screens.conftest import House, Serve, text_of


@pytest.fixture
def shop(proposed: Path, serve: Serve) -> House:
    """A workspace in which a round of proposals waits."""
    return serve(proposed)


def lesson(house: House, lesson_id: str, **changes: object) -> Lesson:
    now = house.opened.clock.now()
    found = Lesson(
        lesson_id=lesson_id, campaign_id=None, readout_id=None, playbook="win_back", segment="lapsed buyers",
        lever="offer", level="none", goal="order", channel="email", effect=0.2, standard_error=0.1, contacts=900,
        conversions=40, verdict="works", text={"en": f"Reminders {lesson_id} bring buyers back"},
        evidence={"look": 2}, observed_from=now - timedelta(days=30), observed_to=now,
        expires_at=now + timedelta(days=90), created_at=now,
    ).model_copy(update=changes)  # fmt: skip
    with house.opened.store.write() as connection:
        lessons.write(connection, found, at=now)
    return found


def test_lessons_are_shown_by_whether_they_hold_with_their_evidence_and_what_they_moved(shop: House) -> None:
    viewer, now = shop.person("viewer"), shop.opened.clock.now()
    lesson(shop, "fresh")
    lesson(shop, "old", expires_at=now - timedelta(days=1))
    with shop.opened.store.write() as connection:
        stored = proposals.list_proposals(connection)[0].proposal
        use = LessonUse(lesson_id="fresh", sentence="It worked.", effect_before=0.1, effect_after=0.15, weight=1.0)
        moved = stored.model_copy(update={"version": 2, "lessons": (use,)})
        proposals.revise(connection, moved, author="noria", at=now)
    page = text_of(viewer.get("/console/memory").text)
    assert "Reminders fresh" in page
    assert "Reminders old" in page
    assert "Reminders fresh" not in viewer.get("/console/memory?state=expired").text
    assert "Reminders old" in viewer.get("/console/memory?state=expired").text
    page = text_of(viewer.get("/console/memory/lessons/fresh").text)
    assert "lapsed buyers" in page
    assert stored.title in page
    assert "from 21.08 to 31.93 additional per 1,000 contacts" in page
    assert "lesson.written" in page
    assert "No proposal yet." in viewer.get("/console/memory/lessons/old").text
    assert viewer.get("/console/memory/lessons/none").status_code == 404


def test_the_evidence_of_a_lesson_stands_in_lines_and_its_reason_in_the_reader_s_language(shop: House) -> None:
    evidence = {"look": 2, "holdout": {"contacts": 1200, "rate": 0.25}, "goal_category": None}
    reason = "Lesson l2 of campaign c2 measured another effect; the intervals do not overlap."
    lesson(shop, "l1", evidence=evidence, state="contradicted", state_reason=reason)
    viewer = shop.person("viewer")
    page = text_of(viewer.get("/console/memory/lessons/l1").text)
    assert "contacts: 1,200" in page
    assert "rate: 0.25" in page
    assert "{" not in page
    assert reason in page
    page = viewer.get("/console/memory/lessons/l1?lang=fr").text
    assert "La leçon l2 de la campagne c2 a mesuré un autre effet" in page
    assert reason not in page


def test_health_does_not_say_that_nothing_waits_while_proposals_do(shop: House) -> None:
    viewer = shop.person("viewer")
    with shop.opened.store.read() as connection:
        number = sum(proposals.waiting_by_owner(connection).values())
    page = text_of(viewer.get("/console/health").text)
    assert f"Proposals in the inbox: {number}" in page
    assert "What waits for a person Nothing." not in page
    with shop.opened.store.write() as connection:
        connection.execute(update(proposal_rows).values(status="expired"))
    assert "What waits for a person Nothing." in text_of(viewer.get("/console/health").text)


def test_findings_are_told_in_french_with_their_facts_and_limits(shop: House) -> None:
    against = Finding(rule="frequency", verdict=Verdict.HOLD, fact="4 messages in 7 days", limit="3 messages in 7 days",
                      sentence="Sequence one alone would break the frequency cap.")  # fmt: skip
    with shop.opened.store.write() as connection:
        stored = proposals.list_proposals(connection)[0].proposal
        changed = stored.model_copy(update={"version": stored.version + 1, "findings": (against,)})
        proposals.revise(connection, changed, author="noria", at=shop.opened.clock.now())
    page = shop.person("viewer").get(f"/console/proposals/{stored.proposal_id}?lang=fr").text
    assert "La séquence one dépasserait à elle seule le plafond de fréquence." in page
    assert "4 messages en 7 jours" in page
    assert "3 messages en 7 jours" in page
    assert "messages in 7 days" not in page


def test_only_a_search_loads_the_encoder_and_it_finds_what_the_worker_wrote_meanwhile(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def by_letters(_: SentenceEncoder, texts: list[str]) -> object:
        asked.append(texts)
        found = np.asarray([[text.lower().count(letter) + 0.01 for letter in "abcdefghij"] for text in texts])
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    monkeypatch.setattr(SentenceEncoder, "__call__", by_letters)
    viewer = shop.person("viewer")
    assert viewer.get("/console/memory").status_code == 200
    assert viewer.get("/console/memory?q=%20").status_code == 200
    assert asked == []
    assert "Nothing like it is in memory." in viewer.get("/console/memory?q=feed").text
    shop.opened.vectors.index([Document(kind="lesson", id="l1", text="beef and cabbage")])
    shop.opened.vectors.close()
    page = viewer.get("/console/memory?q=cabbage").text
    assert 'href="/console/memory/lessons/l1"' in page
    assert "Nothing like it" not in page


def test_results_of_the_evals_are_kept_and_shown_with_the_cases_that_fail(house: House) -> None:
    viewer, now = house.person("viewer"), house.opened.clock.now()
    assert "Nothing was run here yet." in viewer.get("/console/evals").text
    bad = FailingCase(case="quiet-week", what="analyst", value=0.5, reason="It proposed what it should not.")
    run = EvalRun(run_id="one", suite="cases", provider="rules", digest="d", passed=False, run_at=now, cases=30,
                  scores={"analyst": 0.9}, failing=(bad,), falls=("quiet-week: fell",), seconds=12)  # fmt: skip
    better = run.model_copy(
        update={"run_id": "two", "passed": True, "failing": (), "falls": (), "run_at": now + timedelta(days=1)}
    )
    with house.opened.store.write() as connection:
        eval_runs.keep(connection, run)
    page = text_of(viewer.get("/console/evals").text)
    assert "failed" in page
    assert "quiet-week analyst 0.5 It proposed what it should not." in page
    with house.opened.store.write() as connection:
        eval_runs.keep(connection, better)
    page = text_of(viewer.get("/console/evals").text)
    assert "Every case is all right." in page
    assert "Runs: 2" in page


def test_findings_are_counted_by_the_week(shop: House) -> None:
    viewer, now = shop.person("viewer"), shop.opened.clock.now()
    assert "holdout" not in text_of(viewer.get("/console/policies/findings").text)
    held = Finding(rule="holdout", verdict=Verdict.HOLD, sentence="Too small a holdout.")
    with shop.opened.store.write() as connection:
        first, second = (one.proposal for one in proposals.list_proposals(connection)[:2])
        for proposal, at in ((first, now - timedelta(days=14)), (second, now)):
            changed = proposal.model_copy(update={"version": 2, "findings": (held, held)})
            proposals.revise(connection, changed, author="noria", at=at)
    page = text_of(viewer.get("/console/policies/findings").text)
    assert f"holdout {'– ' * 9}1 – 1 2 " in page
    assert "Messages that never left, by the week in which they were due Nothing." in page


def test_the_past_is_replayed_under_another_pack_and_nothing_is_written(shop: House) -> None:
    operator, viewer = shop.person("operator"), shop.person("viewer")

    def count() -> int:
        with shop.opened.store.read() as connection:
            return connection.execute(select(func.count()).select_from(lines)).scalar_one()

    before = count()
    assert viewer.get("/console/policies/backtest?pack=base").status_code == 403
    assert "Replay" in operator.get("/console/policies/backtest").text
    page = text_of(operator.get("/console/policies/backtest?pack=france&days=90").text)
    assert "Proposals · " in page
    assert operator.get("/console/policies/backtest?pack=none").status_code == 404
    assert operator.get("/console/policies/backtest?pack=base&days=0").status_code == 400
    assert count() == before


def test_the_ladder_stands_on_the_page_of_the_policies(shop: House) -> None:
    page = text_of(shop.person("viewer").get("/console/policies").text)
    assert "How far Noria goes by itself" in page
    assert "too few: 0" in page


def test_the_journal_is_filtered_by_who_did_it_and_exported_whole(shop: House) -> None:
    viewer = shop.person("viewer")
    with shop.opened.store.write() as connection:
        journal.append(
            connection, at=shop.opened.clock.now(), actor="cli:zoe", action="zoe.was_here", subject="x", payload={}
        )
    page = viewer.get("/console/journal?actor=cli:zoe").text
    assert page.count("<tr><td") == 1
    answer = viewer.get("/console/journal/export.jsonl")
    assert "attachment" in answer.headers["content-disposition"]
    found = [json.loads(line) for line in answer.text.splitlines()]
    with shop.opened.store.read() as connection:
        head = journal.verify(connection).head
    assert [one["hash"] for one in found if one["type"] == "journal"][-1] == head
    assert len(found) > 3


def test_each_worker_has_a_heartbeat_of_its_own(shop: House) -> None:
    viewer, machine_now = shop.person("viewer"), shop.opened.clock.now()
    assert "It has not worked yet" in viewer.get("/console/health").text
    with shop.opened.store.write() as connection:
        heartbeat.beat(connection, "far:1", machine_now)
    run_in(shop.opened.folder)("work", "--once")
    page = text_of(viewer.get("/console/health").text)
    assert "far:1" not in page, "silent for a year"
    with shop.opened.store.read() as connection:
        [mine] = heartbeat.every(connection)
    assert mine.rounds == 1
    assert f"{mine.worker_id}" in page
    with shop.opened.store.write() as connection:
        heartbeat.beat(connection, "far:1", mine.last_round_at - timedelta(minutes=5))
        heartbeat.beat(connection, "near:2", mine.last_round_at, failures=3)
    page = text_of(viewer.get("/console/health").text)
    assert page.index("silent") > page.index("far:1")
    assert "3 parts fail" in page


def test_health_says_since_when_something_waits_and_what_stopped_coming(shop: House) -> None:
    viewer, now = shop.person("viewer"), shop.opened.clock.now()
    page = text_of(viewer.get("/console/health").text)
    assert "proposals to decide on person" in page
    assert "Everything that came before still comes." in page
    row = {"import_id": "i", "kind": "returns", "file_name": "", "file_digest": "d", "mapping": {}, "rows_read": 1,
           "rows_written": 1, "rows_unchanged": 0, "rows_quarantined": 0,
           "finished_at": now - timedelta(days=61)}  # fmt: skip
    with shop.opened.store.write() as connection:
        connection.execute(insert(imports).values(row))
    assert "files of returns" in text_of(viewer.get("/console/health").text)
