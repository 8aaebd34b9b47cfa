"""The address of a mailbox on a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"imaps": 993, "imap": 143}


@dataclass(frozen=True, slots=True)
class ImapFolder:
    """One folder of a mailbox on a server."""

    host: str
    port: int
    username: str
    folder: str
    encrypted: bool

    @classmethod
    def at(cls, url: str) -> ImapFolder:
        """From `imaps://USER@HOST[:PORT][/FOLDER]`. Raises ValueError, with what is wrong, for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or not parts.username or parts.password:
            raise ValueError(
                "a mailbox is written imaps://USER@HOST/FOLDER; its password is NORIA_MAILBOX_PASSWORD, never here"
            )
        folder = unquote(parts.path.strip("/")) or "INBOX"
        port = parts.port or _PORTS[parts.scheme]
        return cls(parts.hostname, port, unquote(parts.username), folder, parts.scheme == "imaps")
