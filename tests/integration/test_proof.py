"""Proofs: what each of them catches, and what a failure in the middle of an archive leaves behind: nothing that looks like one."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import Connection, sql
from upath import UPath

from include.archive.decoding import decode
from include.archive.manifest import Manifest
from include.archive.shelf import read_stored
from include.archive.storage import HashingWriter
from include.partitioning.column import Column
from include.partitioning.errors import StorageUnavailableError, TransientError, WaitTooLongError
from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from include.postgres.copy_out import copy_rows
from include.postgres.export import snapshot
from include.postgres.loading import load
from include.postgres.session import prepare
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"
ALL_ROWS = f"SELECT id, user_id, created_at, note FROM {OLD} ORDER BY id"


def policy(lifecycle: Lifecycle, proof: str = "standard", files: int = 1, **changes: Any) -> PartitionPolicy:
    return lifecycle.policy(archive={"path": f"file://{lifecycle.archive}", "proof": proof, "files": files}, **changes)


def archives(lifecycle: Lifecycle) -> list[Path]:
    """Folders of finished archives, the first version first."""
    found = lifecycle.archive.glob("app.events/events_p202408/archive_version=*/_manifest.json")
    return sorted((each.parent for each in found), key=lambda each: int(each.name.partition("=")[2]))


def manifest_of(folder: Path) -> Manifest:
    return read_stored(UPath(folder)).manifest


def rows_in(folder: Path) -> list[tuple[Any, ...]]:
    table = pa.concat_tables(pq.read_table(folder / each.name, partitioning=None) for each in manifest_of(folder).files)
    return sorted(tuple(row[name] for name in ("id", "user_id", "created_at", "note")) for row in table.to_pylist())


def rows_of(lifecycle: Lifecycle) -> list[tuple[Any, ...]]:
    return [tuple(each.values()) for each in lifecycle.sql(ALL_ROWS)]


def more_rows(lifecycle: Lifecycle, number: int, width: int = 20) -> None:
    lifecycle.sql(
        f"INSERT INTO {OLD} SELECT g, 1, '2024-08-02 00:00+00', repeat(md5(g::text), %s) FROM generate_series(1000, %s) g",
        width // 32 + 1,
        999 + number,
    )


def altered(change: Callable[[bytes], bytes], form: bytes) -> Callable[..., Iterator[bytes]]:
    """As `copy_rows`, but what the COPY in that format sends goes through `change`."""

    def rows(connection: Connection[Any], statement: sql.Composed, deadline: float) -> Iterator[bytes]:
        changes = form in statement.as_bytes(connection)
        for row in copy_rows(connection, statement, deadline):
            yield change(bytes(row)) if changes else bytes(row)

    return rows


def busy(lifecycle: Lifecycle) -> list[str]:
    """Sessions of ours that the server still has."""
    return [
        each["query"] for each in lifecycle.sql("SELECT query FROM pg_stat_activity WHERE application_name LIKE 'partition_lifecycle%'")
    ]


def no_session_is_left(lifecycle: Lifecycle) -> bool:
    until = time.monotonic() + 3
    while busy(lifecycle) and time.monotonic() < until:
        time.sleep(0.05)
    return not busy(lifecycle)


FAULTS: dict[str, tuple[Callable[[bytes], bytes], str | None]] = {
    "a word for another of its length": (lambda row: row.replace(b"row 17", b"row 71"), None),
    "a word for a longer one": (lambda row: row.replace(b"row 17", b"row 170"), r"does not add up to what the server says.*note.*bytes"),
    "a number": (lambda row: row.replace(b"17,8,", b"17,9,"), r"does not add up to what the server says.*user_id"),
    "a row left out": (lambda row: b"" if b"row 17" in row else row, r"does not add up to what the server says.*rows: 50 and 49"),
    "a row twice": (lambda row: row * 2 if b"row 17" in row else row, r"does not add up to what the server says.*rows: 50 and 51"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_altered_before_anything_was_hashed_is_caught_by_a_second_reading(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Hash and decoder see the same wrong text: only the server's own sums, or another reading, can tell."""
    change, said_by_standard = FAULTS[fault]
    with monkeypatch.context() as patch:
        patch.setattr("include.postgres.export.copy_rows", altered(change, b"FORMAT csv"))
        with pytest.raises(AirflowFailException, match=r"the rows stored are not those of a second reading of the table"):
            lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))
        assert archives(lifecycle) == []
        if said_by_standard is None:
            lifecycle.archive_partition(OLD, policy=policy(lifecycle))  # what `standard` cannot see, and README says so
        else:
            with pytest.raises(AirflowFailException, match=said_by_standard):
                lifecycle.archive_partition(OLD, policy=policy(lifecycle))
            assert archives(lifecycle) == []
    assert "50 rows" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))
    assert rows_in(archives(lifecycle)[-1]) == rows_of(lifecycle)


