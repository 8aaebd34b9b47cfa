"""Approval: only a stored decision of a known person, on the very version they saw, moves a proposal, and only once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agents import decide as deciding
from agents.edit import apply_changes, check_edit
from agents.resume import NotWaitingError, Waiting
from memory import proposals, users
from memory.errors import InvalidInputError
from memory.finding import Finding, Verdict
from memory.journal import verify
from memory.proposal import DecisionVerdict, Proposal, ProposalStatus
from tests.agents.world import World, first_proposal, journalled, question, say, status_of

APPROVE: list[Any] = [
    {"verdict": "approve"},
    [{"type": "accept", "args": None}],
    {"decisions": [{"type": "approve"}]},
]


@pytest.mark.parametrize("answer", APPROVE, ids=["own", "agent_inbox", "langchain"])
def test_in_a_sandbox_every_inbox_may_approve(sandbox: World, answer: Any) -> None:
    proposal = first_proposal(sandbox)
    sandbox.threads.answer(proposal.thread_id, question(sandbox, proposal).interrupt_id, answer)
    assert status_of(sandbox, proposal.proposal_id) is ProposalStatus.APPROVED
    with sandbox.store.read() as connection:
        (decision,) = proposals.approvals_for(connection, proposal.proposal_id, proposal.digest)
    assert decision.actor == "inbox:sandbox"


@pytest.mark.parametrize("answer", APPROVE, ids=["own", "agent_inbox", "langchain"])
def test_elsewhere_no_inbox_can_approve_by_itself(world: World, answer: Any) -> None:
    proposal = first_proposal(world)
    world.threads.answer(proposal.thread_id, question(world, proposal).interrupt_id, answer)
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN
    asked = question(world, proposal)
    assert "no stored decision of a known person" in asked.payload["notes"][0]


def test_a_claimed_name_is_no_stored_decision(world: World) -> None:
    proposal = first_proposal(world)
    answer = {"verdict": "approve", "actor": "cli:marie", "decision_id": "made-up"}
    world.threads.answer(proposal.thread_id, question(world, proposal).interrupt_id, answer)
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN


@pytest.mark.parametrize(
    ("actor", "counts"), [("cli:marie", True), ("console:paul", True), ("demo:script", False), ("cli:", False)]
)
def test_only_decisions_of_known_people_count(world: World, actor: str, counts: bool) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "approve", actor=actor)
    world.threads.apply_decisions()
    expected = ProposalStatus.APPROVED if counts else ProposalStatus.OPEN
    assert status_of(world, proposal.proposal_id) is expected


@pytest.mark.parametrize(
    ("verdict", "more"),
    [("reject", {"reason": "No"}), ("edit", {"changes": {"contacts_per_day": 50}}), ("ask", {"reason": "How many?"})],
)
@pytest.mark.parametrize(("now", "counts"), [("operator", True), ("viewer", False), ("out", False)])
def test_what_somebody_said_counts_only_while_they_may_say_it(
    world: World, verdict: DecisionVerdict, more: dict[str, Any], now: str, counts: bool
) -> None:
    proposal, at = first_proposal(world), world.clock.now()
    until = at + timedelta(days=1)
    with world.store.write() as connection:
        users.invite(connection, "ann", "operator", invite_hash="ann", until=until, actor="cli:root", at=at)
        users.take_up(connection, "ann", password_hash="none", second_factor=None, at=at)
    decision_id = say(world, proposal, verdict, actor="console:ann", **more)
    with world.store.write() as connection:
        if now == "out":
            users.revoke(connection, "ann", actor="cli:root", at=at)
        if now == "viewer":
            users.invite(connection, "ann", "viewer", invite_hash="ann", until=until, actor="cli:root", at=at)
    asked = question(world, proposal)
    assert world.threads.apply_decisions() == ([proposal.proposal_id] if counts else [])
    assert (question_left(world, proposal) == asked.interrupt_id) is not counts
    if counts:
        return
    # Nor does an inbox carry it.
    answer = {"verdict": verdict, "decision_id": decision_id, **more}
    world.threads.answer(proposal.thread_id, asked.interrupt_id, answer)
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN
    assert "no stored decision of a known person" in question(world, proposal).payload["notes"][-1]


def question_left(world: World, proposal: Proposal) -> str:
    return next((one.interrupt_id for one in world.threads.waiting(proposal.thread_id)), "")


def test_an_inbox_may_carry_what_a_known_person_put_on_record(world: World) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "approve")
    world.threads.answer(proposal.thread_id, question(world, proposal).interrupt_id, [{"type": "accept"}])
    assert status_of(world, proposal.proposal_id) is ProposalStatus.APPROVED


def test_an_approval_of_another_proposal_does_not_carry_over(world: World) -> None:
    proposal, other = first_proposal(world), first_proposal(world, "cross_sell")
    decision_id = say(world, other, "approve")
    answer = {"verdict": "approve", "decision_id": decision_id}
    world.threads.answer(proposal.thread_id, question(world, proposal).interrupt_id, answer)
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN


def test_approving_twice_has_one_effect(world: World) -> None:
    proposal = first_proposal(world)
    assert say(world, proposal, "approve") == say(world, proposal, "approve")
    asked = question(world, proposal)
    assert world.threads.apply_decisions() == [proposal.proposal_id]
    assert world.threads.apply_decisions() == []
    with pytest.raises(NotWaitingError):
        world.threads.answer(proposal.thread_id, asked.interrupt_id, {"verdict": "approve"})
    assert len(journalled(world, "proposal.approved", proposal.proposal_id)) == 1


def test_a_thread_that_breaks_down_holds_up_no_other_decision(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = first_proposal(world), first_proposal(world, "cross_sell")
    say(world, broken, "approve")
    say(world, sound, "approve")
    real = world.threads.waiting

    def waiting(thread_id: str) -> list[Waiting]:
        if thread_id == broken.thread_id:
            raise KeyError(thread_id)
        return real(thread_id)

    monkeypatch.setattr(world.threads, "waiting", waiting)
    assert world.threads.apply_decisions() == [sound.proposal_id]


def test_a_language_that_nobody_reads_is_no_part_and_the_unknown_belong_to_the_brands(world: World) -> None:
    proposal = first_proposal(world)
    # Nobody's language is known here, so all would get English, which is the brand's.
    with pytest.raises(InvalidInputError, match="Nobody who may be written to reads fr"):
        apply_changes(proposal, {"languages": ["fr"]}, world.desk)
    with pytest.raises(InvalidInputError, match=r"none be named in which nothing is written.*en, fr"):
        apply_changes(proposal, {"languages": ["en", "de"]}, world.desk)
    play = apply_changes(proposal, {"languages": ["en"]}, world.desk).play
    assert play.size_band == proposal.play.size_band
    assert {language for _, step in play.sends() for language in step.copies} == {"en"}


def test_an_approval_after_the_deadline_does_not_count(world: World) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "approve")
    world.clock.advance(timedelta(days=30))
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is not ProposalStatus.APPROVED


def test_an_edit_makes_a_version_that_the_guardian_has_seen_and_nobody_approved(world: World) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "edit", actor="cli:paul", changes={"holdout_share": 0.3})
    world.threads.apply_decisions()
    edited = first_proposal(world)
    assert (edited.version, edited.play.holdout_share) == (2, 0.3)
    assert edited.digest != proposal.digest
    assert edited.audience.holdout > proposal.audience.holdout
    assert {finding.rule for finding in edited.findings} == {finding.rule for finding in proposal.findings}
    with world.store.read() as connection:
        stored = proposals.get(connection, proposal.proposal_id)
    assert (stored.status, stored.last_editor) == (ProposalStatus.OPEN, "cli:paul")
    assert question(world, edited).payload["version"] == 2


def test_an_edited_proposal_needs_a_new_approval(world: World) -> None:
    proposal = first_proposal(world)
    old = say(world, proposal, "approve", actor="cli:marie")
    say(world, proposal, "edit", actor="cli:paul", changes={"contacts_per_day": 10})
    with world.store.write() as connection:
        # The approval arrives at the graph only after the edit.
        proposals.consume(connection, old, world.clock.now())
    world.threads.apply_decisions()
    edited = first_proposal(world)
    world.threads.answer(
        proposal.thread_id, question(world, edited).interrupt_id, {"verdict": "approve", "decision_id": old}
    )
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN
    say(world, edited, "approve")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.APPROVED


def test_a_forbidden_edit_is_shown_and_cannot_be_approved(world: World) -> None:
    proposal = first_proposal(world)
    words = {"copies": {"reminder": {"en": {"subject": "Only 5 left at 9.99 €, hurry!"}}}}
    say(world, proposal, "edit", changes=words)
    world.threads.apply_decisions()
    edited = first_proposal(world)
    assert edited.verdict is Verdict.REFUSE
    say(world, edited, "approve", reason="I insist")
    say(world, edited, "approve", actor="console:paul", reason="So do I")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN
    assert any("cannot be approved" in note for note in question(world, edited).payload["notes"])


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": {"type": "all", "of": []}},
        {"owner": "mallory"},
        {"offer_id": "not-approved"},
        {"copies": {"no_such_step": {"en": {"subject": "x"}}}},
        {"copies": {"reminder": {"de": {"subject": "x"}}}},
        {"copies": {"reminder": {"en": {"subject": ""}}}},
        {"holdout_share": 0.0},
        {"starts_at": "2020-01-01T00:00:00Z"},
        {"sequences": []},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_edit_outside_what_may_change_is_refused_with_a_note(world: World, changes: dict[str, Any]) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "edit", changes=changes)
    world.threads.apply_decisions()
    assert first_proposal(world).digest == proposal.digest
    assert question(world, proposal).payload["notes"]


def test_an_offer_that_no_message_shows_cannot_be_edited_in_but_one_that_a_text_names_can(world: World) -> None:
    proposal = first_proposal(world)
    assert not proposal.play.offers
    with pytest.raises(InvalidInputError, match="No message would show the offer spring"):
        check_edit(proposal, {"offer_id": "spring"}, world.desk)
    named = {"reminder": {"en": {"subject": "{% if offer.label %}{{ offer.label }}{% else %}Hello again{% endif %}"}}}
    check_edit(proposal, {"offer_id": "spring", "copies": named}, world.desk)


def test_an_edit_from_agent_inbox_arrives_as_strings_and_changes_only_what_was_changed(sandbox: World) -> None:
    proposal = first_proposal(sandbox)
    asked = question(sandbox, proposal)
    args = {
        name: "" if value is None else str(value) for name, value in asked.payload["action_request"]["args"].items()
    }
    args["copies/reminder/en/subject"] = "Good to hear from you again?"
    answer = [{"type": "edit", "args": {"action": "launch_campaign", "args": args}}]
    sandbox.threads.answer(proposal.thread_id, asked.interrupt_id, answer)
    edited = first_proposal(sandbox)
    before, after = proposal.play.model_dump(), edited.play.model_dump()
    after["sequences"][0]["steps"][0]["copies"]["en"]["subject"] = before["sequences"][0]["steps"][0]["copies"]["en"][
        "subject"
    ]
    assert (edited.version, after) == (2, before)


def test_a_rejection_ends_it_and_keeps_the_reason(world: World) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "reject", reason="Too close to Easter")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.REJECTED
    assert world.threads.waiting(proposal.thread_id) == []
    (entry,) = journalled(world, "proposal.rejected", proposal.proposal_id)
    assert entry.payload["reason"] == "Too close to Easter"


EDIT: dict[str, Any] = {"changes": {"holdout_share": 0.3}}


@pytest.mark.parametrize(("verdict", "more"), [("edit", EDIT), ("approve", {})])
def test_a_no_wins_over_what_waits(world: World, verdict: DecisionVerdict, more: dict[str, Any]) -> None:
    proposal = first_proposal(world)
    waited = say(world, proposal, verdict, actor="cli:paul", **more)
    say(world, proposal, "reject", reason="Too close to Easter")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.REJECTED
    assert first_proposal(world).version == 1
    (void,) = journalled(world, "decision.void", proposal.proposal_id)
    assert (void.payload["decision"], void.payload["reason"]) == (waited, "The proposal was rejected by then.")


@pytest.mark.parametrize("actor", ["cli:marie", "demo:script"])
@pytest.mark.parametrize(
    ("verdict", "more", "step", "otherwise"),
    [
        ("edit", EDIT, "apply_changes", (2, ProposalStatus.OPEN)),
        ("approve", {}, "may_launch", (1, ProposalStatus.APPROVED)),
    ],
)
def test_a_no_said_while_the_worker_acts_wins_if_it_is_heard(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    actor: str,
    verdict: DecisionVerdict,
    more: dict[str, Any],
    step: str,
    otherwise: tuple[int, ProposalStatus],
) -> None:
    proposal = first_proposal(world)
    say(world, proposal, verdict, actor="cli:paul", **more)
    done = getattr(deciding, step)

    def meanwhile(*given: Any) -> Any:
        say(world, proposal, "reject", reason="Too close to Easter", actor=actor)
        return done(*given)

    monkeypatch.setattr(deciding, step, meanwhile)
    world.threads.apply_decisions()
    found = first_proposal(world).version, status_of(world, proposal.proposal_id)
    assert found == ((1, ProposalStatus.REJECTED) if actor == "cli:marie" else otherwise)
    if actor == "cli:marie":
        assert world.threads.waiting(proposal.thread_id) == []
        assert world.threads.apply_decisions() == []


def test_a_rejected_proposal_cannot_be_approved_later(world: World) -> None:
    proposal = first_proposal(world)
    asked = question(world, proposal)
    say(world, proposal, "reject", reason="No")
    world.threads.apply_decisions()
    with pytest.raises(NotWaitingError):
        world.threads.answer(proposal.thread_id, asked.interrupt_id, {"verdict": "approve"})


def test_a_question_is_answered_from_the_record_and_the_proposal_waits_on(world: World) -> None:
    proposal = first_proposal(world)
    decision_id = say(world, proposal, "ask", reason="How many contacts are in the segment?")
    world.threads.apply_decisions()
    asked = question(world, proposal)
    (exchange,) = asked.payload["exchanges"]
    assert "80 contacts are in the segment" in exchange["answer"]
    assert proposal.evidence[0].lookup_id in exchange["answer"]
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN
    with world.store.read() as connection:
        said = {one.decision_id: one for one in proposals.decisions_on(connection, proposal.proposal_id)}
    assert said[decision_id].changes["answer"] == exchange["answer"]
    say(world, proposal, "approve")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.APPROVED


def test_where_two_must_agree_one_is_not_enough_and_the_last_editor_does_not_count_alone(world: World) -> None:
    proposal = first_proposal(world)
    two = proposal.model_copy(
        update={"approvals": proposal.approvals.model_copy(update={"people": 2, "second_person": True})}
    )
    with world.store.write() as connection:
        proposals.revise(
            connection, two.model_copy(update={"version": 2}), author="console:marie", at=world.clock.now()
        )
    # The thread notices that what it showed is no longer on record, and shows the new version.
    asked = question(world, proposal)
    world.threads.recover()
    with world.store.write() as connection:
        proposals.set_interrupt(connection, proposal.proposal_id, asked.interrupt_id)
    world.threads.answer(proposal.thread_id, asked.interrupt_id, {"verdict": "approve"})
    newest = first_proposal(world)
    say(world, newest, "approve", actor="console:marie")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN
    assert any("Another person" in note for note in question(world, newest).payload["notes"])
    say(world, newest, "approve", actor="console:paul")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.APPROVED


def test_over_a_hold_an_approval_needs_a_reason(world: World) -> None:
    proposal = first_proposal(world)
    held = Finding(rule="critic", verdict=Verdict.HOLD, sentence="The list is tiny.")
    again = proposal.model_copy(update={"version": 2, "findings": (*proposal.findings, held)})
    with world.store.write() as connection:
        proposals.revise(connection, again, author="noria", at=world.clock.now())
    world.threads.recover()
    world.threads.answer(proposal.thread_id, question(world, proposal).interrupt_id, {"verdict": "approve"})
    say(world, again, "approve", actor="cli:marie")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN
    say(world, again, "approve", actor="cli:paul", reason="We want to learn from it")
    world.threads.apply_decisions()
    assert status_of(world, proposal.proposal_id) is ProposalStatus.APPROVED


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "yes",
        [],
        {},
        42,
        [{"type": "accept"}, {"type": "accept"}],
        {"decisions": []},
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"verdict": "approve", "changes": {"holdout_share": 0.1}},
        {"verdict": "edit"},
        {"verdict": "reject"},
        {"type": "launch"},
        [{"type": "edit", "args": "everything"}],
        [{"type": "response", "args": None}],
    ],
    ids=str,
)
def test_a_bad_answer_is_refused_and_the_question_stays_open(sandbox: World, bad: Any) -> None:
    proposal = first_proposal(sandbox)
    asked = question(sandbox, proposal)
    with pytest.raises(InvalidInputError):
        sandbox.threads.answer(proposal.thread_id, asked.interrupt_id, bad)
    assert question(sandbox, proposal).interrupt_id == asked.interrupt_id
    sandbox.threads.answer(proposal.thread_id, asked.interrupt_id, {"verdict": "approve"})
    assert status_of(sandbox, proposal.proposal_id) is ProposalStatus.APPROVED


def test_everything_said_is_in_an_intact_journal(world: World) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "ask", reason="Why now?")
    world.threads.apply_decisions()
    say(world, proposal, "edit", changes={"holdout_share": 0.25})
    world.threads.apply_decisions()
    say(world, first_proposal(world), "approve")
    world.threads.apply_decisions()
    with world.store.read() as connection:
        assert verify(connection).intact
    for action in ("decision.ask", "question.answered", "decision.edit", "proposal.revised", "proposal.approved"):
        assert journalled(world, action, proposal.proposal_id), action
