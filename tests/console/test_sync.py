"""`noria connect`, `noria sync` and the worker, with a HubSpot on this machine."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.doctor.parts import _systems
from console.secrets import write_secrets
from console.settings import SECRETS_FILE, SERVING_SECRETS, load_settings
from console.sync import connected, sync_due
from console.wiring import Workspace
from memory.errors import ConfigurationError, NoriaError
from tests.console.test_settings import write
from tests.tools.crm.hubspot_server import HubSpotServer
from tests.tools.crm.scene import people
from tests.tools.crm.server import KEY
from tools.crm.connector import ConnectorError
from tools.crm.connectors import SYSTEMS
from tools.failure import Failures

CONNECTED = 'name = "Shop"\n[sync.hubspot]\n'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotServer]:
    with HubSpotServer() as found:
        monkeypatch.setattr("tools.crm.hubspot.connector.HOST", found.url)
        monkeypatch.setattr("tools.crm.api._PAUSE", lambda _state: 0.0)
        for number in range(1, 4):
            found.put(number, first_name=f"First{number}", lifecyclestage="lead")
        yield found


def run(folder: Path, *words: str, typed: str = "", code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*words, "-w", str(folder), "--json"], input=typed)
    if isinstance(done.exception, NoriaError):
        raise done.exception
    assert done.exit_code == code, done.output
    assert KEY not in done.output
    return json.loads(done.stdout[done.stdout.index("{") :])


def test_a_system_is_asked_tried_and_written_down_with_its_key_where_nobody_else_reads(
    tmp_path: Path, server: HubSpotServer
) -> None:
    folder = write(tmp_path, 'name = "Shop"\n')
    done = run(folder, "connect", "hubspot", typed=f"{KEY}\n")
    assert done == {
        "system": "hubspot",
        "sentence": "HubSpot takes the key; contacts and deals can be read.",
        "files": ["noria.toml", "secrets.toml"],
    }
    assert load_settings(folder).sync.systems.keys() == {"hubspot"}
    assert stat.S_IMODE((folder / SECRETS_FILE).stat().st_mode) == 0o600
    assert KEY not in (folder / "noria.toml").read_text()
    assert run(folder, "connect", "hubspot")["files"] == []
    assert run(folder, "sync")["pulled"][0]["written"] == 3


def test_a_key_that_is_refused_is_written_nowhere(tmp_path: Path, server: HubSpotServer) -> None:
    folder = write(tmp_path, 'name = "Shop"\n')
    server.token = "another"
    with pytest.raises(ConnectorError, match="NORIA_HUBSPOT_KEY") as raised:
        run(folder, "connect", "hubspot", typed=f"{KEY}\n")
    assert KEY not in str(raised.value)
    assert not (folder / SECRETS_FILE).exists()
    assert "hubspot" not in (folder / "noria.toml").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["connect", "fax"], "no system fax"),
        (["connect", "hubspot", "--set", "region=eu"], "HubSpot has no region"),
        (["connect", "csv", "--set", "directory=/srv"], "CSV folder has no directory"),
    ],
)
def test_what_a_system_does_not_have_is_an_error_before_anything_is_asked(
    tmp_path: Path, server: HubSpotServer, words: list[str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        run(write(tmp_path, 'name = "Shop"\n'), *words)
    assert not server.requests


def test_a_folder_is_asked_for_in_plain_words_and_what_comes_next_is_said(tmp_path: Path) -> None:
    folder, exports = write(tmp_path, 'name = "Shop"\n'), tmp_path / "exports"
    exports.mkdir()
    (exports / "contacts.csv").write_text("email\nanna@shop.example.com\nno address\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["connect", "csv", "-w", str(folder)], input=f"{exports}\n")
    assert "Where the exports lie, a whole path like /srv/exports" in done.stderr
    assert "it holds contacts.csv. Written to noria.toml." in " ".join(done.stdout.split())
    assert "noria sync csv --dry-run" in done.stdout
    shown = " ".join(CliRunner().invoke(app, ["sync", "--dry-run", "-w", str(folder)]).output.split())
    assert "1 would be written, 0 are on record already" in shown
    assert "1 would be set aside in email: this is not an e-mail address" in shown
    assert "later one" not in shown


def test_a_dry_run_shows_before_and_after_and_writes_nothing(
    tmp_path: Path, server: HubSpotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORIA_HUBSPOT_KEY", KEY)
    folder = write(tmp_path, CONNECTED)
    run(folder, "sync")
    server.put(2, first_name="Anna", lifecyclestage="customer")
    before = {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    found = run(folder, "sync", "hubspot", "--dry-run")["hubspot"][0]
    changes = {(one["id"], one["field"]): (one["before"], one["after"]) for one in found["changes"]}
    assert changes["2", "first_name"] == ("First2", "Anna")
    assert changes["2", "attributes.lifecyclestage"] == ("lead", "customer")
    assert "loyalty_tier (custom)" in found["unread"]
    assert found["new"] == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == before
    opened = Workspace(folder, {})
    assert people(opened.store, "hubspot")["2"] == "First2"
    opened.close()
    shown = CliRunner().invoke(app, ["sync", "--dry-run", "-w", str(folder)]).output
    assert "Nothing was written." in shown
    assert "Anna" in shown


def test_the_worker_reads_what_is_due_and_tells_how_far_it_is(
    tmp_path: Path, server: HubSpotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORIA_HUBSPOT_KEY", KEY)
    folder = write(tmp_path, CONNECTED)
    opened, failures = Workspace(folder, {"NORIA_HUBSPOT_KEY": KEY}), Failures()
    assert [one.written for one in sync_due(opened, failures)] == [3, 0]
    asked = len(server.requests)
    assert sync_due(opened, failures) == []
    assert len(server.requests) == asked
    assert [one.state for one in _systems(opened)] == ["well"]
    opened.close()
    (here,) = [one["here"] for one in run(folder, "connectors")["systems"] if one["name"] == "hubspot"]
    assert (here["connected"], here["secrets"]) == (True, True)
    assert [(one["thing"], one["records"], one["trouble"]) for one in here["things"]] == [
        ("contacts", 3, ""),
        ("deals", 0, ""),
    ]
    assert "HubSpot contacts: as it was" in CliRunner().invoke(app, ["connectors", "-w", str(folder)]).output
    assert failures.found == []


@pytest.mark.parametrize("where", ["secrets.toml", "environment"])
def test_a_refresh_token_that_changes_at_each_use_holds_for_the_next_round(
    tmp_path: Path, server: HubSpotServer, where: str
) -> None:
    server.rotates = True
    folder = write(tmp_path, f'{CONNECTED}client_id = "app"\n')
    secrets = {"NORIA_HUBSPOT_CLIENT_SECRET": KEY, "NORIA_HUBSPOT_REFRESH_TOKEN": KEY}
    if where == "secrets.toml":
        write_secrets(folder, secrets)
    opened = Workspace(folder, {} if where == "secrets.toml" else secrets)
    for _ in range(2):
        with connected(opened, "hubspot") as connector:
            assert "can be read" in connector.check()
    opened.close()
    if where == "environment":
        assert not (folder / SECRETS_FILE).exists()
        return
    assert stat.S_IMODE((folder / SECRETS_FILE).stat().st_mode) == 0o600
    again = Workspace(folder, {})
    with connected(again, "hubspot") as connector:
        assert "can be read" in connector.check()
    again.close()
    assert server.renewals == 3


def test_trouble_is_told_with_what_to_do(
    tmp_path: Path, server: HubSpotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORIA_HUBSPOT_KEY", KEY)
    folder = write(tmp_path, CONNECTED)
    server.faults = [403]
    pulled = run(folder, "sync", code=1)["pulled"]
    assert "crm.objects.contacts.read" in pulled[0]["trouble"]
    assert pulled[1]["complete"]
    assert "does not allow it" in CliRunner().invoke(app, ["connectors", "-w", str(folder)]).output
    server.faults = [403]
    opened = Workspace(folder, {"NORIA_HUBSPOT_KEY": KEY})
    (said,) = [one for one in _systems(opened) if one.state == "failure"]
    assert "crm.objects.contacts.read" in said.remedy
    opened.close()


def test_without_its_key_it_says_which_and_other_systems_are_read_on(tmp_path: Path) -> None:
    folder = write(tmp_path, CONNECTED)
    with pytest.raises(ConfigurationError, match="NORIA_HUBSPOT_KEY"):
        run(folder, "sync")
    opened, failures = Workspace(folder, {}), Failures()
    assert sync_due(opened, failures) == []
    assert [one.part for one in failures.found] == ["sync hubspot"]
    opened.close()
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "contacts.csv").write_text("email\nanna@shop.example.com\n", encoding="utf-8")
    both = write(tmp_path, f'{CONNECTED}[sync.csv]\nfolder = "{exports}"\n')
    pulled = {one["system"]: one for one in run(both, "sync", code=1)["pulled"]}
    assert "NORIA_HUBSPOT_KEY" in pulled["hubspot"]["trouble"]
    assert (pulled["csv"]["written"], pulled["csv"]["trouble"]) == (1, "")


def test_who_serves_holds_no_key_of_a_system(tmp_path: Path) -> None:
    everything = {name: KEY for system in SYSTEMS.values() for name in system.secrets}
    opened = Workspace(write(tmp_path, CONNECTED), everything, SERVING_SECRETS)
    assert not any(opened.holds(name) for name in everything)
    assert [one.state for one in _systems(opened)] == ["elsewhere"]
    opened.close()


def test_a_workspace_without_systems_says_how_to_connect_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="noria connect"):
        run(write(tmp_path, 'name = "Shop"\n'), "sync")
