"""Which partitions a table gets when it is given another shape, and in which portions its rows are copied."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from include.partitioning import reshape
from include.partitioning.bounds import BEGINNING, END, Bounds, KeyType
from include.partitioning.errors import ReshapeRefusedError
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.reshape import Extent, Move, portions, wanted_partitions, why_done

NOW = datetime(2025, 10, 15, tzinfo=UTC)


def utc(text: str) -> datetime:
    """An instant, from its ISO text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bounds(lower: str, upper: str) -> Bounds:
    """From ISO texts."""
    return Bounds(utc(lower), utc(upper))


def policy(**values: Any) -> PartitionPolicy:
    """Of months, or `values`."""
    return PartitionPolicy(**{"table": "core.s", "partition_key": "at", "premake": 2, **values})


def table(*partitions: Bounds) -> PartitionedTable:
    """With these partitions; an ordinary one has none."""
    made = tuple(Partition(TableName("core", f"s_{number}"), number, each) for number, each in enumerate(partitions, start=11))
    return PartitionedTable(TableName("core", "s"), 10, "at", KeyType.TIMESTAMPTZ, "owner", Cluster(1, 2), 180000, made)


def names(extent: Extent, *partitions: Bounds, **values: Any) -> list[str]:
    """Of the partitions that are made."""
    return [each.name.name for each in wanted_partitions(policy(**values), table(*partitions), extent, NOW, NOW)]


def test_partitions_reach_from_the_oldest_row_to_the_upcoming_ones() -> None:
    found = names(Extent(10, utc("2025-08-20"), utc("2025-10-14")))
    assert found == ["s_p202508", "s_p202509", "s_p202510", "s_p202511", "s_p202512"]


def test_an_empty_table_gets_the_present_partition_and_the_upcoming_ones() -> None:
    assert names(Extent(0, None, None)) == ["s_p202510", "s_p202511", "s_p202512"]


def test_what_old_partitions_could_hold_the_new_ones_can_hold() -> None:
    found = names(Extent(1, utc("2025-10-01"), utc("2025-10-01")), bounds("2025-06-01", "2025-07-01"), bounds("2026-01-01", "2026-02-01"))
    assert (found[0], found[-1]) == ("s_p202506", "s_p202601")


def test_open_ends_of_old_partitions_ask_for_nothing() -> None:
    found = names(Extent(1, utc("2025-10-01"), utc("2025-10-01")), Bounds(BEGINNING, utc("2025-07-01")), Bounds(utc("2025-07-01"), END))
    assert (found[0], found[-1]) == ("s_p202507", "s_p202512")


@pytest.mark.parametrize(
    ("extent", "said"),
    [
        (
            Extent(1, utc("2025-10-01"), utc("2026-01-01")),
            "the newest row is of 2026-01-01 00:00, and partitions are made up to 2026-01-01",
        ),
        (Extent(2, utc("2025-10-01"), utc("2025-10-02"), infinite=1), "1 rows have a at of infinity"),
        (Extent(1, utc("0900-01-01"), utc("0900-01-01")), "more than 1,000 partitions: its oldest row is of 900-01-01"),
    ],
)
def test_rows_that_would_have_no_partition_are_refused(extent: Extent, said: str) -> None:
    with pytest.raises(ReshapeRefusedError) as refused:
        names(extent)
    assert said in str(refused.value).replace("0900", "900")


MONTHS = tuple(Bounds(datetime(2025, month, 1, tzinfo=UTC), datetime(2025, month + 1, 1, tzinfo=UTC)) for month in range(1, 12))
YEAR = Extent(10_000_000, utc("2025-01-01"), utc("2025-11-30"))


@pytest.mark.parametrize("key_type", list(KeyType))
@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("rows", [10, 150_000, 10_000_000, 10_000_000_000])
def test_portions_lie_side_by_side_and_leave_nothing_out(key_type: KeyType, indexed: bool, rows: int) -> None:
    found = portions(MONTHS, Extent(rows, YEAR.lowest, YEAR.highest), key_type, key_is_indexed=indexed)
    assert (found[0].lower, found[-1].upper) == (None, None)
    assert all(one.upper == other.lower is not None for one, other in pairwise(found))
    assert all(str(each.lower) < str(each.upper) for each in found[1:-1])
    assert [each.number for each in found] == list(range(1, len(found) + 1))


def test_a_portion_is_a_partition_or_a_part_of_one_where_an_index_finds_it() -> None:
    assert len(portions(MONTHS, YEAR, KeyType.TIMESTAMPTZ, key_is_indexed=True)) == 11
    many = portions(MONTHS, Extent(100_000_000, YEAR.lowest, YEAR.highest), KeyType.TIMESTAMPTZ, key_is_indexed=True)
    assert len(many) == 55
    assert {utc(str(each.lower)[:10]) for each in many[1:]} >= {each.lower for each in MONTHS[1:]}


def test_without_an_index_the_table_is_read_eight_times_at_most() -> None:
    found = portions(MONTHS, Extent(10**10, YEAR.lowest, YEAR.highest), KeyType.TIMESTAMPTZ, key_is_indexed=False)
    assert len(found) == 6
    days = [Bounds(utc("2025-01-01") + timedelta(day), utc("2025-01-01") + timedelta(day + 1)) for day in range(200)]
    assert len(portions(days, YEAR, KeyType.TIMESTAMPTZ, key_is_indexed=False)) <= reshape.MOST_READINGS


def test_upcoming_partitions_are_no_portions() -> None:
    found = portions(MONTHS, Extent(YEAR.rows, YEAR.lowest, utc("2025-03-05")), KeyType.TIMESTAMPTZ, key_is_indexed=True)
    assert str(found[-1].lower) >= "2025-03-01"
    assert all(str(each.lower) < "2025-04" for each in found[1:])


def test_what_has_its_shape_already_is_left_alone() -> None:
    months, mixed = table(*MONTHS), table(*MONTHS, bounds("2026-01-01", "2026-04-01"))
    assert "is partitioned already" in (why_done(Move.ADOPT, policy(), table(), is_partitioned=True) or "")
    assert "is an ordinary table already" in (why_done(Move.UNDO, policy(), table(), is_partitioned=False) or "")
    assert "are of one month already" in (why_done(Move.REGRAIN, policy(), months, is_partitioned=True) or "")
    assert why_done(Move.REGRAIN, policy(), mixed, is_partitioned=True) is None
    assert why_done(Move.REGRAIN, policy(interval="quarter"), months, is_partitioned=True) is None
    with pytest.raises(ReshapeRefusedError, match="adopt it"):
        why_done(Move.REGRAIN, policy(), table(), is_partitioned=False)
