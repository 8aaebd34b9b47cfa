"""What the pages say: the inbox and its filters, evidence, contacts, campaigns, journal, health and policies."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from markupsafe import escape
from sqlalchemy import select
from starlette.testclient import TestClient

from agents.approve import editable
from console.cli.serve import web_app
from memory import proposals
from memory.alerts import Alert, raise_alerts
from memory.journal import entries
from memory.proposal import SMALLEST_RATE, Approvals, Proposal, ProposalStatus
from memory.schema import alerts, facts, journal
from memory.schema import contacts as people
from memory.workspace import read_switch
from policies.rules import RULES
from tests.console.conftest import run_in
from tests.console.screens.conftest import House, Serve, text_of


@pytest.fixture
def shop(proposed: Path, serve: Serve) -> House:
    """A workspace in which a round of proposals waits."""
    return serve(proposed)


def win_back(house: House) -> Proposal:
    with house.opened.store.read() as connection:
        found = proposals.list_proposals(connection)
    return next(one.proposal for one in found if one.proposal.play.playbook == "win_back")


def titles(client: TestClient, query: str = "") -> list[str]:
    page = client.get(f"/console/?{query}")
    return re.findall(r'<a href="/console/proposals/\w+">([^<]+)</a>', page.text)


def test_the_inbox_puts_the_riskiest_first_and_its_filters_are_links(shop: House) -> None:
    viewer, proposal = shop.person("viewer"), win_back(shop)
    risky = proposal.model_copy(update={"version": 2, "approvals": Approvals(people=2)})
    with shop.opened.store.write() as connection:
        proposals.revise(connection, risky, author="noria", at=shop.opened.clock.now())
    assert titles(viewer)[0] == proposal.title
    assert len(titles(viewer)) > 1
    assert titles(viewer, "risk=high") == [proposal.title]
    assert titles(viewer, "channel=sms") == []
    assert len(titles(viewer, "owner=marie")) == len(titles(viewer))
    assert proposal.title not in titles(viewer, "view=settled")
    assert "Nothing of this kind." in viewer.get("/console/?risk=unheard-of").text


def test_what_no_longer_waits_comes_by_pages(shop: House) -> None:
    viewer, like = shop.person("viewer"), win_back(shop)
    with shop.opened.store.write() as connection:
        for one in range(51):
            made = like.model_copy(update={"proposal_id": f"q{one}", "thread_id": f"q{one}", "title": f"Plan {one}"})
            proposals.submit(connection, made, author="noria", at=shop.opened.clock.now(), open_limit=0)
    first = viewer.get("/console/?view=queued")
    older = re.search(r'href="([^"]+)">Older ones', first.text)
    assert older is not None
    rest = titles(viewer, older[1].removeprefix("?").replace("&amp;", "&"))
    with shop.opened.store.read() as connection:
        queued = [one.proposal.title for one in proposals.list_proposals(connection, [ProposalStatus.QUEUED])]
    assert len(titles(viewer, "view=queued")) == 50
    assert sorted(titles(viewer, "view=queued") + rest) == sorted(queued)


def test_an_empty_inbox_says_when_work_last_came(shop: House, house: House) -> None:
    with shop.opened.store.write() as connection:
        for one in proposals.list_proposals(connection):
            proposals.swap_status(
                connection,
                one.proposal.proposal_id,
                one.status,
                ProposalStatus.EXPIRED,
                shop.opened.clock.now(),
            )
    assert "The last proposal came 3 Mar 2025" in text_of(shop.person("viewer").get("/console/").text)
    assert "No proposal has come yet" in text_of(house.person("viewer").get("/console/").text)


@pytest.mark.parametrize(("rate", "known"), [(SMALLEST_RATE, False), (0.05, True)])
def test_a_proposal_without_a_rate_says_that_what_it_adds_is_unknown(shop: House, rate: float, *, known: bool) -> None:
    proposal = win_back(shop)
    unsure = proposal.forecast.model_copy(update={"base_rate": rate})
    with shop.opened.store.write() as connection:
        revised = proposal.model_copy(update={"version": proposal.version + 1, "forecast": unsure})
        proposals.revise(connection, revised, author="noria", at=shop.opened.clock.now())
    page = text_of(shop.person("viewer").get(f"/console/proposals/{proposal.proposal_id}").text)
    assert ("nobody like these reached the goal yet" in page) is not known
    assert ("reach the goal anyway" in page) is known
    assert ("9 times in 10 between" in page) is known


def test_each_piece_of_evidence_leads_to_the_record_behind_it(shop: House) -> None:
    viewer, proposal = shop.person("viewer"), win_back(shop)
    page = viewer.get(f"/console/proposals/{proposal.proposal_id}")
    for one in proposal.evidence:
        assert f"/console/lookups/{one.lookup_id}" in page.text
    assert viewer.get(f"/console/lookups/{proposal.evidence[0].lookup_id}").status_code == 200
    assert viewer.get("/console/lookups/none").status_code == 404


def test_looking_at_a_proposal_writes_no_claim_of_the_brand_which_starting_does(shop: House) -> None:
    def kept() -> list[str]:
        with shop.opened.store.read() as connection:
            return list(connection.execute(select(facts.c.fact_id).distinct()).scalars())

    with shop.opened.store.write() as connection:
        connection.execute(facts.update().values(fact_id="brand-newer"))
    address = f"/console/proposals/{win_back(shop).proposal_id}"
    assert shop.person("approver").get(address).status_code == 200
    assert kept() == ["brand-newer"]
    web_app(shop.opened, console=True)
    assert kept() == ["brand-returns"]


def test_a_message_is_shown_apart_without_anything_of_ours_in_reach(shop: House) -> None:
    viewer, proposal = shop.person("viewer"), win_back(shop)
    address = f"/console/proposals/{proposal.proposal_id}/message"
    message = viewer.get(f"{address}/0?reader={proposal.audience.sample[0]}")
    policy = message.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow" not in policy
    assert "script" not in policy
    assert message.text.lstrip().lower().startswith("<!doctype html")
    assert viewer.get(f"{address}/99").status_code == 404
    assert viewer.get(f"{address}/-1").status_code == 404
    assert viewer.get(f"{address}/0?reader=999999").status_code == 404


def test_whoever_is_erased_or_changed_is_shown_in_no_message_any_more(shop: House) -> None:
    viewer, proposal = shop.person("viewer"), win_back(shop)
    gone, changed = proposal.audience.sample[:2]

    def call(contact_id: int, name: str) -> None:
        with shop.opened.store.write() as connection:
            # The clock of this workspace stands still.
            now = {"first_name": name, "updated_at": shop.opened.clock.now() + timedelta(hours=1)}
            connection.execute(people.update().where(people.c.contact_id == contact_id).values(now))

    def shown(reader: int) -> str:
        address = f"/console/proposals/{proposal.proposal_id}/message"
        return " ".join(viewer.get(f"{address}/{number}?reader={reader}").text for number in range(4))

    call(gone, "Ines")
    assert "Ines" in shown(gone)
    assert shown(changed)
    run_in(shop.opened.folder)("contacts", "erase", str(gone))
    assert "Ines" not in shown(gone)
    call(changed, "Zoe")
    assert "Zoe" in shown(changed)


def test_whoever_may_not_say_yes_is_offered_no_yes_and_given_none(shop: House) -> None:
    proposal = win_back(shop)
    address = f"/console/proposals/{proposal.proposal_id}"
    form = {"verdict": "approve", "version": "1", "digest": proposal.digest}
    for role, offered in (("viewer", False), ("operator", False), ("approver", True)):
        person = shop.person(role)  # type: ignore[arg-type]  # a plain str
        assert ("Approve version 1" in person.get(address).text) is offered
        assert person.post(f"{address}/decide", data=form).status_code == (303 if offered else 403)


def test_a_no_needs_a_reason(shop: House) -> None:
    proposal = win_back(shop)
    form = {"verdict": "reject", "version": "1", "digest": proposal.digest, "reason": " "}
    answer = shop.person("operator").post(f"/console/proposals/{proposal.proposal_id}/decide", data=form)
    assert answer.status_code == 409
    assert "needs a reason" in answer.text


UNREADABLE: tuple[tuple[dict[str, object], str], ...] = (
    ({"copy|x": "Hello"}, "incomplete"),
    ({"copy|a|b|c|d": "Hello"}, "incomplete"),
    ({"copy|none|en|subject": "Hello"}, "There is no message none"),
    ({"contacts_per_day": "inf"}, "no whole number"),
    ({"contacts_per_day": "nan"}, "no whole number"),
    ({"contacts_per_day": "1,000"}, "no whole number"),
    ({"contacts_per_day": ""}, "left empty"),
    ({"holdout_percent": "nan"}, "no number"),
    ({"holdout_percent": " "}, "left empty"),
    ({"starts_at": ""}, "left empty"),
    ({"sequence": []}, "No sequence would be left"),
)


def test_an_edit_that_cannot_be_read_or_leaves_something_out_is_noted_in_no_part(shop: House) -> None:
    operator, first = shop.person("operator"), win_back(shop)
    half = first.play.sequences[0].model_copy(update={"share": 0.5})
    changes = {
        "limits": first.play.limits.model_copy(update={"contacts_per_day": 50}),
        "sequences": (half, half.model_copy(update={"key": "second"})),
    }
    proposal = first.model_copy(update={"version": 2, "play": first.play.model_copy(update=changes)})
    with shop.opened.store.write() as connection:
        proposals.revise(connection, proposal, author="noria", at=shop.opened.clock.now())
    proposal = win_back(shop)
    form = {
        "version": "2",
        "digest": proposal.digest,
        "holdout_percent": "25",
        "contacts_per_day": "50",
        "starts_at": editable(proposal)["starts_at"],
        "sequence": [one.key for one in proposal.play.sequences],
    }
    for change, why in UNREADABLE:
        answer = operator.post(f"/console/proposals/{proposal.proposal_id}/edit", data=form | change)
        assert (answer.status_code, why in text_of(answer.text)) == (400, True), change
    with shop.opened.store.read() as connection:
        assert proposals.decisions_on(connection, proposal.proposal_id) == []


def test_a_contact_is_found_and_explained(shop: House) -> None:
    viewer = shop.person("viewer")
    found = viewer.get("/console/contacts?name=person15@example.com")
    assert "Consents, with their proof" in found.text
    assert "person15@example.com" in found.text
    unknown = viewer.get("/console/contacts?name=nobody@example.com")
    assert (unknown.status_code, "No contact has that address" in unknown.text) == (404, True)


def test_a_campaign_is_shown_paused_resumed_and_ended(shop: House) -> None:
    operator, proposal = shop.person("operator", "paul"), win_back(shop)
    approver = shop.person("approver")
    form = {"verdict": "approve", "version": "1", "digest": proposal.digest}
    approver.post(f"/console/proposals/{proposal.proposal_id}/decide", data=form)
    run_in(shop.opened.folder)("work", "--once")
    [address] = set(re.findall(r"/console/campaigns/c\w+", operator.get("/console/campaigns").text))
    page = operator.get(address)
    assert "Not measured yet." in page.text
    picture = re.search(rf"{address}/flow/\w+\.svg", page.text)
    assert picture
    assert operator.get(picture[0]).headers["content-type"] == "image/svg+xml"
    assert f'src="{address}/chart/funnel.svg" alt="From selection to inbox: selected ' in page.text
    drawn = operator.get(f"{address}/chart/funnel.svg?lang=fr")
    assert (drawn.headers["content-type"], "sélectionnés" in drawn.text) == ("image/svg+xml", True)
    assert operator.get(f"{address}/chart/looks.svg").status_code == 404
    assert shop.person("viewer").post(address, data={"act": "pause"}).status_code == 403
    for act, status in (("pause", "paused"), ("resume", "live"), ("stop", "cancelled")):
        assert operator.post(address, data={"act": act, "reason": "A try"}).status_code == 303
        assert f'<span class="tag">{status}</span>' in operator.get(address).text
    assert operator.post(address, data={"act": "pause"}).status_code == 409
    with shop.opened.store.read() as connection:
        said = {one.actor for one in entries(connection, subject=address.rpartition("/")[2])}
    assert "console:paul" in said
    assert "Last round" in operator.get("/console/health").text


def test_the_journal_is_filtered_paged_and_checked(shop: House) -> None:
    viewer = shop.person("viewer")
    proposal = win_back(shop)
    mine = text_of(viewer.get(f"/console/journal?subject={proposal.proposal_id}").text)
    assert "proposal.submitted" in mine
    assert "user.joined" not in re.sub(r"Action.*?Subject", "", mine, count=1)
    assert "Nothing of this kind." in viewer.get("/console/journal?action=none").text
    with shop.opened.store.read() as connection:
        lines = list(connection.execute(select(journal.c.seq).order_by(journal.c.seq)).scalars())
    older = text_of(viewer.get(f"/console/journal?before={lines[1]}").text)
    assert "Older lines" not in older
    assert "Intact" in viewer.get("/console/journal/verify").text
    with shop.opened.store.write() as connection:
        connection.execute(journal.update().where(journal.c.seq == lines[1]).values(actor="somebody else"))
    assert f"Broken at line {lines[1]}." in viewer.get("/console/journal/verify").text


def test_what_waits_for_a_person_is_done_by_one(house: House) -> None:
    operator = house.person("operator", "paul")
    with house.opened.store.write() as connection:
        at = house.opened.clock.now()
        raise_alerts(connection, [Alert(step_key="call", task={"en": "Call Ann", "fr": "Appeler Ann"}, raised_at=at)])
        alert_id = connection.execute(select(alerts.c.alert_id)).scalar_one()
    assert "Call Ann" in operator.get("/console/health").text
    assert "Appeler Ann" in operator.get("/console/health?lang=fr").text
    assert operator.post(f"/console/alerts/{alert_id}/done", data={"note": "Called"}).status_code == 303
    assert "Call Ann" not in operator.get("/console/health").text
    assert operator.post(f"/console/alerts/{alert_id}/done").status_code == 409


def test_every_part_is_examined_on_request_but_for_the_keys_that_the_worker_holds(house: House) -> None:
    settings = house.opened.folder / "noria.toml"
    text = settings.read_text(encoding="utf-8").replace('kind = "sandbox"', 'kind = "brevo"', 1)
    public = text.replace('public_url = ""', 'public_url = "https://noria.example.com"')
    settings.write_text(public, encoding="utf-8")
    operator, viewer = house.person("operator"), house.person("viewer")
    said = text_of(operator.post("/console/health").text)
    assert re.search(r"elsewhere channel Its key is held by the worker", said)
    assert "channel Brevo has nobody to report to" in said.replace("warning ", "")
    assert "well model none configured" in said
    assert "There is no key" not in said
    assert viewer.post("/console/health").status_code == 403
    for person in (operator, viewer):
        assert "none configured" not in person.get("/console/health?examined=true").text


def test_the_switch_takes_an_operator(house: House) -> None:
    def stopped() -> bool:
        with house.opened.store.read() as connection:
            return read_switch(connection).stopped

    assert house.person("viewer").post("/console/switch", data={"stopped": "true"}).status_code == 403
    assert not stopped()
    assert house.person("operator").post("/console/switch", data={"stopped": "true"}).status_code == 303
    assert stopped()


def test_every_rule_is_told_in_the_readers_language(house: House) -> None:
    viewer = house.person("viewer")
    for language in ("en", "fr"):
        page = viewer.get(f"/console/policies?lang={language}")
        for name in RULES:
            assert f'id="{name}"' in page.text
            assert escape(getattr(house.opened.pack.setting(name).sentence, language)) in page.text


def test_a_word_behind_a_waiting_edit_is_refused_and_a_void_one_is_shown_with_its_reason(shop: House) -> None:
    proposal, approver = win_back(shop), shop.person("approver", "ann")
    address, seen = f"/console/proposals/{proposal.proposal_id}", {"version": "1", "digest": proposal.digest}
    assert approver.post(f"{address}/decide", data=seen | {"verdict": "approve"}).status_code == 303
    edited = approver.post(f"{address}/edit", data=seen | {"holdout_percent": "25"})
    assert edited.status_code == 303
    refused = shop.person("approver", "paul").post(f"{address}/decide?lang=fr", data=seen | {"verdict": "approve"})
    assert refused.status_code == 409
    assert "Une modification de la version 1 par console:ann attend d’être appliquée" in refused.text
    with shop.opened.threads() as threads:
        threads.apply_decisions()
    page = text_of(approver.get(f"{address}?lang=fr").text)
    assert "sans effet La version 2 avait pris la place de la version 1." in page
