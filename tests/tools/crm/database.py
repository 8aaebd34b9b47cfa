"""A team's own database, with a server's habits as far as a table has them."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    insert,
    update,
)

from tools.crm.connector import Connector
from tools.crm.sql.connector import Sql
from tools.crm.sql.options import SqlOptions

MAPPING = """
contacts:
  email: email
  first_name: first_name
orders:
  email: email
  at: at
  total: total
  position: position
  product_id: sku
  amount: amount
"""


class Database:
    """People and orders with a row for each line; what changes is marked with the database's own moment."""

    def __init__(self, url: str = "") -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.url = url or f"sqlite:///{Path(self._folder.name) / 'shop.db'}"
        self.engine = create_engine(self.url)
        metadata = MetaData()
        self.people = Table(
            "people",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("email", String(200)),
            Column("first_name", String(200)),
            Column("updated_at", DateTime(timezone=True)),
            Column("deleted_at", DateTime(timezone=True)),
        )
        self.sales = Table(
            "sales",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("number", String(20)),
            *(Column(name, String(200)) for name in ("email", "sku")),
            Column("position", Integer),
            *(Column(name, Numeric(10, 2)) for name in ("total", "amount")),
            Column("at", DateTime(timezone=True)),
        )
        metadata.create_all(self.engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()
        self._folder.cleanup()

    def put(self, number: int, *, at: datetime | None = None, **values: str) -> None:
        row = {"email": f"person{number}@shop.example.com", **values, "updated_at": at or datetime.now(UTC)}
        with self.engine.begin() as connection:
            known = connection.execute(update(self.people).where(self.people.c.id == number).values(**row)).rowcount
            if not known:
                connection.execute(insert(self.people).values(id=number, **row))

    def connector(self, **options: Any) -> Connector:
        tables = {
            "contacts": {"table": "people", "changed": "updated_at", "deleted": "deleted_at"},
            "orders": {"table": "sales", "id": "number"},
        }
        made = SqlOptions.model_validate({**tables, **options})
        return Sql(made, {}, url=self.url)


LONG_AGO = datetime.now(UTC) - timedelta(days=2)
