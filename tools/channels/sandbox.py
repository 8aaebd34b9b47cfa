"""The sandbox: every message becomes a file, an e-mail one that any mail program opens; nothing leaves the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from memory.steps import Channel as ChannelName
from tools.channels.channel import Capabilities, Outcome, Outgoing, Sent, Transient

ENDINGS: Final[Mapping[ChannelName, str]] = {"email": "eml", "sms": "txt", "audience": "json", "crm": "json"}


class SandboxChannel:
    """Writes one file per message, named by its key, so that the same message twice is one file."""

    name = "sandbox"

    def __init__(self, folder: Path, carries: ChannelName = "email") -> None:
        self.folder = folder
        self.capabilities = Capabilities(carries=carries, idempotent=True, batch_size=500, at_once=500, sandbox=True)

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        until = time.monotonic() + seconds
        return [self._send(message, until) for message in batch]

    def close(self) -> None:
        """Nothing is held open."""

    def _send(self, message: Outgoing, until: float) -> Outcome:
        if time.monotonic() > until:
            return Transient(message.message_key, "not started in time")
        target = self.folder / f"{message.message_key}.{ENDINGS[self.capabilities.carries]}"
        draft = self.folder / f".{message.message_key}.{os.getpid()}"
        try:
            if not target.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                draft.write_bytes(self._shown(message))
                # A reader sees the whole file or none, also when this process dies here.
                draft.replace(target)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            return Transient(message.message_key, f"the file could not be written: {error.strerror or error}")
        return Sent(message.message_key, provider_id=target.name)

    def _shown(self, message: Outgoing) -> bytes:
        # Only an e-mail says by itself to whom it goes.
        head = f"To: {message.address}\n\n".encode() if self.capabilities.carries == "sms" else b""
        return head + message.content
