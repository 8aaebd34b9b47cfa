"""What an operator sees of a sender's reputation, and what only they can do about it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.wiring import open_workspace
from memory import reputation
from memory.errors import InvalidInputError, NotFoundError
from memory.reputation import Fate
from tests.console.conftest import Run
from tests.console.shop import NOW

HOUR = timedelta(hours=1)


@pytest.fixture
def sender(shop: Path) -> str:
    """A sender of whom two domains made something."""
    with open_workspace(shop) as opened:
        name = opened.brand.sender_address.partition("@")[2]
        with opened.store.write() as connection:
            reputation.count(connection, [Fate(name, "gmail.com", "sent", NOW - HOUR)] * 400)
            reputation.count(connection, [Fate(name, "few.example", "sent", NOW - HOUR)] * 9)
    return name


def spam(tmp_path: Path, share: str) -> str:
    file = tmp_path / "spam.csv"
    file.write_text(f"Date,User-reported spam rate\n{NOW - timedelta(days=2):%Y-%m-%d},{share}\n", encoding="utf-8")
    return str(file)


def seen(run: Run) -> dict[str, tuple[str, float | None, float | None]]:
    """State, complaints and unsubscribes of the last seven days, by domain."""
    return {
        one["domain"]: (one["state"], one["windows"][1]["complaint_share"], one["windows"][1]["unsubscribe_share"])
        for one in run("reputation")["reputation"]
    }


def test_what_is_unknown_is_written_so(shop: Path, run: Run, sender: str) -> None:
    assert seen(run) == {
        "few.example": ("fine", None, None),
        "gmail.com": ("fine", None, 0.0),
        "*": ("fine", None, 0.0),
    }
    shown = CliRunner().invoke(app, ["reputation", "--workspace", str(shop)]).stdout
    assert "0.00%" in shown
    assert "Unknown: not reported, or fewer than 100 messages." in shown


def test_a_shop_that_sent_nothing_is_told_so(shop: Path) -> None:
    shown = CliRunner().invoke(app, ["reputation", "--workspace", str(shop)]).stdout
    assert shown == "No e-mail left yet, so there is nothing to tell.\n"


def test_an_export_stops_gmail_visibly_until_a_person_resumes_it(
    run: Run, shop: Path, sender: str, tmp_path: Path
) -> None:
    [changed] = run("reputation", "import", spam(tmp_path, "0.31%"))["changed"]
    assert (changed["sender"], changed["domain"], changed["state"]) == (sender, "gmail.com", "stopped")
    assert seen(run)["gmail.com"] == ("stopped", 0.0031, 0.0)
    [gmail] = [one for one in run("reputation")["reputation"] if one["domain"] == "gmail.com"]
    assert (gmail["state"], gmail["since"]) == ("stopped", NOW.isoformat())
    shown = CliRunner().invoke(app, ["reputation", "--workspace", str(shop)]).stdout
    assert "noria reputation resume" in shown
    [alert] = run("alerts")
    assert f"Mail of {sender} to gmail.com is stopped: 0.31% complaints" in alert["task"]["en"]
    [said] = [one for one in run("doctor", fails=True) if one["part"] == "reputation"]
    assert (said["state"], f"noria reputation resume {sender}" in said["remedy"]) == ("failure", True)

    with pytest.raises(InvalidInputError, match="needs its reason"):
        run("reputation", "resume", sender, "--reason", " ")
    with pytest.raises(NotFoundError, match=r"few\.example is slowed or stopped"):
        run("reputation", "resume", sender, "--domain", "few.example", "--reason", "cleaned")
    assert run("reputation", "resume", sender, "--reason", "cleaned")["resumed"] == [
        {"sender": sender, "domain": "gmail.com"}
    ]
    run("work", "--once")
    # What Gmail said of the days before counts no more.
    assert seen(run)["gmail.com"] == ("fine", None, None)
    assert [one for one in run("doctor") if one["part"] == "reputation"] == []


def test_an_export_below_the_limits_stops_nothing_and_one_that_is_none_changes_nothing(
    run: Run, sender: str, tmp_path: Path
) -> None:
    assert run("reputation", "import", spam(tmp_path, "0.09%")) == {"days": 1, "changed": []}
    assert seen(run)["gmail.com"] == ("fine", 0.0009, 0.0)
    for text, says in (("Date,Opens\n2025-03-01,9\n", "no export"), ("Date,Spam rate\n2025-03-09,1%\n", "yet to come")):
        file = tmp_path / "other.csv"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInputError, match=says):
            run("reputation", "import", str(file))
    with pytest.raises(InvalidInputError, match="cannot be read"):
        run("reputation", "import", str(tmp_path / "none.csv"))
    assert seen(run)["gmail.com"] == ("fine", 0.0009, 0.0)
