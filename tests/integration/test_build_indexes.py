"""Indexes of a policy are built on every partition while the table is used, and what goes wrong on the way is mended by the next run."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.check_policies import main as check_policies
from include.partitioning.errors import LockNotAvailableError, ServerUnavailableError, WaitTooLongError
from include.partitioning.index_names import own_name
from include.postgres.queries import row
from partition_operators import index_jobs
from partition_operators.build_indexes import BuildIndexesOperator
from tests.integration.conftest import Lifecycle
from tests.integration.test_healing import cut_off

BY_NOTE = {"columns": ["note"], "name": "by_note"}
SOON: dict[str, Any] = {"retention": "1 month", "premake": 1}
"""Of which one partition is missing."""
OLD, NOW = "app.events_p202408", "app.events_p202611"

INDEXES = """
SELECT t.relname AS table, ic.relname AS index, i.indisvalid AS valid, i.indisunique AS "unique", ic.relispartition AS attached
  FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
 WHERE t.relname LIKE 'events%%' AND pg_get_indexdef(i.indexrelid) LIKE %s ORDER BY t.relname, ic.relname
"""


def build(lifecycle: Lifecycle, *indexes: dict[str, Any], **changes: Any) -> list[str]:
    policy = lifecycle.policy(indexes=list(indexes), **{"index_jobs": 2, **changes})
    names: list[str] = lifecycle.run(BuildIndexesOperator, policy=policy)
    return names


def indexes(lifecycle: Lifecycle, like: str = "%(note)%") -> dict[str, tuple[str, bool, bool]]:
    """By table: the index's name, and whether it is valid and attached."""
    found = lifecycle.sql(INDEXES, like)
    assert len({each["table"] for each in found}) == len(found), found
    return {each["table"]: (each["index"], each["valid"], each["attached"]) for each in found}


def is_complete(lifecycle: Lifecycle, like: str = "%(note)%", tables: int = 6) -> bool:
    """The parent's index is valid, and each of the partitions has a valid part."""
    found = indexes(lifecycle, like)
    return len(found) == tables and all(valid and (attached or table == "events") for table, (_, valid, attached) in found.items())


def test_an_index_is_on_every_partition_and_valid_and_the_second_run_has_nothing_to_do(lifecycle: Lifecycle) -> None:
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]
    assert is_complete(lifecycle)
    assert indexes(lifecycle)["events_p202408"][0] == "events_p202408_note_idx"
    before = lifecycle.sql(INDEXES, "%")
    assert build(lifecycle, BY_NOTE) == []
    assert build(lifecycle, {"columns": ["note"]}) == []  # the same under another name
    assert lifecycle.sql(INDEXES, "%") == before
    created = lifecycle.create(policy=lifecycle.policy(**SOON))
    assert is_complete(lifecycle, tables=6 + len(created))


EVERYTHING: list[dict[str, Any]] = [
    {"columns": ["user_id", {"column": "created_at", "order": "desc", "nulls": "last"}]},
    {"columns": [{"expression": "lower(note)"}]},
    {"columns": [{"expression": "lower(note) -- not upper"}, "id"], "where": "note <> ' ON ONLY ' -- really"},
    {"columns": ["note"], "include": ["user_id"], "where": "user_id > 3"},
    {
        "columns": [{"column": "note", "collation": "C", "opclass": "text_pattern_ops"}],
        "storage": {"fillfactor": 70, "deduplicate_items": False},
    },
    {"columns": ["id", "user_id", "created_at"], "unique": True},
    {"columns": ["user_id"], "method": "hash"},
    {"columns": ["created_at"], "method": "brin", "storage": {"pages_per_range": 8}},
    {
        "columns": [{"expression": "to_tsvector('simple', note)", "opclass": "tsvector_ops"}],
        "method": "gin",
        "storage": {"fastupdate": False},
    },
    {
        "columns": [{"expression": "to_tsvector('simple', note)", "opclass": "tsvector_ops", "opclass_parameters": {"siglen": 32}}],
        "method": "gist",
    },
    {"columns": ["note"], "tablespace": "pg_default"},
]


