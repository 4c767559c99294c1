"""The bookkeeping schema: installed once, whoever comes first, and never rewritten."""

import threading

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.names import TableName
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RunIdentity
from include.postgres.ledger_schema import VERSION
from include.postgres.session import prepare
from tests.integration.conftest import Lifecycle


def test_many_installations_at_once_make_one_schema(lifecycle: Lifecycle) -> None:
    failed: list[BaseException] = []

    def install() -> None:
        try:
            with lifecycle.connect() as connection:
                Ledger(prepare(connection, "test"), TableName("app", "events"), RunIdentity()).install()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert lifecycle.sql("SELECT version FROM partition_lifecycle.schema_version") == [
        {"version": number} for number in range(1, VERSION + 1)
    ]


def test_a_ledger_of_a_newer_version_is_refused(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    lifecycle.sql("INSERT INTO partition_lifecycle.schema_version (version) VALUES (99)")
    with pytest.raises(AirflowFailException, match=r"has version 99, this package knows \d; upgrade the package"):
        lifecycle.create()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE partition_lifecycle.event SET rows = 1", "DELETE FROM partition_lifecycle.event", "TRUNCATE partition_lifecycle.event"],
)
def test_events_cannot_be_changed(lifecycle: Lifecycle, statement: str) -> None:
    lifecycle.create()
    with pytest.raises(psycopg.errors.RaiseException, match=r"append-only"):
        lifecycle.sql(statement)


def test_every_step_and_every_failure_is_an_event(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    lifecycle.archive_partition("app.events_p202408")
    lifecycle.detach("app.events_p202408")
    with pytest.raises(AirflowFailException):
        lifecycle.detach("app.events_p202610")
    lifecycle.drop("app.events_p202408")
    found = [
        (each["action"], each["outcome"])
        for each in lifecycle.sql("SELECT action, outcome FROM partition_lifecycle.event ORDER BY event_id")
    ]
    assert [each for each in found if each[0] != "create"] == [
        ("archive", "began"), ("archive", "done"), ("detach", "done"), ("detach", "refused"), ("drop", "done")
    ]  # fmt: skip
    assert ("create", "done") in found


def test_a_role_that_may_not_create_the_ledger_is_told_so(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.sql("CREATE ROLE plain LOGIN; GRANT USAGE ON SCHEMA app TO plain")
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "plain@"))
    try:
        with pytest.raises(AirflowFailException, match=r"GRANT CREATE ON DATABASE"):
            lifecycle.create()
    finally:
        lifecycle.sql("DROP OWNED BY plain; DROP ROLE plain")


def test_a_ledger_of_the_first_version_keeps_what_it_has_and_its_archives_are_made_anew(lifecycle: Lifecycle) -> None:
    from importlib.resources import files

    lifecycle.sql(files("include.postgres").joinpath("ledger_versions", "001_tables.sql").read_text())
    lifecycle.sql("INSERT INTO partition_lifecycle.schema_version VALUES (1)")
    partition = "app.events_p202408"
    lifecycle.sql(f"""INSERT INTO partition_lifecycle.archive
        SELECT gen_random_uuid(), s.system_identifier, d.oid, 'app.events'::regclass, 'app.events', '{partition}'::regclass, '{partition}',
               '2024-08-01 00:00:00+00', '2024-09-01 00:00:00+00', 'digest', 'file:///nowhere', 'sha', 50, 1, 1
          FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()""")
    assert partition in lifecycle.plan()  # the plan changes nothing, and reads what there is
    assert lifecycle.value("SELECT max(version) FROM partition_lifecycle.schema_version") == 1
    assert "archive_version=1" in lifecycle.archive_partition(partition)
    assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.archive") == 2
    assert lifecycle.value("SELECT max(version) FROM partition_lifecycle.schema_version") == VERSION
