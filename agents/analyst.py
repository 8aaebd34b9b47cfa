"""The analyst: sizes every playbook that the record supports, forecasts it, and says why and why now."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from agents.desk import Desk
from agents.drafting import audience_sentence, messages_per_contact, usable_sequences
from agents.goal_window import counted_rates, why_fewer
from agents.handover import keep
from agents.learning.forecast import recalibrated
from agents.learning.priors import Prior
from agents.learning.wording import percent, percents_apart
from agents.provider import Analysis, Opportunity, Task
from agents.series import series_of
from agents.sizing import HoldoutChoice, choose_holdout, make_detection, make_forecast, prior_from, split
from agents.state import ProposalState
from agents.tasks import task_of
from memory.errors import NoriaError
from memory.events import ORDER
from memory.proposal import Audience, Authorship, Evidence
from memory.replies import any_objection
from policies.rules.audience_size import AudienceSizeLimits, too_few
from tools.lookups import Lookup
from tools.measures import OBJECTIONS


class UnsupportedError(NoriaError):
    """The record does not support a playbook now; the sentence says what would change that."""

    code: ClassVar[str] = "unsupported"


def analyse(state: ProposalState, desk: Desk) -> ProposalState:
    """Have the opportunity analysed, and store the result."""
    task = task_of(state, desk)
    try:
        analysis = desk.provider.analyse(task)
    except UnsupportedError as error:
        return {"outcome": f"withheld: {error.what}"}
    finally:
        task.lookups.journal_spent("agent:analyst")
    return {"analysis_id": keep(desk, state["thread_id"], "analysis", analysis), "outcome": ""}


def analyse_by_rules(task: Task, *, note: str = "") -> Analysis:
    """The analysis from numbers and templates alone."""
    sized = size(task)
    playbook, forecast = task.playbook, sized.forecast
    base, expected = percents_apart(sized.base_rate, _expected_rate(sized), "en")
    change = f" from {base} to {expected}"
    if not forecast.has_rate:
        base, change = "an unknown share", "; by how much is unknown"
    share = sized.audience.reachable / max(sized.audience.selected, 1)
    why_now = playbook.why(
        "en",
        {
            "contacts": str(sized.audience.selected),
            "share": percent(share, "en"),
            "base_rate": base,
            "window_days": str(forecast.window_days),
        },
    )
    direction = "raise" if forecast.effect_mean >= 0 else "lower"
    return Analysis(
        opportunity=sized,
        title=f"{playbook.name['en']}: {sized.audience.treated} contacts",
        hypothesis=(
            f"{playbook.signal['en']} We expect “{playbook.name['en']}” to {direction} the share who order "
            f"within {forecast.window_days} days{change}."
        ),
        why_now=why_now,
        evidence=sized.evidence,
        author=Authorship(agent="analyst", provider="rules", note=note),
    )


def size(task: Task) -> Opportunity:
    """Size, rate, value, forecast and proof of one playbook. Raises UnsupportedError."""
    playbook, call = task.playbook, task.lookups.call
    about = {"playbook": playbook.id}
    history = call("history", {})
    segment = call("segment", about)
    if not segment.result["contacts"]:
        raise _no(playbook.id, f"Nobody shows its signal now: {playbook.signal['en']}")
    reach = call("audience", about)
    audience = Audience.model_validate(reach.result)
    if few := _too_few(task, audience):
        raise _no(playbook.id, few)
    rates = counted_rates(playbook, call)
    base, value = rates[-1], call("order_value", about)
    past = call("lessons", about)
    with task.desk.store.read() as connection:
        anybody = any_objection(connection, task.desk.clock.now() - OBJECTIONS)
    against = call("objections", about) if anybody else None
    rate, per_order = float(base.result["rate"]), float(value.result["value_per_order_cents"])
    if playbook.goal.event != ORDER:
        # What it brings in is not known before an order follows.
        per_order = 0.0
    prior, uses = prior_from(
        task.recall.lessons,
        segment=audience_sentence(playbook),
        lever=playbook.lever,
        starting=Prior(mean=playbook.prior.mean, sd=playbook.prior.sd),
        at=task.desk.clock.now(),
        resembling=task.recall.resembling,
    )
    prior = recalibrated(prior, task.recall.recalibration)
    chosen = choose_holdout(audience.reachable, rate, prior, playbook.holdout_share)
    with task.desk.store.read() as connection:
        series = series_of(connection, playbook, task.desk.clock.now())
    if series is not None:
        chosen = HoldoutChoice(series.share, series.sentence)
    audience = split(audience, chosen.share)
    messages = round(audience.treated * messages_per_contact(usable_sequences(task.desk, playbook)))
    cost_cents = round(messages * task.desk.settings.message_cost_micros / 1_000_000)
    kind: Literal["margin", "revenue"] = "margin" if value.result["value_kind"] == "margin" else "revenue"
    forecast = make_forecast(
        prior,
        base_rate=rate,
        audience=audience,
        window_days=int(base.result["window_days"]),
        value_per_order_cents=per_order,
        value_kind=kind,
        message_cost_cents=cost_cents,
        currency=str(value.result["currency"]),
        noun=playbook.goal.noun,
    )
    return Opportunity(
        playbook=playbook.id,
        audience=audience,
        base_rate=forecast.base_rate,
        base_contacts=int(base.result["contacts"]),
        holdout_share=chosen.share,
        holdout_key="" if series is None else series.key,
        holdout_why=chosen.why,
        forecast=forecast,
        detection=make_detection(rate, audience),
        lessons=uses,
        evidence=(
            *_evidence(history, segment, reach, base, value, past, len(uses)),
            *why_fewer(rates),
            *_objections(against),
        ),
        messages=messages,
        cost_cents=cost_cents,
        average_order_cents=int(value.result["average_order_cents"]),
        value_per_order_cents=per_order,
        rank_score=forecast.value_cents_mean / max(messages, 1),
    )


def _evidence(
    history: Lookup, segment: Lookup, reach: Lookup, base: Lookup, value: Lookup, past: Lookup, lessons: int
) -> list[Evidence]:
    counted: dict[str, Any] = base.result
    whom = "contacts who were in this segment" if counted["basis"] == "segment" else "contacts who had ordered before"
    worth = value.result["value_per_order_cents"] / 100
    several = f"{lessons} lessons of earlier campaigns bear on it."
    taught = several if lessons > 1 else "1 lesson of an earlier campaign bears on it."
    said: list[tuple[Lookup, str, Any]] = [
        (segment, f"{segment.result['contacts']} contacts are in the segment.", segment.result["contacts"]),
        (reach, f"{reach.result['reachable']} of them may be written to.", reach.result["reachable"]),
        (
            base,
            f"Of {counted['contacts']} {whom} {counted['window_days']} days ago, {counted['reached']} ordered since.",
            counted["rate"],
        ),
        (
            value,
            f"An order of theirs is worth {worth:.2f} {value.result['currency']} ({value.result['value_kind']}).",
            value.result["value_per_order_cents"],
        ),
        (history, f"The record holds {history.result['orders']} orders over {history.result['days']} days.", None),
        (past, taught if lessons else "No earlier campaign has taught anything yet.", lessons),
    ]
    return [Evidence(lookup_id=lookup.lookup_id, sentence=sentence, value=number) for lookup, sentence, number in said]


def _objections(found: Lookup | None) -> list[Evidence]:
    """What contacts of the segment wrote back against, for whoever writes to them next."""
    counted: dict[str, int] = found.result["objections"] if found is not None else {}
    if found is None or not counted:
        return []
    kinds = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in counted.items())
    sentence = f"In {found.result['days']} days some of them wrote back an objection: {kinds}."
    return [Evidence(lookup_id=found.lookup_id, sentence=sentence, value=sum(counted.values()))]


def _expected_rate(sized: Opportunity) -> float:
    return sized.base_rate + sized.forecast.incremental_mean / max(sized.audience.treated, 1)


def _no(playbook: str, sentence: str) -> UnsupportedError:
    return UnsupportedError(sentence, where=f"playbook {playbook}")


def _too_few(task: Task, audience: Audience) -> str:
    """Why an audience is too small, and how many it takes; empty when it is large enough."""
    pack = task.desk.pack
    enabled = pack.setting("audience_size").enabled
    needed = too_few(audience.reachable, pack.limits("audience_size", AudienceSizeLimits)) if enabled else ""
    # Without a second contact there is nobody to compare with, whatever the policy says.
    if audience.reachable >= 2 and not needed:
        return ""
    reasons = sorted(audience.subtractions, key=lambda one: -one.contacts)[:3]
    why = "; ".join(f"{one.contacts}: {one.sentence}" for one in reasons)
    reached = f"Of {audience.selected} selected contacts {audience.reachable} may be written to."
    return " ".join(part for part in (reached, why, needed) if part)
