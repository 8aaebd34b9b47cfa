"""An audience as a file: hashed as each platform documents it, and only whom the guardian lets in at that moment."""

from __future__ import annotations

import csv
import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from typer.testing import CliRunner

from console.cli import app
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.consents import withdraw
from memory.contacts import suppress
from memory.errors import NotFoundError
from memory.schema import contacts, journal
from memory.store import Store
from memory.workspace import salt
from tests.console.test_settings import write
from tests.tools.scene import NOW, add_contacts, address, start, workplace
from tests.tools.test_other_channels import listed, of
from tools.channels.sandbox import SandboxChannel
from tools.customer_match import Exported, export, mail_of, phone_of
from tools.worker import tick
from tools.workplace import Workplace


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def place(store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    """Four contacts on the audience "lapsed"."""
    found = workplace(store, clock, tmp_path, channels={"audience": SandboxChannel(tmp_path / "outbox", "audience")})
    add_contacts(store, [1, 2, 3, 4], channel="audience")
    start(found, of(listed()), [1, 2, 3, 4])
    tick(found)
    return found


def exported(place: Workplace, path: Path, platform: Any = "google") -> tuple[Exported, list[list[str]]]:
    done = export(place.store, place.lake, place.pack, "lapsed", platform, path, at=place.clock.now(), actor="cli:ann")
    return done, list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def test_whoever_stands_on_the_audience_is_in_the_file_and_the_journal_says_how_many(
    place: Workplace, tmp_path: Path
) -> None:
    path = tmp_path / "lapsed.csv"
    path.write_text("an older one, for all to read")
    done, rows = exported(place, path)
    assert done == Exported("lapsed", "google", 4, {})
    assert rows[0] == ["Email", "Phone"]
    assert sorted(rows[1:]) == sorted([sha(address(one)), sha(f"+3360000000{one}")] for one in (1, 2, 3, 4))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with place.store.read() as connection:
        line = connection.execute(select(journal).where(journal.c.action == "audience.exported")).one()
    assert (line.actor, line.subject) == ("cli:ann", "lapsed")
    assert line.payload == {"platform": "google", "contacts": 4, "left_out": {}}
    assert exported(place, path, "meta")[1][0] == ["email", "phone"]


def test_who_withdrew_was_suppressed_or_erased_since_is_never_in_it(place: Workplace, tmp_path: Path) -> None:
    with place.store.write() as connection:
        withdraw(connection, 1, "audience", "marketing", NOW, "form")
        hashed = address_hash(salt(connection), address(2))
        suppress(connection, channel="audience", address_hash=hashed, reason="complaint", at=NOW)
        connection.execute(update(contacts).where(contacts.c.contact_id == 3).values(email=None, phone=None))
        number = address_hash(salt(connection), "+33600000004")
        suppress(connection, channel="sms", address_hash=number, reason="unsubscribed", at=NOW)
    done, rows = exported(place, tmp_path / "lapsed.csv")
    assert done.left_out == {"consent": 1, "no address": 1, "suppression": 1}
    assert rows[1:] == [[sha(address(4)), ""]]


def test_whoever_is_outside_all_marketing_this_quarter_is_in_no_file(place: Workplace, tmp_path: Path) -> None:
    path, at = tmp_path / "lapsed.csv", place.clock.now()
    path.write_text("an older one")
    done = export(
        place.store, place.lake, place.pack, "lapsed", "google", path, at=at, actor="cli:ann", programme_share=1.0
    )
    assert (done.contacts, done.left_out) == (0, {"holdout": 4})
    assert path.read_text(encoding="utf-8").splitlines() == ["Email,Phone"]
    # What was written on the way is gone.
    assert [one.name for one in tmp_path.iterdir() if "lapsed" in one.name] == ["lapsed.csv"]


def test_whoever_left_the_campaign_is_on_it_no_more(place: Workplace, tmp_path: Path, clock: ManualClock) -> None:
    tick(place)
    assert exported(place, tmp_path / "lapsed.csv")[0].contacts == 0


def test_an_audience_of_which_nobody_knows_is_named_with_those_there_are(place: Workplace, tmp_path: Path) -> None:
    path = tmp_path / "others.csv"
    with pytest.raises(NotFoundError, match="lapsed"):
        export(place.store, place.lake, place.pack, "others", "google", path, at=NOW, actor="cli:ann")
    assert not path.exists()


def test_each_platform_hashes_its_own_spelling() -> None:
    assert mail_of("google", " Ann.Lee@GMail.com ") == sha("annlee@gmail.com")
    assert mail_of("meta", " Ann.Lee@GMail.com ") == sha("ann.lee@gmail.com")
    assert mail_of("google", "ann.lee@shop.example.com") == sha("ann.lee@shop.example.com")
    assert phone_of("google", "0033 (0)6 12 34 56 78") == sha("+33612345678")
    assert phone_of("meta", "+33 6 12 34 56 78") == sha("33612345678")
    assert phone_of("meta", "06 12 34 56 78") == phone_of("google", None) == ""


@given(st.emails(), st.sampled_from(["google", "meta"]))
def test_spaces_and_case_make_no_other_person(mail: str, platform: Any) -> None:
    assert mail_of(platform, f" {mail.upper()}\n") == mail_of(platform, mail.upper().lower())


def test_the_command_says_what_there_is(tmp_path: Path) -> None:
    folder = write(tmp_path, 'name = "Shop"\n')
    done = CliRunner().invoke(app, ["audience", "export", "lapsed", "-o", str(tmp_path / "x.csv"), "-w", str(folder)])
    assert isinstance(done.exception, NotFoundError)
    assert "lapsed" in str(done.exception)
