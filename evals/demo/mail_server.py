"""A local SMTP server that keeps every message as a file and counts what it received."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import SMTP as WIRE
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

KEY_HEADER = "X-Noria-Message-Key"


class MailServer:
    """Receives on a port of this machine; files are named after the message's key in the ledger."""

    def __init__(self, folder: Path, *, delay_seconds: float = 0.0) -> None:
        self.folder = folder
        self._delay_seconds = delay_seconds
        self.received: Counter[str] = Counter()
        """How often each message key arrived: more than once would be a duplicate."""
        self.recipients: Counter[str] = Counter()
        self.envelopes: dict[str, list[str]] = {}
        """Message key → every address it was handed over for."""
        self._lock = threading.Lock()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(self._delay_seconds)
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        key = str(message_from_bytes(content, policy=WIRE)[KEY_HEADER])
        with self._lock:
            self.received[key] += 1
            copies = self.received[key]
            addressed = [str(address).lower() for address in envelope.rcpt_tos]
            self.recipients.update(addressed)
            self.envelopes.setdefault(key, []).extend(addressed)
        name = f"{key}.eml" if copies == 1 else f"{key}.duplicate-{copies - 1}.eml"
        (self.folder / name).write_bytes(content)
        return "250 kept"


@contextmanager
def mail_server(folder: Path, *, delay_seconds: float = 0.0) -> Iterator[MailServer]:
    """Run a server until the block ends; everything it receives lies in the folder.

    It takes ``delay_seconds`` over each message, as a busy one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = MailServer(folder, delay_seconds=delay_seconds)
    server._controller.start()  # noqa: SLF001 - the two belong together
    try:
        yield server
    finally:
        server._controller.stop()  # noqa: SLF001
