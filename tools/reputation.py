"""Watch what receiving domains make of each sender: slow down and stop by rule, resume by the word of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final

from sqlalchemy import Connection, select, update

from memory import autonomy, ledger, reputation
from memory.alerts import Alert, raise_alerts
from memory.errors import NotFoundError
from memory.journal import append
from memory.reputation import Fate
from memory.schema import reputation_standings
from memory.standing import OTHERS, SEVERITY, WINDOW_DAYS, Standing, Window, domain_of, together
from memory.store import Store, upsert
from policies.pack import Pack
from policies.rules.reputation import ReputationLimits, judge
from tools.channels.channel import Failed, Outcome, Sent, Transient

RULE: Final = "reputation"


@dataclass(frozen=True, slots=True)
class Regard:
    """How one sender stands with one domain, and its numbers, shortest window first."""

    standing: Standing
    windows: tuple[Window, ...]


def fate_of(outcome: Outcome, sender: str, address: str, at: datetime) -> Fate | None:
    """What an outcome says of a sender's reputation; None where it says nothing of the receiving side."""
    pair = (domain_of(sender), domain_of(address))
    match outcome:
        case Sent():
            return Fate(*pair, "sent", at)
        case Failed(hard_bounce=True):
            return Fate(*pair, "refused", at)
        case Failed() | Transient(deferred=True):
            return Fate(*pair, "deferred", at)
        case _:
            return None


def regard(connection: Connection, pack: Pack, at: datetime) -> list[Regard]:
    """Every sender that wrote lately, domain by domain, and last all its domains that are in no trouble together."""
    limits = pack.limits(RULE, ReputationLimits)
    numbers = reputation.windows(connection, at=at, silent=limits.silent_domains)
    known = reputation.standings(connection)
    nothing = tuple(Window(days=days) for days in WINDOW_DAYS)
    found = []
    for sender in sorted({one for one, _ in (*numbers, *known)}):
        domains = sorted({domain for one, domain in (*numbers, *known) if one == sender} - {OTHERS})
        mine = [
            Regard(
                known.get((sender, domain), Standing(sender=sender, domain=domain)),
                numbers.get((sender, domain), nothing),
            )
            for domain in domains
        ]
        calm = [one.windows for one in mine if _is_calm(one, limits)]
        others = tuple(together((each[place] for each in calm), days) for place, days in enumerate(WINDOW_DAYS))
        found += [*mine, Regard(known.get((sender, OTHERS), Standing(sender=sender)), others)]
    return found


def _is_calm(one: Regard, limits: ReputationLimits) -> bool:
    """Whether a domain is in no trouble by itself, so that its numbers count together with those of others."""
    return one.standing.state == "fine" and judge(one.windows, limits)[0] == "fine"


def watch(store: Store, pack: Pack, at: datetime, actor: str) -> list[Standing]:
    """Slow down or stop whoever's numbers demand it; returns those. Nothing is ever eased here.

    Each goes into the journal, and asks a person to look.
    """
    limits = pack.limits(RULE, ReputationLimits)
    with store.read() as connection:
        worse = []
        for one in regard(connection, pack, at):
            state, reason = judge(one.windows, limits)
            if SEVERITY[state] > SEVERITY[one.standing.state]:
                room = _room(one.windows, limits) if state == "slowed" else None
                worse.append((one.standing, Standing(
                    sender=one.standing.sender, domain=one.standing.domain, state=state, since=at, reason=reason,
                    actor=actor, room=room, counted_from=one.standing.counted_from,
                )))  # fmt: skip
    if not worse:
        return []
    with store.write() as connection:
        return [new for old, new in worse if _move(connection, old, new)]


def _room(windows: Sequence[Window], limits: ReputationLimits) -> int:
    """Messages a day of a slowed domain: a share of what it got in the last day, or on average in the last week."""
    sent = {one.days: one.sent for one in windows}
    return max(1, ceil(max(sent[1], sent[7] / 7) * limits.slowed_room_share))


def _move(connection: Connection, old: Standing, new: Standing) -> bool:
    """Write a worse standing down, unless somebody was faster or a person resumed it meanwhile."""
    key = {"sender": new.sender, "domain": new.domain}
    fresh = {"state": "fine", "since": new.since, "reason": "", "actor": new.actor}
    upsert(connection, reputation_standings, [{**key, **fresh}])
    mine = (reputation_standings.c.sender == new.sender, reputation_standings.c.domain == new.domain)
    now = connection.execute(select(reputation_standings).where(*mine).with_for_update()).one()
    if (now.state, now.counted_from) != (old.state, old.counted_from):
        return False
    values = {"state": new.state, "since": new.since, "reason": new.reason, "actor": new.actor, "room": new.room}
    connection.execute(update(reputation_standings).where(*mine).values(**values))
    assert new.since is not None
    append(
        connection,
        at=new.since,
        actor=new.actor,
        action=f"reputation.{new.state}",
        subject=f"{new.sender} to {new.domain}",
        payload={"reason": new.reason, "room": new.room},
    )
    english = f"Mail of {new.sender} to {new.where} is {new.state}: {new.reason}. See `noria reputation`."
    words = {"slowed": "ralentis", "stopped": "arrêtés"}
    where = "tous les domaines" if new.domain == OTHERS else new.domain
    french = f"Les e-mails de {new.sender} vers {where} sont {words[new.state]}. Voir `noria reputation`."
    raise_alerts(connection, [Alert(step_key=RULE, task={"en": english, "fr": french}, raised_at=new.since)])
    if new.state == "stopped":
        for kind in autonomy.KINDS:
            autonomy.set_back(connection, kind, english, actor=new.actor, at=new.since)
    return True


def resume(
    connection: Connection, sender: str, domain: str | None, *, reason: str, actor: str, at: datetime
) -> list[Standing]:
    """Let a sender, or its mail to one domain, go on as usual; what came before does not count any more.

    What was held is asked again at once. Raises NotFoundError when nothing of it is slowed or stopped.
    """
    name = domain_of(sender)
    wanted = None if domain is None else domain_of(domain)
    found = [
        one
        for one in reputation.standings(connection, name).values()
        if one.state != "fine" and wanted in (None, one.domain)
    ]
    if not found:
        raise NotFoundError(
            f"Nothing of {name}{f' to {wanted}' if wanted else ''} is slowed or stopped.",
            remedy="`noria reputation` shows how each sender stands.",
        )
    for one in found:
        connection.execute(
            update(reputation_standings)
            .where(reputation_standings.c.sender == one.sender, reputation_standings.c.domain == one.domain)
            .values(state="fine", since=at, reason=reason, actor=actor, room=None, counted_from=at)
        )
        append(
            connection,
            at=at,
            actor=actor,
            action="reputation.resumed",
            subject=f"{one.sender} to {one.domain}",
            payload={"reason": reason, "was": one.state},
        )
    ledger.ask_again(connection, None, rule=RULE, at=at)
    return found
