"""The wire to a language model: one retry policy, one deadline, every answer validated before anybody sees it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from json import JSONDecodeError
from typing import Any, ClassVar, Generic, Literal, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from openai import APIConnectionError, APIError, APIStatusError, LengthFinishReasonError, OpenAIError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_any
from tenacity.stop import stop_base

from memory.errors import NoriaError

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")


class ModelSettings(BaseModel):
    """Which model to call, and how long to wait for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    """Any OpenAI-compatible address, ending in /v1."""
    model: str
    api_key: SecretStr = SecretStr("none")
    timeout_seconds: float = Field(default=60.0, gt=0)
    """One request."""
    deadline_seconds: float = Field(default=150.0, gt=0)
    """One question with all its retries."""
    longest_wait_seconds: float = Field(default=20.0, ge=0)
    """A server that asks for a longer pause than this is given up at once."""
    attempts: int = Field(default=4, ge=1, le=10)
    max_output_tokens: int = Field(default=2_000, ge=64)
    temperature: float = Field(default=0.0, ge=0, le=2)
    structured_method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema"


class ModelError(NoriaError):
    """The model gave no usable answer; the rules provider takes over and the proposal says so."""

    code: ClassVar[str] = "model"
    tokens: int = 0
    """What the failed question cost all the same."""


class _UnusableBodyError(Exception):
    """The server answered, but not with a chat completion: worth another try."""


