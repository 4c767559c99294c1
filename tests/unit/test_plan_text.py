"""A plan as lines for a person and as plain values."""

import json
from datetime import UTC, datetime

import pytest

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.expiry import Horizon
from include.partitioning.names import TableName
from include.partitioning.plan import Create, Expire, Plan
from include.partitioning.plan_text import as_dict, describe, human_bytes
from include.partitioning.policy import PartitionPolicy

NOW = datetime(2025, 10, 15, tzinfo=UTC)
OCTOBER = Bounds(datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC))
OLD = Bounds(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
POLICY = PartitionPolicy(table="core.s", partition_key="at", retention="1 year", archive={"path": "s3://bucket"})
PLAN = Plan(
    table=TableName("core", "s"),
    reference=NOW,
    horizon=Horizon.of(POLICY, KeyType.TIMESTAMPTZ, NOW, NOW),
    creates=(Create(TableName("core", "s_p202510"), OCTOBER, "holds the reference date", 'the view "core.s_p202510"'),),
    expires=(Expire(TableName("core", "s_p202401"), 11, OLD, "past retention", ("archive", "detach", "drop"), 1234567),),
    findings=("something to know",),
    too_many_creates="too many",
)
EMPTY = Plan(
    TableName("core", "s"),
    NOW,
    Horizon.of(PartitionPolicy(table="core.s", partition_key="at"), KeyType.TIMESTAMPTZ, NOW, NOW),
    (),
    (),
    (),
)
STATEMENTS = {"core.s_p202510": ("CREATE TABLE x", "ALTER TABLE y"), "core.s_p202401": ("DROP TABLE z RESTRICT",)}


def test_the_lines_name_each_action_with_bounds_reason_rows_bytes_and_statements() -> None:
    lines = describe(PLAN, {11: 3 << 20}, STATEMENTS)
    assert [each.text for each in lines] == [
        "plan for core.s as of 2025-10-15 00:00 UTC; keeps what is newer than 2024-10-15 00:00",
        "finding: something to know",
        "will fail: too many",
        "create 1 partitions",
        '  create core.s_p202510 [2025-10-01, 2025-11-01): holds the reference date; will fail: the name is taken by the view "core.s_p202510"',
        "expire 1 partitions",
        "  archive, detach, drop core.s_p202401 [2024-01-01, 2024-02-01): past retention; about 1,234,567 rows, 3.0 MiB",
    ]
    assert [each.statements for each in lines if each.statements] == [("CREATE TABLE x", "ALTER TABLE y"), ("DROP TABLE z RESTRICT",)]


def test_a_plan_that_does_nothing_says_so() -> None:
    assert [each.text for each in describe(EMPTY, {}, {})] == [
        "plan for core.s as of 2025-10-15 00:00 UTC; keeps everything",
        "create nothing: every partition wanted exists",
        "expire nothing",
    ]


def test_the_values_survive_json_and_hold_bounds_rows_bytes_and_statements() -> None:
    values = as_dict(PLAN, {11: 4096}, STATEMENTS)
    assert json.loads(json.dumps(values)) == values
    assert values["keeps_newer_than"] == "2024-10-15T00:00:00+00:00"
    assert values["findings"] == ["something to know", "too many"]
    (create,), (expire,) = values["create"], values["expire"]
    assert (create["partition"], create["lower"], create["blocked_by"]) == (
        "core.s_p202510",
        "2025-10-01T00:00:00+00:00",
        'the view "core.s_p202510"',
    )
    assert create["statements"] == ["CREATE TABLE x", "ALTER TABLE y"]
    assert (expire["upper"], expire["rows"], expire["bytes"]) == ("2024-02-01T00:00:00+00:00", 1234567, 4096)
    assert expire["steps"] == ["archive", "detach", "drop"]


def test_rows_and_bytes_that_are_unknown_are_null_and_not_0() -> None:
    unknown = Plan(PLAN.table, NOW, PLAN.horizon, (), (Expire(TableName("core", "s_p202401"), 11, OLD, "past retention", ()),), ())
    (expire,) = as_dict(unknown, {}, {})["expire"]
    assert (expire["rows"], expire["bytes"]) == (None, None)
    assert as_dict(EMPTY, {}, {})["keeps_newer_than"] is None


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (3 << 40, "3.0 TiB"), (2000 << 40, "2000.0 TiB")],
)
def test_bytes_are_written_for_people(size: int, text: str) -> None:
    assert human_bytes(size) == text
