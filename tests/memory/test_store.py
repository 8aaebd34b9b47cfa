"""The store on both engines: migrations, transactions and what happens when something is wrong."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Thread

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, inspect, select, text

import memory.migrations
from memory import allocations, campaigns, time_draws
from memory.errors import NewerStoreError, StoreError
from memory.schema import (
    consent_current,
    consents,
    contacts,
    from_micros,
    metadata,
    proposals,
    to_micros,
    workspace,
)
from memory.store import Store, upsert


def test_the_migrations_build_exactly_the_schema(any_store: Store) -> None:
    with any_store.read() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(any_store: Store) -> None:
    with any_store.write() as connection:
        connection.execute(insert(workspace).values(key="salt", value="kept"))
    any_store.migrate()
    assert any_store.is_migrated
    with any_store.read() as connection:
        assert connection.execute(select(workspace.c.value)).scalar_one() == "kept"


def test_an_upgrade_writes_down_who_answers_for_a_proposal(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(memory.__file__).parent / "migrations"))
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        connection.execute(
            text(
                "INSERT INTO proposals (proposal_id, version, thread_id, kind, playbook, status, digest, body,"
                " created_at, updated_at, expires_at) VALUES ('p1', 1, 't', 'launch_campaign', 'win_back', 'open',"
                """ 'd', '{"play": {"owner": "marie"}}', 0, 0, 0)"""
            )
        )
    store.migrate()
    with store.read() as connection:
        assert connection.execute(select(proposals.c.owner)).scalar_one() == "marie"
    store.close()


def test_an_upgrade_keeps_drawn_hours_and_weekdays(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(memory.__file__).parent / "migrations"))
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0021")
    # SQLite's own client does not hold references, so one row stands for the whole campaign.
    bare = sqlite3.connect(tmp_path / "store.db")
    bare.execute(
        "INSERT INTO enrolments (enrolment_id, campaign_id, contact_id, occurrence, version, state, sequence_key,"
        " probability, in_holdout, entered_at, exit_reason, bindings)"
        " VALUES (1, 'c', 7, 1, 1, 'active', 'a', 1, 0, 0, '', '{}')"
    )
    bare.execute("INSERT INTO hour_draws VALUES (1, 'hour', 10, 12, 0.1, 9, 12, 5)")
    bare.execute("INSERT INTO weekday_draws VALUES (1, 'day', 2, 2, 0.8, '[1, 2]', 6)")
    bare.commit()
    bare.close()
    store.migrate()
    with store.read() as connection:
        [(contact_id, hour)] = time_draws.of_campaign(connection, "c", "hour")
        [(_, weekday)] = time_draws.of_campaign(connection, "c", "weekday")
    assert (contact_id, hour.step_key, weekday.step_key) == (7, "hour", "day")
    assert (hour.drawn, hour.own, hour.possible, hour.probability) == (10, 12, (9, 10, 11), 0.1)
    assert (weekday.drawn, weekday.own, weekday.possible, weekday.probability) == (2, 2, (1, 2), 0.8)
    assert (hour.drawn_at, weekday.drawn_at) == (from_micros(5), from_micros(6))
    store.close()


def test_an_upgrade_keeps_the_shares_of_today_and_what_was_decided_about_them(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(memory.__file__).parent / "migrations"))
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0022")
    bare = sqlite3.connect(tmp_path / "store.db")
    bare.executemany("INSERT INTO sequences VALUES ('c', 1, ?, ?)", [("one", 0.3), ("two", 0.7)])
    bare.execute(
        "INSERT INTO allocations (allocation_id, campaign_id, version, state, before, shares, evidence, reason,"
        """ decided_at) VALUES ('w', 'c', 1, 'waiting', '{"one": 0.5, "two": 0.5}', '{"one": 0.3, "two": 0.7}',"""
        """ '{"chance_best": {"one": 0.2, "two": 0.8}}', '', 5)"""
    )
    bare.commit()
    bare.close()
    store.migrate()
    with store.read() as connection:
        assert campaigns.shares(connection, "c", 1) == ({"one": 0.3, "two": 0.7},)
        [decided] = allocations.of_campaign(connection, "c")
    assert (decided.before, decided.shares) == (({"one": 0.5, "two": 0.5},), ({"one": 0.3, "two": 0.7},))
    assert allocations.chances(decided) == ({"one": 0.2, "two": 0.8},)
    store.close()


def test_a_store_of_a_newer_release_is_refused(any_store: Store) -> None:
    with any_store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerStoreError, match=r"9999.*Install the release"):
        any_store.migrate()


def test_a_failed_transaction_leaves_nothing(any_store: Store) -> None:
    def write_and_fail() -> None:
        with any_store.write() as connection:
            connection.execute(insert(workspace).values(key="a", value=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with any_store.read() as connection:
        assert connection.execute(select(workspace)).all() == []


def test_upsert_inserts_updates_and_leaves_alone(any_store: Store) -> None:
    with any_store.write() as connection:
        assert upsert(connection, workspace, [{"key": "a", "value": 1}, {"key": "b", "value": 1}]) == 2
        assert upsert(connection, workspace, [{"key": "a", "value": 2}]) == 0
        assert upsert(connection, workspace, [{"key": "b", "value": 2}], update=["value"]) == 1
        found = {row.key: row.value for row in connection.execute(select(workspace))}
    assert found == {"a": 1, "b": 2}


def test_moments_come_back_as_aware_utc(any_store: Store) -> None:
    paris = datetime(2025, 3, 3, 10, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    with any_store.write() as connection:
        connection.execute(insert(contacts).values(attributes={}, created_at=paris, updated_at=paris))
        found = connection.execute(select(contacts.c.created_at)).scalar_one()
    assert found == paris
    assert found.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_round_trip(at: datetime) -> None:
    assert from_micros(to_micros(at)) == at


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_micros(datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None))


def test_a_store_in_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/nowhere/store.db")
    with pytest.raises(StoreError, match="doctor"):
        store.migrate()


def test_a_full_disk_is_one_clear_error_and_leaves_the_store_consistent(store: Store) -> None:
    def fill() -> None:
        with store.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 4}")
            for number in range(100):
                connection.execute(insert(workspace).values(key=f"k{number}", value="x" * 4000))

    with pytest.raises(StoreError, match="free space"):
        fill()
    with store.read() as connection:
        assert connection.execute(select(workspace)).all() == []
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"


def test_an_unknown_engine_says_which_ones_there_are() -> None:
    with pytest.raises(StoreError, match="sqlite:///FILE"):
        Store("nosuch://x")


def test_the_password_never_appears_in_an_error(tmp_path: Path) -> None:
    store = Store("postgresql+psycopg://user:s3cret@127.0.0.1:1/none")
    with pytest.raises(StoreError) as caught:
        store.migrate()
    assert "s3cret" not in str(caught.value)


def test_whoever_writes_beside_another_waits_until_it_is_done_and_not_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(str(store.engine.url.database), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waiting = Thread(target=lambda: write(store))
    waiting.start()
    with store.read() as connection:
        assert connection.execute(select(workspace.c.value)).all() == []
    other.execute("COMMIT")
    waiting.join()
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("memory.store.BUSY_TIMEOUT_MS", 20)
    with pytest.raises(StoreError, match="database is locked"):
        write(store)
    other.close()
    with store.read() as connection:
        assert connection.execute(select(workspace.c.value)).scalars().all() == [1]


def write(store: Store) -> None:
    with store.write() as connection:
        connection.execute(insert(workspace).values(key="a", value=1))


def test_sqlite_survives_readers_beside_a_writer(store: Store) -> None:
    with store.write() as connection:
        connection.execute(insert(workspace).values(key="a", value=1))
        other = sqlite3.connect(str(store.engine.url.database))
        assert other.execute("SELECT count(*) FROM workspace").fetchone() == (0,)
        other.close()


def test_consents_whose_proof_says_so_come_out_confirmed_of_the_migration(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    config = Config()
    config.set_main_option("script_location", str(Path(memory.migrations.__file__).parent))
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
    proofs = [
        "opted in from 203.0.113.7; confirmed 2024-05-01T10:00:00+00:00",
        "address left in a form on 2024-05-01, event e1; confirmed on 2024-05-02, event e2; text: Yes",
        "form of 2024, never confirmed",
        "",
    ]
    with store.write() as connection:
        for number, proof in enumerate(proofs, start=1):
            connection.exec_driver_sql(
                "INSERT INTO contacts (contact_id, first_name, last_name, company, language, time_zone, country, notes,"
                " attributes, created_at, updated_at, sent_since_signal)"
                f" VALUES ({number}, '', '', '', '', '', '', '', '{{}}', 0, 0, 0)"
            )
            connection.exec_driver_sql(
                "INSERT INTO consents (consent_id, contact_id, channel, purpose, state, at, source, proof, wording)"
                f" VALUES ({number}, {number}, 'email', 'marketing', 'granted', 0, '', '{proof}', '')"
            )
            connection.exec_driver_sql(
                "INSERT INTO consent_current (contact_id, channel, purpose, consent_id, state, at, has_proof)"
                f" VALUES ({number}, 'email', 'marketing', {number}, 'granted', 0, {int(bool(proof))})"
            )
    store.migrate()
    with store.read() as connection:
        for table in (consents, consent_current):
            rows = connection.execute(select(table.c.confirmed).order_by(table.c.contact_id)).scalars().all()
            assert rows == [True, True, False, False]
    store.close()
