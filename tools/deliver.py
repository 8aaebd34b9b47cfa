"""Delivery: claim a batch, write its messages, hand them to the channel, and record how each one ended."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, bindparam, update

from memory import cap, enrolments, ledger, reputation
from memory.brand import Brand
from memory.canonical import digest
from memory.errors import NoriaError, StoreError
from memory.journal import append
from memory.ledger import Message, Result
from memory.schema import contacts
from memory.workspace import salt
from tools.channels.channel import Channel, Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.clicks import ClickLinks
from tools.compose import header_text, mailing
from tools.failure import failure_of
from tools.gate import Ready, claim, counts, is_worth_claiming, look_up
from tools.records import LakeRecords
from tools.render import Rendered, render
from tools.reputation import fate_of, watch
from tools.unsubscribe import stop_contact, suppress_address
from tools.workplace import Workplace

_BACKOFF = timedelta(minutes=5)
# The longest pause is then over five hours.
_DOUBLINGS = 6
_RECORD_ATTEMPTS = 6
# What is left of the lease when sending stops, for recording the outcomes.
_MARGIN = 0.5
# So long a large send goes on before it looks again at what became of its first messages.
_WATCH_SECONDS = 30


@dataclass
class Delivered:
    """What one pass over the due messages did."""

    states: Counter[str] = field(default_factory=Counter)
    """Messages that ended in each state; "planned" counts holds and messages to be tried again."""
    drifted: list[str] = field(default_factory=list)
    """Campaigns stopped because they are no longer what was approved, in words."""
    stopped: bool = False
    """True when the switch is off."""

    @property
    def moved(self) -> int:
        return sum(self.states.values())


def deliver(place: Workplace, *, most: int | None = None) -> Delivered:
    """Send what is due on every channel, batch by batch, until nothing is left or ``most`` were looked at."""
    done = Delivered()
    records = LakeRecords(place.lake)
    looked_at = time.monotonic()
    for channel in place.channels.values():
        if not is_worth_claiming(place, channel):
            continue
        look_up(place, channel, records)
        while most is None or done.moved < most:
            if time.monotonic() - looked_at > _WATCH_SECONDS:
                watch(place.store, place.pack, place.clock.now(), place.actor)
                looked_at = time.monotonic()
            token = uuid.uuid4().hex
            limit = None if most is None else most - done.moved
            taken = claim(place, channel, token=token, records=records, limit=limit)
            done.stopped |= taken.stopped
            done.drifted += taken.drifted
            if not taken.examined:
                break
            states = Counter(taken.states)
            del states["claimed"]
            done.states += states + send(place, channel, taken.ready, token)
            if not is_worth_claiming(place, channel):
                break
    return done


@dataclass(frozen=True, slots=True)
class _Handed:
    """Messages that were handed over, how each fared, and the bytes of those that could be written."""

    part: Sequence[Ready] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    outgoing: Mapping[str, Outgoing] = field(default_factory=dict)


def send(place: Workplace, channel: Channel, ready: Sequence[Ready], token: str) -> Counter[str]:
    """Write, send and record one claimed batch, as many at once as may be in flight; returns how many ended how."""
    until = time.monotonic() + place.lease_seconds * (1 - _MARGIN)
    size = channel.capabilities.at_once
    states: Counter[str] = Counter()
    handed = _Handed()
    unsent: Transient | None = None
    # The outcomes of each part are written together with the marks of the next, and those of the last one alone.
    for part in (*(ready[start : start + size] for start in range(0, len(ready), size)), ()):
        if not unsent and time.monotonic() > until:
            unsent = Transient("", "not started in time", tried=False)
        mine, ended = _exchange(place, handed, () if unsent else part, token)
        states += ended
        if unsent:
            keys = [one.message.message_key for one in part]
            handed = _Handed(part, {key: replace(unsent, message_key=key) for key in keys})
            continue
        # What this worker was too slow to begin, another one took back.
        part = [one for one in part if one.message.message_id in mine]
        handed = _hand_over(place, channel, part, until - time.monotonic())
        unsent = next((one for one in handed.outcomes.values() if isinstance(one, Transient) and one.away), None)
    return states


def _hand_over(place: Workplace, channel: Channel, part: Sequence[Ready], seconds: float) -> _Handed:
    outgoing: dict[str, Outgoing] = {}
    outcomes: dict[str, Outcome] = {}
    at, links = place.clock.now(), _links(place)
    for one in part:
        key = one.message.message_key
        try:
            outgoing[key] = _write(one, at, links)
        except Exception as error:  # noqa: BLE001 - one message must not take its batch with it
            outcomes[key] = Failed(key, f"it could not be written: {failure_of('write', error).error}")
    if links and not _kept(links, place):
        outcomes |= {key: Transient(key, "its links could not be kept") for key in outgoing}
    elif outgoing:
        said = channel.send_many(list(outgoing.values()), seconds=seconds)
        outcomes |= {outcome.message_key: outcome for outcome in said}
    # What may be repeated under its key stays claimed until the lease is over.
    settled = [one for one in part if not _may_be_repeated(channel, one.message, outcomes[one.message.message_key])]
    return _Handed(settled, outcomes, outgoing)


def _may_be_repeated(channel: Channel, message: Message, outcome: Outcome) -> bool:
    """Whether it may have left, and the channel can be asked again under the same key."""
    open_still = isinstance(outcome, Unknown) or (isinstance(outcome, Transient) and message.state == "claimed")
    return channel.capabilities.idempotent and open_still


def _links(place: Workplace) -> ClickLinks | None:
    if not place.click_url:
        return None
    with place.store.read() as connection:
        return ClickLinks(salt(connection), place.click_url)


def _kept(links: ClickLinks, place: Workplace) -> bool:
    try:
        links.keep(place.store)
    except StoreError:
        return False
    return True


def _write(one: Ready, at: datetime, links: ClickLinks | None) -> Outgoing:
    """One message as its channel takes it."""
    if one.case.bindings is None:
        raise NoriaError("The record lacks a value that the message needs.", where=one.message.message_key)
    key, step, brand, address = one.message.message_key, one.step, one.play.brand, one.case.address
    if step.listing is not None:
        listing = {"audience": step.listing.audience, "action": step.listing.action, "email_sha256": address}
        return Outgoing(key, "", address, json.dumps(listing, sort_keys=True).encode(), listing)
    if step.crm_field is not None:
        entry = {"email": address, "field": step.crm_field.name, "value": step.crm_field.value}
        return Outgoing(key, "", address, json.dumps(entry, sort_keys=True).encode(), entry)
    counted = partial(links.address, key) if links else None
    rendered = render(one.play, step, one.case.bindings.language, one.case.bindings, counted)
    if step.channel == "sms":
        return Outgoing(key, brand.sender_name, address, rendered.text.encode(), {"text": rendered.text})
    way_out = one.case.unsubscribe_url
    mail = mailing(rendered, brand, to_address=address, message_key=key, unsubscribe_url=way_out, now=at)
    parts = in_parts(rendered, brand, way_out)
    return Outgoing(key, str(brand.sender_address), address, mail, parts, one.message.campaign_id)


def in_parts(rendered: Rendered, brand: Brand, unsubscribe_url: str) -> dict[str, str]:
    """An e-mail for a channel that is told it part by part."""
    return {
        "from_name": brand.sender_name,
        "reply_to": str(brand.reply_to or brand.sender_address),
        "subject": header_text(rendered.subject),
        "text": rendered.text,
        "html": rendered.html,
        "unsubscribe_url": unsubscribe_url,
    }


def _result(one: Ready, outcome: Outcome, outgoing: Mapping[str, Outgoing], at: datetime) -> Result:
    message = one.message
    match outcome:
        case Sent(provider_id=provider_id):
            content = hashlib.sha256(outgoing[message.message_key].content).hexdigest()
            return Result(
                message_id=message.message_id,
                state="sent",
                sent_at=at,
                provider_id=provider_id,
                content_digest=content,
            )
        case Transient(reason=reason) | Failed(reason=reason) if message.state == "claimed":
            # An earlier attempt may have left before its worker fell silent, so this is not called unsent.
            return Result(message_id=message.message_id, state="unknown", reason=reason)
        case Transient(reason=reason, tried=tried, pause_seconds=pause):
            again = _again(message, at) if tried else message.due_at
            again = min(max(again, at + timedelta(seconds=pause)), message.deadline_at) if pause else again
            return Result(message_id=message.message_id, state="planned", reason=reason, due_at=again)
        case Failed(reason=reason):
            return Result(message_id=message.message_id, state="failed", reason=reason)
        case Unknown(reason=reason):
            return Result(message_id=message.message_id, state="unknown", reason=reason)


def _again(message: Message, at: datetime) -> datetime:
    """When to try once more: ever later, and ever sooner again as the deadline comes near; the gate ends it there."""
    pause = _BACKOFF * (1 << min(message.attempts, _DOUBLINGS))
    pause = max(min(pause, (message.deadline_at - at) / 2), _BACKOFF)
    return min(at + pause, message.deadline_at)


def _exchange(place: Workplace, handed: _Handed, coming: Sequence[Ready], token: str) -> tuple[set[int], Counter[str]]:
    """Write outcomes down and mark what comes next; returns which of that may go, and how many ended how.

    Tried again when the store is busy, because what left cannot be called back.
    """
    for attempt in range(_RECORD_ATTEMPTS):
        try:
            with place.store.write() as connection:
                ended = _settle(connection, place, handed, token)
                return ledger.begin(connection, [one.message.message_id for one in coming], token=token), ended
        except StoreError:
            if attempt == _RECORD_ATTEMPTS - 1:
                raise
            time.sleep(0.05 * 2**attempt)
    raise AssertionError("unreachable")


def _settle(connection: Connection, place: Workplace, handed: _Handed, token: str) -> Counter[str]:
    if not handed.part:
        return Counter()
    at = place.clock.now()
    results = [_result(one, handed.outcomes[one.message.message_key], handed.outgoing, at) for one in handed.part]
    changed = ledger.record(connection, results, token=token)
    sent = [one for one in changed if one.state == "sent"]
    unsent = [one for one in changed if one.state in {"planned", "failed"}]
    cap.refund(connection, [(one.contact_id, one.message_key) for one in unsent])
    for moment in sorted({one.sent_at for one in sent if one.sent_at is not None}):
        cap.settle(connection, [(one.contact_id, one.message_key) for one in sent if one.sent_at == moment], moment)
    _count_unanswered(connection, sent)
    _suppress_bounced(connection, handed, changed, at)
    enrolments.wake(connection, [one.enrolment_id for one in changed if one.state != "planned"], at)
    states = Counter(str(one.state) for one in changed)
    if changed:
        append(
            connection,
            at=at,
            actor=place.actor,
            action="delivery.recorded",
            subject=token,
            payload={**states, "outcomes": digest(sorted([one.message_key, one.state] for one in changed))},
        )
    _count_fates(connection, handed, changed, at)
    return states


def _count_fates(connection: Connection, handed: _Handed, changed: Sequence[Message], at: datetime) -> None:
    """What the receiving side made of each e-mail; what could not even be written says nothing of it."""
    known = {one.message_key for one in changed}
    fates = [
        fate_of(handed.outcomes[key], one.play.brand.sender_address, one.case.address, at)
        for one in handed.part
        if (key := one.message.message_key) in known and key in handed.outgoing and one.message.channel == "email"
    ]
    reputation.count(connection, [one for one in fates if one is not None])


def _count_unanswered(connection: Connection, sent: Sequence[Message]) -> None:
    rows = [{"of": one.contact_id} for one in sorted(sent, key=lambda one: one.contact_id) if counts(one)]
    if rows:
        connection.execute(
            update(contacts)
            .where(contacts.c.contact_id == bindparam("of"))
            .values(sent_since_signal=contacts.c.sent_since_signal + 1),
            rows,
        )


def _suppress_bounced(connection: Connection, handed: _Handed, changed: Sequence[Message], at: datetime) -> None:
    """An address that does not exist is never written to again."""
    known = {one.message_key for one in changed}
    for one in handed.part:
        outcome = handed.outcomes[one.message.message_key]
        if not (isinstance(outcome, Failed) and outcome.hard_bounce) or one.message.message_key not in known:
            continue
        message = one.message
        source = f"message {message.message_key[:12]}"
        suppress_address(connection, message.contact_id, message.channel, "hard_bounce", at, source)
        stop_contact(connection, message.contact_id, message.channel, "suppressed", at)
