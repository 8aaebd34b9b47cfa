"""`noria connectors`, and what the doctor says of a provider, against a provider on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.doctor.parts import examine
from console.wiring import Workspace
from memory.clock import SystemClock
from memory.errors import ConfigurationError
from tests.console.test_settings import PUBLIC, write
from tests.tools.channels.callers import CALLERS
from tests.tools.channels.providers import KEY, PROVIDERS, Provider
from tests.tools.mail_server import free_port
from tools.channels.vendors import VENDORS
from tools.intake import receive

TEXT = f'name = "Shop"\npublic_url = "{PUBLIC}"\n[channel]\nkind = "brevo"\n'


@pytest.fixture(params=[name for name in PROVIDERS if name != "twilio"])
def server(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with PROVIDERS[request.param]() as found:
        yield found


def connectors(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> dict[str, Any]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["connectors", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert "hunter2" not in done.output
    return {one["name"]: one for one in json.loads(done.output)["connectors"]}


def test_outside_a_workspace_it_tells_what_each_provider_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = connectors(monkeypatch)
    assert set(found) == set(VENDORS)
    assert found["resend"]["per_request"] == 100
    assert found["ses"]["test_mode"] == ""
    assert all(one["here"] is None for one in found.values())


def test_in_a_workspace_it_tells_which_is_used_and_when_it_last_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path, TEXT)
    opened = Workspace(folder, {})
    caller, at = CALLERS["brevo"](), SystemClock().now()
    receive(opened.store, caller.webhook().read(caller.say("delivered", at=at), at), at)
    opened.close()
    found = connectors(monkeypatch, "-w", str(folder), NORIA_BREVO_KEY="hunter2")
    here = found["brevo"]["here"]
    assert (here["used"], here["key"], here["webhook"], here["last_sent_at"]) == (True, True, False, None)
    assert here["last_report_at"] is not None
    assert not found["resend"]["here"]["used"]
    shown = CliRunner().invoke(app, ["connectors", "-w", str(folder)])
    assert "Brevo: used, has its key, reports are not taken" in shown.output


def diagnosed(folder: Path, server: Provider, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[str, str, str]:
    """What the doctor says of the channel, when the workspace's provider is this one."""
    opened = Workspace(write(folder, TEXT), {"NORIA_BREVO_KEY": KEY, "NORIA_BREVO_WEBHOOK": "a token of some length"})
    opened.__dict__["channels"] = {"email": server.channel(**options)}
    monkeypatch.setattr("console.doctor.parts._sender", lambda *_: iter(()))
    said = [one for one in examine(opened) if one.part == "channel"]
    opened.close()
    return said[0].state, said[0].sentence, said[0].remedy


def test_a_key_that_does_is_well_and_nothing_is_sent(
    tmp_path: Path, server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults = [400]
    state, sentence, _ = diagnosed(tmp_path, server, monkeypatch)
    assert (state, sentence) == ("well", f"{VENDORS[server.vendor].title} takes the key; nothing was sent.")
    assert len(server.requests) == 1
    assert not server.delivered


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_does_not_is_named_with_what_it_needs(
    tmp_path: Path, server: Provider, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    server.faults = [status]
    state, sentence, remedy = diagnosed(tmp_path, server, monkeypatch)
    vendor = VENDORS[server.vendor]
    assert state == "failure"
    assert str(status) in sentence
    assert vendor.key_name in remedy
    assert vendor.scope in remedy
    assert KEY not in sentence + remedy


def test_a_provider_that_is_busy_or_away_is_told_apart_from_a_wrong_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PROVIDERS["brevo"]() as server:
        server.faults = [503]
        assert diagnosed(tmp_path, server, monkeypatch)[0] == "warning"
        nobody = f"http://127.0.0.1:{free_port()}"
        state, sentence, _ = diagnosed(tmp_path, server, monkeypatch, url=nobody)
    assert (state, "does not answer" in sentence) == ("failure", True)


def test_a_missing_webhook_secret_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Workspace(write(tmp_path, TEXT), {"NORIA_BREVO_KEY": KEY})
    with PROVIDERS["brevo"]() as server:
        server.faults = [400]
        opened.__dict__["channels"] = {"email": server.channel()}
        said = [one for one in examine(opened) if one.part == "channel"]
    opened.close()
    assert [one.state for one in said] == ["well", "warning"]
    assert "NORIA_BREVO_WEBHOOK" in said[1].remedy


def test_without_its_key_a_provider_is_no_channel(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="NORIA_BREVO_KEY"):
        _ = Workspace(write(tmp_path, TEXT), {}).channels


def test_bounces_are_read_from_a_maildir_and_from_nothing_else(tmp_path: Path) -> None:
    folder = write(tmp_path, TEXT)
    done = CliRunner().invoke(app, ["mailbox", str(tmp_path), "-w", str(folder)])
    assert "no Maildir" in str(done.exception)
    for name in ("new", "cur"):
        (tmp_path / "mail" / name).mkdir(parents=True)
    (tmp_path / "mail" / "new" / "1").write_bytes(b"Subject: Hello\r\n\r\nHow are you?")
    done = CliRunner().invoke(app, ["mailbox", str(tmp_path / "mail"), "-w", str(folder), "--json"])
    assert json.loads(done.output) == {"mails": 1, "events": 0, "unknown": 1, "unreadable": 0}
