"""Holds the past sends of another system against the rules of a pack. Nothing is sent, and nothing of it is kept."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zoneinfo import ZoneInfo

from agents.learning.power import detection_limit
from console.audit.findings import Audit, AuditFinding, Claim, FileRead, Row
from console.audit.topics import TOPICS, Topic
from memory.clock import Clock
from memory.errors import InvalidInputError
from memory.finding import Verdict
from memory.importing.folder import FolderReport, import_folder
from memory.importing.lines import lines_of
from memory.importing.report import ImportSettings, Progress, no_progress
from memory.lake import Lake
from memory.schema import from_micros, to_micros
from memory.store import Store
from memory.workspace import salt
from policies.pack import Pack
from policies.rules.promises import promises_something
from policies.wording import bare, plain
from tools.past import Past

JUDGED: Final = ("suppression", "consent", "hibernation", "frequency", "send_window")
AFTER_PURCHASE_DAYS: Final = 7
"""A promotion this soon after a purchase at full price tells the buyer that waiting would have been cheaper."""
CLAIM_DAYS: Final = 14
"""Orders so soon after a message are what attribution would credit to it."""
HOLDOUT: Final = 0.1
_EXAMPLES: Final = 5
_MOST_CLAIMS: Final = 30
_SERVICE: Final = re.compile(
    r"\border (?:confirm\w+|received|shipped|update)\b|\bconfirmation (?:de|of|d')\b|\breceipts?\b|\binvoices?\b|"
    r"\bshipp(?:ing|ed)\b|\bdeliver(?:y|ed) (?:update|notice|status)\b|\bpassword\b|\bverification\b|\bdouble opt\b|"
    r"\bfactures?\b|\bexpedi(?:tion|ee)\b|\bmot de passe\b|\bsuivi de commande\b|\bcommande (?:confirmee|expediee)\b"
)
_PERCENT: Final = re.compile(r"\d\s?%")


@dataclass(frozen=True, slots=True)
class _Send:
    contact_id: int
    at: datetime
    campaign: str
    channel: str
    file: str


@dataclass(slots=True)
class _Found:
    """What one topic gathers."""

    count: int = 0
    contacts: set[int] = field(default_factory=set)
    examples: list[tuple[_Send, str]] = field(default_factory=list)

    def add(self, send: _Send, said: str) -> None:
        self.count += 1
        self.contacts.add(send.contact_id)
        # One row of each contact, so that the examples differ.
        if len(self.examples) < _EXAMPLES and all(one.contact_id != send.contact_id for one, _ in self.examples):
            self.examples.append((send, said))


def audit(
    folder: Path, pack: Pack, *, settings: ImportSettings, clock: Clock, progress: Progress = no_progress
) -> Audit:
    """Read the exports of a folder into a record that is thrown away afterwards, and judge every message in it.

    Raises InvalidInputError where the folder holds no send that can be read.
    """
    with TemporaryDirectory(prefix="noria-audit-") as place:
        store, lake = Store(f"sqlite:///{Path(place) / 'store.db'}"), Lake(Path(place) / "lake")
        try:
            store.migrate()
            with store.write() as connection:
                salt(connection)
            started = clock.now()
            read = import_folder(store, lake, folder, settings=settings, clock=clock, progress=progress, actor="audit")
            if not any(one.kind == "sends" and one.rows_written for one in read.reports):
                raise _nothing_to_judge(folder, read)
            past = Past(store, lake, fallback_zone=settings.time_zone, undated_from=started, is_service=names_a_service)
            return _Judge(folder, pack, settings, clock, store, lake, past, read, progress).audit()
        finally:
            store.close()


def _nothing_to_judge(folder: Path, read: FolderReport) -> InvalidInputError:
    remedy = "Export who was sent what and when, as a CSV with email, campaign and sent_at."
    for one in read.reports:
        if one.kind == "sends" and one.reasons:
            worst = one.reasons[0]
            return InvalidInputError(
                f"None of its {one.rows_read} sends can be judged; most often {worst.reason}.",
                where=f"{folder / one.file_name}, line {worst.first_line}",
                remedy=remedy,
            )
    return InvalidInputError(
        "None of the files holds past sends, so there is nothing to judge.", where=str(folder), remedy=remedy
    )


@cache
def names_a_service(campaign: str) -> bool:
    """Whether a campaign's name is that of a message that somebody asked for, such as the confirmation of an order."""
    return bool(_SERVICE.search(bare(plain(campaign))))


