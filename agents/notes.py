"""What contacts of a segment wrote, counted: read one by one in quarantine, and never seen by another model."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select

from agents.extractor import NoteFacts, extract
from agents.measures import plain_plays
from agents.model import Model
from agents.provider import Task
from memory.schema import contacts
from memory.segments.grammar import parse
from tools import lookups
from tools.lookups import BudgetSpentError, Lookup
from tools.measures import features_of

LOOKUP = "notes"
_CHUNK = 500


def read_notes(task: Task, model: Model) -> Lookup | None:
    """Counts of what a few notes say, as a look-up that evidence may cite; None where nobody wrote any."""
    most = task.desk.settings.notes_read
    notes = _notes(task, most) if most else []
    if not notes:
        return None
    found: list[NoteFacts] = []
    for note in notes:
        try:
            task.lookups.check_tokens()
        except BudgetSpentError:
            break
        facts, tokens = extract(model, note)
        task.lookups.charge_model("extractor", tokens)
        found.append(facts)
    result = {
        "read": len(found),
        "kinds": dict(sorted(Counter(one.kind for one in found).items())),
        "want_no_contact": sum(one.wants_contact == "no" for one in found),
        "in_bad_mood": sum(one.mood < 0 for one in found),
    }
    arguments = {"playbook": task.playbook.id}
    with task.desk.store.write() as connection:
        lookup_id = lookups.keep(
            connection,
            thread_id=task.lookups.thread_id,
            name=LOOKUP,
            arguments=arguments,
            result=result,
            at=task.desk.clock.now(),
        )
    return Lookup(
        lookup_id=lookup_id, thread_id=task.lookups.thread_id, name=LOOKUP, arguments=arguments, result=result
    )


def _notes(task: Task, most: int) -> list[str]:
    """The first few notes among the contacts of the segment, by id, so that reading them again finds the same."""
    desk = task.desk
    known = desk.features.at(desk.lake, desk.clock.now(), features_of(plain_plays(desk).values()))
    ids = known.select(parse(task.playbook.segment))
    found: list[str] = []
    with desk.store.read() as connection:
        for start in range(0, len(ids), _CHUNK):
            if len(found) >= most:
                break
            query = (
                select(contacts.c.notes)
                .where(contacts.c.contact_id.in_(ids[start : start + _CHUNK]), contacts.c.notes != "")
                .where(contacts.c.erased_at.is_(None))
                .order_by(contacts.c.contact_id)
                .limit(most - len(found))
            )
            found += list(connection.execute(query).scalars())
    return found
