"""One worker as a process of its own, to be killed; port 0 stands for the sandbox."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from memory.clock import ManualClock
from memory.store import Store
from tests.tools.scene import NOW, workplace
from tools.channels.smtp import SmtpChannel, SmtpServer
from tools.failure import Failures
from tools.worker import tick


def main(url: str, folder: Path, port: int, lease_seconds: float) -> None:
    channel = None
    if port:
        channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=port, security="none", batch_size=20))
    place = workplace(Store(url), ManualClock(NOW), folder, channel, lease_seconds=lease_seconds)
    while True:
        failures = Failures()
        tick(place, failures)
        for failure in failures.found:
            print(failure, file=sys.stderr, flush=True)
        time.sleep(0.1)
