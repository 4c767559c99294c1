"""The question to a person: complete, in the policy's zone, short where there is much, and harmless whatever names are."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from include.partitioning.approval import intentions
from include.partitioning.approval_text import MOST_LINES, Measured, Question, body_of, escaped, subject_of
from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.expiry import Horizon
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, Partition, PartitionedTable
from include.partitioning.plan import Expire, Plan
from include.partitioning.policy import PartitionPolicy

NOW = datetime(2026, 10, 15, tzinfo=UTC)
STEPS = ("archive", "detach", "drop")
BERLIN_JANUARY = Bounds(datetime(2023, 12, 31, 23, tzinfo=UTC), datetime(2024, 1, 31, 23, tzinfo=UTC))


def expire(number: int = 1, name: str = "", **values: Any) -> Expire:
    return Expire(TableName("core", name or f"s_p{number}"), number, BERLIN_JANUARY, "past retention", STEPS, **values)


def question(*expires: Expire, key_type: KeyType = KeyType.TIMESTAMPTZ, findings: tuple[str, ...] = (), **values: Any) -> Question:
    base: dict[str, Any] = {
        "table": "core.s",
        "partition_key": "at",
        "retention": "1 year",
        "timezone": "Europe/Berlin",
        "archive": {"path": "s3://bucket"},
        "approval": {"rows": 500},
    }
    policy = PartitionPolicy(**{**base, **values})
    partitions = tuple(Partition(each.name, each.oid, each.bounds) for each in expires)
    table = PartitionedTable(TableName("core", "s"), 10, "at", key_type, "owner", Cluster(1, 2), 180000, partitions)
    plan = Plan(table.name, NOW, Horizon.of(policy, key_type, NOW, NOW), (), expires, findings)
    wanted = intentions(policy, table, plan)
    measured = Measured({each.oid: 1000 for each in expires}, {each.oid: 1 << 20 for each in expires})
    return Question(policy, table, plan, wanted, measured)


def table_of(text: str) -> list[list[str]]:
    """The cells of its lines, cut as Markdown cuts them."""
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_the_question_has_every_partition_with_bounds_in_the_policy_s_zone_what_why_rows_size_and_archive() -> None:
    asked = question(expire(), findings=("something to know",))
    said = body_of(asked)
    assert table_of(said)[2] == [
        "core.s_p1", "2024-01-01", "2024-02-01", "archive, detach, drop", "older than 12 months", "1,000", "1.0 MiB", "s3://bucket"
    ]  # fmt: skip
    assert "**1 of 1 partitions of core.s** would go: about 1,000 rows, 1.0 MiB. Asked because about 1,000 rows are more than 500." in said
    assert "- something to know" in said
    assert "no answer within 24 h: nothing is detached or dropped, and the run ends as failed" in said
    assert f"`{asked.digest}`" in said
    assert subject_of(asked) == "core.s: expire 1 partition?"


def test_bounds_of_a_key_without_a_zone_are_its_wall_clock() -> None:
    assert table_of(body_of(question(expire(), key_type=KeyType.TIMESTAMP)))[2][1:3] == ["2023-12-31 23:00", "2024-01-31 23:00"]


def test_without_an_archive_the_question_says_so_in_every_line() -> None:
    said = body_of(question(expire(), archive=None, destroy_without_archive=True))
    assert table_of(said)[2][-1] == "**none**"
    assert "Rows that are written until then go with the rest" in said


def test_what_only_waits_is_shown_and_not_counted() -> None:
    asked = question(expire(1), expire(2, waits=True))
    assert table_of(body_of(asked))[3][3:5] == ["nothing yet", "past retention"]
    assert "**1 of 2 partitions" in body_of(asked)
    assert "about 1,000 rows, 1.0 MiB" in body_of(asked)


def test_rows_that_are_unknown_are_not_said_to_be_none() -> None:
    asked = question(expire(1), expire(2))
    said = body_of(replace(asked, measured=Measured({1: 1000, 2: None}, {})))
    assert "an unknown number of rows, 0 bytes" in said
    assert [line[5] for line in table_of(said)[2:]] == ["1,000", "unknown"]


def test_a_thousand_partitions_are_fifty_lines_and_a_sum() -> None:
    findings = tuple(f"finding {number}" for number in range(1000))
    said = body_of(question(*(expire(number) for number in range(1000)), findings=findings))
    lines = table_of(said)
    assert len(lines) == 2 + MOST_LINES + 1
    assert lines[-1][0] == "and 950 more"
    assert lines[-1][5:7] == ["950,000", "950.0 MiB"]
    assert "**1000 of 1,000 partitions of core.s** would go: about 1,000,000 rows, 1000.0 MiB" in said
    assert "- and 950 more, in the log of the plan" in said
    assert len(said) < 12_000


def test_names_are_shown_and_never_obeyed() -> None:
    name = "a|b`c`<script>x</script>[y](z)*#\n\N{RIGHT-TO-LEFT OVERRIDE}{{ 7 }}"
    said = body_of(question(expire(1, name), findings=(f"about {name}",)))
    (line,) = table_of(said)[2:]
    assert len(line) == 8
    shown = '\\"a\\|b\\`c\\`\\<script\\>x\\</script\\>\\[y\\](z)\\*\\#\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\\{\\{ 7 \\}\\}\\"'
    assert line[0] == f"core.{shown}"
    assert len([each for each in said.splitlines() if "script" in each]) == 2


def test_what_is_harmless_stays_readable() -> None:
    assert escaped("core.s_p202401 [2024-01-01, 2024-02-01): 5 %") == "core.s_p202401 \\[2024-01-01, 2024-02-01): 5 %"