@cache
def names_a_promotion(campaign: str) -> bool:
    """Whether a campaign's name speaks of a discount, a gift or the like."""
    return promises_something(campaign) or bool(_PERCENT.search(campaign))


class _Judge:
    def __init__(
        self,
        folder: Path,
        pack: Pack,
        settings: ImportSettings,
        clock: Clock,
        store: Store,
        lake: Lake,
        past: Past,
        read: FolderReport,
        progress: Progress,
    ) -> None:
        self._folder, self._pack, self._settings, self._clock = folder, pack, settings, clock
        self._store, self._past, self._read, self._progress = store, past, read, progress
        self._sql = lake.connect().con
        self._found: dict[Topic, _Found] = defaultdict(_Found)
        self._pressure: dict[int, int] = {}
        self._not_judged: list[str] = []
        self._knows_orders = any(one.kind == "orders" for one in read.reports)

    def audit(self) -> Audit:
        sends = self._sends()
        judged = self._judgeable(sends)
        at_once, before = 0, None
        for number, send in enumerate(sends):
            if not names_a_service(send.campaign):
                at_once = at_once + 1 if before == (send.contact_id, send.at) else 0
                before = (send.contact_id, send.at)
            self._judge(send, at_once, judged)
            if number % 10_000 == 0:
                self._progress("judging", number, len(sends))
        marketing = [one for one in sends if not names_a_service(one.campaign)]
        claims = self._claims(marketing)
        findings = self._findings(len(sends))
        if claims:
            findings.append(self._no_holdout(claims, len({one.contact_id for one in marketing})))
        told = {one.topic for one in findings}
        moments = [one.at for one in sends]
        cap = self._pack.cap
        return Audit(
            folder=self._folder.name,
            pack=self._pack.version,
            made_at=self._clock.now(),
            first_at=min(moments, default=None),
            last_at=max(moments, default=None),
            messages=len(sends),
            contacts=len({one.contact_id for one in sends}),
            campaigns=len({one.campaign for one in sends}),
            files=tuple(
                FileRead(
                    file=one.file_name,
                    kind=one.kind,
                    rows=one.rows_read,
                    set_aside=one.rows_quarantined,
                    reasons=tuple(f"{why.rows} × {why.reason}" for why in one.reasons),
                )
                for one in self._read.reports
            ),
            left_out=tuple(f"{one.file_name}: {one.what}" for one in self._read.left_out),
            findings=tuple(findings),
            claims=tuple(claims[:_MOST_CLAIMS]),
            pressure=dict(sorted(Counter(self._pressure.values()).items())),
            cap=f"{cap.messages} messages in {cap.window_days} days",
            cap_days=cap.window_days,
            service_campaigns=tuple(sorted(name for name in {one.campaign for one in sends} if names_a_service(name))),
            not_judged=tuple(self._not_judged),
            clean=tuple(
                text.title
                for topic, text in TOPICS.items()
                if topic not in told and (text.rule in judged or (topic == "full_price" and self._knows_orders))
            ),
        )

    def _sends(self) -> list[_Send]:
        """Every message that left, contact by contact, each contact's own in order."""
        rows = self._sql.execute(
            """SELECT contact_id, "at", campaign, channel FROM sends ORDER BY contact_id, "at", message_key"""
        ).fetchall()
        files = [one.file_name for one in self._read.reports if one.kind == "sends"]
        return [
            _Send(contact_id, from_micros(at), campaign, channel, files[0] if len(files) == 1 else "")
            for contact_id, at, campaign, channel in rows
        ]

    def _judgeable(self, sends: list[_Send]) -> set[str]:
        """The rules that the exports say enough for; the others are named with what is missing."""
        judged = set(JUDGED)
        if self._past.tracked_from is None:
            judged.discard("hibernation")
            self._not_judged.append(
                "Who had stopped reading: nothing tells of clicks, visits or orders. Export sends with clicked_at, "
                "events, or orders."
            )
        zone = ZoneInfo(self._settings.time_zone)
        if sends and all(one.at.astimezone(zone).time() == datetime.min.time() for one in sends):
            judged.discard("send_window")
            self._not_judged.append(
                "Hours: the export of sends gives days without hours. Export the time of each send."
            )
        if not self._knows_orders:
            self._not_judged.append(
                "Promotions after a purchase, and claims of effect: there is no export of orders. Export order_id, "
                "email, ordered_at, total and discount."
            )
        elif not self._sql.execute("SELECT count(*) FROM orders WHERE discount_cents > 0").fetchall()[0][0]:
            self._not_judged.append(
                "Which purchases were at full price: no order has a discount, so all count as such. Export discounts."
            )
        return judged

    def _judge(self, send: _Send, at_once: int, judged: set[str]) -> None:
        service = names_a_service(send.campaign)
        facts = self._past.facts(
            send.contact_id,
            send.at,
            channel=send.channel,
            at_once=at_once,
            window_days=self._pack.cap.window_days,
            assume_tracking=True,
        )
        if not service:
            most = self._pressure.get(send.contact_id, 0)
            self._pressure[send.contact_id] = max(most, (facts.sent_in_window or 0) + 1)
        # A service is sent because somebody asked for it, and marketing consent is no matter of it.
        facts = replace(facts, purpose="transactional") if service else facts
        for gate, limits, setting in self._pack.gates:
            if setting.id not in judged or (service and setting.id == "consent"):
                continue
            ruling = gate(facts, limits, self._pack.context)
            if ruling is not None and ruling.verdict is not Verdict.ALLOW:
                topic = _topic(setting.id, ruling.fact)
                self._found[topic].add(send, f"{ruling.sentence} ({ruling.fact})" if ruling.fact else ruling.sentence)
        if not service and names_a_promotion(send.campaign):
            self._judge_promotion(send)

    def _judge_promotion(self, send: _Send) -> None:
        purchase = self._past.last_purchase(send.contact_id, send.at)
        if purchase is None or purchase.discount_cents or purchase.total_cents <= 0:
            return
        days = (send.at - purchase.at) / timedelta(days=1)
        if days <= AFTER_PURCHASE_DAYS:
            self._found["full_price"].add(send, f"order {purchase.order_id} at full price {days:.1f} days before")

    def _claims(self, sends: list[_Send]) -> list[Claim]:
        """Per campaign, the largest first: what attribution would claim, and what a holdout could have proved."""
        if not self._knows_orders:
            return []
        span = timedelta(days=CLAIM_DAYS)
        recipients: dict[str, set[int]] = defaultdict(set)
        buyers: dict[str, set[int]] = defaultdict(set)
        shared: dict[str, set[int]] = defaultdict(set)
        for contact_sends in _by_contact(sends):
            for send in contact_sends:
                recipients[send.campaign].add(send.contact_id)
                if not self._past.bought_between(send.contact_id, send.at, send.at + span):
                    continue
                buyers[send.campaign].add(send.contact_id)
                if any(other.campaign != send.campaign and abs(other.at - send.at) < span for other in contact_sends):
                    shared[send.campaign].add(send.contact_id)
        ordered = sorted(recipients, key=lambda name: (-len(recipients[name]), name))
        return [_claim(name, len(recipients[name]), len(buyers[name]), len(shared[name])) for name in ordered]

    def _findings(self, messages: int) -> list[AuditFinding]:
        found = self._found
        lines = self._lines([send for one in found.values() for send, _ in one.examples])
        told = []
        for topic, text in TOPICS.items():
            one = found.get(topic)
            if one is None:
                continue
            told.append(
                AuditFinding(
                    topic=topic,
                    title=text.title,
                    count=one.count,
                    of=messages,
                    contacts=len(one.contacts),
                    sentence=text.sentence.format(
                        count=f"{one.count:,}",
                        share=f"{100 * one.count / messages:.1f}",
                        contacts=f"{len(one.contacts):,}",
                        cap=f"{self._pack.cap.messages} in {self._pack.cap.window_days} days",
                        days=AFTER_PURCHASE_DAYS,
                    ),
                    needed=text.needed,
                    source=self._pack.setting(text.rule).source,
                    rows=tuple(
                        Row(
                            file=lines.get(send, ("", None))[0] or send.file,
                            line=lines.get(send, ("", None))[1],
                            at=send.at,
                            campaign=send.campaign,
                            said=said,
                        )
                        for send, said in one.examples
                    ),
                )
            )
        return told

    def _no_holdout(self, claims: list[Claim], contacts: int) -> AuditFinding:
        text = TOPICS["no_holdout"]
        buyers, shared = sum(one.buyers for one in claims), sum(one.also_elsewhere for one in claims)
        return AuditFinding(
            topic="no_holdout",
            title=text.title,
            count=len(claims),
            of=len(claims),
            contacts=contacts,
            sentence=text.sentence.format(
                count=len(claims), buyers=f"{buyers:,}", days=CLAIM_DAYS, shared=f"{shared:,}"
            ),
            needed=text.needed,
            source=self._pack.setting(text.rule).source,
            rows=(),
        )

    def _lines(self, sends: list[_Send]) -> dict[_Send, tuple[str, int | None]]:
        wanted = {(one.contact_id, to_micros(one.at)) for one in sends}
        found: dict[_Send, tuple[str, int | None]] = {}
        for report in self._read.reports:
            if report.kind != "sends" or not wanted:
                continue
            path = self._folder / report.file_name
            lines = lines_of(self._store, path, wanted, settings=self._settings, clock=self._clock)
            for one in sends:
                line = lines.get((one.contact_id, to_micros(one.at)))
                if line is not None and one not in found:
                    found[one] = (report.file_name, line)
        return found


