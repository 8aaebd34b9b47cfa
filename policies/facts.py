"""What the rules look at: everything known of one message, or of one proposal, at one moment.

A fact that is None was not looked up, and the rule that needs it holds. "Known to be absent" has its own value:
"" for texts, NEVER for moments, 0 for counts, an empty tuple for lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final, Literal, TypeVar

from memory.play import Fact, Offer, Play
from memory.proposal import Audience
from memory.sequence_check import longest_wait
from memory.standing import Standing
from memory.steps import Channel, Sequence

NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""The moment of something that is known never to have happened."""

ANY_TOPIC: Final = ("*",)
"""What a contact wants who picked no topics."""
STOCK_UNKNOWN: Final = -1
"""The stock of a product of which the record does not say how many there are."""
NO_PRODUCT: Final = 2**31 - 1
"""The stock where a message is about no product: none can run out."""
NOT_MEASURED: Final = float("-inf")
"""The spam score of messages that no checker has seen."""
NO_ADDRESS: Final = "no address"
"""Why a contact who has no usable address for a channel gets nothing on it."""

T = TypeVar("T")


class MissingFactError(Exception):
    """A rule needs a fact that nobody looked up."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def need(value: T | None, name: str) -> T:
    """The value, or MissingFactError, which holds."""
    if value is None:
        raise MissingFactError(name)
    return value


def moment_or_never(value: datetime | None) -> datetime:
    """For a column whose null means "it never happened"."""
    return NEVER if value is None else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFacts:
    """Where the approval of the message's campaign version stands."""

    digest_expected: str | None = None
    """The digest that people approved."""
    digest_found: str | None = None
    """The digest of what would be sent now, computed again from the stored play."""
    approved: bool | None = None
    """True when as many people approved as the proposal needed."""
    expires_at: datetime | None = None
    revoked: bool | None = None
    policy_version: str | None = None
    """Version of the pack under which it was approved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFacts:
    """The offer as approved in the play, and as its record stands now."""

    planned: Offer | None
    """None for a play without an offer."""
    recorded: Offer | None = None
    """None when no approved record with that id exists (any more)."""
    pool_empty: bool = False
    """The message shows a single-use code, the contact holds none, and the pool has none left."""


NO_OFFER: Final = OfferFacts(planned=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """Everything that decides whether one message may leave now. See the module for what None means."""

    now: datetime
    channel: str | None = None
    purpose: str | None = None
    reaches_contact: bool = True
    """False where the contact gets nothing: an advertising audience or the CRM is told of them."""
    needs_no_leave: bool = False
    """It only takes the contact off an advertising audience, or writes to the team's own CRM: nobody need agree."""

    switch_stopped: bool | None = None
    deadline_at: datetime | None = None
    approval: ApprovalFacts | None = None

    contact_erased: bool | None = None
    suppressed_reason: str | None = None
    """"" when the address is not suppressed on this channel, NO_ADDRESS when the contact has none for it."""
    consent_state: Literal["granted", "withdrawn", ""] | None = None
    """Consent in force for this channel and purpose; "" when none was ever recorded."""
    consent_has_proof: bool | None = None
    consent_confirmed: bool | None = None
    """Whether they said yes in answer to a message to the address (double opt-in)."""
    customer_told: bool | None = None
    """With proof: when they bought, they were told of messages on similar products, and did not refuse them."""
    similar_bought_at: datetime | None = None
    """Last order in a category that the message is about. NEVER for none."""
    last_heard_at: datetime | None = None
    """Their last consent, order or sign of life, whichever is the newest. NEVER for none."""

    playbook: str | None = None
    language_matches: bool | None = None
    """False where the contact's own language is known, and the message is written in another."""
    topic: str | None = None
    """The play's topic; "" for a general message."""
    topics_wanted: tuple[str, ...] | None = None
    """The topics that the contact picked; ANY_TOPIC when they picked none."""
    paused_until: datetime | None = None
    """Until when the contact wants nothing; NEVER without a pause."""
    at_most_days: int | None = None
    """The contact wants at most one message in so many days; 0 for as it comes."""
    last_sent_at: datetime | None = None
    """When marketing last left for the contact, by any campaign, claimed ones included. NEVER for none."""

    sent_in_window: int | None = None
    """Messages of all campaigns in the pack's rolling window (Pack.cap), claimed ones included."""
    cap_frees_at: datetime | None = None
    """When the oldest of them leaves the window; only used to say when to try again."""

    room_left: int | None = None
    """Messages that the cap still allows now."""
    rivals: tuple[datetime, ...] | None = None
    """When messages to the same contact that are worth more are due, those of the look-ahead, soonest first."""

    tracking_known: bool | None = None
    """False where no tracking would have told of a click, visit or order."""
    last_human_signal_at: datetime | None = None
    """NEVER when tracking works and saw nothing."""
    sent_since_signal: int | None = None
    """Messages delivered since."""
    hibernation_exempt: bool = False
    """The approved play declares the win-back exemption (Limits.hibernation_exempt)."""
    exempt_sent_in_lapse: int | None = None
    """Messages already sent under such an exemption since the last human signal."""

    last_purchase_at: datetime | None = None
    """Last order that counts for the play: in the goal's category if it names one, else any. NEVER for none."""
    recent_purchase_days: int | None = None
    """The play's own limit (Limits.recent_purchase_days)."""

    local_now: datetime | None = None
    """The same moment in the contact's zone, or in the play's declared fallback zone (aware, ZoneInfo)."""
    zone_known: bool | None = None
    send_from_hour: int | None = None
    send_until_hour: int | None = None
    weekdays: tuple[int, ...] | None = None
    """The play's window (Schedule), 0 is Monday."""

    in_holdout: bool | None = None
    in_programme_holdout: bool | None = None

    offer: OfferFacts | None = None
    """NO_OFFER for a play without one."""
    standing: Standing | None = None
    """How the sender stands with the contact's domain; FINE where that is no matter of the channel."""

    product_stock_units: int | None = None
    """How many there are of the product that the message shows; STOCK_UNKNOWN and NO_PRODUCT have their own values."""
    in_barred_segment: bool | None = None
    """In one of the segments that the pack has the playbook leave alone (the rule not_for)."""

    bindings_missing: tuple[str, ...] | None = None
    """Names in the copy and template that no record could fill for this contact."""

    example_parts: tuple[str, ...] | None = None
    """Parts of the sender's identity that are still the example's; () where mail reaches nobody."""
    sender_address: str | None = None
    postal_address: str | None = None
    unsubscribe_url: str | None = None
    """"" when there is none."""


