"""What a brand lets contacts choose and say about themselves: topics, and questions with closed answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Words = dict[
    Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")],
    Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)],
]
TopicId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Topic(_Frozen):
    """Something that messages are about, which a contact may want or not."""

    id: TopicId
    name: Words = Field(min_length=1)


class Choice(_Frozen):
    """One answer to a question: what is kept, and what it is called."""

    id: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f<>{}]{1,64}$")]
    name: Words = Field(min_length=1)


class Question(_Frozen):
    """Something a contact may tell about themselves, by one of a few answers."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,40}$")]
    """Copy prints the answer as `{{ answers.ID }}`."""
    ask: Words = Field(min_length=1)
    choices: tuple[Choice, ...] = Field(min_length=2, max_length=20)

    def name_of(self, answer: str, language: str) -> str | None:
        """What an answer is called in a language; None for one that is not offered (any more)."""
        return next((in_language(one.name, language) for one in self.choices if one.id == answer), None)


def in_language(words: Mapping[str, str], language: str) -> str:
    """The words in a language, else in English, else in the first that is there."""
    return words.get(language) or words.get("en") or words[min(words)]


def twice(ids: Iterable[str]) -> str:
    """The first id that stands in a list more than once; empty when none does."""
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            return one
        seen.add(one)
    return ""
