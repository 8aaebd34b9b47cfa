"""Features say of each contact what their history says, strictly before the moment, and the same every time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory.errors import InvalidInputError, LakeError, NotFoundError
from memory.features.registry import COMPARING, REGISTRY
from memory.features.table import Features, compute
from memory.lake import Lake, LakeTable
from tests.memory.builders import Row, as_rows, purchase, write_lake

AS_OF = datetime(2025, 3, 3, 9, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)

Purchase = tuple[Row, list[Row]]


def _ago(days: float) -> datetime:
    return AS_OF - timedelta(days=days)


def _features(folder: Path, purchases: Iterable[Purchase], contacts: int = 1, **rest: Any) -> Features:
    found = list(purchases)
    lake = write_lake(
        folder,
        contacts=rest.pop("people", [{"contact_id": who} for who in range(1, contacts + 1)]),
        orders=[order for order, _ in found],
        lines=[line for _, lines in found for line in lines],
        **rest,
    )
    return compute(lake, AS_OF)


def test_a_contact_of_whom_nothing_is_known_has_counts_of_zero_and_gaps(tmp_path: Path) -> None:
    row = _features(tmp_path, []).row(1)
    assert set(row) == set(REGISTRY)
    zero = {name for name, value in row.items() if value == 0 and value is not False}
    assert zero == {name for name, feature in REGISTRY.items() if feature.otherwise == 0}
    assert row["lifecycle_stage"] == "prospect"
    assert row["rfm_group"] == "none"
    for name in ("recency_days", "rfm_recency", "favourite_hour", "next_category", "last_human_signal_days"):
        assert row[name] is None, name


def test_a_contact_alone_has_the_features_that_compare_with_nobody_as_among_all_others(tmp_path: Path) -> None:
    bought = [
        purchase(f"{who}-{day}", who, _ago(day), (category, 500 * who))
        for who, days, category in ((1, (60.5,), "tea"), (2, (30, 20, 10), "tea"), (3, (95, 65, 35), "coffee"))
        for day in days
    ]
    events = [{"event_id": "e", "contact_id": 2, "at": _ago(3), "kind": "click", "human": True}]
    everybody = _features(tmp_path, bought, 4, events=events)
    for who in (1, 2, 3, 4):
        among = {name: value for name, value in everybody.row(who).items() if name not in COMPARING}
        assert compute(everybody.lake, AS_OF, contact_id=who).row(who) == among
    with pytest.raises(InvalidInputError, match="compare contacts with each other"):
        compute(everybody.lake, AS_OF, names=["rfm_group"], contact_id=1)


def test_every_feature_is_a_plain_value_of_its_kind(tmp_path: Path) -> None:
    bought = [purchase(f"o{day}", 1, _ago(day), ("tea", 500)) for day in (1, 11, 21, 31)]
    kinds = {"number": (int, float), "text": (str,), "flag": (bool,), "moment": (datetime,)}
    row = _features(tmp_path, bought).row(1)
    assert {name for name, value in row.items() if value is not None} > {"orders_count", "spend_cents", "top_category"}
    for name, value in row.items():
        assert value is None or type(value) in kinds[REGISTRY[name].kind], (name, value)


def test_only_history_strictly_before_the_moment_counts(tmp_path: Path) -> None:
    bought = [purchase("at", 1, AS_OF, ("tea", 500)), purchase("before", 2, AS_OF - INSTANT, ("tea", 500))]
    clicks = [
        {"contact_id": 1, "kind": "click", "at": AS_OF},
        {"contact_id": 2, "kind": "click", "at": AS_OF - INSTANT},
    ]
    sends = [{"contact_id": 1, "at": AS_OF}, {"contact_id": 2, "at": AS_OF - INSTANT}]
    features = _features(tmp_path, bought, 2, events=clicks, sends=sends)
    names = ["orders_count", "recency_days", "top_category", "clicks_90d", "sends_30d", "last_human_signal_days"]
    assert [features.row(1)[name] for name in names] == [0, None, None, 0, 0, None]
    assert [features.row(2)[name] for name in names] == [1, 0, "tea", 1, 1, 0]


def test_windows_start_with_their_first_instant(tmp_path: Path) -> None:
    bought = [purchase("in", 1, _ago(365), ("tea", 500)), purchase("out", 2, _ago(365) - INSTANT, ("tea", 700))]
    features = _features(tmp_path, bought, 2)
    assert (features.row(1)["orders_365d"], features.row(1)["spend_365d_cents"]) == (1, 500)
    assert (features.row(2)["orders_365d"], features.row(2)["spend_365d_cents"]) == (0, 0)
    assert features.row(2)["spend_cents"] == 700


def test_a_contact_who_came_later_is_not_there_yet_unless_they_had_ordered(tmp_path: Path) -> None:
    later = AS_OF + timedelta(days=1)
    people = [
        {"contact_id": 1, "created_at": later},
        {"contact_id": 2, "created_at": later},
        {"contact_id": 3, "created_at": AS_OF},
    ]
    features = _features(tmp_path, [purchase("a", 2, _ago(5), ("tea", 500))], people=people)
    assert sorted(features.rows([1, 2, 3], ["language"])) == [2, 3]
    with pytest.raises(NotFoundError, match="contact 1"):
        features.row(1)


def test_a_return_lowers_spend_and_is_no_order(tmp_path: Path) -> None:
    bought = [purchase("a", 1, _ago(20), ("tea", 900)), purchase("b", 1, _ago(10), ("tea", 500))]
    returned = purchase("r", 1, _ago(2), ("tea", -500))
    returned[1][0] = {**returned[1][0], "quantity": -1}
    row = _features(tmp_path, [*bought, returned]).row(1)
    assert (row["orders_count"], row["recency_days"], row["spend_cents"]) == (2, 10, 900)
    assert row["average_order_cents"] == 450


def test_margin_counts_the_lines_whose_cost_is_known_and_says_how_many_they_are(tmp_path: Path) -> None:
    bought = [
        purchase("a", 1, _ago(20), ("tea", 900), ("coffee", 300)),
        purchase("b", 2, _ago(20), ("coffee", 300)),
        purchase("c", 3, _ago(366), ("tea", 900)),
    ]
    products = [{"product_id": "product-tea", "cost_cents": 400}, {"product_id": "product-coffee", "cost_cents": None}]
    rows = _features(tmp_path, bought, 3, products=products).rows([1, 2, 3], ["margin_365d_cents", "cost_coverage"])
    assert rows[1] == {"margin_365d_cents": 500, "cost_coverage": 0.75}
    assert rows[2] == {"margin_365d_cents": None, "cost_coverage": 0.0}
    assert rows[3] == {"margin_365d_cents": None, "cost_coverage": None}


def test_signs_of_life_are_clicks_visits_replies_and_orders_by_people_never_opens(tmp_path: Path) -> None:
    events = [
        {"contact_id": 1, "kind": "open", "at": _ago(1)},
        {"contact_id": 2, "kind": "click", "at": _ago(2), "human": False},
        {"contact_id": 3, "kind": "click", "at": _ago(3)},
        {"contact_id": 4, "kind": "reply", "at": _ago(4)},
        {"contact_id": 5, "kind": "cart", "at": _ago(5)},
        {"contact_id": 6, "kind": "click", "at": _ago(91)},
    ]
    bought = [purchase("a", 5, _ago(4.5), ("tea", 500))]
    names = ["last_human_signal_days", "clicks_90d", "visits_90d"]
    rows = _features(tmp_path, bought, 6, events=events).rows(range(1, 7), names)
    assert [tuple(rows[who].values()) for who in range(1, 7)] == [
        (None, 0, 0),
        (None, 0, 0),
        (3, 1, 0),
        (4, 0, 0),
        (4, 0, 1),
        (91, 0, 0),
    ]


def test_messages_since_the_last_sign_of_life_count_from_it_and_not_where_none_is_known(tmp_path: Path) -> None:
    sends = [{"contact_id": who, "at": _ago(days)} for who in (1, 2, 3) for days in (40, 20, 10)]
    sends.append({"contact_id": 1, "at": _ago(5), "delivered": False})
    events = [{"contact_id": 1, "kind": "click", "at": _ago(30)}, {"contact_id": 3, "kind": "open", "at": _ago(30)}]
    bought = [purchase("a", 2, _ago(15), ("tea", 500))]
    rows = _features(tmp_path, bought, 4, events=events, sends=sends).rows(range(1, 5), ["sends_since_signal"])
    assert [rows[who]["sends_since_signal"] for who in range(1, 5)] == [2, 1, 0, 0]


def test_the_own_rhythm_is_the_median_of_days_between_three_orders_or_more(tmp_path: Path) -> None:
    days = {1: [100, 90, 60], 2: [100, 90], 3: [100, 90, 60, 20], 4: [50, 50, 50]}
    bought = [
        purchase(f"{who}-{number}", who, _ago(day), ("tea", 500))
        for who, when in days.items()
        for number, day in enumerate(when)
    ]
    rows = _features(tmp_path, bought, 4).rows(days, ["median_interval_days", "days_overdue", "recency_ratio"])
    assert rows[1] == {"median_interval_days": 20.0, "days_overdue": 40.0, "recency_ratio": 3.0}
    assert rows[2] == {"median_interval_days": None, "days_overdue": None, "recency_ratio": None}
    assert rows[3]["median_interval_days"] == 30.0
    assert rows[4]["median_interval_days"] is None


@pytest.mark.parametrize(
    ("orders_ago", "stage"),
    [
        ([], "prospect"),
        ([60], "new"),
        ([60.5], "slowing"),
        ([200, 180, 160, 100], "lapsed"),
        ([200, 180, 160, 140, 120, 100, 80, 60, 40, 30], "active"),
        ([200, 180, 160, 140, 120, 100, 80, 60, 31], "slowing"),
        ([900, 880, 860, 840, 700], "lost"),
        ([92, 91, 90, 10], "active"),
    ],
)
def test_the_stage_follows_the_own_rhythm(tmp_path: Path, orders_ago: list[float], stage: str) -> None:
    # Another contact gives the usual rhythm of 30 days to those who have none of their own.
    other = [purchase(f"other-{days}", 2, _ago(days), ("tea", 500)) for days in (90, 60, 30)]
    own = [purchase(f"own-{days}", 1, _ago(days), ("tea", 500)) for days in orders_ago]
    usual = compute(_features(tmp_path, [*other, *own], 2).lake, AS_OF, names=["lifecycle_stage"])
    assert usual.row(1)["lifecycle_stage"] == stage


def test_the_favourite_category_is_bought_on_most_days_and_ties_go_to_spend_then_name(tmp_path: Path) -> None:
    bought = [
        purchase("a", 1, _ago(9), ("tea", 100), ("coffee", 900)),
        purchase("b", 1, _ago(8), ("tea", 100)),
        purchase("c", 2, _ago(9), ("tea", 100), ("coffee", 900)),
        purchase("d", 3, _ago(9), ("tea", 100), ("coffee", 100)),
        purchase("e", 3, _ago(400), ("tea", 9999)),
    ]
    rows = _features(tmp_path, bought, 3).rows([1, 2, 3], ["top_category", "last_category", "last_product_id"])
    assert [row["top_category"] for row in rows.values()] == ["tea", "coffee", "coffee"]
    assert [row["last_category"] for row in rows.values()] == ["tea", "coffee", "coffee"]
    assert rows[2]["last_product_id"] == "product-coffee"


def test_replenishment_needs_three_purchases_a_living_habit_and_picks_what_is_due_next(tmp_path: Path) -> None:
    habits = {
        1: {"tea": [95, 65, 35], "coffee": [50, 40, 12]},  # tea is 5 days late, coffee due in 7
        2: {"tea": [60, 30]},  # too few
        3: {"tea": [400, 370, 340]},  # given up
        4: {"tea": [9, 6, 3]},  # too often to need a reminder
        5: {"tea": [90, 60, 25]},  # median 32.5, rounded down
    }
    bought = [
        purchase(f"{who}-{category}-{day}", who, _ago(day), (category, 500))
        for who, categories in habits.items()
        for category, days in categories.items()
        for day in days
    ]
    names = ["replenish_category", "replenish_product_id", "replenish_interval_days", "replenish_due_in_days"]
    rows = _features(tmp_path, bought, 5).rows(habits, names)
    assert tuple(rows[1].values()) == ("tea", "product-tea", 30, -5)
    for who in (2, 3, 4):
        assert set(rows[who].values()) == {None}
    assert tuple(rows[5].values()) == ("tea", "product-tea", 32, 7)


def test_what_comes_next_is_learned_from_the_order_in_which_others_discover(tmp_path: Path) -> None:
    bought: list[Purchase] = []
    for who in range(1, 21):
        # Half begin with tea and go on to cups, half with coffee and go on to filters.
        begin, follow = ("tea", "cups") if who <= 10 else ("coffee", "filters")
        bought += [
            purchase(f"{who}-1", who, _ago(100), (begin, 500)),
            purchase(f"{who}-2", who, _ago(50), (follow, 500)),
        ]
    bought += [purchase("x", 21, _ago(9), ("tea", 500)), purchase("y", 22, _ago(9), ("coffee", 500))]
    bought += [purchase("z", 23, _ago(9), ("honey", 500))]
    rows = _features(tmp_path, bought, 23).rows(range(1, 24), ["next_category"])
    assert rows[21]["next_category"] == "cups"
    assert rows[22]["next_category"] == "filters"
    assert rows[23]["next_category"] is None
    # Who has it already lacks nothing.
    assert rows[1]["next_category"] is None


def test_what_comes_second_and_third_is_another_category_by_the_same_measure(tmp_path: Path) -> None:
    followers = {"cups": range(1, 15), "cake": range(20, 31), "spoons": range(40, 48), "trays": range(50, 56)}
    bought: list[Purchase] = [purchase("x", 99, _ago(9), ("tea", 500))]
    bought += [purchase("y", 98, _ago(9), ("tea", 500)), purchase("z", 98, _ago(8), ("cake", 500))]
    for follow, who in followers.items():
        for one in who:
            bought += [purchase(f"{one}-1", one, _ago(100), ("tea", 500))]
            bought += [purchase(f"{one}-2", one, _ago(50), (follow, 500))]
    names = ["next_category", "second_next_category", "third_next_category"]
    rows = _features(tmp_path, bought, 99).rows([98, 99], names)
    assert list(rows[99].values()) == ["cups", "cake", "spoons"]
    assert list(rows[98].values()) == ["cups", "spoons", "trays"]


def test_the_favourite_hour_is_everybodys_until_the_own_habit_outweighs_it(tmp_path: Path) -> None:
    def bought_at(who: int, hour: int, times: int) -> list[Purchase]:
        days = [AS_OF.replace(hour=hour, minute=30) - timedelta(days=day) for day in range(1, times + 1)]
        return [purchase(f"{who}-{hour}-{number}", who, at, ("tea", 500)) for number, at in enumerate(days)]

    bought = [*bought_at(1, 18, 60), *bought_at(2, 7, 3), *bought_at(3, 7, 12)]
    rows = _features(tmp_path, bought, 4).rows([1, 2, 3, 4], ["favourite_hour"])
    assert [row["favourite_hour"] for row in rows.values()] == [18, 18, 7, 18]


def test_the_favourite_hour_is_local_and_knows_summer_time(tmp_path: Path) -> None:
    summer = datetime(2024, 7, 1, 16, 30, tzinfo=UTC)
    people = [
        {"contact_id": 1, "time_zone": "Europe/Paris"},
        {"contact_id": 2, "time_zone": "America/New_York"},
        {"contact_id": 3, "time_zone": "Mars/Base"},
    ]
    bought = [
        purchase(f"{who}-{day}", who, summer + timedelta(days=day), ("tea", 500))
        for who in (1, 2, 3)
        for day in range(40)
    ]
    lake = _features(tmp_path, bought, people=people).lake
    rows = compute(lake, AS_OF, names=["favourite_hour"], fallback_zone="Asia/Tokyo").rows([1, 2, 3])
    assert [row["favourite_hour"] for row in rows.values()] == [18, 12, 1]


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 0), ("Europe/Paris", 23), ("Asia/Kolkata", 18)])
def test_orders_that_come_as_dates_tell_no_hour(tmp_path: Path, zone: str, hour: int) -> None:
    minute = 30 if zone == "Asia/Kolkata" else 0
    midnight = datetime(2025, 1, 10, hour, minute, tzinfo=UTC)
    dated = [purchase(f"1-{day}", 1, midnight + timedelta(days=day), ("tea", 500)) for day in range(30)]
    people = [{"contact_id": who, "time_zone": zone} for who in (1, 2)]
    lake = _features(tmp_path / "dated", dated, people=people[:1]).lake
    alone = compute(lake, AS_OF, names=["favourite_hour"], fallback_zone=zone).rows([1])
    assert [row["favourite_hour"] for row in alone.values()] == [None]
    timed = [purchase(f"2-{day}", 2, midnight + timedelta(days=day, hours=9), ("tea", 500)) for day in range(3)]
    lake = _features(tmp_path / "both", [*dated, *timed], people=people).lake
    both = compute(lake, AS_OF, names=["favourite_hour"], fallback_zone=zone).rows([1, 2])
    assert [row["favourite_hour"] for row in both.values()] == [9, 9]


def test_the_favourite_weekday_is_everybodys_until_the_own_habit_outweighs_it(tmp_path: Path) -> None:
    def bought_on(who: int, weekday: int, times: int) -> list[Purchase]:
        last = AS_OF - timedelta(days=(AS_OF.weekday() - weekday) % 7 or 7)
        days = [last.replace(hour=12, minute=30) - timedelta(weeks=week) for week in range(times)]
        return [purchase(f"{who}-{weekday}-{number}", who, at, ("tea", 500)) for number, at in enumerate(days)]

    bought = [*bought_on(1, 3, 50), *bought_on(2, 6, 3), *bought_on(3, 6, 12)]
    rows = _features(tmp_path, bought, 4).rows([1, 2, 3, 4], ["favourite_weekday"])
    assert [row["favourite_weekday"] for row in rows.values()] == [3, 3, 6, 3]


@pytest.mark.parametrize(
    ("zone", "moment", "weekday"),
    [
        # A Sunday evening in New York is a Monday morning in Paris.
        ("America/New_York", datetime(2024, 7, 8, 1, 30, tzinfo=UTC), 6),
        ("Europe/Paris", datetime(2024, 7, 8, 1, 30, tzinfo=UTC), 0),
        # An order that comes as a date happened on that date, wherever the contact lives.
        ("America/New_York", datetime(2024, 7, 8, tzinfo=UTC), 0),
        ("America/New_York", datetime(2024, 7, 7, 22, tzinfo=UTC), 0),
    ],
)
def test_the_favourite_weekday_is_the_contacts_own_and_that_of_a_date(
    tmp_path: Path, zone: str, moment: datetime, weekday: int
) -> None:
    bought = [purchase(f"1-{week}", 1, moment + timedelta(weeks=week), ("tea", 500)) for week in range(12)]
    lake = _features(tmp_path, bought, people=[{"contact_id": 1, "time_zone": zone}]).lake
    rows = compute(lake, AS_OF, names=["favourite_weekday"], fallback_zone="Europe/Paris").rows([1])
    assert rows[1]["favourite_weekday"] == weekday


def test_the_same_history_gives_the_same_table_however_it_is_stored(tmp_path: Path) -> None:
    bought = [
        purchase(
            f"{who}-{number}",
            who,
            _ago(who + number * 3 + 0.25),
            (f"category-{(who * number) % 7}", 100 * number + who),
        )
        for who in range(1, 40)
        for number in range(1, 2 + who % 9)
    ]
    whole = _features(tmp_path / "whole", bought, 40)
    pieces = Lake(tmp_path / "pieces")
    pieces.replace(LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, [{"contact_id": who} for who in range(40, 0, -1)]))
    backwards = list(reversed(bought))
    for start in range(0, len(bought), 40):
        batch = backwards[start : start + 40]
        pieces.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order for order, _ in batch]))
        pieces.upsert(LakeTable.LINES, as_rows(LakeTable.LINES, [line for _, lines in batch for line in lines]))
    scattered = compute(pieces, AS_OF)
    assert whole.rows(range(1, 41)) == scattered.rows(range(1, 41))


def test_features_can_be_computed_alone_with_what_they_need(tmp_path: Path) -> None:
    lake = _features(tmp_path, [purchase("a", 1, _ago(9), ("tea", 500))]).lake
    alone = compute(lake, AS_OF, names=["rfm_group"])
    assert {"rfm_group", "rfm_recency", "recency_days"} <= set(alone.names)
    assert "favourite_hour" not in alone.names
    with pytest.raises(NotFoundError, match="shoe_size"):
        compute(lake, AS_OF, names=["shoe_size"])


def test_an_unreadable_lake_is_one_clear_error(tmp_path: Path) -> None:
    lake = _features(tmp_path, [purchase("a", 1, _ago(9), ("tea", 500))]).lake
    for file in (tmp_path / "lines").glob("*.parquet"):
        content = file.read_bytes()
        # The footer stays whole, so that only reading the rows finds the damage.
        file.write_bytes(content[:4] + b"\xff" * (len(content) // 3) + content[4 + len(content) // 3 :])
    with pytest.raises(LakeError, match="cannot be read"):
        compute(lake, AS_OF)


def test_every_feature_has_its_words_in_both_languages() -> None:
    for feature in REGISTRY.values():
        for words in (feature.label, feature.sentence):
            assert set(words) == {"en", "fr"}
            assert all(words.values())
        assert all(needed in REGISTRY for needed in feature.needs)
        assert feature.label["en"] != feature.sentence["en"]


def test_what_was_looked_at_last_counts_for_a_month_and_until_it_is_bought(tmp_path: Path) -> None:
    def look(who: int, product: str, days: float, kind: str = "view") -> Row:
        return {"contact_id": who, "kind": kind, "product_id": product, "at": _ago(days)}

    events = [
        look(1, "product-tea", 5),
        look(1, "product-coffee", 3, "cart"),
        look(2, "product-tea", 31),
        look(3, "product-tea", 5),
        look(3, "product-coffee", 3),
        look(4, "", 3),
        look(5, "product-tea", 5),
    ]
    bought = [purchase("o3", 3, _ago(1), ("coffee", 500)), purchase("o5", 5, _ago(9), ("tea", 500))]
    rows = _features(tmp_path, bought, 5, events=events).rows([1, 2, 3, 4, 5], ["viewed_product_id"])
    seen = [row["viewed_product_id"] for row in rows.values()]
    # The third bought what they looked at last, the fifth had bought it before they looked.
    assert seen == ["product-coffee", None, "product-tea", None, "product-tea"]
