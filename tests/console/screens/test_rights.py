"""A person's rights on the page: all that is known handed out, an erasure asked for, two entries made one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from sqlalchemy import select

from console.report.history import read_history
from evals.bench import shop as shop_of_the_bench
from memory import contacts, enrolments
from memory.schema import contact_aliases, journal
from memory.schema import contacts as people
from tests.console.conftest import run_in
from tests.console.screens.conftest import House, Serve, text_of
from tools.campaign import end
from tools.launch import launch

MAIL, OTHER = "person3@example.com", "person4@example.com"


@pytest.fixture
def here(shop: Path, serve: Serve) -> House:
    """The console of a small shop."""
    return serve(shop)


def number(house: House, name: str) -> int:
    with house.opened.store.read() as connection:
        return contacts.find(connection, name).contact_id


def done(house: House, contact_id: int) -> list[tuple[str, str]]:
    query = select(journal.c.action, journal.c.actor).where(journal.c.subject == f"contact {contact_id}")
    with house.opened.store.read() as connection:
        return [(row.action, row.actor) for row in connection.execute(query)]


def test_only_admins_hand_out_erase_and_merge(here: House) -> None:
    address = f"/console/contacts/{number(here, MAIL)}"
    approver, admin = here.person("approver"), here.person("admin")
    assert "/erase" not in approver.get(address).text
    assert "/erase" in admin.get(address).text
    for page in ("erase", "merge"):
        assert approver.get(f"{address}/{page}").status_code == 403
        assert approver.post(f"{address}/{page}", data={"typed": "1", "merged": "1"}).status_code == 403
    assert approver.post(f"{address}/export").status_code == 403
    assert done(here, number(here, MAIL)) == []


def test_an_operator_unsubscribes_whoever_rang_up_and_says_how_they_know(here: House) -> None:
    contact_id = number(here, MAIL)
    address = f"/console/contacts/{contact_id}"
    viewer, operator = here.person("viewer"), here.person("operator", "olga")
    assert "They want no more messages" not in viewer.get(address).text
    assert viewer.post(f"{address}/unsubscribe", data={"channel": "email", "reason": "x"}).status_code == 403
    assert operator.post(f"{address}/unsubscribe", data={"channel": "email", "reason": " "}).status_code == 400
    assert operator.post(f"{address}/unsubscribe", data={"channel": "post", "reason": "x"}).status_code == 400
    assert done(here, contact_id) == []
    assert operator.post(f"{address}/unsubscribe", data={"channel": "email", "reason": "by phone"}).status_code == 303
    assert done(here, contact_id) == [("contact.unsubscribed", "console:olga")]
    assert "Suppressed" in text_of(operator.get(address).text)


def test_all_that_is_known_is_handed_out_as_a_file_and_that_is_journalled(here: House) -> None:
    contact_id = number(here, MAIL)
    answer = here.person("admin", "eve").post(f"/console/contacts/{contact_id}/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="contact-{contact_id}.json"'
    found = json.loads(answer.text)
    assert found["store"]["contacts"][0]["email"] == MAIL
    assert found["lake"]["orders"]
    assert done(here, contact_id) == [("contact.exported", "console:eve")]


def test_an_erasure_is_asked_for_by_typing_the_number_and_the_worker_does_it(here: House) -> None:
    admin, contact_id = here.person("admin", "eve"), number(here, MAIL)
    address = f"/console/contacts/{contact_id}/erase"
    wrong = admin.post(address, data={"typed": "yes"})
    assert (wrong.status_code, f"type {contact_id} to confirm" in wrong.text) == (400, True)
    assert done(here, contact_id) == []
    assert admin.post(address, data={"typed": f" {contact_id} "}).status_code == 303
    assert "the worker erases them everywhere" in text_of(admin.get(address).text)
    assert done(here, contact_id) == [("contact.erasure_asked", "console:eve")]
    run_in(here.opened.folder)("work", "--once")
    assert done(here, contact_id)[-1][0] == "contact.erased"
    assert "Erased on" in text_of(admin.get(address).text)
    assert admin.get(f"/console/contacts?name={MAIL}").status_code == 404


def test_a_merge_is_shown_before_it_is_done_and_looking_changes_nothing(here: House) -> None:
    admin, kept, merged = here.person("admin", "eve"), number(here, MAIL), number(here, OTHER)
    with here.opened.store.write() as connection:
        connection.execute(people.update().where(people.c.contact_id == kept).values(company="", last_name="Durand"))
        connection.execute(people.update().where(people.c.contact_id == merged).values(company="Acme", last_name="D."))
    address = f"/console/contacts/{kept}/merge"
    page = text_of(admin.get(f"{address}?other={OTHER}").text)
    assert "company – Acme Acme" in page
    assert "last_name Durand D. Durand" in page
    assert (number(here, OTHER), done(here, kept)) == (merged, [])
    assert admin.get(f"{address}?other={MAIL}").status_code == 400
    assert admin.get(f"{address}?other=nobody").status_code == 400
    assert admin.post(address, data={"merged": merged, "typed": str(kept)}).status_code == 400
    assert number(here, OTHER) == merged
    assert admin.post(address, data={"merged": merged, "typed": str(merged)}).status_code == 303
    assert number(here, OTHER) == kept
    assert done(here, kept) == [("contact.merged", "console:eve")]


def test_the_number_in_an_address_is_norias_own_even_where_a_shop_gave_it_to_somebody_else(here: House) -> None:
    admin, meant, third = here.person("admin"), number(here, MAIL), number(here, "person5@example.com")
    other = number(here, OTHER)
    stranger = [("A", meant, other), ("B", third, other)]
    with here.opened.store.write() as connection:
        for source, alias, owner in stranger:
            row = {"source": source, "alias": str(alias), "contact_id": owner}
            connection.execute(contact_aliases.insert().values(row))
    address = f"/console/contacts/{meant}"
    assert MAIL in admin.get(address).text
    assert json.loads(admin.post(f"{address}/export").text)["contact_id"] == meant
    # What somebody types is a name, and the one that the shop gave comes first.
    assert OTHER in admin.get(f"/console/contacts?name={meant}").text
    again = admin.post(f"{address}/merge", data={"merged": third, "typed": ""})
    assert f'name="merged" value="{third}"' in again.text
    admin.post(f"{address}/merge", data={"merged": third, "typed": str(third)})
    assert [number(here, one) for one in ("person5@example.com", MAIL, OTHER)] == [meant, meant, other]


def test_a_contact_alone_is_explained_by_the_same_values_as_among_all_others(here: House) -> None:
    from console.explain import explain

    contact_id = number(here, MAIL)
    alone, among = explain(here.opened, contact_id), explain(here.opened, contact_id, depth="comparing")
    values = {one.name: one.value for one in among.features}
    assert {one.name: one.value for one in alone.features}.items() < values.items()
    assert values.keys() - {one.name for one in alone.features} >= {"rfm_group", "next_category"}
    assert values["orders_count"]
    viewer, address = here.person("viewer"), f"/console/contacts/{number(here, MAIL)}"
    said = {depth: viewer.get(f"{address}?depth={depth}").text for depth in ("campaigns", "alone", "comparing")}
    assert viewer.get(address).text == said["campaigns"]
    assert ["Number of orders so far" in one for one in said.values()] == [False, True, True]
    assert ["Fifth of all buyers" in one for one in said.values()] == [False, False, True]
    assert viewer.get(f"{address}?depth=all").status_code == 400


def test_a_segment_that_compares_contacts_is_looked_at_only_when_asked(here: House) -> None:
    from console.explain import explain

    everybody: Any = SimpleNamespace(select=lambda _: [], rows=lambda *_: {})
    audience = {"type": "compare", "field": "rfm_group", "operator": "==", "value": "no such group"}
    play = shop_of_the_bench.play(here.opened.pack, audience=audience, audience_sentence="nobody")
    launch(here.opened.workplace, shop_of_the_bench.approve(here.opened.store, play), features=everybody)
    contact_id = number(here, MAIL)
    said = [explain(here.opened, contact_id, depth=depth).campaigns[0].reason for depth in ("campaigns", "comparing")]
    assert said == ["Whether they are in its segment takes a look at everybody.", "Not in the segment: nobody"]


@pytest.mark.parametrize("triggered", [True, False])
def test_who_is_not_in_a_campaign_is_told_what_would_let_them_in(here: House, *, triggered: bool) -> None:
    from console.explain import explain

    pack = here.opened.pack
    play = shop_of_the_bench.cart_play(pack) if triggered else shop_of_the_bench.play(pack)
    nobody: Any = SimpleNamespace(select=lambda _: [], rows=lambda *_: {})
    begun = launch(here.opened.workplace, shop_of_the_bench.approve(here.opened.store, play), features=nobody)
    [told] = explain(here.opened, number(here, MAIL)).campaigns
    assert told.standing == "out"
    assert ("the event that lets contacts in did not happen since it began" in told.reason) is triggered
    assert ("took them out at the launch" in told.reason) is not triggered
    with here.opened.store.read() as connection:
        happened = read_history(connection, begun.campaign_id).happenings
    entries = [one.sentence for one in happened if one.kind == "entry"]
    assert entries == ([] if triggered else ["0 contacts entered, 0 more are held out."])


@pytest.mark.parametrize("state", ["finished", "cancelled"])
def test_a_campaign_that_is_over_is_told_of_whoever_was_in_it_and_of_nobody_else(
    here: House, state: Literal["finished", "cancelled"]
) -> None:
    from console.explain import explain

    inside, other = number(here, MAIL), number(here, OTHER)
    only: Any = SimpleNamespace(
        select=lambda _: [inside], rows=lambda ids, *_: {one: {"orders_count": 1} for one in ids}
    )
    play = shop_of_the_bench.play(here.opened.pack, size_band=(0, 10), holdout_share=0.1)
    everywhere = replace(here.opened.workplace, programme_share=0.0)
    begun = launch(everywhere, shop_of_the_bench.approve(here.opened.store, play), features=only)
    with here.opened.store.write() as connection:
        end(connection, begun.campaign_id, state, here.opened.clock.now(), "cli:marie")
    with here.opened.store.read() as connection:
        happened = read_history(connection, begun.campaign_id).happenings
        held_out = enrolments.last_entries(connection, begun.campaign_id, [inside])[inside].in_holdout
    [entry] = [one.sentence for one in happened if one.kind == "entry"]
    [told] = explain(here.opened, inside).campaigns
    assert entry == f"{0 if held_out else 1} contacts entered, {int(held_out)} more are held out."
    assert told.reason.endswith("until the campaign ended." if held_out else f": {state}.")
    assert explain(here.opened, other).campaigns == ()
