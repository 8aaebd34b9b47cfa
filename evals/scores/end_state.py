"""The end state that a case wants, check by check."""

from __future__ import annotations

from collections import Counter

from evals.outcome import Outcome, SeenProposal
from evals.scenario import Numbers, Scenario
from evals.scores.score import Checks, Score
from memory.finding import Verdict


def score(scenario: Scenario, outcome: Outcome) -> Score | None:
    """Everything under ``expect``."""
    checks, wanted = Checks(), scenario.expect
    seen = {one.proposal.play.playbook: one for one in outcome.proposals}
    if wanted.proposed is not None:
        checks.equal("proposed", sorted(seen), sorted(wanted.proposed))
    if wanted.questions is not None:
        checks.equal("questions", sorted(outcome.questions), sorted(wanted.questions))
    for playbook, words in wanted.withheld.items():
        sentence = outcome.withheld.get(playbook, "")
        checks.check(
            words.casefold() in sentence.casefold(), f"{playbook} was withheld with {sentence!r}, not {words!r}"
        )
    for playbook in sorted({*wanted.status, *wanted.numbers, *wanted.subtractions, *wanted.held_by}):
        checks.check(playbook in seen, f"{playbook} was not proposed")
        if playbook in seen:
            _check_proposal(checks, scenario, playbook, seen[playbook])
    for group, values in wanted.features.items():
        for name, value in values.items():
            checks.equal(f"{group}: {name}", outcome.features[group].get(name), value)
    _check_notes(checks, scenario, outcome)
    _check_delivery(checks, scenario, outcome)
    return checks.score


def _check_proposal(checks: Checks, scenario: Scenario, playbook: str, seen: SeenProposal) -> None:
    wanted, proposal = scenario.expect, seen.proposal
    if playbook in wanted.status:
        checks.equal(f"{playbook}: status", str(seen.status), wanted.status[playbook])
    if playbook in wanted.subtractions:
        found = {one.rule: one.contacts for one in proposal.audience.subtractions}
        checks.equal(f"{playbook}: taken out", found, wanted.subtractions[playbook])
    against = [one for one in proposal.findings if one.verdict is not Verdict.ALLOW]
    if playbook in wanted.held_by:
        checks.equal(f"{playbook}: objections", sorted({one.rule for one in against}), sorted(wanted.held_by[playbook]))
        if wanted.cleaning:
            said = " ".join(f"{one.sentence} {one.fact} {one.limit}" for one in against)
            checks.check(
                wanted.cleaning.casefold() in said.casefold(), f"{playbook}: the cleaning is not named: {said}"
            )
    if playbook in wanted.numbers:
        _check_numbers(checks, playbook, wanted.numbers[playbook], seen)


def _check_numbers(checks: Checks, playbook: str, wanted: Numbers, seen: SeenProposal) -> None:
    proposal = seen.proposal
    play, forecast = proposal.play, proposal.forecast
    found = {
        "selected": proposal.audience.selected,
        "reachable": proposal.audience.reachable,
        "treated": proposal.audience.treated,
        "base_rate": round(forecast.base_rate, 4),
        "window_days": play.goal.window_days,
        "holdout_share": play.holdout_share,
        "provable": proposal.detection.relative_lift is not None,
        "value_kind": forecast.value_kind,
        "people": proposal.approvals.people,
        "offer": play.offer.offer_id if play.offer is not None else "none",
        "sequences": len(play.sequences),
    }
    for name, value in wanted.model_dump(exclude_none=True, exclude={"forecast"}).items():
        checks.equal(f"{playbook}: {name}", found[name], value)
    if wanted.forecast is not None:
        checks.check(bool(proposal.lessons), f"{playbook}: no lesson was used")
        if proposal.lessons:
            moved = proposal.lessons[-1].effect_after - proposal.lessons[0].effect_before
            up = wanted.forecast == "higher"
            checks.check(moved > 0 if up else moved < 0, f"{playbook}: the lessons moved the forecast by {moved:+.3f}")
            checks.equal(f"{playbook}: forecast after lessons", forecast.effect_mean, proposal.lessons[-1].effect_after)


def _check_notes(checks: Checks, scenario: Scenario, outcome: Outcome) -> None:
    for agent, words in scenario.expect.notes.items():
        for seen in outcome.proposals:
            notes = [one.note for one in seen.proposal.authors if one.agent == agent]
            checks.check(any(words in note for note in notes), f"{agent}: notes are {notes}, not {words!r}")


def _check_delivery(checks: Checks, scenario: Scenario, outcome: Outcome) -> None:
    wanted = scenario.expect
    states = Counter(one.state for one in outcome.messages)
    for state, count in wanted.states.items():
        checks.equal(f"messages {state}", states.get(state, 0), count)
    got = Counter(dict.fromkeys(wanted.sent_to, 0))
    got.update({one.contact_id: one.group for one in outcome.messages if one.state == "sent"}.values())
    for group, count in wanted.sent_to.items():
        checks.equal(f"contacts of {group} with mail", got[group], count)
    if wanted.refused is not None:
        checks.equal("refused steps", list(outcome.refused), list(wanted.refused))
    elif outcome.refused:
        checks.check(False, f"steps ended in {list(outcome.refused)}")
    for group, words in wanted.subjects.items():
        mails = [mail for mail in outcome.mails if mail.group == group]
        checks.check(bool(mails), f"nobody of {group} got mail")
        checks.check(all(words in mail.subject for mail in mails), f"{group}: not every subject says {words!r}")
