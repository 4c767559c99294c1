"""The conditions under which an attached partition is destroyed, one by one. All else in each case says: expired."""

from datetime import UTC, datetime
from typing import Any

import pytest

from include.partitioning.bounds import BEGINNING, END, Bounds, KeyType
from include.partitioning.expiry import Horizon, why_kept
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, Kind, Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy

NOW = datetime(2025, 10, 15, tzinfo=UTC)


def utc(text: str) -> datetime:
    """An instant, from its ISO text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def policy(**values: Any) -> PartitionPolicy:
    """A policy that keeps a year, or `values`."""
    base = {"table": "core.s", "partition_key": "at", "retention": "1 year", "archive": {"path": "s3://bucket"}}
    return PartitionPolicy(**{**base, **values})


def part(lower: str, upper: str, **values: Any) -> Partition:
    """An ordinary partition with these bounds."""
    return Partition(TableName("core", f"s_{lower}"), 11, Bounds(utc(lower), utc(upper)), **values)


def kept(
    partition: Partition, *others: Partition, now: datetime = NOW, key_type: KeyType = KeyType.TIMESTAMPTZ, **values: Any
) -> str | None:
    """Why the partition stays, in a table that also holds `others` and one newer partition."""
    found = policy(**values)
    partitions = (partition, *others, part("2025-10-01", "2025-11-01"))
    table = PartitionedTable(TableName("core", "s"), 10, "at", key_type, "owner", Cluster(1, 2), 180000, partitions)
    return why_kept(found, table, partition, Horizon.of(found, key_type, now, now))


def test_a_partition_past_retention_may_go() -> None:
    assert kept(part("2024-09-01", "2024-10-01")) is None


def test_a_partition_that_reaches_over_the_cutoff_stays() -> None:
    assert "keeps what is newer than 2024-10-15" in (kept(part("2024-10-01", "2024-11-01")) or "")


@pytest.mark.parametrize(("now", "stays"), [("2025-10-01T00:00:00", False), ("2025-09-30T23:59:59.999999", True)])
def test_an_upper_bound_exactly_at_the_cutoff_is_past(now: str, stays: bool) -> None:
    assert (kept(part("2024-09-01", "2024-10-01"), now=utc(now)) is not None) is stays


def test_without_a_retention_everything_stays() -> None:
    assert kept(part("1970-01-01", "1970-02-01"), retention=None) == "the policy has no retention"


def test_a_held_partition_stays_and_says_until_when_and_why() -> None:
    partition = part("2024-09-01", "2024-10-01", held='until 2026-01-01: "lawsuit"')
    assert kept(partition) == 'it is held until 2026-01-01: "lawsuit"'


@pytest.mark.parametrize("held", ["until further notice", ""])
def test_a_hold_keeps_whatever_else_would_have_let_it_go(held: str) -> None:
    assert kept(part("2024-08-15", "2024-09-01", ours=True, held=held)) == f"it is held {held}"


def test_a_hold_on_another_partition_keeps_only_that_one() -> None:
    assert kept(part("2024-08-01", "2024-09-01"), part("2024-09-01", "2024-10-01", held="for ever")) is None


def test_the_default_partition_stays() -> None:
    assert kept(Partition(TableName("core", "s_default"), 12, None)) == "it is the DEFAULT partition"


def test_a_foreign_table_stays() -> None:
    assert "foreign table" in (kept(part("2024-09-01", "2024-10-01", kind=Kind.FOREIGN)) or "")


def test_a_partition_that_is_partitioned_itself_stays() -> None:
    assert "partitioned itself" in (kept(part("2024-09-01", "2024-10-01", kind=Kind.PARTITIONED)) or "")


@pytest.mark.parametrize(
    ("lower", "upper"), [("2024-08-15", "2024-09-01"), ("2024-08-01", "2024-08-15"), ("2024-08-01T00:00:01", "2024-09-01")]
)
def test_a_misaligned_range_that_is_not_ours_stays(lower: str, upper: str) -> None:
    assert "its bounds are not those of a month in UTC" in (kept(part(lower, upper)) or "")


@pytest.mark.parametrize(("lower", "upper"), [("2024-09-01", "2024-09-02"), ("2024-09-02", "2024-09-09"), ("2024-08-01", "2024-09-01")])
def test_a_whole_period_of_another_interval_may_go_whoever_made_it(lower: str, upper: str) -> None:
    assert kept(part(lower, upper), interval="quarter") is None


def test_a_clipped_range_that_we_made_ourselves_may_go() -> None:
    assert kept(part("2024-08-15", "2024-09-01", ours=True)) is None


def test_a_wider_range_that_begins_and_ends_with_months_may_go() -> None:
    assert kept(part("2023-01-01", "2024-01-01")) is None


def test_a_range_with_an_open_beginning_stays() -> None:
    partition = Partition(TableName("core", "s_old"), 11, Bounds(BEGINNING, utc("2024-01-01")))
    assert "its range is open" in (kept(partition) or "")


def test_a_range_with_an_open_beginning_stays_also_if_it_was_once_made_by_us() -> None:
    # Detached and attached again with other bounds it keeps its OID, by which the ledger knows it.
    partition = Partition(TableName("core", "s_old"), 11, Bounds(BEGINNING, utc("2024-01-01")), ours=True)
    assert "its range is open" in (kept(partition) or "")


def test_the_newest_partition_stays_even_if_it_is_past() -> None:
    found = policy()
    only = part("2020-01-01", "2020-02-01")
    older = part("2019-12-01", "2020-01-01")
    default = Partition(TableName("core", "s_default"), 12, None)
    table = PartitionedTable(TableName("core", "s"), 10, "at", KeyType.TIMESTAMPTZ, "owner", Cluster(1, 2), 180000, (older, only, default))
    horizon = Horizon.of(found, KeyType.TIMESTAMPTZ, NOW, NOW)
    assert why_kept(found, table, only, horizon) == "it is the newest partition of the table"
    assert why_kept(found, table, older, horizon) is None


def test_an_open_range_ahead_does_not_make_an_old_partition_the_newest() -> None:
    ahead = Partition(TableName("core", "s_ahead"), 13, Bounds(utc("2025-11-01"), END))
    assert kept(part("2024-09-01", "2024-10-01"), ahead) is None


@pytest.mark.parametrize("upper", ["9999-12-31", "9999-12-15"])
def test_a_partition_to_the_end_of_time_stays_and_does_not_crash(upper: str) -> None:
    # 9999-12-31 is what people write for infinity.
    assert "it reaches to 9999-12" in (kept(part("2025-11-01", upper)) or "")


@pytest.mark.parametrize(("zone", "stays"), [("Europe/Berlin", False), ("UTC", True)])
def test_alignment_is_that_of_the_policys_zone(zone: str, stays: bool) -> None:
    assert (kept(part("2024-07-31T22:00", "2024-08-31T22:00"), timezone=zone) is not None) is stays


def test_the_cutoff_is_counted_by_the_calendar_of_the_policys_zone() -> None:
    horizon = Horizon.of(policy(timezone="Europe/Berlin"), KeyType.TIMESTAMPTZ, utc("2026-03-31T22:00"), utc("2026-03-31T22:00"))
    assert horizon.cutoff == utc("2025-03-31T22:00")


@pytest.mark.parametrize("key_type", [KeyType.DATE, KeyType.TIMESTAMP])
def test_the_cutoff_of_a_zoneless_key_is_a_wall_clock_time(key_type: KeyType) -> None:
    moment = utc("2025-09-30T22:30")  # 2025-10-01 00:30 in Berlin
    horizon = Horizon.of(policy(timezone="Europe/Berlin"), key_type, moment, moment)
    assert horizon.cutoff == utc("2024-10-01T00:30")
    assert horizon.moment == utc("2025-10-01T00:30")


def test_destruction_looks_at_the_earlier_of_reference_date_and_database_now() -> None:
    past, future = utc("2024-01-01"), utc("2205-01-01")
    assert Horizon.of(policy(), KeyType.TIMESTAMPTZ, future, NOW).cutoff == utc("2024-10-15")
    assert Horizon.of(policy(), KeyType.TIMESTAMPTZ, past, NOW).cutoff == utc("2023-01-01")
    assert Horizon.of(policy(), KeyType.TIMESTAMPTZ, NOW, past).cutoff == utc("2023-01-01")
