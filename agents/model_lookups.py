"""Lets a model call read-only look-ups within its budget, and keeps what it saw."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from pydantic import BaseModel

from agents.model import Model
from agents.model_data import analysis_data, told
from agents.notes import read_notes
from agents.provider import Analysis, Task
from memory.errors import InvalidInputError
from tools.lookups import BudgetSpentError, Lookup

_ROUNDS = 6
_MOST_CALLS_A_ROUND = 8


def look_up(model: Model, task: Task, sized: Analysis) -> tuple[dict[str, Lookup], list[BaseMessage]]:
    """Let the model call look-ups within the budget; returns what it saw, and the conversation."""
    notes = read_notes(task, model)
    messages = told("analyst", analysis_data(task, sized, notes))
    offered = [_tool(offer.name, offer.sentence, offer.arguments) for offer in task.lookups.offered]
    seen: dict[str, Lookup] = {} if notes is None else {notes.lookup_id: notes}
    for _ in range(_ROUNDS):
        task.lookups.check_tokens()
        said, tokens = model.converse(messages, offered)
        task.lookups.charge_model("analyst", tokens)
        if not said.tool_calls and not said.invalid_tool_calls:
            break
        try:
            answers = _answers(task, said, seen)
        except BudgetSpentError:
            break
        messages = [*messages, _as_asked(said), *answers]
    asked = "Now write the analysis. Cite only look-up ids from the answers above."
    return seen, [*messages, HumanMessage(asked)]


def _answers(task: Task, said: AIMessage, seen: dict[str, Lookup]) -> list[ToolMessage]:
    answers = []
    for call in said.tool_calls[:_MOST_CALLS_A_ROUND]:
        try:
            found = task.lookups.call(call["name"], call["args"])
        except BudgetSpentError:
            raise
        except InvalidInputError as error:
            told: dict[str, Any] = {"error": str(error)}
        else:
            seen[found.lookup_id] = found
            told = {"lookup_id": found.lookup_id, "result": found.result}
        answers.append(ToolMessage(json.dumps(told, ensure_ascii=False), tool_call_id=call["id"] or ""))
    answers += [
        ToolMessage(json.dumps({"error": "too many at once"}), tool_call_id=call["id"] or "")
        for call in said.tool_calls[_MOST_CALLS_A_ROUND:]
    ]
    answers += [
        ToolMessage(json.dumps({"error": "these arguments are not JSON"}), tool_call_id=call["id"] or "")
        for call in said.invalid_tool_calls
    ]
    return answers


def _as_asked(said: AIMessage) -> AIMessage:
    """The model's turn with nothing but its calls: its prose is not carried on."""
    return AIMessage("", tool_calls=said.tool_calls, invalid_tool_calls=said.invalid_tool_calls)


def _tool(name: str, sentence: str, arguments: type[BaseModel]) -> dict[str, Any]:
    form = arguments.model_json_schema()
    return {"type": "function", "function": {"name": name, "description": sentence, "parameters": form}}