@pytest.mark.parametrize("fault", ["a number", "a row left out", "a row twice"])
def test_a_second_reading_that_was_altered_is_no_proof(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    change, _ = FAULTS[fault]
    tabbed = (lambda row: row.replace(b"17\t8\t", b"17\t9\t")) if fault == "a number" else change
    monkeypatch.setattr("include.postgres.export.copy_rows", altered(tabbed, b"FORMAT text"))
    with pytest.raises(AirflowFailException, match=r"the rows stored are not those of a second reading of the table"):
        lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))
    assert archives(lifecycle) == []


def test_a_second_reading_is_compared_block_by_block_and_the_block_is_named(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("partition_operators.archive_partition.BLOCK_BYTES", 300)
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", 1000)
    lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))
    blocks = manifest_of(archives(lifecycle)[0]).files[0].blocks
    assert len(blocks) > 4
    monkeypatch.setattr("include.postgres.export.copy_rows", altered(lambda row: row.replace(b"row 50", b"row 05"), b"FORMAT text"))
    lifecycle.sql(f"UPDATE {OLD} SET note = note WHERE id = 50")
    with pytest.raises(AirflowFailException, match=rf"block {len(blocks) - 1}: the rows stored"):
        lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))


@pytest.mark.parametrize("fault", ["a value", "a row left out", "a row twice"])
def test_an_archive_that_does_not_load_as_it_was_is_refused(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    def faulty(
        connection: Connection[Any], statement: sql.Composed, blocks: Iterable[bytes | memoryview], loaded: Callable[[int], object]
    ) -> None:
        lines = [line for block in blocks for line in bytes(block).splitlines(keepends=True)]
        match fault:
            case "a value":
                lines[20] = lines[20].replace(b"row ", b"roW ")
            case "a row left out":
                del lines[20]
            case "a row twice":
                lines.append(lines[20])
        load(connection, statement, [b"".join(lines)], loaded)

    with monkeypatch.context() as patch:
        patch.setattr("include.postgres.loading.load", faulty)
        with pytest.raises(AirflowFailException, match=r"does not read as it was when it is loaded again; nothing is dropped"):
            lifecycle.archive_partition(OLD, policy=policy(lifecycle, "restore"))
        assert archives(lifecycle) == []
        assert "read back and compared (full)" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))
    assert "read back and compared (restore)" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, "restore"))
    assert rows_in(archives(lifecycle)[-1]) == rows_of(lifecycle)
    assert lifecycle.value("SELECT count(*) FROM pg_class WHERE relname = 'partition_lifecycle_proof'") == 0


