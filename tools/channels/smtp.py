"""Mail over SMTP with pooled connections. SMTP knows no idempotency keys, so nothing in flight is ever repeated."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)
from pydantic import SecretStr

from memory.errors import ConfigurationError
from tools.channels.channel import Capabilities, Failed, Outcome, Outgoing, Sent, Transient, Unknown

_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_WRITABLE = re.compile(r"[!-;=?-~]+@[!-;=?A-~]+")
# Codes that speak of the mailbox when the server gives no enhanced code (RFC 5321, 4.2.3).
_BAD_MAILBOX = frozenset({550, 551, 553})


@dataclass(frozen=True, kw_only=True)
class SmtpServer:
    """Where mail is handed over, and how."""

    host: str
    port: int = 587
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: SecretStr | None = None
    connections: int = 4
    """Twice as many messages are handed over at a time: what may become unknown when a worker dies."""
    timeout_seconds: float = 30.0
    batch_size: int = 50
    """Messages claimed at a time."""

    @property
    def is_loopback(self) -> bool:
        """True when mail goes to this very machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class SmtpChannel:
    """Hands mail to one SMTP server."""

    name = "smtp"

    def __init__(self, server: SmtpServer, *, public_url: str = "", tls: ssl.SSLContext | None = None) -> None:
        """``public_url`` is where this installation's unsubscribe page is reached from outside.

        Raises ConfigurationError for a server out in the world without it.
        """
        _check(server, public_url)
        self.capabilities = Capabilities(
            carries="email", idempotent=False, batch_size=server.batch_size, at_once=2 * server.connections
        )
        self._server = server
        self._tls = tls
        self._idle: deque[SMTP] = deque()
        self._runner: asyncio.Runner | None = None

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._send_all(batch, time.monotonic() + seconds))

    def close(self) -> None:
        """Say goodbye on every open connection."""
        if self._runner is not None:
            self._runner.run(self._hang_up())
            self._runner.close()
            self._runner = None

    async def _send_all(self, batch: Sequence[Outgoing], until: float) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        waiting = deque(enumerate(batch))
        away = ""

        async def work() -> None:
            nonlocal away
            while waiting:
                place, message = waiting.popleft()
                if away or time.monotonic() > until:
                    outcomes[place] = Transient(
                        message.message_key, away or "not started in time", tried=bool(away), away=bool(away)
                    )
                    continue
                try:
                    connection = await self._connection()
                except (SMTPException, OSError, ssl.SSLError) as error:
                    # One refusal speaks for all: waiting for each message's own time-out would take hours.
                    away = f"the server could not be reached: {_said(error)}"
                    outcomes[place] = Transient(message.message_key, away, away=True)
                    continue
                outcomes[place] = await self._send(connection, message)
                if connection.is_connected:
                    self._idle.append(connection)

        await asyncio.gather(*(work() for _ in range(min(self._server.connections, len(batch)))))
        return [outcomes[place] for place in range(len(batch))]

    async def _connection(self) -> SMTP:
        while self._idle:
            connection = self._idle.popleft()
            if not connection.is_connected:
                continue
            try:
                # Servers hang up on idle clients; a message must not be the one to find out.
                await connection.noop()
                return connection
            except (SMTPException, OSError):
                connection.close()
        server = self._server
        connection = SMTP(
            hostname=server.host,
            port=server.port,
            timeout=server.timeout_seconds,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls,
            username=server.username or None,
            password=server.password.get_secret_value() if server.password else None,
        )
        try:
            await connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    async def _send(self, connection: SMTP, message: Outgoing) -> Outcome:
        key = message.message_key
        if not _WRITABLE.fullmatch(message.address):
            # The library would tidy it up, and write to somebody else.
            return Failed(key, "the address cannot be written in SMTP", hard_bounce=True)
        try:
            await connection.mail(message.sender)
            await connection.rcpt(message.address)
        except SMTPRecipientRefused as error:
            await _reset(connection)
            return _refusal(key, error)
        except SMTPResponseException as error:
            # What is refused before a recipient was named concerns us, not the contact.
            await _reset(connection)
            return Transient(key, f"the sender was refused: {_said(error)}")
        except (SMTPException, OSError, ValueError) as error:
            connection.close()
            return Transient(key, f"the connection was lost before the message: {_said(error)}")
        try:
            response = await connection.data(message.content)
        except SMTPDataError as error:
            await _reset(connection)
            return _refusal(key, error)
        except (SMTPException, OSError) as error:
            connection.close()
            return Unknown(key, f"the connection was lost while the message was in flight: {_said(error)}")
        return Sent(key, provider_id=response.message[:100])

    async def _hang_up(self) -> None:
        while self._idle:
            connection = self._idle.popleft()
            try:
                await connection.quit(timeout=2)
            except (SMTPException, OSError):
                connection.close()


def _check(server: SmtpServer, public_url: str) -> None:
    if server.is_loopback:
        return
    if not public_url.startswith("https://"):
        raise ConfigurationError(
            "Mail may not leave without a public address at which people can unsubscribe.",
            where="smtp",
            remedy="Set public_url to the https:// address of this installation, or send to a server on this machine.",
        )
    if server.password and server.security == "none":
        raise ConfigurationError(
            "The password would cross the network unprotected.",
            where="smtp",
            remedy='Set security to "starttls" or "tls".',
        )


def _refusal(key: str, error: SMTPResponseException) -> Outcome:
    if error.code < 500:
        return Transient(key, _said(error), deferred=True)
    found = _ENHANCED.search(error.message)
    about_mailbox = (
        found[1].startswith("5.1.") if found else isinstance(error, SMTPRecipientRefused) and error.code in _BAD_MAILBOX
    )
    return Failed(key, _said(error), hard_bounce=about_mailbox)


def _said(error: Exception) -> str:
    # Servers like to repeat the address in their answer; ledgers and logs keep the code only.
    if isinstance(error, SMTPResponseException):
        found = _ENHANCED.search(error.message)
        return f"{error.code} {found[1]}" if found else str(error.code)
    return type(error).__name__


async def _reset(connection: SMTP) -> None:
    try:
        await connection.rset()
    except (SMTPException, OSError):
        connection.close()
