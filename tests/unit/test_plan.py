"""Desired minus existing, and expired minus protected, on a table of a few partitions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from include.partitioning.bounds import BEGINNING, END, Bounds, KeyType
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, DetachedPartition, Kind, Partition, PartitionedTable
from include.partitioning.plan import Create, Plan, make_plan
from include.partitioning.policy import PartitionPolicy

NOW = datetime(2025, 10, 15, tzinfo=UTC)


def utc(text: str) -> datetime:
    """An instant, from its ISO text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(lower: str, upper: str) -> Bounds:
    """The range between two instants."""
    return Bounds(utc(lower), utc(upper))


def policy(**values: Any) -> PartitionPolicy:
    """A monthly policy that creates one partition ahead and keeps all, or `values`."""
    return PartitionPolicy(**{"table": "core.s", "partition_key": "at", "premake": 1, **values})


def expiring(**values: Any) -> PartitionPolicy:
    """A monthly policy that archives and drops after a year, or `values`."""
    return policy(**{"retention": "1 year", "archive": {"path": "s3://bucket"}, **values})


def part(lower: str, upper: str, name: str = "", oid: int = 0, **values: Any) -> Partition:
    """A partition; unless named it is called by its bounds."""
    return Partition(TableName("core", name or f"x_{lower}"), oid or int(lower[:4] + lower[5:7]), span(lower, upper), **values)


def month(year: int, number: int, **values: Any) -> Partition:
    """The partition of a whole month, with the name we give."""
    lower = datetime(year, number, 1, tzinfo=UTC)
    upper = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return Partition(TableName("core", f"s_p{year}{number:02}"), year * 100 + number, Bounds(lower, upper), **values)


def gone(name: str, lower: str, upper: str, **values: Any) -> DetachedPartition:
    """A partition that we detached and that waits for its drop since 1 October, or `values`."""
    base: dict[str, Any] = {
        "name": TableName("core", name),
        "oid": 7,
        "parent": TableName("core", "s"),
        "parent_oid": 10,
        "bounds": span(lower, upper),
        "columns_digest": "d",
        "detached_at": utc("2025-09-24"),
        "drop_after": utc("2025-10-01"),
        "found_as": TableName("core", name),
        "attached": False,
    }
    return DetachedPartition(**{**base, **values})


def plan(
    found: PartitionPolicy,
    *partitions: Partition,
    detached: tuple[DetachedPartition, ...] = (),
    taken: dict[str, str] | None = None,
    reference: datetime = NOW,
    now: datetime = NOW,
    key_type: KeyType = KeyType.TIMESTAMPTZ,
) -> Plan:
    """The plan for a table `core.s` with these partitions."""
    table = PartitionedTable(TableName("core", "s"), 10, "at", key_type, "owner", Cluster(1, 2), 180000, partitions)
    return make_plan(found, table, detached, taken or {}, reference=reference, database_now=now)


def created(found: Plan) -> dict[str, str]:
    """Names and bounds of what is to be created."""
    return {create.name.name: str(create.bounds) for create in found.creates}


def expired(found: Plan) -> dict[str, tuple[str, ...]]:
    """Names and steps of what is to be expired."""
    return {expire.name.name: expire.steps for expire in found.expires}


def finding(found: Plan, *words: str) -> bool:
    """Whether some finding has all these words."""
    return any(all(word in each for word in words) for each in found.findings)


# creation


def test_an_empty_table_gets_the_partition_of_the_reference_date_and_those_after_it() -> None:
    found = plan(policy(premake=3))
    assert list(created(found)) == ["s_p202510", "s_p202511", "s_p202512", "s_p202601"]
    assert [create.reason for create in found.creates] == ["holds the reference date", "upcoming", "upcoming", "upcoming"]
    assert found.creates[0] == Create(TableName("core", "s_p202510"), span("2025-10-01", "2025-11-01"), "holds the reference date")
    assert found.expires == ()
    assert found.findings == ()


@pytest.mark.parametrize(
    ("interval", "names"),
    [
        ("hour", ["s_p2025101500", "s_p2025101501"]),
        ("day", ["s_p20251015", "s_p20251016"]),
        ("week", ["s_p2025w42", "s_p2025w43"]),
        ("month", ["s_p202510", "s_p202511"]),
        ("quarter", ["s_p2025q4", "s_p2026q1"]),
        ("year", ["s_p2025", "s_p2026"]),
    ],
)
def test_each_interval_names_its_partitions_in_its_way(interval: str, names: list[str]) -> None:
    assert list(created(plan(policy(interval=interval)))) == names


