"""The history behind features: the tables of the lake, cut off strictly before one moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from memory.engine import Engine, duckdb_type
from memory.events import ORDER
from memory.features.feature import Period, Table


@dataclass(frozen=True)
class History:
    """What had happened before a moment, to contacts on record. Lives as long as its engine, in one thread."""

    engine: Engine
    period: Period
    contacts: Table
    orders: Table
    """With ``bought``: False for a return, which lowers spend but is no order."""
    lines: Table
    events: Table
    """Caused by people only, and no orders: those have their own table."""
    sends: Table
    products: Table
    statements: list[str] = field(default_factory=list)
    """What wrote out the tables made of it, in order."""
    written: list[str] = field(default_factory=list)
    """The names of these tables."""

    def write_out(self, name: str, table: Table) -> Table:
        """Keep a table under a name while the engine lives, because several others are made of it."""
        # DuckDB's sums are wider than the types that ibis gives them.
        wanted = ", ".join(f'"{column}"::{duckdb_type(kind)} AS "{column}"' for column, kind in table.schema().items())
        return self.keep(name, f"SELECT {wanted} FROM ({self.engine.compile(table)})")  # noqa: S608 - names of our own

    def keep(self, name: str, question: str) -> Table:
        """Keep what a question in SQL finds under a name while the engine lives."""
        statement = f'CREATE TEMP TABLE "{name}" AS {question}'
        self.engine.con.execute(statement)
        self.statements.append(statement)
        self.written.append(name)
        return self.engine.table(name)

    def occurrences(self, event: str, category: str = "") -> Table:
        """(contact_id, event_id, at) of a kind of event; the kind ``order`` means orders, by category their lines."""
        if event == ORDER and category:
            found = self.lines.filter((self.lines.quantity > 0) & (self.lines.category == category))
        elif event == ORDER:
            found = self.orders.filter(self.orders.bought)
        else:
            found = self.events.filter(self.events.kind == event)
            if category:
                found = found.filter(found.category == category)
            return found.select("contact_id", "event_id", "at")
        return found.select("contact_id", event_id=found.order_id, at=found.at)


def history_before(engine: Engine, period: Period) -> History:
    """Everything in a lake's tables strictly before a moment; contacts known by then, or who had ordered by then."""
    past = {}
    for name in ("orders", "lines", "events", "sends"):
        table = engine.table(name)
        past[name] = table.filter(table.contact_id.notnull() & (table.at < period.as_of))
    orders = past["orders"].mutate(bought=past["orders"].total_cents >= 0)
    contacts = engine.table("contacts")
    known = (contacts.created_at <= period.as_of) | contacts.contact_id.isin(orders.contact_id)
    return History(
        engine=engine,
        period=period,
        contacts=contacts.filter(known),
        orders=orders,
        lines=past["lines"],
        events=past["events"].filter(past["events"].human & (past["events"].kind != ORDER)),
        sends=past["sends"],
        products=engine.table("products"),
    )