def test_a_decoder_that_changes_a_value_is_caught_by_every_proof(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(block: bytes | bytearray, columns: Sequence[Column]) -> pa.Table:
        return decode(bytes(block).replace(b"row 17", b"row 71"), columns)

    for proof in ("standard", "full", "restore"):
        with monkeypatch.context() as patch:
            patch.setattr("include.archive.writing.decode", wrong)
            with pytest.raises(AirflowFailException, match=r"the rows stored are not"):
                lifecycle.archive_partition(OLD, policy=policy(lifecycle, proof))
        assert archives(lifecycle) == []


def test_a_weaker_archive_is_made_again_and_a_stronger_one_serves(lifecycle: Lifecycle) -> None:
    for proof in ("standard", "full", "restore"):
        assert f"read back and compared ({proof})" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, proof))
        for weaker in ("standard", proof):
            assert "archived already" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, weaker))
    assert [manifest_of(each).proof for each in archives(lifecycle)] == ["standard", "full", "restore"]
    assert [each["proof"] for each in lifecycle.sql("SELECT proof FROM partition_lifecycle.archive ORDER BY verified_at")][-1] == "restore"
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


def test_a_weaker_archive_that_the_ledger_forgot_is_not_taken_for_a_stronger_one(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD, policy=policy(lifecycle))
    lifecycle.sql("DELETE FROM partition_lifecycle.archive")
    assert "read back and compared (full)" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))
    lifecycle.sql("DELETE FROM partition_lifecycle.archive")
    assert "found again and compared" in lifecycle.archive_partition(OLD, policy=policy(lifecycle))


@pytest.mark.parametrize(("files", "proof"), [(3, "standard"), (3, "full"), (3, "restore"), (16, "full")])
def test_several_files_hold_together_the_rows_of_the_table(lifecycle: Lifecycle, proof: str, files: int) -> None:
    more_rows(lifecycle, 3000, 100)
    lifecycle.sql(f"DELETE FROM {OLD} WHERE id %% 7 = %s", 0)
    assert lifecycle.archive_partition(OLD, policy=policy(lifecycle, proof, files=files))
    folder = archives(lifecycle)[0]
    manifest = manifest_of(folder)
    assert [each.name for each in manifest.files] == [f"part-{number:05d}.parquet" for number in range(files)]
    assert all(each.rows > 0 for each in manifest.files) or files == 16
    assert rows_in(folder) == rows_of(lifecycle)
    assert pq.read_table(lifecycle.archive / "app.events").num_rows == manifest.rows == lifecycle.value(f"SELECT count(*) FROM {OLD}")
    assert no_session_is_left(lifecycle)


