"""HubSpot: a server that its own client takes for one, OAuth, custom properties, conflicts, deals with contacts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DataError

from memory.clock import ManualClock
from memory.importing.load import import_file
from memory.importing.report import ImportReport
from memory.schema import contacts, deals
from memory.store import Store
from tests.tools.crm.hubspot_server import HubSpotServer
from tests.tools.crm.scene import intake, people, read
from tests.tools.crm.server import KEY
from tools.crm.intake import Intake


@pytest.fixture
def server() -> Iterator[HubSpotServer]:
    with HubSpotServer() as found:
        yield found


@pytest.fixture
def place(store: Store, tmp_path: Path, clock: ManualClock) -> Intake:
    return intake(store, tmp_path, clock)


def mapped(folder: Path, text: str) -> None:
    (folder / "connectors").mkdir()
    (folder / "connectors" / "hubspot.yaml").write_text(text, encoding="utf-8")


def test_hubspots_own_client_takes_the_server_for_hubspot(server: HubSpotServer) -> None:
    hubspot = pytest.importorskip("hubspot", reason="hubspot-api-client is not installed: the server was NOT checked")
    client = hubspot.HubSpot(access_token=KEY, host=server.url)
    for number in range(1, 103):
        server.put(number, first_name=f"First{number}")
    server.remove(7)
    api = client.crm.contacts
    assert len(api.get_all(properties=["firstname"])) == 101
    assert [one.id for one in api.basic_api.get_page(archived=True).results] == ["7"]
    found = api.search_api.do_search(
        {
            "filterGroups": [{"filters": [{"propertyName": "hs_object_id", "operator": "GT", "value": "100"}]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": ["firstname"],
            "limit": 200,
            "after": "0",
        }
    )
    assert [one.properties["firstname"] for one in found.results] == ["First101", "First102"]
    assert found.total == 2
    assert [one.name for one in client.crm.properties.core_api.get_all("contacts").results][-1] == "loyalty_tier"


def test_a_token_that_runs_out_in_the_middle_is_renewed_and_nothing_is_read_twice(
    server: HubSpotServer, place: Intake, tmp_path: Path
) -> None:
    server.options = {"client_id": "app"}  # type: ignore[misc]  # of this server alone
    for number in range(1, 203):
        server.put(number, first_name="Ann")
    server.faults = [0, "expire"]
    done = read(place, server, tmp_path)["contacts"]
    assert (done.complete, done.read) == (True, 202)
    assert server.renewals == 2
    assert len(people(place.store, "hubspot")) == 202


def test_a_custom_property_becomes_an_attribute_by_one_line(
    server: HubSpotServer, place: Intake, tmp_path: Path
) -> None:
    server.put(1, first_name="Ann", loyalty_tier="gold", lifecyclestage="customer")
    mapped(tmp_path, "contacts:\n  attributes.tier: loyalty_tier\n  attributes.hs_lead_status:\n")
    read(place, server, tmp_path)
    with place.store.read() as connection:
        attributes = connection.execute(select(contacts.c.attributes)).scalar_one()
    assert attributes == {"tier": "gold", "lifecyclestage": "customer"}


@pytest.mark.parametrize(
    ("wins", "changed_there", "kept"),
    [("theirs", True, "There"), ("ours", True, "Here"), ("newest", True, "There"), ("newest", False, "Here")],
)
def test_the_rule_of_a_field_decides_which_system_wins(
    server: HubSpotServer, place: Intake, tmp_path: Path, wins: str, changed_there: bool, kept: str
) -> None:
    server.put(1, first_name="There", company="Old")
    mapped(tmp_path, f"contacts:\n  company: {{from: company, wins: {wins}}}\n")
    read(place, server, tmp_path)
    at = server.now if changed_there else server.now.replace(year=2026)
    with place.store.write() as connection:
        connection.execute(contacts.update().values(company="Here", updated_at=at))
    server.put(1, first_name="Ann", company="There")
    read(place, server, tmp_path)
    with place.store.read() as connection:
        (row,) = connection.execute(select(contacts.c.company, contacts.c.first_name)).all()
    assert tuple(row) == (kept, "Ann")


def test_a_field_that_is_ours_is_filled_while_it_is_empty(server: HubSpotServer, place: Intake, tmp_path: Path) -> None:
    server.put(1, company="First")
    mapped(tmp_path, "contacts:\n  company: {from: company, wins: ours}\n")
    read(place, server, tmp_path)
    with place.store.read() as connection:
        assert connection.execute(select(contacts.c.company)).scalar_one() == "First"


def test_deals_come_with_their_contact_and_go_when_they_are_deleted(
    server: HubSpotServer, place: Intake, tmp_path: Path
) -> None:
    server.put(5, first_name="Ann")
    server.keep("deals", 1, {"dealname": "Roof", "dealstage": "closedwon", "amount": "1200.50", "closedate": None})
    server.keep(
        "deals", 2, {"dealname": "Wall", "dealstage": "appointment", "amount": "10", "deal_currency_code": "USD"}
    )
    server.contact_of[1] = [5]
    done = read(place, server, tmp_path)["deals"]
    assert (done.written, done.set_aside) == (1, 1)
    with place.store.read() as connection:
        rows = connection.execute(
            select(deals.c.external_id, deals.c.amount_cents, deals.c.won, deals.c.contact_id)
        ).all()
        ann = connection.execute(select(contacts.c.contact_id)).scalar_one()
    assert [tuple(row) for row in rows] == [("hubspot:1", 120050, True, ann)]
    server.objects["deals"][1] |= {"archived": True, "archivedAt": server.tick().isoformat()}
    assert read(place, server, tmp_path)["deals"].deleted == 1
    with place.store.read() as connection:
        assert connection.execute(select(deals)).all() == []


def test_whatever_breaks_in_one_thing_is_told_and_the_others_are_read(
    server: HubSpotServer, place: Intake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put(1, first_name="An\x00n", loyalty_tier="go\x00ld")
    server.keep("deals", 1, {"dealname": "Roof", "dealstage": "appointment", "amount": "10", "closedate": None})
    mapped(tmp_path, "contacts:\n  attributes.tier: loyalty_tier\n")

    def breaks(*_: object, **more: Any) -> ImportReport:
        if more["mapping"].kind == "contacts":
            raise DataError("INSERT", {"email": "person1@shop.example.com"}, ValueError("no such text"))
        return import_file(*_, **more)  # type: ignore[arg-type]  # what it was called with

    with monkeypatch.context() as patched:
        patched.setattr("tools.crm.intake.import_file", breaks)
        done = read(place, server, tmp_path)
    assert "DataError" in done["contacts"].trouble
    assert "person1" not in done["contacts"].trouble
    assert done["deals"].written == 1
    assert read(place, server, tmp_path)["contacts"].written == 1  # at once: nobody holds it
    with place.store.read() as connection:
        (row,) = connection.execute(select(contacts.c.first_name, contacts.c.attributes)).all()
    assert row.first_name == "Ann"
    assert row.attributes["tier"] == "gold"
