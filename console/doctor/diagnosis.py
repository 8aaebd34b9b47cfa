"""What the doctor says of one part: well, a warning or a failure, with the remedy, or that it is another's."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["well", "warning", "failure", "elsewhere"]


class Diagnosis(BaseModel):
    """One part of a workspace, examined."""

    model_config = ConfigDict(frozen=True)

    part: str
    state: State
    sentence: str
    remedy: str = ""


def well(part: str, sentence: str) -> Diagnosis:
    return Diagnosis(part=part, state="well", sentence=sentence)


def warning(part: str, sentence: str, remedy: str) -> Diagnosis:
    return Diagnosis(part=part, state="warning", sentence=sentence, remedy=remedy)


def failure(part: str, sentence: str, remedy: str) -> Diagnosis:
    return Diagnosis(part=part, state="failure", sentence=sentence, remedy=remedy)


def elsewhere(part: str, sentence: str) -> Diagnosis:
    """What this process cannot examine, as another one holds it."""
    return Diagnosis(part=part, state="elsewhere", sentence=sentence)
