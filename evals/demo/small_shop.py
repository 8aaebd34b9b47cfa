"""A small shop for the shorter acts: invented customers who all ordered like clockwork, and then stayed away."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

from console.cli.importing import run_import
from console.settings import SETTINGS_FILE
from console.wiring import Workspace
from evals.demo.mail_server import mail_server
from evals.demo.stage import Stage, fresh_workspace
from memory.importing.report import ImportSettings
from memory.proposal import Brief
from memory.workspace import StoreClock, set_value

OPENS_AT = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
"""Business time at which the shorter acts begin: a Monday."""
DOMAIN = "example.com"
"""Of the brand, its links and its customers."""
OFFER = "COME-BACK"
LATE_DAYS, IN_TIME_DAYS = 62, 5
"""Days since the last order, of customers who stay away and of those who ordered in time."""
_ORDERS, _RHYTHM_DAYS = 8, 30
# The same in every run, so that the same customers are held out.
_SALT = "5a17" * 16
_STARTS, _MIDDLES, _ENDS = (
    ("Ba", "Co", "De", "Fi", "Ga", "Lu", "Mo", "Ne"),
    ("lo", "ri", "sa", "ve"),
    ("ne", "ra", "mis"),
)
_SURNAMES = ("Abend", "Birken", "Corvo", "Dalgaard", "Eskola", "Farkas", "Gellert", "Havas", "Ivarsen", "Jansky")


@dataclass(frozen=True)
class Customer:
    """One invented customer, as the shop's CRM knows them."""

    number: int
    first_name: str
    last_name: str
    company: str = ""
    notes: str = ""
    language: str = "en"
    consents: bool = True
    late: bool = True
    """False for a customer who ordered in time, and whom nobody needs to win back."""
    product_id: str = "P1"
    category: str = "Coffee"
    """What they order, and under which category."""

    @property
    def email(self) -> str:
        return f"customer{self.number}@{DOMAIN}"


def invent_customers(count: int) -> list[Customer]:
    """Customers with a name of their own each, every third of them French; at most 960."""
    first = [f"{start}{middle}{end}" for start, middle, end in product(_STARTS, _MIDDLES, _ENDS)]
    names = [(one, other) for other in _SURNAMES for one in first]
    return [
        Customer(number, *names[number - 1], language="fr" if number % 3 == 0 else "en")
        for number in range(1, count + 1)
    ]


def write_small_shop(folder: Path, customers: Iterable[Customer]) -> None:
    """Write the shop's exports: contacts, consents, products, orders with lines, and one offer of 10 %."""
    folder.mkdir(parents=True, exist_ok=True)
    people = list(customers)
    opened = OPENS_AT - timedelta(days=400)
    _write(
        folder / "contacts.csv",
        "contact_id,email,first_name,last_name,company,language,time_zone,country,created_at,notes",
        (
            (f"C{one.number}", one.email, one.first_name, one.last_name, one.company, one.language, "Europe/Paris",
             "FR", opened.isoformat(), one.notes)
            for one in people
        ),
    )  # fmt: skip
    _write(
        folder / "consents.csv",
        "contact_id,channel,purpose,state,at,source,proof,wording",
        (
            (f"C{one.number}", "email", "marketing", "granted", opened.isoformat(), "shop", "box ticked at sign-up",
             "Yes, write to me")
            for one in people
            if one.consents
        ),
    )  # fmt: skip
    _write(
        folder / "products.csv",
        "product_id,name,category,department,brand,price,cost",
        [("P1", "House coffee", "Coffee", "Grocery", "House", "20.00", "12.00")],
    )
    orders, lines = [], []
    for one, number in product(people, range(_ORDERS)):
        last_days = LATE_DAYS if one.late else IN_TIME_DAYS
        at = OPENS_AT - timedelta(days=last_days + number * _RHYTHM_DAYS, hours=2)
        order = f"O{one.number}-{number}"
        orders.append((order, f"C{one.number}", at.isoformat(), "20.00", "0.00", "EUR"))
        lines.append((order, 1, one.product_id, one.category, 1, "20.00", "0.00"))
    _write(folder / "orders.csv", "order_id,contact_id,ordered_at,total,discount,currency", orders)
    _write(folder / "order_lines.csv", "order_id,line,product_id,category,quantity,amount,discount", lines)
    ends_at = OPENS_AT + timedelta(days=200)
    _write(
        folder / "offers.csv",
        "offer_id,kind,percent,code,label_en,label_fr,starts_at,ends_at,approved_by",
        [(OFFER, "percent", "10", "BACK10", "10 % off your next order", "10 % sur votre prochaine commande",
          opened.isoformat(), ends_at.isoformat(), "Jane Marlow")],
    )  # fmt: skip


def write_past_carts(folder: Path, customers: Sequence[Customer]) -> Path:
    """Write the carts that these customers left before the act begins; half of them ordered three days later."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        (f"cart-{one.number}", f"C{one.number}", "cart",
         (OPENS_AT - timedelta(days=LATE_DAYS + 3 if one.number % 2 else 20, hours=one.number % 9)).isoformat(), "P1")
        for one in customers
    ]  # fmt: skip
    _write(folder / "events.csv", "event_id,contact_id,kind,at,product_id", rows)
    return folder


@contextmanager
def small_stage(
    folder: Path,
    customers: Sequence[Customer],
    *,
    name: str,
    settings: str = "",
    packs: dict[str, str] | None = None,
    policy: str = "base",
    playbooks: Sequence[str] = (),
    batch_size: int = 50,
    delay_seconds: float = 0.0,
) -> Iterator[Stage]:
    """A workspace with the small shop, its clock at ``OPENS_AT``, and a local mail server.

    As where real customers are written to, only stored decisions of known people count. ``settings`` is more TOML,
    ``packs`` the team's own policy packs by name, of which ``policy`` is in force. ``playbooks`` are those that may be
    proposed, all by default.
    """
    fresh_workspace(folder, name=name, currency="EUR", zone="Europe/Paris")
    for pack, text in (packs or {}).items():
        (folder / "packs" / f"{pack}.yaml").write_text(text, encoding="utf-8")
    chosen = f"playbooks = {list(playbooks)}\n" if playbooks else ""
    with mail_server(folder / "emails", delay_seconds=delay_seconds) as server:
        (folder / SETTINGS_FILE).write_text(
            f'name = "{name}"\ncurrency = "EUR"\nsandbox = false\npolicy_pack = "{policy}"\n{chosen}'
            f'[channel]\nkind = "smtp"\n[channel.smtp]\nhost = "127.0.0.1"\nport = {server.port}\n'
            f'security = "none"\nbatch_size = {batch_size}\n{settings}',
            encoding="utf-8",
        )
        workspace = Workspace(folder.resolve(), {})
        try:
            clock = StoreClock(workspace.store)
            clock.advance_to(OPENS_AT)
            with workspace.store.write() as connection:
                set_value(connection, "salt", _SALT)
            exports = folder / "exports"
            write_small_shop(exports, customers)
            imported = run_import(workspace, exports, ImportSettings(currency="EUR", source="shop"))
            yield Stage(workspace, clock, server, exports, imported)
        finally:
            workspace.close()


def brief(brief_id: str) -> Brief:
    """A brief that leaves no question open."""
    return Brief(
        brief_id=brief_id,
        metric="repeat orders",
        intention="Bring back the customers who are drifting away.",
        horizon_days=28,
        owner="Jane Marlow",
        stop_rule="Complaints above 0.1 % or a read-out that says it harms.",
        decision="Whether this play runs all year.",
        author="cli:jane",
    )


def _write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
