"""What a team sets for another system, and a clear word where it asks for what that one does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from memory.errors import ConfigurationError


def sendable(name: str, secret: SecretStr) -> SecretStr:
    """A secret that can stand in a header. Raises ConfigurationError, which does not repeat it, for any other."""
    text = secret.get_secret_value()
    # A library that is given such a header repeats it in its error.
    if text.isascii() and text.isprintable():
        return secret
    raise ConfigurationError(
        "It holds a character that no key has, such as a line break.",
        where=name,
        remedy="Copy it once more from where it is shown, on one line.",
    )


class VendorOptions(BaseModel):
    """What a team sets for one vendor; what that one has no such thing for is refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _can_be_had(cls, value: Any) -> Any:
        unknown = sorted(set(value) - set(cls.model_fields)) if isinstance(value, Mapping) else []
        if unknown:
            raise ValueError(
                f"{cls.title} has no {', '.join(unknown)}; it has {', '.join(sorted(cls.model_fields)) or 'no options'}"
            )
        return value
