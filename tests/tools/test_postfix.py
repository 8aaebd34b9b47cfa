"""A real Postfix: what it sends back settles the message and suppresses the address."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from memory.clock import ManualClock
from memory.schema import intake, suppressions
from memory.store import Store
from tests.tools.postfix import running
from tests.tools.scene import NOW, add_contacts, counts, play, start, workplace
from tools.channels.smtp import SmtpChannel, SmtpServer
from tools.mailbox import take_maildir
from tools.worker import tick


@pytest.mark.slow(seconds=6)
@pytest.mark.skipif(
    shutil.which("postfix") is None or os.geteuid() != 0,
    reason="Postfix is not installed, or may not be started: real bounces were NOT read",
)
def test_a_message_to_nobody_comes_back_and_its_address_is_suppressed(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    clock.advance_to(NOW)
    with running(str(play().brand.sender_address)) as postfix:
        channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=postfix.port, security="none"), public_url="")
        place = workplace(store, clock, tmp_path, channel)
        add_contacts(store, [1])
        start(place, play(), [1])
        tick(place)
        channel.close()
        assert counts(store) == {"sent": 1}
        until = time.monotonic() + 30
        while not list((postfix.maildir / "new").iterdir()):
            assert time.monotonic() < until, "nothing came back"
            time.sleep(0.1)
        taken = take_maildir(store, postfix.maildir, NOW)
    assert (taken.mails, taken.events, taken.unknown, taken.unreadable) == (1, 1, 0, 0)
    with store.read() as connection:
        event = connection.execute(select(intake.c.kind, intake.c.contact_id, intake.c.properties)).one()
        assert (event.kind, event.contact_id, event.properties["bounce"]) == ("bounce", 1, "hard")
        assert event.properties["reason"] == "5.1.1"
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["hard_bounce"]
