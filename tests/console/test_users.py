"""People of the console: invited by a one-time link, signed in with a second factor, shut out at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pyotp
import pytest

from console import sign_in as way_in
from console.cli.place import operator
from console.credentials import hash_token, is_password, step_of
from console.wiring import Workspace
from memory import sessions, users
from memory.clock import ManualClock
from memory.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from memory.journal import entries
from memory.store import Store
from tests.console.conftest import run_in

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
PASSWORD = "four words that differ"


@pytest.fixture
def watch() -> ManualClock:
    return ManualClock(NOW)


def joined(store: Store, name: str = "marie", role: str = "approver", secret: str = "") -> users.User:
    token = way_in.invite(store, name, role, actor="cli:root", at=NOW)  # type: ignore[arg-type]  # a plain str
    code = pyotp.TOTP(secret).at(NOW) if secret else ""
    return way_in.come_in(store, token, password=PASSWORD, second_factor=secret, code=code, at=NOW)


def sign_in(store: Store, password: str = PASSWORD, code: str = "", at: datetime = NOW, address: str = "a") -> str:
    return way_in.sign_in(store, "marie", password, code, address=address, at=at)


def test_an_invitation_works_once_and_not_after_two_days(any_store: Store) -> None:
    token = way_in.invite(any_store, "marie", "operator", actor="cli:root", at=NOW)
    late = NOW + timedelta(hours=49)
    with pytest.raises(NotFoundError, match="used up or too old"):
        way_in.come_in(any_store, token, password=PASSWORD, second_factor="", code="", at=late)
    user = way_in.come_in(any_store, token, password=PASSWORD, second_factor="", code="", at=NOW)
    assert (user.role, user.standing, user.actor) == ("operator", "active", "console:marie")
    with pytest.raises(NotFoundError, match="used up"):
        way_in.come_in(any_store, token, password="another password", second_factor="", code="", at=NOW)
    assert is_password(PASSWORD, user.password_hash)
    assert not is_password("another password", user.password_hash)


def test_of_two_who_use_an_invitation_at_once_one_comes_in(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    way_in.invite(postgres_store, "marie", "operator", actor="cli:root", at=NOW)
    with postgres_store.read() as connection:
        invite_hash = str(users.get(connection, "marie").invite_hash)
    both_have_looked, look = Barrier(2, timeout=30), users.invited

    def invited(*given: Any) -> users.User:
        found = look(*given)
        both_have_looked.wait()
        return found

    def come_in(password_hash: str) -> str | None:
        try:
            with postgres_store.write() as connection:
                return users.take_up(
                    connection, invite_hash, password_hash=password_hash, second_factor=None, at=NOW
                ).password_hash
        except NotFoundError:
            return None

    monkeypatch.setattr(users, "invited", invited)
    with ThreadPoolExecutor(2) as people:
        came = [one for one in people.map(come_in, ("hers", "the other's")) if one]
    with postgres_store.read() as connection:
        assert came == [users.get(connection, "marie").password_hash]


def test_a_session_ends_by_time_by_revocation_and_by_the_person(any_store: Store) -> None:
    joined(any_store)
    tokens = [hash_token(sign_in(any_store)) for _ in range(3)]
    assert len(set(tokens)) == 3

    def inside(token: str, at: datetime = NOW) -> bool:
        with any_store.read() as connection:
            return sessions.user_of(connection, token, at) is not None

    assert inside(tokens[0])
    assert not inside(tokens[0], NOW + way_in.SESSION)
    with any_store.write() as connection:
        sessions.end_session(connection, "marie", tokens[0], NOW)
    assert [inside(one) for one in tokens] == [False, True, True]
    with any_store.write() as connection:
        sessions.end_others(connection, "marie", tokens[1])
    assert [inside(one) for one in tokens] == [False, True, False]
    with any_store.write() as connection:
        users.revoke(connection, "marie", actor="cli:root", at=NOW)
    assert not inside(tokens[1])
    with pytest.raises(NotAllowedError, match="wrong"):
        sign_in(any_store)
    with any_store.write() as connection, pytest.raises(ConflictError, match="already"):
        users.revoke(connection, "marie", actor="cli:root", at=NOW)


def test_nobody_ends_the_session_of_another(store: Store) -> None:
    joined(store)
    token = hash_token(sign_in(store))
    with store.write() as connection, pytest.raises(NotFoundError):
        sessions.end_session(connection, "paul", token, NOW)


def test_each_code_of_the_second_factor_counts_once(any_store: Store) -> None:
    secret = pyotp.random_base32()
    joined(any_store, secret=secret)
    app = pyotp.TOTP(secret)
    with pytest.raises(NotAllowedError):
        sign_in(any_store)
    with pytest.raises(NotAllowedError):
        # The code that set it up.
        sign_in(any_store, code=app.at(NOW))
    later = NOW + timedelta(minutes=1)
    assert sign_in(any_store, code=app.at(later), at=later)
    with pytest.raises(NotAllowedError):
        sign_in(any_store, code=app.at(later), at=later)


def test_a_code_may_be_half_a_minute_old_and_no_older() -> None:
    secret = pyotp.random_base32()
    app = pyotp.TOTP(secret)
    assert step_of(secret, app.at(NOW - timedelta(seconds=30)), NOW) == int(NOW.timestamp()) // 30 - 1
    assert step_of(secret, app.at(NOW - timedelta(seconds=90)), NOW) is None
    assert step_of(secret, "", NOW) is None


def test_a_wrong_code_sets_up_nothing(store: Store) -> None:
    token = way_in.invite(store, "marie", "admin", actor="cli:root", at=NOW)
    with pytest.raises(InvalidInputError, match="code"):
        way_in.come_in(store, token, password=PASSWORD, second_factor=pyotp.random_base32(), code="123", at=NOW)
    with pytest.raises(InvalidInputError, match="12 to 256"):
        way_in.come_in(store, token, password="short", second_factor="", code="", at=NOW)
    with store.read() as connection:
        assert users.get(connection, "marie").standing == "invited"


def test_after_five_attempts_in_vain_even_the_right_password_waits_but_only_from_there(any_store: Store) -> None:
    joined(any_store)
    for _ in range(5):
        with pytest.raises(NotAllowedError, match="wrong"):
            sign_in(any_store, "not the password")
    with pytest.raises(NotAllowedError, match="Too many"):
        sign_in(any_store)
    assert sign_in(any_store, address="b")
    assert sign_in(any_store, at=NOW + timedelta(minutes=16))


def test_a_name_that_nobody_has_is_refused_like_a_wrong_password(store: Store) -> None:
    with pytest.raises(NotAllowedError, match="Name, password or code is wrong"):
        sign_in(store)


def test_the_first_admin_is_invited_until_there_is_one(store: Store) -> None:
    token = way_in.first_invitation(store, NOW)
    assert token is not None
    assert way_in.first_invitation(store, NOW) not in (None, token)
    again = way_in.first_invitation(store, NOW)
    assert again is not None
    user = way_in.come_in(store, again, password=PASSWORD, second_factor="", code="", at=NOW)
    assert user.role == "admin"
    assert way_in.first_invitation(store, NOW) is None


def test_whoever_is_invited_anew_has_the_new_role_at_once_and_what_happened_is_in_the_journal(store: Store) -> None:
    joined(store)
    way_in.invite(store, "marie", "viewer", actor="cli:root", at=NOW)
    with store.read() as connection:
        assert users.roles(connection) == {"console:marie": "viewer"}
        actions = [one.action for one in entries(connection, subject="user marie")]
    assert actions == ["user.invited", "user.joined", "user.invited"]


@pytest.mark.parametrize("name", ["", "Marie", "a b", "../x", "console:marie", "x" * 64])
def test_a_name_that_cannot_stand_in_records_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidInputError, match="no name"):
        way_in.invite(store, name, "viewer", actor="cli:root", at=NOW)


@pytest.fixture
def workspace(shop: Path) -> Iterator[Workspace]:
    found = Workspace(shop, {})
    yield found
    found.close()


def test_only_whoever_is_in_and_may_counts_among_those_who_say_yes(workspace: Workspace) -> None:
    desk, store = workspace.desk, workspace.store
    assert desk.lets_approve("console:ann")
    joined(store)
    assert desk.lets_approve("console:marie")
    assert not desk.lets_approve("console:ann")
    assert desk.lets_approve(operator())
    with store.write() as connection:
        users.revoke(connection, "marie", actor="cli:root", at=NOW)
    # She was the only one who could come in.
    assert not desk.lets_approve("console:marie")
    joined(store, "paul", "operator")
    assert not desk.lets_approve("console:marie")
    assert not desk.lets_approve("console:paul")


def test_the_command_line_invites_lists_and_shuts_out(shop: Path) -> None:
    run = run_in(shop)
    said = run("users", "invite", "marie", "--role", "approver", "--url", "https://noria.example.com/")
    assert said["link"].startswith("https://noria.example.com/console/welcome/")
    assert run("users", "list") == [
        {"name": "marie", "role": "approver", "standing": "invited", "second_factor": False}
    ]
    assert run("users", "revoke", "marie")["standing"] == "revoked"
    settings = shop / "noria.toml"
    roles = f'\n[roles]\n"cli:somebody" = "admin"\n"{operator()}" = "approver"\n'
    settings.write_text(settings.read_text(encoding="utf-8") + roles, encoding="utf-8")
    for words in (("invite", "eve"), ("revoke", "marie")):
        with pytest.raises(NotAllowedError, match="takes the role admin"):
            run("users", *words)
