"""The migration scripts against a real server; the fixture ``database`` is the DSN of a fresh, empty database."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import psycopg
import pytest

from demo.migrate import MIGRATIONS, migrate, verify
from tests.databases import fresh_database, template_database

AS_OF = date(2026, 11, 22)
ROWS = 3000
SETTINGS = f"-c seed.as_of={AS_OF.isoformat()} -c seed.rows={ROWS}"
PARENTS = ("core.sessions", "system.audit_trails")

# What an archive has to carry over unharmed, as conditions that some row of each table meets.
AWKWARD = {
    "core.sessions": [
        "note IS NULL",
        "note = ''",
        "note LIKE E'%\\r\\n%'",
        "note LIKE '%\"%,%'",
        "note LIKE '%\\\\N %'",
        "note ~ '[^[:ascii:]]'",
        "tags IS NULL",
        "tags = '{}'",
        "array_position(tags, NULL) IS NOT NULL",
        "last_seen_at IS NULL",
        "family(ip) = 4",
        "family(ip) = 6",
        "device = '{}'",
        "device -> 'app' = 'null'",
        "device #>> '{app,ratio}' = '1.50'",
        "score IS NULL",
        "score < 0",
    ],
    "system.audit_trails": [
        "user_id IS NULL",
        "old_values IS NULL AND new_values IS NOT NULL",
        "old_values IS NOT NULL AND new_values IS NULL",
        "new_values -> 'status' = 'null'",
        "masklen(client) = 24",
        "cost < 0",
        "cost IS NULL",
        "message = ''",
        "message LIKE E'%\\n%'",
        "message ~ '[^[:ascii:]]'",
        "labels = '{}'",
        "array_position(labels, NULL) IS NOT NULL",
    ],
}

# A statement that damages a fresh migration, and what the checks then say.
DAMAGES = [
    (
        "ALTER TABLE core.sessions_p202501 DROP CONSTRAINT sessions_p202501_bounds",
        "partition sessions_p202501 has no validated CHECK sessions_p202501_bounds",
    ),
    (
        "ALTER TABLE core.sessions_p202501 DROP CONSTRAINT sessions_p202501_bounds;"
        "ALTER TABLE core.sessions_p202501 ADD CONSTRAINT sessions_p202501_bounds CHECK (created_at >= '2025-01-01 00:00+00')",
        "partition sessions_p202501 has the bounds",
    ),
    ("CREATE TABLE core.sessions_rest PARTITION OF core.sessions DEFAULT", "core.sessions has a default partition"),
    ("DROP TABLE system.audit_trails_p202408", "system.audit_trails has 27 partitions, not 28"),
    (
        "ALTER TABLE core.sessions DETACH PARTITION core.sessions_p202611;"
        "CREATE TABLE core.sessions_odd PARTITION OF core.sessions FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00')",
        "core.sessions has no partition sessions_p202611",
    ),
    ("DROP INDEX core.sessions_tags_idx", "the index: sessions_tags_idx"),
    (
        "ALTER TABLE system.audit_trails DROP CONSTRAINT audit_trails_user_id_fkey",
        "system.audit_trails has the foreign key none",
    ),
    ("ALTER TABLE core.sessions DROP CONSTRAINT sessions_pkey", "core.sessions lacks, or has not valid, the index: sessions_pkey"),
    (
        "CREATE INDEX sessions_score_idx ON ONLY core.sessions (score)",
        "partition sessions_p202408 has no valid index attached to: core.sessions_score_idx",
    ),
    ("DELETE FROM core.sessions WHERE id = (SELECT id FROM core.sessions LIMIT 1)", "core.sessions has 2999 rows, not 3000"),
    ("TRUNCATE auth.users CASCADE", "auth.users has 0 rows, not 2000"),
    (
        "ALTER SEQUENCE system.audit_trails_id_seq RESTART WITH 1; SELECT nextval('system.audit_trails_id_seq')",
        "the next id of system.audit_trails would collide",
    ),
]

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module")
def template(server: str) -> Iterator[str]:
    """Name of a database that was migrated once; each test gets a copy."""
    with template_database(server, partial(migrate, as_of=AS_OF, rows=ROWS)) as name:
        yield name


@pytest.fixture
def migrated(server: str, template: str) -> Iterator[str]:
    """URI of a database that was just migrated; the fixture ``database`` is another one, and empty."""
    with fresh_database(server, template) as uri:
        yield uri


@pytest.fixture
def seeded(migrated: str) -> Iterator[Connection]:
    """A connection to the migrated database, with the settings that it was migrated with."""
    with psycopg.connect(migrated, options=SETTINGS) as connection:
        yield connection


def months_up_to(newest: date) -> list[str]:
    """The 28 months that end with the given one, as YYYYMM, reckoned apart from the scripts."""
    count = newest.year * 12 + newest.month - 1
    return [f"{month // 12:04d}{month % 12 + 1:02d}" for month in range(count - 27, count + 1)]


def partitions(connection: Connection, parent: str) -> list[str]:
    rows = connection.execute(
        """
        SELECT nspname || '.' || relname
        FROM pg_inherits
        JOIN pg_class ON pg_class.oid = inhrelid
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE inhparent = %s::regclass
        ORDER BY 1
        """,
        (parent,),
    )
    return [name for (name,) in rows]


def content(database: str) -> list[tuple[Any, ...]]:
    """Count and hash of the rows of each table, read in a session of its own so that the text form is always the same."""
    with psycopg.connect(database) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'")
        return [
            connection.execute(f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {table} AS t").fetchall()[0]
            for table in ("auth.users", *PARENTS)
        ]


def catalog(connection: Connection) -> list[tuple[Any, ...]]:
    """All that a needless DDL statement would change: object ids, storage, row versions, and the identity's state."""
    return connection.execute(
        """
        SELECT 'relation', pg_class.oid, relfilenode, pg_class.xmin::text
        FROM pg_class WHERE relnamespace IN ('auth'::regnamespace, 'core'::regnamespace, 'system'::regnamespace)
        UNION ALL
        SELECT 'constraint', oid, 0, xmin::text
        FROM pg_constraint WHERE connamespace IN ('auth'::regnamespace, 'core'::regnamespace, 'system'::regnamespace)
        UNION ALL
        SELECT 'identity', 0, 0, pg_sequence_last_value(pg_get_serial_sequence('system.audit_trails', 'id')::regclass)::text
        ORDER BY 1, 2
        """
    ).fetchall()


