"""Sends people who sign in their mail: a code that proves their address, a message as a test, what waits for them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from html import escape
from typing import Final

from sqlalchemy import Connection

from memory import proposals, staff_mail, users
from memory.brand import Brand
from memory.errors import ConflictError, InvalidInputError, NoriaError
from memory.journal import append
from memory.staff_mail import StaffMail
from memory.workspace import read_switch
from policies.roles import reaches
from tools.audience import PREVIEW_URL
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Unknown
from tools.compose import as_bytes, compose
from tools.deliver import in_parts
from tools.failure import failure_of
from tools.notices import write_notice
from tools.render import Rendered, example, render
from tools.workplace import Workplace

MARK: Final = "[Test]"
"""Before the subject of every test."""
_SECONDS = 30
_CODE: Final = {
    "en": ("Your code for Noria", "This code proves that the address is yours. Type it on the page of your account.",
           "It holds for a day. If you asked for none, do nothing."),
    "fr": ("Votre code pour Noria", "Ce code prouve que l’adresse est la vôtre. Tapez-le sur la page de votre compte.",
           "Il vaut un jour. Si vous n’en avez pas demandé, ne faites rien."),
}  # fmt: skip


def write_to_staff(place: Workplace, brand: Callable[[], Brand], console_url: str = "") -> int:
    """Send what people asked for or are to be told, each mail at most once; returns how many were handed over.

    While the switch is off it waits. ``brand`` is the sender of codes and notices; a test goes out in the name that its
    play says. ``console_url`` is where people reach the console.
    """
    at = place.lease_clock.now()
    with place.store.read() as connection:
        if not staff_mail.is_open(connection):
            return 0
    with place.store.write() as connection:
        staff_mail.give_up(connection, at)
        taken = [] if read_switch(connection).stopped else staff_mail.take(connection, at)
    sent = 0
    for mail in taken:
        outcome = _send(place, brand, mail, at, console_url)
        with place.store.write() as connection:
            match outcome:
                case Sent():
                    sent += 1
                    staff_mail.settle(connection, mail.mail_id, "sent", at)
                case other:
                    # What may be tried again is not: whoever waits for it can ask anew.
                    state: staff_mail.MailState = "unknown" if isinstance(other, Unknown) else "failed"
                    staff_mail.settle(connection, mail.mail_id, state, at, other.reason)
            if mail.kind == "test":
                payload = {"version": mail.version, "step": mail.step, "outcome": type(outcome).__name__.lower()}
                append(connection, at=at, actor=place.actor, action="test.sent", subject=str(mail.proposal_id),
                       payload=payload)  # fmt: skip
    return sent


def _send(place: Workplace, brand: Callable[[], Brand], mail: StaffMail, at: datetime, console_url: str) -> Outcome:
    channel = place.channels.get("email")
    if channel is None:
        return Failed(mail.mail_id, "This workspace has no channel for e-mail. Set one in noria.toml.")
    try:
        match mail.kind:
            case "code":
                outgoing = _code(place, brand(), mail, at)
            case "notice":
                outgoing = _notice(place, brand(), mail, at, console_url)
            case "test":
                outgoing = _test(place, mail, at)
    except NoriaError as error:
        return Failed(mail.mail_id, f"{error.what} {error.remedy}".strip())
    except Exception as error:  # noqa: BLE001 - one mail must not keep the others
        return Failed(mail.mail_id, f"It could not be written: {failure_of('write', error).error}.")
    return channel.send_many([outgoing], seconds=_SECONDS)[0]


def _test(place: Workplace, mail: StaffMail, at: datetime) -> Outgoing:
    assert mail.proposal_id is not None
    assert mail.version is not None
    with place.store.read() as connection:
        _still_theirs(connection, mail)
        play = proposals.get_version(connection, mail.proposal_id, mail.version).play
    step = next((one for sequence, one in play.sends() if f"{sequence.key}.{one.key}" == mail.step), None)
    if step is None or step.channel != "email" or mail.language not in step.copies:
        raise InvalidInputError("There is no such e-mail in this version.")
    _not_the_example(place, play.brand)
    # Of nobody on record: what lies in a mailbox cannot be erased.
    rendered = render(play, step, mail.language, example(play, mail.language))
    marked = Rendered(mail.language, f"{MARK} {rendered.subject}", rendered.preheader, rendered.html, rendered.text)
    return _outgoing(marked, play.brand, mail, at)


def _notice(place: Workplace, brand: Brand, mail: StaffMail, at: datetime, console_url: str) -> Outgoing:
    _not_the_example(place, brand)
    with place.store.read() as connection:
        user = users.get(connection, mail.name)
        if user.standing != "active" or user.email != mail.address:
            raise ConflictError("They are out, or have another address.")
        rendered = write_notice(connection, user, mail.mail_id, place.clock.now(), console_url)
    return _outgoing(rendered, brand, mail, at)


def _not_the_example(place: Workplace, brand: Brand) -> None:
    if place.example_brand is not None and (left := brand.left_from(place.example_brand)):
        raise ConflictError(f"It would go in the example's name: {', '.join(left)}.", remedy="Fill in brand.yaml.")


def _code(place: Workplace, brand: Brand, mail: StaffMail, at: datetime) -> Outgoing:
    _not_the_example(place, brand)
    code = secrets.token_hex(10)
    with place.store.write() as connection:
        staff_mail.keep_code(connection, mail.mail_id, hash_code(code))
    subject, why, end = _CODE.get(mail.language, _CODE["en"])
    html = "".join(f"<p>{escape(line)}</p>" for line in (why, code, end))
    language = mail.language if mail.language in _CODE else "en"
    rendered = Rendered(
        language, subject, "", f"<!doctype html><html><body>{html}</body></html>", f"{why}\n\n{code}\n\n{end}"
    )
    return _outgoing(rendered, brand, mail, at)


def hash_code(code: str) -> str:
    """What is kept of a code; blanks and capitals that somebody typed do not matter."""
    return hashlib.sha256("".join(code.split()).lower().encode()).hexdigest()


def _outgoing(rendered: Rendered, brand: Brand, mail: StaffMail, at: datetime) -> Outgoing:
    message = compose(
        rendered,
        brand,
        to_address=mail.address,
        message_key=mail.mail_id,
        # Nobody's subscription stands behind it.
        unsubscribe_url=PREVIEW_URL,
        now=at,
        label=mail.kind,
    )
    parts = in_parts(rendered, brand, PREVIEW_URL)
    return Outgoing(mail.mail_id, str(brand.sender_address), mail.address, as_bytes(message), parts)


def _still_theirs(connection: Connection, mail: StaffMail) -> None:
    user = users.get(connection, mail.name)
    if user.standing != "active" or user.email != mail.address or not reaches(user.role, "operator"):
        raise ConflictError("Whoever asked for it may not any more, or has another address.", remedy="Ask again.")