def test_partitions_of_a_timestamptz_begin_at_the_zones_midnight_and_those_of_a_timestamp_at_their_own() -> None:
    berlin = policy(timezone="Europe/Berlin")
    late = utc("2025-10-31T23:30")  # November in Berlin already
    assert created(plan(berlin, reference=late, now=late)) == {
        "s_p202511": "[2025-10-31 23:00:00, 2025-11-30 23:00:00)",
        "s_p202512": "[2025-11-30 23:00:00, 2025-12-31 23:00:00)",
    }
    assert created(plan(berlin, reference=late, now=late, key_type=KeyType.TIMESTAMP)) == {
        "s_p202511": "[2025-11-01, 2025-12-01)",
        "s_p202512": "[2025-12-01, 2026-01-01)",
    }


def test_nothing_is_created_where_everything_exists() -> None:
    assert plan(policy(), month(2025, 10), month(2025, 11)).creates == ()


def test_a_partition_with_another_name_counts_for_what_it_covers() -> None:
    assert plan(policy(), part("2025-10-01", "2025-11-01", "october"), part("2025-11-01", "2025-12-01", "s_p209901")).creates == ()


def test_a_wider_partition_counts_for_all_that_it_covers() -> None:
    assert created(plan(policy(premake=3), part("2025-01-01", "2026-01-01"))) == {"s_p202601": "[2026-01-01, 2026-02-01)"}


def test_an_open_partition_ahead_leaves_nothing_to_create_behind_its_beginning() -> None:
    ahead = Partition(TableName("core", "s_max"), 9, Bounds(utc("2025-11-01"), END))
    assert created(plan(policy(premake=6), ahead)) == {"s_p202510": "[2025-10-01, 2025-11-01)"}


def test_a_gap_between_existing_partitions_is_closed() -> None:
    found = plan(policy(), month(2025, 6), month(2025, 9), month(2025, 10), month(2025, 11))
    assert created(found) == {"s_p202507": "[2025-07-01, 2025-08-01)", "s_p202508": "[2025-08-01, 2025-09-01)"}
    assert {create.reason for create in found.creates} == {"closes a gap"}


def test_a_gap_behind_an_open_beginning_is_closed() -> None:
    old = Partition(TableName("core", "s_old"), 9, Bounds(BEGINNING, utc("2025-08-01")))
    assert created(plan(policy(), old, month(2025, 10), month(2025, 11))) == {
        "s_p202508": "[2025-08-01, 2025-09-01)",
        "s_p202509": "[2025-09-01, 2025-10-01)",
    }


def test_a_gap_past_retention_stays_a_gap() -> None:
    found = plan(expiring(), month(2023, 1), *(month(2025, number) for number in range(1, 12)))
    assert list(created(found)) == ["s_p202410", "s_p202411", "s_p202412"]


def test_nothing_is_created_that_is_past_retention_already() -> None:
    # A partition by hand covers the rest of the month of the cutoff. What is free before it would be created, archived and dropped by turns.
    found = plan(
        expiring(), part("2024-10-10", "2024-11-01"), month(2024, 11), month(2024, 12), *(month(2025, number) for number in range(1, 12))
    )
    assert [create for create in found.creates if found.horizon.is_past(create.bounds)] == []


def test_a_range_that_is_covered_in_part_is_clipped_to_its_neighbours_and_reported() -> None:
    found = plan(policy(), part("2025-09-15", "2025-10-10", "left"), part("2025-10-20", "2025-12-01", "right"), taken={"left": "a table"})
    assert created(found)["s_p202510"] == "[2025-10-10, 2025-10-20)"
    assert finding(
        found, "[2025-10-01, 2025-11-01) is covered in part", '"core.left"', '"core.right"', "clipped to [2025-10-10, 2025-10-20)"
    )


def test_a_range_with_a_partition_in_its_middle_becomes_two_that_say_where_they_begin() -> None:
    found = plan(policy(), part("2025-10-10", "2025-10-20T12:00"), month(2025, 11))
    assert created(found) == {
        "s_p202510_from_20251001": "[2025-10-01, 2025-10-10)",
        "s_p202510_from_20251020_120000": "[2025-10-20 12:00:00, 2025-11-01)",
    }


def test_a_clipped_partition_whose_plain_name_is_taken_says_where_it_begins() -> None:
    clipped = part("2025-10-01", "2025-10-10", "s_p202510")
    found = plan(policy(), clipped, month(2025, 11), taken={"s_p202510": "a partition"})
    assert created(found) == {"s_p202510_from_20251010": "[2025-10-10, 2025-11-01)"}
    assert found.creates[0].blocked_by is None