def scalar(connection: Connection, query: str) -> Any:
    (row,) = connection.execute(query.encode()).fetchall()
    return row[0]


def test_a_fresh_migration_passes_its_own_checks(seeded: Connection) -> None:
    verify(seeded)


def test_there_is_a_partition_for_each_of_28_months_and_none_for_the_future(seeded: Connection) -> None:
    for parent in PARENTS:
        assert partitions(seeded, parent) == [f"{parent}_p{month}" for month in months_up_to(AS_OF)]


def test_every_partition_carries_its_bounds_as_a_check(seeded: Connection) -> None:
    seeded.execute("SET TimeZone = 'UTC'")
    checks = seeded.execute(
        """
        SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid), pg_get_expr(relpartbound, pg_class.oid), convalidated
        FROM pg_inherits
        JOIN pg_class ON pg_class.oid = inhrelid
        JOIN pg_constraint ON conrelid = inhrelid AND contype = 'c'
        WHERE inhparent IN ('core.sessions'::regclass, 'system.audit_trails'::regclass)
        """
    ).fetchall()

    assert len(checks) == 2 * 28
    for partition, name, check, bound, validated in checks:
        lower, upper = (part.split("'")[1] for part in bound.removeprefix("FOR VALUES FROM ").split(" TO "))
        assert name == f"{partition}_bounds"
        assert lower.endswith("-01 00:00:00+00")
        assert upper.endswith("-01 00:00:00+00")
        assert check == (
            "CHECK (((created_at IS NOT NULL)"
            f" AND (created_at >= '{lower}'::timestamp with time zone)"
            f" AND (created_at < '{upper}'::timestamp with time zone)))"
        )
        assert validated


def test_a_second_run_changes_nothing(migrated: str, seeded: Connection) -> None:
    before = catalog(seeded), content(migrated)

    migrate(seeded, as_of=AS_OF, rows=ROWS)

    assert (catalog(seeded), content(migrated)) == before
    verify(seeded)


