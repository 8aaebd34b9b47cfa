"""What a team says of itself in the console: brand, offers, facts, and layouts that it brings along."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from console.house import change_brand, read_brand_file
from console.tuning import change_playbook, source_of
from memory.canonical import digest
from memory.errors import InvalidInputError, NoriaError
from memory.journal import entries
from memory.letters import newest
from memory.offers import approved_facts, open_offers
from tests.console.screens.conftest import House, text_of
from tests.tools.test_html_import import PAGE

OFFER = {
    "offer_id": "spring-10",
    "kind": "percent",
    "value": "10",
    "code": "SPRING",
    "label_en": "10 % off",
    "label_fr": "10 % de remise",
    "starts_on": "2020-01-01",
    "ends_on": "2100-01-31",
}


def acts(house: House, subject: str) -> list[tuple[str, str]]:
    with house.opened.store.read() as connection:
        return [(one.action, one.actor) for one in entries(connection, subject=subject)]


def offered(house: House) -> list[str]:
    with house.opened.store.read() as connection:
        return [one.offer_id for one in open_offers(connection, house.opened.clock.now())]


def test_an_offer_is_added_by_one_and_approved_by_whoever_may(house: House) -> None:
    operator, approver = house.person("operator"), house.person("approver", "ann")
    assert house.person("viewer").post("/console/offers", data=OFFER).status_code == 403
    assert operator.post("/console/offers", data=OFFER).status_code == 303
    assert offered(house) == []
    assert operator.post("/console/offers/spring-10/approve").status_code == 403
    assert approver.post("/console/offers/spring-10/approve").status_code == 303
    assert offered(house) == ["spring-10"]
    assert approver.post("/console/offers/spring-10/approve").status_code == 409
    assert operator.post("/console/offers", data=OFFER).status_code == 409
    assert "10%" in text_of(operator.get("/console/offers").text)
    assert approver.post("/console/offers/spring-10/end").status_code == 303
    assert offered(house) == []
    assert acts(house, "offer spring-10") == [
        ("offer.added", "console:operator"),
        ("offer.approved", "console:ann"),
        ("offer.ended", "console:ann"),
    ]


def test_an_offer_that_cannot_be_read_says_why_and_keeps_what_was_typed(house: House) -> None:
    operator = house.person("operator")
    for change, why in (
        ({"value": ""}, "Say how much comes off."),
        ({"label_fr": ""}, "words in both languages"),
        ({"ends_on": "soon"}, "is no date"),
        ({"offer_id": "Spring 10"}, "cannot stand as a name"),
        ({"kind": "none"}, "This offer cannot stand"),
    ):
        answer = operator.post("/console/offers", data=OFFER | change)
        assert (answer.status_code, why in text_of(answer.text)) == (400, True), change
        assert 'value="SPRING"' in answer.text


def test_a_fact_is_vouched_for_by_an_approver_and_withdrawn(house: House) -> None:
    fact = {"fact_id": "roast", "fact_en": "We roast every Monday.", "fact_fr": "Nous torréfions chaque lundi."}

    def held() -> set[str]:
        with house.opened.store.read() as connection:
            return {one.fact_id for one in approved_facts(connection, house.opened.clock.now())} - {"brand-returns"}

    approver = house.person("approver", "ann")
    assert house.person("operator").post("/console/facts", data=fact).status_code == 403
    assert approver.post("/console/facts", data=fact).status_code == 303
    assert held() == {"roast"}
    assert approver.post("/console/facts", data=fact).status_code == 409
    assert approver.post("/console/facts", data=fact | {"fact_id": "brand-x"}).status_code == 400
    assert approver.post("/console/facts/brand-returns/end").status_code == 403
    assert approver.post("/console/facts/roast/end").status_code == 303
    assert held() == set()
    assert acts(house, "fact roast") == [("fact.approved", "console:ann"), ("fact.ended", "console:ann")]


def form_of(page: str) -> dict[str, str]:
    found = dict(re.findall(r'<input (?:type="hidden" )?name="(\w+)"[^>]* value="([^"]*)"', page))
    found |= {name: text.strip() for name, text in re.findall(r'<textarea name="(\w+)"[^>]*>([^<]*)<', page)}
    return {name: text.replace("&amp;", "&") for name, text in found.items()} | {"formal_french": "1"}


def test_the_brand_is_changed_by_an_admin_and_holds_at_once(house: House) -> None:
    admin, path = house.person("admin"), house.opened.folder / "brand.yaml"
    now_is = form_of(admin.get("/console/brand").text)
    before = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert house.person("approver").post("/console/brand", data=now_is).status_code == 403
    assert admin.post("/console/brand", data=now_is | {"name": "New & Old"}).status_code == 303
    after = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert after["name"] == "New & Old"
    assert after["facts"] == before["facts"]
    assert house.opened.brand.name == house.opened.desk.brand.name == "New & Old"
    # Whoever had the page open before looks again.
    assert admin.post("/console/brand", data=now_is | {"name": "Late"}).status_code == 409
    assert acts(house, "brand.yaml") == [("brand.changed", "console:admin")]


def test_a_brand_that_people_could_not_read_is_not_saved(house: House) -> None:
    admin, path = house.person("admin"), house.opened.folder / "brand.yaml"
    now_is, before = form_of(admin.get("/console/brand").text), path.read_bytes()
    for change, why in (({"colour_text": "#eeeeee"}, "hard to read"), ({"sender_address": "nobody"}, "email")):
        answer = admin.post("/console/brand", data=now_is | change)
        assert (answer.status_code, why in text_of(answer.text)) == (400, True)
        assert next(iter(change.values())) in answer.text
    assert path.read_bytes() == before


def test_no_change_is_saved_while_another_file_of_the_team_cannot_be_read(house: House) -> None:
    opened, path = house.opened, house.opened.folder / "brand.yaml"
    text, _ = read_brand_file(opened)
    sheet, _ = source_of(opened, "newsletter")
    broken = opened.folder / "playbooks" / "mine" / "playbook.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text("id: [", encoding="utf-8")
    with pytest.raises(NoriaError, match="mine"):
        change_brand(opened, {"name": "Others"}, seen=digest(text), actor="console:ann")
    with pytest.raises(NoriaError, match="mine"):
        change_playbook(
            opened,
            "newsletter",
            {"goal.window_days": "10"},
            ("own_hour", "any_hour"),
            seen=digest(sheet),
            actor="console:ann",
        )
    assert path.read_text(encoding="utf-8") == text
    assert not (opened.folder / "playbooks" / "newsletter").exists()
    broken.unlink()
    broken.parent.rmdir()
    change_brand(opened, {"name": "Others"}, seen=digest(text), actor="console:ann")
    assert opened.brand.name == "Others"
    assert acts(house, "brand.yaml") == [("brand.changed", "console:ann")]


def test_a_worker_takes_up_brand_and_playbooks_and_keeps_the_old_ones_while_they_are_broken(house: House) -> None:
    opened, path = house.opened, house.opened.folder / "brand.yaml"
    assert not opened.take_up_house()
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("name: Marlow & Finch", "name: Others", 1), encoding="utf-8")
    assert opened.take_up_house()
    assert opened.desk.brand.name == "Others"
    path.write_text("name: [", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"brand\.yaml"):
        opened.take_up_house()
    assert opened.desk.brand.name == "Others"


def own(page: str, house: House) -> str:
    return page.replace("https://www.example.com", house.opened.brand.website.rstrip("/"))


def test_html_becomes_a_layout_and_a_letter(house: House) -> None:
    operator = house.person("operator", "ines")
    answer = operator.post(
        "/console/layouts", data={"name": "spring", "spoken": "en"}, files={"file": ("a.html", own(PAGE, house))}
    )
    assert answer.status_code == 303, text_of(answer.text)
    page = operator.get(answer.headers["location"]).text
    [source, *_] = re.findall(r'<iframe sandbox [^>]*src="([^"]+)"', page)
    message = operator.get(source).text
    assert "Come and taste them." in message
    assert "color:#114433" in message
    assert house.opened.brand.postal_address.split(",")[0] in message
    with house.opened.store.read() as connection:
        [letter] = newest(connection, limit=2)
    assert letter.letter.layout == "spring"
    again = operator.post("/console/layouts", data={"name": "spring", "html": own(PAGE, house)})
    assert again.status_code == 409
    assert acts(house, "layout spring") == [("layout.imported", "console:ines")]


def test_a_layout_that_leads_elsewhere_is_refused_by_the_guardians_rules(house: House, tmp_path: Path) -> None:
    operator = house.person("operator")
    foreign = own(PAGE, house).replace("/logo.png", '/logo.png"><img src="https://cdn.example.net/x.png')
    answer = operator.post("/console/layouts", data={"name": "spring", "html": foreign})
    said = text_of(answer.text)
    assert answer.status_code == 400
    assert "holds a link that leads to a domain that is not the brand" in said
    assert "Left out: 1 × merge tag" in said
    with house.opened.store.read() as connection:
        assert newest(connection, limit=1) == []