def test_two_holes_within_one_second_get_two_names() -> None:
    found = plan(
        policy(interval="hour"),
        part("2025-10-15T00:00:00", "2025-10-15T00:00:00.1", "a"),
        part("2025-10-15T00:00:00.2", "2025-10-15T00:00:00.3", "b"),
    )
    assert len(created(found)) == len(found.creates) == 3


def test_a_name_that_something_else_has_blocks_its_partition_and_says_what_it_is() -> None:
    found = plan(policy(), month(2025, 11), taken={"s_p202510": 'the view "core.s_p202510"'})
    assert [create.blocked_by for create in found.creates] == ['the view "core.s_p202510"']


def test_a_name_that_a_partition_with_other_bounds_has_blocks_the_one_that_is_wanted() -> None:
    found = plan(policy(), part("2025-11-01", "2025-12-01", "s_p202510"), taken={"s_p202510": "a partition with other bounds"})
    assert [(create.name.name, create.blocked_by) for create in found.creates] == [("s_p202510", "a partition with other bounds")]


def test_what_was_detached_and_waits_for_its_drop_is_not_created_again() -> None:
    found = plan(policy(), month(2025, 8), month(2025, 10), month(2025, 11), detached=(gone("s_p202509", "2025-09-01", "2025-10-01"),))
    assert found.creates == ()
    assert finding(found, "[2025-09-01, 2025-10-01) is not created again", '"core.s_p202509"')


@pytest.mark.parametrize("values", [{"found_as": None}, {"attached": True}])
def test_what_was_detached_and_is_gone_or_elsewhere_does_not_keep_its_range(values: dict[str, Any]) -> None:
    found = plan(
        policy(), month(2025, 8), month(2025, 10), month(2025, 11), detached=(gone("s_p202509", "2025-09-01", "2025-10-01", **values),)
    )
    assert list(created(found)) == ["s_p202509"]


@pytest.mark.parametrize(("most", "too_many"), [(4, False), (3, True)])
def test_more_partitions_than_max_creates_per_run_stop_the_creation(most: int, too_many: bool) -> None:
    found = plan(policy(premake=3, max_creates_per_run=most))
    assert (found.too_many_creates is not None) is too_many
    if found.too_many_creates:
        assert '"core.s"' in found.too_many_creates
        assert "max_creates_per_run (3)" in found.too_many_creates


def test_a_reference_date_of_2205_is_stopped_and_destroys_nothing_more_than_today_would() -> None:
    months = [month(2024, number) for number in range(1, 13)] + [month(2025, number) for number in range(1, 12)]
    typo, today = plan(expiring(), *months, reference=utc("2205-10-15")), plan(expiring(), *months)
    assert typo.too_many_creates is not None
    assert typo.expires == today.expires
    assert list(expired(today)) == [f"s_p2024{number:02}" for number in range(1, 10)]


def test_a_run_as_of_the_past_creates_what_was_wanted_then_and_expires_what_was_past_then() -> None:
    months = [month(2022, number) for number in range(1, 13)] + [month(2023, number) for number in range(1, 13)]
    found = plan(expiring(), *months, reference=utc("2023-03-10"))
    assert created(found) == {}
    assert list(expired(found)) == ["s_p202201", "s_p202202"]


def test_a_run_as_of_before_the_first_partition_creates_from_there_on() -> None:
    found = plan(policy(), month(2025, 10), month(2025, 11), reference=utc("2025-08-15"))
    assert list(created(found)) == ["s_p202508", "s_p202509"]


# expiry


def test_a_partition_past_retention_is_archived_detached_and_dropped() -> None:
    found = plan(expiring(), month(2024, 9, rows=5), month(2024, 10), month(2025, 10))
    assert expired(found) == {"s_p202409": ("archive", "detach", "drop")}
    assert (found.expires[0].rows, found.expires[0].oid) == (5, 202409)
    assert "past retention: ends at or before 2024-10-15 00:00" in found.expires[0].reason


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ({"on_expiry": "detach"}, ("archive", "detach")),
        ({"on_expiry": "detach", "archive": None}, ("detach",)),
        ({"archive": None, "destroy_without_archive": True}, ("detach", "drop")),
    ],
)
def test_the_steps_are_those_that_the_policy_asks_for(values: dict[str, Any], steps: tuple[str, ...]) -> None:
    assert expired(plan(expiring(**values), month(2024, 9), month(2025, 10))) == {"s_p202409": steps}


def test_dropping_without_an_archive_is_said_each_time() -> None:
    without = expiring(archive=None, destroy_without_archive=True)
    assert finding(plan(without, month(2025, 10)), "dropped without an archive")
    assert not finding(plan(expiring(), month(2025, 10)), "without an archive")


