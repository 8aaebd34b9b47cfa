"""What a round would change: one thing for each campaign, only where several decisions or a look speak for it."""

from __future__ import annotations

from typing import Any

import pytest

from agents.ideas import MOST_VARIATIONS, Idea, ideas
from agents.live import WEIGHED, Live, LiveArm
from agents.redraw import redrawn
from agents.scheduler import FEWEST_PER_ARM
from agents.variations import EXPLORED, variations
from memory.errors import ConflictError
from memory.play import Play
from memory.sequence_check import defects, most_sends
from memory.steps import Sequence, WaitWindowStep
from memory.trigger import EventTrigger
from tests import examples
from tests.agents.trial import playbooks

MANY = 10_000


def arm(key: str, chance: float, **changes: Any) -> LiveArm:
    values: dict[str, Any] = {"planned": 0.5, "share": 0.5, "share_range": (0.0, 1.0), "contacts": 200.0}
    return LiveArm(key=key, chances=(chance,) * WEIGHED, **{**values, **changes})


def live(*arms: LiveArm, campaign_id: str = "c1", silence: float = 0.0, **changes: Any) -> Live:
    values: dict[str, Any] = {
        "lookup_id": "L1", "version": 1, "name": "Carts", "playbook": "abandoned_cart", "status": "live",
        "lets_in": True, "silence": (silence,) * WEIGHED, "allocation_ids": ("w1", "w2", "w3"), "ahead": MANY,
    }  # fmt: skip
    return Live(campaign_id=campaign_id, arms=arms, **{**values, **changes})


def looked(verdict: str) -> dict[str, Any]:
    return {"readout_id": "r1", "look": 2, "looks_planned": 4, "verdict": verdict, "difference": (0.01, -0.02, 0.04)}


def kinds(*running: Live) -> list[str]:
    return [one.kind for one in ideas(running)]


BOTH = (arm("one", 0.5), arm("two", 0.5))


def test_what_does_harm_is_ended_and_names_the_look_that_says_so() -> None:
    [found] = ideas([live(*BOTH, **looked("harms"), lesson_ids=("l1",))])
    assert (found.kind, found.campaign_id) == ("retire_campaign", "c1")
    said = " ".join(one.sentence for one in found.evidence)
    assert "r1" in said
    assert "l1" in said
    assert {one.lookup_id for one in found.evidence} == {"L1"}
    assert kinds(live(*BOTH, **looked("inconclusive"))) == []


def test_a_campaign_goes_where_silence_is_best_time_and_again() -> None:
    assert kinds(live(*BOTH, silence=0.95)) == ["retire_campaign"]
    assert kinds(live(*BOTH, silence=0.85)) == []
    assert kinds(live(*BOTH).model_copy(update={"silence": (0.95,)})) == []


def test_a_sequence_goes_that_hardly_can_be_best_or_that_harms_and_the_shares_of_today_stay() -> None:
    [found] = ideas([live(arm("one", 0.0, share=0.1), arm("two", 0.6, share=0.6), arm("three", 0.4, share=0.3))])
    assert (found.kind, found.sequences) == ("retire_sequence", ("one",))
    assert found.shares == pytest.approx({"two": 2 / 3, "three": 1 / 3})
    assert kinds(live(arm("one", 0.0, contacts=FEWEST_PER_ARM - 1), arm("two", 1.0))) == []
    assert kinds(live(arm("one", 0.5, verdict="harms"), arm("two", 0.5))) == ["retire_sequence"]


def test_the_last_sequence_is_never_taken_out() -> None:
    assert kinds(live(arm("one", 0.5, verdict="harms"), arm("two", 0.5, verdict="harms"))) == []


def test_other_shares_are_planned_where_the_approved_range_stands_in_the_way() -> None:
    bound = [arm(key, chance, share_range=(0.4, 0.6)) for key, chance in (("one", 0.1), ("two", 0.9))]
    [found] = ideas([live(*bound)])
    assert found.kind == "reallocate"
    assert found.shares == pytest.approx({"one": 0.14, "two": 0.86})
    free = [one.model_copy(update={"share_range": (0.0, 1.0)}) for one in bound]
    assert kinds(live(*free)) in ([], ["vary"])


