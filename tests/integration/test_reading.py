"""The commands by which the README says that an archive is read without restoring it, run as they stand there."""

import json
import re
from typing import Any

import duckdb
import pytest

from demo.local_airflow import PROJECT
from partition_operators.find_archives import FindArchivesOperator
from partition_operators.restore_partition import RestorePartitionOperator
from tests.integration.conftest import Lifecycle


def command(kind: str, lifecycle: Lifecycle) -> str:
    """The block behind `<!-- tested: kind -->`, on the tests' table."""
    text = (PROJECT / "README.md").read_text()
    match = re.search(rf"<!-- tested: {kind} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert match is not None
    found = match[1].replace(".demo/archive", str(lifecycle.archive)).replace("core.sessions", "app.events")
    return found.replace("sessions_p202408", "events_p202408")


@pytest.fixture
def archived(lifecycle: Lifecycle) -> Lifecycle:
    """Three months, one of them in two versions."""
    for month in ("202408", "202409", "202410"):
        lifecycle.archive_partition(f"app.events_p{month}")
    lifecycle.sql("INSERT INTO app.events VALUES (1000, 1, '2024-10-10', 'late')")
    lifecycle.archive_partition("app.events_p202410")
    return lifecycle


def test_duckdb_reads_all_months_one_month_and_only_the_newest_versions(archived: Lifecycle) -> None:
    by_month, one, newest = (duckdb.execute(each).fetchall() for each in command("duckdb", archived).split(";") if each.strip())
    assert [rows for _, rows in by_month] == [50, 50, 101]
    assert len(one) == 3
    assert newest == [(151,)]


def test_pyarrow_reads_a_folder_and_a_month_of_it(archived: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(command("python", archived), "README.md", "exec"), {})  # noqa: S102 - our own README
    assert capsys.readouterr().out.split()[-2:] == ["201", "50"]


def test_postgresql_reads_a_month_again(archived: Lifecycle) -> None:
    match = re.search(r"--conf '(.*)'", command("airflow", archived))
    assert match is not None
    conf: dict[str, Any] = json.loads(match[1])
    names = archived.run(FindArchivesOperator, start=conf["from"], end=conf["to"])
    assert names == ["app.events_p202408"]
    archived.run(RestorePartitionOperator, partition=names[0], mode=conf["mode"])
    assert archived.value("SELECT count(*) FROM app.events_p202408_restored") == 50
