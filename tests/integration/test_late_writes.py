"""Late writers: whatever they do to an expired partition, and whenever, no acknowledged change is missing from its last archive."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import Connection

from include.partitioning.errors import TransientError
from tests.integration.conftest import Lifecycle

PARENT, OLD = "app.events", "app.events_p202408"
WRITERS = 3
ENOUGH = 40.0
"""Seconds after which it should long have been dropped."""

Rows = set[tuple[int, int | None, str | None]]


def versions(lifecycle: Lifecycle) -> list[Path]:
    """Folders of the finished archives, the first version first."""
    found = lifecycle.archive.glob("app.events/events_p202408/archive_version=*/_manifest.json")
    return sorted((each.parent for each in found), key=lambda each: int(each.name.partition("=")[2]))


def newest(lifecycle: Lifecycle) -> Rows:
    files = sorted(versions(lifecycle)[-1].glob("part-*.parquet"))
    table = pa.concat_tables(pq.read_table(each, partitioning=None) for each in files)
    rows = [(row["id"], row["user_id"], row["note"]) for row in table.to_pylist()]
    assert len(rows) == len(set(rows))
    return set(rows)


def rows_of(lifecycle: Lifecycle) -> Rows:
    return {tuple(each.values()) for each in lifecycle.sql(f"SELECT id, user_id, note FROM {OLD}")}


@dataclass
class Writer:
    """Owns some ids; `rows` is what it was told has been committed."""

    lifecycle: Lifecycle
    number: int
    hurry: threading.Event
    """As long as it is set, nobody rests."""

    rows: dict[int, tuple[int | None, str | None]] = field(default_factory=dict)
    commits: int = 0
    refused: set[str] = field(default_factory=set)
    wrong: list[BaseException] = field(default_factory=list)

    def run(self) -> None:
        chance = random.Random(self.number)
        try:
            with self.lifecycle.connect(application_name=f"writer {self.number}") as connection:
                while self._burst(connection, chance):
                    if not self.hurry.is_set():
                        time.sleep(chance.uniform(0.2, 1.2))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.wrong.append(error)

    def _burst(self, connection: Connection[Any], chance: random.Random) -> bool:
        """Some transactions; False once the table is gone."""
        for _ in range(chance.randint(1, 8)):
            after = dict(self.rows)
            try:
                self._transaction(connection, chance, after)
                connection.commit()
            except psycopg.errors.UndefinedTable:
                return False
            except (psycopg.errors.CheckViolation, psycopg.errors.ForeignKeyViolation, psycopg.errors.DeadlockDetected) as error:
                self.refused.add(type(error).__name__)  # no partition for the row any more, or no such user
                connection.rollback()
                continue
            self.rows = after
            self.commits += 1
        return True

    def _transaction(self, connection: Connection[Any], chance: random.Random, after: dict[int, tuple[int | None, str | None]]) -> None:
        connection.execute("SELECT 1")  # begins the transaction, in which those below are savepoints
        for _ in range(chance.randint(1, 3)):
            before = dict(after)
            if chance.random() < 0.3:
                with connection.transaction() as savepoint:
                    self._change(connection, chance, after)
                    if chance.random() < 0.5:
                        after.clear()
                        after.update(before)
                        raise psycopg.Rollback(savepoint)
            else:
                self._change(connection, chance, after)

    def _change(self, connection: Connection[Any], chance: random.Random, after: dict[int, tuple[int | None, str | None]]) -> None:
        table = chance.choice((PARENT, OLD, OLD))
        note = f"by {self.number}: {chance.getrandbits(40)}"
        what = chance.random()
        if what < 0.45 or not after:
            key = self.number * 1_000_000 + chance.randrange(10**6)
            if key not in after:
                connection.execute(f"INSERT INTO {table} VALUES (%s, 9, '2024-08-05 00:00+00', %s)".encode(), (key, note))
                after[key] = (9, note)
            return
        key = chance.choice(list(after))
        if what < 0.6:
            done = connection.execute(f"UPDATE {table} SET note = note WHERE id = %s AND created_at < '2024-09-01'".encode(), (key,))
            assert table == PARENT or done.rowcount == 1
        elif what < 0.8:
            done = connection.execute(f"UPDATE {table} SET note = %s WHERE id = %s AND created_at < '2024-09-01'".encode(), (note, key))
            if done.rowcount:
                after[key] = (9, note)
        else:
            done = connection.execute(f"DELETE FROM {table} WHERE id = %s AND created_at < '2024-09-01'".encode(), (key,))
            if done.rowcount:
                del after[key]
        assert done.rowcount == 1 or table == PARENT  # through the parent it is not found once it is detached


def cascade(lifecycle: Lifecycle, stop: threading.Event, gone: set[int], wrong: list[BaseException]) -> None:
    """Deletes users one by one, and notes whose rows went with them."""
    try:
        for user in range(1, 8):
            if stop.wait(0.4):
                return
            with lifecycle.connect() as connection:
                connection.execute("DELETE FROM auth.users WHERE id = %s", (user,))
                left = connection.execute(f"SELECT count(*) FROM {OLD} WHERE user_id = %s".encode(), (user,)).fetchone()
            if left == (0,):
                gone.add(user)
    except psycopg.errors.UndefinedTable:
        return
    except BaseException as error:  # noqa: BLE001 - shown by the test
        wrong.append(error)


@pytest.mark.parametrize(("proof", "files"), [("standard", 1), ("full", 3)])
def test_the_newest_archive_holds_every_acknowledged_row_whatever_is_written_until_the_drop(
    lifecycle: Lifecycle, proof: str, files: int
) -> None:
    policy = lifecycle.policy(archive={"path": f"file://{lifecycle.archive}", "proof": proof, "files": files})
    initial = rows_of(lifecycle)
    hurry, stop, gone = threading.Event(), threading.Event(), set[int]()
    hurry.set()
    wrong: list[BaseException] = []
    writers = [Writer(lifecycle, number, hurry) for number in range(1, WRITERS + 1)]
    threads = [threading.Thread(target=each.run) for each in writers]
    threads.append(threading.Thread(target=cascade, args=(lifecycle, stop, gone, wrong)))
    for thread in threads:
        thread.start()
    said: list[str] = []
    until = time.monotonic() + ENOUGH
    while lifecycle.exists(OLD) and time.monotonic() < until:
        for step in (lifecycle.archive_partition, lifecycle.detach, lifecycle.drop):
            try:
                step(OLD, policy=policy)
            except (AirflowFailException, TransientError) as error:
                said.append(str(error))
                if "is not dropped: " in str(error):
                    hurry.clear()
                break
    dropped = not lifecycle.exists(OLD)
    hurry.clear()
    stop.set()
    if not dropped:
        lifecycle.sql(f"DROP TABLE {OLD}")
    for thread in threads:
        thread.join()
    assert dropped, said
    assert not wrong
    assert [each.wrong for each in writers] == [[]] * WRITERS
    refusals = [each for each in said if "is not dropped: " in each]
    assert refusals, said
    assert all("rows were written after the archive's snapshot; the next run" in each or " rows, the archive " in each for each in refusals)
    expected = {row for row in initial if row[1] not in gone}
    expected |= {(key, user, note) for writer in writers for key, (user, note) in writer.rows.items()}
    assert newest(lifecycle) == expected
    assert sum(each.commits for each in writers) > 30
    assert len(versions(lifecycle)) > 1
    assert lifecycle.value("SELECT rows FROM partition_lifecycle.event WHERE action = 'drop' AND outcome = 'done'") == len(expected)


def next_round(lifecycle: Lifecycle, why: str) -> None:
    """The drop is refused for this reason; the next archive has the rows of now, and then it is dropped."""
    with pytest.raises(AirflowFailException, match=why):
        lifecycle.drop(OLD)
    expected = rows_of(lifecycle)
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert newest(lifecycle) == expected
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


@pytest.fixture
def detached(lifecycle: Lifecycle) -> Lifecycle:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    return lifecycle


def test_rows_that_a_cascade_deletes_between_archive_and_detach_are_missing_from_the_archive_that_permits_the_drop(
    lifecycle: Lifecycle,
) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.sql("DELETE FROM auth.users WHERE id = 3")
    lifecycle.detach(OLD)
    next_round(lifecycle, r"it holds 45 rows, the archive 50; the next run archives it again")


def test_rows_that_a_cascade_would_delete_after_the_detach_stay_because_the_foreign_key_is_gone(detached: Lifecycle) -> None:
    """The detach drops outgoing foreign keys, so that a later drop locks no other table: a deleted user's rows stay and are archived."""
    detached.sql("DELETE FROM auth.users WHERE id = 3")
    assert detached.value(f"SELECT count(*) FROM {OLD} WHERE user_id = 3") == 5
    detached.drop(OLD)
    assert len([row for row in newest(detached) if row[1] == 3]) == 5


