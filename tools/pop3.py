"""The address of a POP3 mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"pop3s": 995, "pop3": 110}


@dataclass(frozen=True, slots=True)
class Pop3Mailbox:
    """One mailbox on a server that speaks POP3."""

    host: str
    port: int
    username: str
    encrypted: bool

    @classmethod
    def at(cls, url: str) -> Pop3Mailbox:
        """From `pop3s://USER@HOST[:PORT]`. Raises ValueError, with what is wrong, for anything else."""
        parts = urlsplit(url)
        of_one = parts.hostname and parts.username and not parts.password and not parts.path.strip("/")
        if parts.scheme not in _PORTS or not of_one:
            raise ValueError(
                "a mailbox is written pop3s://USER@HOST; its password is NORIA_MAILBOX_PASSWORD, never here"
            )
        port = parts.port or _PORTS[parts.scheme]
        return cls(str(parts.hostname), port, unquote(str(parts.username)), parts.scheme == "pop3s")
