"""The mailbox to which bounces, reports and answers come: a Maildir, a folder of an IMAP server, or one of POP3."""

from __future__ import annotations

import hashlib
import json
import poplib
import ssl
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from imapclient import SEEN, IMAPClient
from imapclient.exceptions import IMAPClientError

from memory import syncs
from memory.alerts import Alert, raise_alerts, waits
from memory.clock import SystemClock
from memory.errors import ConfigurationError
from memory.store import Store
from tools.imap import ImapFolder
from tools.incoming_mail import asks_to_be_taken_off, of_ours, read_mail
from tools.intake import Incoming, receive
from tools.pop3 import Pop3Mailbox

_BATCH: Final = 100
_STEP: Final = "mailbox"
_UNREADABLE: Final = {
    "en": "A mail to the return address could not be read. Look into the mailbox: it may be a bounce, or a stop.",
    "fr": "Un mail reçu à l'adresse de retour est illisible. Regarder la boîte : ce peut être un rejet ou un stop.",
}
_STOP: Final = "mailbox stop"
# Anybody can write such a mail in another's name, so a person decides.
_ASKS_TO_STOP: Final = {
    "en": "A mail that answers none of ours asks for no more mail. Look into the mailbox, and take the address off: "
    "noria contacts unsubscribe ADDRESS --reason WORDS.",
    "fr": "Un mail qui ne répond à aucun des nôtres demande de ne plus rien recevoir. Regarder la boîte, et "
    "désinscrire l'adresse : noria contacts unsubscribe ADRESSE --reason RAISON.",
}
_LONGEST: Final = 1_000_000
"""Bytes of one mail that are fetched; reports and answers are shorter, attachments are not wanted."""
_TIMEOUT_SECONDS: Final = 30
_HELD: Final = timedelta(minutes=10)
_TOO_LONG: Final = "line too long"
_REFUSED: Final = "b'-ERR"
"""As poplib says it, and how it begins where a server refuses one mail."""
_MOST: Final = 500
"""Mails of one look, so that a mailbox of years holds up nothing that is due to be sent."""
_POP3: Final = ("mailbox", "pop3")
"""Under which name it is kept how far a mailbox was read whose server remembers nothing."""


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


def take_from(store: Store, url: str, password: str, at: datetime) -> Taken:
    """Read what is new in the mailbox at an address, by IMAP or POP3. Raises ConfigurationError, as ``take_imap``."""
    if url.startswith("pop3"):
        return take_pop3(store, Pop3Mailbox.at(url), password, at, SystemClock().now())
    return take_imap(store, ImapFolder.at(url), password, at)


def take_pop3(store: Store, mailbox: Pop3Mailbox, password: str, at: datetime, real_at: datetime) -> Taken:
    """Read mails that were not read before, a few hundred at a look; all stay on the server, which keeps no mark of it.

    A mail that the server does not give is left aside, and a person alerted. Raises ConfigurationError when the server
    cannot be reached, or refuses; the next look then finds the rest.
    """
    taken, holder = Taken(), uuid.uuid4().hex
    with store.write() as connection:
        standing = syncs.take(connection, *_POP3, holder=holder, now=real_at, until=real_at + _HELD)
    if standing is None:
        return taken
    known = set(json.loads(standing.cursor or "[]"))
    try:
        with _called(mailbox, password) as client:
            there = dict(_numbered(mailbox, line) for line in client.uidl()[1])
            new = [one for one in there if one not in known][:_MOST]
            for start in range(0, len(new), _BATCH):
                part = new[start : start + _BATCH]
                mails, ended = _fetched(client, [there[one] for one in part])
                _take(store, [mail for mail in mails if mail is not None], at, taken)
                known.update(part[: len(mails)])
                if None in mails:
                    taken.mails, taken.unreadable = (
                        taken.mails + mails.count(None),
                        taken.unreadable + mails.count(None),
                    )
                    _call(store, _STEP, _UNREADABLE, at)
                if ended:
                    break
            known &= there.keys()
    finally:
        # What is on record is not fetched again, whatever broke after it.
        standing = standing.model_copy(update={"cursor": json.dumps(sorted(known))})
        with store.write() as connection:
            syncs.keep(connection, standing, holder=holder, until=None)
    return taken


def _numbered(mailbox: Pop3Mailbox, line: bytes) -> tuple[str, int]:
    """The unique id of a mail, which is unique in its mailbox only, shortened; and its number in this session."""
    number, _, unique = line.partition(b" ")
    whole = f"{mailbox.username}@{mailbox.host}:{mailbox.port} ".encode() + unique.strip()
    return hashlib.sha256(whole).hexdigest()[:24], int(number)


def _fetched(client: poplib.POP3, numbers: Sequence[int]) -> tuple[list[bytes | None], bool]:
    """The mails, None for one that is not given, and whether that ended the session in its middle."""
    mails: list[bytes | None] = []
    for number in numbers:
        try:
            mails.append(b"\r\n".join(client.retr(number)[1])[:_LONGEST])
        except poplib.error_proto as error:
            mails.append(None)
            # A line too long for the protocol leaves the rest of the mail in the line; a refusal leaves nothing.
            if not str(error).startswith(_REFUSED):
                if str(error) != _TOO_LONG:
                    raise
                return mails, True
    return mails, False


def _take(store: Store, mails: Sequence[bytes], at: datetime, taken: Taken) -> None:
    events: list[Incoming] = []
    stops = False
    for mail in mails:
        try:
            said = of_ours(store, read_mail(mail, at))
            stops |= not said and asks_to_be_taken_off(mail)
        except Exception:  # noqa: BLE001 - one mail, however it was made, must not keep all after it from being read
            taken.unreadable += 1
            continue
        taken.unknown += not said
        events += said
    taken.mails += len(mails)
    taken.events += receive(store, events, at).accepted
    if taken.unreadable:
        _call(store, _STEP, _UNREADABLE, at)
    if stops:
        _call(store, _STOP, _ASKS_TO_STOP, at)


def _call(store: Store, step: str, task: dict[str, str], at: datetime) -> None:
    """Ask somebody to look into the mailbox, unless they are asked already."""
    with store.write() as connection:
        if not waits(connection, step):
            raise_alerts(connection, [Alert(step_key=step, task=task, raised_at=at)])


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
        raise _unreadable(where, error) from error


@contextmanager
def _called(mailbox: Pop3Mailbox, password: str) -> Iterator[poplib.POP3]:
    try:
        if mailbox.encrypted:
            context = ssl.create_default_context()
            client: poplib.POP3 = poplib.POP3_SSL(mailbox.host, mailbox.port, timeout=_TIMEOUT_SECONDS, context=context)
        else:
            client = poplib.POP3(mailbox.host, mailbox.port, timeout=_TIMEOUT_SECONDS)
        try:
            client.user(mailbox.username)
            client.pass_(password)
            yield client
        finally:
            with suppress(poplib.error_proto, OSError):
                client.quit()
            client.close()
    except (poplib.error_proto, OSError) as error:
        # What a server says could repeat a mail.
        raise _unreadable(f"{mailbox.host}:{mailbox.port}", error) from error


def _unreadable(where: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The mailbox could not be read ({type(error).__name__}).",
        where=where,
        remedy="Check [mailbox] in noria.toml and NORIA_MAILBOX_PASSWORD; what was not read stays so.",
    )
