"""The rules provider: numbers that add up, choices that are justified, words that come from records."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.learning.forecast import forecast, score
from agents.learning.intervals import Effect
from agents.learning.priors import Prior
from agents.left_out import sequences_left_out
from agents.planning import plan
from agents.provider import Writing
from agents.resume import Threads
from agents.rules import reply_by_rules
from agents.scheduler import contacts_per_day, size_band
from agents.series import RUNNING
from agents.sizing import choose_holdout, make_detection, make_forecast, prior_from, split
from memory import lessons, proposals
from memory.errors import InvalidInputError
from memory.lake import Lake, LakeTable
from memory.lessons import Lesson
from memory.play import Offer
from memory.proposal import Audience, Authorship
from memory.schema import campaigns, consent_current, consents, readouts
from tests import examples
from tests.agents.world import (
    BRIEF,
    CONTACTS,
    LATE,
    NOW,
    World,
    add_offer,
    first_proposal,
    journalled,
    open_world,
    playbooks,
)
from tests.memory.builders import as_rows
from tests.plays import offer_for
from tests.policies.worlds import own_pack
from tools.catalog import ACTIONS, read_action
from tools.lookups import read

RATES = st.floats(0, 1)
PRIORS = st.builds(Prior, mean=st.floats(-0.5, 0.5), sd=st.floats(0.05, 0.5))


def audience(reachable: int, share: float = 0.1) -> Audience:
    return split(Audience(selected=reachable, reachable=reachable, holdout=0, treated=reachable), share)


def test_evidence_names_the_look_up_it_comes_from_and_repeats_its_number(world: World) -> None:
    proposal = first_proposal(world)
    with world.store.read() as connection:
        found = {one.lookup_id: read(connection, one.lookup_id) for one in proposal.evidence}
    segment = next(one for one in proposal.evidence if found[one.lookup_id].name == "segment")
    assert segment.value == found[segment.lookup_id].result["contacts"] == len(LATE)
    assert all(one.thread_id == proposal.thread_id for one in found.values())


def test_the_audience_is_a_subtraction_that_adds_up(world: World) -> None:
    for name in ("win_back", "cross_sell"):
        counted = first_proposal(world, name).audience
        assert counted.selected - sum(one.contacts for one in counted.subtractions) == counted.reachable
        assert counted.treated + counted.holdout == counted.reachable <= CONTACTS


def test_opportunities_are_ranked_by_value_per_message(world: World) -> None:
    with world.store.read() as connection:
        ranks = [one.proposal.rank_score for one in proposals.list_proposals(connection)]
    assert ranks == sorted(ranks, reverse=True)
    assert len(ranks) >= 3


def test_a_playbook_that_waits_for_people_is_not_proposed_twice(world: World) -> None:
    world.clock.advance(timedelta(days=1))
    result = plan(world.threads, BRIEF)
    assert "waiting or running" in next(one for one in result.withheld if one.playbook == "win_back").sentence


def test_an_empty_record_supports_nothing_and_says_why(tmp_path: Path) -> None:
    with open_world(tmp_path, names=["win_back"]) as world:
        world.store.migrate()
        result = plan(world.threads, BRIEF)
    assert result.proposal_ids == ()
    assert result.withheld[0].sentence.startswith("Nobody shows its signal now")


def test_without_any_consent_nothing_is_proposed_and_the_reason_has_its_number(fresh: Path) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        with world.store.write() as connection:
            connection.execute(consent_current.delete())
            connection.execute(consents.delete())
        result = plan(world.threads, BRIEF)
    assert result.proposal_ids == ()
    assert f"{len(LATE)}: Nobody is written to without consent" in result.withheld[0].sentence


def test_a_handful_of_contacts_is_not_proposed_and_the_reason_says_how_many_it_takes(fresh: Path) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        with world.store.write() as connection:
            connection.execute(consent_current.delete().where(consent_current.c.contact_id > 19))
        result = plan(world.threads, BRIEF)
    assert result.proposal_ids == ()
    assert "selected contacts 19 may be written to" in result.withheld[0].sentence
    assert "at least 20 contacts" in result.withheld[0].sentence


def test_a_policy_pack_sets_how_many_contacts_it_takes(fresh: Path) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        desk = replace(world.desk, pack=own_pack("  audience_size: {parameters: {minimum_contacts: 500}}\n"))
        result = plan(Threads(desk, world.threads.checkpointer), BRIEF)
    assert "at least 500 contacts" in result.withheld[0].sentence


@pytest.mark.parametrize(("effect", "proposed"), [(-0.3, False), (-0.05, True)])
def test_a_play_that_is_expected_to_lose_is_not_proposed(fresh: Path, effect: float, *, proposed: bool) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        with world.store.write() as connection:
            for place in range(8):
                lessons.write(connection, lesson(effect, lesson_id=f"l{place}"), at=NOW)
        result = plan(world.threads, BRIEF)
    assert bool(result.proposal_ids) is proposed
    if not proposed:
        said = result.withheld[0].sentence
        assert "more than it brings in 21 days" in said
        assert "8 lessons of earlier campaigns say so" in said


def test_rules_plan_the_same_twice(fresh: Path, world: World) -> None:
    with open_world(fresh) as again:
        plan(again.threads, BRIEF)
        first, second = first_proposal(world), first_proposal(again)
    assert first.digest == second.digest
    assert first.evidence == second.evidence


def lesson(effect: float, **changes: object) -> Lesson:
    values = {
        "lesson_id": "l1",
        "campaign_id": None,
        "readout_id": None,
        "playbook": "win_back",
        "segment": "late",
        "lever": "offer",
        "level": "no_offer",
        "goal": "order",
        "channel": "email",
        "effect": effect,
        "standard_error": 0.1,
        "contacts": 5_000,
        "conversions": 250,
        "verdict": "harms" if effect < 0 else "works",
        "text": {"en": "It did something."},
        "evidence": {},
        "observed_from": NOW - timedelta(days=60),
        "observed_to": NOW - timedelta(days=30),
        "expires_at": NOW + timedelta(days=300),
        "created_at": NOW - timedelta(days=30),
        **changes,
    }
    return Lesson.model_validate(values)


def test_a_lesson_moves_the_forecast_and_the_proposal_says_by_how_much(fresh: Path, world: World) -> None:
    before = first_proposal(world)
    with open_world(fresh, names=["win_back"]) as taught:
        with taught.store.write() as connection:
            lessons.write(connection, lesson(-0.6), at=NOW)
        plan(taught.threads, BRIEF)
        after = first_proposal(taught)
    (use,) = after.lessons
    assert use.lesson_id == "l1"
    assert use.effect_before == pytest.approx(before.forecast.effect_mean)
    assert use.effect_after == pytest.approx(after.forecast.effect_mean)
    assert after.forecast.effect_mean < before.forecast.effect_mean
    assert after.forecast.incremental_mean < before.forecast.incremental_mean


def test_a_withdrawn_or_expired_lesson_moves_nothing(fresh: Path, world: World) -> None:
    with open_world(fresh, names=["win_back"]) as taught:
        with taught.store.write() as connection:
            lessons.write(connection, lesson(-0.6, expires_at=NOW - timedelta(days=1)), at=NOW)
            lessons.write(connection, lesson(-0.6, lesson_id="l2", state="withdrawn"), at=NOW)
        plan(taught.threads, BRIEF)
        assert first_proposal(taught).forecast.effect_mean == first_proposal(world).forecast.effect_mean


def test_errors_of_finished_forecasts_widen_and_lower_the_next_one(
    fresh: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = forecast(Prior(mean=0.4, sd=0.1), base_rate=0.05, treated_contacts=900, holdout_contacts=100)
    seen = [Effect(estimate=0.35 + off, standard_error=0.05) for off in (-0.15, 0.15) for _ in range(25)]
    bodies = [score(made, one).model_dump(mode="json") for one in seen]
    monkeypatch.setattr("agents.recall.forecasts.scores", lambda _: bodies)
    with open_world(fresh, names=["win_back"]) as taught:
        plan(taught.threads, BRIEF)
        found, before = first_proposal(taught).forecast, first_proposal(world).forecast
    assert found.widened > 1
    assert found.effect_sd == pytest.approx(before.effect_sd * found.widened)
    assert found.effect_mean == pytest.approx(before.effect_mean - found.lowered)
    assert found.lowered == pytest.approx(0.05)


@given(st.lists(st.floats(-0.5, 0.5), max_size=5), PRIORS)
@settings(max_examples=30, deadline=None)
def test_the_uses_of_lessons_lead_from_the_starting_prior_to_the_final_one(effects: list[float], start: Prior) -> None:
    told = [lesson(effect, lesson_id=f"l{number}") for number, effect in enumerate(effects)]
    prior, uses = prior_from(told, segment="late", lever="offer", starting=start, at=NOW)
    means = [start.mean, *(use.effect_after for use in uses)]
    assert [use.effect_before for use in uses] == means[:-1]
    assert prior.mean == means[-1]
    assert all(0 <= use.weight <= 1 for use in uses)


@given(st.integers(2, 2_000_000), RATES, PRIORS, st.floats(0.01, 0.5))
def test_the_holdout_is_between_a_tenth_and_a_quarter_unless_the_playbook_wishes_for_more(
    reachable: int, rate: float, prior: Prior, wish: float
) -> None:
    chosen = choose_holdout(reachable, rate, prior, wish)
    assert max(0.10, wish) <= chosen.share <= max(0.25, wish)
    assert f"{chosen.share:.0%} held out" in chosen.why


def test_a_list_that_some_share_can_prove_holds_out_that_one_and_any_other_no_more_than_the_wish() -> None:
    prior = Prior(mean=0.15, sd=0.25)
    shares = [choose_holdout(size, 0.05, prior, 0.1).share for size in (150, 600, 2_000, 3_000, 100_000)]
    assert shares == [0.1, 0.1, 0.2, 0.15, 0.1]
    assert "several campaigns together" in choose_holdout(150, 0.05, prior, 0.1).why
    assert "smallest share that can prove" in choose_holdout(2_000, 0.05, prior, 0.1).why
    assert choose_holdout(2_000, 0.05, prior, 0.0) == (0.0, "")


@given(st.integers(2, 500_000), RATES, PRIORS, st.floats(0, 50_000), st.floats(0, 5_000))
@settings(deadline=None)
def test_a_forecast_is_ordered_and_a_discount_never_makes_it_richer(
    reachable: int, rate: float, prior: Prior, value: float, discount: float
) -> None:
    def made(off: float) -> float:
        found = make_forecast(
            prior,
            base_rate=rate,
            audience=audience(reachable),
            window_days=28,
            value_per_order_cents=value,
            value_kind="revenue",
            discount_per_order_cents=off,
            currency="EUR",
        )
        quantiles = [found.incremental_quantiles[key] for key in ("0.05", "0.25", "0.5", "0.75", "0.95")]
        assert quantiles == sorted(quantiles)
        return found.value_cents_quantiles["0.95"] if found.incremental_quantiles["0.95"] > 0 else 0.0

    assert made(min(discount, value)) <= made(0.0) + 1e-6


@given(st.integers(0, 5_000), RATES, st.floats(0, 0.5))
def test_a_detection_limit_is_never_past_certainty(reachable: int, rate: float, share: float) -> None:
    limit = make_detection(rate, audience(reachable, share))
    assert limit.sentence
    assert limit.absolute_lift is None or limit.base_rate + limit.absolute_lift <= 1


@given(st.integers(2, 1_000_000))
def test_a_size_band_holds_its_audience_and_not_much_more(reachable: int) -> None:
    fewest, most = size_band(reachable)
    assert 1 <= fewest <= reachable <= most <= max(reachable + 5, reachable * 1.2 + 1)
    per_day = contacts_per_day(reachable)
    assert per_day is None or per_day * 7 >= reachable > 5_000


@pytest.mark.parametrize(("rate", "known"), [(0.0, False), (0.02, True)])
def test_without_a_rate_neither_an_effect_nor_its_proof_is_promised(rate: float, *, known: bool) -> None:
    reached = audience(4000)
    found = make_forecast(
        Prior(mean=0.3, sd=0.2),
        base_rate=rate,
        audience=reached,
        window_days=14,
        value_per_order_cents=1000,
        value_kind="revenue",
        currency="EUR",
    )
    limit = make_detection(rate, reached)
    assert found.has_rate is found.sentence.startswith("Expected: ") is ("prove lifts" in limit.sentence) is known
    assert (limit.relative_lift is not None) is (limit.absolute_lift is not None) is known
    if not known:
        assert found.sentence.startswith("Unknown: nobody like these")
        assert "no lift can be promised" in limit.sentence
        assert choose_holdout(4000, rate, Prior(mean=0.3, sd=0.2), 0.1) == (
            0.1, "10% held out: while the rate is unknown, no share can promise to prove anything."
        )  # fmt: skip


@pytest.mark.parametrize(("days_ago", "known"), [(2, False), (8, True)])
def test_a_play_whose_rate_nobody_knows_is_proposed_without_any_promise(
    fresh: Path, days_ago: int, *, known: bool
) -> None:
    # Whoever left a cart has five days to order: only those of a week ago had them, and some did.
    carts = [{"event_id": f"c{one}", "kind": "cart", "contact_id": one, "at": NOW - timedelta(days=days_ago)}
             for one in range(81, 151)]  # fmt: skip
    Lake(fresh / "lake").replace(LakeTable.EVENTS, as_rows(LakeTable.EVENTS, carts))
    with open_world(fresh, names=["abandoned_cart"]) as world:
        # What its messages cost is known, what they bring is not: that is no expected loss.
        desk = replace(world.desk, settings=world.desk.settings.model_copy(update={"message_cost_micros": 1_000_000}))
        plan(Threads(desk, world.threads.checkpointer), BRIEF)
        found = first_proposal(world, "abandoned_cart")
    words = f"{found.why_now} {found.hypothesis}"
    assert found.forecast.has_rate is found.says_what_it_adds is known
    assert ("an unknown share of such contacts order by themselves" in words) is not known
    assert ("by how much is unknown" in words) is not known
    assert ("0.05" in words) is False
    assert found.forecast.sentence.startswith("Expected: " if known else "Unknown: ")


def test_messages_start_tomorrow_when_the_window_opens_in_the_fallback_zone(world: World) -> None:
    schedule = first_proposal(world).play.schedule
    local = schedule.starts_at.astimezone(ZoneInfo("Europe/Paris"))
    assert (local.hour, local.minute) == (schedule.send_from_hour, 0)
    assert schedule.starts_at.utcoffset() == timedelta(0)
    assert timedelta(0) < schedule.starts_at - world.clock.now() < timedelta(days=2)


def test_a_proposal_says_which_sequences_and_plays_were_left_out_and_why(world: World) -> None:
    proposal = first_proposal(world)
    told = {(one.kind, one.key): one.why for one in proposal.left_out}
    playbook = world.desk.playbooks["win_back"]
    kept = {one.key for one in proposal.play.sequences}
    assert {key for kind, key in told if kind == "sequence"} == {one.key for one in playbook.sequences} - kept
    assert "too small to test it as well: 50 contacts" in " ".join(told.values())
    plays = {key for kind, key in told if kind == "play"}
    with world.store.read() as connection:
        proposed = {one.proposal.play.playbook for one in proposals.list_proposals(connection)}
    assert plays | proposed == set(world.desk.playbooks)
    assert RUNNING not in told.values()
    assert not plays & proposed


@pytest.mark.parametrize(
    ("offer", "channels", "why"),
    [
        (None, {"email"}, "It needs an offer"),
        (offer_for(playbooks()["win_back"]), set(), "No channel that is set up"),
        (offer_for(playbooks()["win_back"]), {"email"}, "it does the same as another"),
    ],
)
def test_a_sequence_that_cannot_be_told_is_left_out_with_what_it_lacks(
    offer: Offer | None, channels: set[str], why: str
) -> None:
    playbook = next(one for one in playbooks().values() if any(map(one.needs_offer, one.sequences)))
    written = Writing(sequences=(), offer=offer, author=Authorship(agent="copywriter", provider="rules"))
    found = {one.key: one.why for one in sequences_left_out(playbook, written, {}, channels)}
    assert set(found) == {one.key for one in playbook.sequences}
    assert all(why in found[one.key] for one in playbook.sequences if playbook.needs_offer(one))


def test_a_small_list_tests_one_sequence_and_carries_no_offer_that_nobody_sees(world: World) -> None:
    play = first_proposal(world).play
    assert [one.key for one in play.sequences] == ["reminder"]
    assert play.offer is None
    assert set(play.templates) == {step.template for _, step in play.sends()}


@pytest.mark.parametrize(
    ("changes", "usable"),
    [
        ({}, True),
        ({"approved_by": ""}, False),
        ({"value": 9_000}, False),
        ({"labels": {"en": "10 % off"}}, False),
        ({"kind": "points"}, False),
        ({"ends_at": NOW + timedelta(days=4)}, False),
        ({"starts_at": NOW + timedelta(days=4)}, False),
    ],
    ids=str,
)
def test_only_an_approved_open_fitting_offer_is_used(fresh: Path, changes: dict[str, object], usable: bool) -> None:
    from agents.copywriter import choose_offer
    from agents.handover import fetch
    from agents.provider import Analysis
    from agents.tasks import task_of
    from memory.schema import offers

    with open_world(fresh, names=["win_back"]) as world:
        with world.store.write() as connection:
            connection.execute(offers.delete())
        add_offer(world.store, "try", **changes)
        plan(world.threads, BRIEF)
        thread_id = first_proposal(world).thread_id
        state = world.threads.values(thread_id)
        task = task_of({**state, "thread_id": thread_id}, world.desk)  # type: ignore[typeddict-item]
        analysis = fetch(world.desk, thread_id, state["analysis_id"], Analysis)
        assert (choose_offer(task, analysis) is not None) == usable


def test_a_reply_names_its_source_and_admits_ignorance(world: World) -> None:
    proposal = first_proposal(world)
    assert proposal.evidence[0].lookup_id in reply_by_rules(proposal, "How many contacts are in this segment?")
    assert "10% held out" in reply_by_rules(proposal, "Why are 10 % held out?")
    for unknown in ("Xyzzy plugh?", "What did this earn last year?", "Does the forecast count the cost of gifts?"):
        assert reply_by_rules(proposal, unknown).startswith("The record does not answer that."), unknown


def test_the_look_ups_of_a_thread_are_journalled_with_their_budget(world: World) -> None:
    proposal = first_proposal(world)
    (entry,) = journalled(world, "lookups.spent", proposal.thread_id)
    assert 0 < entry.payload["used"]["calls"] <= entry.payload["budget"]["calls"]


def test_agents_may_propose_to_launch_or_change_a_campaign_and_only_as_it_must_be() -> None:
    assert set(ACTIONS) == {"launch_campaign", "change_campaign", "retire_campaign"}
    assert {action.autonomy for action in ACTIONS.values()} == {"approve"}
    assert read_action("launch_campaign", examples.play().model_dump(mode="json")) == examples.play()
    for kind, arguments in (("send_email", {"to": "all"}), ("launch_campaign", {"to": "all"})):
        with pytest.raises(InvalidInputError):
            read_action(kind, arguments)


def test_nothing_is_launched_or_read_out_by_planning(world: World) -> None:
    with world.store.read() as connection:
        assert connection.execute(campaigns.select()).all() == []
        assert connection.execute(readouts.select()).all() == []