def test_rows_that_a_cascade_deletes_after_the_detach_by_a_key_that_was_made_anew_refuse_the_drop(detached: Lifecycle) -> None:
    detached.sql(f"ALTER TABLE {OLD} ADD FOREIGN KEY (user_id) REFERENCES auth.users ON DELETE CASCADE")
    detached.sql("DELETE FROM auth.users WHERE id = 3")
    next_round(detached, r"it holds 45 rows, the archive 50; the next run archives it again")


CHANGES = {
    "an update that changes nothing to be seen": (f"UPDATE {OLD} SET note = note WHERE id = 7", r"1 rows were written after"),
    "one row deleted and one inserted": (f"DELETE FROM {OLD} WHERE id = 7; INSERT INTO {OLD} VALUES (7, 1, '2024-08-05', 'new')", r"1 rows were written after"),
    "all rows deleted and inserted again": (f"CREATE TEMP TABLE t AS TABLE {OLD}; DELETE FROM {OLD}; INSERT INTO {OLD} TABLE t", r"50 rows were written after"),
    "truncated and filled again": (f"BEGIN; CREATE TEMP TABLE t AS TABLE {OLD}; TRUNCATE {OLD}; INSERT INTO {OLD} TABLE t; COMMIT", r"50 rows were written after"),
    "written in a released savepoint": (f"BEGIN; SAVEPOINT s; UPDATE {OLD} SET note = 'x' WHERE id = 7; RELEASE s; COMMIT", r"1 rows were written after"),
    "deleted in a savepoint": (f"BEGIN; SAVEPOINT s; DELETE FROM {OLD} WHERE id = 7; RELEASE s; COMMIT", r"it holds 49 rows, the archive 50"),
    "deleted, and another delete rolled back": (
        f"BEGIN; DELETE FROM {OLD} WHERE id = 7; SAVEPOINT s; DELETE FROM {OLD} WHERE id = 8; ROLLBACK TO s; COMMIT", r"it holds 49 rows, the archive 50"
    ),
    "upserted": (f"INSERT INTO {OLD} (id, created_at) SELECT id, created_at FROM {OLD} WHERE id = 7 ON CONFLICT (id, created_at) DO UPDATE SET note = 'up'", r"1 rows were written after"),
    "merged": (f"MERGE INTO {OLD} t USING (VALUES (7)) v(id) ON t.id = v.id WHEN MATCHED THEN DELETE", r"it holds 49 rows, the archive 50"),
    "written and frozen": (f"UPDATE {OLD} SET note = 'x' WHERE id = 7; VACUUM (FREEZE) {OLD}", r"1 rows were written after"),
    "deleted and vacuumed": (f"DELETE FROM {OLD} WHERE id = 7; VACUUM {OLD}", r"it holds 49 rows, the archive 50"),
    "rewritten by a type": (f"ALTER TABLE {OLD} ALTER note TYPE varchar(100)", r"has other columns than when it was detached"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_the_detach_refuses_the_drop_and_is_in_the_next_archive(detached: Lifecycle, change: str) -> None:
    statements, why = CHANGES[change]
    if change == "merged":
        detached.needs(15, "MERGE")
    with detached.connect(autocommit=True) as connection:
        for statement in statements.split("; "):
            connection.execute(statement.encode())
    if "other columns" in why:
        with pytest.raises(AirflowFailException, match=why):
            detached.drop(OLD)
        assert len(rows_of(detached)) == 50
    else:
        next_round(detached, why)


def test_more_subtransactions_than_a_snapshot_lists_hide_no_row(lifecycle: Lifecycle) -> None:
    """From the 65th on the snapshot knows only the parent transaction, whose number is the smallest of them."""
    with lifecycle.connect() as writer:
        writer.execute("SELECT 1")
        for number in range(100):
            with writer.transaction():
                writer.execute(f"INSERT INTO {OLD} VALUES ({500 + number}, 1, '2024-08-05', 'sub')".encode())
        lifecycle.archive_partition(OLD)
        assert len(newest(lifecycle)) == 50
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert len(newest(lifecycle)) == 150
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)


def test_a_prepared_transaction_holds_the_drop_up_and_its_rows_are_archived(lifecycle: Lifecycle) -> None:
    if lifecycle.value("SHOW max_prepared_transactions") == "0":
        pytest.skip("this server prepares no transactions")
    policy = lifecycle.policy(lock_attempts=1, wait_timeout="1 s")
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.sql(f"BEGIN; UPDATE {OLD} SET note = 'prepared' WHERE id = 7; PREPARE TRANSACTION 'late'")
    try:
        with pytest.raises(TransientError, match=r"no lock within"):
            lifecycle.drop(OLD, policy=policy)
        assert "archived already" in lifecycle.archive_partition(OLD)  # as far as anybody can see
    finally:
        lifecycle.sql("COMMIT PREPARED 'late'")
    next_round(lifecycle, r"1 rows were written after")
    assert (7, 8, "prepared") in newest(lifecycle)


def test_an_archive_made_while_a_transaction_is_prepared_is_made_again_after_its_commit(lifecycle: Lifecycle) -> None:
    lifecycle.sql(
        f"BEGIN; DELETE FROM {OLD} WHERE id = 7; INSERT INTO {OLD} VALUES (99, 1, '2024-08-05', 'x'); PREPARE TRANSACTION 'early'"
    )
    lifecycle.sql("INSERT INTO auth.users VALUES (77)")  # moves the transaction counter on
    lifecycle.archive_partition(OLD)
    lifecycle.sql("COMMIT PREPARED 'early'")
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert newest(lifecycle) == rows_of(lifecycle)
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)


