"""What an audit looks for, in the words of its report."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Topic = Literal[
    "withdrawn",
    "suppressed",
    "no_consent",
    "no_proof",
    "frequency",
    "hibernation",
    "send_window",
    "full_price",
    "no_holdout",
]


class TopicText(NamedTuple):
    """How a topic is told."""

    title: str
    sentence: str
    needed: str
    """What would have been needed."""
    rule: str
    """The rule whose source stands behind it."""


_MESSAGES: Final = "{count} messages ({share} %) to {contacts} contacts "
TOPICS: Final[dict[Topic, TopicText]] = {
    "withdrawn": TopicText(
        "Mail after consent was withdrawn",
        f"{_MESSAGES}left after the contact had withdrawn consent.",
        "The withdrawal reaches the sending tool before the next send, and is checked at the send itself.",
        "consent",
    ),
    "suppressed": TopicText(
        "Mail to suppressed addresses",
        f"{_MESSAGES}went to addresses that had complained, bounced for good or been suppressed before.",
        "One list of suppressions for all tools, checked at the send itself.",
        "suppression",
    ),
    "no_consent": TopicText(
        "Mail without any consent on record",
        f"{_MESSAGES}left without a consent on record at that moment.",
        "A consent for that channel and purpose from before the first message, and its export.",
        "consent",
    ),
    "no_proof": TopicText(
        "Mail on consent without proof",
        f"{_MESSAGES}rest on a consent of which nothing shows who gave it, when, and to which text.",
        "Date, form and wording of each consent, kept when it is given; for old ones, a confirmation by the contact.",
        "consent",
    ),
    "frequency": TopicText(
        "More messages than the cap",
        f"{_MESSAGES}left when the contact had already had {{cap}}.",
        "One cap over all campaigns and tools, under which messages wait for their turn instead of being lost.",
        "frequency",
    ),
    "hibernation": TopicText(
        "Mail to people who had stopped reading",
        f"{_MESSAGES}went to contacts without a sign of life for longer than the policy allows.",
        "Silent people are left alone, but for a brief win-back. Clicks, visits and orders are signs; opens are none.",
        "hibernation",
    ),
    "send_window": TopicText(
        "Mail outside of decent hours",
        f"{_MESSAGES}left outside of the send window on the contact's own clock.",
        "Each contact's time zone, and messages that wait for the window to open.",
        "send_window",
    ),
    "full_price": TopicText(
        "Promotions right after a purchase at full price",
        f"{_MESSAGES}promoted an offer within {{days}} days after the contact had bought at full price.",
        "Recent buyers are left out of promotions, checked at the send itself.",
        "recent_purchase",
    ),
    "no_holdout": TopicText(
        "Claims of effect that the data cannot prove",
        "None of {count} campaigns held anybody out in a way that the exports show, so no part of the {buyers} times "
        "that recipients ordered within {days} days can be called their effect; {shared} of those had been reached by "
        "more than one campaign.",
        "A random tenth of each campaign that gets nothing, drawn before the send and kept for as long as it runs.",
        "holdout",
    ),
}
