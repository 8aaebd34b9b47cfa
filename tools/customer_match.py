"""An advertising audience as the file by which Google or Meta matches customers: addresses and numbers hashed.

https://support.google.com/google-ads/answer/7659867 (Customer Match) and https://www.facebook.com/business/help/606443329504150
(customer lists): SHA-256, in hexadecimal, of each value as the platform normalises it.
"""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Connection, select

from memory import campaigns
from memory.address import audience_hash, phone_hash, phone_number
from memory.finding import Verdict
from memory.journal import append
from memory.lake import Lake
from memory.ledger import chunks
from memory.removals import AudienceStep, standing_on
from memory.schema import contacts, suppressions
from memory.store import Store
from memory.workspace import salt
from policies.guardian import gate_message
from policies.pack import Pack
from tools.drift import approval_facts
from tools.gather import Candidate, Case, Ground, gather
from tools.records import LakeRecords

Platform = Literal["google", "meta"]
_HEADERS: Final = {"google": ("Email", "Phone"), "meta": ("email", "phone")}
_GOOGLE_MAIL: Final = ("gmail.com", "googlemail.com")
_ASKED: Final = frozenset({"consent", "suppression", "preferences", "holdout", "not_for"})
"""The rules on whether a contact may be advertised to at all; when, and how often, was judged as they were put on."""
_NO_ADDRESS: Final = "no address"


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds."""

    audience: str
    platform: Platform
    contacts: int
    left_out: dict[str, int]
    """How many stand on the audience and are not in the file, by the rule that is against it."""


def mail_of(platform: Platform, address: str) -> str:
    """The hash of an e-mail address; Google takes the dots out of its own addresses."""
    name, _, domain = address.strip().lower().rpartition("@")
    if platform == "google" and domain in _GOOGLE_MAIL:
        name = name.replace(".", "")
    return audience_hash(f"{name}@{domain}")


def phone_of(platform: Platform, written: str | None) -> str:
    """The hash of a telephone number with its country code, for Meta without the plus; empty for none."""
    number = phone_number(written)
    if not number:
        return ""
    return hashlib.sha256((number if platform == "google" else number.removeprefix("+")).encode()).hexdigest()


def export(
    store: Store,
    lake: Lake,
    pack: Pack,
    audience: str,
    platform: Platform,
    path: Path,
    *,
    at: datetime,
    actor: str,
    programme_share: float = 0.0,
) -> Exported:
    """Write who stands on an audience and may be advertised to at this moment, readable by you alone.

    ``programme_share`` of everybody is outside all marketing this quarter, and is in no file of it.

    Raises NotFoundError for an audience of which no campaign knows.
    """
    lines: dict[int, tuple[str, str]] = {}
    against: dict[int, str] = {}
    with store.read() as connection:
        secret = salt(connection)
        for step, ids in standing_on(connection, audience):
            for part in chunks(ids):
                ruled = {
                    case.candidate.contact_id: _against(case, pack)
                    for case in _cases(connection, lake, pack, step, part, at, secret, programme_share)
                }
                against |= {one: rule for one, rule in ruled.items() if rule}
                lines |= _lines(connection, [one for one, rule in ruled.items() if not rule], platform, secret)
    # By whichever step: whom a rule keeps out is not let in by another campaign.
    found = sorted(line for one, line in lines.items() if one not in against)
    done = Exported(audience, platform, len(found), dict(sorted(Counter(against.values()).items())))
    with _written(path, [_HEADERS[platform], *found]), store.write() as connection:
        append(
            connection,
            at=at,
            actor=actor,
            action="audience.exported",
            subject=audience,
            payload={"platform": platform, "contacts": done.contacts, "left_out": done.left_out},
        )
    return done


def _cases(
    connection: Connection,
    lake: Lake,
    pack: Pack,
    one: AudienceStep,
    ids: Sequence[int],
    at: datetime,
    secret: str,
    programme_share: float,
) -> list[Case]:
    version = campaigns.get_version(connection, one.campaign_id, one.version)
    ground = Ground(
        campaign_id=one.campaign_id,
        play=version.play,
        step=one.step,
        approval=approval_facts(connection, campaigns.get(connection, one.campaign_id), version),
        pack=pack,
        at=at,
        salt=secret,
        switch_stopped=False,
        programme_share=programme_share,
        public_url="",
        currency="",
    )
    until = at + timedelta(days=1)
    candidates = [
        Candidate(contact_id=each, message_key="", in_holdout=False, deadline_at=until, records={}) for each in ids
    ]
    return gather(connection, candidates, ground=ground, slots={}, records=LakeRecords(lake))


def _against(case: Case, pack: Pack) -> str:
    if not case.address:
        return _NO_ADDRESS
    said = gate_message(case.facts, pack).findings
    return next((one.rule for one in said if one.rule in _ASKED and one.verdict is not Verdict.ALLOW), "")


def _lines(
    connection: Connection, ids: Sequence[int], platform: Platform, secret: str
) -> Iterator[tuple[int, tuple[str, str]]]:
    query = select(contacts.c.contact_id, contacts.c.email, contacts.c.phone)
    people = connection.execute(query.where(contacts.c.contact_id.in_(ids))).all()
    hashes = {phone_hash(secret, one.phone) for one in people} - {None}
    barred = set(
        connection.execute(
            select(suppressions.c.address_hash).where(suppressions.c.address_hash.in_(sorted(map(str, hashes))))
        ).scalars()
    )
    for one in people:
        silent = phone_hash(secret, one.phone) in barred
        yield one.contact_id, (mail_of(platform, one.email), "" if silent else phone_of(platform, one.phone))


@contextmanager
def _written(path: Path, rows: Sequence[Sequence[str]]) -> Iterator[None]:
    """A new file that takes the old one's place once it stands in the journal, and leaves nothing otherwise."""
    made, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # What mkstemp makes is for its owner alone.
        with os.fdopen(made, "w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(rows)
        yield
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
