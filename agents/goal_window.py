"""Within how many days a goal counts: the playbook's, or fewer where by then almost everybody gets there anyway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from agents.playbook import Playbook
from memory.events import ORDER
from memory.letters import is_letter
from memory.proposal import Evidence
from memory.sequence_check import last_send
from tools.lookups import JsonObject, Lookup

FEWEST_COUNTED: Final = 20
"""Contacts on whom a rate must have been counted before anything is decided by it."""
FULL: Final = 0.95
"""Where more get there by themselves, a message can win too few to show it (house setting)."""
WEEK: Final = timedelta(days=7)


def counted_rates(playbook: Playbook, call: Callable[[str, JsonObject], Lookup]) -> list[Lookup]:
    """How many reach the goal by themselves in the playbook's days and, if need be, in fewer; the last one counts.

    Where the first leaves no room, the days are halved to whole weeks, so that each weekday is in them as often as the
    others, until one does. Where none does, or too little was counted in it, the playbook's days stay.
    """
    about = {"playbook": playbook.id}
    found = [call("base_rate", about)]
    days = int(found[0].result["window_days"])
    while _is_full(found[-1].result):
        if not (days := _fewer(playbook, days)):
            return found[:1]
        found.append(call("base_rate", about | {"window_days": days}))
    first, last = found[0].result, found[-1].result
    is_counted = last["contacts"] >= FEWEST_COUNTED and last["reached"] and last["basis"] == first["basis"]
    return found if is_counted else found[:1]


def why_fewer(counted: list[Lookup]) -> list[Evidence]:
    """What kept the playbook's own days from being the goal's; nothing where they are."""
    if len(counted) == 1:
        return []
    first, chosen = counted[0], counted[-1].result["window_days"]
    sentence = (
        f"{first.result['rate']:.1%} order within the {first.result['window_days']} days of the playbook anyway, which "
        f"leaves too few to win over: what counts here is an order within {chosen} days."
    )
    return [Evidence(lookup_id=first.lookup_id, sentence=sentence, value=first.result["rate"])]


def _is_full(counted: JsonObject) -> bool:
    return int(counted["contacts"]) >= FEWEST_COUNTED and float(counted["rate"]) > FULL


def _fewer(playbook: Playbook, days: int) -> int:
    """Half as many days in whole weeks, with a week left after the last message; 0 where there are none.

    Who writes a letter themselves says in how many days an order counts; and what is not to sell keeps its days.
    """
    if is_letter(playbook.id) or playbook.goal.event != ORDER:
        return 0
    half = days // 2 // WEEK.days * WEEK.days
    return half if timedelta(days=half) >= max(map(last_send, playbook.sequences)) + WEEK else 0