HARMLESS: dict[str, Callable[[Lifecycle], object]] = {
    "locked rows": lambda each: each.sql(f"SELECT * FROM {OLD} FOR UPDATE"),
    "shared rows": lambda each: each.sql(f"BEGIN; SELECT * FROM {OLD} FOR SHARE; SAVEPOINT s; SELECT * FROM {OLD} FOR UPDATE; COMMIT"),
    "a write that was rolled back": lambda each: each.sql(
        f"BEGIN; DELETE FROM {OLD}; INSERT INTO {OLD} VALUES (99, 1, '2024-08-05'); ROLLBACK"
    ),
    "VACUUM FREEZE": lambda each: each.sql(f"VACUUM (FREEZE, ANALYZE) {OLD}"),
    "VACUUM FULL": lambda each: each.sql(f"VACUUM FULL {OLD}"),
    "VACUUM FULL and FREEZE": lambda each: each.sql(f"VACUUM (FULL, FREEZE) {OLD}"),
    "CLUSTER": lambda each: each.sql(f"CLUSTER {OLD} USING events_p202408_pkey"),
    "REINDEX": lambda each: each.sql(f"REINDEX TABLE {OLD}"),
    "a rewrite for no reason": lambda each: each.sql(f"ALTER TABLE {OLD} SET UNLOGGED"),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_changes_no_row_loses_none_and_takes_at_most_one_more_archive(detached: Lifecycle, what: str) -> None:
    expected = rows_of(detached)
    HARMLESS[what](detached)
    detached.archive_partition(OLD)
    detached.drop(OLD)
    assert not detached.exists(OLD)
    assert newest(detached) == expected
    assert len(versions(detached)) <= 2


@pytest.mark.parametrize("rewrite", ["VACUUM FREEZE", "VACUUM FULL", "CLUSTER"])
def test_a_change_is_found_through_a_rewrite_of_the_table(detached: Lifecycle, rewrite: str) -> None:
    detached.sql(f"UPDATE {OLD} SET note = 'late' WHERE id = 7")
    HARMLESS[rewrite](detached)
    next_round(detached, r"is not dropped: ")
    assert (7, 8, "late") in newest(detached)


def test_a_row_that_moves_in_from_another_partition_is_archived(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.sql("UPDATE app.events SET created_at = '2024-08-09 00:00+00', note = 'moved' WHERE id = 7 AND created_at > '2026-11-01'")
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert (7, 8, "moved") in newest(lifecycle)
    lifecycle.sql("UPDATE app.events SET created_at = '2026-11-09 00:00+00' WHERE note = 'moved'")
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert (7, 8, "moved") not in newest(lifecycle)


def test_a_cast_that_somebody_made_of_transaction_numbers_hides_no_late_row(detached: Lifecycle) -> None:
    detached.sql("CREATE FUNCTION public.wrong(xid) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '3' $$")
    detached.sql("CREATE CAST (xid AS text) WITH FUNCTION public.wrong(xid)")
    detached.sql(f"UPDATE {OLD} SET note = 'late' WHERE id = 7")
    next_round(detached, r"1 rows were written after")
