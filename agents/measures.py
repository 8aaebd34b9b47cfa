"""The look-ups of a thread, about every playbook as it would stand if nothing were tailored."""

from __future__ import annotations

from agents.desk import Desk
from agents.drafting import plain_play
from memory.play import Play
from tools.lookups import Lookups
from tools.measures import Measures


def lookups_for(desk: Desk, thread_id: str, *, least_calls: int = 0) -> Lookups:
    """What an agent may look up in this thread, at this moment, within the workspace's budget.

    ``least_calls`` raises the budget for work that grows with the number of playbooks.
    """
    now = desk.clock.now()
    budget = desk.settings.budget.model_copy(update={"calls": max(desk.settings.budget.calls, least_calls)})
    measures = Measures(
        store=desk.store,
        lake=desk.lake,
        pack=desk.pack,
        plays=plain_plays(desk),
        now=now,
        currency=desk.settings.currency,
        programme_share=desk.settings.programme_share,
        cache=desk.features,
    )
    return Lookups(desk.store, thread_id, measures.offered(), now=now, budget=budget)


def plain_plays(desk: Desk) -> dict[str, Play]:
    """Every playbook as a play, nothing tailored."""
    return {name: plain_play(desk, playbook) for name, playbook in desk.playbooks.items()}
