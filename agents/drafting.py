"""Puts the agents' parts together: the play that would happen, and the proposal that people judge."""

from __future__ import annotations

from datetime import datetime, timedelta

from agents.arm_counts import pick_of
from agents.desk import Desk
from agents.learning.priors import Prior
from agents.playbook import Playbook
from agents.provider import Analysis, Opportunity, Scheduling, Task, Writing
from agents.send_window import plain_schedule
from agents.sizing import discount_per_order_cents, make_detection, make_forecast, split
from memory.bands import only
from memory.offers import open_offers
from memory.play import Limits, Offer, Play
from memory.proposal import Approvals, Audience, Proposal
from memory.segments.grammar import parse
from memory.segments.sentence import describe
from memory.sequence_check import most_sends
from memory.steps import Sequence
from policies.facts import last_planned_send

OWNERLESS = "nobody yet"


def audience_sentence(playbook: Playbook) -> str:
    """The playbook's segment in words."""
    return describe(parse(playbook.segment), "en")


def usable_sequences(desk: Desk, playbook: Playbook) -> tuple[Sequence, ...]:
    """The sequences that need no offer, or all where every one needs one, as they run on the workspace's channels."""
    if all(playbook.needs_offer(sequence) for sequence in playbook.sequences):
        return playbook.sequences
    return playbook.tellings(None, desk.settings.channels)


def plain_play(desk: Desk, playbook: Playbook) -> Play:
    """A playbook as a play, nothing tailored: what sizes are counted on."""
    return Play(
        playbook=playbook.id,
        name=playbook.name,
        trigger=playbook.trigger,
        reentry=playbook.reentry,
        audience=playbook.segment,
        audience_sentence=audience_sentence(playbook),
        records=playbook.records,
        size_band=(0, 10**9),
        sequences=usable_sequences(desk, playbook),
        bands=playbook.bands,
        templates=playbook.templates,
        goal=playbook.goal,
        offer=_needed_offer(desk, playbook),
        topic=playbook.topic,
        exits=playbook.exits,
        schedule=plain_schedule(desk, desk.clock.now()),
        holdout_share=playbook.holdout_share,
        limits=playbook.limits.model_copy(update={"contacts_per_day": 10**6} if playbook.trigger.runs_days else {}),
        brand=desk.brand,
        owner=OWNERLESS,
        review_days=playbook.review_days,
        policy_version=desk.pack.version,
    )


def _needed_offer(desk: Desk, playbook: Playbook) -> Offer | None:
    """Some open offer of an allowed kind for a play that cannot be told without one: else it would reach nobody."""
    if not all(playbook.needs_offer(sequence) for sequence in playbook.sequences):
        return None
    with desk.store.read() as connection:
        found = open_offers(connection, desk.clock.now())
    return next((offer for offer in found if playbook.offer.allows(offer)), None)


def assemble(task: Task, proposal_id: str, analysis: Analysis, writing: Writing, scheduling: Scheduling) -> Proposal:
    """The whole proposal, before the guardian has seen it."""
    desk, opportunity, now = task.desk, analysis.opportunity, task.desk.clock.now()
    draft = Proposal(
        proposal_id=proposal_id,
        thread_id=task.lookups.thread_id,
        brief_id=task.brief.brief_id,
        title=task.playbook.name["en"],
        summary="",
        hypothesis=analysis.hypothesis,
        why_now=analysis.why_now,
        evidence=analysis.evidence,
        play=_play(task, writing, scheduling, opportunity),
        audience=opportunity.audience,
        forecast=opportunity.forecast,
        detection=opportunity.detection,
        holdout_why=opportunity.holdout_why if scheduling.holdout_share == opportunity.holdout_share else "",
        shares_why=scheduling.shares_why,
        approvals=Approvals(people=1),
        lessons=opportunity.lessons,
        pick=pick_of(
            [one.key for one in writing.sequences if scheduling.shares.get(one.key, 0) > 0], task.recall.lessons, now
        ),
        authors=(analysis.author, writing.author, scheduling.author),
        cost_cents=opportunity.cost_cents,
        currency=opportunity.forecast.currency,
        rank_score=opportunity.rank_score,
        created_at=now,
        expires_at=now + timedelta(days=desk.settings.expires_days),
    )
    return with_audience(task, draft, split(opportunity.audience, scheduling.holdout_share), opportunity)