@pytest.mark.parametrize(
    ("partition", "why"),
    [
        (month(2024, 1, held="until 2026-01-01: lawsuit"), "it is held until 2026-01-01: lawsuit"),
        (month(2024, 1, kind=Kind.FOREIGN), "foreign table"),
        (month(2024, 1, kind=Kind.PARTITIONED), "partitioned itself"),
        (part("2024-01-01", "2024-01-15"), "not those of a month"),
        (Partition(TableName("core", "s_old"), 9, Bounds(BEGINNING, utc("2024-01-01"))), "its range is open"),
    ],
)
def test_what_is_past_but_protected_stays_and_is_reported_with_the_reason(partition: Partition, why: str) -> None:
    found = plan(expiring(), partition, *(month(2024, number) for number in range(2, 13)), month(2025, 10))
    assert partition.name.name not in expired(found)
    assert finding(found, str(partition.name), "is past retention but stays", why)


def test_a_held_partition_takes_nobodys_place_among_the_drops_of_a_run() -> None:
    held = [month(2024, number, held="for ever") for number in (1, 2)]
    found = plan(expiring(max_drops_per_run=2), *held, month(2024, 3), month(2024, 4), month(2024, 5), month(2025, 10))
    assert list(expired(found)) == ["s_p202403", "s_p202404"]
    assert finding(found, "3 partitions are to be expired", "leaves 1 of them")


def test_a_hold_on_a_partition_that_is_not_past_is_not_reported() -> None:
    found = plan(expiring(), month(2025, 9, held="until 2026-01-01"), month(2025, 10))
    assert not finding(found, "held")


def test_the_newest_partition_stays_although_it_is_past() -> None:
    found = plan(expiring(), month(2020, 1), month(2020, 2))
    assert list(expired(found)) == ["s_p202001"]
    assert finding(found, '"core.s_p202002"', "newest partition")


def test_the_default_partition_is_never_expired_and_always_reported() -> None:
    found = plan(expiring(), month(2025, 10), Partition(TableName("core", "s_default"), 12, None))
    assert found.expires == ()
    assert finding(found, '"core.s_default" is a DEFAULT partition')


def test_max_drops_per_run_takes_the_oldest_and_leaves_the_newest_to_the_next_run() -> None:
    found = plan(expiring(max_drops_per_run=2), *(month(2024, number) for number in range(1, 6)), month(2025, 10))
    assert list(expired(found)) == ["s_p202401", "s_p202402"]
    assert finding(found, "5 partitions are to be expired", "leaves 3 of them")


def test_detached_partitions_that_wait_for_their_drop_come_first_and_count() -> None:
    found = plan(
        expiring(max_drops_per_run=2),
        *(month(2024, number) for number in range(1, 4)),
        month(2025, 10),
        detached=(gone("s_p202312", "2023-12-01", "2024-01-01"),),
    )
    assert expired(found) == {"s_p202312": ("archive", "drop"), "s_p202401": ("archive", "detach", "drop")}
    assert "detached at 2025-09-24 00:00 UTC, may be dropped after 2025-10-01 00:00 UTC" in found.expires[0].reason


def test_a_detached_partition_that_is_held_is_reported_and_not_dropped() -> None:
    waiting = (
        gone("s_p202311", "2023-11-01", "2023-12-01", held="until 2026-01-01: lawsuit"),
        gone("s_p202312", "2023-12-01", "2024-01-01", oid=8),
    )
    found = plan(expiring(), month(2025, 10), detached=waiting)
    assert expired(found) == {"s_p202312": ("archive", "drop")}
    assert finding(found, '"core.s_p202311"', "was detached and is not dropped: it is held until 2026-01-01: lawsuit")


def test_a_hold_ends_no_grace_period_and_a_grace_period_no_hold() -> None:
    waiting = gone("s_p202311", "2023-11-01", "2023-12-01", held="for ever", drop_after=utc("2025-12-01"))
    found = plan(expiring(detached_retention="30 days"), month(2025, 10), detached=(waiting,))
    assert found.expires == ()
    assert finding(found, '"core.s_p202311"', "it is held for ever")


def test_what_is_held_and_detached_is_not_created_again() -> None:
    found = plan(
        policy(),
        month(2025, 8),
        month(2025, 10),
        month(2025, 11),
        detached=(gone("s_p202509", "2025-09-01", "2025-10-01", held="for ever"),),
    )
    assert found.creates == ()


