"""Rows in the DEFAULT partition: what the plan says of them, and what creation says when they stand in its way."""

import re
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from partition_operators import default_rows
from tests.integration.conftest import Lifecycle

LOOSE = """
CREATE TABLE app.loose (id bigint, at timestamptz, note text) PARTITION BY RANGE (at);
CREATE TABLE app.loose_p202611 PARTITION OF app.loose FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00');
CREATE TABLE app.loose_default PARTITION OF app.loose DEFAULT;
INSERT INTO app.loose (id, at) VALUES (1, NULL), (2, 'infinity'), (3, '-infinity'), (4, '2300-01-01 00:00+00'), (5, '20000-01-01 00:00+00'),
  (6, '2020-05-05 10:00+00'), (7, '2020-05-06 11:00+00'), (8, '2026-12-24 18:00+00'), (9, '2026-10-01 00:00+00'), (10, '2026-11-11');
"""


def findings(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], **policy: Any) -> list[str]:
    capsys.readouterr()
    lifecycle.plan(policy=lifecycle.policy(table="app.loose", partition_key="at", **policy))
    return re.findall(r"finding: (.+?) +\[airflow", capsys.readouterr().out)


def test_the_plan_says_of_every_row_in_default_where_it_belongs(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    lifecycle.sql(LOOSE)
    found = findings(lifecycle, capsys)
    assert [each for each in found if " row" in each or "default_partition" in each] == [
        '"app.loose_default" holds 9 rows: for each partition that is created, ATTACH reads them all while it keeps everybody out of it, for about 1 ms if they are in memory',
        '2 rows, keys 2020-05-05 10:00 to 2020-05-06 11:00 in "app.loose_default" belong to [2020-05-01, 2020-06-01), which is past retention',
        '1 row, keys 2026-10-01 00:00 to 2026-10-01 00:00 in "app.loose_default" belong to [2026-10-01, 2026-11-01), which gets no partition while they are there',
        '1 row, keys 2026-12-24 18:00 to 2026-12-24 18:00 in "app.loose_default" belong to [2026-12-01, 2027-01-01), which gets no partition while they are there',
        '1 row, keys 2300-01-01 00:00 to 2300-01-01 00:00 in "app.loose_default" are later than the upcoming partitions; they stay until theirs is due',
        '4 rows in "app.loose_default" have a key that is NULL, infinite or in no calendar year; they stay',
        'set default_partition: drain in the policy to have them moved while the table is in use, or move them out of "app.loose_default" by hand',
    ]  # fmt: skip


def test_rows_that_cannot_be_counted_in_time_are_estimated(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.sql(LOOSE)
    lifecycle.sql("INSERT INTO app.loose SELECT g, '2020-05-05' FROM generate_series(1, 200000) g; ANALYZE app.loose_default")
    monkeypatch.setattr(default_rows, "LONGEST_LOOK", timedelta(milliseconds=1))
    assert any(
        "holds about 200,009 rows by the planner's estimate" in each and "takes longer than 1 ms" in each
        for each in findings(lifecycle, capsys)
    )


def test_a_partition_whose_rows_are_in_default_is_refused_with_their_number_and_what_to_do(lifecycle: Lifecycle) -> None:
    lifecycle.sql(LOOSE)
    with pytest.raises(
        AirflowFailException, match=r"1 row, keys 2026-12-24 18:00 to 2026-12-24 18:00; set default_partition: drain in the policy"
    ):
        lifecycle.create(policy=lifecycle.policy(table="app.loose", partition_key="at"))
    assert lifecycle.exists("app.loose_p202701")


def drain(lifecycle: Lifecycle, table: str = "app.events", key: str = "created_at", **policy: Any) -> list[str]:
    return lifecycle.drain(policy=lifecycle.policy(table=table, partition_key=key, default_partition="drain", **policy))


def rows_by_table(lifecycle: Lifecycle, table: str) -> dict[str, int]:
    found = lifecycle.sql(f"SELECT tableoid::regclass::text AS name, count(*) AS rows FROM {table} GROUP BY 1")
    return {each["name"]: each["rows"] for each in found}


def strays(lifecycle: Lifecycle) -> list[str]:
    """What a drain could leave behind: schemas, triggers, functions."""
    found = lifecycle.sql(
        "SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'partition_lifecycle_drain%%' AND nspname <> 'partition_lifecycle_drill'"
        " UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '00%%'"
    )
    return [each["name"] for each in found]


def test_rows_are_moved_to_partitions_of_their_own_and_the_rest_stays(lifecycle: Lifecycle) -> None:
    lifecycle.sql(LOOSE)
    before = lifecycle.sql("SELECT id, at::text, note FROM app.loose ORDER BY id")
    assert drain(lifecycle, "app.loose", "at") == ["app.loose_p202005", "app.loose_p202610", "app.loose_p202612"]
    assert lifecycle.sql("SELECT id, at::text, note FROM app.loose ORDER BY id") == before
    assert rows_by_table(lifecycle, "app.loose") == {
        "app.loose_p202005": 2, "app.loose_p202610": 1, "app.loose_p202611": 1, "app.loose_p202612": 1, "app.loose_default": 5,
    }  # fmt: skip
    assert strays(lifecycle) == []
    assert drain(lifecycle, "app.loose", "at") == []
