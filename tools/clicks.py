"""Clicks on links of messages: signed addresses that lead only where the message did, and who really clicked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, select, update

from memory import contacts as people
from memory.campaigns import get_version
from memory.canonical import digest
from memory.contacts import Contact
from memory.errors import InvalidInputError
from memory.events import CLICK
from memory.schema import contacts, from_micros, intake, link_targets, messages, to_micros
from memory.store import Store, upsert
from memory.workspace import salt
from tools.intake import Incoming, receive
from tools.token import seal, unseal

BURST: Final = timedelta(seconds=1)
"""Nobody follows two links of one message in so little time."""
_KIND: Final = "noria click 1"
_SOURCE: Final = "noria"
_MACHINES: Final = re.compile(
    r"bot\b|bot/|crawl|spider|scan|preview|prefetch|headless|curl/|wget/|python|httpx|aiohttp|go-http-client|java/"
    r"|okhttp|libwww|barracuda|proofpoint|mimecast|safelinks|ms-?office|microsoft office|exchange|symantec"
    r"|messagelabs|ironport|fortinet|fortiguard|sophos|trend ?micro|forcepoint|zscaler|avanan|urldefense"
    r"|googleimageproxy|yahoomailproxy|facebookexternalhit|whatsapp|slack|telegram|discord|skypeuri|linkexpander",
    re.IGNORECASE,
)


@dataclass
class ClickLinks:
    """Makes the links of one batch of messages, and keeps where they lead before any of it leaves."""

    secret: str
    public_url: str
    _targets: dict[str, str] = field(default_factory=dict)

    def address(self, message_key: str, name: str, target: str) -> str:
        """The address that stands in the message instead of its target."""
        target_id = digest(["link", target])[:24]
        self._targets[target_id] = target
        return f"{self.public_url.rstrip('/')}/c/{seal(self.secret, _KIND, [message_key, name, target_id])}"

    def keep(self, store: Store) -> None:
        """Write down targets that are not on record yet."""
        if not self._targets:
            return
        with store.read() as connection:
            query = select(link_targets.c.target_id).where(link_targets.c.target_id.in_(sorted(self._targets)))
            new = self._targets.keys() - set(connection.execute(query).scalars())
        if new:
            with store.write() as connection:
                rows = [{"target_id": one, "address": self._targets[one]} for one in sorted(new)]
                upsert(connection, link_targets, rows)


@dataclass(frozen=True, slots=True)
class Visit:
    """How a link was followed, as its request tells."""

    method: str
    user_agent: str
    prefetch: bool = False
    """The program said that nobody looks at it yet."""

    @property
    def by_machine(self) -> bool:
        return self.method != "GET" or self.prefetch or not self.user_agent or bool(_MACHINES.search(self.user_agent))


def follow(store: Store, token: str, visit: Visit, at: datetime, *, human_after_seconds: int, keep: bool = True) -> str:
    """Where a link leads. With ``keep``, the click is on record first, with what speaks for a person or a machine.

    Whoever comes sooner after the send than ``human_after_seconds`` is a machine. Raises InvalidInputError for a link
    that this workspace did not make, and for a target that the approved play's brand does not allow.
    """
    with store.read() as connection:
        key, name, target_id = (str(part) for part in unseal(salt(connection), _KIND, token))
        target, message = _found(connection, key, target_id)
        contact = people.get(connection, message.contact_id)
    if keep and contact.erased_at is None:
        left_at = message.sent_at or message.claimed_at
        too_soon = left_at is None or at - left_at < timedelta(seconds=human_after_seconds)
        human = not (visit.by_machine or too_soon)
        receive(store, [_click(message, name, at, human, contact)], at)
        _take_back_bursts(store, contact.contact_id, key, at)
    return target


def _found(connection: Connection, key: str, target_id: str) -> tuple[str, Any]:
    address = select(link_targets.c.address).where(link_targets.c.target_id == target_id)
    target = connection.execute(address).scalar_one_or_none()
    message = connection.execute(select(messages).where(messages.c.message_key == key)).one_or_none()
    if target is not None and message is not None:
        brand = get_version(connection, message.campaign_id, message.version).play.brand
        if brand.allows_link(target):
            return target, message
    raise InvalidInputError("This link leads nowhere any more.", where="click", remedy="Go to the shop's own page.")


def _click(message: Any, name: str, at: datetime, human: bool, contact: Contact) -> Incoming:
    # The same link in the same minute is one click, however often a reader or a proxy repeats it.
    who = "person" if human else "machine"
    signal = contact.last_human_signal_at
    return Incoming(
        event_id=f"click:{message.message_key}:{name}:{at:%Y%m%d%H%M}:{who}",
        kind=CLICK,
        at=at,
        contact=contact.contact_id,
        properties={
            "channel": message.channel,
            "message_key": message.message_key,
            "campaign": message.campaign_id,
            "step": message.step_key,
            "link": name,
            # What the click moves, so that it can be taken back.
            "signal_before": None if signal is None else to_micros(signal),
            "unanswered_before": contact.sent_since_signal,
        },
        source=_SOURCE,
        human=human,
    )


def _take_back_bursts(store: Store, contact_id: int, key: str, at: datetime) -> None:
    """Several links of one message at once: a scanner. What was taken for a person's click no longer counts."""
    query = (
        select(intake)
        .where(intake.c.contact_id == contact_id, intake.c.kind == CLICK, intake.c.source == _SOURCE)
        .where(intake.c.at.between(at - BURST, at + BURST))
        .order_by(intake.c.intake_id)
    )
    with store.read() as connection:
        if not _is_burst(_of_message(connection, query, key)):
            return
    with store.write() as connection:
        taken = [row for row in _of_message(connection, query, key) if row.human]
        ids = [row.intake_id for row in taken]
        connection.execute(update(intake).where(intake.c.intake_id.in_(ids)).values(human=False))
        for row in reversed(taken):
            before = row.properties["signal_before"]
            connection.execute(
                update(contacts)
                .where(contacts.c.contact_id == contact_id, contacts.c.last_human_signal_at == row.at)
                .values(
                    last_human_signal_at=None if before is None else from_micros(before),
                    sent_since_signal=row.properties["unanswered_before"],
                )
            )


def _is_burst(clicks: list[Any]) -> bool:
    return len({row.properties["link"] for row in clicks}) > 1 and any(row.human for row in clicks)


def _of_message(connection: Connection, query: Select[Any], key: str) -> list[Any]:
    return [row for row in connection.execute(query) if row.properties.get("message_key") == key]
