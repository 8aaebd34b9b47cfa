"""Write the next migration from the difference between the schema and the newest migration.

Run as ``python -m memory.migrations.new 0002 "add a table"`` from a checkout.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from memory.store import Store


def write_migration(revision: str, message: str) -> None:
    """Create ``memory/migrations/versions/<revision>_<message>.py``."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/store.db")
        if any((Path(__file__).parent / "versions").glob("*.py")):
            store.migrate()
        with store.write() as connection:
            config.attributes["connection"] = connection
            command.revision(config, message, autogenerate=True, rev_id=revision)
        store.close()


if __name__ == "__main__":
    write_migration(sys.argv[1], sys.argv[2])
