"""Till abbreviations become phrases that can stand in a mail."""

from __future__ import annotations

import pytest

from evals.shop.labels import category, product_name, readable, readable_size


@pytest.mark.parametrize(
    ("till", "label"),
    [
        ("FRZN BAGGED VEGETABLES - PLAIN", "Frozen bagged vegetables, plain"),
        ("SFT DRNK 2 LITER BTL CARB INCL", "Soft drink 2 liter bottle sparkling"),
        ("CANDY BARS (SINGLES)(INCLUDING", "Candy bars"),
        ("BREAD:ITALIAN/FRENCH", "Bread, Italian, French"),
        (None, "Various"),
    ],
)
def test_abbreviations_are_spelled_out(till: str | None, label: str) -> None:
    assert readable(till) == label


def test_a_category_lists_its_parts_and_petrol_is_fuel() -> None:
    assert category("BAKED BREAD/BUNS/ROLLS", None) == "Baked bread, buns and rolls"
    assert category("COUPON/MISC ITEMS", "GASOLINE-REG UNLEADED") == "Fuel"
    assert category("COUPON/MISC ITEMS", "MISC SALES TRANS") == "Various"


def test_a_type_that_says_nothing_alone_takes_its_category_along() -> None:
    assert product_name("TRADITIONAL", "ICE CREAM/MILK/SHERBTS") == "Ice cream, milk and sherbets, traditional"
    assert product_name("BUTTER", "BUTTER") == "Butter"


@pytest.mark.parametrize(
    ("till", "size"), [("28.0 OZ", "28 oz"), ("T     6 OZ", "6 oz"), ("1.5 L", "1.5 l"), (None, "")]
)
def test_sizes_are_written_as_people_write_them(till: str | None, size: str) -> None:
    assert readable_size(till) == size
