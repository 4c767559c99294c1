"""Whatever is set for the role or the database, a run ends as it does with nothing set."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql

from partition_operators.refresh_recent_view import RefreshRecentViewOperator
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"

DISTURBING = {
    "statement_timeout": "150ms",
    "idle_in_transaction_session_timeout": "150ms",
    "transaction_timeout": "150ms",
    "idle_session_timeout": "150ms",
    "lock_timeout": "1ms",
    "deadlock_timeout": "1ms",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "search_path": "app, public, pg_catalog",
    "row_security": "on",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "client_min_messages": "error",
    "standard_conforming_strings": "off",
    "escape_string_warning": "on",
    "backslash_quote": "off",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "default_tablespace": "",
    "temp_tablespaces": "nowhere",
    "default_toast_compression": "pglz",
    "enable_partition_pruning": "off",
    "constraint_exclusion": "on",
    "check_function_bodies": "on",
    "session_replication_role": "replica",
    "zero_damaged_pages": "on",
    "ignore_checksum_failure": "on",
    "synchronous_commit": "off",
    "debug_parallel_query": "on",
    "jit_above_cost": "0",
    "client_encoding": "LATIN1",
    "xmloption": "document",
    "xmlbinary": "hex",
    "lc_messages": "C.utf8",
    "lc_monetary": "C.utf8",
    "lc_numeric": "C.utf8",
    "lc_time": "C.utf8",
    "event_triggers": "off",
    "vacuum_cost_delay": "1ms",
    "plan_cache_mode": "force_generic_plan",
    "role": "somebody_else",
}


@pytest.fixture
def disturbed(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a superuser by whom the connection `target` logs in, and who has a role to fall into."""
    lifecycle.sql("CREATE ROLE disturbed LOGIN SUPERUSER; CREATE ROLE somebody_else; GRANT somebody_else TO disturbed")
    lifecycle.sql("""
        ALTER TABLE app.events ADD COLUMN mark text DEFAULT 'été \\ "x"', ADD COLUMN lasted interval DEFAULT '1 year 2 days', ADD COLUMN raw bytea DEFAULT '\\x00ff',
          ADD COLUMN ratio float8 DEFAULT 0.1::float8 + 0.2, ADD COLUMN spans interval[] DEFAULT '{NULL,1 day}', ADD COLUMN times tstzrange DEFAULT '[2024-08-01,2024-09-01)';
        CREATE INDEX events_mark ON app.events_p202611 (lower(mark)) WHERE mark <> E'a\\\\b';
        CREATE INDEX events_p202408_events_mark_idx ON app.events_p202408 (lower(mark)) WHERE mark <> E'a\\\\b';
    """)
    # As it comes back from an archive: without columns that were added without a rewrite, and with a CHECK on its bounds.
    lifecycle.sql("VACUUM FULL app.events_p202408")
    lifecycle.sql(
        "ALTER TABLE app.events_p202408 ADD CONSTRAINT events_p202408_bounds"
        " CHECK (created_at IS NOT NULL AND created_at >= '2024-08-01 00:00:00+00'::timestamptz AND created_at < '2024-09-01 00:00:00+00'::timestamptz)"
    )
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "disturbed@"))
    yield "disturbed"
    lifecycle.sql("DROP OWNED BY disturbed, somebody_else CASCADE; DROP ROLE disturbed; DROP ROLE somebody_else")


@contextmanager
def settings(lifecycle: Lifecycle) -> Iterator[None]:
    """Everything above: in turns for the role, for the role in this database, and for the database."""
    elsewhere = psycopg.conninfo.make_conninfo(lifecycle.uri, dbname="postgres")
    database = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]))
    levels = [sql.SQL(text).format(database) for text in ("DATABASE {}", "ROLE disturbed IN DATABASE {}", "ROLE disturbed")]
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        known = {name for (name,) in connection.execute("SELECT name FROM pg_settings")} | {"role"}
        those = [(name, value) for name, value in reversed(DISTURBING.items()) if name in known]  # newer servers know more
        for number, (name, value) in enumerate(those, 2):  # a role can be set for a role only
            literal = sql.SQL(value) if "," in value else sql.Literal(value)
            connection.execute(sql.SQL("ALTER {} SET {} TO {}").format(levels[number % 3], sql.SQL(name), literal))
        yield
        for level in levels:
            connection.execute(sql.SQL("ALTER {} RESET ALL").format(level))


