"""Letters: a message to a segment, sent once, as a person wrote it; submitted, it becomes a proposal like any other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, Row, insert, or_, select, update

from memory.canonical import digest
from memory.errors import ConflictError, NotFoundError
from memory.journal import append
from memory.schema import letters
from memory.segments.grammar import Compare
from memory.steps import Key, Language

PREFIX: Final = "letter-"
"""Begins the name of the playbook that a submitted letter is; no playbook of a folder may begin so."""
CLAIM: Final = timedelta(minutes=15)
"""A worker that is silent for so long over one letter is taken for dead, and another goes on."""
State = Literal["draft", "waiting", "proposed", "returned"]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]
Passage = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]

AGREED: Final = Compare(field="consent_email", operator="==", value="granted")
"""Whom a new letter is for: everybody who agreed to marketing by e-mail."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(_Frozen):
    """The text slots in one language, which may still be empty."""

    subject: Line = ""
    preheader: Line = ""
    headline: Line = ""
    body: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000)] = ""
    """One paragraph a line."""
    button: Line = ""

    @property
    def empty(self) -> bool:
        return not any(self.model_dump().values())


class Letter(_Frozen):
    """What somebody wrote so far: why, to whom, in which words, and when."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = ""
    intention: Passage = ""
    metric: Line = ""
    signal: Passage = ""
    """What shows that it fits now."""
    receptivity: Passage = ""
    """What shows that these people want to hear it."""
    owner: Line = ""
    stop_rule: Passage = ""
    decision: Passage = ""
    segment: dict[str, Any] = Field(default_factory=lambda: AGREED.model_dump(mode="json"))
    """An expression of the segment grammar."""
    layout: Key = "letter"
    link: Literal["links.shop", "links.preferences"] = "links.shop"
    """Where the button leads."""
    offer_id: str = ""
    words: dict[Language, Words] = Field(default_factory=dict)
    starts_at: AwareDatetime | None = None
    """The next possible morning if none is named."""
    contacts_per_day: int | None = Field(default=None, ge=1)
    """All at once if none is named."""
    window_days: int = Field(default=14, ge=1, le=90)
    """Days after entering within which an order counts as success."""


class StoredLetter(_Frozen):
    """A letter and where it stands."""

    letter_id: str
    state: State
    version: int
    letter: Letter
    author: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    edited_by: str = ""
    """Who wrote it as it stands."""
    submission: int = 0
    submitted_by: str = ""
    proposal_id: str | None = None
    answer: str = ""
    """Why it came back."""

    @property
    def playbook(self) -> str:
        """The name of the playbook that it is when submitted."""
        return f"{PREFIX}{self.letter_id}"

    @property
    def may_change(self) -> bool:
        """A letter that is handed in changes no more; what becomes of it is edited as a proposal."""
        return self.state in ("draft", "returned")


def is_letter(playbook: str) -> bool:
    """Whether a playbook is what a person wrote."""
    return playbook.startswith(PREFIX)


def create(connection: Connection, letter_id: str, letter: Letter, *, actor: str, at: datetime) -> StoredLetter:
    """Begin a letter."""
    row = {"letter_id": letter_id, "state": "draft", "version": 1, "author": actor, "created_at": at, "updated_at": at}
    connection.execute(insert(letters).values(body=letter.model_dump(mode="json"), edited_by=actor, **row))
    append(connection, at=at, actor=actor, action="letter.begun", subject=letter_id, payload={})
    return get(connection, letter_id)


def save(
    connection: Connection, letter_id: str, letter: Letter, *, version: int, actor: str, at: datetime
) -> StoredLetter:
    """Keep what was written; ConflictError if it was handed in, or somebody saved in between."""
    free = letters.c.state.in_(["draft", "returned"])
    changed = connection.execute(
        update(letters)
        .where(letters.c.letter_id == letter_id, letters.c.version == version, free)
        .values(body=letter.model_dump(mode="json"), version=version + 1, edited_by=actor, updated_at=at)
    )
    if changed.rowcount != 1:
        get(connection, letter_id)
        raise ConflictError(
            "Somebody saved or submitted this letter since you opened it.",
            where=f"letter {letter_id}",
            remedy="Open it again, and write your change there.",
        )
    payload = {"version": version + 1, "digest": digest(letter.model_dump(mode="json"))}
    append(connection, at=at, actor=actor, action="letter.saved", subject=letter_id, payload=payload)
    return get(connection, letter_id)


def submit(connection: Connection, letter_id: str, *, version: int, actor: str, at: datetime) -> StoredLetter:
    """Hand a letter in: the worker makes a proposal of it. Submitting the same version twice has one effect."""
    free = letters.c.state.in_(["draft", "returned"])
    changed = connection.execute(
        update(letters)
        .where(letters.c.letter_id == letter_id, letters.c.version == version, free)
        .values(
            state="waiting", submission=letters.c.submission + 1, submitted_by=actor, updated_at=at, answer="",
            proposal_id=None,
        )
    )  # fmt: skip
    found = get(connection, letter_id)
    if changed.rowcount == 1:
        payload = {"submission": found.submission, "digest": digest(found.letter.model_dump(mode="json"))}
        append(connection, at=at, actor=actor, action="letter.submitted", subject=letter_id, payload=payload)
    elif found.version != version:
        raise ConflictError(
            "Somebody saved or submitted this letter since you opened it.",
            where=f"letter {letter_id}",
            remedy="Open it again, and write your change there.",
        )
    return found


def claim(connection: Connection, real_now: datetime) -> StoredLetter | None:
    """Take the letter that waits longest and that no living worker has; None where there is none."""
    free = (letters.c.state == "waiting") & or_(letters.c.claimed_until.is_(None), letters.c.claimed_until <= real_now)
    query = select(letters.c.letter_id).where(free).order_by(letters.c.updated_at, letters.c.letter_id).limit(1)
    found = connection.execute(query).scalar()
    if found is None:
        return None
    # Of two workers that look at once, PostgreSQL lets the second wait and look again.
    taken = connection.execute(
        update(letters).where(letters.c.letter_id == found, free).values(claimed_until=real_now + CLAIM)
    )
    return get(connection, found) if taken.rowcount == 1 else None


def settle(connection: Connection, stored: StoredLetter, *, proposal_id: str | None, answer: str, at: datetime) -> None:
    """Write down what the worker made of a letter: a proposal, or the reason why there is none."""
    state = "proposed" if proposal_id else "returned"
    changed = connection.execute(
        update(letters)
        .where(letters.c.letter_id == stored.letter_id, letters.c.state == "waiting")
        # A worker that was taken for dead may come late, when the letter was handed in anew.
        .where(letters.c.submission == stored.submission)
        .values(state=state, proposal_id=proposal_id, answer=answer, claimed_until=None, updated_at=at)
    )
    if changed.rowcount == 1:
        payload = {"submission": stored.submission, "proposal": proposal_id or ""}
        append(connection, at=at, actor="noria", action=f"letter.{state}", subject=stored.letter_id, payload=payload)


def get(connection: Connection, letter_id: str) -> StoredLetter:
    """Raises NotFoundError."""
    row = connection.execute(select(letters).where(letters.c.letter_id == letter_id)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such letter.", where=f"letter {letter_id}")
    return _stored(row)


def newest(connection: Connection, *, limit: int) -> Sequence[StoredLetter]:
    """Letters, the one that was changed last first."""
    query = select(letters).order_by(letters.c.updated_at.desc(), letters.c.letter_id).limit(limit)
    return [_stored(row) for row in connection.execute(query)]


def of_playbook(connection: Connection, playbook: str) -> StoredLetter:
    """The letter that a playbook is. Raises NotFoundError."""
    return get(connection, playbook.removeprefix(PREFIX))


def _stored(row: Row[Any]) -> StoredLetter:
    names = set(StoredLetter.model_fields) - {"letter"}
    return StoredLetter.model_validate({**{name: getattr(row, name) for name in names}, "letter": row.body})