def test_no_run_drops_more_than_max_drops_per_run_however_many_wait() -> None:
    waiting = tuple(gone(f"s_p2023{number:02}", f"2023-{number:02}-01", f"2023-{number:02}-28", oid=number) for number in range(1, 10))
    found = plan(expiring(max_drops_per_run=3), month(2025, 10), detached=waiting)
    assert sum("drop" in expire.steps for expire in found.expires) <= 3


def test_detached_partitions_in_their_grace_period_do_not_stop_others_from_expiring() -> None:
    # With 30 days of grace and 12 drops a run, daily partitions would come in faster than they may go, and pile up for ever.
    waiting = tuple(
        gone(f"s_p2023{number:02}", f"2023-{number:02}-01", f"2023-{number:02}-28", oid=number, drop_after=utc("2025-10-20"))
        for number in range(1, 4)
    )
    found = plan(expiring(max_drops_per_run=3, detached_retention="30 days"), month(2024, 1), month(2025, 10), detached=waiting)
    assert "s_p202401" in expired(found)


def test_an_interrupted_detach_that_is_done_by_now_still_waits_for_its_drop() -> None:
    found = plan(expiring(), month(2025, 10), detached=(gone("s_p202312", "2023-12-01", "2024-01-01", detached_at=None, drop_after=None),))
    assert expired(found) == {"s_p202312": ("archive", "drop")}
    assert "its detach was interrupted" in found.expires[0].reason


def test_a_detached_partition_that_is_kept_as_detached_is_not_dropped() -> None:
    found = plan(expiring(on_expiry="detach"), month(2025, 10), detached=(gone("s_p202312", "2023-12-01", "2024-01-01", drop_after=None),))
    assert found.expires == ()


def test_a_detached_partition_that_the_policy_keeps_by_now_is_reported_and_not_dropped() -> None:
    found = plan(expiring(retention="5 years"), month(2025, 10), detached=(gone("s_p202312", "2023-12-01", "2024-01-01"),))
    assert found.expires == ()
    assert finding(found, '"core.s_p202312"', "was detached, but as of this date the policy keeps it")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"found_as": None}, "dropped by somebody else"),
        ({"found_as": TableName("core", "keep")}, 'was renamed to "core.keep"'),
        ({"attached": True}, "is attached again"),
    ],
)
def test_a_detached_partition_that_somebody_touched_is_reported_and_not_dropped(values: dict[str, Any], words: str) -> None:
    found = plan(expiring(), month(2025, 10), detached=(gone("s_p202312", "2023-12-01", "2024-01-01", **values),))
    assert found.expires == ()
    assert finding(found, '"core.s_p202312"', words)


def test_a_pending_detach_of_an_expired_partition_will_be_finalized_and_is_no_strangers() -> None:
    found = plan(expiring(), month(2024, 1, detach_pending=True), month(2025, 10))
    assert "its detach is pending and will be finalized" in found.expires[0].reason
    assert not finding(found, "has a pending detach that this policy does not ask for")


def test_a_strangers_pending_detach_is_reported_with_the_statement_and_not_touched() -> None:
    found = plan(expiring(), month(2025, 9, detach_pending=True), month(2025, 10))
    assert found.expires == ()
    assert finding(found, "ALTER TABLE core.s DETACH PARTITION core.s_p202509 FINALIZE")


def test_our_own_pending_detach_is_not_reported_as_a_strangers() -> None:
    ours = gone("s_p202401", "2024-01-01", "2024-02-01", detached_at=None, drop_after=None, attached=True)
    found = plan(expiring(), month(2024, 1, detach_pending=True), month(2025, 10), detached=(ours,))
    assert list(expired(found)) == ["s_p202401"]
    assert not finding(found, "does not ask for")


@pytest.mark.parametrize("behind", ["reference", "now"])
def test_destruction_goes_by_whichever_of_reference_date_and_database_now_is_earlier(behind: str) -> None:
    early, late = utc("2024-06-15"), utc("2025-10-15")
    months = [month(2023, number) for number in range(4, 9)] + [month(2025, 10)]
    found = plan(
        expiring(max_creates_per_run=999),
        *months,
        reference=early if behind == "reference" else late,
        now=early if behind == "now" else late,
    )
    assert list(expired(found)) == ["s_p202304", "s_p202305"]


def test_the_same_inputs_give_the_same_plan() -> None:
    partitions = (month(2024, 1), month(2024, 5), month(2025, 9))
    detached = (gone("s_p202312", "2023-12-01", "2024-01-01"), gone("s_p202311", "2023-11-01", "2023-12-01"))
    assert plan(expiring(), *partitions, detached=detached) == plan(expiring(), *partitions, detached=detached)
