"""The mailbox to which bounces, reports and answers come: a Maildir, or a folder of an IMAP server."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from imapclient import SEEN, IMAPClient
from imapclient.exceptions import IMAPClientError

from memory.alerts import Alert, raise_alerts, waits
from memory.errors import ConfigurationError
from memory.store import Store
from tools.imap import ImapFolder
from tools.incoming_mail import of_ours, read_mail
from tools.intake import Incoming, receive

_BATCH: Final = 100
_STEP: Final = "mailbox"
_LONGEST: Final = 1_000_000
"""Bytes of one mail that are fetched; reports and answers are shorter, attachments are not wanted."""
_TIMEOUT_SECONDS: Final = 30


@dataclass
class Taken:
    """What one look into a mailbox found."""

    mails: int = 0
    events: int = 0
    """What was new in them."""
    unknown: int = 0
    """Mails that neither report on a message of ours nor answer one."""
    unreadable: int = 0
    """Mails that could not be read; a person has to look."""


def take_maildir(store: Store, maildir: Path, at: datetime) -> Taken:
    """Read the new mails of a Maildir; what was read moves to its `cur` once it is on record."""
    found = sorted((maildir / "new").iterdir())
    taken = Taken()
    for start in range(0, len(found), _BATCH):
        part = found[start : start + _BATCH]
        _take(store, [path.read_bytes() for path in part], at, taken)
        for path in part:
            path.rename(maildir / "cur" / f"{path.name.partition(':')[0]}:2,S")
    return taken


def take_imap(store: Store, mailbox: ImapFolder, password: str, at: datetime) -> Taken:
    """Read the unseen mails of a folder; they are marked as seen once they are on record.

    Raises ConfigurationError when the server cannot be reached, or refuses; the next look then finds them again.
    """
    taken = Taken()
    with _opened(mailbox, password) as client:
        unseen: list[int] = sorted(client.search("UNSEEN"))
        for start in range(0, len(unseen), _BATCH):
            part = unseen[start : start + _BATCH]
            # A look alone marks nothing.
            asked = f"BODY.PEEK[]<0.{_LONGEST}>"
            found = client.fetch(part, [asked])
            _take(store, [_body(found[uid]) for uid in part if uid in found], at, taken)
            client.add_flags(part, [SEEN], silent=True)
    return taken


def _take(store: Store, mails: Sequence[bytes], at: datetime, taken: Taken) -> None:
    events: list[Incoming] = []
    for mail in mails:
        try:
            said = of_ours(store, read_mail(mail, at))
        except Exception:  # noqa: BLE001 - one mail, however it was made, must not keep all after it from being read
            taken.unreadable += 1
            continue
        taken.unknown += not said
        events += said
    taken.mails += len(mails)
    taken.events += receive(store, events, at).accepted
    if taken.unreadable:
        _call(store, at)


def _call(store: Store, at: datetime) -> None:
    """Ask somebody to look into the mailbox, unless they are asked already."""
    task = {
        "en": "A mail to the return address could not be read. Look into the mailbox: it may be a bounce, or a stop.",
        "fr": "Un mail reçu à l'adresse de retour est illisible. Regarder la boîte : ce peut être un rejet ou un stop.",
    }
    with store.write() as connection:
        if not waits(connection, _STEP):
            raise_alerts(connection, [Alert(step_key=_STEP, task=task, raised_at=at)])


def _body(fetched: dict[bytes, object]) -> bytes:
    return next(
        (value for name, value in fetched.items() if name.startswith(b"BODY[") and isinstance(value, bytes)), b""
    )


@contextmanager
def _opened(mailbox: ImapFolder, password: str) -> Iterator[IMAPClient]:
    where = f"{mailbox.host}:{mailbox.port}, folder {mailbox.folder}"
    try:
        client = IMAPClient(
            mailbox.host,
            port=mailbox.port,
            ssl=mailbox.encrypted,
            ssl_context=ssl.create_default_context() if mailbox.encrypted else None,
            timeout=_TIMEOUT_SECONDS,
        )
        with client:
            client.login(mailbox.username, password)
            client.select_folder(mailbox.folder)
            yield client
    except (IMAPClientError, OSError) as error:
        # What a server says could repeat a mail.
        raise ConfigurationError(
            f"The mailbox could not be read ({type(error).__name__}).",
            where=where,
            remedy="Check [mailbox] in noria.toml and NORIA_MAILBOX_PASSWORD; what is unseen stays so.",
        ) from error
