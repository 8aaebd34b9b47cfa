"""Runs migrations on the connection that the store hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from memory.schema import Moment, metadata


def _render(kind: str, item: Any, _autogen: object) -> str | Literal[False]:
    # A migration stays readable and runnable when the type in the schema changes its name.
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Moment) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=_render,
)
context.run_migrations()
