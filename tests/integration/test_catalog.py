"""Tables that a policy does not fit are refused before anything is touched; and bounds mean what PostgreSQL says they mean."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.check_policies import main
from include.partitioning.calendar import Calendar
from include.partitioning.interval import Interval
from tests.integration.conftest import Lifecycle

REFUSALS = [
    (None, "at", "month", 'there is no table "app.t" in this database'),
    ("(at timestamptz)", "at", "month", '"app.t" is not partitioned'),
    ("(at timestamptz) PARTITION BY LIST (at)", "at", "month", "is partitioned by LIST; only RANGE"),
    ("(at timestamptz) PARTITION BY HASH (at)", "at", "month", "is partitioned by HASH; only RANGE"),
    ("(at timestamptz, id int) PARTITION BY RANGE (at, id)", "at", "month", "several columns or by an expression"),
    ("(at timestamptz) PARTITION BY RANGE ((at AT TIME ZONE 'UTC'))", "at", "month", "several columns or by an expression"),
    ("(at timestamptz, other timestamptz) PARTITION BY RANGE (other)", "at", "month", 'is partitioned by "other", but the policy says'),
    ("(at date) PARTITION BY RANGE (at)", "at", "hour", "which cannot hold hours"),
    ("(at bigint) PARTITION BY RANGE (at)", "at", "month", "has a key of type bigint"),
    ("(at text) PARTITION BY RANGE (at)", "at", "month", "has a key of type text"),
]


@pytest.mark.parametrize(("definition", "key", "interval", "message"), REFUSALS)
def test_a_table_that_the_policy_does_not_fit_is_refused(
    lifecycle: Lifecycle, definition: str | None, key: str, interval: str, message: str
) -> None:
    if definition is not None:
        lifecycle.sql(f"CREATE TABLE app.t {definition}")
    policy = lifecycle.policy(table="app.t", partition_key=key, interval=interval)
    for step in (lifecycle.plan, lifecycle.create):
        with pytest.raises(AirflowFailException, match=message.replace("(", r"\(")):
            step(policy=policy)
    assert not lifecycle.exists("partition_lifecycle.event")


def test_the_command_compares_policies_with_a_database(
    lifecycle: Lifecycle, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path_factory.mktemp("policies") / "policies.yaml"
    file.write_text("policies:\n  - {table: app.events, partition_key: created_at}\n")
    assert main([str(file), "--database", lifecycle.uri]) == 0
    file.write_text("policies:\n  - {table: app.events, partition_key: id}\n  - {table: app.gone, partition_key: at}\n")
    assert main([str(file), "--database", lifecycle.uri]) == 1
    said = capsys.readouterr().err
    assert (
        f'{file}:2: partition_key: "app.events" is partitioned by "created_at", but the policy says partition_key: id; for example: created_at'
        in said
    )
    assert f'{file}:3: table: there is no table "app.gone"' in said
    assert main([str(file), "--database", "postgresql://nobody@localhost:1/none"]) == 1


ODD_YEARS = (
    ("America/Havana", 2011, 2012),
    ("America/Sao_Paulo", 2016, 2018),
    ("Asia/Beirut", 2023, 2024),
    ("Africa/Cairo", 2023, 2024),
    ("Pacific/Apia", 2011, 2012),
    ("America/St_Johns", 2010, 2011),
    ("Australia/Lord_Howe", 2024, 2024),
    ("Asia/Kathmandu", 2024, 2024),
    ("America/Nuuk", 2023, 2024),
    ("Atlantic/Azores", 2024, 2024),
    ("America/Asuncion", 2023, 2024),
)


@pytest.mark.parametrize(("zone", "first", "last"), ODD_YEARS)
def test_midnights_are_the_instants_that_postgresql_takes_them_for(lifecycle: Lifecycle, zone: str, first: int, last: int) -> None:
    """Every day of some years, so every midnight that a clock change of the zone skipped or repeated is among them."""
    with lifecycle.connect() as connection:
        found = connection.execute(
            "SELECT d::date::text, extract(epoch FROM d AT TIME ZONE %s)::bigint FROM generate_series(%s::timestamp, %s::timestamp, '1 day') d",
            (zone, f"{first}-01-01", f"{last}-12-31"),
        ).fetchall()
    expected = {day: epoch for day, epoch in found if zone != "Pacific/Apia" or day != "2011-12-30"}
    calendar = Calendar(Interval.DAY, zone)
    period = calendar.holding(datetime(first, 1, 1, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC))
    ours = {}
    while period.label.year <= last:
        ours[period.label.date().isoformat()] = int(period.bounds.lower.timestamp())
        period = calendar.after(period)
    assert ours == expected


def test_planning_takes_one_query_for_all_partitions_and_not_one_for_each(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.many (at timestamptz NOT NULL) PARTITION BY RANGE (at)")
    lifecycle.sql("""DO $$ BEGIN FOR d IN 0..299 LOOP
        EXECUTE format('CREATE TABLE app.many_%s PARTITION OF app.many FOR VALUES FROM (%L) TO (%L)', d,
                       timestamptz '2026-01-01 00:00+00' + d * interval '1 day', timestamptz '2026-01-01 00:00+00' + (d + 1) * interval '1 day');
        END LOOP; END $$""")
    policy = lifecycle.policy(table="app.many", partition_key="at", interval="day", retention=None, archive=None, premake=1)
    with lifecycle.connect(autocommit=True) as other:
        before = other.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").fetchone()
        assert lifecycle.plan(policy=policy) == []
        after = other.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert before is not None
    assert after is not None
    assert after[0] - before[0] < 60


def test_a_connection_through_a_transaction_pooler_is_refused(lifecycle: Lifecycle) -> None:
    from include.partitioning.errors import CatalogMismatchError
    from include.postgres.session import prepare

    class Pooled(psycopg.Connection[tuple[object, ...]]):
        """A connection whose handshake named another backend than the one that answers, as a pooler's does."""

        @property
        def info(self) -> psycopg.ConnectionInfo:
            class Info(psycopg.ConnectionInfo):
                @property
                def backend_pid(self) -> int:
                    return super().backend_pid + 1

            return Info(self.pgconn)

    with Pooled.connect(lifecycle.uri) as connection, pytest.raises(CatalogMismatchError, match=r"connection pooler"):
        prepare(connection, "test")


