"""Common random numbers: uniform, repeatable, and each contact's own."""

from __future__ import annotations

import numpy as np

from evals.market.noise import Purpose, number_of, uniforms

CONTACTS = np.arange(1, 4001, dtype=np.int64)


def test_the_same_keys_give_the_same_number_in_any_company() -> None:
    together = uniforms(3, Purpose.ACCEPT, 17_000, CONTACTS)
    alone = uniforms(3, Purpose.ACCEPT, 17_000, CONTACTS[41:42])
    assert together[41] == alone[0]


def test_seed_purpose_day_contact_and_draw_each_change_the_number() -> None:
    one = np.array([5], dtype=np.int64)
    keys = [
        (3, Purpose.ACCEPT, 9, one, 0),
        (4, Purpose.ACCEPT, 9, one, 0),
        (3, Purpose.VALUE, 9, one, 0),
        (3, Purpose.ACCEPT, 10, one, 0),
        (3, Purpose.ACCEPT, 9, one + 1, 0),
        (3, Purpose.ACCEPT, 9, one, 1),
    ]
    assert len({float(uniforms(*key)[0]) for key in keys}) == len(keys)


def test_numbers_are_uniform_and_uncorrelated_between_days_and_neighbours() -> None:
    today, tomorrow = (uniforms(0, Purpose.ARRIVAL, day, CONTACTS) for day in (17_440, 17_441))
    assert 0 < today.min() < today.max() < 1
    assert np.all(np.abs(np.histogram(today, bins=10, range=(0, 1))[0] - 400) < 90)
    assert abs(np.corrcoef(today, tomorrow)[0, 1]) < 0.06
    assert abs(np.corrcoef(today[:-1], today[1:])[0, 1]) < 0.06


def test_a_name_always_has_the_same_number() -> None:
    assert number_of("win-back") == number_of("win-back") != number_of("win-back-2")
