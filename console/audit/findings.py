"""What an audit tells: findings with numbers, rows to look at, and what would have been needed."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict

from console.audit.topics import Topic


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Row(_Frozen):
    """One row of the exports, without who it is about."""

    file: str
    line: int | None
    """None where the row could not be found again."""
    at: AwareDatetime
    campaign: str
    said: str


class AuditFinding(_Frozen):
    """One thing that the exports show."""

    topic: Topic
    title: str
    count: int
    of: int
    """Out of how many messages (of campaigns, for claims of effect)."""
    contacts: int
    sentence: str
    needed: str
    """What would have been needed."""
    source: str
    rows: tuple[Row, ...]


class Claim(_Frozen):
    """One campaign and what its data can and cannot say of its effect."""

    campaign: str
    recipients: int
    buyers: int
    """Recipients who ordered within the days after; what attribution would claim."""
    also_elsewhere: int
    """Those of them whom another campaign reached in the same days before the order."""
    provable_lift: float | None
    """Smallest relative lift that a tenth held out would have shown; None where none could be seen."""
    sentence: str


class FileRead(_Frozen):
    """One export and how much of it could be read."""

    file: str
    kind: str
    rows: int
    set_aside: int
    reasons: tuple[str, ...]


class Audit(_Frozen):
    """Everything on the page."""

    folder: str
    pack: str
    made_at: AwareDatetime
    first_at: AwareDatetime | None
    last_at: AwareDatetime | None
    messages: int
    contacts: int
    campaigns: int
    files: tuple[FileRead, ...]
    left_out: tuple[str, ...]
    findings: tuple[AuditFinding, ...]
    claims: tuple[Claim, ...]
    pressure: dict[int, int]
    """Contacts by the most messages they had within the days of the cap."""
    cap: str
    cap_days: int
    service_campaigns: tuple[str, ...]
    """Taken for messages of a service by their names, and held to no limit of marketing."""
    not_judged: tuple[str, ...]
    """What the exports do not say enough for, with the export that would."""
    clean: tuple[str, ...]
    """What was looked for and not found."""
