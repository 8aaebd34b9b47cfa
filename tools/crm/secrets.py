"""The secrets of a system, or a clear word on what is missing."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from memory.errors import ConfigurationError
from tools.crm.connector import System
from tools.options import sendable


def needed(system: System, secrets: Mapping[str, SecretStr], name: str) -> SecretStr:
    """One secret of a system. Raises ConfigurationError where it is not set."""
    found = secrets.get(name)
    if found is None or not found.get_secret_value():
        raise ConfigurationError(
            f"{system.title} needs {system.secrets[name]}.",
            where=f"[sync.{system.name}]",
            remedy=f"Set {name}, or run `noria connect {system.name}`; {system.page} says how to get one.",
        )
    return found


def needed_key(system: System, secrets: Mapping[str, SecretStr], name: str) -> SecretStr:
    """One secret that goes along with each request, in a header. Raises ConfigurationError where it is none."""
    return sendable(name, needed(system, secrets, name))
