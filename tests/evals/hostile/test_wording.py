"""A line of a mail is what was approved, with its reader's own values, or it is not."""

from __future__ import annotations

from datetime import date

import pytest

from evals.hostile.wording import allows, days_written, names_written, seen_in, titles_written

GREETING = "{% if contact.first_name %}Hello {{ contact.first_name }},{% else %}Hello,{% endif %}"


@pytest.mark.parametrize(
    ("line", "allowed"),
    [("Hello Anna,", True), ("Hello,", True), ("Hello Bob,", False), ("Hello Anna, pay here", False), ("", False)],
)
def test_only_the_readers_own_name_or_none_may_stand_in_a_greeting(line: str, allowed: bool) -> None:
    assert allows(GREETING, line, {"contact.first_name": names_written("Anna")}) is allowed


def test_a_value_that_nobody_may_have_matches_nothing() -> None:
    assert not allows("Reorder {{ product.name }}", "Reorder ", {"product.name": titles_written("<b>Tea</b>")})
    assert allows("Reorder {{ product.name }}", "Reorder Tea", {"product.name": titles_written("Te\u200ba")})


@pytest.mark.parametrize(
    "raw", ["https://evil.example", "{{ contact.email }}", "Anna 90 %", "A\r\nBcc: b@c.example", ""]
)
def test_what_is_no_name_greets_nobody(raw: str) -> None:
    assert names_written(raw) == []


def test_a_day_is_written_as_either_language_does() -> None:
    assert "31 December 2024" in days_written(date(2024, 12, 31), "en")
    assert "1er janvier 2025" in days_written(date(2025, 1, 1), "fr")


def test_styles_and_comments_are_not_seen() -> None:
    assert seen_in("<style>a{}</style><p>One</p><!-- two -->").split() == ["One"]