def with_audience(task: Task, proposal: Proposal, audience: Audience, opportunity: Opportunity) -> Proposal:
    """The proposal with everything that follows from how many it reaches: forecast, proof, cost, title and summary."""
    play, before = proposal.play, opportunity.forecast
    average = float(opportunity.average_order_cents or 0)
    messages = audience.treated * messages_per_contact(play.sequences)
    cost_cents = round(messages * task.desk.settings.message_cost_micros / 1_000_000)
    forecast = make_forecast(
        Prior(mean=before.effect_mean, sd=before.effect_sd, widened=before.widened, lowered=before.lowered),
        base_rate=opportunity.base_rate,
        audience=audience,
        window_days=before.window_days,
        value_per_order_cents=opportunity.value_per_order_cents,
        value_kind=before.value_kind,
        discount_per_order_cents=discount_per_order_cents(play.offer, average) * share_with_offer(task.playbook, play),
        message_cost_cents=cost_cents,
        currency=before.currency,
        noun=play.goal.noun,
    )
    return proposal.model_copy(
        update={
            "title": f"{task.playbook.name['en']}: {audience.treated} contacts",
            "summary": _summary(play, audience, cost_cents, proposal.expires_at),
            "audience": audience,
            "forecast": forecast,
            "detection": make_detection(opportunity.base_rate, audience),
            "cost_cents": cost_cents,
        }
    )


def messages_per_contact(sequences: tuple[Sequence, ...]) -> float:
    """Messages that a treated contact gets on average, if nobody leaves early and all take the longest way."""
    return sum(one.share * most_sends(one) for one in sequences)


def share_with_offer(playbook: Playbook, play: Play) -> float:
    """The share of entering contacts who are shown the offer."""
    if play.offer is None:
        return 0.0
    shown = {sequence.key for sequence in playbook.sequences if playbook.needs_offer(sequence)}
    return sum(sequence.share for sequence in play.sequences if sequence.key in shown)


def _play(task: Task, writing: Writing, scheduling: Scheduling, opportunity: Opportunity) -> Play:
    desk, playbook = task.desk, task.playbook
    kept = [sequence for sequence in writing.sequences if scheduling.shares.get(sequence.key, 0) > 0]
    sequences = tuple(sequence.model_copy(update={"share": scheduling.shares[sequence.key]}) for sequence in kept)
    used = {step.template for sequence in kept for step in sequence.steps if step.kind == "send"}
    limits = Limits.model_validate({**playbook.limits.model_dump(), "contacts_per_day": scheduling.contacts_per_day})
    return Play(
        playbook=playbook.id,
        name=playbook.name,
        trigger=playbook.trigger,
        reentry=playbook.reentry,
        audience=playbook.segment,
        audience_sentence=audience_sentence(playbook),
        records=playbook.records,
        size_band=scheduling.size_band,
        sequences=sequences,
        bands=playbook.bands if len(sequences) > 1 else None,
        band_shares=only(scheduling.band_shares, [one.key for one in sequences]) if len(sequences) > 1 else (),
        templates={name: source for name, source in playbook.templates.items() if name in used},
        # An offer whose sequence was left out is offered to nobody.
        offer=writing.offer if any(playbook.needs_offer(one) for one in kept) else None,
        goal=playbook.goal.within(opportunity.forecast.window_days),
        topic=playbook.topic,
        exits=playbook.exits,
        schedule=scheduling.schedule,
        holdout_share=scheduling.holdout_share,
        holdout_key=opportunity.holdout_key,
        limits=limits,
        brand=desk.brand,
        owner=task.brief.owner.strip() or OWNERLESS,
        review_days=scheduling.review_days,
        policy_version=desk.pack.version,
    )


def _summary(play: Play, audience: Audience, cost_cents: int, expires_at: datetime) -> str:
    most = max(most_sends(one) for one in play.sequences)
    first, last = play.schedule.starts_at, last_planned_send(play)
    when = f"on {first:%d %B %Y}" if first.date() == last.date() else f"from {first:%d %B} to {last:%d %B %Y}"
    whom = f"{audience.treated} contacts"
    if play.trigger.runs_days:
        whom = f"about {whom}, at most {play.limits.contacts_per_day} a day as they come,"
    offer = f", with {play.offer.labels.get('en', play.offer.offer_id)}" if play.offer else ""
    return (
        f"Write to {whom} {when} (up to {most} message{'s' if most > 1 else ''} each{offer}), "
        f"hold out {audience.holdout}; the messages cost {cost_cents / 100:.2f}; "
        f"decide by {expires_at:%d %B %Y, %H:%M} UTC."
    )
