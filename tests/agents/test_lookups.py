"""Look-ups: a closed set, read-only, written down, budgeted, and without anything that points at a person."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import inspect, text

from agents.measures import lookups_for
from memory.errors import InvalidInputError, NotFoundError
from tests.agents.world import CONTACTS, LATE, WITHOUT_CONSENT, World
from tools.lookups import Budget, BudgetSpentError, Lookups, keep, read

ABOUT = {"playbook": "win_back"}


def lookups_of(world: World, thread_id: str = "t1", **budget: int) -> Lookups:
    made = lookups_for(world.desk, thread_id)
    made.budget = Budget(**budget) if budget else made.budget
    return made


def test_each_answer_is_kept_under_the_id_that_evidence_cites(world: World) -> None:
    found = lookups_of(world).call("segment", ABOUT)
    with world.store.read() as connection:
        assert read(connection, found.lookup_id) == found
    assert found.result["contacts"] == len(LATE)


def test_asking_the_same_twice_costs_once(world: World) -> None:
    lookups = lookups_of(world)
    assert lookups.call("segment", ABOUT) == lookups.call("segment", ABOUT)
    assert lookups.spent().calls == 1


def test_the_budget_is_kept_across_restarts_and_per_thread(world: World) -> None:
    lookups_of(world, calls=2).call("segment", ABOUT)
    lookups_of(world, calls=2).call("history", {})
    with pytest.raises(BudgetSpentError):
        lookups_of(world, calls=2).call("offers", {})
    lookups_of(world, "t2", calls=2).call("offers", {})


def test_tokens_are_added_up_and_run_out(world: World) -> None:
    lookups = lookups_of(world, tokens=100)
    lookups.check_tokens()
    lookups.charge_model("analyst", 60)
    lookups.charge_model("analyst", 60)
    assert lookups.spent().tokens == 120
    with pytest.raises(BudgetSpentError):
        lookups.check_tokens()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("send_email", {"to": "all"}),
        ("segment", {}),
        ("segment", {"playbook": "no_such"}),
        ("segment", {"playbook": "win_back", "sql": "drop table contacts"}),
        ("segment", {"playbook": "win_back'; drop table contacts; --"}),
        ("feature", {"playbook": "win_back", "feature": "email"}),
        ("audience", {"playbook": "win_back", "holdout_share": 7}),
    ],
    ids=str,
)
def test_what_is_not_offered_is_refused_and_leaves_no_trace(world: World, name: str, arguments: dict[str, Any]) -> None:
    lookups = lookups_of(world)
    with pytest.raises(InvalidInputError):
        lookups.call(name, arguments)
    assert lookups.spent().calls == 0


def test_what_nobody_looked_up_cannot_be_read(world: World) -> None:
    with world.store.read() as connection, pytest.raises(NotFoundError):
        read(connection, "Lmadeup")


def test_keeping_the_same_twice_keeps_it_once(world: World) -> None:
    with world.store.write() as connection:
        ids = {
            keep(connection, thread_id="t", name="n", arguments={}, result={"a": 1}, at=world.clock.now())
            for _ in range(2)
        }
    assert len(ids) == 1


def test_every_look_up_answers_in_plain_values_and_names_nobody(world: World) -> None:
    arguments: dict[str, dict[str, Any]] = {
        "history": {},
        "offers": {},
        "consent": {},
        "policy_limits": {},
        "feature": {**ABOUT, "feature": "top_category"},
    }
    lookups = lookups_of(world)
    for offer in lookups.offered:
        found = lookups.call(offer.name, arguments.get(offer.name, ABOUT))
        told = json.dumps(found.result)
        assert "@" not in told.replace(world.desk.pack.version, "")
        assert "Name1" not in told
        assert not found.result.get("sample")


def test_a_look_up_changes_nothing_but_its_own_record(world: World) -> None:
    def counts() -> dict[str, int]:
        with world.store.read() as connection:
            names = sorted(set(inspect(connection).get_table_names()) - {"lookups"})
            return {name: connection.execute(text(f'select count(*) from "{name}"')).scalar_one() for name in names}

    before = counts()
    lookups = lookups_of(world)
    for name in ("segment", "audience", "base_rate", "order_value", "lessons", "past_campaigns"):
        lookups.call(name, ABOUT)
    assert counts() == before


def test_a_value_that_few_contacts_share_is_not_told(world: World) -> None:
    told = lookups_of(world).call("feature", {**ABOUT, "feature": "last_product_id"}).result
    assert all(one["contacts"] >= 5 for one in told["most_common"])


def test_consents_are_counted(world: World) -> None:
    told = lookups_of(world).call("consent", {}).result
    assert told == {
        "contacts": CONTACTS,
        "consented": CONTACTS - len(WITHOUT_CONSENT),
        "with_proof": CONTACTS - len(WITHOUT_CONSENT),
    }
