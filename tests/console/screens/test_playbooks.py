"""The gallery of playbooks in the console: looked at by everybody, turned by operators."""

from __future__ import annotations

import re

from tests.console.screens.conftest import House, text_of

KNOB = re.compile(r'<input name="([\w.]+)" inputmode="decimal" value="([^"]*)"')


def form_of(page: str) -> dict[str, str | list[str]]:
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen
    kept = re.findall(r'name="sequence" value="(\w+)"', page)
    return {**dict(KNOB.findall(page)), "seen": seen[1], "sequence": kept}


def test_every_playbook_stands_in_the_gallery_with_its_way_as_a_picture(house: House) -> None:
    viewer = house.person("viewer")
    listed = viewer.get("/console/playbooks?lang=fr").text
    for name in house.opened.playbooks:
        assert f'/console/playbooks/{name}"' in listed
    page = viewer.get("/console/playbooks/abandoned_cart").text
    [picture, *_] = re.findall(r'src="(/console/playbooks/[^"]+\.svg)', page)
    assert viewer.get(picture).headers["content-type"] == "image/svg+xml"
    assert viewer.get("/console/playbooks/none").status_code == 404
    assert viewer.get("/console/playbooks/abandoned_cart/flow/none.svg").status_code == 404


def test_an_operator_turns_its_numbers_and_a_viewer_does_not(house: House) -> None:
    address, operator = "/console/playbooks/win_back", house.person("operator")
    form = form_of(operator.get(address).text) | {"goal.window_days": "30"}
    assert house.person("viewer").post(address, data=form).status_code == 403
    assert operator.post(address, data=form).status_code == 303
    page = text_of(operator.get(address).text)
    assert "version 2 · your own" in page
    assert house.opened.playbooks["win_back"].goal.window_days == 30
    assert operator.post(address, data=form).status_code == 409


def test_what_would_not_be_sound_is_said_and_what_was_typed_stays(house: House) -> None:
    address, operator = "/console/playbooks/win_back", house.person("operator")
    form = form_of(operator.get(address).text)
    unsound = operator.post(address, data=form | {"goal.window_days": "2"})
    assert unsound.status_code == 400
    assert "leaves after the goal&#39;s window has closed" in unsound.text
    assert 'name="goal.window_days" inputmode="decimal" value="2"' in unsound.text
    unreadable = operator.post(address, data=form | {"goal.window_days": "soon"})
    assert (unreadable.status_code, "is no whole number" in unreadable.text) == (400, True)
    assert house.opened.playbooks["win_back"].version == 1


SUBJECT = "sequences.0.steps.0.copies.en.subject"
BODY = "sequences.0.steps.0.copies.fr.body"


def test_an_operator_writes_its_words_looks_at_them_and_saves_them(house: House) -> None:
    address, operator = "/console/playbooks/win_back", house.person("operator")
    words = {SUBJECT: "We have kept your place", BODY: "Bonjour,\r\n\r\n  Votre place est gardée.  "}
    form = form_of(operator.get(address).text) | words
    seen = operator.post(address, data=form | {"act": "preview"})
    assert seen.status_code == 200
    assert "No rule stands against these words." in seen.text
    assert "We have kept your place" in text_of(seen.text)
    sources = re.findall(r'<iframe sandbox [^>]*src="([^"]+)"', seen.text)
    messages = [operator.get(one) for one in sources]
    assert any("Votre place est gardée." in one.text for one in messages)
    assert all("sandbox" in one.headers["content-security-policy"] for one in messages)
    # Looking changes nothing.
    assert house.opened.playbooks["win_back"].version == 1
    assert operator.post(address, data=form | {"act": "save"}).status_code == 303
    written = house.opened.playbooks["win_back"].sends()[0].copies
    assert written["en"].subject == "We have kept your place"
    assert list(written["fr"].body) == ["Bonjour,", "Votre place est gardée."]


def test_words_that_the_policy_refuses_are_not_saved_and_stay_in_the_form(house: House) -> None:
    address, operator = "/console/playbooks/win_back", house.person("operator")
    form = form_of(operator.get(address).text) | {SUBJECT: "Only 9.99 € today"}
    refused = operator.post(address, data=form | {"act": "save"})
    assert refused.status_code == 400
    assert "The policy would refuse these words" in refused.text
    assert 'value="Only 9.99 € today"' in refused.text
    unreadable = operator.post(address, data=form | {SUBJECT: "Dear {{ contact.surname }}"})
    assert (unreadable.status_code, "The playbook would not be sound" in unreadable.text) == (400, True)
    assert house.opened.playbooks["win_back"].version == 1
