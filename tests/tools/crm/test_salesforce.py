"""Salesforce: a server that a client takes for one, OAuth that runs out, custom fields, deals, a spent budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from memory.clock import ManualClock
from memory.errors import ConfigurationError
from memory.schema import contacts, deals
from memory.store import Store
from tests.tools.crm.salesforce_server import SalesforceServer
from tests.tools.crm.scene import intake, people, read
from tests.tools.crm.server import KEY
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Unknown
from tools.crm.connector import ConnectorError
from tools.crm.intake import Intake
from tools.crm.salesforce.channel import SalesforceChannel
from tools.crm.salesforce.options import SalesforceOptions


@pytest.fixture
def server() -> Iterator[SalesforceServer]:
    with SalesforceServer() as found:
        found.put(1, first_name="Ann", Loyalty__c="gold")
        found.put(2, first_name="Bo")
        yield found


@pytest.fixture
def place(store: Store, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Intake:
    monkeypatch.setattr("tools.crm.api._PAUSE", lambda _state: 0.0)
    return intake(store, tmp_path, clock)


def test_another_client_takes_the_server_for_salesforce(server: SalesforceServer) -> None:
    library = pytest.importorskip(
        "simple_salesforce", reason="simple-salesforce is not installed: the server was NOT checked"
    )
    client = library.Salesforce(instance="maple.my.salesforce.com", session_id=server.token, version="61.0")
    client.base_url = f"{server.url}/services/data/v61.0/"
    server.remove(2)
    asked = "SELECT Id, FirstName FROM Contact WHERE SystemModstamp >= 2024-01-01T00:00:00.000Z ORDER BY Id LIMIT 10"
    assert [one["FirstName"] for one in client.query(asked)["records"]] == ["Ann"]
    assert [one["FirstName"] for one in client.query_all(asked, include_deleted=True)["records"]] == ["Ann", "Bo"]
    kind = client.Contact
    kind.base_url = f"{server.url}/services/data/v61.0/sobjects/Contact/"
    assert kind.describe()["fields"][-1]["name"] == "Loyalty__c"
    client.headers["Authorization"] = "Bearer another"
    with pytest.raises(library.exceptions.SalesforceExpiredSession):
        client.query(asked)


def test_a_token_that_runs_out_is_renewed_and_a_refused_renewal_says_what_to_do(
    server: SalesforceServer, place: Intake, tmp_path: Path
) -> None:
    server.faults = ["expire"]
    assert read(place, server, tmp_path, things=("contacts",))["contacts"].complete
    assert server.renewals == 2
    assert people(place.store, "salesforce") == {"1": "Ann", "2": "Bo"}
    server.options = {"domain": "maple", "client_id": "gone"}  # type: ignore[misc]  # of this server alone
    connector = server.connector()
    with pytest.raises(ConnectorError, match="noria connect salesforce") as raised:
        connector.check()
    assert KEY not in str(raised.value)
    connector.close()


def test_custom_fields_are_found_and_read_by_one_line(server: SalesforceServer, place: Intake, tmp_path: Path) -> None:
    (tmp_path / "connectors").mkdir()
    own = tmp_path / "connectors" / "salesforce.yaml"
    own.write_text("contacts:\n  attributes.tier: Loyalty__c\n", encoding="utf-8")
    connector = server.connector()
    assert [one.name for one in connector.properties("contacts") if one.custom] == ["Loyalty__c"]
    connector.close()
    read(place, server, tmp_path, things=("contacts",))
    with place.store.read() as connection:
        found = connection.execute(select(contacts.c.attributes).order_by(contacts.c.contact_id)).scalars().all()
    assert found == [{"tier": "gold"}, {}]
    connector = server.connector()
    with pytest.raises(ConfigurationError, match="no field of Salesforce"):
        connector.read("contacts", "", ["Id FROM User"])
    connector.close()


def test_deals_come_in_and_go_when_they_are_deleted(server: SalesforceServer, place: Intake, tmp_path: Path) -> None:
    values = {"Name": "Roof", "StageName": "Closed Won", "Amount": 1200.5, "IsWon": True, "IsClosed": True}
    server.keep("Opportunity", "D1", {**values, "ContactId": "1", "CloseDate": "2024-10-01"})
    read(place, server, tmp_path, things=("contacts", "deals"))
    with place.store.read() as connection:
        row = connection.execute(select(deals.c.external_id, deals.c.amount_cents, deals.c.won)).one()
    assert tuple(row) == ("salesforce:D1", 120050, True)
    server.keep("Opportunity", "D1", {})
    server.objects["Opportunity"]["D1"]["IsDeleted"] = True
    assert read(place, server, tmp_path, things=("deals",))["deals"].deleted == 1


def test_a_spent_budget_ends_the_pull_with_a_word_of_its_own(
    server: SalesforceServer, place: Intake, tmp_path: Path
) -> None:
    server.faults, server.says = [403] * 9, "REQUEST_LIMIT_EXCEEDED"
    done = read(place, server, tmp_path, things=("contacts",))["contacts"]
    assert "no room for more requests today" in done.trouble
    assert "does not allow" not in done.trouble


def send(server: SalesforceServer, field: str, value: str | bool, to: str = "Person1@shop.example.com") -> Outcome:
    options, secrets = SalesforceOptions(**server.options), server.secrets
    channel = SalesforceChannel(options, secrets, url=server.url)
    try:
        (outcome,) = channel.send_many([Outgoing("key", "", to, b"", {"field": field, "value": value})], seconds=5)
    finally:
        channel.close()
    return outcome


def test_fields_and_tasks_are_written_to_the_contact_with_the_address(server: SalesforceServer) -> None:
    assert send(server, "Loyalty__c", "silver") == Sent("key", provider_id="1")
    assert server.objects["Contact"]["1"]["Loyalty__c"] == "silver"
    assert send(server, "task", "Call about the roof") == Sent("key", provider_id="T1")
    assert server.tasks == [{"WhoId": "1", "Subject": "Call about the roof", "Status": "Not Started"}]


def test_a_withdrawal_is_passed_on_to_salesforce_and_a_consent_is_never_made_up(server: SalesforceServer) -> None:
    made_up: list[tuple[str, str | bool]] = [
        ("consent", "granted"), ("HasOptedOutOfEmail", False), ("hasoptedoutofemail", False), ("DoNotCall", "no"),
    ]  # fmt: skip
    for field, value in made_up:
        refused = send(server, field, value)
        assert isinstance(refused, Failed)
        assert "from the contact" in refused.reason
    assert not server.requests
    assert isinstance(send(server, "consent", "withdrawn"), Sent)
    assert server.objects["Contact"]["1"]["HasOptedOutOfEmail"] is True


def test_what_salesforce_does_not_take_is_told_apart(server: SalesforceServer) -> None:
    nobody = "refused: Salesforce has no contact with this address"
    assert send(server, "task", "Call", to="o'brien@shop.example.com") == Failed("key", nobody)
    assert send(server, "Colour__c", "red") == Failed("key", "refused: 400 INVALID_FIELD")
    server.faults = ["cut body"]
    assert isinstance(send(server, "task", "Call"), Unknown)
    server.faults = ["expire"]
    assert isinstance(send(server, "task", "Call again"), Sent)


def test_another_client_writes_by_the_same_request(server: SalesforceServer) -> None:
    library = pytest.importorskip(
        "simple_salesforce", reason="simple-salesforce is not installed: the server was NOT checked"
    )
    send(server, "task", "Call")
    client = library.Salesforce(instance="maple.my.salesforce.com", session_id=server.token, version="61.0")
    client.base_url = f"{server.url}/services/data/v61.0/"
    said = client.restful("composite", method="POST", json=server.requests[-1].document)
    assert [one["httpStatusCode"] for one in said["compositeResponse"]] == [200, 201]