def test_whatever_create_index_can_say_is_recognised_when_it_is_there(lifecycle: Lifecycle) -> None:
    assert len(build(lifecycle, *EVERYTHING)) == len(EVERYTHING)
    assert lifecycle.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert lifecycle.value("SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indrelid WHERE c.relname LIKE 'events%'") == 6 * (
        2 + len(EVERYTHING)
    )
    assert build(lifecycle, *EVERYTHING) == []
    assert lifecycle.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'partition_lifecycle_scratch%'") == 0


@pytest.fixture
def tablespace(lifecycle: Lifecycle) -> Iterator[str]:
    name = f"fast_{lifecycle.value('SELECT current_database()')}"
    with lifecycle.connect(autocommit=True) as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute(f"CREATE TABLESPACE {name} LOCATION ''".encode())
    yield name
    lifecycle.sql("DROP TABLE app.events")
    lifecycle.sql(f"DROP TABLESPACE {name}")


def test_an_index_lies_in_the_tablespace_of_the_policy_on_every_partition(lifecycle: Lifecycle, tablespace: str) -> None:
    wanted = {**BY_NOTE, "tablespace": tablespace, "where": "note <> 'x'"}
    assert build(lifecycle, wanted, {"columns": ["id", "user_id"]}) == ["app.by_note", "app.events_id_user_id_idx"]
    lifecycle.create(policy=lifecycle.policy(**SOON))
    found = lifecycle.sql(
        "SELECT strpos(ic.relname, 'note') > 0 AS wanted, t.spcname = %s AS there, count(*) > 5 AS many FROM pg_index i JOIN pg_class ic ON ic.oid = indexrelid"
        " LEFT JOIN pg_tablespace t ON t.oid = reltablespace WHERE ic.relnamespace = 'app'::regnamespace GROUP BY 1, 2",
        tablespace,
    )
    assert sorted(map(str, found)) == sorted(
        ["{'wanted': True, 'there': True, 'many': True}", "{'wanted': False, 'there': None, 'many': True}"]
    )
    assert build(lifecycle, wanted) == []


def test_nulls_that_are_not_distinct_are_said_where_the_server_can(lifecycle: Lifecycle) -> None:
    wanted = {"columns": ["note", "created_at"], "unique": True, "nulls_not_distinct": True}
    if lifecycle.version < 15:
        with pytest.raises(AirflowFailException, match="nulls_not_distinct is new in PostgreSQL 15"):
            build(lifecycle, wanted)
        return
    assert build(lifecycle, wanted) == ["app.events_note_created_at_idx"]
    assert is_complete(lifecycle, "%NULLS NOT DISTINCT%")


