"""The quarantine: the only place where what contacts wrote reaches a model, one contact per call, facts out."""

from __future__ import annotations

import html
import json
import re
import secrets
import unicodedata
from typing import Annotated, Literal, TypeVar

from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agents.model import Model, ModelError
from agents.prompts import prompt

Facts = TypeVar("Facts", bound=BaseModel)
_LONGEST_INPUT = 4_000
_SHORT = 40
_ODD = re.compile(r"[^\w\s.,'&-]", re.UNICODE)
_SPACES = re.compile(r"\s+")


def short_and_harmless(text: str) -> str:
    """A text of at most 40 characters without markup, links, braces or anything invisible."""
    visible = "".join(
        " " if character in "\r\n\t" else character
        for character in unicodedata.normalize("NFKC", text)
        if unicodedata.category(character)[0] != "C" or character in "\r\n\t"
    )
    kept = _SPACES.sub(" ", _ODD.sub(" ", visible)).strip()[:_SHORT].strip()
    return html.escape(kept, quote=True)


Short = Annotated[str, AfterValidator(short_and_harmless)]


class NoteFacts(BaseModel):
    """What one contact's note says, as values that nothing can hide in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["question", "complaint", "praise", "wish", "leave_me_alone", "other"] = "other"
    mood: Literal[-1, 0, 1] = 0
    wants_contact: Literal["yes", "no", "unknown"] = "unknown"
    language: Literal["en", "fr", "other"] = "other"
    topic: Short = Field(default="", max_length=200)
    """What it is about, in a few words; always escaped and never shown to another model."""


class ReplyFacts(BaseModel):
    """What one contact's answer wants, from closed sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wants: Literal["stop", "objection", "question", "human", "away", "thanks", "unclear"] = "unclear"
    objection: Literal["", "price", "timing", "frequency", "product", "elsewhere", "no_interest", "other"] = ""


def extract(model: Model, note: str) -> tuple[NoteFacts, int]:
    """The facts of one contact's note, and the tokens it cost; a note that cannot be read says nothing."""
    return _read(model, NoteFacts, "extractor", note)


def extract_reply(model: Model, words: str) -> tuple[ReplyFacts, int]:
    """What one contact's answer wants, and the tokens it cost; one that cannot be read is unclear."""
    return _read(model, ReplyFacts, "reply_extractor", words)


def _read(model: Model, form: type[Facts], instructions: str, text: str) -> tuple[Facts, int]:
    """One form about one text.

    The model has no tools here and sees no other contact; whatever the text asks for, only these values come out.
    """
    if not text.strip():
        return form(), 0
    # The text cannot close a fence whose name it does not know.
    fence = secrets.token_hex(8)
    messages = [
        SystemMessage(prompt(instructions).replace("FENCE", fence)),
        HumanMessage(f"<{fence}>\n{json.dumps(text[:_LONGEST_INPUT], ensure_ascii=False)}\n</{fence}>"),
    ]
    try:
        reply = model.structured(form, messages)
    except ModelError:
        return form(), 0
    return reply.value, reply.tokens
