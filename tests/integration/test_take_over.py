"""The command that takes tables over from pg_partman 5, whose configuration is a table: what it says, writes, refuses, and never changes."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.partitioning.config import load_policies
from include.partitioning.interval import Interval
from include.take_over import main
from partition_operators.plan_partitions import PlanPartitionsOperator
from tests.benchmarks.database_time import database_time
from tests.integration.conftest import Lifecycle

CONFIG = """
CREATE SCHEMA partman;
CREATE TABLE partman.part_config (
  parent_table text PRIMARY KEY, control text, time_encoder text, time_decoder text, partition_interval text, partition_type text DEFAULT 'range',
  premake integer DEFAULT 4, automatic_maintenance text DEFAULT 'on', template_table text, retention text, retention_schema text,
  retention_keep_index boolean DEFAULT true, retention_keep_table boolean DEFAULT true, epoch text DEFAULT 'none', constraint_cols text[],
  infinite_time_partitions boolean DEFAULT false, datetime_string text DEFAULT 'YYYYMMDD', undo_in_progress boolean DEFAULT false
);
CREATE TABLE partman.part_config_sub (sub_parent text PRIMARY KEY);
"""


@pytest.fixture
def managed(lifecycle: Lifecycle) -> Lifecycle:
    """The small table, which pg_partman 5 manages as well."""
    lifecycle.sql(CONFIG)
    return manage(lifecycle, "app.events", "created_at")


def manage(lifecycle: Lifecycle, table: str, control: str, **config: Any) -> Lifecycle:
    lifecycle.sql("INSERT INTO partman.part_config (parent_table, control, partition_interval) VALUES (%s, %s, '1 mon')", table, control)
    return configured(lifecycle, table, **config)


def configured(lifecycle: Lifecycle, table: str = "app.events", **config: Any) -> Lifecycle:
    for key, value in config.items():
        lifecycle.sql(f"UPDATE partman.part_config SET {key} = %s WHERE parent_table = %s", value, table)
    return lifecycle


def refusal(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says when it refuses."""
    capsys.readouterr()
    assert main(["app.events", "--database", lifecycle.uri, *arguments]) == 1
    return capsys.readouterr().err


