"""The gate: claim due messages, judge each on facts of this very moment, and reserve room under the cap.

All of it is one transaction: what it allows is claimed before anybody else can look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from memory import autonomy, campaigns, cap, enrolments, ledger, proposals
from memory.canonical import digest
from memory.cap import Cap
from memory.enrolments import Enrolment
from memory.finding import Finding
from memory.finding import Verdict as Says
from memory.journal import append
from memory.ledger import Message, Verdict
from memory.play import Play
from memory.schema import campaigns as campaign_rows
from memory.schema import messages as message_rows
from memory.standing import Standing
from memory.steps import REACHING, SendStep
from memory.verdicts import GATED, chunk_digest, findings_digest
from memory.verdicts import judged as verdict_in_words
from memory.workspace import read_switch, salt
from policies.guardian import Review, gate_message
from tools.channels.channel import Channel
from tools.code_draw import CodeDraw
from tools.drift import approval_facts, has_drifted, stop_drifted
from tools.gather import Candidate, Case, Ground, gather, recent_days, recent_since
from tools.pace import HELD, Pace, wait_for
from tools.records import LakeRecords
from tools.tiers import by_tier
from tools.workplace import Workplace

HOLD = timedelta(hours=1)
"""When to ask again where a rule cannot say."""
_ATTEMPTS = 8
"""How often one message is claimed before a claim without an outcome is taken for its fault."""
_OF_THE_PLAY = frozenset({"approval", "offer", "identity"})
"""Rules that refuse a message for what its campaign is, and not for what its contact did."""
_LEAVES = {"consent": "consent_withdrawn", "suppression": "suppressed"}


@dataclass(frozen=True, slots=True)
class Ready:
    """A claimed message with all it takes to write it."""

    message: Message
    play: Play
    """With the one offer that this contact gets."""
    step: SendStep
    case: Case


@dataclass(frozen=True, slots=True)
class Claim:
    """What one pass through the gate did."""

    token: str
    ready: tuple[Ready, ...] = ()
    states: Counter[str] | None = None
    """How many messages ended the pass in each state; held ones are still "planned"."""
    drifted: tuple[str, ...] = ()
    """What was stopped because it is no longer what was approved."""
    stopped: bool = False
    """True when the switch is off."""

    @property
    def examined(self) -> int:
        return sum(self.states.values()) if self.states else 0


def claim(place: Workplace, channel: Channel, *, token: str, records: LakeRecords, limit: int | None = None) -> Claim:
    """Claim up to a batch of due messages for a channel; refused and held ones are written down as such."""
    size = min(limit or channel.capabilities.batch_size, channel.capabilities.batch_size)
    with place.store.write() as connection:
        if read_switch(connection).stopped:
            return Claim(token, stopped=True)
        return _claim(connection, place, channel, token, records, size)


def is_worth_claiming(place: Workplace, channel: Channel) -> bool:
    """Whether a claim may find something: a worker with nothing to do must not stand in the way of whoever writes."""
    mine = message_rows.c.channel == channel.capabilities.carries
    planned = and_(mine, message_rows.c.state == "planned", message_rows.c.due_at <= place.clock.now())
    return _is_any(place, planned) or _is_any(place, and_(mine, _silent(place)))


def _is_any(place: Workplace, wanted: ColumnElement[bool]) -> bool:
    with place.store.read() as connection:
        return connection.execute(select(message_rows.c.message_id).where(wanted).limit(1)).first() is not None


def _silent(place: Workplace) -> ColumnElement[bool]:
    """The claims of workers that fell silent."""
    return and_(message_rows.c.state == "claimed", message_rows.c.lease_until <= place.lease_clock.now())


def give_up_stale(place: Workplace) -> int:
    """Claims of workers that fell silent become ``unknown`` where sending again could mean sending twice.

    What no worker had begun to hand over is planned again, with its place under the cap. Returns how many are unknown.
    """
    if not _is_any(place, _silent(place)):
        return 0
    repeatable = [_way(channel) for channel in place.channels.values() if channel.capabilities.idempotent]
    with place.store.write() as connection:
        lost = ledger.stale(connection, ways=repeatable, others=True, now=place.lease_clock.now(), limit=1000)
        verdicts = [
            Verdict(
                message_id=one.message_id,
                state="unknown" if one.in_flight else "planned",
                reason=f"the worker fell silent {'while' if one.in_flight else 'before'} it was in flight",
                due_at=one.due_at,
            )
            for one in lost
        ]
        cap.refund(connection, [(one.contact_id, one.message_key) for one in lost if not one.in_flight])
        return _write(connection, place, verdicts, lost, place.clock.now())["unknown"]


def _way(channel: Channel) -> tuple[str, str]:
    return channel.capabilities.carries, channel.name


def close_overdue(place: Workplace) -> int:
    """Messages past their deadline that no claim will look at any more: of paused campaigns and absent channels."""
    now = place.clock.now()
    planned = message_rows.c.state == "planned"
    if not _is_any(place, and_(planned, message_rows.c.due_at <= now, message_rows.c.deadline_at <= now)):
        return 0
    with place.store.write() as connection:
        at = place.clock.now()
        late = ledger.overdue(connection, at=at, limit=1000)
        verdicts = [
            Verdict(
                message_id=one.message_id,
                state="suppressed",
                reason="deadline",
                findings=one.findings,
                due_at=one.due_at,
            )
            for one in late
        ]
        _write(connection, place, verdicts, late, at)
        return len(late)


def _claim(
    connection: Connection, place: Workplace, channel: Channel, token: str, records: LakeRecords, size: int
) -> Claim:
    at = place.clock.now()
    found: list[Message] = []
    if channel.capabilities.idempotent:
        found = ledger.stale(connection, ways=[_way(channel)], others=False, now=place.lease_clock.now(), limit=size)
    if not found:
        found = ledger.due(connection, channels=[channel.capabilities.carries], at=at, limit=size)
    if not found:
        return Claim(token, states=Counter())
    # Before any fact is read: whoever else claims for one of these contacts waits here.
    locked = cap.lock(connection, [one.contact_id for one in found], place.pack.cap.messages)
    inside = enrolments.by_ids(connection, [one.enrolment_id for one in found])
    verdicts: list[Verdict] = []
    ready: list[Ready] = []
    drifted: list[str] = []
    staying_in: set[int] = set()
    room: dict[int, tuple[Message, Ready]] = {}
    remarks: dict[int, list[dict[str, Any]]] = {}
    pool = CodeDraw(connection)
    for group in _by_step(found):
        campaign = campaigns.get(connection, group[0].campaign_id)
        version = campaigns.get_version(connection, campaign.campaign_id, group[0].version)
        approval = approval_facts(connection, campaign, version)
        removing = group[0].is_removal
        if removing and not version.is_untouched:
            verdicts += [_kept(one, "approval", at + HOLD, findings=one.findings) for one in group]
            continue
        if has_drifted(approval) and not removing:
            finding = stop_drifted(connection, campaign, version, at)
            drifted.append(finding.sentence)
            verdicts += [_kept(one, "approval", findings=[finding.model_dump(mode="json")]) for one in group]
            continue
        # What only takes somebody off promises nothing, so it does not fall with the offer either.
        play = version.play.model_copy(update={"offer": None}) if removing else version.play
        step = play.send(group[0].sequence_key, group[0].step_key)
        if step is None:
            verdicts += [_ended(one, "no such step") for one in group]
            continue
        if _has_other_channels(play, group[0]):
            staying_in |= {one.enrolment_id for one in group}
        ground = Ground(
            campaign_id=campaign.campaign_id,
            play=play,
            step=step,
            approval=approval,
            pack=place.pack,
            at=at,
            salt=salt(connection),
            switch_stopped=False,
            programme_share=place.programme_share,
            public_url=place.public_url,
            currency=place.currency,
            example_brand=place.example_brand,
        )
        gone = {one.message_id: why for one in group if (why := _gone(one, inside[one.enrolment_id]))}
        verdicts += [_ended(one, gone[one.message_id]) for one in group if one.message_id in gone]
        staying = [one for one in group if one.message_id not in gone]
        for shown, part in by_tier(connection, play, staying, lambda one: one.contact_id):
            candidates = pool.hand_out(shown, step, [_candidate(one, inside[one.enrolment_id]) for one in part])
            cases = gather(connection, candidates, ground=replace(ground, play=shown), slots=locked, records=records)
            for message, case in zip(part, cases, strict=True):
                review = gate_message(case.facts, place.pack)
                if review.allowed:
                    room[message.contact_id] = (message, Ready(message, shown, step, case))
                    remarks[message.message_id] = [one.model_dump(mode="json") for one in review.findings]
                    continue
                if case.facts.in_holdout and not review.withheld:
                    # A ghost waits and falls for the very reasons for which a message would.
                    review = gate_message(replace(case.facts, in_holdout=False), place.pack)
                verdicts.append(_verdict(message, case, review, at))
    verdicts += _in_turn(connection, place, channel, room, at)
    granted = _reserve(connection, place, room, locked, at)
    for contact_id, (message, one) in room.items():
        if contact_id in granted:
            ready.append(one)
            said, due_at = remarks[message.message_id], message.due_at
            verdicts.append(Verdict(message_id=message.message_id, state="claimed", findings=said, due_at=due_at))
        else:
            verdicts.append(_kept(message, "frequency", at + HOLD, findings=message.findings))
    pool.keep([(contact_id, room[contact_id][0].message_key) for contact_id in sorted(granted)], at)
    states = _write(connection, place, verdicts, found, at, token=token, provider=channel.name, staying_in=staying_in)
    _breaches(connection, verdicts, found, at)
    return Claim(token, tuple(ready), states, tuple(dict.fromkeys(drifted)))


def _breaches(connection: Connection, verdicts: Sequence[Verdict], found: Iterable[Message], at: datetime) -> None:
    """Tell the ladder of autonomy where a campaign that it approved is refused for what it is."""
    of = {one.message_id: one.campaign_id for one in found}
    broken = {
        of[one.message_id]: one.reason for one in verdicts if one.state == "suppressed" and one.reason in _OF_THE_PLAY
    }
    for campaign_id, rule in sorted(broken.items()):
        proposal = proposals.get(connection, campaigns.get(connection, campaign_id).proposal_id).proposal
        sentence = f"The rule {rule} refused messages of campaign {campaign_id}."
        autonomy.breach(connection, proposal, sentence, at=at)


def _in_turn(
    connection: Connection,
    place: Workplace,
    channel: Channel,
    room: dict[int, tuple[Message, Ready]],
    at: datetime,
) -> list[Verdict]:
    """Take out of ``room`` whom the channel cannot take yet, each with the moment of its turn."""
    carries = channel.capabilities.carries
    wanted = [
        (message, one.case.address.rpartition("@")[2].lower() if carries == "email" else "")
        for message, one in sorted(room.values(), key=lambda pair: (pair[0].due_at, pair[0].message_id))
        # What an earlier claim already counted goes out under the same key.
        if message.state == "planned"
    ]
    slowed = {
        message.message_id: one.case.facts.standing
        for message, one in room.values()
        if one.case.facts.standing is not None and one.case.facts.standing.room is not None
    }
    rooms = {one: (_room_name(its), its.room) for one, its in slowed.items() if its.room is not None}
    until = wait_for(connection, place.paces.get(carries, Pace()), carries, wanted, at, rooms)
    held = []
    for message, _ in wanted:
        if message.message_id in until:
            del room[message.contact_id]
            sentence = "The channel takes only so many messages at a time, and others came first."
            limit = "the pace in noria.toml"
            if message.message_id in slowed:
                its = slowed[message.message_id]
                limit = f"{its.room} messages a day to {its.where}, slowed: {its.reason}"
            finding = Finding(rule=HELD, verdict=Says.HOLD, sentence=sentence, limit=limit)
            shown = [finding.model_dump(mode="json")]
            held.append(_kept(message, HELD, until[message.message_id], findings=shown))
    return held


def _room_name(standing: Standing) -> str:
    """Short enough for any two domains."""
    return f"slow {digest([standing.sender, standing.domain])[:32]}"


def counts(message: Message) -> bool:
    """Whether it is one of the messages that a contact may only get so many of."""
    return message.purpose == "marketing" and message.channel in REACHING


def _reserve(
    connection: Connection,
    place: Workplace,
    room: dict[int, tuple[Message, Ready]],
    locked: dict[int, list[cap.Slot]],
    at: datetime,
) -> set[int]:
    limits = Cap(place.pack.cap.messages, place.pack.cap.window_days)
    capped = {one: message.message_key for one, (message, _) in room.items() if counts(message)}
    return cap.reserve(connection, capped, locked, cap=limits, at=at) | (room.keys() - capped.keys())


def _write(
    connection: Connection,
    place: Workplace,
    verdicts: Sequence[Verdict],
    judged: Iterable[Message],
    at: datetime,
    *,
    token: str = "",
    provider: str = "",
    staying_in: Collection[int] = (),
) -> Counter[str]:
    """Verdicts onto their rows, contacts on their way, and one line for all of them in the journal.

    ``staying_in`` are enrolments that may go on by another channel when this one is closed to them.
    """
    lease_until = place.lease_clock.now() + timedelta(seconds=place.lease_seconds)
    of = {one.message_id: one for one in judged}
    chunk = chunk_digest(
        (of[one.message_id].message_key, verdict_in_words(one.state, one.reason), findings_digest(one.findings))
        for one in verdicts
    )
    ledger.judge(
        connection,
        verdicts,
        token=token,
        lease_until=lease_until,
        at=at,
        provider=provider,
        pack_version=place.pack.version,
        chunk=chunk,
    )
    over = [one for one in verdicts if one.state in {"suppressed", "withheld", "unknown"}]
    leaving = {of[one.message_id].enrolment_id: _LEAVES[one.reason] for one in over if one.reason in _LEAVES}
    enrolments.leave(connection, {one: why for one, why in leaving.items() if one not in staying_in}, at)
    enrolments.wake(connection, [of[one.message_id].enrolment_id for one in over], at)
    states = Counter(str(one.state) for one in verdicts)
    if verdicts:
        append(
            connection,
            at=at,
            actor=place.actor,
            action=GATED,
            subject=token or "sweep",
            payload={**states, "messages": len(verdicts), "verdicts": chunk, "policy": place.pack.version},
        )
    return states


def _verdict(message: Message, case: Case, review: Review, at: datetime) -> Verdict:
    against = [finding for finding in review.findings if finding.verdict is not Says.ALLOW]
    shown: list[dict[str, Any]] = [finding.model_dump(mode="json") for finding in review.findings]
    if message.state == "claimed":
        # It may have left before the other worker fell silent, so it is neither sent again nor called unsent.
        reason = f"in flight, not repeated: {against[0].rule}"
        return Verdict(
            message_id=message.message_id, state="unknown", reason=reason, findings=shown, due_at=message.due_at
        )
    # A rule that broke down holds; only its own refusal says that the contact is held out.
    if review.withheld and review.verdict is Says.REFUSE and not case.facts.in_programme_holdout:
        return Verdict(
            message_id=message.message_id, state="withheld", reason="holdout", findings=shown, due_at=message.due_at
        )
    refused = [finding.rule for finding in against if finding.verdict is Says.REFUSE]
    if refused:
        # The approval of a campaign ends with the last deadline; the deadline is what says why.
        reason = "deadline" if "deadline" in refused else refused[0]
        if reason == "holdout" and case.facts.in_programme_holdout:
            reason = "programme_holdout"
        if reason == "deadline":
            # What it was held for until then says more than the clock.
            shown = [*message.findings, *shown]
        return Verdict(
            message_id=message.message_id, state="suppressed", reason=reason, findings=shown, due_at=message.due_at
        )
    again = min(max(review.retry_at or at + HOLD, at + timedelta(microseconds=1)), message.deadline_at)
    return Verdict(message_id=message.message_id, state="planned", reason=against[0].rule, findings=shown, due_at=again)


def _gone(message: Message, enrolment: Enrolment) -> str:
    """Why a message is over before any rule is asked; empty when it is not."""
    if enrolment.state == "exited" and not message.is_removal:
        return enrolment.exit_reason or "exited"
    # A message on which one worker after the other dies must not take the next one with it.
    poisoned = message.state == "claimed" and message.attempts >= _ATTEMPTS
    return f"no outcome after {message.attempts} attempts" if poisoned else ""


def _kept(message: Message, reason: str, due_at: datetime | None = None, *, findings: list[dict[str, Any]]) -> Verdict:
    """It waits, unless it may already have left."""
    return Verdict(
        message_id=message.message_id,
        state="unknown" if message.state == "claimed" else "planned",
        reason=reason,
        findings=findings,
        due_at=message.due_at if due_at is None else min(due_at, message.deadline_at),
    )


def _ended(message: Message, reason: str) -> Verdict:
    """It is over, for a reason that is no rule of the pack."""
    return Verdict(
        message_id=message.message_id,
        state="unknown" if message.state == "claimed" else "suppressed",
        reason=reason,
        due_at=message.due_at,
    )


def _candidate(message: Message, enrolment: Enrolment) -> Candidate:
    return Candidate(
        contact_id=message.contact_id,
        message_key=message.message_key,
        in_holdout=enrolment.in_holdout,
        deadline_at=message.deadline_at,
        records=enrolment.bindings,
    )


def _by_step(found: Iterable[Message]) -> list[list[Message]]:
    groups: dict[tuple[str, int, str, str], list[Message]] = {}
    for one in found:
        groups.setdefault((one.campaign_id, one.version, one.sequence_key, one.step_key), []).append(one)
    return list(groups.values())


def _has_other_channels(play: Play, message: Message) -> bool:
    """Whether the sequence can reach a contact by another channel than the message's."""
    return any(
        sequence.key == message.sequence_key and step.channel != message.channel for sequence, step in play.sends()
    )


def look_up(place: Workplace, channel: Channel, records: LakeRecords) -> None:
    """Read from the lake what claims of this pass will ask for, so that no lock is held meanwhile."""
    at = place.clock.now()
    with place.store.read() as connection:
        query = (
            select(message_rows.c.campaign_id, message_rows.c.version)
            .join(campaign_rows, campaign_rows.c.campaign_id == message_rows.c.campaign_id)
            .where(message_rows.c.state.in_(["planned", "claimed"]), message_rows.c.due_at <= at)
            .where(message_rows.c.channel == channel.capabilities.carries, campaign_rows.c.status == "live")
            .distinct()
        )
        versions = [campaigns.get_version(connection, *row) for row in connection.execute(query).all()]
    # A body that somebody touched may not even be a play; the claim deals with it.
    for play in [version.play for version in versions if version.is_untouched]:
        days = recent_days(play, place.pack)
        if days:
            records.last_purchases(play.goal.category, recent_since(at, days))
        if play.reads_records:
            records.products()
        for days in {step.unbought_days for _, step in play.sends()} - {0}:
            records.bought(recent_since(at, days))
