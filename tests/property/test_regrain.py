"""Laws of a table whose policy was given another interval: the old partitions stay, and everything goes on without a gap."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.calendar import Calendar
from include.partitioning.expiry import Horizon, why_kept
from include.partitioning.interval import Interval
from include.partitioning.missing import end_of_wanted
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, Partition, PartitionedTable
from include.partitioning.plan import Plan, make_plan
from include.partitioning.policy import PartitionPolicy

ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]
LENGTH = {
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(days=1),
    Interval.WEEK: timedelta(days=7),
    Interval.MONTH: timedelta(days=31),
    Interval.QUARTER: timedelta(days=92),
    Interval.YEAR: timedelta(days=366),
}


class Regrained(NamedTuple):
    """A table with partitions of one interval, and a policy with another."""

    old: Interval
    policy: PartitionPolicy
    table: PartitionedTable
    reference: datetime

    @property
    def calendar(self) -> Calendar:
        return Calendar.of_key(self.policy.interval, self.table.key_type, self.policy.timezone)

    @property
    def covered(self) -> list[Bounds]:
        return [each.bounds for each in self.table.partitions if each.bounds]

    def plan(self) -> Plan:
        return make_plan(self.policy, self.table, (), {}, reference=self.reference, database_now=self.reference)

    def carried_out(self) -> "Regrained":
        new = [Partition(each.name, 1000 + index, each.bounds, ours=True) for index, each in enumerate(self.plan().creates)]
        return self._replace(table=replace(self.table, partitions=(*self.table.partitions, *new)))


@st.composite
def regrained(draw: st.DrawFn) -> Regrained:
    """Partitions of one interval up to some time around the reference date, sometimes with one missing; nobody knows who made them."""
    old, new = draw(st.sampled_from(Interval)), draw(st.sampled_from(Interval))
    zone, key_type = draw(st.sampled_from(ZONES)), draw(st.sampled_from([KeyType.TIMESTAMPTZ, KeyType.TIMESTAMP]))
    first = datetime(2026, 1, 1, tzinfo=UTC) + draw(st.integers(0, 800)) * timedelta(hours=7)
    count = draw(st.integers(1, 6))
    periods = list(islice(Calendar.of_key(old, key_type, zone).periods_from(first), count))
    missing = draw(st.integers(-3, count - 2))
    bounds = [each.bounds for index, each in enumerate(periods) if index != missing or index == 0]
    made = tuple(Partition(TableName("core", f"existing {index}"), index + 100, each) for index, each in enumerate(bounds))
    policy = PartitionPolicy(
        table="core.s", partition_key="at", interval=new, timezone=zone, premake=draw(st.integers(1, 3)), max_creates_per_run=100_000
    )
    table = PartitionedTable(policy.table, 10, "at", key_type, "owner", Cluster(1, 2), 180000, made)
    last = bounds[-1].lower
    return Regrained(old, policy, table, last + draw(st.integers(-2, 1)) * LENGTH[new])


def is_some_period(case: Regrained, bounds: Bounds) -> bool:
    return any(replace(case.calendar, interval=each).is_period(bounds) for each in Interval)


@settings(deadline=None, max_examples=120)
@given(regrained())
def test_no_row_from_the_first_partition_to_the_end_of_premake_is_without_a_partition_or_has_two(case: Regrained) -> None:
    after = case.carried_out()
    horizon = Horizon.of(case.policy, case.table.key_type, case.reference, case.reference)
    first, end = case.covered[0].lower, end_of_wanted(case.policy, case.calendar, horizon)
    assert first >= end or Bounds(first, end).minus(after.covered) == []
    in_order = sorted(after.covered)
    assert all(before.upper <= following.lower for before, following in pairwise(in_order))
    assert after.plan().creates == ()


@settings(deadline=None, max_examples=120)
@given(regrained())
def test_what_is_made_is_whole_periods_except_where_weeks_meet_longer_ones(case: Regrained) -> None:
    edges = {moment for bounds in case.covered for moment in (bounds.lower, bounds.upper)}
    for create in case.plan().creates:
        if not is_some_period(case, create.bounds):
            assert Interval.WEEK in (case.old, case.policy.interval)
            assert all(moment in edges or case.calendar.is_boundary(moment) for moment in (create.bounds.lower, create.bounds.upper))


@settings(deadline=None, max_examples=60)
@given(regrained())
def test_partitions_of_the_former_interval_expire_whoever_made_them(case: Regrained) -> None:
    after = case.carried_out()
    policy = case.policy.model_copy(
        update={"retention": PartitionPolicy(table="a.b", partition_key="c", retention="1 hour", on_expiry="detach").retention}
    )
    horizon = Horizon.of(policy, case.table.key_type, case.reference + timedelta(days=3000), case.reference + timedelta(days=3000))
    kept = [why_kept(policy, after.table, each, horizon) for each in after.table.partitions]
    assert [why for why in kept if why] == ["it is the newest partition of the table"]
