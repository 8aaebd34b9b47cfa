"""Three sets of worlds: one to develop on, one to choose by, and one that is sealed until everything is chosen."""

from __future__ import annotations

from typing import Final, Literal

from evals.market.world import Family, World, WorldKind

SetName = Literal["development", "validation", "sealed"]
WORLDS: Final = 28
_FIRST_SEED: Final[dict[SetName, int]] = {"development": 1_000, "validation": 2_000, "sealed": 3_000}
# Seven at a time, so that a few worlds are a fair sample of all. Two families are nowhere but in the sealed set.
_OPEN: Final[tuple[Family, ...]] = ("split", "steady", "steady", "steady", "hidden", "steady", "split")
_SEALED: Final[tuple[Family, ...]] = ("split", "steady", "steady", "fading", "pulled", "steady", "hidden")
_HARMFUL, _NULL = 1, 2


def worlds(name: SetName, count: int = WORLDS) -> list[World]:
    """The first worlds of a set: of 28, 20 are normal, 5 null and 3 harmful."""
    return [_world(name, place) for place in range(count)]


def _world(name: SetName, place: int) -> World:
    turn, step = divmod(place, len(_OPEN))
    kind: WorldKind = "normal"
    if step == _NULL or (step == _HARMFUL and turn % 4 == 3):
        kind = "null"
    elif step == _HARMFUL:
        kind = "harmful"
    family = (_SEALED if name == "sealed" else _OPEN)[step]
    if family == "hidden" and turn % 2:
        family = "drifting"
    return World.draw(kind, _FIRST_SEED[name] + place, family)
