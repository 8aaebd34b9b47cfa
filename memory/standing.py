"""How a sender stands with a receiving domain, and the numbers that say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

State = Literal["fine", "slowed", "stopped"]
OTHERS: Final = "*"
"""Stands for all receiving domains of a sender that are neither slowed nor stopped by themselves."""
WINDOW_DAYS: Final = (1, 7, 30)
SEVERITY: Final[Mapping[State, int]] = {"fine": 0, "slowed": 1, "stopped": 2}
# Both names lead to the same mailboxes.
_SAME: Final = {"googlemail.com": "gmail.com"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What became of the messages of one sender that left for some domains in the last days."""

    days: int
    sent: int = 0
    """Taken by the receiving side."""
    refused: int = 0
    """Turned away at once because there is no such address."""
    deferred: int = 0
    """Attempts that the receiving side put off or turned away for another reason."""
    bounced: int = 0
    """Taken first, and returned because there is no such address."""
    soft_bounced: int = 0
    unsubscribes: int = 0
    complaints: int = 0
    reporting: int = 0
    """Those of ``sent`` that went where complaints are reported."""
    reported_share: float | None = None
    """Complaints as the provider itself counts them: the highest share of any day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a sender may write to a receiving domain as usual; once it may not, only a person changes that."""

    sender: str = ""
    domain: str = OTHERS
    state: State = "fine"
    since: datetime | None = None
    reason: str = ""
    actor: str = ""
    room: int | None = None
    """Messages a day while it is slowed."""
    counted_from: datetime | None = None
    """Nothing before counts any more: the moment of the last resume."""

    @property
    def where(self) -> str:
        """The domains that it holds for, in words."""
        return "all domains" if self.domain == OTHERS else self.domain


FINE: Final = Standing()


def domain_of(address: str) -> str:
    """The domain of an e-mail address; the names of one provider's mailboxes count as one."""
    domain = address.rpartition("@")[2].strip().lower()
    return _SAME.get(domain, domain)


def standing_with(standings: Mapping[str, Standing], domain: str) -> Standing:
    """What holds for one domain, of a sender's standings by domain: its own, or that of all others if that is worse."""
    own, others = standings.get(domain, FINE), standings.get(OTHERS, FINE)
    return others if SEVERITY[others.state] > SEVERITY[own.state] else own


def together(windows: Iterable[Window], days: int) -> Window:
    """Several domains' numbers as one; what a provider says of its own domain is none of them."""
    found = list(windows)
    names = ("sent", "refused", "deferred", "bounced", "soft_bounced", "unsubscribes", "complaints", "reporting")
    return Window(days=days, **{name: sum(getattr(one, name) for one in found) for name in names})
