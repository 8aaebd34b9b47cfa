"""Who may do what: roles of people, the same for the command line, inboxes and the console."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from memory.role import ROLES, Role


def role_of(roles: Mapping[str, Role], actor: str, signed_up: Mapping[str, Role] | None = None) -> Role:
    """A person's role: what the settings say, operator where they name only others, admin where they name nobody.

    Whoever acts from the console has the role by which they are signed up for it, and only looks without one; ``None``
    where nobody was ever invited.
    """
    if signed_up is not None and actor.startswith("console:"):
        return signed_up.get(actor, "viewer")
    return roles.get(actor, "operator") if roles else "admin"


def reaches(role: Role, needed: Role) -> bool:
    """Whether a role may do what asks for another."""
    return ROLES.index(role) >= ROLES.index(needed)


def may(roles: Mapping[str, Role], actor: str, needed: Role) -> bool:
    """Whether a person may do what asks for a role."""
    return reaches(role_of(roles, actor), needed)


def admin_missing(held: Collection[Role]) -> str:
    """What is missing where one of two people has to be an admin, by the roles that they hold; empty when one is."""
    return "" if "admin" in held else "One of the two has to be an admin."
