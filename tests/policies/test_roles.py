"""Roles: who may say yes, and who may change the rules by which yes is said."""

from __future__ import annotations

import pytest

from memory.role import Role
from policies.roles import admin_missing, may, role_of

ROLES: dict[str, Role] = {"cli:marie": "admin", "cli:omar": "approver", "cli:paul": "operator"}


@pytest.mark.parametrize(
    ("actor", "operates", "approves", "governs"),
    [
        ("cli:marie", True, True, True),
        ("cli:omar", True, True, False),
        ("cli:paul", True, False, False),
        ("cli:eve", True, False, False),
    ],
)
def test_each_role_may_what_the_lower_ones_may(actor: str, operates: bool, approves: bool, governs: bool) -> None:
    assert [may(ROLES, actor, one) for one in ("operator", "approver", "admin")] == [operates, approves, governs]


def test_where_nobody_is_named_everybody_may_do_everything() -> None:
    assert may({}, "cli:eve", "admin")


def test_whoever_signs_in_has_the_role_they_were_invited_with_and_others_only_look() -> None:
    invited: dict[str, Role] = {"console:ann": "approver"}
    assert role_of({"console:ann": "admin"}, "console:ann", invited) == "approver"
    assert role_of({}, "console:eve", invited) == "viewer"
    assert role_of({}, "cli:eve", invited) == "admin"


def test_where_everybody_is_shut_out_of_the_console_nobody_acts_from_it() -> None:
    assert role_of({}, "console:ann", {}) == "viewer"
    assert role_of({}, "console:ann", None) == "admin"


def test_an_admin_among_two_is_asked_for_until_there_is_one() -> None:
    assert admin_missing(["approver", "operator"])
    assert admin_missing(["approver", "admin"]) == ""