def is_marketing(facts: MessageFacts) -> bool:
    """False for a message of a service that the contact asked for: pressure and windows are no matter of it."""
    return need(facts.purpose, "purpose") != "transactional"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalFacts:
    """Everything that decides whether a proposal may be put before people, or launched. None means not looked up."""

    play: Play
    now: datetime
    channels: Mapping[Channel, int | None] | None = None
    """The channels of the workspace, each with the longest text it takes, in characters; None for any length."""
    audience: Audience | None = None
    """The subtraction as counted now."""
    consent_coverage: float | None = None
    """Share (0..1) of the selected contacts with consent and proof of it, for the play's channel and purpose."""
    quality: Mapping[str, float] | None = None
    """Measures of the record by name (memory.quality)."""
    cleaning: Mapping[str, str] = field(default_factory=dict)
    """What would raise each measure; only used to say so."""
    requirements: Mapping[str, float] | None = None
    """Smallest value of each measure that the playbook needs."""
    offers: tuple[Offer, ...] | None = None
    """Approved offers on record."""
    codes_left: Mapping[str, int] | None = None
    """Codes that nobody holds, by offer; needed only for single-use offers."""
    approved_facts: tuple[Fact, ...] | None = None
    """Claims that copy may make, all languages."""
    reference_price_cents: int | None = None
    """Average order in minor units; turns an amount off into a share. Needed only for such offers."""
    html_bytes: int | None = None
    """Size of its largest e-mail as HTML, filled with example values; 0 without any."""
    spam_score: float | None = None
    """The highest score that SpamAssassin gave one of its e-mails; NOT_MEASURED where nothing scores them."""
    senders: Mapping[str, tuple[str, ...]] | None = None
    """From addresses of the other campaigns that run, by the purpose of their e-mails."""
    words_last_sent: Mapping[str, datetime] | None = None
    """When another campaign last sent the words of a message, by place ("one/mail-1 (en)"); new words are left out."""
    cost_cents: int | None = None
    """Expected cost of messages and offer."""
    times_run: int | None = None
    """Campaigns of this playbook that ran before."""
    standings: tuple[Standing, ...] | None = None
    """How the play's sender stands with receiving domains, those that were ever slowed or stopped."""
    harmed_before: bool | None = None
    """True when a read-out of this playbook said "harms" and nothing since contradicted it."""


def purposes_mailed(play: Play) -> set[str]:
    """The purposes of a play's e-mails."""
    return {step.purpose for _, step in play.sends() if step.channel == "email"}


def latest_send(sequence: Sequence) -> timedelta:
    """After entry, when the last message of the slowest way through a sequence is due."""
    return max(longest_wait(sequence).values(), default=timedelta())


def last_planned_send(play: Play) -> datetime:
    """When the last message is due for the last contact to enter; holds may move it by the deadline."""
    entry_days = play.trigger.runs_days
    if not entry_days and play.limits.contacts_per_day:
        entry_days = max(ceil(play.size_band[1] / play.limits.contacts_per_day) - 1, 0)
    longest = max((latest_send(sequence) for sequence in play.sequences), default=timedelta())
    return play.schedule.starts_at + timedelta(days=entry_days) + longest