def test_a_later_run_does_not_do_the_work_of_the_lifecycle(migrated: str, seeded: Connection) -> None:
    seeded.execute("DROP TABLE core.sessions_p202408")
    seeded.execute("ALTER TABLE system.audit_trails DETACH PARTITION system.audit_trails_p202408")
    seeded.commit()
    before = catalog(seeded), content(migrated)

    migrate(seeded, as_of=date(2027, 1, 5), rows=ROWS)

    assert (catalog(seeded), content(migrated)) == before


def test_the_same_settings_give_the_same_rows_in_two_databases(database: str, migrated: str) -> None:
    with psycopg.connect(database) as connection:
        migrate(connection, as_of=AS_OF, rows=ROWS)

    assert content(database) == content(migrated)


def test_neither_time_zone_nor_date_style_has_a_say(database: str, migrated: str, seeded: Connection) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'")
        connection.commit()
        migrate(connection, as_of=AS_OF, rows=ROWS)
        verify(connection)
        assert scalar(connection, "SHOW TimeZone") == "Asia/Kathmandu"
        assert scalar(connection, "SHOW DateStyle") == "SQL, DMY"
        for parent in PARENTS:
            assert partitions(connection, parent) == partitions(seeded, parent)

    assert content(database) == content(migrated)


@pytest.mark.parametrize(
    "as_of",
    [
        pytest.param(date(2026, 3, 31), id="last day of a long month"),
        pytest.param(date(2026, 3, 1), id="first day of a month"),
        pytest.param(date(2028, 2, 29), id="leap day"),
        pytest.param(date(2027, 1, 1), id="first day of a year"),
    ],
)
def test_any_day_of_a_month_can_be_the_as_of_day(database: str, as_of: date) -> None:
    with psycopg.connect(database) as connection:
        migrate(connection, as_of=as_of, rows=ROWS)
        verify(connection)

        for parent in PARENTS:
            assert partitions(connection, parent) == [f"{parent}_p{month}" for month in months_up_to(as_of)]
            latest = scalar(connection, f"SELECT max(created_at) FROM {parent}")
            assert latest <= datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)


def test_without_an_as_of_day_the_server_s_today_counts_and_no_row_is_in_the_future(database: str) -> None:
    with psycopg.connect(database) as connection:
        migrate(connection, rows=ROWS)
        verify(connection)

        for parent in PARENTS:
            assert scalar(connection, f"SELECT count(*) FROM {parent} WHERE created_at > now()") == 0
        assert scalar(connection, "SELECT count(*) FROM core.sessions WHERE last_seen_at > now()") == 0


@pytest.mark.parametrize("rows", [0, 1, 28, 29])
def test_few_rows_reach_as_many_months_as_they_can(database: str, rows: int) -> None:
    with psycopg.connect(database) as connection:
        migrate(connection, as_of=AS_OF, rows=rows)
        verify(connection)

        for parent in PARENTS:
            assert scalar(connection, f"SELECT count(DISTINCT tableoid) FROM {parent}") == min(rows, 28)


def test_the_rows_lie_on_both_edges_of_a_month_and_unevenly_between(seeded: Connection) -> None:
    seeded.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'")
    for parent in PARENTS:
        by_month = seeded.execute(
            f"SELECT count(*), min(created_at)::text, max(created_at)::text FROM {parent} GROUP BY tableoid ORDER BY 2"
        ).fetchall()

        assert len({count for count, _, _ in by_month}) > 10
        assert all(earliest.endswith("-01 00:00:00+00") for _, earliest, _ in by_month)
        assert all(latest.endswith(" 23:59:59.999999+00") for _, _, latest in by_month[:-1])


def test_the_rows_hold_the_awkward_values_of_real_ones(seeded: Connection) -> None:
    missing = [
        f"{table}: {condition}"
        for table, conditions in AWKWARD.items()
        for condition in conditions
        if scalar(seeded, f"SELECT count(*) FROM {table} WHERE {condition}") == 0
    ]

    assert missing == []


