"""The smallest value that each measure of the record must have before something is done."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

_SHARE: Final = "_share"


def _can_be_reached(floors: dict[str, float]) -> dict[str, float]:
    for name, least in floors.items():
        if name.endswith(_SHARE) and least > 1:
            raise ValueError(
                f"a share is never more than 1, so {name} of {least:g} could never be good enough; "
                "write it from 0 to 1, for example 0.8"
            )
    return floors


_FROM_ZERO: Final = {"type": "number", "minimum": 0}
Floors = Annotated[
    dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]],
    AfterValidator(_can_be_reached),
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {f"{_SHARE}$": {**_FROM_ZERO, "maximum": 1}},
            "additionalProperties": _FROM_ZERO,
        }
    ),
]
"""Measure → floor; whatever is a share by its name lies between 0 and 1."""