def _by_contact(sends: list[_Send]) -> Iterator[list[_Send]]:
    group: list[_Send] = []
    for send in sends:
        if group and group[-1].contact_id != send.contact_id:
            yield group
            group = []
        group.append(send)
    if group:
        yield group


def _topic(rule: str, fact: str) -> Topic:
    match rule, fact:
        case "consent", "consent without proof":
            return "no_proof"
        case "consent", "withdrawn":
            return "withdrawn"
        case "consent", _:
            return "no_consent"
        case "suppression", _:
            return "suppressed"
        case "frequency", _:
            return "frequency"
        case "hibernation", _:
            return "hibernation"
    return "send_window"


def _claim(campaign: str, recipients: int, buyers: int, shared: int) -> Claim:
    lift = None
    if 0 < buyers < recipients:
        held_out = max(round(recipients * HOLDOUT), 1)
        limit = detection_limit(buyers / recipients, held_out, max(recipients - held_out, 1))
        lift = limit.relative if limit.base_rate + limit.absolute <= 1 else None
    rate = f"{100 * buyers / recipients:.1f} %"
    could = (
        f"With a tenth held out, lifts of at least {100 * lift:.0f} % could have been proved."
        if lift is not None
        else "The list is too small to prove any lift with a tenth held out; several campaigns would have to be pooled."
    )
    sentence = (
        f"{buyers:,} of {recipients:,} recipients ({rate}) ordered within {CLAIM_DAYS} days; how many would have "
        f"ordered anyway, nobody can tell. {could}"
    )
    return Claim(
        campaign=campaign,
        recipients=recipients,
        buyers=buyers,
        also_elsewhere=shared,
        provable_lift=lift,
        sentence=sentence,
    )
