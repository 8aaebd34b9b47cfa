"""What every connected system is held to, each against a server of its kind that misbehaves on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import select

from console.settings import CrmChannel
from memory.clock import ManualClock
from memory.consents import Consent, record
from memory.schema import consent_current, contacts, journal, quarantine
from memory.store import Store
from memory.syncs import standings
from tests.tools.crm.hubspot_server import HubSpotServer
from tests.tools.crm.klaviyo_server import KlaviyoServer
from tests.tools.crm.salesforce_server import SalesforceServer
from tests.tools.crm.scene import intake, people
from tests.tools.crm.scene import read as read_all
from tests.tools.crm.server import KEY, Server
from tests.tools.crm.shopify_server import ShopifyServer
from tests.tools.crm.tryton_server import TrytonServer
from tools.channels.channel import Outgoing, Sent, Transient, Unknown
from tools.crm.connector import ConnectorError
from tools.crm.connectors import SYSTEMS, open_channel_to
from tools.crm.intake import Intake
from tools.crm.shopify.questions import PAGE_SIZES
from tools.crm.sync import Pulled

PAGE = 4
SERVERS: dict[str, Callable[[], Server]] = {
    one.system: one for one in (HubSpotServer, SalesforceServer, TrytonServer, ShopifyServer, KlaviyoServer)
}


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with SERVERS[request.param]() as found:
        yield found


@pytest.fixture
def place(store: Store, tmp_path: Path, clock: ManualClock) -> Intake:
    return intake(store, tmp_path, clock, chunk=1)


@pytest.fixture(autouse=True)
def _small_pages_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.crm.api._PAUSE", lambda _state: 0.0)
    for name in ("hubspot.connector._LISTED", "hubspot.connector._FOUND", "klaviyo.connector._PAGE_SIZE"):
        monkeypatch.setattr(f"tools.crm.{name}", PAGE)
    for name in ("salesforce", "tryton"):
        monkeypatch.setattr(f"tools.crm.{name}.connector._PAGE_SIZE", PAGE)
    monkeypatch.setitem(PAGE_SIZES, "contacts", PAGE)


def read(place: Intake, server: Server, folder: Path, **more: Any) -> dict[str, Pulled]:
    """One pull of the contacts alone."""
    return read_all(place, server, folder, things=("contacts",), **more)


def fill(server: Server, count: int) -> dict[str, str]:
    for number in range(1, count + 1):
        server.put(number, first_name=f"First{number}")
    return {str(number): f"First{number}" for number in range(1, count + 1)}


def test_every_system_is_under_these_promises() -> None:
    # Tables and files speak no HTTP: their promises are in test_sql.py and test_csv.py.
    assert set(SERVERS) == set(SYSTEMS) - {"sql", "csv"}


def test_whatever_takes_back_can_be_set_and_has_its_channel() -> None:
    taking = {name for name, one in SYSTEMS.items() if one.writes}
    assert taking == set(get_args(CrmChannel.model_fields["kind"].annotation)) - {"sandbox", "http"}
    for name in taking:
        with SERVERS[name]() as server:
            channel = open_channel_to(name, SYSTEMS[name].options.model_validate(server.options), server.secrets)
        assert (channel.name, channel.capabilities.carries, channel.capabilities.idempotent) == (name, "crm", False)
        channel.close()


def test_all_there_is_comes_in_once_and_again_changes_nothing(server: Server, place: Intake, tmp_path: Path) -> None:
    wanted = fill(server, 2 * PAGE + 1)
    first = read(place, server, tmp_path)["contacts"]
    assert (first.read, first.complete, first.trouble) == (len(wanted), True, "")
    assert people(place.store, server.system) == wanted
    again = read(place, server, tmp_path, again=True)["contacts"]
    assert (again.read, again.written, again.unchanged) == (len(wanted), 0, len(wanted))
    assert people(place.store, server.system) == wanted


def test_the_next_pull_asks_only_for_what_changed(server: Server, place: Intake, tmp_path: Path) -> None:
    wanted = fill(server, 5)
    read(place, server, tmp_path)
    server.put(3, first_name="Anna")
    server.put(6, first_name="Zoé")
    changed = read(place, server, tmp_path)["contacts"]
    assert people(place.store, server.system) == {**wanted, "3": "Anna", "6": "Zoé"}
    assert changed.written == 2
    assert changed.read < 5


def test_who_changes_while_pages_are_turned_is_not_lost(server: Server, place: Intake, tmp_path: Path) -> None:
    wanted = fill(server, 2 * PAGE + 1)
    turned: list[Any] = []

    def meanwhile(request: Any) -> None:
        turned.append(request)
        if len(turned) == 2:
            server.put(1, first_name="Changed")
            server.put(len(wanted), first_name="Also")

    server.before = meanwhile
    read(place, server, tmp_path)
    read(place, server, tmp_path)
    assert people(place.store, server.system) == {**wanted, "1": "Changed", str(len(wanted)): "Also"}


def test_what_goes_wrong_on_the_way_loses_and_doubles_nothing(server: Server, place: Intake, tmp_path: Path) -> None:
    wanted = fill(server, PAGE + 1)
    server.faults = ["cut", 500, "cut body", 502, "page", 0, 429, 408, 503, 429, "slow"]
    done = read(place, server, tmp_path)["contacts"]
    assert (done.complete, done.trouble) == (True, "")
    assert people(place.store, server.system) == wanted


def test_what_does_not_pass_is_said_and_what_came_before_is_kept(server: Server, place: Intake, tmp_path: Path) -> None:
    wanted = fill(server, PAGE + 1)
    faults: dict[int | str, str] = {
        429: "429",
        500: "500",
        "page": "not JSON",
        "cut": "hung up",
        401: "401",
        403: "403",
        400: "400",
    }
    brought = 0
    for fault, said in faults.items():
        rest_of_page: list[int | str] = [0] * (server.asked_for_a_page - 1)
        faults_after = [*rest_of_page, *[fault] * 40]
        server.before = lambda _request, after=faults_after: server.faults.extend(after)  # type: ignore[misc]
        if brought:
            server.faults = [fault] * 40
        broken = read(place, server, tmp_path)["contacts"]
        brought += broken.read
        assert not broken.complete
        assert said in broken.trouble
        assert SYSTEMS[server.system].title in broken.trouble
        assert KEY not in broken.trouble
        with place.store.read() as connection:
            (kept,) = [one for one in standings(connection, server.system) if one.thing == "contacts"]
        assert (kept.trouble, kept.complete_at, kept.records) == (broken.trouble, None, PAGE)
    server.before, server.faults = lambda _request: None, []
    rest = read(place, server, tmp_path)["contacts"]
    assert (rest.complete, brought, rest.read) == (True, PAGE, len(wanted) - PAGE)
    assert people(place.store, server.system) == wanted


def test_after_a_kill_the_next_process_goes_on_from_what_was_kept(
    server: Server, store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    wanted = fill(server, 2 * PAGE + 1)
    real = ManualClock(clock.now())
    place = intake(store, tmp_path, clock, chunk=1, lease_clock=real)

    def progress(_stage: str, done: int, _total: int) -> None:
        if done > PAGE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(place, server, tmp_path, progress=progress)
    assert len(people(store, server.system)) == PAGE
    assert read(place, server, tmp_path)["contacts"].elsewhere
    real.advance(timedelta(minutes=11))
    rest = read(place, server, tmp_path)["contacts"]
    assert (rest.complete, rest.read) == (True, len(wanted) - PAGE)
    assert people(store, server.system) == wanted


def test_time_that_runs_out_leaves_the_rest_for_the_next_round(server: Server, place: Intake, tmp_path: Path) -> None:
    wanted = fill(server, 2 * PAGE + 1)
    rounds = 0
    while not read(place, server, tmp_path, until=0.0)["contacts"].complete:
        rounds += 1
    assert rounds >= 2
    assert people(place.store, server.system) == wanted


def test_a_record_that_cannot_be_read_is_set_aside_and_stops_no_other(
    server: Server, place: Intake, tmp_path: Path
) -> None:
    wanted = fill(server, 3)
    server.put(2, first_name="Bo", email="no address")
    done = read(place, server, tmp_path)["contacts"]
    assert (done.complete, done.set_aside) == (True, 1)
    assert [one.reason for one in done.reasons]
    assert people(place.store, server.system) == {name: one for name, one in wanted.items() if name != "2"}
    with place.store.read() as connection:
        (raw,) = connection.execute(select(quarantine.c.raw)).scalars()
    assert "no address" in raw.values()


@pytest.mark.parametrize("server", [name for name in SERVERS if "contacts" in SYSTEMS[name].deletes], indirect=True)
def test_whoever_was_deleted_is_written_to_no_more(server: Server, place: Intake, tmp_path: Path) -> None:
    fill(server, 3)
    read(place, server, tmp_path)
    with place.store.write() as connection:
        people_here = connection.execute(select(contacts.c.contact_id)).scalars().all()
        granted = {"channel": "email", "purpose": "marketing", "state": "granted", "proof": "form"}
        at = server.now + timedelta(minutes=1)
        record(connection, [Consent(contact_id=one, at=at, **granted) for one in people_here])
    server.now = at
    server.remove(2)
    clock = place.clock
    assert isinstance(clock, ManualClock)
    clock.advance_to(server.now + timedelta(hours=1))
    done = read(place, server, tmp_path)["contacts"]
    assert done.deleted
    with place.store.read() as connection:
        query = select(consent_current.c.state).where(consent_current.c.channel == "email")
        states = sorted(connection.execute(query).scalars())
    assert states == ["granted", "granted", "withdrawn"]
    assert read(place, server, tmp_path)["contacts"].deleted == 0


def test_the_check_names_each_right_that_is_missing_and_writes_nothing(server: Server) -> None:
    connector = server.connector()
    fill(server, 2)
    assert SYSTEMS[server.system].title in connector.check(writing=True)
    for right in server.rights:
        server.withheld = {right}
        with pytest.raises(ConnectorError) as refused:
            connector.check(writing=True)
        assert right in refused.value.what
        assert SYSTEMS[server.system].page in refused.value.remedy
        assert KEY not in str(refused.value)
    server.withheld = set(server.rights)
    with pytest.raises(ConnectorError) as refused:
        connector.check(writing=True)
    assert all(right in refused.value.what for right in server.rights)
    server.withheld, now = set(), server.now
    connector.check(writing=True)
    assert server.now == now
    connector.close()


@pytest.mark.parametrize("server", ["hubspot", "salesforce", "tryton"], indirect=True)
def test_a_pass_that_runs_out_in_the_middle_of_a_page_is_renewed_and_nothing_is_lost_or_doubled(
    server: Server, place: Intake, tmp_path: Path
) -> None:
    if server.system == "hubspot":
        server.options = {"client_id": "app"}  # type: ignore[misc]  # of this server alone
    wanted = fill(server, 2 * PAGE + 1)
    server.faults = [0, "expire", 0, "expire", "cut body", "expire"]
    done = read(place, server, tmp_path)["contacts"]
    assert (done.complete, done.read, done.trouble) == (True, len(wanted), "")
    assert server.renewals == 4
    assert people(place.store, server.system) == wanted


@pytest.mark.parametrize("apart", [timedelta(hours=-7), timedelta(minutes=55)])
def test_clocks_that_differ_lose_no_change(server: Server, place: Intake, tmp_path: Path, apart: timedelta) -> None:
    # So that its last change is stamped so far before or after our own time.
    server.now = place.clock.now() + apart - (PAGE + 2) * timedelta(minutes=20)
    wanted = fill(server, PAGE + 1)
    read(place, server, tmp_path)
    server.put(1, first_name="Changed")
    assert read(place, server, tmp_path)["contacts"].written == 1
    assert people(place.store, server.system) == {**wanted, "1": "Changed"}


STEPS = [
    ("hubspot", "loyalty_tier"),
    ("hubspot", "task"),
    ("salesforce", "Loyalty__c"),
    ("salesforce", "task"),
    ("tryton", "code"),
    ("tryton", "note"),
    ("klaviyo", "tier"),
]
WRITE_FAULTS: list[int | str] = [429, 503, 500, "cut", "cut body", "page", "slow", 403]


@pytest.mark.parametrize(("server", "field"), STEPS, indirect=["server"])
def test_what_is_written_back_through_every_fault_is_told_as_it_is(
    server: Server, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.channels.exchange._PAUSE", lambda _state: 0.0)
    fill(server, 2)
    options = SYSTEMS[server.system].options.model_validate(server.options)
    made = import_module(f"tools.crm.{server.system}.channel").CHANNEL
    channel = made(options, server.secrets, url=server.url)
    for number, fault in enumerate(WRITE_FAULTS):
        address = "person1@shop.example.com"
        step = Outgoing(f"key{number}", "", address, b"", {"email": address, "field": field, "value": f"v{number}"})
        # Those who look for the contact first are asked for that as well.
        for before in range(2):
            server.faults = [*[0] * before, fault]
            (outcome,) = channel.send_many([step], seconds=20)
            assert isinstance(outcome, Sent | Transient | Unknown), (fault, outcome)
            if fault in {429, 503, "slow"}:
                assert isinstance(outcome, Sent), (fault, outcome)
            if not isinstance(outcome, Sent):
                assert outcome.reason
                assert KEY not in outcome.reason
                assert "@" not in outcome.reason
            server.faults = []
        (outcome,) = channel.send_many([step], seconds=20)
        assert isinstance(outcome, Sent)
    channel.close()


def test_a_key_is_shown_nowhere(
    server: Server, place: Intake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    fill(server, 2)
    server.faults = [400]
    failed = read(place, server, tmp_path)
    done = read(place, server, tmp_path)
    connector = server.connector()
    with place.store.read() as connection:
        lines = [str(row) for row in connection.execute(select(journal))]
        states = [str(one) for one in standings(connection)]
    shown = [*map(str, failed.values()), *map(str, done.values()), *lines, *states, repr(connector), caplog.text]
    connector.close()
    assert not [text for text in shown if KEY in text]
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in stored