def test_rows_written_while_several_files_are_written_are_in_none_of_them(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    more_rows(lifecycle, 2000, 100)
    expected = rows_of(lifecycle)
    writing = threading.Lock()

    def meanwhile(block: bytes | bytearray, columns: Sequence[Column]) -> pa.Table:
        with writing:
            lifecycle.sql(f"UPDATE {OLD} SET note = 'late' WHERE id %% 3 = %s", 0)
            lifecycle.sql(f"INSERT INTO {OLD} SELECT max(id) + 1, 1, '2024-08-05 00:00+00', 'late' FROM {OLD}")
        return decode(block, columns)

    monkeypatch.setattr("partition_operators.archive_partition.BLOCK_BYTES", 50_000)
    with monkeypatch.context() as patch:
        patch.setattr("include.archive.writing.decode", meanwhile)
        lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full", files=3))
    assert rows_in(archives(lifecycle)[0]) == expected
    lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full", files=3))
    assert rows_in(archives(lifecycle)[1]) == rows_of(lifecycle)


def slow(seconds: float) -> Callable[[bytes | bytearray, Sequence[Column]], pa.Table]:
    def decoded(block: bytes | bytearray, columns: Sequence[Column]) -> pa.Table:
        time.sleep(seconds)
        return decode(block, columns)

    return decoded


@pytest.mark.slow
@pytest.mark.parametrize("files", [1, 3])
def test_an_archive_that_takes_longer_than_max_duration_ends_with_a_clear_error_and_nothing_else(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    more_rows(lifecycle, 2000, 100)
    monkeypatch.setattr("partition_operators.archive_partition.BLOCK_BYTES", 5_000)
    with monkeypatch.context() as patch:
        patch.setattr("include.archive.writing.decode", slow(0.1))
        with pytest.raises(TransientError, match=r'"app.events_p202408" was not archived within archive_max_duration'):
            lifecycle.archive_partition(OLD, policy=policy(lifecycle, files=files, archive_max_duration="1 s"))
    assert archives(lifecycle) == []
    assert no_session_is_left(lifecycle)
    outcome = lifecycle.sql("SELECT outcome, detail FROM partition_lifecycle.event ORDER BY event_id DESC LIMIT 1")[0]
    assert outcome["outcome"] == "failed"
    assert "archive_max_duration" in outcome["detail"]
    lifecycle.archive_partition(OLD, policy=policy(lifecycle, files=files))
    assert rows_in(archives(lifecycle)[0]) == rows_of(lifecycle)
    assert len(list(lifecycle.archive.glob("*/*/*"))) == 1  # what was begun has been removed


def ours(lifecycle: Lifecycle) -> Connection[Any]:
    return prepare(lifecycle.connect(), "partition_lifecycle test")


def test_a_server_that_says_nothing_is_waited_for_until_the_deadline_and_the_connection_can_be_used_again(lifecycle: Lifecycle) -> None:
    silent = sql.SQL("COPY (SELECT pg_catalog.pg_sleep(60)) TO STDOUT") + sql.SQL("")
    with ours(lifecycle) as connection:
        begun = time.monotonic()
        with pytest.raises(WaitTooLongError, match=r"the time for reading the table is over"):
            list(copy_rows(connection, silent, begun + 0.5))
        assert time.monotonic() - begun < 5
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert lifecycle.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%pg_sleep(60)%%' AND pid <> pg_backend_pid() AND %s", True) == 0  # fmt: skip


def test_measures_that_take_longer_than_max_duration_name_the_key_to_raise(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.postgres.export.evidence_query", lambda *_, **__: sql.SQL("SELECT pg_catalog.pg_sleep(60)"))
    oid = lifecycle.value("SELECT %s::regclass::oid::bigint", OLD)
    with ours(lifecycle) as connection:
        with (
            pytest.raises(WaitTooLongError, match=r"archive_max_duration"),
            snapshot(connection, TableName.parse(OLD), oid, timedelta(seconds=0.5)) as source,
        ):
            source.evidence()
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def once_in_the_middle(action: Callable[[], object], block_number: int = 3) -> Callable[[bytes | bytearray, Sequence[Column]], pa.Table]:
    """As `decode`, but something happens before one of the blocks."""
    lock, seen = threading.Lock(), [0]

    def decoded(block: bytes | bytearray, columns: Sequence[Column]) -> pa.Table:
        with lock:
            seen[0] += 1
            if seen[0] == block_number:
                action()
        return decode(block, columns)

    return decoded


CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'partition_lifecycle%' AND query LIKE 'COPY%' LIMIT 1"


@pytest.mark.slow
@pytest.mark.parametrize("files", [1, 3])
def test_a_connection_that_is_cut_in_the_middle_of_the_export_is_worth_another_attempt(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    more_rows(lifecycle, 12_000, 1000)  # more than the buffers on the way hold
    monkeypatch.setattr("partition_operators.archive_partition.BLOCK_BYTES", 100_000)
    cut: list[bool] = []
    with monkeypatch.context() as patch:
        patch.setattr("include.archive.writing.decode", once_in_the_middle(lambda: cut.append(lifecycle.value(CUT))))
        with pytest.raises(TransientError, match=r"read \"app.events_p202408\".*(terminating connection|connection to the server was lost|closed the connection)"):  # fmt: skip
            lifecycle.archive_partition(OLD, policy=policy(lifecycle, files=files))
    assert cut == [True]
    assert archives(lifecycle) == []
    assert no_session_is_left(lifecycle)
    assert "read back and compared" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, files=files))
    assert rows_in(archives(lifecycle)[0]) == rows_of(lifecycle)


@pytest.mark.slow
def test_a_connection_that_is_cut_in_the_second_reading_is_worth_another_attempt(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    more_rows(lifecycle, 15_000, 1000)
    monkeypatch.setattr("partition_operators.archive_partition.BLOCK_BYTES", 100_000)
    seen = [0]

    def cutting(connection: Connection[Any], statement: sql.Composed, deadline: float) -> Iterator[memoryview]:
        for row in copy_rows(connection, statement, deadline):
            if b"FORMAT text" in statement.as_bytes(connection):
                seen[0] += 1
                if seen[0] == 500:
                    lifecycle.value(CUT)
            yield row

    with monkeypatch.context() as patch:
        patch.setattr("include.postgres.export.copy_rows", cutting)
        with pytest.raises(TransientError, match=r"once more"):
            lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))
    assert archives(lifecycle) == []
    assert "read back and compared" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))


