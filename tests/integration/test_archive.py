"""Archiving one partition: what is written, what is refused, and what is not written twice."""

import json
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.archive.manifest import Manifest
from include.archive.schema import schema_of
from include.partitioning.errors import StorageUnavailableError
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"


def archives(lifecycle: Lifecycle) -> list[Path]:
    """Folders of committed archives, oldest first."""
    return [
        manifest.parent for manifest in sorted(lifecycle.archive.glob("*/*/*/_manifest.json"), key=lambda each: each.stat().st_mtime_ns)
    ]


def read(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "part-00000.parquet").to_pylist()
    return rows


def test_an_archive_holds_every_row_and_a_manifest_that_says_where_it_came_from(lifecycle: Lifecycle) -> None:
    said = lifecycle.archive_partition(OLD)
    assert "50 rows" in said
    assert "read back and compared" in said
    folder = archives(lifecycle)[0]
    assert folder.parent == lifecycle.archive / "app.events" / "events_p202408"
    rows = read(folder)
    assert sorted((row["id"], row["user_id"], row["note"]) for row in rows) == [(n, 1 + n % 10, f"row {n}") for n in range(1, 51)]
    assert rows[0]["created_at"].utcoffset().total_seconds() == 0
    manifest = Manifest.from_json((folder / "_manifest.json").read_bytes(), "it")
    assert manifest.rows == 50
    assert manifest.source.partition == OLD
    assert (manifest.source.lower_bound, manifest.source.upper_bound) == ("2024-08-01 00:00:00+00", "2024-09-01 00:00:00+00")
    assert manifest.source.partition_oid == lifecycle.value("SELECT %s::regclass::oid::bigint", OLD)
    assert [column.type for column in manifest.columns] == ["bigint", "integer", "timestamp with time zone", "text"]


