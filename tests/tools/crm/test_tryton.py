"""Tryton: sessions that run out, fields that are checked, and what becomes of a step that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from memory.clock import ManualClock
from memory.errors import ConfigurationError
from memory.store import Store
from tests.tools.crm.scene import intake, people, read
from tests.tools.crm.server import KEY
from tests.tools.crm.tryton_server import TrytonServer
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.crm.connector import ConnectorError
from tools.crm.tryton.channel import TrytonChannel
from tools.crm.tryton.options import TrytonOptions

ANN = "person1@shop.example.com"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrytonServer]:
    monkeypatch.setattr("tools.crm.api._PAUSE", lambda _state: 0.0)
    with TrytonServer() as found:
        found.put(1, first_name="Ann", last_name="Lee")
        found.put(2, first_name="Bo")
        yield found


def send(server: TrytonServer, field: str, value: str, *, to: str = ANN, seconds: float = 5) -> Outcome:
    channel = TrytonChannel(TrytonOptions(**server.options), server.secrets, url=server.url)
    try:
        (outcome,) = channel.send_many(
            [Outgoing("key", "", to, b"", {"field": field, "value": value})], seconds=seconds
        )
    finally:
        channel.close()
    return outcome


def test_a_session_that_runs_out_is_opened_again_and_closed_in_the_end(
    server: TrytonServer, store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    server.faults = ["expire"]
    assert read(intake(store, tmp_path, clock), server, tmp_path, things=("contacts",))["contacts"].complete
    assert people(store, "tryton") == {"1": "Ann", "2": "Bo"}
    assert server.renewals == 2
    assert server.requests[-1].document["method"] == "common.db.logout"
    assert [one.document["method"] for one in server.requests].count("common.db.login") == 2


def test_a_wrong_password_is_said_and_not_shown(server: TrytonServer) -> None:
    server.options = {**server.options, "user": "nobody"}  # type: ignore[misc]  # of this server alone
    connector = server.connector()
    with pytest.raises(ConnectorError, match="does not let nobody in") as raised:
        connector.check()
    assert KEY not in str(raised.value)


def test_whoever_was_merged_into_another_does_not_count_as_deleted(server: TrytonServer) -> None:
    connector = server.connector()
    server.remove(2)
    assert [one.id for one in connector.read("contacts", "", ["email"]).records if one.deleted_at] == ["2"]
    server.parties[2]["replaced_by"] = 1
    assert [one.id for one in connector.read("contacts", "", ["email"]).records] == ["1"]
    connector.close()


def test_a_field_that_tryton_does_not_have_is_named(server: TrytonServer) -> None:
    connector = server.connector()
    for name in ("colour", "name; drop"):
        with pytest.raises(ConfigurationError, match=f"{name} is no field of party.party"):
            connector.read("contacts", "", [name])
    connector.close()


def test_a_password_goes_over_the_network_only_encrypted() -> None:
    for url in ("http://tryton.example.com", "tryton.example.com", "https://"):
        with pytest.raises(ValidationError, match="https"):
            TrytonOptions(url=url, database="crm", user="noria")
    assert TrytonOptions(url="https://tryton.example.com/", database="crm", user="noria").url.endswith(".com")
    assert TrytonOptions(url="http://127.0.0.1:8000", database="crm", user="noria").database == "crm"


def test_a_field_a_lead_and_a_note_are_written_for_the_party_with_the_address(server: TrytonServer) -> None:
    assert send(server, "code", "A1", to="Person1@shop.example.com") == Sent("key", provider_id="1")
    assert server.parties[1]["code"] == "A1"
    assert send(server, "lead", "Call about tea") == Sent("key", provider_id="1")
    assert send(server, "note", "Asked twice") == Sent("key", provider_id="2")
    assert server.made == [
        ("sale.opportunity", {"party": 1, "description": "Call about tea"}),
        ("ir.note", {"resource": "party.party,1", "message": "Asked twice"}),
    ]
    assert server.requests[-2].document["params"][-1]["company"] == 3


def test_what_cannot_be_written_is_told_apart(server: TrytonServer) -> None:
    assert send(server, "code", "A1", to="nobody@shop.example.com") == Failed(
        "key", "refused: Tryton has no party with this address"
    )
    assert send(server, "colour", "red") == Failed("key", "refused: 400")
    # Not written, for the company and the party are asked for first; then in the midst of the lead itself.
    server.faults = [429] * 9
    assert isinstance(send(server, "lead", "Call", seconds=0.5), Transient)
    server.faults = [0, 0, "cut body"]
    assert isinstance(send(server, "lead", "Call"), Unknown)
    server.faults = ["expire"]
    assert isinstance(send(server, "note", "Later"), Sent)


def test_a_refused_password_is_not_tried_on_every_message(server: TrytonServer) -> None:
    channel = TrytonChannel(TrytonOptions(**{**server.options, "user": "nobody"}), server.secrets, url=server.url)
    batch = [Outgoing(f"key{one}", "", ANN, b"", {"field": "code", "value": "A1"}) for one in range(6)]
    for _ in range(2):
        outcomes = channel.send_many(batch, seconds=5)
        assert [type(one) for one in outcomes] == [Transient] * 6
    channel.close()
    # Tryton locks whoever is wrong too often, and then nobody reads either.
    assert [one.document["method"] for one in server.requests] == ["common.db.login"]


def test_a_look_up_that_fails_has_written_nothing(server: TrytonServer) -> None:
    server.faults = [500] * 9
    assert isinstance(send(server, "code", "A1", seconds=0.5), Transient)
    assert "code" not in server.parties[1]
