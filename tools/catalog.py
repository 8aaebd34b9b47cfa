"""The closed set of actions that agents may propose; nothing else can be asked of the door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationError

from memory.errors import InvalidInputError
from memory.play import Play


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of action: what it does, what it takes, who starts it, and how it is undone."""

    kind: str
    sentence: dict[str, str]
    arguments: type[BaseModel]
    autonomy: Literal["suggest", "approve", "auto"]
    """How much a person has to do with it before it happens; only a person may raise it."""
    undo: dict[str, str]


LAUNCH_CAMPAIGN: Final = Action(
    kind="launch_campaign",
    sentence={
        "en": "Write to the contacts of a segment, by a play that people approved.",
        "fr": "Écrire aux contacts d'un segment, selon une action approuvée.",
    },
    arguments=Play,
    autonomy="approve",
    undo={
        "en": "Until a message has left it can be stopped; what has left cannot be called back.",
        "fr": "Tant qu'un message n'est pas parti il peut être arrêté ; ce qui est parti ne revient pas.",
    },
)

CHANGE_CAMPAIGN: Final = Action(
    kind="change_campaign",
    sentence={
        "en": "Go on with a running campaign in a new version that people approved.",
        "fr": "Poursuivre une campagne en cours dans une nouvelle version approuvée.",
    },
    arguments=Play,
    autonomy="approve",
    undo={
        "en": "It can be changed again; what has left in the meantime cannot be called back.",
        "fr": "Elle peut être modifiée de nouveau ; ce qui est parti entre-temps ne revient pas.",
    },
)

RETIRE_CAMPAIGN: Final = Action(
    kind="retire_campaign",
    sentence={
        "en": "End a running campaign, because it harms or is not worth its place.",
        "fr": "Mettre fin à une campagne en cours, parce qu'elle nuit ou ne vaut pas sa place.",
    },
    arguments=Play,
    autonomy="approve",
    undo={
        "en": "It can be planned and approved afresh; who was in it is not let in again by itself.",
        "fr": "Elle peut être planifiée et approuvée de nouveau ; qui y était n'y entre pas de nouveau de soi-même.",
    },
)

ACTIONS: Final[dict[str, Action]] = {
    action.kind: action for action in (LAUNCH_CAMPAIGN, CHANGE_CAMPAIGN, RETIRE_CAMPAIGN)
}
"""Every action by kind."""


def read_action(kind: str, arguments: dict[str, Any]) -> BaseModel:
    """The checked arguments of a proposed action. Raises InvalidInputError for an unknown one, or arguments that do not
    fit.
    """
    if kind not in ACTIONS:
        raise InvalidInputError(
            f"Agents cannot propose {kind!r}.", where="action", remedy=f"They may propose: {', '.join(ACTIONS)}."
        )
    try:
        return ACTIONS[kind].arguments.model_validate(arguments)
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidInputError(
            f"The action cannot be done as described: {fault['msg']}.",
            where=f"{kind}.{'.'.join(str(part) for part in fault['loc'])}",
            remedy="Propose it again with arguments that fit.",
        ) from error
