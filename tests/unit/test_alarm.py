"""What is an alarm, and what is not yet one. The table has months, `premake` 3, and a run on the first of each month."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from include.partitioning.alarm import Alarm, History, Seen, Severity, alarms_of
from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, DetachedPartition, Kind, Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = utc("2026-11-22")
MONTHS = ["2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01", "2027-03-01"]
OLD, OLDER = ("2024-10-01", "2024-11-01"), ("2024-08-01", "2024-09-01")
PRESENT = list(pairwise(MONTHS))
HAS_RUN = History(utc("2026-11-01T00:05"), ())


def part(lower: str, upper: str, **values: Any) -> Partition:
    return Partition(TableName("core", f"s_p{lower[:7].replace('-', '')}"), 11, Bounds(utc(lower), utc(upper)), **values)


DEFAULT = Partition(TableName("core", "s_default"), 12, None)


def policy(**values: Any) -> PartitionPolicy:
    base = {"table": "core.s", "partition_key": "at", "retention": "2 years", "archive": {"path": "s3://bucket"}}
    return PartitionPolicy(**{**base, **values})


def seen(*partitions: Partition, now: datetime = NOW, history: History | None = HAS_RUN, **values: Any) -> Seen:
    table = PartitionedTable(TableName("core", "s"), 10, "at", KeyType.TIMESTAMPTZ, "owner", Cluster(1, 2), 180000, partitions)
    return Seen(table, now, history, **values)


def months(count: int) -> list[Partition]:
    """The present month, with so many upcoming ones, and the month before."""
    return [part(*each) for each in PRESENT[: count + 2]]


def only(alarms: list[Alarm]) -> Alarm:
    (alarm,) = alarms
    return alarm


def test_a_table_that_is_looked_after_gives_no_alarm() -> None:
    assert alarms_of(policy(), seen(*months(3))) == []


def test_one_upcoming_partition_too_few_is_a_warning_that_says_until_when_rows_find_one() -> None:
    alarm = only(alarms_of(policy(), seen(*months(2))))
    assert alarm.severity is Severity.WARNING
    assert "2 of 3 upcoming partitions are there, one per month; from 2027-02-01 00:00 on INSERTs fail" in alarm.wrong
    assert 'the DAG "partition_lifecycle.core.s"' in alarm.wrong
    assert str(alarm).startswith("WARNING core.s: 2 of 3 ")


def test_without_an_upcoming_partition_it_is_critical() -> None:
    alarm = only(alarms_of(policy(), seen(*months(0))))
    assert (alarm.severity, alarm.wrong[:6]) == (Severity.CRITICAL, "0 of 3")


@pytest.mark.parametrize(("partitions", "fate"), [([], "INSERTs fail"), ([DEFAULT], "rows go to DEFAULT")])
def test_without_one_for_now_it_is_critical_whatever_comes_later(partitions: list[Partition], fate: str) -> None:
    alarm = only(alarms_of(policy(), seen(*months(3)[2:], *partitions)))
    assert alarm.severity is Severity.CRITICAL
    assert f"no partition takes the rows of [2026-11-01, 2026-12-01), which is now: {fate}" in alarm.wrong


def test_a_table_without_any_partition_is_critical() -> None:
    assert only(alarms_of(policy(), seen())).severity is Severity.CRITICAL


def test_a_gap_between_upcoming_partitions_ends_the_runway() -> None:
    partitions = months(3)
    del partitions[3]
    assert "1 of 3 upcoming" in only(alarms_of(policy(), seen(*partitions))).wrong


def test_a_month_without_a_partition_is_critical_now_even_if_no_run_was_due_that_should_have_made_it() -> None:
    yearly = policy(schedule="@yearly", premake=1, retention=None)
    until_may = [part("2026-01-01", "2026-05-01")]
    found = alarms_of(yearly, seen(*until_may, now=utc("2026-06-02"), history=History(utc("2026-01-01T00:05"), ())))
    assert "no partition takes the rows of [2026-06-01, 2026-07-01), which is now" in only(found).wrong


def test_half_of_the_present_month_is_not_enough() -> None:
    half = part("2026-11-01", "2026-11-15")
    assert "the rows of [2026-11-15, 2026-12-01)" in only(alarms_of(policy(), seen(half, *months(3)[2:]))).wrong


def test_a_partition_whose_detach_is_pending_takes_no_rows() -> None:
    partitions = [replace(each, detach_pending=each.bounds == Bounds(utc("2027-02-01"), utc("2027-03-01"))) for each in months(3)]
    found = alarms_of(policy(), seen(*partitions))
    assert ["2 of 3" in found[0].wrong, "is pending" in found[1].wrong] == [True, True]


def test_partitions_that_the_next_run_will_make_are_not_missed_before_it() -> None:
    """A week of days, made by a run each Sunday, is down to one day on the Saturday after."""
    weekly = policy(interval="day", premake=7, schedule="@weekly", retention=None)
    ready = [part(f"2026-11-{day:02}", f"2026-11-{day + 1:02}") for day in range(15, 23)]
    history = History(utc("2026-11-15T00:05"), ())
    assert alarms_of(weekly, seen(*ready, now=utc("2026-11-21T23:00"), history=history)) == []
    assert "0 of 7" in only(alarms_of(weekly, seen(*ready, now=utc("2026-11-22T02:00"), history=history))).wrong


def test_a_run_has_an_hour_before_its_work_is_missed_or_as_long_as_its_deadline() -> None:
    now = utc("2026-12-01T00:59")
    assert alarms_of(policy(), seen(*months(3), now=now)) == []
    assert "2 of 3" in only(alarms_of(policy(), seen(*months(3), now=now + timedelta(minutes=2)))).wrong
    assert alarms_of(policy(deadline="6 h"), seen(*months(3), now=utc("2026-12-01T05:59"))) == []


def test_a_run_that_may_wait_for_a_person_is_missed_an_hour_after_that_and_what_it_creates_at_once() -> None:
    asking = policy(approval="required", approval_timeout="5 h")
    stale = History(utc("2026-10-01T00:05"), ())
    waiting = [*months(3), part("2027-03-01", "2027-04-01")]
    assert alarms_of(asking, seen(*waiting, now=utc("2026-12-01T05:59"), history=stale)) == []
    assert "no run has succeeded" in only(alarms_of(asking, seen(*waiting, now=utc("2026-12-01T06:01"), history=stale))).wrong
    assert "2 of 3" in only(alarms_of(asking, seen(*months(3), now=utc("2026-12-01T01:01")))).wrong


def test_without_a_schedule_the_runway_is_counted_from_now_and_no_run_is_missed() -> None:
    by_hand = policy(schedule=None)
    assert alarms_of(by_hand, seen(part(*OLD), *months(3), history=History(None, ()))) == []
    assert "2 of 3" in only(alarms_of(by_hand, seen(*months(2), history=History(None, ())))).wrong


@pytest.mark.parametrize(("last", "alarms"), [("2026-10-01T00:00", 0), ("2026-09-30T23:59", 1), (None, 1)])
def test_two_runs_that_have_not_succeeded_are_an_alarm_and_one_is_not(last: str | None, alarms: int) -> None:
    found = alarms_of(policy(), seen(*months(3), history=History(utc(last) if last else None, ())))
    assert len(found) == alarms
    for alarm in found:
        assert alarm.wrong.startswith("no run has succeeded since 2026-10-01 00:00 UTC, and two were due; ")


def test_where_the_ledger_cannot_be_read_no_run_is_missed_and_no_hold_is_overlooked() -> None:
    found = alarms_of(policy(), seen(part(*OLDER), *months(3), history=None, unread=("the ledger is not for us",)))
    assert only(found).wrong == "the ledger is not for us"


def test_a_partition_is_late_when_two_runs_have_left_it_and_not_before() -> None:
    assert alarms_of(policy(), seen(part(*OLD), *months(3))) == []  # past since 1 November, and one run was due since
    alarm = only(alarms_of(policy(), seen(part(*OLDER), part("2024-09-01", "2024-10-01"), *months(3))))
    assert (
        '2 partitions are past retention since 2026-10-01 00:00 UTC or longer, and still attached, the oldest "core.s_p202408"'
        in alarm.wrong
    )


@pytest.mark.parametrize("kept", [{"held": "until the hold is lifted"}, {"kind": Kind.FOREIGN}])
def test_what_something_keeps_is_not_late(kept: dict[str, Any]) -> None:
    assert alarms_of(policy(), seen(part(*OLDER, **kept), *months(3))) == []
    assert alarms_of(policy(retention=None), seen(part(*OLDER), *months(3))) == []


def gone(drop_after: str, **values: Any) -> DetachedPartition:
    name = TableName("core", "s_gone")
    known = DetachedPartition(
        name, 13, TableName("core", "s"), 10, Bounds(utc(OLDER[0]), utc(OLDER[1])), "", utc("2026-08-01"), utc(drop_after), name, False
    )
    return replace(known, **values)


@pytest.mark.parametrize(
    ("detached", "alarms"),
    [
        (gone("2026-09-30"), 1), (gone("2026-10-02"), 0), (gone("2026-09-30", held="by a hold"), 0), (gone("2026-09-30", found_as=None), 0),
        (replace(gone("2026-09-30"), drop_after=None), 0), (gone("2026-09-30", attached=True), 0),
    ],
)  # fmt: skip
def test_a_detached_partition_that_two_runs_should_have_dropped_is_late(detached: DetachedPartition, alarms: int) -> None:
    history = History(utc("2026-11-01T00:05"), (detached,))
    found = alarms_of(policy(), seen(*months(3), history=history))
    assert len(found) == alarms
    assert all("1 partition is detached, to be dropped since 2026-10-01" in each.wrong for each in found)
    assert alarms_of(policy(on_expiry="detach"), seen(*months(3), history=history)) == []


def test_rows_in_default_are_a_warning_and_the_worst_comes_first() -> None:
    found = alarms_of(policy(), seen(*months(0), DEFAULT, default_has_rows=True))
    assert [alarm.severity for alarm in found] == [Severity.CRITICAL, Severity.WARNING]
    assert '"core.s_default", the DEFAULT partition, has rows that belong elsewhere' in found[1].wrong


def test_an_alarm_is_one_line() -> None:
    assert str(Alarm(Severity.CRITICAL, "core.s", "two\n lines")) == "CRITICAL core.s: two lines"
