"""Keys of providers are shown nowhere: not in the store, the journal, the log, an error or an answer."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient
from typer.testing import CliRunner

from console.cli import app
from console.doctor.parts import examine
from console.settings import SECRETS_FILE, SERVING_SECRETS
from console.web import public_app
from console.wiring import Workspace
from memory.clock import ManualClock
from memory.errors import ConfigurationError
from memory.journal import entries
from memory.schema import messages
from tests import examples
from tests.console.test_settings import PUBLIC, write
from tests.tools.channels.callers import CALLERS
from tests.tools.channels.providers import KEY, PROVIDERS
from tests.tools.scene import NOW, add_contacts, play, start, workplace
from tests.tools.test_other_channels import of, text
from tools.channels.vendor import checked_key
from tools.channels.vendors import VENDORS
from tools.crm.connector import System, SystemOptions
from tools.crm.connectors import SYSTEMS, import_connector
from tools.failure import Failures
from tools.worker import tick

TOKEN = "a token that nobody may see"


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_key_that_a_provider_repeats_in_its_refusals_stays_where_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    key = "a wrong key that nobody may see"
    folder = write(tmp_path, f'name = "Shop"\npublic_url = "{PUBLIC}"\n[channel]\nkind = "brevo"\n')
    secrets = folder / SECRETS_FILE
    secrets.write_text(f'NORIA_BREVO_KEY = "{key}"\nNORIA_BREVO_WEBHOOK = "{TOKEN}"\n', encoding="utf-8")
    secrets.chmod(0o600)
    opened = Workspace(folder, {})
    failures = Failures()
    with PROVIDERS[name]() as server:
        # What the provider says to a wrong key and to a wrong message repeats key and address.
        server.status, server.answer = 400, {"message": f"{key} {KEY}", "code": f"{key}", "errors": [{"field": key}]}
        channel = server.channel(key=key)
        carries = VENDORS[name].carries
        place = workplace(opened.store, ManualClock(NOW), tmp_path, channels={carries: channel})
        add_contacts(opened.store, [1], channel=carries)
        start(place, play() if carries == "email" else of(text()), [1])
        tick(place, failures)
        opened.__dict__["channels"] = {"email": channel}
        diagnoses = [one.model_dump_json() for one in examine(opened)]
        channel.close()
    with opened.store.read() as connection:
        lines = [str(one) for one in entries(connection)]
        reasons = [row.reason for row in connection.execute(messages.select())]
    answered = CliRunner().invoke(app, ["connectors", "-w", str(folder), "--json"]).output
    opened.close()
    shown = [
        *diagnoses,
        *lines,
        *reasons,
        answered,
        caplog.text,
        *capfd.readouterr(),
        repr(channel),
        repr(opened.settings),
    ]
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and path != secrets)
    for secret in (key, KEY, TOKEN):
        assert not any(secret in text for text in shown)
        assert secret.encode() not in stored
    assert reasons
    assert failures.found == []


@pytest.mark.parametrize("odd", ["hunter2\nX-Other: 1", "hunter2…", "hunter2\x00"])
def test_a_key_that_no_header_can_hold_is_refused_by_its_name_and_not_repeated(odd: str) -> None:
    # A library that is given such a header repeats it in its error.
    ways: list[tuple[str, Callable[[], object]]] = [
        ("NORIA_BREVO_KEY", lambda: checked_key(VENDORS["brevo"], SecretStr(odd), PUBLIC)),
        *(
            (name, partial(import_connector(system.name), options_of(system), {name: SecretStr(odd)}))
            for system in SYSTEMS.values()
            for name in system.secrets
            if name.endswith("_KEY")
        ),
    ]
    assert len(ways) == 4
    for name, way in ways:
        with pytest.raises(ConfigurationError, match=name) as raised:
            way()
        assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def options_of(system: System) -> SystemOptions:
    needs: dict[str, str] = {"shop": "maple"} if system.name == "shopify" else {}
    return system.options.model_validate(needs)


def test_a_secret_that_ends_as_a_line_does_is_taken_without_that_end(tmp_path: Path) -> None:
    opened = Workspace(write(tmp_path, 'name = "Shop"\n'), {"NORIA_BREVO_KEY": "hunter2\n"})
    assert opened.secret("NORIA_BREVO_KEY") == SecretStr("hunter2")
    opened.close()


def test_who_may_read_the_file_of_secrets_is_checked_and_who_serves_keeps_no_key(tmp_path: Path) -> None:
    folder = write(tmp_path, 'name = "Shop"\n')
    secrets = folder / SECRETS_FILE
    secrets.write_text(f'NORIA_BREVO_KEY = "{KEY}"\nNORIA_BREVO_WEBHOOK = "{TOKEN}"\n', encoding="utf-8")
    secrets.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600") as raised:
        _ = Workspace(folder, {}, SERVING_SECRETS).webhooks
    assert KEY not in str(raised.value)
    secrets.chmod(0o600)
    serving = Workspace(folder, {}, SERVING_SECRETS)
    assert set(serving.webhooks) == {"brevo"}
    assert not serving.holds("NORIA_BREVO_KEY")
    serving.close()


def test_an_answer_of_the_door_repeats_neither_secret_nor_proof(tmp_path: Path) -> None:
    opened = Workspace(write(tmp_path, 'name = "Shop"\n'), {"NORIA_BREVO_WEBHOOK": TOKEN}, SERVING_SECRETS)
    web = public_app(opened.store, opened.clock, examples.brand(), webhooks=opened.webhooks, public_url=PUBLIC)
    call = CALLERS["brevo"]().say("delivered", at=NOW)
    answer = TestClient(web).post("/v1/providers/brevo", content=call.body, headers=dict(call.headers))
    opened.close()
    assert answer.status_code == 401
    assert not any(
        secret in json.dumps([answer.text, *answer.headers.values()]) for secret in (TOKEN, CALLERS["brevo"].secret)
    )
