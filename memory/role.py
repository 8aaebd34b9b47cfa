"""What a person may do: looks; plans, asks, edits, rejects, pauses and stops; says yes; sets the rules."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["viewer", "operator", "approver", "admin"]
"""Each role may what the ones before it may."""
ROLES: tuple[Role, ...] = get_args(Role)