def test_the_ddl_of_a_manifest_builds_an_empty_table_like_the_archived_one(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    manifest = json.loads((archives(lifecycle)[0] / "_manifest.json").read_text())
    lifecycle.sql(f"DROP TABLE {OLD}")
    for statement in manifest["ddl"]:
        lifecycle.sql(statement)
    assert lifecycle.value("SELECT count(*) FROM app.events_p202408") == 0
    assert lifecycle.value("SELECT count(*) FROM pg_index WHERE indrelid = 'app.events_p202408'::regclass") == 2


def test_the_ddl_makes_the_types_that_users_made_before_the_table_that_needs_them(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE TYPE app.mood AS ENUM ('so', 'it''s "so"'); CREATE DOMAIN app.level AS integer NOT NULL CHECK (VALUE < 9) CHECK (VALUE > 0);
        CREATE TYPE app.pair AS (a app.level, b app.mood[]); CREATE TYPE app.span AS RANGE (SUBTYPE = date);
        CREATE TABLE app.typed (at timestamptz NOT NULL, pairs app.pair[], span app.span) PARTITION BY RANGE (at);
        CREATE TABLE app.typed_p202408 PARTITION OF app.typed FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00');
        CREATE TABLE app.typed_p202611 PARTITION OF app.typed FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00');
        INSERT INTO app.typed VALUES ('2024-08-02', ARRAY[ROW(1, ARRAY['so']::app.mood[])::app.pair], '[2024-01-01,2024-02-01)');
    """)
    policy = lifecycle.policy(table="app.typed", partition_key="at")
    lifecycle.archive_partition("app.typed_p202408", policy=policy)
    manifest = json.loads((archives(lifecycle)[0] / "_manifest.json").read_text())
    lifecycle.sql("DROP TABLE app.typed; DROP TYPE app.pair, app.mood, app.span; DROP DOMAIN app.level")
    for statement in manifest["ddl"]:
        lifecycle.sql(statement)
    with pytest.raises(psycopg.errors.CheckViolation):
        lifecycle.sql("INSERT INTO app.typed_p202408 VALUES ('2024-08-02', ARRAY[ROW(9, NULL)::app.pair])")
    lifecycle.sql(
        "INSERT INTO app.typed_p202408 VALUES ('2024-08-02', ARRAY[ROW(8, ARRAY['it''s \"so\"']::app.mood[])::app.pair], 'empty')"
    )


WIDE = """
CREATE TYPE app.mood AS ENUM ('fine', 'not so fine'); CREATE DOMAIN app.small AS integer CHECK (VALUE < 100); CREATE TYPE app.pair AS (a integer, b text);
CREATE TABLE app.wide (
  at timestamptz NOT NULL, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric, ns numeric(12, 4), b boolean, t text, v varchar(9),
  c char(5), bin bytea, u uuid, d date, ts timestamp, tm time, tz timetz, iv interval, j json, jb jsonb, ip inet, arr text[], arr2 integer[], e app.mood,
  dom app.small, pair app.pair, bits varbit, money money, r int4range, point point, "an odd ""name" text, ts_vector tsvector, lsn pg_lsn, gone integer,
  g bigint GENERATED ALWAYS AS (i8 / 2) STORED, ident bigint GENERATED ALWAYS AS IDENTITY
) PARTITION BY RANGE (at);
ALTER TABLE app.wide DROP COLUMN gone;
CREATE TABLE app.wide_p202408 PARTITION OF app.wide FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00');
CREATE TABLE app.wide_p202611 PARTITION OF app.wide FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00');
INSERT INTO app.wide (at, i2, i4, i8, f4, f8, n, ns, b, t, v, c, bin, u, d, ts, tm, tz, iv, j, jb, ip, arr, arr2, e, dom, pair, bits, money, r, point, "an odd ""name",
                      ts_vector, lsn)
VALUES ('2024-08-01 00:00:00.000001+00', -32768, 2147483647, -9223372036854775808, 1.1, 'NaN', 'NaN', 12345678.0001, true, E'a "quoted", line\\nand \\u00e4\\\\', 'x',
        'ab', '\\x00ff5c', '00000000-0000-0000-0000-000000000001', '0001-01-01', '9999-12-31 23:59:59.999999', '24:00', '12:00+05:45', '1 year -3 days', '{"a" : 1}',
        '{"b":[1,null]}', '10.0.0.0/8', ARRAY['a,b', NULL, 'NULL', ''], '[0:1][1:2]={{1,2},{3,4}}', 'not so fine', 7, ROW(1, 'x,"y'), B'101', 12.5, '[1,5)', '(1.5,2)', '',
        'a:1 b:2', '0/16B3748'),
       ('2024-08-31 23:59:59.999999+00', NULL, NULL, 4, '-Infinity', '-0', 1e-60, NULL, false, '', NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


def test_values_of_all_kinds_come_back_as_they_were(lifecycle: Lifecycle) -> None:
    lifecycle.sql(WIDE)
    policy = lifecycle.policy(table="app.wide", partition_key="at")
    lifecycle.archive_partition("app.wide_p202408", policy=policy)
    first, second = read(archives(lifecycle)[0])
    assert first["at"] == datetime(2024, 8, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert (first["i2"], first["i4"], first["i8"], first["g"]) == (-32768, 2147483647, -9223372036854775808, -4611686018427387904)
    assert first["f8"] != first["f8"]
    assert (first["n"], first["ns"], first["t"]) == ("NaN", Decimal("12345678.0001"), 'a "quoted", line\nand ä\\')
    assert (first["c"], first["bin"], first["b"]) == ("ab   ", b"\x00\xff\x5c", True)
    assert (first["arr"], first["arr2"]) == ('{"a,b",NULL,"NULL",""}', "[0:1][1:2]={{1,2},{3,4}}")
    assert (first["tm"], first["tz"], first["iv"]) == ("24:00:00", "12:00:00+05:45", "1 year -3 days")
    assert (first["j"], first["e"], first["pair"], first["r"]) == ('{"a" : 1}', "not so fine", '(1,"x,""y")', "[1,5)")
    assert first['an odd "name'] == ""
    assert first["dom"] == 7
    assert "gone" not in first
    assert (second["t"], second["v"], second["bin"], second["f4"]) == ("", None, b"", float("-inf"))
    assert str(second["f8"]) == "-0.0"
    # Every text that travels as text is what the server's output function says of it.
    with psycopg.connect(lifecycle.uri, options="-c TimeZone=UTC -c IntervalStyle=postgres -c lc_monetary=C") as connection:
        for name in (
            "n",
            "tm",
            "tz",
            "iv",
            "j",
            "jb",
            "ip",
            "arr",
            "arr2",
            "e",
            "pair",
            "bits",
            "money",
            "r",
            "point",
            "ts_vector",
            "lsn",
            "u",
        ):
            expected = connection.execute(
                psycopg.sql.SQL("SELECT format('%s', {0}), {0} IS NULL FROM app.wide_p202408 ORDER BY at").format(
                    psycopg.sql.Identifier(name)
                )
            )
            assert [first[name], second[name]] == [None if is_null else text for text, is_null in expected.fetchall()], name


def test_the_types_in_the_file_depend_on_the_table_and_not_on_its_rows(lifecycle: Lifecycle) -> None:
    lifecycle.sql(WIDE)
    lifecycle.sql("DELETE FROM app.wide")
    lifecycle.archive_partition("app.wide_p202408", policy=lifecycle.policy(table="app.wide", partition_key="at"))
    table = pq.read_table(archives(lifecycle)[0] / "part-00000.parquet")
    assert table.num_rows == 0
    manifest = Manifest.from_json((archives(lifecycle)[0] / "_manifest.json").read_bytes(), "it")
    assert table.schema.equals(schema_of(manifest.columns))
    assert table.schema.field("ns").type == pa.decimal128(12, 4)
    assert table.schema.field("arr").metadata[b"postgresql_type"] == b"text[]"


def test_rows_that_row_level_security_hides_stop_the_archive(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    lifecycle.sql(f"""
        CREATE ROLE clerk LOGIN; GRANT CREATE ON DATABASE {name} TO clerk; GRANT USAGE ON SCHEMA app TO clerk; GRANT SELECT ON ALL TABLES IN SCHEMA app TO clerk;
        ALTER TABLE {OLD} ENABLE ROW LEVEL SECURITY; CREATE POLICY half ON {OLD} USING (id <= 25);
    """)
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "clerk@"))
    try:
        with pytest.raises(AirflowFailException, match=r"row-level security"):
            lifecycle.archive_partition(OLD)
        lifecycle.sql(
            f"ALTER TABLE {OLD} DISABLE ROW LEVEL SECURITY; REVOKE SELECT ON {OLD} FROM clerk; GRANT SELECT (id) ON {OLD} TO clerk"
        )
        with pytest.raises(AirflowFailException, match=r"may not read .*: GRANT"):
            lifecycle.archive_partition(OLD)
    finally:
        lifecycle.sql("DROP OWNED BY clerk; DROP ROLE clerk")
    assert archives(lifecycle) == []


def test_an_unchanged_partition_is_not_archived_again(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    assert "archived already" in lifecycle.archive_partition(OLD)
    lifecycle.sql(f"VACUUM FREEZE {OLD}")
    assert "archived already" in lifecycle.archive_partition(OLD)
    assert len(archives(lifecycle)) == 1


@pytest.mark.parametrize(
    "change",
    [
        f"INSERT INTO {OLD} VALUES (99, 1, '2024-08-05')",
        f"UPDATE {OLD} SET note = 'changed' WHERE id = 7",
        f"DELETE FROM {OLD} WHERE id = 7",
        f"DELETE FROM {OLD} WHERE id = 7; INSERT INTO {OLD} VALUES (99, 1, '2024-08-05')",
        "DELETE FROM auth.users WHERE id = 3",
        f"TRUNCATE {OLD}",
    ],
)
def test_a_partition_that_changed_is_archived_anew_beside_the_old_archive(lifecycle: Lifecycle, change: str) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.sql(change)
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert len(archives(lifecycle)) == 2
    assert len(read(archives(lifecycle)[1])) == lifecycle.value(f"SELECT count(*) FROM {OLD}")


def test_a_change_that_commits_after_the_snapshot_was_open_is_seen(lifecycle: Lifecycle) -> None:
    """The writer's transaction is older than the archive's snapshot, but not over when it is taken: its xmin is the horizon."""
    with lifecycle.connect() as writer:
        writer.execute(f"INSERT INTO {OLD} VALUES (99, 1, '2024-08-05')")
        with lifecycle.connect() as later:
            later.execute("INSERT INTO auth.users VALUES (77)")  # moves the transaction counter on
        lifecycle.archive_partition(OLD)
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert 99 in {row["id"] for row in read(archives(lifecycle)[1])}


def test_an_archive_that_was_damaged_is_made_anew(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    (archives(lifecycle)[0] / "part-00000.parquet").write_bytes(b"PAR1 not any more")
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert len(archives(lifecycle)) == 2


def test_an_interrupted_upload_is_removed_and_a_stranger_s_folder_is_not(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        # The connection to the worker is cut after the data file was written: nothing behind it runs.
        patch.setattr("partition_operators.archive_partition.check_archive", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            lifecycle.archive_partition(OLD)
    half = next(lifecycle.archive.glob("*/*/*"))
    stranger = half.parent / "somebody-elses"
    stranger.mkdir()
    (stranger / "part-00000.parquet").write_bytes(b"theirs")
    lifecycle.archive_partition(OLD)
    assert not half.exists()
    assert stranger.exists()
    assert len(archives(lifecycle)) == 1


def test_a_partition_in_retention_is_refused(lifecycle: Lifecycle) -> None:
    with pytest.raises(AirflowFailException, match=r'"app.events_p202610" is not expired: it reaches to 2026-11-01'):
        lifecycle.archive_partition("app.events_p202610")
    with pytest.raises(AirflowFailException, match=r"is no partition of"):
        lifecycle.archive_partition("auth.users")
    assert archives(lifecycle) == []


def test_a_storage_that_cannot_be_written_fails_with_its_place(lifecycle: Lifecycle) -> None:
    blocker = lifecycle.archive
    blocker.write_text("a file where a folder should be")
    with pytest.raises(Exception, match=r"archive"):
        lifecycle.archive_partition(OLD)
    assert "events_p202408" in lifecycle.partitions()


def test_a_storage_that_a_mistaken_policy_named_does_not_spoil_the_next_try(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StorageUnavailableError, match=r"check the storage connection"):
        lifecycle.archive_partition(OLD, policy=lifecycle.policy(archive={"path": "s3://nowhere/at-all"}))
    assert lifecycle.sql("SELECT outcome FROM partition_lifecycle.event WHERE action = 'archive' ORDER BY event_id DESC LIMIT 1") == [
        {"outcome": "failed"}
    ]
    assert "read back and compared" in lifecycle.archive_partition(OLD)


@pytest.mark.parametrize("kind", ["text", "char(10)", "app.words"])
def test_a_byte_order_mark_at_the_head_of_the_first_value_is_kept(lifecycle: Lifecycle, kind: str) -> None:
    lifecycle.sql(f"""CREATE DOMAIN app.words AS text; CREATE TABLE app.t (a {kind}, at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE app.t_p202408 PARTITION OF app.t FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00');
        CREATE TABLE app.t_p202611 PARTITION OF app.t FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00');
        INSERT INTO app.t VALUES (E'\\uFEFFhello', '2024-08-02')""")
    lifecycle.archive_partition("app.t_p202408", policy=lifecycle.policy(table="app.t", partition_key="at"))
    assert read(archives(lifecycle)[0])[0]["a"].rstrip() == "\ufeffhello"


def test_a_table_that_is_exchanged_under_its_name_while_the_archive_waits_is_not_taken_for_it(lifecycle: Lifecycle) -> None:
    lifecycle.sql(f"CREATE TABLE app.staging (LIKE {OLD}); INSERT INTO app.staging SELECT id, user_id, created_at, 'WRONG' FROM {OLD}")
    failed: list[BaseException] = []

    def archive() -> None:
        try:
            lifecycle.archive_partition(OLD)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    with lifecycle.connect(autocommit=True) as other, lifecycle.connect() as exchanger:
        oid = lifecycle.value("SELECT %s::regclass::oid::bigint", OLD)
        key = "hashtextextended('partition_lifecycle ' || %s::text, 0)"
        other.execute(f"SELECT pg_advisory_lock({key})".encode(), (oid,))  # holds the archive up after it has read the catalog
        thread = threading.Thread(target=archive)
        thread.start()
        time.sleep(1)
        exchanger.execute(f"ALTER TABLE {OLD} RENAME TO aside".encode())
        exchanger.execute("ALTER TABLE app.staging RENAME TO events_p202408")
        other.execute(f"SELECT pg_advisory_unlock({key})".encode(), (oid,))
        time.sleep(1)
        exchanger.commit()
        thread.join()
    assert len(failed) == 1
    assert "is no longer the table with OID" in str(failed[0])
    assert archives(lifecycle) == []


def test_a_lock_on_another_partition_holds_no_step_up(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as holder:
        holder.execute("LOCK TABLE app.events_p202610 IN ACCESS EXCLUSIVE MODE")
        assert OLD in lifecycle.plan()
        assert "50 rows" in lifecycle.archive_partition(OLD)


def test_a_database_in_another_encoding_is_archived_as_well(lifecycle: Lifecycle, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        for name in ("latin", "ascii"):
            uri = lifecycle.uri.replace(str(psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]), name)
            monkeypatch.setenv("AIRFLOW_CONN_TARGET", uri)
            with psycopg.connect(uri, autocommit=True, client_encoding="UTF8") as connection:
                connection.execute("CREATE SCHEMA app; CREATE TABLE app.t (a text, at timestamptz NOT NULL) PARTITION BY RANGE (at)")
                for month, end in (("2024-08", "2024-09"), ("2026-11", "2026-12")):
                    connection.execute(
                        f"CREATE TABLE app.t_p{month.replace('-', '')} PARTITION OF app.t FOR VALUES FROM ('{month}-01 00:00+00') TO ('{end}-01 00:00+00')".encode()
                    )
                if name == "latin":
                    connection.execute("INSERT INTO app.t VALUES ('caf\u00e9', '2024-08-02')")
            policy = lifecycle.policy(table="app.t", partition_key="at")
            if name == "latin":
                assert "1 rows" in lifecycle.archive_partition("app.t_p202408", policy=policy)
                assert read(archives(lifecycle)[0])[0]["a"] == "caf\u00e9"
            else:
                with pytest.raises(AirflowFailException, match=r"has the encoding SQL_ASCII"):
                    lifecycle.archive_partition("app.t_p202408", policy=policy)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("DROP DATABASE latin WITH (FORCE)")
            connection.execute("DROP DATABASE ascii WITH (FORCE)")


def test_dry_run_writes_nothing(lifecycle: Lifecycle) -> None:
    assert "would archive" in lifecycle.archive_partition(OLD, dry_run=True)
    assert not lifecycle.archive.exists()
    assert not lifecycle.exists("partition_lifecycle.event")
