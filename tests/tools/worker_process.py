"""One worker as a process of its own, to be killed: store URL, folder, SMTP port (0 for the sandbox), lease seconds."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event

from memory.clock import ManualClock
from memory.store import Store
from tests.tools.scene import NOW, workplace
from tools.channels.smtp import SmtpChannel, SmtpServer
from tools.worker import run


def main(url: str, folder: Path, port: int, lease_seconds: float) -> None:
    channel = None
    if port:
        channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=port, security="none", batch_size=20))
    place = workplace(Store(url), ManualClock(NOW), folder, channel, lease_seconds=lease_seconds)
    run(place, Event(), pause_seconds=0.1, on_error=lambda error: print(error, file=sys.stderr, flush=True))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
