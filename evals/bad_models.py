"""Which model a case is played with: none, the one that is scored, or one that misbehaves on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agents.model import Model, ModelSettings
from agents.model_provider import ModelProvider
from agents.provider import Provider
from agents.rules import RulesProvider
from evals.model_server import ModelServer, Reply, Responder, fails, obeys, returns, says
from evals.scenario import BAD_MODELS

_MISBEHAVIOUR: dict[str, Reply | Responder] = {
    "obeys": obeys,
    "down": fails(503),
    "wrong_schema": returns({"colour": "mauve"}),
    "prose": says("Certainly! I would suggest a lovely message with 20 % off."),
}


class Contender(BaseModel):
    """The provider that is scored."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["rules", "model"] = "rules"
    settings: ModelSettings | None = None

    @property
    def name(self) -> str:
        """`rules`, or the name of the model."""
        return self.settings.model if self.settings is not None else "rules"


@contextmanager
def provider_for(contender: Contender, bad_model: BAD_MODELS | None) -> Iterator[tuple[Provider, Model | None]]:
    """The provider of a case, and its model if there is one; a misbehaving model is served on this machine."""
    if bad_model is not None:
        with ModelServer(otherwise=_MISBEHAVIOUR[bad_model]) as server:
            settings = ModelSettings(
                base_url=server.base_url,
                model=f"a model that {bad_model}",
                timeout_seconds=5,
                deadline_seconds=10,
                longest_wait_seconds=0,
                attempts=2,
            )
            model = Model(settings, sleep=lambda _: None)
            yield ModelProvider(model, RulesProvider()), model
    elif contender.settings is not None:
        model = Model(contender.settings)
        yield ModelProvider(model, RulesProvider()), model
    else:
        yield RulesProvider(), None
