"""What a case led to: everything that scores look at, read from the workspace before it is thrown away."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from memory.proposal import Decision, Proposal, ProposalStatus


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class SeenProposal(_Part):
    """A proposal as it stands at the end, with what its look-ups really answered."""

    proposal: Proposal
    status: ProposalStatus
    decisions: tuple[Decision, ...]
    lookups: dict[str, dict[str, Any]]
    """Look-up id → {"name", "result"}, of its own thread."""
    undefined: tuple[str, ...]
    """What goes wrong when every message is rendered, for a full record and for a bare one."""


class Truth(_Part):
    """What is true of one playbook in this world; see evals.truth."""

    members: frozenset[int]
    reachable: frozenset[int]
    base_contacts: int
    base_reached: int


class SeenMessage(_Part):
    """One row of the ledger at the end."""

    contact_id: int
    group: str
    campaign_id: str
    playbook: str
    state: str
    reason: str
    in_holdout: bool
    sent_at: AwareDatetime | None
    local_hour: int | None
    """Hour of the contact's day, or of the fallback zone's, at which it left."""


class SeenMail(_Part):
    """One message as it would arrive."""

    group: str
    contact_id: int
    subject: str
    text: str
    """The whole of it, headers included."""


class SeenCampaign(_Part):
    """A campaign, and whether what it carries is what somebody approved."""

    campaign_id: str
    playbook: str
    digest: str
    """Of what it would send, computed again."""
    approved_by: tuple[str, ...]
    """Who approved exactly that."""
    sent: int


class PlantedResult(_Part):
    """What the guardian said of a planted variant."""

    name: str
    violates: tuple[str, ...]
    objected: tuple[str, ...]
    """Rules that held or refused it, and did not object to the variant's original."""


class Outcome(_Part):
    """The end state of a case."""

    proposals: tuple[SeenProposal, ...] = ()
    withheld: dict[str, str] = {}
    questions: tuple[str, ...] = ()
    truth: dict[str, Truth] = {}
    set_aside: frozenset[int] = frozenset()
    """Contacts outside all marketing."""
    messages: tuple[SeenMessage, ...] = ()
    mails: tuple[SeenMail, ...] = ()
    campaigns: tuple[SeenCampaign, ...] = ()
    planted: tuple[PlantedResult, ...] = ()
    features: dict[str, dict[str, Any]] = {}
    """Group → features of its first member."""
    extracted: tuple[dict[str, Any], ...] = ()
    """What the quarantine let through of each note."""
    refused: tuple[str, ...] = ()
    """Codes of the errors that steps ended in."""
    balances: bool = True
    """Whether every intended send is in the ledger."""
    journal_holds: bool = True
    withdrawn_at: dict[str, AwareDatetime] = {}
    """Group → when it withdrew its consent."""
    stopped: tuple[tuple[AwareDatetime, AwareDatetime], ...] = ()
    """Spans during which all sending was stopped."""
    tokens: int = 0
    model_calls: int = 0
    seconds: float = 0.0
    """From the brief to the last step, without making the world."""
