"""The score that SpamAssassin gives a play: read from either of its commands, and never guessed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from policies.facts import NOT_MEASURED
from tests.policies.worlds import one_mail, play
from tools.spam import spam_score


def command(folder: Path, says: str, code: int = 0) -> str:
    """A stand-in that keeps the message it is shown, and answers."""
    script = folder / "spamc"
    script.write_text(f"#!/bin/sh\ncat > {folder}/seen.eml\nprintf -- '{says}'\nexit {code}\n", encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


@pytest.mark.parametrize(
    ("says", "code", "score"),
    [
        ("1.2/5.0\\n", 0, 1.2),
        ("6.3/5.0\\n", 1, 6.3),
        ("-0.5/5.0\\n", 0, -0.5),
        ("X-Spam-Status: Yes, score=7.1 required=5.0 tests=A\\n\\nHello", 0, 7.1),
        ("0/0\\n", 0, NOT_MEASURED),
        ("I score=high required=", 0, NOT_MEASURED),
        ("", 74, NOT_MEASURED),
    ],
)
def test_a_score_is_what_the_command_answers(tmp_path: Path, says: str, code: int, score: float) -> None:
    assert spam_score(play(), command(tmp_path, says, code)) == score


def test_the_command_is_shown_the_message_as_it_would_leave(tmp_path: Path) -> None:
    spam_score(play(), command(tmp_path, "1.0/5.0"))
    seen = (tmp_path / "seen.eml").read_text(encoding="utf-8")
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in seen
    assert "text/html" in seen


@pytest.mark.parametrize("missing", ["", "no-such-command -c"])
def test_without_a_command_nothing_is_measured(missing: str) -> None:
    assert spam_score(play(), missing) == NOT_MEASURED


def test_a_play_without_e_mails_is_not_scored(tmp_path: Path) -> None:
    texts = one_mail(channel="sms", template="", copies={"en": {"body": ("Hello. STOP",)}})
    assert spam_score(play(sequences=texts), command(tmp_path, "9.0/5.0")) == NOT_MEASURED
