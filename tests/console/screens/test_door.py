"""The door: nothing is open, forms of others are refused, roles hold on every route, pages stay among themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pyotp
import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from console import sign_in
from console.credentials import hash_token
from console.screens import SCREENS
from console.screens.door import OPEN
from console.screens.frame import Frame
from memory import users
from memory.clock import SystemClock
from tests.console.screens.conftest import PASSWORD, House, Serve

ROOT = Path(__file__).parents[3]


def routes(house: House) -> list[tuple[str, str]]:
    """Every method and address of the console, with names filled in."""
    found = []
    frame = Frame(house.opened, SystemClock())
    for route in [route for screen in SCREENS for route in screen.routes(frame).routes]:
        if isinstance(route, APIRoute):
            path = "/console" + re.sub(r"\{\w+(:\w+)?\}", "x", route.path)
            found += [(method, path) for method in sorted(route.methods or ())]
    return found


def test_nothing_is_open_but_the_way_in(house: House) -> None:
    stranger = house.stranger()
    asked = [(method, path) for method, path in routes(house) if not OPEN.fullmatch(path)]
    assert len(asked) > 5
    for method, path in asked:
        answer = stranger.request(method, path, data={})
        assert (answer.status_code, answer.text) == (303, ""), path
        assert answer.headers["location"].startswith("/console/login"), path
    assert stranger.get("/console/openapi.json").status_code == 303
    assert stranger.get("/docs").status_code == 404


def test_who_only_looks_changes_nothing(house: House) -> None:
    viewer = house.person("viewer")
    own = ("/console/logout", "/console/login", "/console/account", "/console/welcome", "/console/tokens")
    posts = [path for method, path in routes(house) if method == "POST" and not path.startswith(own)]
    assert posts
    for path in posts:
        # Told off for the role, not for what the form lacks.
        assert viewer.post(path, data={}).status_code in {400, 403}, path
    assert viewer.post("/console/people", data={"name": "eve", "role": "admin"}).status_code == 403
    with house.opened.store.read() as connection:
        assert [one.name for one in users.everyone(connection)] == ["viewer"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://testserver"}, 303),
        ({"Origin": "http://testserver:81"}, 403),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
    ids=str,
)
def test_a_form_counts_only_from_a_page_of_ours(house: House, headers: dict[str, str], status: int) -> None:
    person = house.person("viewer")
    del person.headers["Sec-Fetch-Site"]
    answer = person.post("/console/account/language", data={"language": "fr"}, headers=headers)
    assert answer.status_code == status
    with house.opened.store.read() as connection:
        assert users.get(connection, "viewer").language == ("fr" if status == 303 else "")


def test_a_form_without_a_length_or_beyond_it_is_not_read(house: House) -> None:
    person = house.person("viewer")
    assert person.post("/console/account/language", data={"language": "x" * 300_000}).status_code == 413
    assert person.post("/console/account/language", content=iter([b"language=fr"])).status_code == 413


def test_pages_load_nothing_from_elsewhere_and_stand_in_no_frame(house: House) -> None:
    for client, path in ((house.stranger(), "/console/login"), (house.person("admin"), "/console/people")):
        page = client.get(path)
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]+src=)|<style|\son\w+=|\sstyle=", page.text)


def test_the_public_pages_keep_their_own_headers(house: House) -> None:
    page = house.stranger().get("/u/none")
    assert "script-src" not in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"


def invitation(house: House) -> str:
    return sign_in.invite(house.opened.store, "marie", "admin", actor="cli:root", at=SystemClock().now())


def test_an_invited_person_sets_a_password_signs_in_and_out(house: House) -> None:
    browser, token = house.stranger(), invitation(house)
    page = browser.get(f"/console/welcome/{token}")
    secret = re.search(r'name="secret" value="(\w+)"', page.text)
    assert secret
    form = {"password": PASSWORD, "again": PASSWORD, "secret": secret[1]}
    assert browser.post(f"/console/welcome/{token}", data=form | {"again": "x" * 12}).status_code == 400
    assert browser.post(f"/console/welcome/{token}", data=form).headers["location"] == "/console/"
    assert browser.get(f"/console/welcome/{token}").status_code == 404
    assert browser.get("/console/people").status_code == 200
    browser.post("/console/logout")
    assert browser.post("/console/login", data={"name": "marie", "password": "no"}).status_code == 403
    entered = browser.post(
        "/console/login", data={"name": "marie", "password": PASSWORD, "next": "/console/people?x=1"}
    )
    assert entered.headers["location"] == "/console/people?x=1"
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert browser.get("/console/people").status_code == 200
    held = browser.cookies["noria"]
    browser.post("/console/logout")
    browser.cookies.set("noria", held)
    assert browser.get("/console/people").status_code == 303


def test_over_https_the_cookie_belongs_to_this_host_alone(house: House) -> None:
    token, browser = invitation(house), house.stranger()
    browser.base_url = "https://testserver"
    browser.post(f"/console/welcome/{token}", data={"password": PASSWORD, "again": PASSWORD, "secret": "x"})
    cookie = browser.post("/console/login", data={"name": "marie", "password": PASSWORD}).headers["set-cookie"]
    assert cookie.startswith("__Host-noria=")
    assert "Secure" in cookie


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "/console/\\evil", "/p/x"]
)
def test_a_log_in_leads_to_our_pages_only(house: House, wanted: str) -> None:
    token, browser = invitation(house), house.stranger()
    browser.post(f"/console/welcome/{token}", data={"password": PASSWORD, "again": PASSWORD, "secret": "x"})
    entered = browser.post("/console/login", data={"name": "marie", "password": PASSWORD, "next": wanted})
    assert entered.headers["location"] == "/console/"


def test_an_admin_invites_and_shuts_out_and_nobody_takes_their_own_role(house: House) -> None:
    admin = house.person("admin")
    page = admin.post("/console/people", data={"name": "Omar", "role": "approver"})
    assert re.search(r"http://testserver/console/welcome/[\w-]{43}", page.text)
    assert "/console/welcome/" not in admin.get("/console/people").text
    assert admin.post("/console/people/omar/revoke").status_code == 303
    assert admin.post("/console/people/admin/revoke").status_code == 409
    assert admin.post("/console/people", data={"name": "admin", "role": "viewer"}).status_code == 409


def test_a_session_is_ended_by_its_owner_alone(house: House) -> None:
    person, other = house.person("viewer"), house.person("viewer", "paul")
    end = f"/console/account/sessions/{hash_token('session of viewer')}/end"
    assert other.post(end).status_code == 404
    assert person.get("/console/account").status_code == 200
    assert person.post(end).status_code == 303
    assert person.get("/console/account").status_code == 303


def test_where_messages_reach_people_nobody_who_may_say_yes_goes_on_without_a_second_factor(
    house: House, serve: Serve
) -> None:
    smtp = 'name = "Shop"\n[channel]\nkind = "smtp"\n[channel.smtp]\nhost = "mail.example.com"\n'
    (house.opened.folder / "noria.toml").write_text(smtp, encoding="utf-8")
    served = serve(house.opened.folder)
    assert served.person("approver").get("/console/people").status_code == 303
    assert served.person("viewer").get("/console/people").status_code == 200
    assert served.person("approver").get("/console/account").status_code == 200


@pytest.mark.parametrize("wrong", [{"code": "000 000"}, {"code": "١٢٣"}, {"again": "x" * 12}])
def test_a_slip_on_the_way_in_keeps_the_secret_and_its_picture(house: House, wrong: dict[str, str]) -> None:
    browser, token = house.stranger(), invitation(house)
    page = browser.get(f"/console/welcome/{token}").text
    [secret] = re.findall(r'name="secret" value="(\w+)"', page)
    [picture] = re.findall(r"<svg.*?</svg>", page)
    form = {"password": PASSWORD, "again": PASSWORD, "secret": secret, "code": pyotp.TOTP(secret).now()}
    slip = browser.post(f"/console/welcome/{token}", data=form | wrong)
    assert slip.status_code == 400
    assert f'value="{secret}"' in slip.text
    assert picture in slip.text
    # The code that proves the app also lets in: nobody waits for the next one.
    browser.post(f"/console/welcome/{token}", data=form)
    assert browser.get("/console/people").status_code == 200


def test_a_secret_that_was_not_drawn_here_is_replaced(house: House) -> None:
    browser, token = house.stranger(), invitation(house)
    form = {"password": PASSWORD, "again": PASSWORD, "secret": "1" * 9_000, "code": "123456"}
    answer = browser.post(f"/console/welcome/{token}", data=form)
    assert answer.status_code == 400
    assert "1" * 9_000 not in answer.text


def test_the_second_factor_is_set_once(house: House) -> None:
    person, secret = house.person("viewer"), pyotp.random_base32()
    for code, status in (("000", 400), (pyotp.TOTP(secret).now(), 303), (pyotp.TOTP(secret).now(), 409)):
        sent = person.post("/console/account/second-factor", data={"secret": secret, "code": code})
        assert sent.status_code == status


def test_a_browser_without_our_headers_is_still_asked_who_it_is(house: House) -> None:
    bare = TestClient(house.stranger().app, follow_redirects=False)
    assert bare.get("/console/people").status_code == 303
    assert bare.post("/console/people", data={"name": "eve", "role": "admin"}).status_code == 403