def test_what_works_is_varied_as_often_as_contacts_come_for_and_no_more_than_five_times() -> None:
    works = looked("works")
    [found] = ideas([live(*BOTH, **works)])
    assert (found.kind, found.variations) == ("vary", 4)
    assert [one.variations for one in ideas([live(*BOTH, **works, ahead=600)])] == [2]
    assert kinds(live(*BOTH, **works, ahead=100)) == []
    assert kinds(live(*BOTH, **works, lets_in=False)) == []
    several = ideas([live(*BOTH, **works, campaign_id=f"c{number}") for number in range(4)])
    assert sum(one.variations for one in several) == MOST_VARIATIONS


def test_a_campaign_about_which_people_are_asked_is_left_alone() -> None:
    assert kinds(live(*BOTH, **looked("harms"), settled=False)) == []


def test_what_harms_comes_first() -> None:
    running = [live(*BOTH, **looked("works")), live(*BOTH, **looked("harms"), campaign_id="c2")]
    assert kinds(*running) == ["retire_campaign", "vary"]


def play(sequence: Sequence) -> Play:
    layouts = {step.template for step in sequence.steps if step.kind == "send" and step.template}
    base = examples.play()
    return base.model_copy(
        update={
            "trigger": EventTrigger(event="cart", runs_days=60),
            "limits": base.limits.model_copy(update={"contacts_per_day": 100}),
            "sequences": (sequence.model_copy(update={"share": 1.0}),),
            "templates": {name: base.templates[min(base.templates)] for name in layouts},
        }
    )


@pytest.mark.parametrize("name", ["abandoned_cart", "welcome", "win_back", "replenishment", "post_purchase"])
def test_every_variation_of_a_packaged_sequence_is_sound_and_unlike_what_is_there(name: str) -> None:
    for one in playbooks()[name].sequences:
        found = variations(one, hours=(9, 19), weekdays=range(5), known=playbooks()[name].sequences)
        keys = [each.sequence.key for each in found]
        assert found, one.key
        assert len(set(keys)) == len(keys)
        assert not set(keys) & {each.key for each in playbooks()[name].sequences}
        assert [each for each in found if defects(each.sequence)] == []
        assert all(most_sends(each.sequence) <= most_sends(one) for each in found)
        again = [*playbooks()[name].sequences, *(each.sequence for each in found)]
        assert not variations(one, hours=(9, 19), weekdays=range(5), known=again)


def idea(kind: Any, **changes: Any) -> Idea:
    values: dict[str, Any] = {"playbook": "p", "name": "n", "sentence": "s", "why": "w", "evidence": ()}
    return Idea(kind=kind, campaign_id="c1", **{**values, **changes})


def test_variations_get_a_fifth_together_and_what_runs_keeps_the_rest() -> None:
    before = play(playbooks()["abandoned_cart"].sequences[0])
    key = before.sequences[0].key
    after, tried = redrawn(before, idea("vary", sequences=(key,), shares={key: 1.0}, variations=3))
    assert len(tried) == 3
    assert {one.key: round(one.share, 4) for one in after.sequences} == {
        key: 0.8,
        **{one.sequence.key: 0.0667 for one in tried},
    }
    assert before.digest != after.digest


def test_a_sequence_that_has_been_varied_in_every_way_is_not_varied_again() -> None:
    before = play(playbooks()["abandoned_cart"].sequences[0])
    key = before.sequences[0].key
    for _ in range(4):
        found = variations(before.sequences[0], hours=(9, 19), weekdays=range(5), known=before.sequences)
        if not found:
            break
        before = before.model_copy(update={"sequences": (*before.sequences, *(one.sequence for one in found))})
    with pytest.raises(ConflictError, match="no variation"):
        redrawn(before, idea("vary", sequences=(key,), shares={key: 1.0}, variations=3))


def test_the_own_weekday_is_tried_among_those_approved_and_nowhere_else() -> None:
    one = playbooks()["win_back"].sequences[0]
    found = {each.lever: each for each in variations(one, hours=(9, 19), weekdays=(1, 3), known=[one])}
    [wait] = [step for step in found["weekday"].sequence.steps if isinstance(step, WaitWindowStep)]
    assert (wait.day, wait.weekdays, wait.explored_days) == ("favourite_weekday", (1, 3), EXPLORED)
    assert "up to a week later" in found["weekday"].sentence
    assert "weekday" not in {each.lever for each in variations(one, hours=(9, 19), weekdays=(1,), known=[one])}