def live(lifecycle: Lifecycle) -> list[str]:
    """A whole run, while a reader holds up the detach for longer than any of the timeouts."""
    archive = {"path": f"file://{lifecycle.archive}", "proof": "restore"}
    policy = lifecycle.policy(archive=archive, recent_view={"name": "app.v_recent"}, lock_attempts=60, retention="1 month", premake=1)
    said = [*lifecycle.plan(policy=policy), *lifecycle.heal(policy=policy), *lifecycle.create(policy=policy)]
    lifecycle.run(RefreshRecentViewOperator, policy=policy)
    lifecycle.archive_partition(OLD, policy=policy)
    newer = " -c transaction_timeout=0" if lifecycle.version >= 17 else ""
    with psycopg.connect(lifecycle.uri, options=f"-c idle_in_transaction_session_timeout=0{newer}") as reader:
        reader.execute("SELECT count(*) FROM app.events")
        threading.Timer(0.6, reader.rollback).start()
        lifecycle.detach(OLD, policy=policy)
    lifecycle.drop(OLD, policy=policy)
    said += lifecycle.drill(policy=policy)
    lifecycle.restore(OLD, policy=policy)
    lifecycle.analyze(policy=policy)  # of what, depends on when the sessions before it have reported their changes
    return said


def outcome(lifecycle: Lifecycle) -> dict[str, Any]:
    """Everything that stays, without times and numbers that are new in every run."""
    manifest = json.loads(next(lifecycle.archive.glob("*/*/*/_manifest.json")).read_text())
    return {
        "manifest": {key: value for key, value in manifest.items() if key not in ("archive_id", "source", "files", "objects", "ddl")},
        "objects": sorted(each["definition"] for each in manifest["objects"]),  # restored ones have names of their own
        "shape": manifest["source"]["shape_digest"],
        "files": [{key: value for key, value in each.items() if key != "seconds"} for each in manifest.get("files", [])],
        "events": lifecycle.sql("SELECT action, outcome, partition, lower_bound, upper_bound, rows, database_user FROM partition_lifecycle.event WHERE action <> 'analyze' ORDER BY event_id"),
        "relations": lifecycle.sql("""
            SELECT n.nspname, relname, relkind, relowner::regrole::text, pg_get_expr(relpartbound, c.oid), pg_get_viewdef(CASE WHEN relkind = 'v' THEN c.oid END), reloptions
              FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'app%%' OR nspname LIKE 'partition%%' ORDER BY 1, 2"""),
        "indexes": lifecycle.sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'app' ORDER BY 1"),
        "rows": lifecycle.sql("SELECT * FROM app.events ORDER BY created_at"),
    }  # fmt: skip


def test_a_run_ends_as_one_without_settings(lifecycle: Lifecycle, disturbed: str) -> None:
    with settings(lifecycle):
        said = live(lifecycle)
    disturbed_outcome = outcome(lifecycle)
    start_over(lifecycle)
    assert live(lifecycle) == said
    undisturbed = outcome(lifecycle)
    for part, found in disturbed_outcome.items():
        assert found == undisturbed[part], part


def start_over(lifecycle: Lifecycle) -> None:
    """The table as it was before the run: the restored partition is what was archived."""
    import shutil

    shutil.rmtree(lifecycle.archive)
    created = [name for name in lifecycle.partitions() if name > "events_p202611" or "events_p202410" < name < "events_p202610"]
    lifecycle.sql(
        f"DROP VIEW app.v_recent; DROP TABLE {', '.join(f'app.{name}' for name in created)}; DROP SCHEMA partition_lifecycle, partition_lifecycle_drill CASCADE"
    )
    lifecycle.sql("UPDATE pg_class SET reltuples = -1 WHERE relnamespace = 'app'::regnamespace; SELECT pg_stat_reset()")


def test_a_setting_that_hides_damage_and_that_the_role_may_not_change_is_refused_with_the_statement_that_mends_it(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.sql('CREATE ROLE "Ordinary" LOGIN; ALTER ROLE "Ordinary" SET session_replication_role = replica')
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "Ordinary@"))
    try:
        with pytest.raises(AirflowFailException, match=r'ALTER ROLE "Ordinary" RESET "session_replication_role"'):
            lifecycle.plan()
    finally:
        lifecycle.sql('DROP ROLE "Ordinary"')


def test_a_connection_that_asks_for_rows_as_dictionaries_serves_as_well(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", f"{lifecycle.uri}&cursor=dictcursor")
    lifecycle.archive_partition(OLD)
    assert "detached" in lifecycle.detach(OLD)
