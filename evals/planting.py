"""Plants violations in a proposal and asks the guardian: what is found is recall, what is found for nothing is not."""

from __future__ import annotations

from datetime import timedelta

from agents.desk import Desk
from evals.outcome import PlantedResult, SeenProposal
from evals.scenario import Judged, Planted, Scenario
from memory import codes, reputation
from memory.errors import InvalidInputError
from memory.finding import Verdict
from memory.offers import approved_facts, open_offers
from memory.play import Play
from memory.proposal import Proposal
from memory.quality import assess
from memory.standing import domain_of
from memory.steps import SendStep
from policies.facts import NOT_MEASURED, ProposalFacts
from policies.guardian import review_proposal, stops
from policies.pack import Pack
from policies.pack_cases import Case, ask
from tools.render import largest_html_bytes


def judge_planted(scenario: Scenario, desk: Desk, seen: tuple[SeenProposal, ...]) -> tuple[PlantedResult, ...]:
    """The guardian's verdict on each planted variant, beside the variant's original."""
    if not scenario.planted:
        return ()
    originals = {one.proposal.play.playbook: one for one in seen}
    quality = {
        name: measure.value for name, measure in assess(desk.store, desk.lake, desk.clock.now()).measures.items()
    }
    results = []
    for name, planted in scenario.planted.items():
        original = originals.get(planted.playbook)
        if original is None:
            results.append(PlantedResult(name=name, violates=planted.violates, objected=("no proposal",)))
            continue
        before = _objections(original, original.proposal.play, desk, quality)
        after = _objections(original, spoiled(original.proposal, planted), desk, quality)
        results.append(
            PlantedResult(
                name=name, violates=planted.violates, objected=tuple(sorted({rule for rule, _ in after - before}))
            )
        )
    return tuple(results)


def judge_again(scenario: Scenario, pack: Pack) -> tuple[PlantedResult, ...]:
    """What the guardian says today of what was proposed once."""
    return tuple(
        PlantedResult(
            name=name, violates=one.violates, objected=tuple(rule for rule in one.violates if _objects(one, rule, pack))
        )
        for name, one in scenario.judged.items()
    )


def _objects(judged: Judged, rule: str, pack: Pack) -> bool:
    if judged.play is not None and judged.at is not None:
        return stops(judged.play, judged.audience, judged.at, pack, rule)
    case = Case.model_validate({"rule": rule, "title": "as it was", "verdict": "hold", **judged.request})
    return any(one.rule == rule and one.verdict is not Verdict.ALLOW for one in ask(case, pack))


def spoiled(proposal: Proposal, planted: Planted) -> Play:
    """The play with the violation in its first message. Raises InvalidInputError where the case asks for nonsense."""
    play = proposal.play
    sequence = play.sequences[0]
    place, step = next((place, one) for place, one in enumerate(sequence.steps) if isinstance(one, SendStep))
    if planted.language not in step.copies:
        raise InvalidInputError(f"The message is not written in {planted.language!r}.", where="planted")
    copies = {**step.copies, planted.language: planted.spoil(step.copies[planted.language])}
    changed = step.model_copy(
        update={
            "copies": copies,
            "link": planted.link or step.link,
            "channel": planted.channel,
            "purpose": planted.purpose,
        }
    )
    steps = (*sequence.steps[:place], changed, *sequence.steps[place + 1 :])
    updates: dict[str, object] = {"sequences": (sequence.model_copy(update={"steps": steps}), *play.sequences[1:])}
    if planted.offer:
        if play.offer is None:
            raise InvalidInputError("The proposal has no offer to spoil.", where="planted")
        updates["offer"] = play.offer.model_copy(update=planted.offer)
    if planted.holdout_share is not None:
        updates["holdout_share"] = planted.holdout_share
    schedule: dict[str, object] = {}
    if planted.send_from_hour is not None:
        schedule["send_from_hour"] = planted.send_from_hour
    if planted.starts_in_days is not None:
        schedule["starts_at"] = proposal.created_at + timedelta(days=planted.starts_in_days)
    if schedule:
        updates["schedule"] = play.schedule.model_copy(update=schedule)
    return play.model_copy(update=updates)


def _objections(original: SeenProposal, play: Play, desk: Desk, quality: dict[str, float]) -> set[tuple[str, str]]:
    proposal, now = original.proposal, desk.clock.now()
    taken_out = {one.rule: one.contacts for one in proposal.audience.subtractions}
    selected = max(proposal.audience.selected, 1)
    worth = [one["result"] for one in original.lookups.values() if one["name"] == "order_value"]
    with desk.store.read() as connection:
        facts = ProposalFacts(
            play=play,
            now=now,
            audience=proposal.audience,
            consent_coverage=1 - taken_out.get("consent", 0) / selected,
            quality=quality,
            requirements=desk.playbooks[play.playbook].requires,
            offers=tuple(open_offers(connection, now)),
            codes_left={pool.offer_id: pool.left for pool in codes.pools(connection)},
            approved_facts=tuple(approved_facts(connection, now)),
            reference_price_cents=int(worth[0]["average_order_cents"]) if worth else None,
            html_bytes=largest_html_bytes(play),
            spam_score=NOT_MEASURED,
            senders={},
            words_last_sent={},
            cost_cents=proposal.cost_cents,
            channels=desk.settings.channels,
            standings=tuple(reputation.standings(connection, domain_of(play.brand.sender_address)).values()),
            times_run=0,
            harmed_before=False,
        )
    review = review_proposal(facts, desk.pack)
    return {(one.rule, f"{one.sentence} {one.fact}") for one in review.findings if one.verdict is not Verdict.ALLOW}
