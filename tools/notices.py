"""Word to people of what waits for them: links to pages, behind which they sign in and decide; never a yes by mail."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Final

from babel.dates import format_datetime
from sqlalchemy import Connection

from memory import notices, users
from memory.errors import ConflictError
from memory.users import User
from memory.workspace import read_switch
from policies.roles import reaches
from tools.render import Rendered
from tools.workplace import Workplace

_WORDS: Final = {
    "en": {
        "subject": "Noria: {n} waiting for you",
        "first": "This waits for your decision:",
        "by": "decide by {when} UTC",
        "soon": "about to expire",
        "alerts": "Alerts that wait for an admin: {n}",
        "end": "The links lead to pages on which you sign in and decide. Nothing is decided by this mail. "
        "On the page of your account you say whether and how often you are told.",
    },
    "fr": {
        "subject": "Noria : {n} en attente de vous",
        "first": "Ceci attend votre décision :",
        "by": "à décider avant le {when} UTC",
        "soon": "expire bientôt",
        "alerts": "Alertes qui attendent un administrateur : {n}",
        "end": "Les liens mènent à des pages où vous vous connectez et décidez. Rien ne se décide par ce message. "
        "La page de votre compte dit si, et à quel rythme, vous êtes prévenu.",
    },
}


def notify(place: Workplace) -> int:
    """Note what is new and have everybody told who asked to be; returns how many mails will leave.

    People with a confirmed address: whoever may say yes of proposals, admins of alerts too. What names a contact is
    told by nothing but its number.
    """
    at, real_at = place.clock.now(), place.lease_clock.now()
    with place.store.read() as connection:
        told = [
            one
            for one in users.everyone(connection)
            if one.standing == "active" and one.email and one.notify != "off" and reaches(one.role, "approver")
        ]
        if not told or read_switch(connection).stopped:
            return 0
    with place.store.write() as connection:
        admins = [one.name for one in told if one.role == "admin"]
        notices.note(connection, [one.name for one in told], admins, at, real_at)
        return sum(1 for one in told if notices.gather(connection, one, at, real_at))


def write_notice(connection: Connection, user: User, mail_id: str, at: datetime, console_url: str) -> Rendered:
    """The mail. Raises ConflictError where nothing of it waits any more."""
    found, soon, alerts = notices.told_by(connection, mail_id, at)
    if not found and not alerts:
        raise ConflictError("What it was to tell waits no more.")
    language = user.language if user.language in _WORDS else "en"
    words = _WORDS[language]
    # Each with the link that belongs to it, if any: nothing else becomes one, whatever a title says.
    lines = [(words["first"], "")] if found else []
    for one in found:
        when = format_datetime(one.expires_at, "d MMM y HH:mm", locale=language)
        mark = f" ({words['soon']})" if one.subject in soon else ""
        seal = notices.seal(connection, user.name, one.proposal_id)
        link = f"{console_url}/console/notices/{one.proposal_id}/{seal}"
        lines.append((f"{one.title}{mark}, {words['by'].format(when=when)}", link))
    if alerts:
        lines.append((words["alerts"].format(n=alerts), f"{console_url}/console/health"))
    lines.append((words["end"], ""))
    html = "".join(f"<p>{escape(line)}{_linked(link)}</p>" for line, link in lines)
    plain = "\n\n".join(f"{line}\n{link}".strip() for line, link in lines)
    subject = words["subject"].format(n=len(found) + alerts)
    return Rendered(language, subject, "", f"<!doctype html><html><body>{html}</body></html>", plain)


def _linked(link: str) -> str:
    return f'<br><a href="{escape(link)}">{escape(link)}</a>' if link else ""