def saying(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], table: str = "app.events", *arguments: str) -> str:
    capsys.readouterr()
    assert main([table, "--database", lifecycle.uri, *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("keeps", [True, False])
def test_whatever_pg_partman_may_drop_the_policy_drops_nothing(managed: Lifecycle, tmp_path: Path, keeps: bool) -> None:
    configured(managed, retention="2 years", retention_keep_table=keeps, premake=7)
    file = tmp_path / "events.yaml"
    assert main(["app.events", "--database", managed.uri, "--out", str(file)]) == 0
    (policy,) = load_policies(file)
    assert (str(policy.table), policy.partition_key, policy.interval, policy.premake) == ("app.events", "created_at", Interval.MONTH, 7)
    assert (str(policy.retention), policy.on_expiry, policy.destroy_without_archive) == ("24 months", "detach", False)
    assert policy.archive is None


def test_each_line_of_the_policy_has_a_comment_and_the_archive_is_left_to_a_person(
    managed: Lifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    said = saying(configured(managed, retention="2 years", retention_keep_table=False), capsys)
    policy = said[said.index("policies:\n") : said.index("\n\nto do")]
    assert all(" # " in line for line in policy.splitlines()[1:])
    assert "# archive:" in policy
    assert "without an archive; remove this line when `archive` is filled in" in policy


def test_it_says_what_the_first_run_would_do_and_changes_nothing(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    before = managed.partitions()
    said = saying(configured(managed, retention="20 years", premake=1), capsys)
    assert '"app.events_p202408" [2024-08-01, 2024-09-01)' in said
    assert "creates " in said
    assert "takes nothing out of the table" in said
    assert (managed.partitions(), managed.exists("partition_lifecycle.event")) == (before, False)
    assert managed.value("SELECT automatic_maintenance FROM partman.part_config") == "on"


def test_a_file_that_exists_is_left_as_it_is(managed: Lifecycle, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "events.yaml"
    file.write_text("mine")
    assert f'"{file}" is not written: File exists' in refusal(managed, capsys, "--out", str(file))
    assert file.read_text() == "mine"


def test_the_statement_that_stops_pg_partman_stops_it(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    manage(managed, "app.other", "at")
    (stop,) = re.findall(r"UPDATE .+;", saying(managed, capsys))
    managed.sql(stop)
    found = managed.sql("SELECT parent_table, automatic_maintenance AS on FROM partman.part_config ORDER BY 1")
    assert [tuple(each.values()) for each in found] == [("app.events", "off"), ("app.other", "on")]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"partition_interval": "10 days"}, "'10 days', for which this package has no word"),
        ({"time_encoder": "public.encode"}, "has the time encoded in it (time_encoder public.encode)"),
        ({"control": "id"}, 'is partitioned by "created_at"'),
        ({"partition_interval": "1 year"}, "the bounds of its partitions are not those of a year in any time zone that was tried"),
    ],
)
def test_what_stands_in_the_way_is_said(managed: Lifecycle, capsys: pytest.CaptureFixture[str], config: dict[str, Any], why: str) -> None:
    assert why in refusal(configured(managed, **config), capsys)


def test_sub_partitions_are_not_taken_over(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    managed.sql("INSERT INTO partman.part_config_sub VALUES ('app.events')")
    assert "its partitions are partitioned themselves" in refusal(managed, capsys)


def test_a_table_or_a_database_without_pg_partman_is_named(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    assert "pg_partman is not installed in the database" in refusal(lifecycle, capsys)
    lifecycle.sql(CONFIG)
    manage(lifecycle, "app.other", "at")
    assert 'does not manage "app.events" in this database; the tables that it manages are: app.other' in refusal(lifecycle, capsys)


ZONED = """
CREATE TABLE app.berlin (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE app.berlin_p20261101 PARTITION OF app.berlin FOR VALUES FROM ('2026-11-01 00:00+01') TO ('2026-12-01 00:00+01');
CREATE TABLE app.berlin_default PARTITION OF app.berlin DEFAULT;
"""


def test_the_zone_is_that_whose_midnights_bound_the_partitions(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    managed.sql(ZONED)
    manage(managed, "app.berlin", "at")
    assert main(["app.berlin", "--database", managed.uri]) == 1
    assert '"app.berlin_p20261101" [2026-10-31 23:00:00, 2026-11-30 23:00:00) in UTC' in capsys.readouterr().err
    assert "timezone: Europe/Berlin " in saying(managed, capsys, "app.berlin", "--timezone", "Europe/Berlin")
    managed.sql(f"ALTER DATABASE {psycopg.conninfo.conninfo_to_dict(managed.uri)['dbname']} SET TimeZone = 'Europe/Berlin'")
    assert "timezone: Europe/Berlin " in saying(managed, capsys, "app.berlin")


def test_the_way_back_renames_what_we_made_by_the_wall_clock_of_that_zone(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    managed.sql(ZONED)
    manage(managed, "app.berlin", "at")
    policy = managed.policy(table="app.berlin", partition_key="at", timezone="Europe/Berlin", premake=1)
    assert managed.create(policy=policy) == ["app.berlin_p202612"]
    said = saying(managed, capsys, "app.berlin", "--timezone", "Europe/Berlin", "--back")
    assert 'ALTER TABLE "app"."berlin_p202612" RENAME TO "berlin_p20261201";' in said
    assert said.count("RENAME") == 1


def test_names_that_are_taken_and_a_template_that_is_gone_stop_the_way_back(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    managed.sql("CREATE TABLE app.events_p20261101 (id integer)")
    found = refusal(configured(managed, template_table="partman.gone"), capsys, "--back")
    assert '"app.events_p202611" should be called "events_p20261101", but that is an ordinary table; rename one of them' in found
    assert 'the template table "partman.gone" is gone' in found


def test_names_that_need_quotes_go_through(managed: Lifecycle, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    managed.sql(
        """CREATE SCHEMA "Odd: #1"; CREATE TABLE "Odd: #1"."it's" ("on" date NOT NULL) PARTITION BY RANGE ("on");
        CREATE TABLE "Odd: #1".p PARTITION OF "Odd: #1"."it's" FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')"""
    )
    manage(managed, "Odd: #1.it's", "on")
    file = tmp_path / "odd.yaml"
    said = saying(managed, capsys, '"Odd: #1"."it\'s"', "--out", str(file))
    (policy,) = load_policies(file)
    assert (policy.table.schema, policy.table.name, policy.partition_key) == ("Odd: #1", "it's", "on")
    managed.sql(re.findall(r"UPDATE .+;", said)[0])
    assert managed.value("SELECT automatic_maintenance FROM partman.part_config WHERE control = 'on'") == "off"


def findings(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    lifecycle.plan()
    return [each for each in re.findall(r"finding: (.+?) +\[airflow", capsys.readouterr().out) if "pg_partman" in each]


def test_the_plan_says_if_pg_partman_maintains_the_table_too(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = findings(managed, capsys)
    assert found.startswith(
        'pg_partman maintains "app.events" too, so its own retention acts without an archive, and it can fail at names of ours: UPDATE "partman"'
    )
    managed.sql(found.partition(": ")[2])
    assert findings(managed, capsys) == []


def test_a_plan_asks_once_more_where_pg_partman_is_and_not_at_all_where_it_is_not(lifecycle: Lifecycle) -> None:
    def asked() -> int:
        with database_time() as spent:
            lifecycle.run(PlanPartitionsOperator)
        return spent.statements

    lifecycle.plan()
    without = asked()
    lifecycle.sql(CONFIG)
    assert asked() == without + 1


def test_a_role_that_may_not_look_is_told_what_it_needs(
    managed: Lifecycle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    managed.sql("CREATE ROLE looks_no_further LOGIN; GRANT USAGE ON SCHEMA app TO looks_no_further")
    try:
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", managed.uri.replace("postgres@", "looks_no_further@"))
        (found,) = findings(managed, capsys)
        managed.sql(found.partition("cannot be seen: ")[2])
        assert "maintains" in findings(managed, capsys)[0]
    finally:
        managed.sql("DROP OWNED BY looks_no_further; DROP ROLE looks_no_further")


def test_a_name_that_the_first_run_would_need_and_something_has_is_said(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    now = managed.value("SELECT now() AT TIME ZONE 'UTC'")
    name = f"events_p{now.year + 1}{now.month:02}"
    managed.sql(f"CREATE TABLE app.{name} (id integer)")
    said = saying(configured(managed, premake=12), capsys)
    assert f'"app.{name}" cannot be created: the name is taken by an ordinary table' in said


def test_of_many_former_partitions_the_plan_names_some_and_counts_the_others(
    managed: Lifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    for month in range(1, 10):
        managed.sql(f"CREATE TABLE app.events_p2020_0{month} (LIKE app.events)")
    assert "beside it: 9 former partitions (" in saying(managed, capsys)
    managed.plan()
    said = capsys.readouterr().out
    assert said.count("is no partition, but has the columns of") == 5
    assert 'and 4 more such tables beside "app.events"' in said


def test_rows_in_default_are_said_and_so_is_that_they_may_not_be_looked_for(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    managed.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT")
    assert "DEFAULT partition has rows" not in saying(managed, capsys)
    managed.sql("INSERT INTO app.events VALUES (1, 1, '2020-01-01 00:00+00')")
    assert "the DEFAULT partition has rows of a time" in saying(managed, capsys)
    managed.sql("CREATE ROLE looks_at_partman LOGIN; GRANT USAGE ON SCHEMA app, partman TO looks_at_partman")
    managed.sql("GRANT SELECT ON ALL TABLES IN SCHEMA partman TO looks_at_partman")
    try:
        assert main(["app.events", "--database", managed.uri.replace("postgres@", "looks_at_partman@")]) == 0
        assert "could not be told; the plan counts them" in capsys.readouterr().out
    finally:
        managed.sql("DROP OWNED BY looks_at_partman; DROP ROLE looks_at_partman")


def test_a_copy_that_somebody_made_of_the_configuration_is_not_taken_for_it(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    """The extension's own comes first; which is the extension's is in pg_depend."""
    managed.sql(
        "CREATE SCHEMA kept; CREATE TABLE kept.part_config AS TABLE partman.part_config; CREATE TABLE kept.part_config_sub (sub_parent text)"
    )
    managed.sql("UPDATE partman.part_config SET automatic_maintenance = 'off'")
    managed.sql(
        "INSERT INTO pg_depend SELECT 'pg_class'::regclass, 'kept.part_config'::regclass, 0, 'pg_extension'::regclass, oid, 0, 'e' FROM pg_extension LIMIT 1"
    )
    assert 'UPDATE "kept"."part_config"' in saying(managed, capsys)
    assert len(findings(managed, capsys)) == 1
