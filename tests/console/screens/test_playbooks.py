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
