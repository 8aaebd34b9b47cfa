"""The past of another system, as its exports tell it, held against a policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from memory.errors import InvalidInputError, NoriaError

CONSENTED = [
    ("ann@example.com", "granted", "2024-01-01T10:00:00Z", "form 7, double opt-in"),
    ("bob@example.com", "granted", "2024-01-01T10:00:00Z", ""),
    ("cleo@example.com", "granted", "2024-01-01T10:00:00Z", "form 7, double opt-in"),
    ("cleo@example.com", "withdrawn", "2024-06-01T10:00:00Z", ""),
    ("eve@example.com", "granted", "2024-01-01T10:00:00Z", "form 7, double opt-in"),
]
PEOPLE = ("ann", "bob", "cleo", "dan", "eve")


def write(path: Path, header: str, rows: Sequence[Sequence[object]]) -> None:
    lines = [header, *(",".join(f'"{cell}"' for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def exports(
    folder: Path, sends: Sequence[tuple[str, str, str]], orders: Sequence[tuple[str, str, str, str]] = ()
) -> Path:
    """Five people: one with proof, one without, one who withdrew, one never asked, and one more with proof."""
    folder.mkdir(exist_ok=True)
    write(
        folder / "contacts.csv",
        "email,first_name,time_zone",
        [(f"{name}@example.com", name.title(), "Europe/Paris") for name in PEOPLE],
    )
    write(folder / "consents.csv", "email,state,at,proof", CONSENTED)
    write(
        folder / "sends.csv",
        "email,campaign,sent_at",
        [(f"{name}@example.com", campaign, at) for name, campaign, at in sends],
    )
    if orders:
        rows = [(number, f"{name}@example.com", at, total, off) for number, (name, at, total, off) in enumerate(orders)]
        write(folder / "orders.csv", "order_id,email,ordered_at,total,discount", rows)
    return folder


def audit(folder: Path, *words: str) -> Any:
    page = folder.parent / "audit.html"
    result = CliRunner().invoke(app, ["audit", str(folder), "--out", str(page), *words, "--json"])
    if isinstance(result.exception, NoriaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def counts(found: Any) -> dict[str, int]:
    return {one["topic"]: one["count"] for one in found["findings"]}


def rows(found: Any, topic: str) -> list[tuple[str, int]]:
    (one,) = [one for one in found["findings"] if one["topic"] == topic]
    return [(row["file"], row["line"]) for row in one["rows"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "exports"


def test_sends_that_follow_the_rules_have_nothing_against_them(folder: Path) -> None:
    sends = [("ann", "News", "2024-03-04T09:00:00Z"), ("eve", "News", "2024-03-05T09:00:00Z")]
    found = audit(exports(folder, sends))
    assert counts(found) == {}
    assert found["messages"] == 2
    assert "More messages than the cap" in found["clean"]
    assert any("no export of orders" in one for one in found["not_judged"])


def test_consent_is_judged_as_it_stood_at_each_send(folder: Path) -> None:
    sends = [
        ("ann", "News", "2024-03-04T09:00:00Z"),
        ("bob", "News", "2024-03-04T09:00:00Z"),
        ("cleo", "News", "2024-03-04T09:00:00Z"),
        ("dan", "News", "2024-03-04T09:00:00Z"),
        ("cleo", "News", "2024-07-01T09:00:00Z"),
        ("ann", "News", "2023-12-01T09:00:00Z"),
    ]
    found = audit(exports(folder, sends))
    assert counts(found) == {"no_proof": 1, "no_consent": 2, "withdrawn": 1}
    assert rows(found, "no_proof") == [("sends.csv", 3)]
    assert rows(found, "withdrawn") == [("sends.csv", 6)]
    assert sorted(rows(found, "no_consent")) == [("sends.csv", 5), ("sends.csv", 7)]


def test_consents_and_sends_are_judged_without_an_export_of_contacts(folder: Path) -> None:
    exports(folder, [("ann", "News", "2024-03-04T09:00:00Z"), ("zoe", "News", "2024-03-04T09:00:00Z")])
    (folder / "contacts.csv").unlink()
    write(folder / "suppressions.csv", "email,reason,at", [("ann@example.com", "complained", "2024-02-01T09:00:00Z")])
    found = audit(folder)
    assert (found["messages"], found["contacts"]) == (2, 2)
    assert counts(found) == {"suppressed": 1, "no_consent": 1}
    assert rows(found, "no_consent") == [("sends.csv", 3)]


def test_sends_to_bare_ids_need_an_export_of_contacts(folder: Path) -> None:
    folder.mkdir()
    write(folder / "sends.csv", "contact_id,campaign,sent_at", [("7", "News", "2024-03-04T09:00:00Z")])
    with pytest.raises(InvalidInputError, match="no contact with this id is known; import the contacts first"):
        audit(folder)


def test_the_fourth_message_in_a_week_breaks_the_cap_and_an_earlier_one_does_not(folder: Path) -> None:
    sends = [("ann", f"News {day}", f"2024-03-0{day}T09:00:00Z") for day in (4, 5, 6, 7)]
    sends += [("eve", f"News {day}", f"2024-03-{day:02}T09:00:00Z") for day in (4, 5, 6, 11, 12, 13)]
    found = audit(exports(folder, sends))
    assert counts(found) == {"frequency": 1}
    assert rows(found, "frequency") == [("sends.csv", 5)]
    assert found["pressure"] == {"3": 1, "4": 1}
    assert counts(audit(folder, "--pack", "bulk-sender")) == {"frequency": 6}


def test_four_messages_of_one_day_without_hours_are_four(folder: Path) -> None:
    sends = [("ann", f"News {number}", "2024-03-04") for number in range(4)]
    found = audit(exports(folder, sends), "--zone", "Europe/Paris")
    assert counts(found) == {"frequency": 1}
    assert any("days without hours" in one for one in found["not_judged"])
    assert "Mail outside of decent hours" not in found["clean"]


def test_hours_are_those_of_the_contact_s_clock(folder: Path) -> None:
    sends = [("ann", "News", "2024-03-04T06:30:00Z"), ("eve", "News", "2024-03-04T07:30:00Z")]
    found = audit(exports(folder, sends))
    assert counts(found) == {"send_window": 1}
    assert rows(found, "send_window") == [("sends.csv", 2)]


def test_whoever_shows_no_sign_of_life_is_found_where_something_tells_of_them(folder: Path) -> None:
    months = [("ann", f"News {month}", f"2024-{month:02}-04T09:00:00Z") for month in range(1, 10)]
    silent = audit(exports(folder, months))
    assert counts(silent) == {}
    assert any("nothing tells of clicks" in one for one in silent["not_judged"])
    write(folder / "events.csv", "email,kind,at", [("eve@example.com", "click", "2024-01-01T09:00:00Z")])
    tracked = audit(folder)
    assert counts(tracked) == {"hibernation": 4}
    write(folder / "events.csv", "email,kind,at", [("ann@example.com", "click", "2024-08-01T09:00:00Z")])
    assert counts(audit(folder)) == {}


def test_a_promotion_after_a_purchase_at_full_price_is_found_and_one_after_a_bargain_is_not(folder: Path) -> None:
    sends = [
        ("ann", "Summer sale: 20 % off", "2024-03-06T09:00:00Z"),
        ("eve", "Summer sale: 20 % off", "2024-03-06T09:00:00Z"),
        ("ann", "Our new tea", "2024-03-07T09:00:00Z"),
        ("ann", "Summer sale: last days", "2024-03-20T09:00:00Z"),
    ]
    orders = [("ann", "2024-03-04T09:00:00Z", "40.00", "0.00"), ("eve", "2024-03-04T09:00:00Z", "30.00", "10.00")]
    found = audit(exports(folder, sends, orders))
    assert counts(found)["full_price"] == 1
    assert rows(found, "full_price") == [("sends.csv", 2)]
    assert found["not_judged"] == []
    bare = audit(exports(folder, sends, [(*one[:3], "0.00") for one in orders]))
    assert counts(bare)["full_price"] == 2
    assert any("no order has a discount" in one for one in bare["not_judged"])


def test_no_campaign_may_claim_what_nobody_was_held_out_for(folder: Path) -> None:
    sends = [(name, "Spring", "2024-03-04T09:00:00Z") for name in ("ann", "eve")]
    sends += [("ann", "Offers", "2024-03-06T09:00:00Z")]
    found = audit(exports(folder, sends, [("ann", "2024-03-08T09:00:00Z", "40.00", "0.00")]))
    claims = {one["campaign"]: one for one in found["claims"]}
    assert (claims["Spring"]["recipients"], claims["Spring"]["buyers"], claims["Spring"]["also_elsewhere"]) == (2, 1, 1)
    assert claims["Spring"]["provable_lift"] is None
    assert "nobody can tell" in claims["Spring"]["sentence"]
    (finding,) = [one for one in found["findings"] if one["topic"] == "no_holdout"]
    assert "can be called their effect" in finding["sentence"]
    assert "tenth" in finding["needed"]


def test_a_message_of_a_service_is_held_to_no_limit_of_marketing(folder: Path) -> None:
    sends = [("dan", f"Order confirmation {number}", f"2024-03-04T0{number}:00:00Z") for number in range(5)]
    found = audit(exports(folder, sends))
    assert counts(found) == {}
    assert len(found["service_campaigns"]) == 5
    assert found["pressure"] == {}
    beside = [("ann", f"Votre facture {number}", "2024-03-04T09:00:00Z") for number in range(3)]
    beside += [("ann", "News", "2024-03-05T09:00:00Z"), ("ann", "Offers", "2024-03-06T09:00:00Z")]
    assert counts(audit(exports(folder, beside))) == {}


def test_the_page_needs_nothing_else_names_nobody_and_escapes_what_it_read(folder: Path) -> None:
    sends = [("dan", "<script>alert(1)</script>", "2024-03-04T09:00:00Z")]
    found = audit(exports(folder, sends))
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "dan@example.com" not in page + json.dumps(found)
    assert "src=" not in page
    assert "sends.csv, line 2" in page


def test_an_audit_leaves_nothing_behind_but_its_page(folder: Path) -> None:
    sends = [("ann", "News", "2024-03-04T09:00:00Z")]
    exports(folder, sends)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    audit(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["audit.html", "exports"]


def test_a_folder_without_sends_or_a_zone_that_does_not_exist_is_an_error(folder: Path) -> None:
    exports(folder, [("ann", "News", "2024-03-04T09:00:00Z")])
    with pytest.raises(InvalidInputError, match="no time zone"):
        audit(folder, "--zone", "Nowhere/Else")
    (folder / "sends.csv").unlink()
    with pytest.raises(InvalidInputError, match="nothing to judge"):
        audit(folder)