def test_settings_of_the_role_do_not_change_what_a_session_does(lifecycle: Lifecycle) -> None:
    newer = lifecycle.version >= 17
    lifecycle.sql(f"""
        {"ALTER ROLE postgres SET transaction_timeout = '50ms';" if newer else ""}
        ALTER ROLE postgres SET statement_timeout = '30ms'; ALTER ROLE postgres SET default_transaction_read_only = on;
        ALTER ROLE postgres SET default_transaction_isolation = 'serializable'; ALTER ROLE postgres SET search_path = app, public;
        ALTER ROLE postgres SET lock_timeout = '1ms'; ALTER ROLE postgres SET row_security = on; ALTER ROLE postgres SET synchronous_commit = off;
        ALTER ROLE postgres SET client_min_messages = 'error';
    """)
    try:
        assert "app.events_p202612" in lifecycle.create()
        lifecycle.archive_partition("app.events_p202408")
        lifecycle.detach("app.events_p202408")
        lifecycle.drop("app.events_p202408")
    finally:
        without = "-c statement_timeout=0 -c default_transaction_read_only=off" + " -c transaction_timeout=0" * newer
        with lifecycle.connect(autocommit=True, options=without) as connection:
            connection.execute("ALTER ROLE postgres RESET ALL")
    assert not lifecycle.exists("app.events_p202408")


def test_functions_in_other_schemas_cannot_take_the_place_of_built_in_ones(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE FUNCTION public.count(anyelement) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'")
    lifecycle.sql("CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '2099-01-01' $$")
    assert "50 rows" in lifecycle.archive_partition("app.events_p202408")
