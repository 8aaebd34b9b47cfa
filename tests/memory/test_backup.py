"""A workspace in one file, and back."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from memory.backup import unpack_backup, write_backup
from memory.errors import BackupError
from memory.store import Store
from memory.workspace import get_value, set_value

SECRET = frozenset({"secrets.toml"})


def _as_it_is(_unpacked: Path) -> None:
    """Nothing in these folders can send."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "shop"
    (place / "lake" / "orders" / "_delta_log").mkdir(parents=True)
    (place / "noria.toml").write_text('name = "Shop"\n')
    (place / "secrets.toml").write_text('NORIA_SMTP_PASSWORD = "hush"\n')
    (place / "lake" / "orders" / "part.parquet").write_bytes(b"rows")
    (place / "lake" / "orders" / "_delta_log" / "0.json").write_text("{}")
    return place


def test_what_is_written_while_the_store_is_open_comes_back_whole_and_secrets_stay(
    folder: Path, tmp_path: Path
) -> None:
    store = Store(f"sqlite:///{folder / 'store.db'}")
    store.migrate()
    with store.write() as connection:
        set_value(connection, "said", "before")
    file = tmp_path / "backup.zip"
    write_backup(folder, file, leave_out=SECRET)
    with store.write() as connection:
        set_value(connection, "said", "after")
    store.close()
    back = tmp_path / "back"
    seen = unpack_backup(
        file, back, lambda unpacked: (unpacked != back, back.exists(), (unpacked / "store.db").exists())
    )
    assert seen == (True, False, True)
    restored = Store(f"sqlite:///{back / 'store.db'}")
    with restored.read() as connection:
        assert get_value(connection, "said") == "before"
    restored.close()
    assert (back / "lake" / "orders" / "part.parquet").read_bytes() == b"rows"
    assert not (back / "secrets.toml").exists()
    assert b"hush" not in file.read_bytes()


def test_the_log_of_a_table_is_copied_before_the_files_it_names(folder: Path, tmp_path: Path) -> None:
    write_backup(folder, tmp_path / "backup.zip", leave_out=SECRET)
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        names = archive.namelist()
    assert names.index("lake/orders/_delta_log/0.json") < names.index("lake/orders/part.parquet")


def test_a_backup_never_overwrites_a_file(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    file.write_text("precious")
    with pytest.raises(BackupError, match="There is a file of that name"):
        write_backup(folder, file, leave_out=SECRET)
    assert file.read_text() == "precious"


def test_a_backup_that_cannot_be_finished_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.db").write_text("This is no database, though it is long enough to look like one. " * 20)
    with pytest.raises(BackupError, match="cannot be written"):
        write_backup(folder, tmp_path / "backup.zip", leave_out=SECRET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop"]


def test_a_restore_that_dies_before_the_record_is_safe_leaves_no_folder(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    write_backup(folder, file, leave_out=SECRET)

    def die(_unpacked: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack_backup(file, tmp_path / "back", die)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.zip", "shop"]
    unpack_backup(file, tmp_path / "back", _as_it_is)
    assert (tmp_path / "back" / "noria.toml").exists()


def test_a_backup_takes_no_other_backup_along_but_every_other_archive(folder: Path) -> None:
    write_backup(folder, folder / "monday.zip", leave_out=SECRET)
    (folder / "tuesday.zip.part").write_bytes((folder / "monday.zip").read_bytes()[:50])
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("orders.csv", "order_id")
    (folder / "notes.part").write_text("no archive at all")
    write_backup(folder, folder / "wednesday.zip", leave_out=SECRET)
    with zipfile.ZipFile(folder / "wednesday.zip") as archive:
        names = set(archive.namelist())
    assert {"export.zip", "notes.part", "noria.toml"} <= names
    assert not {"monday.zip", "tuesday.zip.part", "wednesday.zip"} & names


def test_a_file_that_is_no_backup_is_refused_and_leaves_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "holiday.jpg"
    file.write_text("not a backup")
    with pytest.raises(BackupError, match="cannot be unpacked"):
        unpack_backup(file, tmp_path / "back", _as_it_is)
    assert not (tmp_path / "back").exists()


def test_nothing_is_restored_over_a_folder_in_use(folder: Path, tmp_path: Path) -> None:
    write_backup(folder, tmp_path / "backup.zip", leave_out=SECRET)
    with pytest.raises(BackupError, match="not empty"):
        unpack_backup(tmp_path / "backup.zip", folder, _as_it_is)
    assert (folder / "secrets.toml").exists()