class Reply(BaseModel, Generic[Answer]):
    """A validated answer, and what it cost."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    value: Answer
    tokens: int
    repaired: bool = False


class Model:
    """Asks one model, again where that helps, and never longer than its deadline."""

    def __init__(self, settings: ModelSettings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self._sleep = sleep
        self._chat = ChatOpenAI(
            base_url=settings.base_url,
            model=settings.model,
            api_key=settings.api_key,
            timeout=settings.timeout_seconds,
            # Retries live in one layer only, and this one sleeps as long as a server tells it to.
            max_retries=0,
            max_completion_tokens=settings.max_output_tokens,
            temperature=settings.temperature,
            use_responses_api=False,
        )

    def structured(
        self, schema: type[Answer], messages: Sequence[BaseMessage], *, check: Callable[[Answer], str] | None = None
    ) -> Reply[Answer]:
        """An answer that fits ``schema``; one attempt to repair it, then ModelError.

        ``check`` may find fault with a well-formed answer: what it returns, if anything, goes back to the model once.
        """
        asked = list(messages)
        tokens = 0
        for repaired in (False, True):
            try:
                message = self._ask_structured(schema, asked)
            except ModelError as error:
                error.tokens = tokens
                raise
            tokens += count_tokens(asked, message)
            value, fault = _read(schema, message, self.settings.structured_method)
            if value is not None and check is not None:
                fault = check(value)
            if value is not None and not fault:
                return Reply[Any](value=value, tokens=tokens, repaired=repaired)
            asked = [*asked, HumanMessage(f"That answer cannot be used: {fault}\nAnswer again, in the same form.")]
        failure = ModelError(
            "The model's answer could not be used, nor could its second attempt.",
            where=self.settings.model,
            remedy="Rules take over; a larger model or another structured_method may follow the form better.",
        )
        failure.tokens = tokens
        raise failure

    def converse(self, messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> tuple[AIMessage, int]:
        """One turn in which the model may call tools; returns its message and the tokens it cost."""
        message = self._within_deadline(
            lambda chat: chat.bind_tools(list(tools), parallel_tool_calls=False).invoke(list(messages))
        )
        return message, count_tokens(messages, message)

    def _ask_structured(self, schema: type[BaseModel], messages: Sequence[BaseMessage]) -> AIMessage:
        name, form = schema.__name__, schema.model_json_schema()
        method = self.settings.structured_method
        if method == "function_calling":
            tool = {"type": "function", "function": {"name": name, "description": schema.__doc__, "parameters": form}}
            return self._within_deadline(
                lambda chat: chat.bind_tools([tool], tool_choice=name, parallel_tool_calls=False).invoke(list(messages))
            )
        if method == "json_mode":
            asked = [*messages, SystemMessage(f"Answer with one JSON object of this schema:\n{json.dumps(form)}")]
            return self._within_deadline(
                lambda chat: chat.bind(response_format={"type": "json_object"}).invoke(list(asked))
            )
        wanted = {"type": "json_schema", "json_schema": {"name": name, "schema": form}}
        return self._within_deadline(lambda chat: chat.bind(response_format=wanted).invoke(list(messages)))

    def _within_deadline(self, ask: Callable[[ChatOpenAI], Any]) -> AIMessage:
        settings, started = self.settings, time.monotonic()
        policy = Retrying(
            retry=retry_if_exception(_worth_another_try),
            stop=stop_any(_OutOfPatience(settings, started), stop_after_attempt(settings.attempts)),
            wait=_pause,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return policy(self._once, ask, started)
        except (OpenAIError, _UnusableBodyError, TimeoutError) as error:
            raise _explained(error, settings) from error

    def _once(self, ask: Callable[[ChatOpenAI], Any], started: float) -> AIMessage:
        settings = self.settings
        left = settings.deadline_seconds - (time.monotonic() - started)
        patience = max(0.05, min(settings.timeout_seconds, left))
        try:
            message = _finish_within(patience, lambda: ask(self._chat))
        except (JSONDecodeError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # What langchain-openai raises for HTML, cut JSON, and completions without choices.
            raise _UnusableBodyError(type(error).__name__) from error
        if not isinstance(message, AIMessage):
            raise _UnusableBodyError("nothing came back")
        return message


def count_tokens(messages: Sequence[BaseMessage], answer: AIMessage) -> int:
    """Tokens as the server counted them, or a quarter of the characters where it does not count."""
    if answer.usage_metadata is not None:
        return int(answer.usage_metadata["total_tokens"])
    characters = sum(len(str(message.content)) for message in messages) + len(str(answer.content))
    return characters // 4 + 1


def _read(schema: type[Answer], message: AIMessage, method: str) -> tuple[Answer | None, str]:
    """The validated answer, or None and what is wrong with it."""
    if message.additional_kwargs.get("refusal"):
        return None, "it was a refusal"
    if message.response_metadata.get("finish_reason") == "length":
        return None, "it was cut off; be shorter"
    try:
        if method == "function_calling":
            if not message.tool_calls:
                return None, f"call the function {schema.__name__} with arguments that fit its schema"
            return schema.model_validate(message.tool_calls[0]["args"]), ""
        return schema.model_validate_json(_without_fence(str(message.content))), ""
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'answer'}: {fault['msg']}"
            for fault in error.errors()[:5]
        )
        return None, faults


def _without_fence(text: str) -> str:
    text = text.strip()
    if text.startswith("```"):
        text = text.split("\n", 1)[-1].rsplit("```", 1)[0]
    return text.strip()


def _finish_within(seconds: float, work: Callable[[], Result]) -> Result:
    """The result of ``work``, or TimeoutError: a server that drips one byte at a time never trips a socket timeout."""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True, name="model-call")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError("the model did not finish in time")
    if failure:
        raise failure[0]
    return outcome[0]


def _worth_another_try(error: BaseException) -> bool:
    if isinstance(error, APIStatusError):
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, APIConnectionError | _UnusableBodyError | TimeoutError)


def _retry_after_seconds(error: BaseException | None) -> float | None:
    if not isinstance(error, APIStatusError):
        return None
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _pause(state: RetryCallState) -> float:
    asked = _retry_after_seconds(state.outcome.exception() if state.outcome else None)
    return asked if asked is not None else min(8.0, 0.25 * 2.0**state.attempt_number)


class _OutOfPatience(stop_base):
    """Stops when the next pause would be too long, or end after the deadline."""

    def __init__(self, settings: ModelSettings, started: float) -> None:
        self._settings, self._started = settings, started

    def __call__(self, retry_state: RetryCallState) -> bool:
        pause = _pause(retry_state)
        left = self._settings.deadline_seconds - (time.monotonic() - self._started)
        return pause > self._settings.longest_wait_seconds or pause >= left


def _explained(error: Exception, settings: ModelSettings) -> ModelError:
    where = f"{settings.model} at {settings.base_url}"
    if isinstance(error, LengthFinishReasonError):
        return ModelError("The model ran out of room.", where=where, remedy="Raise max_output_tokens.")
    if isinstance(error, APIStatusError):
        status = error.status_code
        if status in (401, 403):
            return ModelError(f"The model's server refused the key ({status}).", where=where, remedy="Check the key.")
        if status == 429:
            return ModelError("The model's server is busy (429).", where=where, remedy="Try later, or use rules.")
        return ModelError(f"The model's server answered {status}.", where=where, remedy="Check its address and log.")
    if isinstance(error, _UnusableBodyError):
        return ModelError(
            "The server's answer was not a chat completion.", where=where, remedy="Check that base_url ends in /v1."
        )
    if isinstance(error, TimeoutError | APIConnectionError | APIError):
        return ModelError("The model did not answer in time.", where=where, remedy="Check that it runs, or use rules.")
    return ModelError(f"The model failed ({type(error).__name__}).", where=where, remedy="Rules take over.")
