"""The unsubscribe page: a GET changes nothing, a POST acts at once, and nothing else is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from console.cli import app as cli
from console.cli.setup import make_workspace
from console.web import public_app
from console.wiring import Workspace, open_workspace
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.consents import Consent, count_current, record
from memory.schema import contacts, suppressions
from memory.store import Store
from memory.workspace import salt
from tests.examples import NOW, brand
from tools.channels.smtp import SmtpChannel
from tools.unsubscribe import WayOut, sign


@pytest.fixture
def token(store: Store) -> str:
    with store.write() as connection:
        secret = salt(connection)
        connection.execute(
            insert(contacts).values(
                contact_id=1,
                email="ann@example.com",
                email_hash=address_hash(secret, "ann@example.com"),
                attributes={},
                created_at=NOW,
                updated_at=NOW,
            )
        )
        record(
            connection,
            [Consent(contact_id=1, channel="email", purpose="marketing", state="granted", at=NOW, proof="form")],
        )
        return sign(secret, WayOut(contact_id=1, channel="email", campaign_id="c", message_key="k"))


@pytest.fixture
def client(store: Store) -> TestClient:
    clock = ManualClock(NOW)
    return TestClient(public_app(store, clock, brand()))


def granted(store: Store) -> int:
    with store.read() as connection:
        return count_current(connection, "email", "marketing")["granted"]


def test_following_the_link_only_shows_a_page(client: TestClient, store: Store, token: str) -> None:
    for _ in range(3):
        page = client.get(f"/u/{token}")
        assert page.status_code == 200
        assert '<form method="post">' in page.text
    assert client.head(f"/u/{token}").status_code in {200, 405}
    assert granted(store) == 1


def test_one_click_of_a_mail_program_unsubscribes(client: TestClient, store: Store, token: str) -> None:
    done = client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
    assert (done.status_code, done.text) == (200, "")
    assert granted(store) == 0
    with store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["unsubscribed"]


def test_the_button_unsubscribes_and_says_so_in_the_readers_language(
    client: TestClient, store: Store, token: str
) -> None:
    page = client.post(f"/u/{token}", headers={"accept-language": "fr-FR,fr;q=0.9"})
    assert "C’est fait" in page.text
    assert 'lang="fr"' in page.text
    assert granted(store) == 0


def test_unsubscribing_twice_is_no_error(client: TestClient, token: str) -> None:
    assert client.post(f"/u/{token}").status_code == 200
    assert client.post(f"/u/{token}").status_code == 200


@pytest.mark.parametrize("spoil", [lambda token: token[:-2], lambda token: "x" + token, lambda _: "nonsense"])
def test_a_link_that_was_tampered_with_does_nothing(client: TestClient, store: Store, token: str, spoil) -> None:  # type: ignore[no-untyped-def]
    assert client.get(f"/u/{spoil(token)}").status_code == 404
    assert client.post(f"/u/{spoil(token)}").status_code == 404
    assert granted(store) == 1


def test_pages_load_nothing_from_elsewhere_and_cannot_be_framed(client: TestClient, token: str) -> None:
    page = client.get(f"/u/{token}")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "<script" not in page.text
    assert client.get("/public.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/u/", "/static/public.css"])
def test_nothing_else_is_open(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_no_template_trusts_text_from_a_record() -> None:
    root = Path(__file__).parents[2] / "console" / "templates"
    for template in root.glob("*.html"):
        assert "|safe" not in template.read_text(encoding="utf-8").replace(" ", ""), template


def test_the_process_that_serves_pages_never_holds_what_can_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_workspace(tmp_path / "shop", name="Shop", currency="EUR", zone="Europe/Paris")
    settings = (folder / "noria.toml").read_text("utf-8").replace('kind = "sandbox" ', 'kind = "smtp" ')
    (folder / "noria.toml").write_text(f'{settings}\n[channel.smtp]\nhost = "127.0.0.1"\n', encoding="utf-8")
    monkeypatch.setenv("NORIA_SMTP_PASSWORD", "hush-hush")
    kept: list[Workspace] = []

    @contextmanager
    def watched(*given: Any, **named: Any) -> Iterator[Workspace]:
        with open_workspace(*given, **named) as opened:
            kept.append(opened)
            yield opened

    monkeypatch.setattr("console.cli.serve.open_workspace", watched)
    monkeypatch.setattr("uvicorn.run", lambda *_given, **_named: None)
    assert CliRunner().invoke(cli, ["serve", "--workspace", str(folder)]).exit_code == 0
    [served] = kept
    assert "channels" not in vars(served)
    # Even if it asked for a way out, it would get one without a key.
    assert _key(served) is None
    # The worker's own has it.
    with open_workspace(folder) as opened:
        assert _key(opened) == "hush-hush"


def _key(workspace: Workspace) -> str | None:
    channel = workspace.channels["email"]
    assert isinstance(channel, SmtpChannel)
    password = channel._server.password
    return None if password is None else password.get_secret_value()
