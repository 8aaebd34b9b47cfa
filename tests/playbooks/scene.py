"""A packaged playbook as it would run: its real copy and layouts, the real guardian, a store, a clock, an outbox."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import insert, select

from memory import enrolments, ledger
from memory.clock import ManualClock
from memory.enrolments import Enrolment
from memory.lake import LakeTable
from memory.play import Play, Schedule
from memory.schema import messages, offers
from memory.steps import Channel as ChannelName
from memory.store import Store
from tests.memory.builders import as_rows
from tests.plays import PLAYBOOKS, play_of
from tests.policies.worlds import base_pack
from tests.tools.scene import NOW, URL, Chosen, approve
from tools.channels.sandbox import SandboxChannel
from tools.intake import Incoming, receive
from tools.launch import launch
from tools.worker import tick
from tools.workplace import Workplace

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Mail:
    """One message as it left."""

    step: str
    contact: int
    at: datetime
    subject: str
    text: str


@dataclass
class Shop:
    """One workspace in which one playbook runs."""

    place: Workplace
    clock: ManualClock
    folder: Path
    campaign_id: str = ""
    events: int = 0

    def run(self, playbook: str, *, only: str = "", contacts: Collection[int] = (), **changes: Any) -> Play:
        """Approve and launch a packaged playbook, whole or with one of its sequences.

        ``contacts`` are those whom a segment at the start would select; a trigger chooses for itself.
        """
        known = PLAYBOOKS[playbook]
        values: dict[str, Any] = {
            "schedule": Schedule(starts_at=NOW, send_from_hour=9, send_until_hour=19, fallback_zone="Europe/Paris"),
            "policy_version": base_pack().version,
            "holdout_share": 0.0,
            "size_band": (0, 100_000),
            "channels": tuple(self.place.channels),
            **changes,
        }
        wanted = play_of(known, **values)
        if only:
            kept = tuple(one.model_copy(update={"share": 1.0}) for one in wanted.sequences if one.key == only)
            wanted = wanted.model_copy(update={"sequences": kept})
        if wanted.offer is not None:
            with self.place.store.write() as connection:
                # Whether its codes are single-use is told by the pool, not by the offer's own row.
                kept_offer = wanted.offer.model_dump(exclude={"single_use"})
                connection.execute(insert(offers).values(**kept_offer, approved_by="marie"))
        approve(self.place.store, wanted, at=self.clock.now())
        chosen: Any = Chosen(contacts) if contacts else None
        done = launch(self.place, "p1", features=chosen)
        assert done.status == "launched", done.sentence
        self.campaign_id = done.campaign_id
        return wanted

    def happens(self, kind: str, contact: int, **properties: Any) -> None:
        """A contact does something, now."""
        self.events += 1
        at = self.clock.now()
        event = Incoming(event_id=f"e{self.events}", kind=kind, at=at, contact=contact, properties=properties)
        receive(self.place.store, [event], at)

    def buys(self, contact: int, cents: int = 2_000, category: str = "coffee") -> None:
        line = {"product_id": f"p-{category}", "category": category, "quantity": 1, "amount_cents": cents}
        self.happens("order", contact, order_id=f"o{self.events}", total_cents=cents, currency="EUR", lines=[line])

    def passes(self, span: timedelta, every: timedelta = timedelta(minutes=10)) -> None:
        """Time goes by, and the worker looks at every step of it."""
        until = self.clock.now() + span
        tick(self.place)
        while self.clock.now() < until:
            self.clock.advance(min(every, until - self.clock.now()))
            tick(self.place)

    def left(self, contact: int) -> list[tuple[str, str, timedelta]]:
        """What left for a contact on any channel, oldest first: channel, step, and how long after the start."""
        query = select(messages.c.channel, messages.c.step_key, messages.c.sent_at).where(
            messages.c.state == "sent", messages.c.contact_id == contact
        )
        with self.place.store.read() as connection:
            rows = connection.execute(query.order_by(messages.c.sent_at, messages.c.message_id)).all()
        return [(row.channel, row.step_key, row.sent_at - NOW) for row in rows]

    def mails(self, contact: int | None = None) -> list[Mail]:
        """The e-mails that left, oldest first."""
        parser = BytesParser(policy=policy.default)
        with self.place.store.read() as connection:
            query = (
                select(messages.c.message_key, messages.c.step_key, messages.c.contact_id, messages.c.sent_at)
                .where(messages.c.state == "sent", messages.c.channel == "email")
                .order_by(messages.c.sent_at, messages.c.message_id)
            )
            rows = connection.execute(query).all()
        found = []
        for row in rows:
            if contact is not None and row.contact_id != contact:
                continue
            parsed = parser.parsebytes((self.folder / "outbox" / f"{row.message_key}.eml").read_bytes())
            body = parsed.get_body(("plain",))
            assert body is not None
            text = str(body.get_content())
            found.append(Mail(row.step_key, row.contact_id, row.sent_at, str(parsed["Subject"]), text))
        return found

    def steps(self, contact: int | None = None) -> list[str]:
        """The steps whose message left, oldest first."""
        return [mail.step for mail in self.mails(contact)]

    def entries(self, contact: int) -> list[Enrolment]:
        with self.place.store.read() as connection:
            every = enrolments.of_campaign(connection, self.campaign_id)
        return [one for one in every if one.contact_id == contact]

    def states(self) -> dict[str, int]:
        with self.place.store.read() as connection:
            found = ledger.reconcile(connection)
        assert found.balances
        return found.states


def open_shop(store: Store, clock: ManualClock, folder: Path, *also: ChannelName) -> Shop:
    """An empty shop with two products in its catalogue, and channels that write files: e-mail, and others if named."""
    from memory.lake import Lake

    lake = Lake(folder / "lake")
    products = [
        {"product_id": f"p-{name}", "name": name.title(), "category": name, "price_cents": 1_500,
         "url": f"https://shop.example.com/{name}"}
        for name in ("coffee", "tea")
    ]  # fmt: skip
    rows: pa.Table = as_rows(LakeTable.PRODUCTS, products)
    lake.replace(LakeTable.PRODUCTS, rows)
    place = Workplace(
        store=store,
        lake=lake,
        pack=base_pack(),
        clock=clock,
        channels={name: SandboxChannel(folder / "outbox", name) for name in ("email", *also)},
        public_url=URL,
        currency="EUR",
    )
    return Shop(place, clock, folder)
