"""A model that does as it is told: it looks something up, cites it, and returns the copy that it was shown."""

from __future__ import annotations

import json
from typing import Any

from evals.model_server import JsonObject, Reply, calls, returns, says


def cooperates(request: JsonObject) -> Reply:
    """A valid answer to whichever agent asks."""
    messages = request["messages"]
    if "response_format" not in request:
        if any(message["role"] == "tool" for message in messages):
            return says("I have seen enough.")
        return calls(("history", {}))
    form = request["response_format"]["json_schema"]["name"]
    data = _data(messages)
    answers: dict[str, Any] = {
        "AnalysisWords": lambda: {
            "hypothesis": "A friendly word brings regular customers back.",
            "why_now": "They are later than their own rhythm.",
            "evidence": [{"lookup_id": _cited(messages), "sentence": "The record goes back far enough."}],
        },
        "CopyWords": lambda: {"messages": data["messages"]},
        "ScheduleChoice": lambda: {
            "start_in_days": data["start_in_days"][0],
            "holdout_share": data["holdout_share"][0],
            "sequences": data["sequences"],
            "reason": "The first opening.",
        },
    }
    return returns(answers[form]())


def _data(messages: list[JsonObject]) -> Any:
    text = next(str(message["content"]) for message in messages if "<DATA>" in str(message["content"]))
    return json.loads(text.split("<DATA>\n", 1)[1].split("\n</DATA>", 1)[0])


def _cited(messages: list[JsonObject]) -> str:
    answer = next(json.loads(message["content"]) for message in messages if message["role"] == "tool")
    return str(answer["lookup_id"])
