"""What an operator does when something has to stop, or went wrong: pause, stop, back up, restore, settle."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from console.wiring import open_workspace
from memory.errors import BackupError, ConflictError
from memory.schema import messages
from tests.console.conftest import BRIEF, Run, run_in


@pytest.mark.slow
def test_a_campaign_is_paused_backed_up_restored_and_sends_nothing_more(shop: Path, run: Run, tmp_path: Path) -> None:
    made = run("plan", *BRIEF)["proposals"][0]
    run("proposals", "approve", made["proposal_id"], "--seen", made["digest"][:12])
    run("work", "--once")
    [campaign] = run("campaigns")["campaigns"]
    assert run("campaigns", "pause", campaign["campaign_id"], "--reason", "a typo")["status"] == "paused"
    assert run("campaigns", "resume", campaign["campaign_id"])["status"] == "live"
    file = tmp_path / "backup.zip"
    assert run("backup", str(file))["files"] > 5

    restored = tmp_path / "restored"
    # The folder is named by the command itself, so no workspace stands there yet.
    done = run_in(restored)("restore", str(file), str(restored))
    assert (done["workspace"], done["campaigns"]) == (str(restored), 1)
    again = run_in(restored)
    left = set((restored / "outbox").glob("*.eml"))
    worked = again("work", "--once")
    assert worked["switch"]["stopped"]
    again("resume", "--reason", "looked at the provider's log")
    again("work", "--once")
    assert set((restored / "outbox").glob("*.eml")) == left
    with open_workspace(restored) as opened, opened.store.write() as connection:
        few = select(messages.c.message_id).limit(3)
        connection.execute(update(messages).where(messages.c.message_id.in_(few)).values(state="unknown"))
    unknown = again("messages", "unknown")
    assert unknown["total"] == len(unknown["messages"]) == 3
    first = again("messages", "unknown", "--limit", "1")
    assert (first["total"], first["messages"]) == (unknown["total"], unknown["messages"][:1])
    for one in unknown["messages"]:
        again("messages", "settle", one["message_key"], "--sent")
    assert again("messages", "unknown") == {"total": 0, "messages": []}
    assert again("campaigns")["reconciled"]
    assert again("journal", "verify")["intact"]

    assert run("campaigns", "stop", campaign["campaign_id"])["status"] in {"finished", "cancelled"}
    with pytest.raises(ConflictError, match="nothing left to stop"):
        run("campaigns", "stop", campaign["campaign_id"])


def test_a_restore_must_say_what_to_restore_and_where(run: Run, shop: Path, tmp_path: Path) -> None:
    for words in ([], [str(tmp_path / "a.zip")], ["--here", str(tmp_path / "a.zip"), str(tmp_path / "b")]):
        with pytest.raises(BackupError, match="not clear"):
            run("restore", *words)
    assert run("restore", "--here")["workspace"] == str(shop)
