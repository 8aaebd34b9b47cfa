"""Within how many days a goal counts: the playbook's, or fewer where by then almost everybody gets there anyway."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from agents.playbook import Playbook
from agents.provider import Task
from agents.series import Series, window_days
from memory.events import ORDER
from memory.proposal import Evidence
from memory.sequence_check import longest_wait
from tools.lookups import Lookup

FULL: Final = 0.95
"""Of so many who get there by themselves a message can move too few to show it (house setting)."""
_FEWEST_COUNTED: Final = 20
_WEEK_DAYS: Final = 7


def counted_rates(task: Task, series: Series | None) -> list[Lookup]:
    """How many reach the goal by themselves: in the playbook's days, then in ever fewer while that leaves no room.

    The last one is what counts. Halved to whole weeks, so that each weekday is in it as often as the others, and never
    to less than a week from the playbook's last message on. A letter of a series counts in the days of those before it.
    """
    playbook, about = task.playbook, {"playbook": task.playbook.id}
    if series is not None:
        with task.desk.store.read() as connection:
            return [task.lookups.call("base_rate", about | {"window_days": window_days(connection, series)})]
    found = [task.lookups.call("base_rate", about)]
    while _is_full(found[-1].result) and (fewer := _fewer(playbook, int(found[-1].result["window_days"]))):
        found.append(task.lookups.call("base_rate", about | {"window_days": fewer}))
    return found


def why_fewer(counted: list[Lookup]) -> list[Evidence]:
    """What kept the playbook's own days from being the goal's; nothing where they are."""
    if len(counted) == 1:
        return []
    first, chosen = counted[0], counted[-1].result["window_days"]
    sentence = (
        f"{first.result['rate']:.1%} order within {first.result['window_days']} days anyway, which leaves too few to "
        f"win over: what counts here is an order within {chosen} days."
    )
    return [Evidence(lookup_id=first.lookup_id, sentence=sentence, value=first.result["rate"])]


def _is_full(counted: dict[str, Any]) -> bool:
    return int(counted["contacts"]) >= _FEWEST_COUNTED and float(counted["rate"]) > FULL


def _fewer(playbook: Playbook, days: int) -> int:
    """Half as many days in whole weeks; 0 where its messages take too long, no week is left, or it is not to sell."""
    half = days // 2 // _WEEK_DAYS * _WEEK_DAYS if playbook.goal.event == ORDER else 0
    last = max((wait for one in playbook.sequences for wait in longest_wait(one).values()), default=timedelta())
    return half if timedelta(days=half - _WEEK_DAYS) >= last else 0
