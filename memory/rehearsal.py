"""A rehearsal: the very code that writes is run, what it would do is looked at, and all of it is undone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memory.lake import Lake, LakeTable
from memory.store import Store


@contextmanager
def rehearse(store: Store, lake: Lake) -> Iterator[tuple[Store, Lake]]:
    """A store and a lake that hold what these hold, and forget in the end whatever was written to them.

    Nobody else can write to the store meanwhile: ask no other system in between.
    """
    with tempfile.TemporaryDirectory(prefix="noria-rehearsal-") as folder, store.undone() as undone:
        _link(lake.folder, Path(folder))
        yield undone, Lake(Path(folder))


def _link(lake: Path, folder: Path) -> None:
    """Make a folder stand for a lake: its files never change, so what is written lies beside links to them."""
    for table in LakeTable:
        # The commits first: whatever they name is there by then.
        for file in [*(lake / table).glob("_delta_log/*"), *(lake / table).glob("**/*.parquet")]:
            link = folder / file.relative_to(lake)
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.resolve())
