"""A real SMTP server that stores what it gets, counts by message key, and refuses on request."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from email import message_from_bytes
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class MailServer:
    """Answers by the local part of the recipient: ``soft``, ``gone``, ``full``, ``spam``, ``busy``, ``cut`` or any."""

    def __init__(self, port: int = 0, *, delay_seconds: float = 0.0) -> None:
        self.port = port or free_port()
        self._delay_seconds = delay_seconds
        self.taken: Counter[str] = Counter()
        self.contents: dict[str, bytes] = {}
        self.recipients: dict[str, str] = {}
        self.refuse_sender = False
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_MAIL(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_sender:
            return "550 5.7.1 you may not send"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        match address.partition("@")[0]:
            case "soft":
                return f"451 4.2.1 {address} try later"
            case "gone":
                return f"550 5.1.1 {address} unknown"
            case "old":
                return "550 no such mailbox"
            case "policy":
                return "550 5.7.1 not from you"
            case "early":
                _hang_up(server)
                return "451 never seen"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        match envelope.rcpt_tos[0].split("@")[0]:
            case "spam":
                return "554 5.6.0 refused"
            case "busy":
                return "451 4.3.0 come back"
            case "cut":
                _hang_up(server)
                await asyncio.sleep(0.05)
                return "451 never seen"
        await asyncio.sleep(self._delay_seconds)
        assert isinstance(envelope.content, bytes)
        content = envelope.content
        key = str(message_from_bytes(content)["X-Noria-Message-Key"])
        self.taken[key] += 1
        self.contents[key] = content
        self.recipients[key] = envelope.rcpt_tos[0]
        return "250 2.0.0 OK queued as 1"


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _hang_up(server: Any) -> None:
    server.transport.abort()
