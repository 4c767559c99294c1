"""What stands in the way of taking a table over from pg_partman."""

from include.partitioning.cut_table import CutTable
from include.partitioning.partition import Kind, PartitionedTable
from include.partitioning.partman import Length, PartmanConfig
from include.partitioning.take_over import cut_of, obstacles
from tests.unit.partman_tables import config, part, table

OCTOBER, NOVEMBER = part("2026-10-01", "2026-11-01"), part("2026-11-01", "2026-12-01")


def against(said: PartmanConfig, found: PartitionedTable, *zones: str, is_partition: bool = False) -> list[str]:
    return obstacles(said, found, cut_of(said, found, zones or ("UTC",)), is_partition=is_partition)


def zone_of(found: CutTable | None) -> str | None:
    return found.zone if found else None


def test_months_by_a_time_are_taken_over() -> None:
    assert against(config(), table(OCTOBER, NOVEMBER)) == []


def test_each_obstacle_is_said() -> None:
    found = against(
        config(
            length=Length(0, 10, 0),
            sub_partitioned=True,
            partition_type="time-custom",
            partition_interval="10 days",
            epoch="seconds",
            time_encoder="public.encode",
            undo_in_progress=True,
        ),
        table(OCTOBER),
        is_partition=True,
    )
    assert [each.split(";")[0] for each in found] == [
        "its partition_type is time-custom",
        "its key is a number that counts seconds (epoch)",
        "its key has the time encoded in it (time_encoder public.encode)",
        "pg_partman is about to undo its partitioning (undo_in_progress)",
        "its partitions are partitioned themselves (sub-partitioning)",
        "it is a partition of another table, which pg_partman sub-partitions",
        "its partition_interval is '10 days', for which this package has no word",
    ]


def test_partitions_that_somebody_else_partitioned_are_an_obstacle_too() -> None:
    assert "partitioned themselves" in against(config(), table(part("2026-10-01", "2026-11-01", Kind.PARTITIONED)))[0]


def test_the_zone_is_the_first_in_which_most_partitions_are_periods() -> None:
    berlin = [part("2026-09-30T22:00", "2026-10-31T23:00"), part("2026-10-31T23:00", "2026-11-30T23:00")]
    both = table(*berlin, part("2026-11-30T23:00", "2027-01-01"), part("2027-01-01", "2027-02-01"))
    assert zone_of(cut_of(config(), both, ["UTC", "Europe/Berlin"])) == "Europe/Berlin"
    assert zone_of(cut_of(config(), table(OCTOBER), ["Africa/Abidjan", "UTC"])) == "Africa/Abidjan"
    assert cut_of(config(), table(*berlin), ["UTC"]) is None
    assert "(weeks begin on Mondays)" in against(config(length=Length(0, 7, 0)), table(part("2026-11-04", "2026-11-11")))[0]


def test_a_table_without_partitions_does_not_say_how_it_goes_on() -> None:
    assert "let pg_partman make one first" in against(config(), table())[0]