def test_names_of_users_come_in_several_scripts(seeded: Connection) -> None:
    names = " ".join(name for (name,) in seeded.execute("SELECT display_name FROM auth.users"))

    assert {"Zoë", "Ольга", "山田", "Ελένη", "D'Arcy"} <= set(names.split())


def test_the_next_audit_row_gets_the_next_id(seeded: Connection) -> None:
    seeded.execute("INSERT INTO system.audit_trails (created_at, action, entity) VALUES ('2026-11-22 09:00+00', 'login', 'session')")

    assert scalar(seeded, "SELECT max(id) FROM system.audit_trails") == ROWS + 1


def test_deleting_a_user_takes_the_sessions_along_but_not_the_trail(seeded: Connection) -> None:
    user = scalar(seeded, "SELECT user_id FROM core.sessions JOIN system.audit_trails USING (user_id) LIMIT 1")
    with pytest.raises(psycopg.errors.ForeignKeyViolation), seeded.transaction():
        seeded.execute("DELETE FROM auth.users WHERE id = %s", (user,))

    seeded.execute("UPDATE system.audit_trails SET user_id = NULL WHERE user_id = %s", (user,))
    seeded.execute("DELETE FROM auth.users WHERE id = %s", (user,))

    assert seeded.execute("SELECT count(*) FROM core.sessions WHERE user_id = %s", (user,)).fetchall() == [(0,)]


def test_statistics_are_left_for_the_analyze_step(seeded: Connection) -> None:
    never_analyzed = -1
    for parent in PARENTS:
        assert scalar(seeded, f"SELECT reltuples FROM pg_class WHERE oid = '{parent}'::regclass") == never_analyzed


def test_the_checks_name_what_is_damaged(seeded: Connection, subtests: pytest.Subtests) -> None:
    for damage, complaint in DAMAGES:
        with subtests.test(damage):
            seeded.execute(damage.encode())

            with pytest.raises(psycopg.errors.RaiseException) as caught:
                verify(seeded)

            assert complaint in str(caught.value)
        seeded.rollback()


def test_a_row_outside_its_partition_is_found_although_every_constraint_denies_it(migrated: str, seeded: Connection) -> None:
    """Such a row needs a constraint that claims to have been validated; no ordinary statement lets one in."""
    check = (
        "CHECK (created_at IS NOT NULL AND created_at >= TIMESTAMPTZ '2025-01-01 00:00:00+00'"
        " AND created_at < TIMESTAMPTZ '2025-02-01 00:00:00+00')"
    )
    smuggle = f"""
        ALTER TABLE core.sessions DETACH PARTITION core.sessions_p202501;
        ALTER TABLE core.sessions_p202501 DROP CONSTRAINT sessions_p202501_bounds;
        UPDATE core.sessions_p202501 SET created_at = '2025-02-01 00:00:00+00'
        WHERE id = (SELECT id FROM core.sessions_p202501 LIMIT 1);
        ALTER TABLE core.sessions_p202501 ADD CONSTRAINT sessions_p202501_bounds {check} NOT VALID;
        UPDATE pg_constraint SET convalidated = true WHERE conname = 'sessions_p202501_bounds';
    """
    seeded.execute(smuggle.encode())
    seeded.commit()
    with psycopg.connect(migrated) as fresh:  # one whose cache has not seen the constraint as it was
        fresh.execute(
            "ALTER TABLE core.sessions ATTACH PARTITION core.sessions_p202501"
            " FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')"
        )

    with pytest.raises(psycopg.errors.RaiseException, match=r"core\.sessions has rows outside .* partition: sessions_p202501"):
        verify(seeded)


def test_the_scripts_run_by_psql_as_well(database: str, migrated: str) -> None:
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("psql is not on the PATH")
    environment = {
        **os.environ,
        "PGOPTIONS": SETTINGS,
        "PGCLIENTENCODING": "UTF8",
    }
    scripts = sorted(MIGRATIONS.glob("[0-9]*.sql"))

    for script in [*scripts, *scripts, MIGRATIONS / "verify.sql"]:
        run = subprocess.run(  # noqa: S603 - a script of ours
            [psql, "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-f", str(script), database],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert "WARNING" not in run.stderr

    assert content(database) == content(migrated)
