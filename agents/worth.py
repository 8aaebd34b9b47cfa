"""What runs without showing that it is worth it: follow-ups to people who are gone, signals that tell nothing apart,
numbers that steer nothing, alerts that nobody sees to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import BigInteger, Connection, and_, func, or_, select, type_coerce

from agents.desk import Desk
from agents.learning.counts import Counts
from agents.learning.intervals import newcombe
from agents.learning.readout import ReadOut
from agents.outcomes import Member, count_outcomes
from memory import campaigns, proposals, readouts
from memory.alerts import Alert, list_alerts, raise_alerts, waits
from memory.campaigns import Campaign
from memory.canonical import canonical_json, digest
from memory.features.table import Features, compute
from memory.journal import append
from memory.play import Play
from memory.readouts import StoredReadOut
from memory.schema import contacts, decisions, from_micros, journal, messages, to_micros
from memory.schema import proposals as proposal_rows
from memory.segments.grammar import EVERYBODY, fields, parse
from memory.steps import REACHING
from memory.workspace import get_value, set_value
from policies.rules.hibernation import HibernationLimits

WATCHED_DAYS: Final = 28
"""So far back the messages of a campaign are looked at, and so long a number may wait for a decision."""
UNSEEN_DAYS: Final = 14
"""So long an alert may wait for somebody."""
_EVERY: Final = timedelta(days=7)
# Of messages or of outcomes: below that nothing is said.
_FEWEST: Final = 20
_STEP: Final = "worth"
_LAST: Final = "worth_reported_at"
_WITH, _WITHOUT = "with the signal", "without"
_PEOPLE: Final = ("cli:%", "console:%", "demo:%")

Kind = Literal["follow_ups", "signal", "read_out", "alerts"]


class Line(BaseModel):
    """One thing that runs without showing its worth."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    campaign_id: str | None
    name: str
    numbers: dict[str, float | int | str]
    sentence: str
    remedy: str


