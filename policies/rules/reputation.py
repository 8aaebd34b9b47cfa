"""Who complains, bounces or leaves too often slows a sender down, then stops it, until a person resumes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from memory.standing import OTHERS, SEVERITY, Standing, State, Window
from policies.facts import MessageFacts, ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, note


class ReputationLimits(Parameters):
    """At which shares (0 to 1) of the messages of 1, 7 or 30 days mail to a receiving domain slows down, or stops."""

    slow_complaint_share: float = Field(default=0.001, gt=0, le=1)
    stop_complaint_share: float = Field(default=0.003, gt=0, le=1)
    slow_bounce_share: float = Field(default=0.02, gt=0, le=1)
    stop_bounce_share: float = Field(default=0.05, gt=0, le=1)
    slow_unsubscribe_share: float = Field(default=0.02, gt=0, le=1)
    stop_unsubscribe_share: float = Field(default=0.05, gt=0, le=1)
    slow_deferral_share: float = Field(default=0.2, gt=0, le=1)
    """Deferrals never stop: many small servers put off whom they do not know yet."""
    minimum_messages: int = Field(default=100, ge=1)
    """Of fewer messages no share is told."""
    minimum_reports: int = Field(default=3, ge=1)
    """So many people or addresses, at least, decide; what a provider reports as a share counts by itself."""
    slowed_room_share: float = Field(default=0.5, gt=0, lt=1)
    """What a slowed domain still gets each day, as a share of what it got before."""
    silent_domains: tuple[str, ...] = ("gmail.com",)
    """Domains that report no complaints: unknown, unless an export of their own figures is imported."""

    @model_validator(mode="after")
    def _slows_before_it_stops(self) -> Self:
        for name in ("complaint", "bounce", "unsubscribe"):
            if getattr(self, f"slow_{name}_share") > getattr(self, f"stop_{name}_share"):
                raise ValueError(f"slow_{name}_share must not be above stop_{name}_share")
        return self


@dataclass(frozen=True, slots=True)
class Rate:
    """One share of the messages of a window."""

    what: str
    share: float | None
    """None where nobody reports it, or where too few messages left to say."""
    number: int = 0
    of: int = 0
    decides: bool = False
    """Whether enough people or addresses stand behind it."""


def rates(window: Window, limits: ReputationLimits) -> tuple[Rate, Rate, Rate, Rate]:
    """Complaints, dead addresses, unsubscribes and deferrals of a window, each as a share of the messages it is of."""

    def rate(what: str, number: int, of: int) -> Rate:
        share = number / of if of >= limits.minimum_messages else None
        return Rate(what, share, number, of, number >= limits.minimum_reports)

    handed_over = window.sent + window.refused
    attempts = handed_over + window.deferred
    complaints = rate("complaints", window.complaints, window.reporting)
    if window.reported_share is not None:
        complaints = Rate("complaints", window.reported_share, decides=True)
    return (
        complaints,
        rate("dead addresses", window.refused + window.bounced, handed_over),
        rate("unsubscribes", window.unsubscribes, window.sent),
        rate("deferrals", window.deferred + window.soft_bounced, attempts),
    )


def judge(windows: Sequence[Window], limits: ReputationLimits) -> tuple[State, str]:
    """How a sender should stand by these numbers, and which of them says so: the worst, in the shortest window."""
    thresholds = (
        (limits.slow_complaint_share, limits.stop_complaint_share),
        (limits.slow_bounce_share, limits.stop_bounce_share),
        (limits.slow_unsubscribe_share, limits.stop_unsubscribe_share),
        (limits.slow_deferral_share, None),
    )
    worst: tuple[State, str] = ("fine", "")
    for window in windows:
        for rate, (slow, stop) in zip(rates(window, limits), thresholds, strict=True):
            if rate.share is None or not rate.decides or rate.share < slow:
                continue
            stopped = stop is not None and rate.share >= stop
            state: State = "stopped" if stopped else "slowed"
            if SEVERITY[state] > SEVERITY[worst[0]]:
                worst = (state, _said(rate, window, stop if stopped and stop is not None else slow))
    return worst


def _said(rate: Rate, window: Window, limit: float) -> str:
    days = f"{window.days} day{'s' if window.days > 1 else ''}"
    basis = f"{rate.number} of {rate.of} messages" if rate.of else "the provider's own figure for one of them"
    return f"{rate.share:.2%} {rate.what} in {days} ({basis}), limit {limit:.2%}"


def gate(facts: MessageFacts, limits: ReputationLimits, context: Context) -> Ruling | None:
    standing = need(facts.standing, "standing")
    if standing.state != "stopped":
        return None
    return hold(
        f"Mail of {standing.sender} to {standing.where} is stopped until a person resumes it.",
        fact=standing.reason,
        limit="a sender in good standing; `noria reputation resume`",
    )


def review(facts: ProposalFacts, limits: ReputationLimits, context: Context) -> list[Ruling]:
    if not any(step.channel == "email" for _, step in facts.play.sends()):
        return []
    return [_finding(one) for one in need(facts.standings, "standings") if one.state != "fine"]


def _finding(standing: Standing) -> Ruling:
    where = f"Mail of {standing.sender} to {standing.where}"
    if standing.state == "slowed":
        return note(f"{where} is slowed.", fact=standing.reason, limit=f"{standing.room} messages a day")
    if standing.domain == OTHERS:
        return hold(f"{where} is stopped.", fact=standing.reason, limit="a sender in good standing")
    return note(f"{where} is stopped, and waits until a person resumes it.", fact=standing.reason)


RULE = Rule(id="reputation", parameters=ReputationLimits, gate=gate, review=review, locked=True)
