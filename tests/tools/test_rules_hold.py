"""Whatever the limits, the past and the order of events, two workers at once included, nothing leaves against a rule.

What left is judged here by plain Python from what the test itself did, without the product's rules.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

import tools.audience
import tools.gate
from memory import campaigns, cap, consents, contacts, ledger, workspace
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.journal import verify
from memory.schema import campaign_versions, messages, metadata
from memory.store import Store
from memory.workspace import salt
from policies.pack import Pack
from tests.evals.suite.test_broken_parts import allow, allow_all
from tests.policies.worlds import own_pack
from tests.tools.scene import DAY, NOW, PROOF, add_contacts, address, play, start, workplace
from tools.channels.channel import Capabilities, Outcome, Outgoing, Sent
from tools.intake import Incoming, receive
from tools.worker import tick

CONTACTS = (1, 2, 3)
ZONES = ("Europe/Paris", "America/New_York", "Asia/Tokyo", "")
FALLBACK = "Europe/Paris"
EXEMPT = "win_back"
FAR = 10**6


@dataclass(frozen=True)
class Limits:
    """A policy pack in the numbers that matter here."""

    messages: int
    window_days: int
    silent_days: int
    unanswered: int
    exempt_messages: int
    purchase_days: int
    from_hour: int
    until_hour: int
    weekdays: tuple[int, ...]

    def pack(self) -> Pack:
        rules: dict[str, dict[str, Any]] = {
            "frequency": {"messages": self.messages, "window_days": self.window_days},
            "hibernation": {
                "silent_days": self.silent_days,
                "messages_unanswered": self.unanswered,
                "exempt_messages_per_lapse": self.exempt_messages,
            },
            "recent_purchase": {"minimum_days": self.purchase_days},
            "send_window": {
                "earliest_hour": self.from_hour,
                "latest_hour": self.until_hour,
                "weekdays": list(self.weekdays),
            },
        }
        text = yaml.safe_dump({rule: {"parameters": values} for rule, values in rules.items()})
        return own_pack("".join(f"  {line}\n" for line in text.splitlines()))


@dataclass(frozen=True)
class Past:
    """What is on record of a contact before anything begins."""

    consent: str
    proof: bool
    suppressed: bool
    signal_days: int | None
    unanswered: int
    order_days: int | None
    sent_hours: tuple[int, ...]
    """Hours since messages of another system."""
    zone: str


@dataclass(frozen=True)
class Mail:
    """One message as it arrived."""

    contact: int
    key: str
    at: datetime
    number: int
    """Of the spell of work in which it arrived."""


@dataclass
class Wire:
    """The far end."""

    clock: ManualClock
    spell: int = 0
    arrived: list[Mail] = field(default_factory=list)
    name: str = "wire"
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(carries="email", idempotent=False, batch_size=2, at_once=2)
    )
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        with self.lock:
            for one in batch:
                contact = int(one.address.removeprefix("contact").partition("@")[0])
                self.arrived.append(Mail(contact, one.message_key, self.clock.now(), self.spell))
        return [Sent(one.message_key) for one in batch]

    def close(self) -> None:
        """Nothing is held open."""


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    first = draw(st.integers(6, 10))
    return Limits(
        messages=draw(st.integers(1, 4)),
        window_days=draw(st.integers(1, 10)),
        silent_days=draw(st.sampled_from([10, 30, 90])),
        unanswered=draw(st.integers(1, 5)),
        exempt_messages=draw(st.integers(0, 2)),
        purchase_days=draw(st.sampled_from([0, 3, 14])),
        from_hour=first,
        until_hour=draw(st.integers(first + 4, 22)),
        weekdays=draw(st.sampled_from([tuple(range(7)), tuple(range(5)), (0, 2, 4), (1, 5, 6)])),
    )


PASTS = st.builds(
    Past,
    consent=st.sampled_from([*["granted"] * 6, "withdrawn", ""]),
    proof=st.sampled_from([*[True] * 6, False]),
    suppressed=st.sampled_from([*[False] * 6, True]),
    signal_days=st.sampled_from([0, 5, 29, 89, 200, None]),
    unanswered=st.integers(0, 6),
    order_days=st.sampled_from([None, 40, 10, 1]),
    sent_hours=st.lists(st.integers(1, 240), max_size=3, unique=True).map(tuple),
    zone=st.sampled_from(ZONES),
)
WILLING = PASTS.map(
    lambda past: replace(
        past, consent="granted", proof=True, suppressed=False, signal_days=5, unanswered=0, order_days=40
    )
)
"""Somebody who may be written to, in most stories until something happens."""
SOMEBODY = st.sampled_from(CONTACTS)
WORK = st.tuples(st.just("work"), st.sampled_from([1, 2, 2]))
PAUSE = st.tuples(st.just("wait"), st.sampled_from([1, 5, 9, 24, 30, 72]))
LAUNCH = st.tuples(st.just("launch"), st.booleans())
DEEDS = st.one_of(
    WORK,
    PAUSE,
    LAUNCH,
    *(st.tuples(st.just(what), SOMEBODY) for what in ("withdraw", "unsubscribe", "buy", "visit")),
    st.tuples(st.just("switch"), st.booleans()),
    st.tuples(st.just("tamper"), st.just(0)),
)
STORIES = st.lists(st.one_of(st.tuples(PAUSE, WORK), st.tuples(DEEDS, WORK)), min_size=2, max_size=9)


class Story:
    """One run of the product, with its own account of what was done and when."""

    def __init__(self, store: Store, folder: Path, rules: Limits, pasts: Sequence[Past]) -> None:
        self.store, self.rules, self.pasts = store, rules, dict(zip(CONTACTS, pasts, strict=True))
        self.clock = ManualClock(NOW)
        self.wire = Wire(self.clock)
        self.place = replace(workplace(store, self.clock, folder, self.wire), pack=rules.pack())
        self.events = 0
        self.campaigns: dict[str, bool] = {}
        """Campaign → whether it carries the exemption."""
        self.void_since: dict[str, int] = {}
        self.refused_since: dict[int, int] = {}
        self.switched: list[tuple[int, bool]] = [(0, False)]
        self.signals: dict[int, list[tuple[int, datetime]]] = {one: [] for one in CONTACTS}
        self.orders: dict[int, list[tuple[int, datetime]]] = {one: [] for one in CONTACTS}
        for contact, past in self.pasts.items():
            self._enter(contact, past)

    def _enter(self, contact: int, past: Past) -> None:
        signal = None if past.signal_days is None else self.signal_on_record(past)
        order = None if past.order_days is None else NOW - past.order_days * DAY
        add_contacts(
            self.store,
            [contact],
            consent=past.consent,
            proof=PROOF if past.proof else "",
            time_zone=past.zone,
            last_human_signal_at=signal,
            sent_since_signal=past.unanswered,
            last_order_at=order,
        )
        with self.store.write() as connection:
            sends = [(contact, f"old{contact}-{hours}", NOW - timedelta(hours=hours)) for hours in past.sent_hours]
            cap.seed(connection, sends, self.rules.messages)
        if past.suppressed:
            self._suppress(contact)

    def _suppress(self, contact: int) -> None:
        with self.store.write() as connection:
            hashed = address_hash(salt(connection), address(contact))
            contacts.suppress(
                connection, channel="email", address_hash=hashed, reason="bounced", at=self.clock.now(), source="test"
            )

    def do(self, what: str, about: Any) -> None:
        """One deed; its moment is that of the last work, so that what leaves in the next one comes after it."""
        match what:
            case "wait":
                self.clock.advance(timedelta(hours=about))
            case "work":
                self._work(about)
            case "launch" if len(self.campaigns) < 4:
                self._launch(exempt=about)
            case "withdraw":
                with self.store.write() as connection:
                    consents.withdraw(connection, about, "email", "marketing", self.clock.now(), "by phone")
                self.refused_since.setdefault(about, self.wire.spell)
            case "unsubscribe":
                self._suppress(about)
                self.refused_since.setdefault(about, self.wire.spell)
            case "buy" | "visit":
                self._happens(about, "order" if what == "buy" else "visit")
            case "switch":
                with self.store.write() as connection:
                    workspace.turn_switch(connection, stopped=about, actor="cli:marie", reason="", at=self.clock.now())
                self.switched.append((self.wire.spell, about))
            case "tamper" if self.campaigns:
                self._tamper(min(self.campaigns))

    def _work(self, workers: int) -> None:
        self.wire.spell += 1
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(tick, self.place) for _ in range(workers)]:
                done.result()

    def _launch(self, *, exempt: bool) -> None:
        wanted = play(
            sends=2,
            wait_days=2,
            playbook=EXEMPT,
            policy_version=self.place.pack.version,
            limits={"recent_purchase_days": 0, "hibernation_exempt": exempt},
            exits=("consent_withdrawn", "suppressed"),
        )
        name = f"p{len(self.campaigns)}"
        found = start(self.place, wanted, CONTACTS, proposal_id=name)
        if found.campaign_id:
            self.campaigns[found.campaign_id] = exempt

    def _happens(self, contact: int, kind: str) -> None:
        self.events += 1
        at = self.clock.now()
        properties = {"order_id": f"o{self.events}", "total_cents": 100, "lines": []} if kind == "order" else {}
        event = Incoming(event_id=f"e{self.events}", kind=kind, at=at, contact=contact, properties=properties)
        receive(self.store, [event], at)
        self.signals[contact].append((self.wire.spell, at))
        if kind == "order":
            self.orders[contact].append((self.wire.spell, at))

    def _tamper(self, campaign: str) -> None:
        with self.store.write() as connection:
            version = campaigns.get_version(connection, campaign, 1)
            body = {**version.body, "name": {"en": "Something else", "fr": "Autre chose"}}
            connection.execute(
                update(campaign_versions).where(campaign_versions.c.campaign_id == campaign).values(body=body)
            )
        self.void_since.setdefault(campaign, self.wire.spell)

    # --- the oracle ---------------------------------------------------------------------------------------------------

    def violations(self) -> Iterator[str]:
        """Each rule that something that left broke, with who got it."""
        with self.store.read() as connection:
            rows = connection.execute(select(messages.c.message_key, messages.c.campaign_id))
            campaign_of = {row.message_key: row.campaign_id for row in rows}
        for number, mail in enumerate(self.wire.arrived):
            mine = [one for one in self.wire.arrived[:number] if one.contact == mail.contact]
            campaign = campaign_of.get(mail.key, "")
            if campaign not in self.campaigns or mail.number > self.void_since.get(campaign, FAR):
                yield f"approval: {mail}"
            if mail.key in {one.key for one in mine}:
                yield f"twice: {mail}"
            exempt = [one for one in mine if self.campaigns.get(campaign_of.get(one.key, ""))]
            for rule in (*self._refusals(mail), *self._excesses(mail, mine, exempt, self.campaigns.get(campaign))):
                yield f"{rule}: {mail}"

    def _refusals(self, mail: Mail) -> Iterator[str]:
        """What forbids this mail whatever came before it."""
        past, rules = self.pasts[mail.contact], self.rules
        if past.consent != "granted" or not past.proof:
            yield "consent"
        if past.suppressed or mail.number > self.refused_since.get(mail.contact, FAR):
            yield "suppression"
        if [stopped for spell, stopped in self.switched if spell < mail.number][-1]:
            yield "switch"
        local = mail.at.astimezone(ZoneInfo(past.zone or FALLBACK))
        if (
            not max(rules.from_hour, 8) <= local.hour < min(rules.until_hour, 20)
            or local.weekday() not in rules.weekdays
        ):
            yield "send_window"
        orders = [at for spell, at in self.orders[mail.contact] if spell < mail.number]
        orders += [] if past.order_days is None else [NOW - past.order_days * DAY]
        if orders and mail.at - max(orders) < rules.purchase_days * DAY:
            yield "recent_purchase"

    def _excesses(
        self, mail: Mail, mine: Sequence[Mail], under_exemption: Sequence[Mail], exempt: bool | None
    ) -> Iterator[str]:
        """What forbids one more mail after those that the contact got."""
        past, rules = self.pasts[mail.contact], self.rules
        since = mail.at - rules.window_days * DAY
        earlier = [NOW - timedelta(hours=hours) for hours in past.sent_hours] + [one.at for one in mine]
        if sum(at > since for at in earlier) >= rules.messages:
            yield "frequency"
        signals = [one for one in self.signals[mail.contact] if one[0] < mail.number]
        if past.signal_days is None and not signals:
            # Nothing would have told of a sign of life: unknown is not inactive.
            return
        spell, signal = signals[-1] if signals else (0, self.signal_on_record(past))
        since_signal = [one for one in mine if one.number > spell]
        # What is in flight beside it was not delivered yet.
        unanswered = sum(one.number < mail.number for one in since_signal) + (0 if signals else past.unanswered)
        if unanswered < rules.unanswered or mail.at - signal < rules.silent_days * DAY:
            return
        if not exempt:
            yield "hibernation"
        elif sum(one.number > spell for one in under_exemption) >= rules.exempt_messages:
            yield "hibernation, beyond its exemption"

    @staticmethod
    def signal_on_record(past: Past) -> datetime:
        return NOW - (past.signal_days or 0) * DAY - timedelta(hours=1)


def empty(store: Store) -> None:
    with store.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))


@pytest.mark.slow(seconds=60)
def test_nothing_ever_leaves_against_a_rule(any_store: Store) -> None:
    @settings(
        max_examples=30 if any_store.engine.dialect.name == "sqlite" else 10,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(rules=limits(), pasts=st.tuples(WILLING, PASTS, PASTS), story=STORIES)
    def holds(rules: Limits, pasts: tuple[Past, ...], story: list[tuple[tuple[str, Any], ...]]) -> None:
        empty(any_store)
        folder = Path(tempfile.mkdtemp(prefix="noria-rules-"))
        try:
            told = Story(any_store, folder, rules, pasts)
            # Begins and ends so that most stories have something to judge.
            days = [("wait", 25), ("work", 2)] * 4
            for deed in [("launch", False), ("work", 2), *(one for part in story for one in part), *days]:
                told.do(*deed)
            assert list(told.violations()) == []
            with any_store.read() as connection:
                assert ledger.reconcile(connection).balances
                assert verify(connection).intact
            left.append(len(told.wire.arrived))
        finally:
            shutil.rmtree(folder)

    left: list[int] = []
    holds()
    # Rules that stop everything would hold as well.
    assert sum(number > 0 for number in left) > len(left) / 3


def test_what_leaves_past_the_rules_is_noticed(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.audience, "sift_messages", allow_all)
    monkeypatch.setattr(tools.gate, "gate_message", allow)
    rules = Limits(
        messages=3,
        window_days=7,
        silent_days=30,
        unanswered=2,
        exempt_messages=1,
        purchase_days=14,
        from_hour=8,
        until_hour=9,
        weekdays=(6,),
    )
    fine = Past("granted", True, False, 1, 0, 40, (), "Europe/Paris")
    bad = Past("", True, True, 200, 6, 1, (), "Europe/Paris")
    told = Story(store, tmp_path, rules, (fine, bad, replace(bad, consent="granted")))
    for deed in [("launch", False), ("work", 1)]:
        told.do(*deed)
    found = {what.partition(":")[0] for what in told.violations()}
    assert found == {"consent", "suppression", "recent_purchase", "hibernation", "send_window"}
