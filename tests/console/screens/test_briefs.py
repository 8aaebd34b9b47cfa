"""Briefs in the console: the clarity gate asks at the field, the worker plans, and the page says what came of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from memory import plan_requests
from memory.proposal import Brief
from tests.console.conftest import run_in
from tests.console.screens.conftest import House, Serve, text_of

CLEAR = {
    "brief_id": "0123456789ab",
    "intention": "Bring regular customers back before they forget us",
    "metric": "orders",
    "owner": "ines",
    "stop_rule": "Complaints above one in a thousand",
    "decision": "Whether win-back mails run all year",
}


@pytest.fixture
def house(shop: Path, serve: Serve) -> House:
    return serve(shop)


def test_what_a_brief_leaves_open_is_said_at_the_field_and_nothing_is_submitted(house: House) -> None:
    person = house.person("operator", "ines")
    answer = person.post("/console/briefs", data=CLEAR | {"stop_rule": "tbd", "constraints": "No discounts"})
    assert answer.status_code == 400
    assert answer.text.count("This is not answered yet.") == 1
    assert 'name="stop_rule" maxlength="2000" rows="2" aria-invalid="true"' in answer.text
    # What was typed stays.
    assert "Bring regular customers back" in answer.text
    assert "No discounts" in answer.text
    with house.opened.store.read() as connection:
        assert plan_requests.newest(connection, limit=10) == []


def test_a_clear_brief_is_planned_by_the_worker_and_leads_to_its_proposals(house: House) -> None:
    person = house.person("operator", "ines")
    address = person.post("/console/briefs", data=CLEAR).headers["location"]
    assert "The worker takes up one brief at a time" in person.get(address).text
    run_in(house.opened.folder)("work", "--once")
    page = text_of(person.get(address).text)
    assert "What came of it" in page
    assert "Not proposed, and why" in page
    with house.opened.store.read() as connection:
        [found] = plan_requests.newest(connection, limit=10)
    assert (found.actor, found.state) == ("console:ines", "done")
    assert found.result["proposals"]
    for proposal_id in found.result["proposals"]:
        assert f"/console/proposals/{proposal_id}" in person.get(address).text
    for one in found.result["withheld"]:
        assert one["sentence"].split(".")[0] in page
    assert "Bring regular customers back" in person.get("/console/briefs").text


def test_a_form_that_is_sent_twice_is_one_brief_and_the_next_form_another(house: House) -> None:
    person = house.person("operator", "ines")
    made = [re.findall(r'name="brief_id" value="(\w+)"', person.get("/console/briefs").text) for _ in range(2)]
    assert made[0] != made[1]
    assert {person.post("/console/briefs", data=CLEAR).headers["location"] for _ in range(2)} == {
        "/console/briefs/0123456789ab"
    }
    assert person.post("/console/briefs", data=CLEAR | {"brief_id": "../x"}).status_code == 400
    assert person.post("/console/briefs", data=CLEAR | {"stop_rule": "too long " * 400}).status_code == 400
    with house.opened.store.read() as connection:
        assert len(plan_requests.newest(connection, limit=10)) == 1


def test_questions_of_a_brief_from_elsewhere_are_answered_on_its_page(house: House) -> None:
    store, at = house.opened.store, house.opened.clock.now()
    with store.write() as connection:
        brief = Brief(**CLEAR | {"brief_id": "b9", "owner": "", "decision": "none"})
        plan_requests.submit(connection, brief, actor="token:shop", at=at)
    run_in(house.opened.folder)("work", "--once")
    person = house.person("operator", "ines")
    page = person.get("/console/briefs/b9?lang=fr").text
    assert "Qui en répond ?" in page
    assert "Quel chiffre doit bouger" not in page
    unclear = person.post("/console/briefs/b9/answers", data={"owner": "ines", "decision": "later"})
    assert (unclear.status_code, unclear.text.count("This is not answered yet.")) == (400, 1)
    answered = person.post("/console/briefs/b9/answers", data={"owner": "ines", "decision": CLEAR["decision"]})
    assert answered.status_code == 303
    with store.read() as connection:
        assert plan_requests.get(connection, "b9").state == "waiting"
    # They were answered by now: a second form comes too late.
    assert person.post("/console/briefs/b9/answers", data={"owner": "ines"}).status_code == 409


def test_a_viewer_reads_briefs_and_submits_none(house: House) -> None:
    viewer = house.person("viewer")
    assert viewer.get("/console/briefs").status_code == 200
    assert "Submit the brief" not in viewer.get("/console/briefs").text
    assert viewer.post("/console/briefs", data=CLEAR).status_code == 403
    assert viewer.post("/console/briefs/b9/answers", data=CLEAR).status_code == 403
    assert viewer.get("/console/briefs/none").status_code == 404
