"""What rules and agents said in English, told in French: with the same numbers, and untouched where nobody knows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console.retelling import Retelling
from console.wiring import Workspace
from memory import proposals
from tests.agents.world import playbooks
from tests.policies.worlds import base_pack

NUMBER = re.compile(r"[1-9]\d*")
SUMMARY = (
    "Write to about 80 contacts, at most 12 a day as they come, from 02 October to 04 December 2017 (up to 2 messages "
    "each, with Free delivery), hold out 9; the messages cost 1.50; decide by 06 October 2017, 06:00 UTC."
)


@pytest.fixture
def french() -> Retelling:
    return Retelling("fr", base_pack(), playbooks().values())


def test_a_sentence_keeps_its_numbers_and_speaks_of_days_as_the_reader_does(french: Retelling) -> None:
    assert french.text(SUMMARY) == (
        "Écrire à environ 80 contacts, au plus 12 par jour à mesure qu’ils viennent, du 2 octobre au 4 décembre 2017 "
        "(au plus 2 messages chacun, avec Free delivery), 9 gardés à l’écart ; les messages coûtent 1,50 ; à décider "
        "avant le 6 octobre 2017, 06:00 UTC."
    )


def test_words_of_playbooks_and_rules_come_from_their_own_files(french: Retelling) -> None:
    win_back = playbooks()["win_back"]
    said = french.text(
        f"{win_back.signal['en']} We expect “Win-back” to raise the share who order within 21 days from 51 % to 55 %."
    )
    assert said is not None
    assert said.startswith(win_back.signal["fr"])
    assert "« Reconquête »" in said
    assert french.text(win_back.why("en", {"contacts": "263"})) == win_back.why("fr", {"contacts": "263"})
    assert {french.text(one.sentence.en) for one in base_pack().rules} == {one.sentence.fr for one in base_pack().rules}
    assert french.text("Win-back: 89 contacts") == "Reconquête : 89 contacts"


def test_thousands_and_decimals_are_written_as_the_reader_writes_them(french: Retelling) -> None:
    said = french.text("An order of theirs is worth 1,234.50 EUR (margin).")
    assert said == "Une commande de leur part vaut 1\u202f234,50 EUR (marge)."
    assert french.text("Change of Win-back v2.1") == "Changement de Win-back v2.1"
    reason = french.text("It reaches 1095 contacts; one person may approve fewer than 10000.")
    assert reason == "Elle touche 1095 contacts ; une personne peut en approuver moins de 10000."


def test_a_list_is_told_part_by_part(french: Retelling) -> None:
    said = french.text("In 90 days some of them wrote back an objection: 3 price, 1 no interest.")
    assert said == "En 90 jours, certains ont répondu par une objection : 3 sur le prix, 1 sans intérêt."


def test_a_text_that_no_template_could_know_is_not_looked_through(french: Retelling) -> None:
    assert french.text("Write to " + " on  (up to " * 1000) is None


def test_what_nobody_has_said_in_french_stays_english_and_is_marked_so(french: Retelling) -> None:
    assert french.text("The model liked it.") is None
    assert french("The model <b>liked</b> it.") == '<span lang="en">The model &lt;b&gt;liked&lt;/b&gt; it.</span>'
    assert Retelling("en", base_pack(), ())("The model <b>liked</b> it.") == "The model &lt;b&gt;liked&lt;/b&gt; it."


def test_a_proposal_of_the_rules_is_told_in_french_as_a_whole(proposed: Path, french: Retelling) -> None:
    opened = Workspace(proposed, {})
    with opened.store.read() as connection:
        found = [one.proposal for one in proposals.list_proposals(connection)]
    opened.close()
    assert found
    for one in found:
        sentences = [one.title, one.summary, one.why_now, one.hypothesis, one.detection.sentence]
        sentences += [each.sentence for each in one.evidence]
        sentences += [*one.approvals.reasons, *one.approvals.asks_because]
        sentences += [each.sentence for each in one.audience.subtractions]
        for english in sentences:
            said = french.text(english)
            assert said is not None, english
            assert sorted(NUMBER.findall(said)) == sorted(NUMBER.findall(english)), said
