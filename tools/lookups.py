"""What agents may look up, read-only: every call is written down under an id that evidence cites, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, func, select

from memory.canonical import digest
from memory.errors import InvalidInputError, NoriaError, NotFoundError
from memory.journal import append
from memory.proposal import Proposal
from memory.schema import lookups
from memory.store import Store, upsert

JsonObject = dict[str, Any]
MODEL_CALL = "model"
NOTE = "handover.note"
"""Name under which calls of a model are written down beside the look-ups."""


class BudgetSpentError(NoriaError):
    """An agent asked for more look-ups or tokens than its budget allows."""

    code: ClassVar[str] = "budget_spent"


class Budget(BaseModel):
    """How much one thread of deliberation may look up, and how many tokens a model may cost it."""

    model_config = ConfigDict(frozen=True)

    calls: int = Field(default=60, ge=1)
    tokens: int = Field(default=60_000, ge=0)


class Spent(BaseModel):
    """What a thread has used so far."""

    model_config = ConfigDict(frozen=True)

    calls: int
    tokens: int


class Lookup(BaseModel):
    """One call and its answer, as evidence cites it."""

    model_config = ConfigDict(frozen=True)

    lookup_id: str
    thread_id: str
    name: str
    arguments: JsonObject
    result: JsonObject


def keep(
    connection: Connection,
    *,
    thread_id: str,
    name: str,
    arguments: JsonObject,
    result: JsonObject,
    at: datetime,
    tokens: int = 0,
) -> str:
    """Write down one call, or what one agent hands to the next, and return its id.

    The id is made of the content, so that a step which runs twice writes once.
    """
    lookup_id = "L" + digest([thread_id, name, arguments, result])[:15]
    row = {
        "lookup_id": lookup_id,
        "thread_id": thread_id,
        "name": name,
        "arguments": arguments,
        "result": result,
        "tokens": tokens,
        "at": at,
    }
    upsert(connection, lookups, [row])
    return lookup_id


def read(connection: Connection, lookup_id: str) -> Lookup:
    """What was written down under an id. Raises NotFoundError."""
    row = connection.execute(select(lookups).where(lookups.c.lookup_id == lookup_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no look-up {lookup_id}.")
    return Lookup.model_validate({name: value for name, value in row._asdict().items() if name in Lookup.model_fields})


def read_thread(connection: Connection, thread_id: str, name: str | None = None) -> list[Lookup]:
    """Everything written down in one thread, in order, optionally under one name."""
    query = select(lookups).where(lookups.c.thread_id == thread_id).order_by(lookups.c.at, lookups.c.lookup_id)
    if name is not None:
        query = query.where(lookups.c.name == name)
    fields = Lookup.model_fields
    return [
        Lookup.model_validate({key: value for key, value in row._asdict().items() if key in fields})
        for row in connection.execute(query)
    ]


def notes_on(connection: Connection, proposal: Proposal) -> list[str]:
    """Why an answer did not settle this version of a proposal, oldest first."""
    kept = read_thread(connection, proposal.thread_id, NOTE)
    return [str(one.result["sentence"]) for one in kept if one.result["version"] == proposal.version]


Answerer = Callable[[JsonObject], JsonObject]


class Offered(BaseModel):
    """A look-up that agents may call: its name, what it tells, and the arguments it takes."""

    model_config = ConfigDict(frozen=True)

    name: str
    sentence: str
    arguments: type[BaseModel]


class Lookups:
    """The closed set of look-ups of one thread; asking the same twice is answered from what was written down."""

    def __init__(
        self,
        store: Store,
        thread_id: str,
        offered: Mapping[str, tuple[Offered, Answerer]],
        *,
        now: datetime,
        budget: Budget | None = None,
    ) -> None:
        self.thread_id = thread_id
        self.budget = budget or Budget()
        self._store = store
        self._offered = dict(offered)
        self._now = now

    @property
    def offered(self) -> list[Offered]:
        return [offer for offer, _ in self._offered.values()]

    def call(self, name: str, arguments: Mapping[str, Any]) -> Lookup:
        """Answer one look-up. Raises InvalidInputError for an unknown one or bad arguments, BudgetSpentError."""
        if name not in self._offered:
            raise InvalidInputError(
                f"There is no look-up {name!r}.", remedy=f"There are: {', '.join(sorted(self._offered))}."
            )
        offer, answer = self._offered[name]
        try:
            asked = offer.arguments.model_validate(dict(arguments)).model_dump(mode="json")
        except ValueError as error:
            raise InvalidInputError(f"The arguments do not fit: {error}", where=f"look-up {name}") from error
        with self._store.read() as connection:
            known = [one for one in read_thread(connection, self.thread_id, name) if one.arguments == asked]
        if known:
            return known[-1]
        if self.spent().calls >= self.budget.calls:
            raise BudgetSpentError(
                f"All {self.budget.calls} look-ups of this thread are used.",
                where=self.thread_id,
                remedy="Decide with what is known.",
            )
        result = answer(asked)
        with self._store.write() as connection:
            lookup_id = keep(
                connection,
                thread_id=self.thread_id,
                name=name,
                arguments=asked,
                result=result,
                at=self._now,
            )
        return Lookup(lookup_id=lookup_id, thread_id=self.thread_id, name=name, arguments=asked, result=result)

    def charge_model(self, agent: str, tokens: int) -> None:
        """Write down one call of a model and what it cost."""
        with self._store.write() as connection:
            made = connection.execute(
                select(func.count())
                .select_from(lookups)
                .where(lookups.c.thread_id == self.thread_id, lookups.c.name == MODEL_CALL)
            ).scalar_one()
            keep(
                connection,
                thread_id=self.thread_id,
                name=MODEL_CALL,
                arguments={"agent": agent, "call": made + 1},
                result={},
                tokens=tokens,
                at=self._now,
            )

    def check_tokens(self) -> None:
        """Raises BudgetSpentError when no tokens are left for another call of a model."""
        if self.spent().tokens >= self.budget.tokens:
            raise BudgetSpentError(
                f"All {self.budget.tokens} tokens of this thread are used.",
                where=self.thread_id,
                remedy="Rules take over; raise the budget to let the model go on.",
            )

    def spent(self) -> Spent:
        """What the thread has used, read from what was written down, so that a restart forgets nothing."""
        with self._store.read() as connection:
            return self._spent(connection)

    def journal_spent(self, actor: str) -> Spent:
        """Add what the thread has used, and its budget, to the journal."""
        with self._store.write() as connection:
            spent = self._spent(connection)
            append(
                connection,
                at=self._now,
                actor=actor,
                action="lookups.spent",
                subject=self.thread_id,
                payload={"used": spent.model_dump(), "budget": self.budget.model_dump()},
            )
        return spent

    def _spent(self, connection: Connection) -> Spent:
        mine = lookups.c.thread_id == self.thread_id
        calls = connection.execute(
            select(func.count()).select_from(lookups).where(mine, lookups.c.name.in_(list(self._offered)))
        ).scalar_one()
        tokens = connection.execute(select(func.coalesce(func.sum(lookups.c.tokens), 0)).where(mine)).scalar_one()
        return Spent(calls=calls, tokens=int(tokens))
