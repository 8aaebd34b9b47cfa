"""Who may do what: roles of people, the same for the command line, inboxes and the console."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, get_args

Role = Literal["operator", "approver", "admin"]
"""Plans, asks, edits, rejects, pauses and stops; also says yes; also puts policies in force and raises autonomy."""
ROLES: tuple[Role, ...] = get_args(Role)


def role_of(roles: Mapping[str, Role], actor: str) -> Role:
    """A person's role: what the settings say, operator where they name only others, admin where they name nobody."""
    return roles.get(actor, "operator") if roles else "admin"


def may(roles: Mapping[str, Role], actor: str, needed: Role) -> bool:
    """Whether a person may do what asks for a role."""
    return ROLES.index(role_of(roles, actor)) >= ROLES.index(needed)


def admin_missing(roles: Mapping[str, Role], approvers: Collection[str]) -> str:
    """What is missing where one of two people has to be an admin; empty when one is."""
    if any(role_of(roles, one) == "admin" for one in approvers):
        return ""
    return "One of the two has to be an admin."
