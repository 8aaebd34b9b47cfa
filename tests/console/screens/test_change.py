"""A running campaign is changed in the console: who may, what is seen before, and that seeing proposes nothing."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from console.wiring import Workspace
from memory import campaigns, change_requests, proposals, users
from memory.campaigns import Campaign
from memory.proposal import Proposal
from tests.console.api.conftest import program_of
from tests.console.conftest import run_in
from tests.console.screens.conftest import House, Serve, text_of

NEW = "A new word for your next order"
CHANGE = {"copy|reminder|en|subject": NEW, "in_flight": "move", "act": "see"}


@pytest.fixture(scope="session")
def _launched_workspace(tmp_path_factory: pytest.TempPathFactory, _planned_workspace: Path) -> Path:
    folder = Path(shutil.copytree(_planned_workspace, tmp_path_factory.mktemp("launched") / "shop"))
    run = run_in(folder)
    [win_back] = [one["proposal_id"] for one in run("proposals", "list") if one["playbook"] == "win_back"]
    run("proposals", "approve", win_back)
    run("work", "--once")
    return folder


@pytest.fixture
def shop(tmp_path: Path, _launched_workspace: Path, serve: Serve) -> House:
    """A workspace in which a win-back runs."""
    return serve(Path(shutil.copytree(_launched_workspace, tmp_path / "running")))


def campaign(opened: Workspace) -> Campaign:
    with opened.store.read() as connection:
        [found] = campaigns.newest(connection, limit=5)
    return found


def address(house: House) -> str:
    return f"/console/campaigns/{campaign(house.opened).campaign_id}/change"


def changes_of(house: House) -> list[Proposal]:
    with house.opened.store.read() as connection:
        found = [one.proposal for one in proposals.list_proposals(connection)]
    return [one for one in found if one.kind == "change_campaign"]


def asked(house: House) -> change_requests.ChangeRequest | None:
    with house.opened.store.read() as connection:
        return change_requests.of_campaign(connection, campaign(house.opened).campaign_id)


def hidden(page: str) -> dict[str, str]:
    """The form by which what is seen is proposed."""
    [form] = [one for one in re.findall(r"<form.*?</form>", page, re.DOTALL) if 'value="propose"' in one]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {html.unescape(name): html.unescape(value) for name, value in found} | {"act": "propose"}


def look(person: TestClient, house: House, **changes: str) -> str:
    page = person.post(address(house), data=CHANGE | changes)
    assert page.status_code == 200, text_of(page.text)
    return page.text


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200)])
def test_whoever_only_looks_is_led_to_no_change_and_given_none(shop: House, role: str, status: int) -> None:
    person = shop.person(role)  # type: ignore[arg-type]  # a plain str
    page = person.get(address(shop).removesuffix("/change"))
    assert (f'href="{address(shop)}"' in page.text) is (status == 200)
    assert person.get(address(shop)).status_code == status
    assert person.post(address(shop), data=CHANGE).status_code == status
    assert person.post(address(shop), data=CHANGE, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_what_would_happen_is_shown_and_nothing_is_proposed_by_looking(shop: House) -> None:
    before = len(changes_of(shop))
    moving = look(shop.person("operator"), shop)
    for said in (NEW, "go on in the new version", "No rule stands against it.", "Needed:", "Propose this change"):
        assert said in text_of(moving)
    staying = look(shop.person("operator"), shop, in_flight="stay")
    assert "finish the version that they are in" in text_of(staying)
    run_in(shop.opened.folder)("work", "--once")
    assert (len(changes_of(shop)), asked(shop)) == (before, None)


def test_what_is_proposed_becomes_one_proposal_of_exactly_what_was_seen(shop: House) -> None:
    operator = shop.person("operator", "paul")
    form = hidden(look(operator, shop))
    for _ in range(2):
        assert operator.post(address(shop), data=form).status_code == 303
    page = address(shop).removesuffix("/change")
    assert "console:paul asked for a change of it" in text_of(operator.get(page).text)
    assert changes_of(shop) == []
    for _ in range(2):
        run_in(shop.opened.folder)("work", "--once")
    [proposal] = changes_of(shop)
    runs = campaign(shop.opened)
    assert proposal.play.replaces is not None
    assert (proposal.play.replaces.campaign_id, proposal.play.replaces.version) == (runs.campaign_id, 1)
    assert (proposal.play.replaces.in_flight, proposal.play.digest) == ("move", form["seen"])
    assert runs.version == 1
    assert f'href="/console/proposals/{proposal.proposal_id}"' in operator.get(page).text


def test_a_change_that_the_policy_refuses_shows_the_finding_and_is_not_proposed(shop: House) -> None:
    operator = shop.person("operator")
    allowed = hidden(look(operator, shop))
    refused = {"copy|reminder|en|subject": "Only 9.99 € today"}
    page = look(operator, shop, **refused)
    assert "9.99" in page
    assert "A rule refuses it: nobody can say yes." in text_of(page)
    assert 'value="propose"' not in page
    assert operator.post(address(shop), data=allowed | refused).status_code == 400
    assert asked(shop) is None
    assert operator.post(address(shop), data=allowed).status_code == 303
    assert asked(shop) is not None


def test_what_differs_from_what_was_seen_is_shown_again_and_not_proposed(shop: House) -> None:
    operator = shop.person("operator")
    form = hidden(look(operator, shop))
    answer = operator.post(address(shop), data=form | {"in_flight": "stay"})
    assert (answer.status_code, "no longer what you saw" in answer.text) == (409, True)
    assert asked(shop) is None
    assert operator.post(address(shop), data=hidden(answer.text)).status_code == 303


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"copy|reminder|en|subject": ""}, "needs a subject"),
        ({"in_flight": "vanish"}, "incomplete"),
        ({"contacts_per_day": "1,000"}, "no whole number"),
        ({"holdout_percent": "20"}, "drawn once"),
        ({"renew": "1"}, "changes nothing"),
    ],
)
def test_what_cannot_be_changed_is_said_and_what_was_written_stays(
    shop: House, given: dict[str, str], said: str
) -> None:
    answer = shop.person("operator").post(address(shop), data=CHANGE | given)
    assert (answer.status_code, said in answer.text) == (400, True)
    assert given.get("copy|reminder|en|subject", NEW) in answer.text
    assert 'value="propose"' not in answer.text


def test_a_second_change_is_not_taken_while_one_waits(shop: House) -> None:
    operator = shop.person("operator")
    first, second = hidden(look(operator, shop)), hidden(look(operator, shop, in_flight="stay"))
    assert operator.post(address(shop), data=first).status_code == 303
    assert operator.post(address(shop), data=second).status_code == 409
    run_in(shop.opened.folder)("work", "--once")
    assert operator.post(address(shop), data=second).status_code == 303
    run_in(shop.opened.folder)("work", "--once")
    assert len(changes_of(shop)) == 2


def test_what_ended_before_the_worker_came_is_told_on_the_campaigns_page(shop: House) -> None:
    operator = shop.person("operator")
    operator.post(address(shop), data=hidden(look(operator, shop)))
    page = address(shop).removesuffix("/change")
    operator.post(page, data={"act": "stop", "reason": "Enough"})
    assert operator.get(address(shop)).status_code == 409
    run_in(shop.opened.folder)("work", "--once")
    shown = operator.get(page).text
    assert "was not proposed: It is cancelled, so nothing of it can change." in text_of(shown)
    assert f'href="{address(shop)}"' not in shown
    assert changes_of(shop) == []


def test_whoever_is_shut_out_meanwhile_proposes_nothing(shop: House) -> None:
    operator = shop.person("operator", "paul")
    operator.post(address(shop), data=hidden(look(operator, shop)))
    with shop.opened.store.write() as connection:
        users.revoke(connection, "paul", actor="cli:test", at=shop.opened.clock.now())
    run_in(shop.opened.folder)("work", "--once")
    assert changes_of(shop) == []
    assert "may not decide here" in shop.person("viewer").get(address(shop).removesuffix("/change")).text


def test_a_program_asks_for_a_change_and_what_the_policy_refuses_is_not_taken(shop: House) -> None:
    path = f"/campaigns/{campaign(shop.opened).campaign_id}/changes"
    program = program_of(shop, "operator")
    assert program.get(path).status_code == 404
    words = {"in_flight": "move", "changes": {"copies": {"reminder": {"en": {"subject": "Only 9.99 € today"}}}}}
    refused = program.post(path, json=words)
    assert (refused.status_code, "The policy would refuse this change" in refused.text) == (422, True)
    fixed = program.post(path, json={"changes": {"holdout_share": 0.2}})
    assert (fixed.status_code, "drawn once" in fixed.text) == (422, True)
    assert program.get(path).status_code == 404
    words["changes"] = {"copies": {"reminder": {"en": {"subject": NEW}}}}
    assert program_of(shop, "admin", "read").post(path, json=words).status_code == 403
    asked_for = program.post(path, json=words, headers={"Idempotency-Key": "once"})
    assert (asked_for.status_code, asked_for.json()["state"]) == (202, "waiting")
    run_in(shop.opened.folder)("work", "--once")
    [proposal] = changes_of(shop)
    told = program.get(path).json()
    assert (told["state"], told["proposal_id"]) == ("proposed", proposal.proposal_id)
    assert proposal.play.replaces is not None
    assert proposal.play.replaces.in_flight == "move"


def test_under_another_policy_what_runs_is_put_up_for_approval_again_as_it_is(shop: House) -> None:
    operator, run = shop.person("operator"), run_in(shop.opened.folder)
    assert 'name="renew"' not in operator.get(address(shop)).text
    settings = shop.opened.folder / "noria.toml"
    settings.write_text(settings.read_text("utf-8").replace('policy_pack = "base"', 'policy_pack = "eu"'), "utf-8")
    assert 'name="renew"' in operator.get(address(shop)).text
    form = hidden(look(operator, shop, **{"copy|reminder|en|subject": NEW, "renew": "1"}))
    assert operator.post(address(shop), data=form).status_code == 303
    run("work", "--once")
    [proposal] = changes_of(shop)
    with shop.opened.store.read() as connection:
        before = campaigns.get_version(connection, campaign(shop.opened).campaign_id, 1).play
    assert proposal.play.sequences == before.sequences
    assert proposal.play.policy_version != before.policy_version
