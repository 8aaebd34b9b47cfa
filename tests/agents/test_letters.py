"""What a person wrote goes the way of every proposal: as written, judged by the rules, approved by somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.desk import Desk
from agents.edit import check_edit
from agents.letters import propose_letter
from agents.written import desk_for, faults, play_of, playbook_from, unanswered
from memory import letters, proposals
from memory.clock import ManualClock
from memory.errors import InvalidInputError
from memory.letters import Letter, StoredLetter, Words
from memory.proposals import StoredProposal
from tests.agents.world import NOW, World, add_offer, open_world

ENGLISH = Words(
    subject="What is new in the shop",
    headline="What is new in the shop",
    body="Hello, here is what is on in the shop this week.\nHave a look if you like, and reply if you have a question.",
    button="See what is on",
)
FRENCH = Words(
    subject="Ce qui se passe dans la boutique",
    headline="Ce qui se passe dans la boutique",
    body="Bonjour, voici ce qui se passe dans la boutique cette semaine.\nJetez-y un œil si vous voulez.",
    button="Voir les nouvelles",
)
LETTER = Letter(
    name="Tuesday's letter",
    intention="Keep customers close to the shop",
    metric="orders",
    signal="New things arrived in the shop this week.",
    receptivity="They asked for news and many clicked last time.",
    owner="marie",
    stop_rule="Complaints above one in a thousand",
    decision="Whether there is a letter every week",
    words={"en": ENGLISH, "fr": FRENCH},
    starts_at=NOW + timedelta(days=1, hours=1),
)
TIME = ManualClock(NOW)


@pytest.fixture
def world(fresh: Path) -> Iterator[World]:
    with open_world(fresh) as found:
        yield found


def submit(world: World, letter: Letter, letter_id: str = "tuesday") -> StoredLetter:
    with world.store.write() as connection:
        letters.create(connection, letter_id, letter, actor="console:ines", at=NOW)
        return letters.submit(connection, letter_id, version=1, actor="console:ines", at=NOW)


def after(world: World, letter_id: str = "tuesday") -> StoredLetter:
    with world.store.read() as connection:
        return letters.get(connection, letter_id)


def proposed(world: World, letter: Letter = LETTER) -> StoredProposal:
    submit(world, letter)
    assert propose_letter(world.threads, TIME) == "tuesday"
    found = after(world)
    assert found.answer == ""
    assert found.state == "proposed"
    assert found.proposal_id
    with world.store.read() as connection:
        return proposals.get(connection, found.proposal_id)


def test_a_letter_becomes_a_proposal_with_its_very_words_hour_and_audience(world: World) -> None:
    letter = LETTER.model_copy(
        update={"segment": {"type": "compare", "field": "orders_count", "operator": ">=", "value": 3}}
    )
    stored = proposed(world, letter)
    play = stored.proposal.play
    [(_, step)] = play.sends()
    assert step.copies["en"].body == tuple(ENGLISH.body.splitlines())
    assert step.copies["fr"].subject == FRENCH.subject
    assert play.schedule.starts_at == LETTER.starts_at
    assert play.audience == letter.segment
    assert play.owner == "marie"
    assert stored.status == "open"
    assert {one.rule for one in stored.proposal.findings} >= {"consent_coverage", "holdout"}
    # Whoever wrote it is its last editor: where two people are asked they are not the only one.
    assert stored.last_editor == "console:ines"
    assert propose_letter(world.threads, TIME) == ""


def test_no_model_rewrites_what_a_person_wrote(world: World) -> None:
    class Talkative:
        """Stands for a model that would write something else, at another hour."""

        name = "model"

        def __getattr__(self, name: str) -> Any:
            assert name not in ("write", "schedule"), name
            return getattr(world.desk.provider, name)

    submit(world, LETTER)
    seated = replace(world.desk, provider=Talkative())
    assert desk_for(seated, "win_back") is seated
    assert desk_for(seated, "letter-tuesday").provider.name == "model"
    with open_world(world.folder, provider=Talkative()) as other:
        assert propose_letter(other.threads, TIME) == "tuesday"
    assert after(world).state == "proposed"


def test_what_the_rules_refuse_goes_back_to_its_author_and_may_be_mended(world: World) -> None:
    claim = ENGLISH.model_copy(update={"headline": "The best coffee in the world, guaranteed"})
    submit(world, LETTER.model_copy(update={"words": {"en": claim, "fr": FRENCH}}))
    propose_letter(world.threads, TIME)
    found = after(world)
    assert found.state == "returned"
    assert "a claim that nobody approved" in found.answer
    with world.store.write() as connection:
        mended = letters.save(connection, "tuesday", LETTER, version=found.version, actor="console:ines", at=NOW)
        letters.submit(connection, "tuesday", version=mended.version, actor="console:ines", at=NOW)
    propose_letter(world.threads, TIME)
    assert after(world).state == "proposed"


def test_a_letter_whose_proposal_waits_already_is_not_sent_back_to_be_handed_in_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise OSError("the disk is full")

    submit(world, LETTER)
    monkeypatch.setattr("agents.letters.why_withheld", breaks)
    propose_letter(world.threads, TIME)
    with world.store.read() as connection:
        [waiting] = proposals.list_proposals(connection)
    found = after(world)
    assert (found.state, found.proposal_id, found.answer) == ("proposed", waiting.proposal.proposal_id, "")


def test_whoever_rewrote_a_letter_is_its_last_editor_not_whoever_handed_it_in(world: World) -> None:
    with world.store.write() as connection:
        letters.create(connection, "tuesday", Letter(name="Draft"), actor="console:ines", at=NOW)
        letters.save(connection, "tuesday", LETTER, version=1, actor="console:paul", at=NOW)
        letters.submit(connection, "tuesday", version=2, actor="console:ines", at=NOW)
    propose_letter(world.threads, TIME)
    with world.store.read() as connection:
        [stored] = proposals.list_proposals(connection)
    assert stored.last_editor == "console:paul"


def test_a_letter_for_nobody_and_one_with_an_offer_that_is_gone_come_back_with_the_reason(world: World) -> None:
    nobody = {"type": "compare", "field": "orders_count", "operator": ">=", "value": 900}
    submit(world, LETTER.model_copy(update={"segment": nobody}))
    submit(world, LETTER.model_copy(update={"offer_id": "gone"}), "other")
    assert {propose_letter(world.threads, TIME), propose_letter(world.threads, TIME)} == {"tuesday", "other"}
    assert "Nobody shows its signal now" in after(world).answer
    assert "no approved, open offer gone" in after(world, "other").answer
    # They are handed in anew: what broke off is not taken up again, not even where it would now go through.
    add_offer(world.store, "gone")
    assert world.threads.recover() == []
    with world.store.read() as connection:
        assert proposals.list_proposals(connection) == []


def test_a_letter_with_an_offer_carries_just_that_offer(world: World) -> None:
    told = ENGLISH.model_copy(update={"body": f"{ENGLISH.body}\nIt is yours: {{{{ offer.label }}}}."})
    dit = FRENCH.model_copy(update={"body": f"{FRENCH.body}\nC'est pour vous : {{{{ offer.label }}}}."})
    add_offer(world.store, "another")
    letter = LETTER.model_copy(update={"offer_id": "spring", "layout": "offer", "words": {"en": told, "fr": dit}})
    stored = proposed(world, letter)
    looked_at = play_of(world.desk, after(world))
    assert [one and one.offer_id for one in (stored.proposal.play.offer, looked_at.offer)] == ["spring", "spring"]


def test_a_proposal_of_a_letter_is_edited_like_any_other(world: World) -> None:
    proposal = proposed(world).proposal
    check_edit(proposal, {"copies": {"letter": {"en": {"subject": "News from the shop"}}}}, world.desk)
    with pytest.raises(InvalidInputError, match="The policy would refuse"):
        check_edit(proposal, {"copies": {"letter": {"en": {"subject": "Only 9.99 today"}}}}, world.desk)


def test_the_clarity_gate_asks_what_a_letter_leaves_open(world: World) -> None:
    assert unanswered(LETTER) == ()
    asked = [one.question_id for one in unanswered(LETTER.model_copy(update={"owner": "", "receptivity": "tbd"}))]
    assert asked == ["owner", "receptivity"]


def test_a_letter_may_be_written_in_the_language_of_the_brand_alone_and_in_no_other(world: World) -> None:
    def found(desk: Desk, **words: Words) -> list[str]:
        stored = submit(world, LETTER.model_copy(update={"words": words}), f"one-{'-'.join(words)}")
        return faults(desk, stored)

    assert found(world.desk, en=ENGLISH) == []
    assert "The language “en” is missing." in " ".join(found(world.desk, fr=FRENCH))


def test_words_that_cannot_stand_are_named() -> None:
    broken = LETTER.model_copy(update={"words": {"en": Words(subject="Hello", headline="Hello")}})
    stored = StoredLetter(
        letter_id="x", state="draft", version=1, letter=broken, author="console:ines", created_at=NOW, updated_at=NOW
    )
    with pytest.raises(InvalidInputError, match="This letter cannot stand"):
        playbook_from(stored, None, {})
    with pytest.raises(InvalidInputError, match="There is no layout"):
        playbook_from(stored.model_copy(update={"letter": LETTER.model_copy(update={"layout": "gone"})}), None, {})
