"""The next letter of a series: the worker plans it by itself on the day on which it may be proposed."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection

from agents.live import turned_down
from agents.planning import busy_playbooks, go_on
from agents.resume import Threads
from agents.series import why_not_yet
from memory import campaigns, proposals, readouts
from memory.campaigns import Campaign
from memory.canonical import digest


def propose_next_letters(threads: Threads) -> list[str]:
    """Plan for every series whose next letter is due, from the brief of its last one; returns the new proposals.

    Only playbooks that name their rhythm (``days_between``) are repeated without being asked for, and none that people
    turned down lately. Where a series has come to its end the letter begins the next one, unless it did harm. One that
    is withheld is weighed anew on the next day.
    """
    made: list[str] = []
    for brief_id, names in sorted(_due(threads).items()):
        today = threads.desk.clock.now().date().isoformat()
        thread_id = f"plan-{digest(['letters', brief_id, today, *names])[:16]}"
        begun = bool(threads.values(thread_id))
        threads.start(thread_id, {"brief_id": brief_id, "playbooks": names})
        found = go_on(threads, thread_id).proposal_ids
        made += [] if begun else found
    return made


def _due(threads: Threads) -> dict[str, list[str]]:
    """Playbooks whose next letter may be proposed, by the brief of the last one."""
    desk, found = threads.desk, defaultdict(list)
    now = desk.clock.now()
    repeated = {name: one for name, one in sorted(desk.playbooks.items()) if one.days_between}
    if not repeated:
        return {}
    with desk.store.read() as connection:
        left = busy_playbooks(connection) | turned_down(connection, now)
        for name, playbook in repeated.items():
            last = None if name in left else campaigns.last_letter(connection, name)
            if last is None or why_not_yet(connection, desk, playbook) or _did_harm(connection, last):
                continue
            brief_id = proposals.get(connection, last.proposal_id).proposal.brief_id
            if brief_id is not None:
                found[brief_id].append(name)
    return found


def _did_harm(connection: Connection, last: Campaign) -> bool:
    """Whether the series of a letter harmed: another series after that one is for people to ask for."""
    letters = campaigns.letters_of(connection, last.series_key)
    return readouts.any_harms(connection, [one.campaign_id for one in letters])