class Worth(BaseModel):
    """The report of one moment; without lines everything that runs has shown its worth, or is too young to."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    campaigns: int
    """How many were looked at: live and paused ones."""
    lines: tuple[Line, ...]
    untold: tuple[str, ...] = ()
    """Signals of which the record holds too few outcomes to say anything."""


def worth(desk: Desk) -> Worth:
    """Look at everything that runs; the same record says the same. Nothing is written."""
    at = desk.clock.now()
    untold: list[str] = []
    with desk.store.read() as connection:
        running = campaigns.list_campaigns(connection, ["live", "paused"])
        running.sort(key=lambda one: one.campaign_id)
        looks = {one.campaign_id: _newest(connection, one) for one in running}
        plays = {one.campaign_id: play for one in running if (play := _play(connection, one)) is not None}
        lines = [*_follow_ups(connection, desk, running, looks, at)]
        steered = [*_read_outs(connection, at), *_alerts(connection, at)]
    unproven = [one for one in running if one.campaign_id in plays and not _works(looks[one.campaign_id])]
    lines += _signals(desk, unproven, plays, at, untold)
    return Worth(at=at, campaigns=len(running), lines=(*lines, *steered), untold=tuple(untold))


def report_weekly(desk: Desk) -> Worth | None:
    """Once a week: write the report's numbers into the journal, and ask a person to look if there is anything.

    The first report comes a week after the first round. While an earlier one waits to be read, no other alert is
    raised. None when nothing is due.
    """
    at = desk.clock.now()
    with desk.store.read() as connection:
        last = get_value(connection, _LAST)
    if last is not None and at < from_micros(last) + _EVERY:
        return None
    found = None if last is None else worth(desk)
    with desk.store.write() as connection:
        if get_value(connection, _LAST) != last:
            # Another worker was faster.
            return None
        set_value(connection, _LAST, to_micros(at))
        if found is None:
            return None
        kinds = Counter(str(one.kind) for one in found.lines)
        body = digest(found.model_dump(mode="json")["lines"])
        payload = {**kinds, "campaigns": found.campaigns, "report": body}
        append(connection, at=at, actor="noria", action="worth.reported", subject="campaigns", payload=payload)
        if found.lines and not waits(connection, _STEP):
            number = len(found.lines)
            english = f"{number} things run without showing their worth. `noria worth` has the numbers and what to do."
            french = (
                f"{number} choses tournent sans montrer leur valeur. `noria worth` donne les chiffres et que faire."
            )
            raise_alerts(connection, [Alert(step_key=_STEP, task={"en": english, "fr": french}, raised_at=at)])
    return found


def _newest(connection: Connection, one: Campaign) -> StoredReadOut | None:
    looks = readouts.of_campaign(connection, one.campaign_id)
    return looks[-1] if looks else None


def _play(connection: Connection, one: Campaign) -> Play | None:
    version = campaigns.get_version(connection, one.campaign_id, one.version)
    return version.play if version.is_untouched else None


def _works(look: StoredReadOut | None) -> bool:
    return look is not None and look.verdict == "works"


def _follow_ups(
    connection: Connection, desk: Desk, running: list[Campaign], looks: dict[str, StoredReadOut | None], at: datetime
) -> Iterator[Line]:
    """Campaigns that mostly write to people who hibernate or soon will, without an increment to show for it."""
    silent_days = ceil(desk.pack.limits("hibernation", HibernationLimits).silent_days * 2 / 3)
    signal, sent_at = (type_coerce(one, BigInteger) for one in (contacts.c.last_human_signal_at, messages.c.sent_at))
    silence = silent_days * 86_400_000_000
    kept = contacts.alias()
    quiet = and_(signal.is_not(None), sent_at - signal >= silence)
    query = (
        select(
            messages.c.campaign_id,
            func.count().label("sent"),
            func.count().filter(quiet).label("quiet"),
            func.count().filter(signal.is_(None)).label("unknown"),
        )
        .join(kept, kept.c.contact_id == messages.c.contact_id)
        .join(contacts, contacts.c.contact_id == func.coalesce(kept.c.merged_into, kept.c.contact_id))
        .where(messages.c.state == "sent", messages.c.purpose == "marketing", messages.c.channel.in_(REACHING))
        .where(messages.c.sent_at > at - timedelta(days=WATCHED_DAYS), messages.c.sent_at <= at)
        .group_by(messages.c.campaign_id)
    )
    counts = {row.campaign_id: row for row in connection.execute(query)}
    for one in running:
        row, look = counts.get(one.campaign_id), looks[one.campaign_id]
        known = row.sent - row.unknown if row is not None else 0
        if row is None or known < _FEWEST or row.quiet * 2 <= known or _works(look):
            continue
        yield Line(
            kind="follow_ups",
            campaign_id=one.campaign_id,
            name=one.name,
            numbers={
                "sent": row.sent, "to_the_silent": row.quiet, "unknown": row.unknown,
                "silent_days": silent_days, **_increment(look),
            },
            sentence=f"{row.quiet} of {known} messages in {WATCHED_DAYS} days went to people without a sign of life "
            f"for {silent_days} days or more; {_told(look)}.",
            remedy=f"Let silent people leave it (an exit or a branch on `signal`), or stop it: "
            f"`noria campaigns stop {one.campaign_id}`.",
        )  # fmt: skip


def _increment(look: StoredReadOut | None) -> dict[str, float | int | str]:
    if look is None:
        return {"verdict": "none"}
    found = ReadOut.model_validate(look.body).difference
    return {"verdict": look.verdict, "increment": found.value, "low": found.low, "high": found.high}


def _told(look: StoredReadOut | None) -> str:
    if look is None:
        return "no look was taken yet"
    found = ReadOut.model_validate(look.body).difference
    return f"look {look.look} is {look.verdict}: {found.value:+.2%} [{found.low:+.2%}, {found.high:+.2%}]"


def _signals(
    desk: Desk, unproven: list[Campaign], plays: dict[str, Play], at: datetime, untold: list[str]
) -> Iterator[Line]:
    """Segments that drive sends though those in them reach the goal about as often as those who are not."""
    known: dict[str, tuple[Counts, Counts]] = {}
    names: dict[int, set[str]] = {}
    for one in unproven:
        play = plays[one.campaign_id]
        names.setdefault(play.goal.window_days, set()).update(fields(parse(play.audience)))
    # One computation for all campaigns whose goal takes as long.
    then = {days: compute(desk.lake, at - timedelta(days=days), names=asked, fallback_zone=desk.settings.fallback_zone)
            for days, asked in names.items()}  # fmt: skip
    for one in unproven:
        play = plays[one.campaign_id]
        name = canonical_json([play.audience, play.goal.model_dump(mode="json")])
        if name not in known:
            known[name] = _split(desk, play, then[play.goal.window_days], at)
        inside, outside = known[name]
        if not inside.contacts or not outside.contacts:
            continue
        if inside.conversions + outside.conversions < _FEWEST:
            untold.append(f"{one.name}: {inside.conversions + outside.conversions} {play.goal.noun} in "
                          f"{play.goal.window_days} days")  # fmt: skip
            continue
        gap = newcombe(inside, outside)
        if gap.excludes_zero():
            continue
        yield Line(
            kind="signal",
            campaign_id=one.campaign_id,
            name=play.audience_sentence,
            numbers={
                "with": inside.contacts, "with_reached": inside.conversions,
                "without": outside.contacts, "without_reached": outside.conversions,
                "difference": gap.value, "low": gap.low, "high": gap.high, "window_days": play.goal.window_days,
            },
            sentence=f"No separation shown by what {one.name} goes by ({play.audience_sentence}): in the last "
            f"{play.goal.window_days} days {inside.rate:.2%} of {inside.contacts} with it and {outside.rate:.2%} of "
            f"{outside.contacts} without it reached the goal ({gap.value:+.2%} [{gap.low:+.2%}, {gap.high:+.2%}]).",
            remedy="Choose a segment that the goal depends on, or let the holdout show that the message works anyway.",
        )  # fmt: skip


def _split(desk: Desk, play: Play, features: Features, at: datetime) -> tuple[Counts, Counts]:
    """Everybody on record by the signal as it stood a goal window ago, and who has reached the goal since."""
    since = features.as_of
    inside = set(features.select(parse(play.audience)))
    everybody = features.select(EVERYBODY)
    members = [Member(one, _WITH if one in inside else _WITHOUT, since, at) for one in everybody]
    found = count_outcomes(desk.store, desk.lake, members, arms=(_WITHOUT, _WITH), goal=play.goal)
    of = {one.name: Counts(contacts=one.contacts, conversions=one.conversions) for one in found.arms}
    return of[_WITH], of[_WITHOUT]


def _read_outs(connection: Connection, at: datetime) -> Iterator[Line]:
    """Newest looks at campaigns that, weeks later, no person has acted on."""
    over = at - timedelta(days=WATCHED_DAYS)
    for one in sorted(campaigns.list_campaigns(connection, ["live", "paused", "finished"]), key=_by_id):
        look = _newest(connection, one)
        if look is None or look.read_at > over or _acted(connection, one, look.read_at):
            continue
        decision = _decision(connection, one)
        days = (at - look.read_at).days
        yield Line(
            kind="read_out",
            campaign_id=one.campaign_id,
            name=one.name,
            numbers={"days": days, "look": look.look, **_increment(look)},
            sentence=f"Look {look.look} says {look.verdict} since {days} days, and nobody decided anything by it"
            + (f"; it was to steer: {decision}" if decision else "")
            + ".",
            remedy=f"Decide (`noria readout {one.campaign_id}`, then renew, edit or stop it), or stop measuring it.",
        )


def _by_id(one: Campaign) -> str:
    return one.campaign_id


def _acted(connection: Connection, one: Campaign, since: datetime) -> bool:
    """Whether a person did anything to the campaign, or decided on a proposal of its playbook, after a moment."""
    person = or_(*(journal.c.actor.like(who) for who in _PEOPLE))
    steered = select(journal.c.seq).where(journal.c.subject == one.campaign_id, journal.c.at > since, person)
    decided = (
        select(decisions.c.decision_id)
        .join(proposal_rows, proposal_rows.c.proposal_id == decisions.c.proposal_id)
        .where(proposal_rows.c.playbook == one.playbook, decisions.c.decided_at > since)
    )
    return any(connection.execute(query.limit(1)).first() is not None for query in (steered, decided))


def _decision(connection: Connection, one: Campaign) -> str:
    brief_id = proposals.get(connection, one.proposal_id).proposal.brief_id
    return proposals.read_brief(connection, brief_id).decision.strip().rstrip(".") if brief_id else ""


def _alerts(connection: Connection, at: datetime) -> Iterator[Line]:
    """Alerts that wait for longer than anybody will still act on them, by the step that raises them."""
    late: dict[tuple[str, str], list[Alert]] = {}
    for one in list_alerts(connection, limit=10_000):
        if one.raised_at <= at - timedelta(days=UNSEEN_DAYS) and one.step_key != _STEP:
            late.setdefault((one.campaign_id or "", one.step_key), []).append(one)
    for (campaign_id, step_key), waiting in sorted(late.items()):
        days = (at - min(one.raised_at for one in waiting)).days
        values: dict[str, Any] = {"alerts": len(waiting), "oldest_days": days, "step": step_key}
        yield Line(
            kind="alerts",
            campaign_id=campaign_id or None,
            name=step_key,
            numbers=values,
            sentence=f"{len(waiting)} alerts of {step_key} wait for more than {UNSEEN_DAYS} days, one since {days}.",
            remedy="See to them (`noria alerts`), or take out what raises them.",
        )
