"""Addresses by channel: as people write them, and as the other side expects them."""

from __future__ import annotations

import pytest

from memory.address import address_on, audience_hash, channel_named, phone_hash, phone_number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+33612345678", "+33612345678"),
        ("+33 (0)6 12.34-56 78", "+33612345678"),
        ("0033 6 12 34 56 78", "+33612345678"),
        ("+1 (415) 555-0100", "+14155550100"),
        ("06 12 34 56 78", ""),
        ("+033612345678", ""),
        ("+33 6 12 34 56 78 ext. 9", ""),
        ("+1234567890123456", ""),
        ("anna", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_number_is_dialled_only_with_its_country_code(written: str | None, number: str) -> None:
    assert phone_number(written) == number
    assert (phone_hash("salt", written) is None) == (number == "")


def test_the_hash_of_an_address_is_the_one_that_advertising_platforms_compute() -> None:
    # printf test@example.com | sha256sum
    known = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
    assert audience_hash(" Test@Example.com\n") == known
    assert address_on("audience", email="test@example.com", phone=None) == known


def test_without_the_address_that_a_channel_needs_there_is_none() -> None:
    assert address_on("email", email=None, phone="+33612345678") == ""
    assert address_on("audience", email="", phone="+33612345678") == ""
    assert address_on("sms", email="anna@example.com", phone=None) == ""


@pytest.mark.parametrize(
    ("word", "channel"),
    [(None, "email"), ("", "email"), ("E-Mail", "email"), ("Ads", "audience"), (" SMS ", "sms"), ("post", "post")],
)
def test_channels_are_known_by_the_words_of_exports(word: str | None, channel: str) -> None:
    assert channel_named(word) == channel
