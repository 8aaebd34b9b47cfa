"""The API: nothing without a token, nothing beyond its scopes, decisions bound to what was seen, each request once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from console.tokens import make_token
from memory import answers, campaigns, proposals, tokens, users
from memory.clock import SystemClock
from memory.errors import ConflictError, InvalidInputError
from memory.journal import entries
from memory.schema import api_tokens, briefs, intake
from tests.console.api.conftest import program_of
from tests.console.conftest import run_in
from tests.console.screens.conftest import House, Serve, text_of
from tests.tools import scene

GET = ("/proposals", "/campaigns", "/contacts", "/programme/readouts", "/health", "/metrics", "/openapi.json", "/none")


def test_nothing_is_open_without_a_token_that_is_good(house: House) -> None:
    stranger, program = TestClient(house.app, base_url="http://testserver/api/v1"), program_of(house, "viewer")
    program.headers["Authorization"] += "x"
    for client in (stranger, program):
        for path in GET:
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), path
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_ends_with_its_days_by_a_word_and_with_its_owner(house: House) -> None:
    store, now = house.opened.store, SystemClock().now()
    program = program_of(house, "viewer")
    assert program.get("/proposals").status_code == 200
    with store.read() as connection:
        (kept,) = tokens.every(connection)
        secret = connection.execute(select(api_tokens.c.token_hash)).scalar_one()
        late = now + timedelta(days=31)
        assert tokens.bearer(connection, secret, now) is not None
        assert tokens.bearer(connection, secret, late) is None
    assert kept.used_at is not None
    with store.write() as connection:
        tokens.revoke(connection, kept.token_id, actor="cli:test", at=now)
    assert program.get("/proposals").status_code == 401
    another = program_of(house, "viewer")
    with store.write() as connection:
        users.revoke(connection, "viewer", actor="cli:test", at=now)
    assert another.get("/proposals").status_code == 401
    with pytest.raises(ConflictError, match="revoked"):
        make_token(store, "viewer", "x", ["read"], days=1, actor="cli:test", at=now)


def test_a_token_needs_a_label_a_scope_and_an_end(house: House) -> None:
    program_of(house, "viewer")
    store, now = house.opened.store, SystemClock().now()
    for label, scopes, days in (("", ["read"], 1), ("x", [], 1), ("x", ["read"], 0), ("x", ["read"], 10**12)):
        with pytest.raises(InvalidInputError):
            make_token(store, "viewer", label, scopes, days=days, actor="cli:test", at=now)  # type: ignore[arg-type]


def test_scopes_and_the_role_of_the_owner_both_limit_a_token(stocked: House) -> None:
    reader = program_of(stocked, "admin", "read")
    assert reader.get("/proposals").status_code == 200
    assert reader.get("/contacts").status_code == 403
    assert reader.post("/campaigns/none/pause", json={}).status_code == 403
    viewer = program_of(stocked, "viewer")
    refused = viewer.post("/proposals/p1/decisions", json=_yes(viewer))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert program_of(stocked, "operator").post("/proposals/p1/decisions", json=_yes(viewer)).status_code == 403
    assert program_of(stocked, "approver").post("/proposals/p1/decisions", json=_yes(viewer)).status_code == 201


def test_where_messages_reach_people_a_token_acts_only_for_who_has_a_second_factor(house: House, serve: Serve) -> None:
    smtp = 'name = "Shop"\n[channel]\nkind = "smtp"\n[channel.smtp]\nhost = "mail.example.com"\n'
    (house.opened.folder / "noria.toml").write_text(smtp, encoding="utf-8")
    served = serve(house.opened.folder)
    assert program_of(served, "approver").get("/proposals").status_code == 403
    assert program_of(served, "viewer").get("/proposals").status_code == 200


def _yes(program: TestClient, proposal_id: str = "p1", **changes: object) -> dict[str, object]:
    shown = program.get(f"/proposals/{proposal_id}").json()
    return {"verdict": "approve", "version": shown["proposal"]["version"], "digest": shown["digest"], **changes}


def test_a_yes_counts_as_its_owner_s_and_once(stocked: House) -> None:
    program, marie = program_of(stocked, "approver", name="marie"), stocked.person("approver", "marie")
    said = program.post("/proposals/p1/decisions", json=_yes(program))
    assert said.json()["decision"]["actor"] == "console:marie"
    marie.post("/console/proposals/p1/decide", data={k: str(v) for k, v in _yes(program).items()})
    assert program.post("/proposals/p1/decisions", json=_yes(program)).json() == said.json()
    with stocked.opened.store.read() as connection:
        assert len(proposals.decisions_on(connection, "p1")) == 1


def test_a_proposal_that_changed_is_answered_with_the_difference(stocked: House) -> None:
    program, opened = program_of(stocked, "approver"), stocked.opened
    seen = _yes(program)
    with opened.store.write() as connection:
        before = proposals.get(connection, "p1").proposal
        play = before.play.model_copy(update={"holdout_share": 0.3})
        after = before.model_copy(update={"version": 2, "play": play})
        proposals.revise(connection, after, author="noria", at=opened.clock.now())
    answer = program.post("/proposals/p1/decisions", json=seen)
    told = answer.json()
    assert (answer.status_code, told["version"], told["digest"]) == (409, 2, after.digest)
    assert {"part": "held out", "before": "10.0%", "after": "30.0%"} in told["differences"]
    with opened.store.read() as connection:
        assert proposals.decisions_on(connection, "p1") == []


def test_a_no_needs_a_reason(stocked: House) -> None:
    program = program_of(stocked, "operator")
    refused = program.post("/proposals/p1/decisions", json=_yes(program, verdict="reject"))
    assert (refused.status_code, refused.json()["remedy"]) == (409, "Say why in a few words.")
    noted = program.post("/proposals/p1/decisions", json=_yes(program, verdict="reject", reason="Too soon"))
    assert noted.status_code == 201


def test_an_edit_is_noted_with_what_it_changes_and_one_that_cannot_be_made_is_not(proposed: Path, serve: Serve) -> None:
    house = serve(proposed)
    with house.opened.store.read() as connection:
        [stored, *_] = proposals.list_proposals(connection, proposals.WAITING)
    program, proposal_id = program_of(house, "operator"), stored.proposal.proposal_id
    address, shown = f"/proposals/{proposal_id}/decisions", program.get(f"/proposals/{proposal_id}").json()
    seen = {"version": shown["proposal"]["version"], "digest": shown["digest"]}
    [step, *_] = shown["editable"]["copies"]
    said = seen | {"verdict": "edit", "reason": "Our own words"}
    empty = program.post(address, json=said)
    assert (empty.status_code, "An edit needs its changes" in empty.text) == (422, True)
    refused = program.post(
        address, json=said | {"changes": {"copies": {step: {"en": {"subject": "Only 9.99 € today"}}}}}
    )
    assert (refused.status_code, "The policy would refuse this edit" in refused.text) == (422, True)
    missing = program.post(address, json=said | {"changes": {"copies": {"none": {"en": {"subject": "Hello"}}}}})
    assert (missing.status_code, "There is no message none" in missing.text) == (422, True)
    with house.opened.store.read() as connection:
        assert proposals.decisions_on(connection, proposal_id) == []
    changes = {"copies": {step: {"en": {"subject": "A note from the shop"}}}, "holdout_share": 0.2}
    noted = program.post(address, json=said | {"changes": changes})
    assert noted.status_code == 201
    assert noted.json()["decision"]["changes"] == changes
    run_in(house.opened.folder)("work", "--once")
    after = program.get(f"/proposals/{proposal_id}").json()
    assert after["proposal"]["version"] == seen["version"] + 1
    assert after["editable"]["copies"][step]["en"]["subject"] == "A note from the shop"
    # What was looked at is no more: a yes to it is answered with the difference.
    assert program_of(house, "approver").post(address, json=seen | {"verdict": "approve"}).status_code == 409


def test_the_same_request_with_its_key_is_done_once_and_answered_alike(stocked: House) -> None:
    program, key = program_of(stocked, "operator"), {"Idempotency-Key": "one"}
    first = program.post("/briefs", json={"metric": "orders"}, headers=key)
    again = program.post("/briefs", json={"metric": "orders"}, headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = program.post("/briefs", json={"metric": "margin"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert program.post("/briefs", json={"metric": "orders"}, headers={"Idempotency-Key": "two"}).status_code == 202
    mine = program_of(stocked, "admin").post("/briefs", json={"metric": "margin"}, headers=key)
    assert mine.status_code == 202, "a key is its owner's"
    with stocked.opened.store.read() as connection:
        assert len(connection.execute(select(briefs)).all()) == 3


def test_a_key_used_again_after_its_answer_is_forgotten_drops_no_other_brief(stocked: House) -> None:
    program, key = program_of(stocked, "operator"), {"Idempotency-Key": "weekly"}
    made = []
    for metric in ("orders", "orders", "margin"):
        made.append(program.post("/briefs", json={"metric": metric}, headers=key).json()["brief_id"])
        with stocked.opened.store.write() as connection:
            answers.forget(connection, "operator", "weekly")
    assert made[0] == made[1] != made[2]


def test_a_question_asked_twice_with_one_key_is_one_question(stocked: House) -> None:
    program = program_of(stocked, "operator")
    asked = _yes(program, verdict="ask", reason="Why so many?")
    for key in ("k1", "k1", "k2"):
        program.post("/proposals/p1/decisions", json=asked, headers={"Idempotency-Key": key})
    with stocked.opened.store.read() as connection:
        assert len(proposals.decisions_on(connection, "p1")) == 2


def test_lists_come_in_pages_by_key(stocked: House) -> None:
    program = program_of(stocked, "viewer")
    found, after = [], ""
    while True:
        page = program.get("/proposals", params={"limit": 1, "after": after}).json()
        found += [one["proposal_id"] for one in page["items"]]
        after = page["next"]
        if not after:
            break
    assert found == ["p1", "p2", "ran"]
    assert program.get("/proposals", params={"status": ["open", "asked"]}).json()["next"] is None
    assert program.get("/proposals", params={"after": "nobody"}).status_code == 404


def test_all_contacts_are_listed_for_an_admin_alone_and_that_is_journalled(stocked: House) -> None:
    for path in ("/contacts", "/contacts?name=%20"):
        refused = program_of(stocked, "approver").get(path)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    program = program_of(stocked, "admin", name="eve")
    ids = [one["contact_id"] for one in program.get("/contacts?limit=1").json()["items"]]
    ids += [one["contact_id"] for one in program.get("/contacts?limit=5&after=1").json()["items"]]
    assert ids == [1, 2]
    with stocked.opened.store.read() as connection:
        noted = list(entries(connection, action="contacts.listed"))
    assert [(one.actor, one.payload["after"]) for one in noted] == [("console:eve", 0), ("console:eve", 1)]


def test_what_has_not_changed_is_not_sent_again(stocked: House) -> None:
    program = program_of(stocked, "viewer")
    mark = program.get("/proposals/p1").headers["etag"]
    same = program.get("/proposals/p1", headers={"If-None-Match": mark})
    assert (same.status_code, same.content) == (304, b"")
    assert program.get("/proposals/p2", headers={"If-None-Match": mark}).status_code == 200


def test_a_campaign_is_paused_goes_on_and_ends(stocked: House) -> None:
    program = program_of(stocked, "operator")
    (item,) = program.get("/campaigns").json()["items"]
    path = f"/campaigns/{item['campaign_id']}"
    assert program.get(path).json()["facts"]["treated"] == 2
    assert program.get(f"{path}/readouts").json() == {"items": []}
    for act, status in (("pause", "paused"), ("resume", "live"), ("stop", "cancelled")):
        assert program.post(f"{path}/{act}", json={"reason": "a test"}).json()["status"] == status
    conflict = program.post(f"{path}/pause", json={})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "conflict")
    with stocked.opened.store.read() as connection:
        assert campaigns.get(connection, item["campaign_id"]).status == "cancelled"


def test_a_contact_is_found_by_any_name_and_shown_with_what_they_agreed_to(stocked: House) -> None:
    program = program_of(stocked, "viewer")
    (item,) = program.get("/contacts", params={"name": scene.address(1)}).json()["items"]
    assert item["contact_id"] == 1
    assert program.get("/contacts", params={"name": "nobody@example.org"}).json() == {"items": [], "next": None}
    shown = program.get("/contacts/1").json()
    assert (shown["consents"][0]["state"], shown["suppressed"]) == ("granted", {})
    assert program.get("/contacts/77").status_code == 404
    assert program.get(f"/contacts/{2**70}").status_code == 422


def test_a_batch_of_events_is_kept_whole_or_not_at_all(stocked: House) -> None:
    program = program_of(stocked, "operator")
    event = {"event_id": "e1", "kind": "view", "at": "2025-03-03T08:00:00Z", "contact": scene.address(1)}
    wrong = program.post("/events", json={"events": [event, {**event, "event_id": "e2", "kind": "open"}]})
    assert (wrong.status_code, wrong.json()["errors"][0]["place"]) == (422, "body.events.1")
    assert scene.address(1) not in wrong.text
    taken = program.post("/events", json={"events": [event, {**event, "event_id": "e2"}, event]})
    assert (taken.status_code, taken.json()) == (202, {"accepted": 2, "duplicates": 1})
    with stocked.opened.store.read() as connection:
        assert set(connection.execute(select(intake.c.contact_id)).scalars()) == {1}


def test_health_and_metrics_name_nobody(stocked: House) -> None:
    program = program_of(stocked, "viewer", "metrics")
    assert program.get("/health").json()["proposals"] == {"launched": 1, "open": 2}
    metrics = program.get("/metrics")
    assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'noria_proposals{status="open"} 2\n' in metrics.text
    assert "marie" not in metrics.text
    assert program.get("/proposals").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/none", 404), ("DELETE", "/proposals", 405), ("GET", "/proposals?limit=0", 422),
     ("GET", "/proposals?sort=up", 422), ("POST", "/briefs", 422), ("GET", "/a%0Ab", 404)],
)  # fmt: skip
def test_every_error_is_a_problem_that_says_what_to_do(house: House, method: str, path: str, status: int) -> None:
    answer = program_of(house, "admin").request(method, path)
    told = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (told["status"], told["type"]) == (status, f"urn:noria:error:{told['code']}")
    assert told["title"]
    assert told["detail"]


def test_more_than_is_read_is_refused(house: House) -> None:
    program = program_of(house, "admin")
    assert program.post("/briefs", content=b"x" * 2_000_001).status_code == 413
    assert program.post("/briefs", content=iter([b"{}"])).status_code == 411


def test_a_machine_for_contacts_only_has_no_api(stocked: House) -> None:
    from console.cli.serve import web_app

    program = program_of(stocked, "admin")
    bare = TestClient(web_app(stocked.opened, console=False), headers=dict(program.headers))
    assert bare.get("/api/v1/proposals").status_code == 404


@pytest.mark.slow(seconds=60)
def test_the_worker_plans_for_a_brief_asks_what_it_leaves_open_and_plans_on(shop: Path, serve: Serve) -> None:
    house = serve(shop)
    program, run = program_of(house, "operator"), run_in(shop)
    path = program.post("/briefs", json={"metric": "orders", "owner": "marie"}).headers["location"]
    path = path.removeprefix("/api/v1")
    assert program.get(path).json()["state"] == "waiting"
    run("work", "--once")
    asked = program.get(path).json()
    open_ones = {one["question_id"] for one in asked["questions"]}
    assert (asked["state"], open_ones) == ("asked", {"intention", "stop_rule", "decision"})
    assert program.post(f"{path}/answers", json={"intention": "bring customers back"}).status_code == 422
    answers = {"intention": "bring customers back", "stop_rule": "complaints above 0.1 %",
               "decision": "whether to keep it"}  # fmt: skip
    assert program.post(f"{path}/answers", json=answers).status_code == 202
    assert run("work", "--once")["planned"] == path.split("/")[-1]
    done = program.get(path).json()
    assert done["state"] == "done"
    assert {one["proposal_id"] for one in program.get("/proposals").json()["items"]} == set(done["proposals"]) != set()
    assert program.post(f"{path}/answers", json=answers).status_code == 409


def test_tokens_are_made_listed_and_taken_back_on_the_command_line(house: House) -> None:
    run = run_in(house.opened.folder)
    house.person("operator", "omar")
    made = run("tokens", "make", "omar", "--for", "nightly import", "--scope", "events", "--scope", "read")
    assert made["scopes"] == ["read", "events"]
    header = {"Authorization": f"Bearer {made['token']}"}
    program = TestClient(house.app, base_url="http://testserver/api/v1", headers=header)
    assert program.get("/proposals").status_code == 200
    (listed,) = run("tokens", "list")
    assert (listed["label"], listed["standing"]) == ("nightly import", "good")
    assert made["token"] not in json.dumps(listed)
    run("tokens", "revoke", made["token_id"])
    assert program.get("/proposals").status_code == 401
    assert run("tokens", "list")[0]["standing"] == "revoked"


def test_on_the_web_everybody_has_their_own_tokens_and_admins_take_back_any(house: House) -> None:
    omar, other, admin = house.person("operator", "omar"), house.person("operator", "paul"), house.person("admin")
    page = omar.post("/console/tokens", data={"label": "import", "scope": ["read", "events"], "days": "30"})
    assert "noria_" in page.text
    assert "noria_" not in omar.get("/console/tokens").text
    with house.opened.store.read() as connection:
        (kept,) = tokens.every(connection)
    assert (kept.owner, kept.scopes) == ("omar", ("read", "events"))
    assert "No token yet." in text_of(other.get("/console/tokens").text)
    assert other.post(f"/console/tokens/{kept.token_id}/revoke").status_code == 403
    assert admin.post(f"/console/tokens/{kept.token_id}/revoke").status_code == 303
    assert admin.post("/console/tokens/none/revoke").status_code == 404


def test_the_link_of_a_notice_leads_whom_it_was_written_to_and_opens_no_door(stocked: House) -> None:
    from memory import notices

    ann, paul = stocked.person("approver", "ann"), stocked.person("approver", "paul")
    with stocked.opened.store.read() as connection:
        link = f"/console/notices/p1/{notices.seal(connection, 'ann', 'p1')}"
    assert stocked.stranger().get(link).headers["location"].startswith("/console/login?next=")
    assert ann.get(link).headers["location"] == "/console/proposals/p1"
    assert paul.get(link).status_code == 404
    assert ann.get("/console/notices/p1/none").status_code == 404
    assert ann.post("/console/account/notify", data={"notify": "daily"}).status_code == 303
    with stocked.opened.store.read() as connection:
        assert users.get(connection, "ann").notify == "daily"
        assert proposals.decisions_on(connection, "p1") == []
