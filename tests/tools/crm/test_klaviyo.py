"""Klaviyo: consent with its moment, events, lists by a line of the mapping, and requests as its document has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from memory import cap
from memory.cap import Cap
from memory.clock import ManualClock
from memory.schema import consents, contacts
from memory.store import Store
from memory.syncs import standings
from tests.memory.importing.loading import rows_of
from tests.tools.channels.test_contracts import contract, openapi_core
from tests.tools.crm.klaviyo_server import KlaviyoServer
from tests.tools.crm.scene import intake, read
from tests.tools.crm.server import Request
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Unknown
from tools.crm.connector import ConnectorError
from tools.crm.intake import Intake
from tools.crm.klaviyo.channel import KlaviyoChannel
from tools.crm.klaviyo.options import KlaviyoOptions

MAPPING = "lists:\n  email: email\n  attributes.newsletter: list.NEWS\n  attributes.vip: list.VIPS\n"


@pytest.fixture
def server() -> Iterator[KlaviyoServer]:
    with KlaviyoServer() as found:
        found.put(1, first_name="Ann", properties={"tier": "gold"})
        found.put(2, first_name="Bo")
        found.profiles[1]["subscriptions"] = {
            "email": {"marketing": {"consent": "SUBSCRIBED", "consent_timestamp": "2024-08-01T10:00:00+00:00"}}
        }
        found.profiles[2]["subscriptions"] = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
        found.lists = {"NEWS": ("Newsletter", [1, 2]), "VIPS": ("VIPs", [1]), "REST": ("Others", [2])}
        found.happen(1, 1, "Placed Order", **{"$value": 32.5})
        found.happen(2, 1, "Clicked Email")
        found.happen(3, 2, "Watched Video")
        yield found


@pytest.fixture
def place(store: Store, tmp_path: Path, clock: ManualClock) -> Intake:
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "klaviyo.yaml").write_text(MAPPING, encoding="utf-8")
    return intake(store, tmp_path, clock)


def test_profiles_events_and_mapped_lists_come_in(server: KlaviyoServer, place: Intake, tmp_path: Path) -> None:
    done = read(place, server, tmp_path)
    assert {name: (one.complete, one.set_aside) for name, one in done.items()} == dict.fromkeys(done, (True, 0))
    with place.store.read() as connection:
        states = connection.execute(select(consents.c.state, consents.c.at).order_by(consents.c.contact_id)).all()
        attributes = connection.execute(select(contacts.c.first_name, contacts.c.attributes)).all()
    assert (states[0].state, states[0].at.isoformat()) == ("granted", "2024-08-01T10:00:00+00:00")
    assert dict(map(tuple, attributes)) == {
        "Ann": {"newsletter": True, "vip": True},
        "Bo": {"newsletter": True},
    }
    assert rows_of(place.lake, "SELECT event_id, kind, value_cents FROM events ORDER BY event_id") == [
        ("1", "order", 3250),
        ("2", "click", None),
        ("3", "watched_video", None),
    ]
    again = read(place, server, tmp_path)
    assert {name: one.written for name, one in again.items()} == dict.fromkeys(done, 0)


def test_what_klaviyo_sends_by_itself_takes_its_place_under_the_cap(
    server: KlaviyoServer, place: Intake, tmp_path: Path
) -> None:
    server.now = place.clock.now() - timedelta(days=2)
    server.happen(4, 1, "Received Email", **{"Campaign Name": "Spring"})
    server.happen(5, 1, "Received SMS")
    for _ in range(2):
        done = read(place, server, tmp_path)
    assert (done["sends"].complete, done["sends"].set_aside, done["events"].set_aside) == (True, 0, 0)
    found = "SELECT message_key, channel, campaign FROM sends ORDER BY message_key"
    assert rows_of(place.lake, found) == [("klaviyo:4", "email", "Spring"), ("klaviyo:5", "sms", "")]
    assert rows_of(place.lake, "SELECT count(*) FROM events") == [(3,)]
    with place.store.read() as connection:
        (ann,) = connection.execute(select(contacts.c.contact_id).where(contacts.c.first_name == "Ann")).scalars()
        slots = cap.read(connection, [ann, ann + 1])
        assert len(slots[ann]) == 2
        assert not slots.get(ann + 1)
        assert Cap(2, 7).used(slots[ann], place.clock.now()) == 2


def flow_mail(server: KlaviyoServer, place: Intake) -> None:
    """One receipt for Ann, and one reminder of a cart."""
    server.now = place.clock.now() - timedelta(days=2)
    server.flow_messages = {"RECEIPT": True, "REMIND": False}
    for number, message in enumerate(("RECEIPT", "REMIND", "RECEIPT"), start=4):
        server.happen(number, 1, "Received Email", **{"$message": message, "$flow": "F1"})


def test_transactional_mail_of_a_flow_takes_no_place_and_its_marketing_does(
    server: KlaviyoServer, place: Intake, tmp_path: Path
) -> None:
    flow_mail(server, place)
    read(place, server, tmp_path)
    assert rows_of(place.lake, "SELECT message_key FROM sends") == [("klaviyo:5",)]
    assert rows_of(place.lake, "SELECT count(*) FROM events WHERE kind = 'transactional_email'") == [(2,)]
    with place.store.read() as connection:
        (ann,) = connection.execute(select(contacts.c.contact_id).where(contacts.c.first_name == "Ann")).scalars()
        assert len(cap.read(connection, [ann])[ann]) == 1
    asked = [one.path for one in server.requests if one.path.startswith("/api/flow-messages")]
    assert asked == ["/api/flow-messages/RECEIPT", "/api/flow-messages/REMIND"]


def test_without_the_scope_for_flows_all_their_mail_counts_and_the_check_names_the_scope(
    server: KlaviyoServer, place: Intake, tmp_path: Path
) -> None:
    flow_mail(server, place)
    server.withheld = {"flows:read"}
    done = read(place, server, tmp_path)
    assert (done["sends"].complete, done["sends"].written) == (True, 3)
    connector = server.connector()
    with pytest.raises(ConnectorError) as refused:
        connector.check()
    assert "flows:read is missing" in refused.value.what
    connector.close()


def test_the_history_of_events_is_read_once_for_what_they_did_and_what_they_got(
    server: KlaviyoServer, place: Intake, tmp_path: Path
) -> None:
    server.happen(4, 1, "Received Email")
    done = read(place, server, tmp_path)
    assert sum(one.path == "/api/events" for one in server.requests) == 1
    assert (done["events"].written, done["sends"].written) == (3, 1)
    with place.store.read() as connection:
        events, sends = (one for one in standings(connection, "klaviyo") if one.thing in {"events", "sends"})
    assert events.cursor == sends.cursor
    assert sends.complete_at is not None


def test_sends_that_were_not_read_along_are_fetched_from_the_beginning(
    server: KlaviyoServer, place: Intake, tmp_path: Path
) -> None:
    server.happen(4, 1, "Received Email")
    assert "sends" not in read(place, server, tmp_path, things=["contacts", "events"])
    server.happen(5, 2, "Received SMS")
    done = read(place, server, tmp_path)
    assert (done["sends"].written, done["events"].written) == (2, 0)


def test_sends_alone_come_in_where_events_are_not_mapped(server: KlaviyoServer, place: Intake, tmp_path: Path) -> None:
    server.happen(4, 1, "Received Email")
    done = read(place, server, tmp_path, things=["contacts", "sends"])
    assert done["sends"].written == 1
    assert rows_of(place.lake, "SELECT count(*) FROM events") == [(0,)]


def test_lists_and_custom_properties_are_found(server: KlaviyoServer) -> None:
    connector = server.connector()
    assert [(one.name, one.label) for one in connector.properties("lists")] == [
        ("list.NEWS", "Newsletter"),
        ("list.VIPS", "VIPs"),
        ("list.REST", "Others"),
    ]
    assert [one.name for one in connector.properties("contacts") if one.custom] == ["properties.tier"]
    assert "3 lists" in connector.check()
    connector.close()


def hold(request: Request) -> None:
    """Raise where a request is not what Klaviyo's document asks for."""
    from openapi_core.testing import MockRequest

    name = "lists" if request.path.startswith("/api/lists") else request.path.rsplit("/", 1)[1]
    document = contract(f"klaviyo_{name}.json.gz")
    headers = {key: value for key, value in request.headers.items() if key in {"authorization", "revision"}}
    document.validate_request(
        MockRequest("https://a.klaviyo.com", "get", request.path, headers=headers, args=dict(request.query))
    )


