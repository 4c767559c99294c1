"""Tables that the real pg_partman manages: taken over, looked after, and given back, after which pg_partman goes on with them."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.partitioning.config import load_policies
from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from include.postgres.partman import renames
from include.postgres.session import prepare_to_read
from include.postgres.taking_over import look_at_table
from include.take_over import LONGEST_LOOK, main
from tests import partman_server
from tests.databases import fresh_database
from tests.integration.conftest import Lifecycle

TABLE = """
CREATE SCHEMA app; CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;
CREATE TABLE app.users (id integer PRIMARY KEY); INSERT INTO app.users VALUES (1);
CREATE TABLE app.events (id bigint, user_id integer REFERENCES app.users, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
CREATE INDEX ON app.events (user_id, at);
CREATE TABLE partman.events_template (LIKE app.events);
ALTER TABLE partman.events_template ADD PRIMARY KEY (id); ALTER TABLE partman.events_template SET (autovacuum_enabled = off);
"""
MANAGED = """
SELECT partman.create_parent('app.events', 'at', 'native', %s, p_premake := 2, p_template_table := 'partman.events_template',
                             p_start_partition := (now() - 6 * %s::interval)::text);
"""
ROWS = "INSERT INTO app.events SELECT g, 1, now() - g * interval '6 hours', 'row ' || g FROM generate_series(0, 400) g"
LENGTHS = {"hourly": "1 hour", "daily": "1 day", "weekly": "7 days", "monthly": "1 month", "quarterly": "3 months", "yearly": "1 year"}


@pytest.fixture(scope="module")
def debian() -> Iterator[str]:
    """URI of a server that has pg_partman."""
    reason = partman_server.missing()
    if reason and os.environ.get("PARTMAN_MUST_BE_THERE"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with (
        tempfile.TemporaryDirectory(prefix="postgres-with-partman-", ignore_cleanup_errors=True) as folder,
        partman_server.running(Path(folder), {"fsync": "off", "autovacuum": "off"}) as uri,
    ):
        yield uri


@pytest.fixture
def managed(debian: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lifecycle]:
    """A database with a table that no pg_partman knows yet; `create_parent` makes it known."""
    with fresh_database(debian) as uri:
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", uri)
        lifecycle = Lifecycle(uri, tmp_path / "archive")
        lifecycle.sql(TABLE)
        yield lifecycle


def manage(managed: Lifecycle, interval: str = "monthly", **config: Any) -> Lifecycle:
    """Let pg_partman have the table, with rows in it."""
    managed.sql(MANAGED, interval, LENGTHS[interval])
    for key, value in config.items():
        managed.sql(f"UPDATE partman.part_config SET {key} = %s", value)
    managed.sql(ROWS)
    return managed


def take_over(managed: Lifecycle, folder: Path, **changes: Any) -> PartitionPolicy:
    """The policy that the command writes, with pg_partman stopped as the command says."""
    file = folder / "events.yaml"
    assert main(["app.events", "--database", managed.uri, "--out", str(file)]) == 0
    managed.sql("UPDATE partman.part_config SET automatic_maintenance = 'off' WHERE parent_table = 'app.events'")
    (policy,) = load_policies(file)
    return PartitionPolicy(**{**policy.model_dump(exclude_unset=True), "postgres_conn_id": "target", **changes})


def now(managed: Lifecycle) -> str:
    return str(managed.value("SELECT now()::text"))


def statements(said: str) -> list[str]:
    """What a person would paste."""
    return [line.strip() for line in said.splitlines() if line.endswith(";") and line.startswith("     ")]


def test_a_table_is_taken_over_and_lives_on(managed: Lifecycle, tmp_path: Path) -> None:
    manage(managed, retention="2 months", retention_keep_table=False)
    policy = take_over(managed, tmp_path, premake=4, archive={"path": f"file://{managed.archive}"}, on_expiry="drop")
    before, rows = managed.partitions(), managed.value("SELECT count(*) FROM app.events")
    created = managed.create(policy=policy, reference_date=now(managed))
    assert len(created) == 2
    assert managed.create(policy=policy, reference_date=now(managed)) == []
    for partition in managed.plan(policy=policy, reference_date=now(managed)):
        managed.archive_partition(partition, policy=policy, reference_date=now(managed))
        managed.detach(partition, policy=policy, reference_date=now(managed))
        managed.drop(partition, policy=policy, reference_date=now(managed))
    gone = set(before) - set(managed.partitions())
    assert len(gone) == 4  # six months back, of which two are kept, and the present one
    archived = managed.value("SELECT sum(rows) FROM partition_lifecycle.archive")
    assert managed.value("SELECT count(*) FROM app.events") + archived == rows


def test_new_partitions_have_what_the_template_table_gave_to_the_others(managed: Lifecycle, tmp_path: Path) -> None:
    manage(managed)
    created = managed.create(policy=take_over(managed, tmp_path, premake=3), reference_date=now(managed))[0]
    found = managed.sql(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'", created
    )
    assert [each["text"] for each in found] == ["PRIMARY KEY (id)"]
    assert managed.value("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", created) == ["autovacuum_enabled=off"]
    assert managed.value("SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", created) == 2
    assert managed.sql("SELECT detail FROM partition_lifecycle.event WHERE action = 'create' AND outcome = 'differs'") == []


def test_what_the_template_table_has_and_the_newest_partition_has_not_is_said(
    managed: Lifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    manage(managed)
    assert main(["app.events", "--database", managed.uri]) == 0
    assert "new ones will lack it" not in capsys.readouterr().out
    managed.sql("CREATE INDEX ON partman.events_template (note)")
    assert main(["app.events", "--database", managed.uri]) == 0
    assert "so new ones will lack it: index btree (note); add it to the newest partition" in capsys.readouterr().out


def test_what_pg_partman_kept_and_what_belongs_to_others_is_said_and_mended(managed: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    manage(managed, retention="2 months")
    managed.sql("SELECT partman.run_maintenance()")  # which detaches four, and keeps them
    managed.sql("CREATE ROLE partman_of_tests; GRANT ALL ON SCHEMA app TO partman_of_tests")
    try:
        newest = managed.partitions()[-1]
        managed.sql(f"ALTER TABLE app.{newest} OWNER TO partman_of_tests")
        assert main(["app.events", "--database", managed.uri]) == 0
        said = capsys.readouterr().out
        assert "beside it: 4 former partitions (" in said
        assert f'1 partition ("app.{newest}") of others than the owner of the table' in said
        for statement in statements(said):
            managed.sql(statement)
        assert main(["app.events", "--database", managed.uri]) == 0
        assert "of others than" not in capsys.readouterr().out
    finally:
        managed.sql("DROP OWNED BY partman_of_tests; DROP ROLE partman_of_tests")


@pytest.mark.parametrize("interval", [each if each == "monthly" else pytest.param(each, marks=pytest.mark.slow) for each in LENGTHS])
def test_after_the_way_back_pg_partman_goes_on(
    managed: Lifecycle, tmp_path: Path, capsys: pytest.CaptureFixture[str], interval: str
) -> None:
    manage(managed, interval, infinite_time_partitions=True)
    policy = take_over(managed, tmp_path, premake=4)
    ours = managed.create(policy=policy, reference_date=now(managed))
    assert len(ours) == 2
    capsys.readouterr()
    assert main(["app.events", "--database", managed.uri, "--back"]) == 0
    back = statements(capsys.readouterr().out)
    managed.sql("UPDATE partman.part_config SET premake = 5")
    before = managed.partitions()
    with managed.connect(autocommit=True) as connection:
        for statement in back:
            connection.execute(statement.encode())
    after = managed.partitions()
    assert len(after) - len(before) in (1, 2)  # pg_partman rounds the present period up or down
    assert managed.value("SELECT automatic_maintenance FROM partman.part_config") == "on"
    assert_named_by_partman(managed)
    managed.sql("SELECT partman.run_maintenance()")
    assert managed.partitions() == after


def assert_named_by_partman(managed: Lifecycle) -> None:
    """Each partition is called as pg_partman itself would call that of its lower bound."""
    with managed.connect() as connection:
        prepare_to_read(connection, "test", LONGEST_LOOK)
        found = look_at_table(connection, TableName("app", "events"))
        assert found.cut is not None
        assert renames(connection, found.config, found.cut) == []
        bounded = [(each.name.name, each.bounds.lower) for each in found.cut.bounded if each.bounds]
    for name, lower in bounded:
        assert managed.value("SELECT partition_table FROM partman.show_partition_name('app.events', %s::timestamptz::text)", lower) == name


def test_a_table_of_another_grain_is_not_given_back(managed: Lifecycle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manage(managed)
    managed.create(policy=take_over(managed, tmp_path, interval="year", premake=1), reference_date=now(managed))
    assert main(["app.events", "--database", managed.uri, "--back"]) == 1
    assert "is not one month: pg_partman makes the next partition 1 mon after the beginning of the newest" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("create", "why"),
    [
        ("SELECT partman.create_parent('app.numbers', 'id', 'native', '100')", "has a key of type bigint"),
        ("SELECT partman.create_parent('app.numbers', 'id', 'native', 'daily', p_epoch := 'seconds')", "counts seconds (epoch)"),
        (
            "SELECT partman.create_parent('app.events', 'at', 'native', 'half-hour')",
            "'00:30:00', for which this package has no word; it has hour, day, week, month, quarter, year",
        ),
        (
            "SELECT partman.create_parent('app.events', 'at', 'native', '7 days', p_start_partition := '2026-09-02')",
            "not those of a week (weeks begin on Mondays) in any time zone that was tried",
        ),
        (
            "SELECT partman.create_parent('app.events', 'at', 'native', 'yearly'); "
            "SELECT partman.create_sub_parent('app.events', 'at', 'native', 'monthly', p_native_check := 'yes')",
            "its partitions are partitioned themselves",
        ),
    ],
    ids=["id", "epoch", "half-hour", "weeks from Wednesday", "sub-partitions"],
)
def test_what_cannot_be_taken_over_says_why(
    managed: Lifecycle, tmp_path: Path, capsys: pytest.CaptureFixture[str], create: str, why: str
) -> None:
    managed.sql("CREATE TABLE app.numbers (id bigint NOT NULL) PARTITION BY RANGE (id)")
    managed.sql(create)
    file = tmp_path / "policy.yaml"
    table = "app.numbers" if "numbers" in create else "app.events"
    assert main([table, "--database", managed.uri, "--out", str(file)]) == 1
    assert why in capsys.readouterr().err
    assert not file.exists()