def test_on_only_locks_the_parent_against_writers_and_no_partition(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as connection:
        connection.execute("CREATE INDEX by_note ON ONLY app.events (note)")
        found = connection.execute(
            "SELECT relation::regclass::text, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN"
            " (SELECT oid FROM pg_class WHERE relname LIKE 'events%' AND relkind IN ('r', 'p'))"
        ).fetchall()
        assert found == [("app.events", "ShareLock")]
        connection.rollback()


def test_who_writes_to_the_table_is_kept_waiting_for_lock_timeout_only(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as writer:
        writer.execute("INSERT INTO app.events VALUES (999, 1, '2026-11-05 00:00+00', 'uncommitted')")
        with pytest.raises(LockNotAvailableError, match=r'create index "app.by_note" of "app.events"'):
            build(lifecycle, BY_NOTE)
        assert indexes(lifecycle) == {}
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]


def test_an_index_that_partitions_have_is_attached_and_not_built_again(lifecycle: Lifecycle) -> None:
    lifecycle.sql(f"CREATE INDEX mine ON {OLD} (note); CREATE INDEX other ON {NOW} (note DESC)")
    mine = lifecycle.value("SELECT pg_relation_filenode('app.mine')")
    build(lifecycle, BY_NOTE)
    assert is_complete(lifecycle)
    assert indexes(lifecycle)["events_p202408"] == ("mine", True, True)
    assert lifecycle.value("SELECT pg_relation_filenode('app.mine')") == mine
    assert lifecycle.value("SELECT relispartition FROM pg_class WHERE relname = 'other'") is False


def test_an_index_of_the_name_with_another_definition_is_an_error_and_the_other_indexes_are_built(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE INDEX by_note ON app.events (note, id)")
    with pytest.raises(
        AirflowFailException,
        match=r'"app.by_note" of "app.events" is USING btree \(note, id\), but the policy says USING btree \(note\);.*DROP INDEX "app"."by_note"',
    ):
        build(lifecycle, BY_NOTE, {"columns": ["id", "note"]})
    assert is_complete(lifecycle, "%(id, note)%")
    assert indexes(lifecycle) == {}


def test_a_name_that_something_else_has_is_an_error_and_one_that_nobody_asked_for_is_passed_over(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.by_note (); CREATE TABLE app.events_note_idx (); CREATE VIEW app.events_p202408_note_idx AS SELECT 1")
    with pytest.raises(AirflowFailException, match="the name is taken by an ordinary table; give the policy's another name"):
        build(lifecycle, BY_NOTE)
    assert build(lifecycle, {"columns": ["note"]}) == ["app.events_note_idx1"]
    assert is_complete(lifecycle)
    assert indexes(lifecycle)["events_p202408"][0] == "events_p202408_note_idx1"


def test_what_is_taken_out_of_the_policy_stays_and_is_completed_if_it_was_begun(lifecycle: Lifecycle) -> None:
    build(lifecycle, {"columns": ["id", "note"]})
    lifecycle.sql("CREATE INDEX by_note ON ONLY app.events (note)")
    lifecycle.sql("""
        INSERT INTO partition_lifecycle.event (action, outcome, parent, partition_oid, detail)
        VALUES ('index', 'began', 'app.events', 'app.events'::regclass, 'app.by_note')
    """)
    assert lifecycle.heal(policy=lifecycle.policy(indexes=[{"columns": ["user_id", "note"]}])) == []  # a step of its own does that
    assert build(lifecycle, {"columns": ["user_id", "note"]}) == ["app.events_user_id_note_idx", "app.by_note"]
    assert is_complete(lifecycle)
    assert is_complete(lifecycle, "%(id, note)%")


HOSTILE = [
    ({"columns": [{"expression": "1)); DROP TABLE app.events; SELECT ((1"}]}, "multiple commands"),
    ({"columns": ["note"], "where": "true); DROP TABLE app.events; SELECT (true"}, "multiple commands"),
    ({"columns": [{"expression": "1), (2"}]}, "PostgreSQL reads it as"),
    ({"columns": [{"expression": "lower(note)) INCLUDE (id"}]}, "does not exist"),
    ({"columns": [{"expression": "(SELECT 1)"}]}, "subquery"),
    ({"columns": [{"expression": "now()::text"}]}, "IMMUTABLE"),
    ({"columns": [{"expression": "nothing_of_the_kind(note)"}]}, "does not exist"),
    ({"columns": [{"expression": "lower(note"}]}, "syntax error"),
    ({"columns": [{"expression": "note /*"}]}, "unterminated"),
    ({"columns": ["note"], "method": "btree (note); DROP TABLE app.events; --"}, "does not exist"),
    ({"columns": ["note"], "storage": {"fillfactor = 10); DROP TABLE app.events; --": 1}}, "unrecognized parameter"),
]


@pytest.mark.parametrize(("wanted", "said"), HOSTILE)
def test_sql_that_is_more_than_one_expression_is_refused_and_none_of_it_runs(
    lifecycle: Lifecycle, wanted: dict[str, Any], said: str
) -> None:
    with pytest.raises(AirflowFailException, match=said):
        build(lifecycle, {**wanted, "name": "x"})
    assert lifecycle.value("SELECT count(*) FROM app.events") == 250
    assert lifecycle.value("SELECT count(*) FROM pg_class WHERE relname = 'x' OR relname LIKE '%scratch%'") == 0


def test_a_column_is_a_name_and_never_sql(lifecycle: Lifecycle) -> None:
    lifecycle.sql('ALTER TABLE app.events ADD COLUMN "id); DROP TABLE app.events; --" text')
    assert build(lifecycle, {"columns": ["id); DROP TABLE app.events; --"]}) == ['app."events_id); DROP TABLE app.events; --_idx"']
    assert is_complete(lifecycle, "%DROP%")


def test_names_are_cut_as_the_server_cuts_them(lifecycle: Lifecycle) -> None:
    long, other = "é" * 31, "a" * 40 + "🐘" * 5
    for table, columns in ((long, [other]), ("t", [other, long]), (other, ["x"]), (long, ["x", "y"]), (other, [other, other + "1"])):
        with lifecycle.connect() as connection:
            defined = psycopg.sql.SQL(", ").join(psycopg.sql.SQL("{} int").format(psycopg.sql.Identifier(each)) for each in columns)
            listed = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
            name = psycopg.sql.Identifier("app", table)
            connection.execute(psycopg.sql.SQL("CREATE TABLE {} ({})").format(name, defined))
            for number in range(3):
                connection.execute(psycopg.sql.SQL("CREATE INDEX ON {} ({})").format(name, listed))
                newest = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'i' ORDER BY oid DESC LIMIT 1").fetchone()
                assert newest == (own_name(table, columns, number),)
            connection.rollback()


def test_a_failed_unique_build_says_which_rows_and_leaves_nothing_and_the_other_partitions_go_on(lifecycle: Lifecycle) -> None:
    twice = {"columns": ["note", "created_at"], "name": "once", "unique": True}
    lifecycle.sql(f"INSERT INTO {OLD} SELECT 1000 + g, 1, created_at, note FROM {OLD}, generate_series(1, 2) g WHERE id <= 3")
    lifecycle.sql(f"INSERT INTO {OLD} SELECT 2000, 1, created_at, note FROM {OLD} WHERE id = 7")
    with pytest.raises(AirflowFailException) as refused:
        build(lifecycle, twice)
    said = str(refused.value)
    assert 'build "app.events_p202408_note_created_at_idx" for index "app.once"' in said
    assert "('row 1', '2024-08-01 01:00:00+00') 3 times; ('row 2', '2024-08-01 02:00:00+00') 3 times; ('row 3'" in said
    assert "('row 7', '2024-08-01 07:00:00+00') 2 times; change or delete all but one" in said
    found = indexes(lifecycle, "%(note, created_at)%")
    assert "events_p202408" not in found
    assert {name for name, (_, valid, _) in found.items() if valid} == {
        "events_p202409",
        "events_p202410",
        "events_p202610",
        "events_p202611",
    }
    assert found["events"][1] is False
    lifecycle.sql(f"DELETE FROM {OLD} WHERE id >= 1000")
    assert build(lifecycle, twice) == ["app.once"]
    assert is_complete(lifecycle, "%(note, created_at)%")


def test_no_more_than_ten_duplicates_are_named_and_rows_outside_of_the_index_are_none(lifecycle: Lifecycle) -> None:
    lifecycle.sql(
        f"INSERT INTO {OLD} SELECT 1000 + id, user_id, created_at, note FROM {OLD}; UPDATE {OLD} SET note = NULL WHERE mod(id, 1000) = 1;"
        f"INSERT INTO {OLD} SELECT 3000 + id, 1, created_at, note FROM {OLD} WHERE id <= 2"
    )
    wanted = {"columns": [{"expression": "upper(note)"}, "created_at"], "unique": True, "where": "mod(id, 1000) <> 2"}
    with pytest.raises(AirflowFailException) as refused:
        build(lifecycle, wanted)
    named = str(refused.value).partition("with the same key: ")[2]
    assert named.count("2 times") == 10
    assert "; and more; change" in named
    assert not re.search("NULL|3 times", named)
    lifecycle.sql(f"DELETE FROM {OLD} WHERE id BETWEEN 1003 AND 3000")  # what is left twice is not in the index
    assert build(lifecycle, wanted) == ["app.events_upper_created_at_idx"]


def test_a_unique_index_without_the_partition_key_is_refused_by_the_policy(lifecycle: Lifecycle) -> None:
    with pytest.raises(Exception, match=r'indexes: "on \(note\)" cannot be unique.*"created_at", among the columns'):
        lifecycle.policy(indexes=[{"columns": ["note"], "unique": True}])


def test_partitions_that_are_partitioned_themselves_get_it_below_and_in_between(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE TABLE app.events_sub PARTITION OF app.events FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00') PARTITION BY HASH (id);
        CREATE TABLE app.events_sub_a PARTITION OF app.events_sub FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE app.events_sub_b PARTITION OF app.events_sub FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO app.events SELECT g, 1, '2025-01-05 00:00+00', 'x' FROM generate_series(1, 50) g;
    """)
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]
    assert is_complete(lifecycle, tables=9)
    assert build(lifecycle, BY_NOTE) == []


def test_a_foreign_partition_is_a_reason_to_build_nothing(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing; ALTER TABLE app.events DROP CONSTRAINT events_pkey, DROP CONSTRAINT events_user_id_fkey;
        CREATE FOREIGN TABLE app.far PARTITION OF app.events FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00') SERVER nowhere;
    """)
    with pytest.raises(AirflowFailException, match=r'"app.far" is a foreign table'):
        build(lifecycle, BY_NOTE)
    assert indexes(lifecycle) == {}


def test_a_release_that_corrupts_indexes_is_asked_for_none(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 140003)
    with pytest.raises(AirflowFailException, match=r"PostgreSQL 14.3 can corrupt an index"):
        build(lifecycle, BY_NOTE)
    assert indexes(lifecycle) == {}


def test_a_default_partition_gets_it_too(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT")
    build(lifecycle, BY_NOTE)
    assert is_complete(lifecycle, tables=7)


def test_the_plan_and_a_dry_run_show_the_statements_and_do_nothing(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    lifecycle.sql(f"CREATE INDEX mine ON {OLD} (note)")
    policy = lifecycle.policy(indexes=[BY_NOTE, {"columns": ["nothing"]}], retention=None)
    for run in (lambda: lifecycle.plan(policy=policy), lambda: lifecycle.run(BuildIndexesOperator, policy=policy, dry_run=True)):
        capsys.readouterr()
        run()
        said = capsys.readouterr().out
        assert "build index app.by_note on 5 of 5 tables" in said
        assert 'CREATE INDEX "by_note" ON ONLY "app"."events" USING btree (note);' in said
        assert 'ALTER INDEX "app"."by_note" ATTACH PARTITION "app"."mine";' in said
        assert said.count("CREATE INDEX CONCURRENTLY") == 4
        assert 'will fail: index "on (nothing)" of "app.events": column "nothing" does not exist' in said
        assert set(indexes(lifecycle)) == {"events_p202408"}


def test_the_statements_of_the_plan_are_those_that_run(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    lifecycle.plan(policy=lifecycle.policy(indexes=[BY_NOTE], retention=None))
    planned = set(re.findall(r"(?:CREATE|ALTER) INDEX [^;]*", capsys.readouterr().out))
    operator = BuildIndexesOperator(task_id="step", policy=lifecycle.policy(indexes=[BY_NOTE], index_jobs=3), reference_date="2026-11-22")
    operator.execute({})
    ran = {each for each in operator.statements.split(";\n") if "INDEX" in each}
    assert len(planned) == 11
    assert planned == ran


def test_the_plan_counts_no_partition_that_goes_before_anything_is_built(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(lifecycle.plan(policy=lifecycle.policy(indexes=[BY_NOTE]))) == 3
    assert "build index app.by_note on 2 of 2 tables" in capsys.readouterr().out


def test_check_policies_compares_indexes_with_the_database(lifecycle: Lifecycle, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(
        "policies:\n  - table: app.events\n    partition_key: created_at\n    indexes:\n      - columns: [user_id]\n      - columns: [nothing]\n"
    )
    assert check_policies([str(file), "--database", lifecycle.uri]) == 1
    said = capsys.readouterr().err
    assert f'{file}:2: indexes: index "on (nothing)" of "app.events": column "nothing" does not exist' in said


@contextmanager
def old_snapshot(lifecycle: Lifecycle) -> Iterator[None]:
    with lifecycle.connect() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        yield


def test_older_snapshots_are_waited_for_before_a_build_and_nothing_is_left_if_they_do_not_end(lifecycle: Lifecycle) -> None:
    with old_snapshot(lifecycle), pytest.raises(WaitTooLongError, match="has an older snapshot"):
        build(lifecycle, BY_NOTE, wait_timeout="1 s", index_jobs=5)
    assert set(indexes(lifecycle)) == {"events"}
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]


def test_an_index_that_was_begun_and_then_taken_out_of_the_policy_is_completed_by_heal_or_dropped_by_a_person(lifecycle: Lifecycle) -> None:
    once = {"columns": ["note", "created_at"], "name": "once", "unique": True}
    with old_snapshot(lifecycle), pytest.raises(WaitTooLongError):
        build(lifecycle, BY_NOTE, once, wait_timeout="1 s", index_jobs=5)
    lifecycle.sql(f"INSERT INTO {OLD} SELECT id + 1000, user_id, created_at, note FROM {OLD}")
    with pytest.raises(
        AirflowFailException, match=r'index "app.once" was begun: (?s:.*); no policy wants it: if nobody else does, DROP INDEX "app"."once"'
    ):
        lifecycle.heal()
    assert is_complete(lifecycle)
    lifecycle.sql("DROP INDEX app.once")
    assert lifecycle.heal() == []


def test_what_an_interrupted_build_of_ours_left_is_dropped_and_a_stranger_s_is_not(lifecycle: Lifecycle) -> None:
    lifecycle.heal()  # installs the ledger
    for name in ("ours", "theirs"):
        cut_off(lifecycle, f"CREATE INDEX CONCURRENTLY {name} ON {OLD} (note)")
    lifecycle.sql(
        "INSERT INTO partition_lifecycle.event (action, outcome, parent, partition, partition_oid, detail)"
        f" SELECT 'index', 'began', 'app.events', '{OLD}', '{OLD}'::regclass::oid, 'app.ours'"
    )
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]
    left = lifecycle.sql("SELECT relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE NOT indisvalid")
    assert left == [{"relname": "theirs"}]


def test_a_reader_whose_transaction_is_open_keeps_only_the_attaching_of_that_partition_waiting(lifecycle: Lifecycle) -> None:
    """The index that has been built is attached by the next run."""
    lifecycle.sql(f"CREATE INDEX mine ON {OLD} (note)")
    with lifecycle.connect() as reader:
        reader.execute(f"SELECT count(*) FROM {OLD}")
        with pytest.raises(LockNotAvailableError, match=r'attach "app.mine" to "app.by_note".*SELECT count'):
            build(lifecycle, BY_NOTE)
        assert len(indexes(lifecycle)) == 6
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]
    assert is_complete(lifecycle)
    assert indexes(lifecycle)["events_p202408"][0] == "mine"


def test_a_partition_that_is_detached_while_it_was_the_last_one_leaves_the_index_valid_after_the_next_run(lifecycle: Lifecycle) -> None:
    lifecycle.sql(f"INSERT INTO {OLD} SELECT id + 1000, user_id, created_at, note FROM {OLD}")
    once = {"columns": ["note", "created_at"], "unique": True}
    with pytest.raises(AirflowFailException):
        build(lifecycle, once)
    lifecycle.sql(f"ALTER TABLE app.events DETACH PARTITION {OLD}")
    assert build(lifecycle, once) == ["app.events_note_created_at_idx"]
    found = indexes(lifecycle, "%(note, created_at)%")
    assert len(found) == 5
    assert found["events"][1] is True


def test_no_privilege_is_said_before_anything_is_touched(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        DROP ROLE IF EXISTS builder; DROP ROLE IF EXISTS events_owner; CREATE ROLE builder LOGIN; CREATE ROLE events_owner;
        GRANT USAGE, CREATE ON SCHEMA app TO events_owner; GRANT events_owner TO builder;
        ALTER TABLE app.events OWNER TO events_owner; GRANT CREATE ON SCHEMA public TO builder;
    """)
    try:
        for each in lifecycle.partitions():
            lifecycle.sql(f"ALTER TABLE app.{each} OWNER TO events_owner")
        name = lifecycle.value("SELECT current_database()")
        lifecycle.sql(
            f"GRANT CREATE ON DATABASE {name} TO builder; REVOKE TEMP ON DATABASE {name} FROM public; REVOKE CREATE ON SCHEMA app FROM events_owner"
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "builder@"))
            with pytest.raises(AirflowFailException, match="GRANT CREATE ON SCHEMA app TO events_owner"):
                build(lifecycle, BY_NOTE)
            lifecycle.sql("GRANT CREATE ON SCHEMA app TO events_owner")
            assert build(lifecycle, BY_NOTE) == ["app.by_note"]
        assert is_complete(lifecycle)
        owners = lifecycle.sql("SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relname LIKE '%note%'")
        assert owners == [{"owner": "events_owner"}]
    finally:
        lifecycle.sql("DROP OWNED BY builder, events_owner CASCADE; DROP ROLE builder; DROP ROLE events_owner")


def test_a_partition_created_meanwhile_has_the_index_from_the_parent(lifecycle: Lifecycle) -> None:
    with old_snapshot(lifecycle), pytest.raises(WaitTooLongError):
        build(lifecycle, BY_NOTE, wait_timeout="1 s", index_jobs=5)
    created = lifecycle.create(policy=lifecycle.policy(**SOON))
    assert created
    assert {name for name, (_, valid, attached) in indexes(lifecycle).items() if valid and attached} == {each[4:] for each in created}
    build(lifecycle, BY_NOTE)
    assert is_complete(lifecycle, tables=6 + len(created))


@contextmanager
def partition_lock(lifecycle: Lifecycle, partition: str) -> Iterator[None]:
    """As another step that works on the partition has it."""
    with lifecycle.connect(autocommit=True) as connection:
        oid = connection.execute("SELECT %s::regclass::oid", [partition]).fetchone()
        assert oid is not None
        assert row(connection, "advisory_lock_try", oid=str(oid[0])) == {"taken": True}
        yield


def until(lifecycle: Lifecycle, question: str, *values: Any) -> None:
    deadline = time.monotonic() + 10
    while not lifecycle.value(question, *values):
        assert time.monotonic() < deadline, question
        time.sleep(0.02)


def test_a_partition_that_another_step_works_on_is_waited_for_and_keeps_no_other_waiting(lifecycle: Lifecycle) -> None:
    with (
        partition_lock(lifecycle, OLD),
        pytest.raises(WaitTooLongError, match=r'index "app.by_note" of "app.events_p202408": waited 1 s for pid'),
    ):
        build(lifecycle, BY_NOTE, wait_timeout="1 s", index_jobs=5)
    assert len(indexes(lifecycle)) == 5
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]


def test_a_partition_that_is_detached_meanwhile_is_left_out(lifecycle: Lifecycle) -> None:
    with ThreadPoolExecutor(1) as pool:
        with partition_lock(lifecycle, OLD):
            building = pool.submit(build, lifecycle, BY_NOTE)
            until(lifecycle, "SELECT count(*) = 4 FROM pg_class WHERE relname LIKE 'events_p%%note_idx' AND relispartition")
            lifecycle.sql(f"ALTER TABLE app.events DETACH PARTITION {OLD}")
        assert building.result() == ["app.by_note"]
    assert is_complete(lifecycle, tables=5)


@pytest.mark.parametrize(
    ("jobs", "wanted", "at_a_time"), [(1, BY_NOTE, 1), (3, BY_NOTE, 3), (3, {"columns": ["id"], "where": "id > 1"}, 1)]
)
def test_as_many_partitions_at_a_time_as_the_policy_says_and_one_where_they_would_wait_for_each_other(
    lifecycle: Lifecycle, jobs: int, wanted: dict[str, Any], at_a_time: int
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with old_snapshot(lifecycle):
            building = pool.submit(build, lifecycle, wanted, index_jobs=jobs)
            until(lifecycle, "SELECT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)")
            locks = "FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND granted AND datname = current_database()"
            assert max(lifecycle.value(f"SELECT count(*) {locks}") for _ in range(60)) == at_a_time
        assert len(building.result()) == 1


def test_a_lost_connection_begins_nothing_more_and_what_another_has_begun_is_finished(lifecycle: Lifecycle) -> None:
    building_now = (
        "FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE locktype = 'advisory' AND granted AND datname = current_database()"
    )
    with ThreadPoolExecutor(1) as pool:
        with old_snapshot(lifecycle):
            building = pool.submit(build, lifecycle, BY_NOTE)
            until(lifecycle, f"SELECT count(*) = 2 {building_now}")
            lifecycle.sql(f"SELECT pg_terminate_backend(min(pid), 5000) {building_now}")
            time.sleep(0.5)
        with pytest.raises(ServerUnavailableError, match=r'"app.by_note" of "app.events_p') as lost:
            building.result()
    assert len(set(re.findall(r"events_p\d{6}\b", str(lost.value)))) == 1
    assert [attached for _, _, attached in indexes(lifecycle).values()].count(True) == 1
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]


class StoppedError(BaseException):
    """As Airflow ends a task that takes too long."""


def test_a_step_that_is_told_to_stop_ends_its_builds_at_once(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        until(lifecycle, "SELECT count(*) >= 2 FROM pg_locks WHERE locktype = 'advisory' AND granted")
        raise StoppedError

    begun = time.monotonic()
    with old_snapshot(lifecycle), monkeypatch.context() as stopping:
        stopping.setattr(index_jobs, "wait", stop)
        with pytest.raises(StoppedError):
            build(lifecycle, BY_NOTE)
    assert time.monotonic() - begun < 5  # wait_timeout is 20 s
    assert build(lifecycle, BY_NOTE) == ["app.by_note"]


def test_writers_of_all_kinds_go_on_while_indexes_are_built_and_every_row_is_in_them(lifecycle: Lifecycle) -> None:
    lifecycle.sql(f"INSERT INTO app.events SELECT g, 1 + g % 10, created_at, 'row ' || g FROM {NOW}, generate_series(1000, 1400) g")
    writers, over = 3, threading.Event()

    def write(writer: int) -> tuple[int, float]:
        done, longest = 0, 0.0
        with lifecycle.connect(autocommit=True) as connection:
            while not over.is_set():
                begun, number = time.monotonic(), 100_000 * writer + done
                connection.execute("INSERT INTO app.events VALUES (%s, 1, '2026-11-03 00:00+00', %s)", [number, f"new {number}"])
                connection.execute(
                    "UPDATE app.events SET note = note || '!' WHERE id = %s AND created_at = '2026-11-03 00:00+00'", [number]
                )
                connection.execute("UPDATE app.events SET created_at = '2026-10-05 00:00+00' WHERE id = %s AND mod(id, 3) = 0", [number])
                connection.execute("DELETE FROM app.events WHERE id = %s AND mod(id, 3) = 1", [number])
                longest, done = max(longest, time.monotonic() - begun), done + 1
        return done, longest

    with ThreadPoolExecutor(writers) as pool:
        writing = [pool.submit(write, number) for number in range(1, writers + 1)]
        try:
            build(lifecycle, BY_NOTE, {"columns": ["note", "id", "created_at"], "unique": True}, lock_attempts=60)
        finally:
            over.set()
        assert all(done > 10 and longest < 2 for done, longest in (each.result() for each in writing))
    assert is_complete(lifecycle)
    assert is_complete(lifecycle, "%(note, id, created_at)%")
    with lifecycle.connect() as connection:
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        by_index = connection.execute("SELECT note, id FROM app.events WHERE note >= '' ORDER BY note, id").fetchall()
        connection.execute("SET enable_seqscan = on; SET enable_indexscan = off; SET enable_indexonlyscan = off")
        assert connection.execute("SELECT note, id FROM app.events WHERE note >= '' ORDER BY note, id").fetchall() == by_index
        assert len(by_index) > 10_000