def test_every_request_is_what_klaviyos_document_asks_for(server: KlaviyoServer, place: Intake, tmp_path: Path) -> None:
    read(place, server, tmp_path)
    read(place, server, tmp_path)
    connector = server.connector()
    connector.check()
    connector.properties("lists")
    connector.close()
    assert {one.path for one in server.requests} == {
        "/api/profiles",
        "/api/events",
        "/api/flows",
        "/api/metrics",
        "/api/lists",
        "/api/lists/NEWS/profiles",
        "/api/lists/VIPS/profiles",
    }
    for request in server.requests:
        if request.path not in {"/api/flows", "/api/metrics"}:  # their documents are not among those kept here
            hold(request)


def send(server: KlaviyoServer, field: str, value: str, to: str = "person1@shop.example.com") -> Outcome:
    channel = KlaviyoChannel(KlaviyoOptions(), server.secrets, url=server.url)
    try:
        (outcome,) = channel.send_many([Outgoing("key", "", to, b"", {"field": field, "value": value})], seconds=5)
    finally:
        channel.close()
    return outcome


def test_properties_and_withdrawals_are_written_and_a_consent_is_never_made_up(server: KlaviyoServer) -> None:
    assert send(server, "tier", "silver") == Sent("key", provider_id="1")
    assert server.profiles[1]["properties"] == {"tier": "silver"}
    assert isinstance(send(server, "consent", "withdrawn"), Sent)
    assert server.unsubscribed == ["person1@shop.example.com"]
    asked = len(server.requests)
    refused = send(server, "consent", "granted")
    assert isinstance(refused, Failed)
    assert "from the contact" in refused.reason
    assert len(server.requests) == asked
    assert send(server, "tier", "gold", to="nobody") == Failed("key", "refused: 400 invalid")
    server.faults = ["cut body"]
    assert isinstance(send(server, "tier", "gold"), Unknown)


def test_what_is_written_is_what_klaviyos_document_asks_for(server: KlaviyoServer) -> None:
    from openapi_core.testing import MockRequest

    send(server, "tier", "silver")
    send(server, "consent", "withdrawn")
    document = contract("klaviyo_profiles.json.gz")
    for request in server.requests:
        headers = {key: value for key, value in request.headers.items() if key in {"authorization", "revision"}}
        kind = request.headers["content-type"]
        said = MockRequest(
            "https://a.klaviyo.com", "post", request.path, headers=headers, data=request.body, content_type=kind
        )
        document.validate_request(said)


def test_what_the_document_does_not_allow_is_noticed() -> None:
    headers = {"authorization": "Klaviyo-API-Key x", "revision": "2026-07-15"}
    for query in ({"sort": "age"}, {"page[size]": "1000"}, {"additional-fields[profile]": "age"}):
        with pytest.raises(openapi_core.exceptions.OpenAPIError):
            hold(Request("GET", "/api/profiles", query, headers, b""))
