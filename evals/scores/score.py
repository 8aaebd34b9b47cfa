"""A score: a value from 0 to 1 made of single checks, with the reasons for whatever is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

_SHOWN = 6


@dataclass(frozen=True)
class Score:
    """How much of what was looked at holds."""

    value: float
    reason: str


@dataclass
class Checks:
    """Collects single checks into one score."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)

    def check(self, holds: bool, otherwise: str) -> None:
        """One check; ``otherwise`` says what is wrong when it does not hold."""
        if holds:
            self.passed += 1
        else:
            self.failures.append(otherwise)

    def equal(self, what: str, found: object, wanted: object) -> None:
        """One check of a value."""
        self.check(found == wanted, f"{what} is {found!r}, not {wanted!r}")

    @property
    def score(self) -> Score | None:
        """None when there was nothing to check."""
        total = self.passed + len(self.failures)
        if not total:
            return None
        if not self.failures:
            return Score(1.0, f"{total} of {total} checks hold")
        shown = "; ".join(self.failures[:_SHOWN])
        more = f"; and {len(self.failures) - _SHOWN} more" if len(self.failures) > _SHOWN else ""
        return Score(self.passed / total, f"{self.passed} of {total} checks hold: {shown}{more}")
