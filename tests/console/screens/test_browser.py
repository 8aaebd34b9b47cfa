"""The console in a real browser: what the security of its pages rests on, and what people do all day."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from console.sign_in import invite
from console.wiring import Workspace
from memory import proposals
from memory.campaigns import campaign_id_of
from memory.clock import SystemClock
from memory.proposal import Approvals, Decision, Proposal
from memory.proposals import StoredProposal
from memory.workspace import read_switch
from tests.console.conftest import run_in
from tests.console.screens.browser import Desk, beside, chromium, listening, violations
from tests.console.screens.conftest import Serve
from tools.previews import Preview
from tools.render import Rendered

pytestmark = pytest.mark.slow(seconds=60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def desk(browser: Browser, proposed: Path, serve: Serve) -> Iterator[Desk]:
    """A workspace in which a round of proposals waits, served to browsers."""
    house = serve(proposed)
    with listening(house) as url:
        found = Desk(browser, house, url)
        yield found
        found.close()
    assert found.complaints == []


def win_back(opened: Workspace) -> StoredProposal:
    with opened.store.read() as connection:
        found = proposals.list_proposals(connection)
    return next(one for one in found if one.proposal.play.playbook == "win_back")


def said(desk: Desk, proposal_id: str) -> list[Decision]:
    with desk.house.opened.store.read() as connection:
        return proposals.decisions_on(connection, proposal_id)


def revise(desk: Desk, proposal: Proposal, **changes: object) -> Proposal:
    """The next version of a proposal, as if the agents had made it."""
    opened = desk.house.opened
    changed = proposal.model_copy(update={"version": proposal.version + 1, **changes})
    with opened.store.write() as connection:
        proposals.revise(connection, changed, author="noria", at=opened.clock.now())
    return changed


def work(desk: Desk) -> None:
    beside(lambda: run_in(desk.house.opened.folder)("work", "--once"))


def open_win_back(desk: Desk, page: Page) -> Proposal:
    proposal = win_back(desk.house.opened).proposal
    page.goto(f"proposals/{proposal.proposal_id}")
    return proposal


def test_a_yes_by_click_is_noted_in_the_name_of_who_is_signed_in(desk: Desk) -> None:
    page = desk.browser_of("approver", "ann")
    page.goto("./")
    page.get_by_role("link", name="Win-back").click()
    page.get_by_label("Reason, if you like").first.fill("Worth a try")
    page.get_by_role("button", name="Approve version 1").click()
    expect(page.get_by_text("console:ann said yes")).to_be_visible()
    expect(page.get_by_text("You said yes to this version.")).to_be_visible()
    [yes] = said(desk, win_back(desk.house.opened).proposal.proposal_id)
    assert (yes.verdict, yes.actor, yes.reason) == ("approve", "console:ann", "Worth a try")


def test_a_no_by_keys_alone(desk: Desk) -> None:
    page = desk.browser_of("operator", "paul")
    page.goto("./")
    rows = page.locator("[data-row] a")
    wanted = next(n for n in range(rows.count()) if "Win-back" in (rows.nth(n).text_content() or ""))
    for _ in range(wanted + 1):
        page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/proposals/**")
    page.keyboard.press("x")
    page.keyboard.type("Not now")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("It was rejected; the worker closes it.")).to_be_visible()
    [no] = said(desk, win_back(desk.house.opened).proposal.proposal_id)
    assert (no.verdict, no.actor, no.reason) == ("reject", "console:paul", "Not now")


def test_one_bare_key_decides_nothing(desk: Desk) -> None:
    page = desk.browser_of("approver")
    proposal = open_win_back(desk, page)
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Approve version 1")).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("[data-key='?']")).to_be_focused()
    page.keyboard.press("p")
    expect(page.locator("[name=part]").first).to_be_focused()
    page.keyboard.press("a")
    assert said(desk, proposal.proposal_id) == []
    page.keyboard.press("Enter")
    expect(page.get_by_text("You said yes")).to_be_visible()


def test_a_proposal_that_changed_is_shown_with_its_difference_and_stays_open(desk: Desk) -> None:
    page = desk.browser_of("approver")
    proposal = open_win_back(desk, page)
    play = proposal.play.model_copy(update={"holdout_share": 0.3})
    revise(desk, proposal, play=play)
    with page.expect_response("**/decide") as answered:
        page.get_by_role("button", name="Approve version 1").click()
    assert answered.value.status == 409
    expect(page.get_by_role("heading", name="It has changed")).to_be_visible()
    expect(page.locator("ins", has_text="30.0%")).to_be_visible()
    assert said(desk, proposal.proposal_id) == []
    assert win_back(desk.house.opened).status == "open"


def test_it_all_works_with_scripts_off(desk: Desk) -> None:
    page = desk.browser_of("approver", java_script_enabled=False)
    page.goto("./?view=waiting&risk=medium")
    page.get_by_role("link", name="Win-back").click()
    page.get_by_role("button", name="Approve version 1").click()
    assert "approver said yes" in page.content()


def test_forms_of_another_port_and_of_another_site_are_refused(desk: Desk) -> None:
    proposal = win_back(desk.house.opened).proposal
    fields = {"verdict": "approve", "version": "1", "digest": proposal.digest}
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    target = f"{desk.url}/console/proposals/{proposal.proposal_id}/decide"
    html = f'<form method="post" action="{target}">{inputs}<button>Win a prize</button></form>'.encode()

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = desk.browser_of("approver")
    for host in ("127.0.0.1", "localhost"):
        page.goto(f"http://{host}:{server.server_port}/")
        with page.expect_response("**/decide") as answered:
            page.get_by_role("button").click()
        assert answered.value.status == 403
    server.shutdown()
    server.server_close()
    assert said(desk, proposal.proposal_id) == []


HOSTILE = "<img src=x onerror=alert(1)>{{ 7 * 7 }}"
SCRIPT = "<script>parent.document.title = top.document.title = 'owned'; alert(2)</script>"
LETTER = f"<html><body>{SCRIPT}<p onclick='alert(3)'>Read me</p><img src='http://localhost:9/seen.gif'></body></html>"


def test_what_others_wrote_is_text_and_a_hostile_message_runs_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No layout and no copy can hold a script; were there a hole in that, the frame would still be a cell.
    hostile = Preview(
        ("a.b",),
        "en",
        "contact 1",
        False,
        Rendered(language="en", subject=HOSTILE, preheader="", html=LETTER, text="x"),
    )
    monkeypatch.setattr("console.screens.proposal.preview_messages", lambda *_, **__: [hostile])
    page = desk.browser_of("approver")
    proposal = win_back(desk.house.opened).proposal
    evidence = tuple(one.model_copy(update={"sentence": HOSTILE}) for one in proposal.evidence)
    revise(desk, proposal, title=HOSTILE, why_now=HOSTILE, evidence=evidence)
    asked: list[str] = []
    page.on("response", lambda response: asked.append(response.url))
    page.goto(f"proposals/{proposal.proposal_id}")
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    letter = page.frame_locator("iframe").first.get_by_text("Read me")
    letter.click()
    assert "owned" not in page.title()
    page.goto("./")
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    # The browser says what it stopped: no dialog is among it, and nothing was fetched from elsewhere.
    assert desk.complaints
    assert all("Content Security Policy" in one or "sandboxed" in one for one in desk.complaints)
    assert {one.split("/console")[0] for one in asked} == {desk.url}
    desk.complaints.clear()


def test_an_edit_makes_a_version_that_needs_a_yes_of_its_own(desk: Desk) -> None:
    page = desk.browser_of("approver", "ann")
    proposal = open_win_back(desk, page)
    page.get_by_role("button", name="Approve version 1").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("subject").first.fill("We would love to see you again")
    page.get_by_role("button", name="Make the new version").click()
    expect(page.get_by_text("It was edited: the worker makes the new version")).to_be_visible()
    work(desk)
    page.reload()
    expect(page.get_by_text("earlier approvals no longer count")).to_be_visible()
    expect(page.locator("ins", has_text="We would love to see you again").last).to_be_visible()
    expect(page.get_by_role("button", name="Approve version 2")).to_be_visible()
    stored = win_back(desk.house.opened)
    assert (stored.proposal.version, stored.status, stored.last_editor) == (2, "open", "console:ann")
    assert stored.proposal.proposal_id == proposal.proposal_id


def test_two_people_are_two_people(desk: Desk) -> None:
    proposal = win_back(desk.house.opened).proposal
    revise(desk, proposal, approvals=Approvals(people=2, second_person=True, reasons=("It is large.",)))
    for name, then in (("ann", "Another person has to approve."), ("omar", "Enough people said yes")):
        page = desk.browser_of("approver", name)
        page.goto(f"proposals/{proposal.proposal_id}")
        page.get_by_role("button", name="Approve version 2").click()
        expect(page.get_by_text(then)).to_be_visible()
    work(desk)
    assert win_back(desk.house.opened).status == "launched"


def test_a_campaign_fits_a_telephone(desk: Desk) -> None:
    page = desk.browser_of(
        "approver",
        viewport={"width": 360, "height": 800},
        color_scheme="dark",
        locale="fr-FR",
    )
    proposal = open_win_back(desk, page)
    page.get_by_role("button", name="Approuver la version 1").click()
    page.wait_for_load_state()
    work(desk)
    page.goto(f"campaigns/{campaign_id_of(proposal.proposal_id)}")
    for opened in page.locator("details > summary").all():
        opened.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    moments = page.locator("time[datetime$='Z']")
    assert moments.count()
    assert "UTC" in (moments.first.get_attribute("title") or "")


def test_a_change_of_what_runs_is_looked_at_and_proposed_on_a_telephone(desk: Desk) -> None:
    page = desk.browser_of("approver", viewport={"width": 360, "height": 800}, locale="fr-FR")
    proposal = open_win_back(desk, page)
    page.get_by_role("button", name="Approuver la version 1").click()
    page.wait_for_load_state()
    work(desk)
    page.goto(f"campaigns/{campaign_id_of(proposal.proposal_id)}")
    page.get_by_role("link", name="La modifier").click()
    page.locator("input[name$='|subject']").first.fill("Un mot de nous")
    page.get_by_label("Ils continuent dans la nouvelle version").check()
    page.get_by_role("button", name="Voir ce qui se passerait").click()
    expect(page.get_by_role("heading", name="Ce qui se passerait")).to_be_visible()
    expect(page.locator("ins", has_text="Un mot de nous").first).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Proposer cette modification").click()
    expect(page.get_by_text("approver a demandé une modification")).to_be_visible()
    work(desk)
    page.reload()
    page.get_by_role("link", name="La modification demandée par console:approver").click()
    expect(page.get_by_text("Un mot de nous").first).to_be_visible()


def test_a_bad_edit_says_why_and_keeps_what_was_typed(desk: Desk) -> None:
    page = desk.browser_of("operator")
    proposal = win_back(desk.house.opened).proposal
    page.goto(f"proposals/{proposal.proposal_id}/edit")
    page.get_by_label("subject").first.fill("Only 9.99 € today")
    page.get_by_role("button", name="Make the new version").click()
    expect(page.get_by_role("alert")).to_contain_text("The policy would refuse this edit.")
    expect(page.get_by_label("subject").first).to_have_value("Only 9.99 € today")
    assert said(desk, proposal.proposal_id) == []


PAGES = (
    "./",
    "proposals/{id}",
    "proposals/{id}/edit",
    "proposals/{id}/dry-run",
    "proposals/none",
    "briefs",
    "letters",
    "layouts",
    "offers",
    "brand",
    "playbooks",
    "playbooks/abandoned_cart",
    "calendar",
    "campaigns",
    "delivery",
    "contacts/1",
    "contacts/1/erase",
    "contacts/1/merge?other=2",
    "memory",
    "memory/forecasts",
    "evals",
    "policies",
    "tokens",
    "policies/findings",
    "policies/backtest?pack=base",
    "journal",
    "journal/verify",
    "health",
    "people",
    "account",
    "switch",
    "login",
)


def test_the_switch_stops_everything_and_says_so_on_every_page(desk: Desk) -> None:
    page = desk.browser_of("operator", "paul")
    page.goto("people")
    page.get_by_role("link", name="Stop all sending").click()
    page.get_by_label("Reason").fill("Wrong prices")
    page.get_by_role("button", name="Stop all sending now").click()
    page.goto("journal")
    expect(page.get_by_role("alert")).to_contain_text("All sending is stopped")
    expect(page.get_by_role("alert")).to_contain_text("console:paul")
    expect(page.get_by_role("alert")).to_contain_text("Wrong prices")
    with desk.house.opened.store.read() as connection:
        assert read_switch(connection).stopped
    page.get_by_role("link", name="Allow it again").click()
    page.get_by_role("button", name="Allow sending again").click()
    expect(page.get_by_text("All sending is stopped")).to_have_count(0)


def test_somebody_comes_in_by_the_link_and_signs_in(desk: Desk) -> None:
    page = desk.stranger(locale="fr-FR")
    token = invite(desk.house.opened.store, "marie", "admin", actor="cli:test", at=SystemClock().now())
    page.goto(f"welcome/{token}")
    page.locator("[name=password]").fill("four words that differ")
    page.locator("[name=again]").fill("four words that differ")
    picture = page.get_by_role("img", name="code QR").screenshot()
    page.locator("[name=code]").fill("000000")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_role("img", name="code QR").screenshot() == picture
    code = pyotp.TOTP(page.locator("[name=secret]").input_value()).now()
    for name, given in {"password": "four words that differ", "again": "four words that differ", "code": code}.items():
        page.locator(f"[name={name}]").fill(given)
    page.get_by_role("button").click()
    expect(page.get_by_role("link", name="marie")).to_be_visible()
    expect(page.get_by_role("heading", name="À décider")).to_be_visible()


@pytest.mark.parametrize(
    ("width", "scheme", "locale"), [(1440, "light", "en-GB"), (360, "dark", "fr-FR")], ids=["desk", "telephone"]
)
def test_every_page_is_accessible_and_fits_light_and_dark_wide_and_narrow(
    desk: Desk, width: int, scheme: str, locale: str
) -> None:
    page = desk.browser_of("admin", viewport={"width": width, "height": 800}, color_scheme=scheme, locale=locale)
    stranger = desk.stranger(viewport={"width": width, "height": 800}, color_scheme=scheme, locale=locale)
    proposal_id = win_back(desk.house.opened).proposal.proposal_id
    for path in PAGES:
        looked_at = stranger if path == "login" else page
        looked_at.goto(path.format(id=proposal_id))
        assert violations(looked_at) == [], path
        assert looked_at.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert looked_at.get_attribute("html", "lang") == locale[:2]