@pytest.mark.slow
@pytest.mark.parametrize("files", [1, 3])
def test_a_storage_that_fails_in_the_middle_leaves_no_query_running_on_the_server(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    more_rows(lifecycle, 12_000, 1000)
    monkeypatch.setattr("partition_operators.archive_partition.BLOCK_BYTES", 100_000)
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", 100_000)
    write, closed = HashingWriter.write, psycopg.Connection.close
    running: list[int] = []

    def full(self: HashingWriter, data: bytes | memoryview) -> int:
        if self.size > 200_000:
            raise OSError(28, "No space left on device")
        return write(self, data)

    def looked_at(self: Connection[Any]) -> None:
        """Before the connection is closed, which would end the query anyhow."""
        if not running:
            running.append(lifecycle.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'partition_lifecycle%' AND query LIKE 'COPY%' AND state = 'active'"))  # fmt: skip
        closed(self)

    with monkeypatch.context() as patch:
        patch.setattr(HashingWriter, "write", full)
        patch.setattr("partition_operators.connecting.prepare", watched(looked_at))
        with pytest.raises(StorageUnavailableError, match=r"No space left on device"):
            lifecycle.archive_partition(OLD, policy=policy(lifecycle, files=files))
    assert running == [0]
    assert archives(lifecycle) == []
    assert no_session_is_left(lifecycle)
    assert "read back and compared" in lifecycle.archive_partition(OLD, policy=policy(lifecycle, files=files))
    assert rows_in(archives(lifecycle)[0]) == rows_of(lifecycle)


def watched(before_close: Callable[[Connection[Any]], None]) -> Callable[..., Connection[Any]]:
    """As `prepare`, and the connection's end is noticed."""

    def prepared(connection: Connection[Any], *arguments: Any) -> Connection[Any]:
        prepare(connection, *arguments)
        connection.close = lambda: before_close(connection)  # type: ignore[method-assign]  # for this connection alone
        return connection

    return prepared


def test_a_failed_proof_leaves_the_connection_in_order_so_that_the_failure_is_in_the_ledger(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reading is given up in its middle; its COPY must not be in the way of what comes next."""
    more_rows(lifecycle, 15_000, 1000)
    monkeypatch.setattr("partition_operators.archive_partition.BLOCK_BYTES", 100_000)
    monkeypatch.setattr("include.postgres.export.copy_rows", altered(lambda row: row.replace(b"row 17", b"row 71"), b"FORMAT text"))
    with pytest.raises(AirflowFailException, match=r"block 0: the rows stored are not those of a second reading of the table"):
        lifecycle.archive_partition(OLD, policy=policy(lifecycle, "full"))
    outcome = lifecycle.sql("SELECT outcome, detail FROM partition_lifecycle.event ORDER BY event_id DESC LIMIT 1")[0]
    assert outcome["outcome"] == "failed"
    assert "second reading" in outcome["detail"]
    assert archives(lifecycle) == []
