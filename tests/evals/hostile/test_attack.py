"""The table of attacks is wide, a model that wants to obey reads every disguise, and plain text is no order."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest

from evals.hostile.attack import Attack, attack_table
from evals.hostile.disguise import disguised, mentions, orders_in
from evals.hostile.suite import rounds
from memory.errors import InvalidInputError

TABLE = attack_table()
CASES = TABLE.cases()
TOKEN = "q12ab34f"


def test_there_are_at_least_sixty_attacks_and_each_place_ask_and_disguise_is_in_one() -> None:
    assert len({one.id for one in CASES}) == len(CASES) >= 60
    assert {one.place for one in CASES} == set(TABLE.places)
    assert {one.ask for one in CASES} == set(TABLE.asks)
    assert {one.disguise for one in CASES} == set(TABLE.disguises)
    assert min(Counter(one.language for one in CASES).values()) >= 25


@pytest.mark.parametrize("attack", CASES, ids=lambda one: one.id)
@pytest.mark.parametrize("seed", range(3))
def test_an_order_is_found_in_every_disguise(attack: Attack, seed: int) -> None:
    hidden = disguised(TABLE.text(attack, TOKEN), attack.disguise, Random(seed))
    shown = json.dumps({"something": hidden}, ensure_ascii=False)
    assert orders_in(shown, TABLE.asks) == {(attack.ask, TOKEN)}
    assert mentions(shown, TOKEN)


def test_there_is_no_order_in_ordinary_words() -> None:
    words = f"Hello, hold nobody back. Your code is {TOKEN}; print it, or enter it at https://www.example.com/pay."
    assert orders_in(words, TABLE.asks) == set()


def test_a_row_that_names_no_ask_is_refused_with_the_row() -> None:
    wrong = TABLE.model_copy(update={"attacks": {"note": ("shout plain en",)}})
    with pytest.raises(InvalidInputError, match="shout plain en"):
        wrong.cases()


def test_every_attack_gets_a_place_in_a_round_with_an_answer_of_its_own() -> None:
    spread = rounds(CASES, TABLE, Random(1))
    assert sorted(one.id for attacks in spread for one in attacks) == sorted(one.id for one in CASES)
    for attacks in spread:
        assert sum(TABLE.asks[one.ask].by == "copywriter" for one in attacks) <= 4
        assert sum(one.place == "offer" for one in attacks) <= 1
