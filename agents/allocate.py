"""The daily decision about a running campaign: who draws which sequence, inside what people approved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import repeat
from typing import Final

from scipy.special import betaincinv
from sqlalchemy import Connection

from agents.arm_counts import arm_counts, so_far, told_arms
from agents.desk import Desk
from agents.learning.allocation import believe, move, worth_shares
from agents.learning.readout import HOLDOUT
from agents.measure import ACTOR, expected_effect, read_campaign
from agents.outcomes import Outcomes, campaign_outcomes
from memory import allocations, autonomy, campaigns, lessons
from memory.alerts import Alert, raise_alerts, waits
from memory.allocations import NOBODY, Allocation, AllocationState, alert_key, allocation_id_of
from memory.bands import together
from memory.campaigns import Campaign
from memory.play import Play
from memory.sequence_check import most_sends
from policies.rules.reputation import ReputationLimits
from tools.failure import Guard, aloud

EVERY: Final = timedelta(days=1)
MOST_MOVED: Final = 0.1
"""One decision lets at most this share of entering contacts draw another sequence than they would have."""
_WORTH_MOVING = 0.01
_FEWEST_CONTACTS = 50
_FEWEST_BUYERS = 20
"""Fewer say too little of what an order brings in; then, as for goals that are no order, conversions alone count."""
_SURE = 0.05


def allocate(desk: Desk, guard: Guard = aloud) -> list[str]:
    """Decide about every campaign whose last decision is a day old; returns the ids of the decisions.

    Only campaigns that still let contacts in: whoever is in stays on what they drew. Holdouts are never touched.
    """
    now = desk.clock.now()
    with desk.store.read() as connection:
        running = [one for one in campaigns.list_campaigns(connection, ["live"]) if one.trigger_kind != "once"]
        due = [one for one in running if _is_due(connection, one, now)]
    decided = []
    for campaign in due:
        with guard(f"shares of {campaign.campaign_id}"):
            found = _decide(desk, campaign, now)
            if found is not None:
                decided.append(found.allocation_id)
    return decided


def _is_due(connection: Connection, campaign: Campaign, now: datetime) -> bool:
    last = allocations.last_decided_at(connection, campaign.campaign_id)
    return now >= (last or campaign.starts_at) + EVERY


def _decide(desk: Desk, campaign: Campaign, now: datetime) -> Allocation | None:
    """Weigh what the contacts of every sequence did, and write down what follows; None where nothing can."""
    with desk.store.read() as connection:
        version = campaigns.get_version(connection, campaign.campaign_id, campaign.version)
        before = campaigns.shares(connection, campaign.campaign_id, campaign.version)
    if not version.is_untouched or now >= campaign.starts_at + timedelta(days=version.play.trigger.runs_days):
        return None
    keys = sorted(one.key for one in version.play.sequences)
    if len(keys) == 1 and not campaign.holdout_share:
        return None
    outcomes = campaign_outcomes(
        desk.store,
        desk.lake,
        campaign.campaign_id,
        goal=version.play.goal,
        arms=(*keys, NOBODY),
        as_of=now,
        message_cost_micros=desk.settings.message_cost_micros,
    )
    why = _guardrail(desk, campaign, outcomes)
    plan = allocations.back_to(version.play, before)
    draft = Allocation(
        allocation_id=allocation_id_of(campaign.campaign_id, now),
        campaign_id=campaign.campaign_id,
        version=campaign.version,
        state="kept",
        before=before,
        shares=before,
        evidence={"arms": _counted(outcomes)},
        reason=why or f"Fewer than {_FEWEST_CONTACTS} contacts entered so far.",
        decided_at=now,
    )
    if why and not allocations.same(before, plan):
        rolled = {"state": "rolled_back", "shares": plan, "applied_at": now}
        draft = draft.model_copy(update={**rolled, "actor": ACTOR})
    elif not why and len(outcomes.members) >= _FEWEST_CONTACTS:
        draft = _moved(desk, campaign, version.play, outcomes, draft)
    with desk.store.write() as connection:
        if not allocations.keep(connection, draft, at=now):
            return None
        if draft.state in {"waiting", "rolled_back"}:
            _tell(connection, campaign, draft)
    return draft


def _moved(desk: Desk, campaign: Campaign, play: Play, outcomes: Outcomes, draft: Allocation) -> Allocation:
    """Towards the sequence that is most likely best, nobody among them, by no more than one decision may."""
    keys = sorted(one.key for one in play.sequences)
    with desk.store.read() as connection:
        prior, _ = expected_effect(connection, campaign)
        earlier = [
            one
            for one in lessons.usable(connection, draft.decided_at, playbook=campaign.playbook)
            if one.campaign_id != campaign.campaign_id
        ]
        past = allocations.of_campaign(connection, campaign.campaign_id)
        drawn_by = allocations.periods(connection, campaign.campaign_id)
        level = autonomy.rung(connection, "triggered").level
    mine = so_far(outcomes, drawn_by, play.goal.window_days, draft.decided_at, bands=len(play.shares))
    told = [each for one in earlier for each in told_arms(one)]
    belief = believe(arm_counts(mine, told, keys, draft.decided_at, play.bands), prior)
    values = [*outcomes.values.treated, *outcomes.values.holdout]
    known = len(values) >= _FEWEST_BUYERS and sum(values) > 0
    value_cents = sum(values) / len(values) if known else 1.0
    each = desk.settings.message_cost_micros / 1_000_000 if known else 0.0
    sends = {one.key: most_sends(one) for one in play.sequences}
    seed = int(draft.allocation_id[1:8], 16)
    best = worth_shares(belief, seed, value_cents=value_cents, cost_cents=[each * sends[key] for key in keys])
    wanted = [_spoken(dict(zip([*keys, NOBODY], row, strict=True)), campaign) for row in best[: len(mine)].tolist()]
    shares = tuple(map(_towards, repeat(play), play.shares, draft.before, wanted))
    entered = [sum(contacts for contacts, _ in of.values()) for of in mine]
    of_all = together(tuple(wanted), entered)
    evidence = {
        **draft.evidence,
        "counted": {key: [round(sum(of[key][part] for of in mine), 2) for part in (0, 1)] for key in mine[0]},
        "chance_best": _rounded(of_all),
        "spread": belief.spread.model_dump(),
        "prior": [prior.mean, prior.sd],
        "value_cents": round(value_cents, 2),
        "earlier_campaigns": len(earlier),
        "seed": seed,
    }
    if play.bands:
        evidence["by_band"] = [
            {"counted": {key: [round(one, 2) for one in of[key]] for key in of}, "chance_best": _rounded(chances)}
            for of, chances in zip(mine, wanted, strict=True)
        ]
    if max(_far(now, then) for now, then in zip(draft.before, shares, strict=True)) < _WORTH_MOVING:
        return draft.model_copy(update={"evidence": evidence, "reason": "The shares are where they should be."})
    changes = [one for one in past if one.state in {"applied", "rolled_back"}]
    held = bool(changes) and changes[-1].state == "rolled_back"
    state: AllocationState = (
        "suggested" if level == "suggest" else "applied" if level == "auto" and not held else "waiting"
    )
    applied = {"applied_at": draft.decided_at, "actor": ACTOR} if state == "applied" else {}
    return draft.model_copy(
        update={"state": state, "shares": shares, "evidence": evidence, "reason": _why(wanted), **applied}
    )


def _spoken(wanted: dict[str, float], campaign: Campaign) -> dict[str, float]:
    if campaign.holdout_share:
        return wanted
    # Nobody is left alone, so what silence does is only believed.
    return {key: share / (1 - wanted[NOBODY]) for key, share in wanted.items() if key != NOBODY}


def _towards(
    play: Play, plan: Mapping[str, float], before: Mapping[str, float], wanted: Mapping[str, float]
) -> dict[str, float]:
    """The shares of one band after this decision: inside what people approved, and no further than it may move."""
    # What was approved as the start is inside what was approved as the range.
    ranges = {
        one.key: (min(one.share_range[0], plan[one.key]), max(one.share_range[1], plan[one.key]))
        for one in play.sequences
    }
    today = {**dict.fromkeys(wanted, 0.0), **before}
    most_left_alone = max(play.limits.nobody_share_max, today.get(NOBODY, 0.0))
    return move(today, wanted, {**ranges, NOBODY: (0.0, most_left_alone)}, most=MOST_MOVED)


def _far(now: Mapping[str, float], then: Mapping[str, float]) -> float:
    return sum(abs(share - now.get(key, 0.0)) for key, share in then.items()) / 2


def _why(wanted: Sequence[Mapping[str, float]]) -> str:
    leads = [max(of, key=lambda key: of[key]) for of in wanted]
    if len(wanted) == 1:
        return f"From what is believed {leads[0]} should be drawn by {wanted[0][leads[0]]:.0%}."
    told = "; ".join(f"{key} {of[key]:.0%}" for key, of in zip(leads, wanted, strict=True))
    return f"From what is believed the bands, from the lowest on, should draw most: {told}."


def _rounded(chances: Mapping[str, float]) -> dict[str, float]:
    return {key: round(chance, 4) for key, chance in chances.items()}


def _guardrail(desk: Desk, campaign: Campaign, outcomes: Outcomes) -> str:
    """Why the shares must go back to the approved plan; empty where nothing speaks against those of today.

    An arm's opt-outs or complaints count once the lower end of their 95 % interval (one-sided, Clopper and Pearson
    1934) lies above the share at which the rule ``reputation`` slows a sender; harm by the read-out's own bound.
    """
    limits = desk.pack.limits("reputation", ReputationLimits)
    for one in outcomes.arms:
        if one.name in {HOLDOUT, NOBODY}:
            continue
        for what, count, limit in (
            ("complained", one.complained, limits.slow_complaint_share),
            ("unsubscribed", one.unsubscribed, limits.slow_unsubscribe_share),
        ):
            if count >= limits.minimum_reports and _at_least(count, one.contacts) > limit:
                return f"{count} of {one.contacts} contacts of {one.name} {what}; {limit:.1%} is the limit."
    if campaign.holdout_share:
        verdict = read_campaign(desk, campaign.campaign_id, counted=_without_nobody(outcomes)).verdict
        if verdict == "harms":
            return "The contacts who are written to do worse than the holdout."
        if verdict == "invalid":
            return "The arms do not have their planned sizes, so nothing can be learnt from them."
    return ""


def _without_nobody(outcomes: Outcomes) -> Outcomes | None:
    """What a read-out would count, so that it need not; None where somebody drew nobody, whom it leaves out."""
    if any(one.name == NOBODY and one.contacts for one in outcomes.arms):
        return None
    return replace(outcomes, arms=tuple(one for one in outcomes.arms if one.name != NOBODY))


def _at_least(count: int, of: int) -> float:
    return float(betaincinv(count, of - count + 1, _SURE))


def _counted(outcomes: Outcomes) -> dict[str, dict[str, int]]:
    return {
        one.name: {
            "contacts": one.contacts,
            "conversions": one.conversions,
            "unsubscribed": one.unsubscribed,
            "complained": one.complained,
        }
        for one in outcomes.arms
    }


def _tell(connection: Connection, campaign: Campaign, found: Allocation) -> None:
    """Ask a person to look, unless they are asked already."""
    key = alert_key(campaign.campaign_id)
    if waits(connection, key):
        return
    look = f"noria campaigns shares {campaign.campaign_id}"
    if found.state == "waiting":
        english = f"{campaign.name}: other shares of its sequences wait. Read `{look}`, then `{look} --accept`."
        french = (
            f"{campaign.name} : d'autres parts pour ses séquences attendent. Lire `{look}`, puis `{look} --accept`."
        )
    else:
        english = f"{campaign.name}: its sequences are back at the approved shares. {found.reason} See `{look}`."
        french = f"{campaign.name} : ses séquences sont revenues aux parts approuvées. {found.reason} Voir `{look}`."
    task = {"en": english, "fr": french}
    alert = Alert(
        campaign_id=campaign.campaign_id, step_key=key, owner=campaign.owner, task=task, raised_at=found.decided_at
    )
    raise_alerts(connection, [alert])
