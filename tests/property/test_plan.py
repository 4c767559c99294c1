"""Laws of the plan, for tables with partitions of any shape."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from include.partitioning.bounds import BEGINNING, END, Bounds, KeyType
from include.partitioning.calendar import Calendar, on_key_axis
from include.partitioning.interval import Interval
from include.partitioning.names import MAX_IDENTIFIER_BYTES, TableName
from include.partitioning.partition import Cluster, DetachedPartition, Kind, Partition, PartitionedTable
from include.partitioning.plan import Plan, make_plan
from include.partitioning.policy import PartitionPolicy

ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]
STEPS = {
    Interval.HOUR: timedelta(minutes=20),
    Interval.DAY: timedelta(hours=8),
    Interval.WEEK: timedelta(days=2),
    Interval.MONTH: timedelta(days=10),
    Interval.QUARTER: timedelta(days=30),
    Interval.YEAR: timedelta(days=120),
}
RETENTIONS = {
    Interval.HOUR: "5 hours",
    Interval.DAY: "4 days",
    Interval.WEEK: "3 weeks",
    Interval.MONTH: "3 months",
    Interval.QUARTER: "3 quarters",
    Interval.YEAR: "2 years",
}
ORDINARY = st.just("s")
table_names = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: len(name.encode()) <= MAX_IDENTIFIER_BYTES
)


class Case:
    """A policy, a table and the moments of a run."""

    def __init__(self, policy: PartitionPolicy, table: PartitionedTable, reference: datetime, now: datetime) -> None:
        self.policy, self.table, self.reference, self.now = policy, table, reference, now

    def plan(self) -> Plan:
        """The plan of the run."""
        return make_plan(self.policy, self.table, (), {}, reference=self.reference, database_now=self.now)

    def __repr__(self) -> str:
        partitions = ", ".join(f"{each.bounds}" for each in self.table.partitions)
        return (
            f"<{self.policy.interval} {self.policy.timezone} {self.table.key_type} retention={self.policy.retention} "
            f"as of {self.reference}, now {self.now}: {partitions}>"
        )


def open_ended(bounds: Bounds) -> bool:
    """Whether the range is one that we never make."""
    return bounds.lower == BEGINNING or bounds.upper == END


@st.composite
def partitions(draw: st.DrawFn, calendar: Calendar, step: timedelta) -> tuple[Partition, ...]:
    """Disjoint ranges with gaps: whole periods, several at once, and pieces of none; sometimes open, sometimes with a DEFAULT."""
    found: list[Bounds] = []
    position = calendar.holding(ORIGIN).bounds.lower
    for shape, gap, length in draw(
        st.lists(st.tuples(st.sampled_from(["period", "piece", "piece"]), st.integers(0, 4), st.integers(1, 6)), max_size=6)
    ):
        if shape == "period":
            first = calendar.holding(position + gap * step)
            first = first if first.bounds.lower >= position else calendar.after(first)
            last = calendar.after(first) if length > 4 else first
            bounds = Bounds(first.bounds.lower, last.bounds.upper)
        else:
            bounds = Bounds(position + gap * step, position + (gap + length) * step)
        found.append(bounds)
        position = bounds.upper
    if found and draw(st.integers(0, 3)) == 0:
        found[0] = Bounds(BEGINNING, found[0].upper)
    if found and draw(st.integers(0, 7)) == 0:
        found[-1] = Bounds(found[-1].lower, END)
    kinds = draw(st.lists(st.sampled_from([*[Kind.TABLE] * 6, Kind.FOREIGN, Kind.PARTITIONED]), min_size=len(found), max_size=len(found)))
    ours = draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    made = [
        Partition(TableName("core", f"existing {index}"), index + 100, bounds, kind, ours=mine and not open_ended(bounds))
        for index, (bounds, kind, mine) in enumerate(zip(found, kinds, ours, strict=True))
    ]
    if draw(st.integers(0, 3)) == 0:
        made.append(Partition(TableName("core", "the default"), 99, None))
    return tuple(made)


@st.composite
def cases(draw: st.DrawFn, names: st.SearchStrategy[str] = ORDINARY) -> Case:
    """Any policy with any table."""
    interval = draw(st.sampled_from(Interval))
    key_type = draw(st.sampled_from([KeyType.TIMESTAMPTZ, KeyType.TIMESTAMP, KeyType.DATE]))
    if key_type is KeyType.DATE and interval in (Interval.HOUR, Interval.DAY):
        key_type = KeyType.TIMESTAMP
    step = STEPS[interval]
    name = TableName("core", draw(names))
    values: dict[str, Any] = {
        "table": "core.s",
        "partition_key": "at",
        "interval": interval,
        "timezone": draw(st.sampled_from(ZONES)),
        "premake": draw(st.integers(1, 4)),
        "retention": draw(st.sampled_from([None, RETENTIONS[interval]])),
        "destroy_without_archive": True,
        "max_drops_per_run": draw(st.integers(1, 4)),
        "max_creates_per_run": 10_000,
    }
    policy = PartitionPolicy(**values).model_copy(update={"table": name})
    calendar = Calendar.of_key(interval, key_type, policy.timezone)
    found = draw(partitions(calendar, step))
    base = ORIGIN if policy.retention is None or draw(st.booleans()) else policy.retention.after(ORIGIN, policy.timezone)
    reference = base + draw(st.integers(-5, 15)) * step + draw(st.sampled_from([timedelta(0), timedelta(seconds=1)]))
    now = draw(st.sampled_from([reference, reference + 7 * step, reference - 7 * step]))
    table = PartitionedTable(name, 10, "at", key_type, "owner", Cluster(1, 2), 180000, found)
    return Case(policy, table, reference, now)


def carried_out(case: Case) -> Case:
    """The same run after its partitions were created."""
    new = [Partition(each.name, 1000 + index, each.bounds, ours=True) for index, each in enumerate(case.plan().creates)]
    return Case(case.policy, replace(case.table, partitions=(*new, *case.table.partitions)), case.reference, case.now)


@settings(deadline=None, max_examples=120)
@given(cases())
def test_a_second_run_creates_nothing(case: Case) -> None:
    assert carried_out(case).plan().creates == ()


@settings(deadline=None, max_examples=120)
@given(cases())
def test_what_is_created_overlaps_nothing(case: Case) -> None:
    existing = [each.bounds for each in case.table.partitions if each.bounds]
    for create in case.plan().creates:
        assert not any(create.bounds.overlaps(other) for other in existing)
        existing.append(create.bounds)


@settings(deadline=None, max_examples=120)
@given(cases())
def test_after_the_run_everything_from_the_reference_date_to_the_end_of_premake_is_covered(case: Case) -> None:
    calendar = Calendar.of_key(case.policy.interval, case.table.key_type, case.policy.timezone)
    reference = on_key_axis(case.reference, case.table.key_type, case.policy.timezone)
    last = calendar.holding(reference)
    for _ in range(case.policy.premake):
        last = calendar.after(last)
    covered = [each.bounds for each in carried_out(case).table.partitions if each.bounds]
    assert Bounds(reference, last.bounds.upper).minus(covered) == []


@settings(deadline=None, max_examples=250)
@given(cases())
def test_no_gap_between_partitions_is_left_that_a_retained_row_could_fall_into(case: Case) -> None:
    horizon = case.plan().horizon
    bounds = [each.bounds for each in case.table.partitions if each.bounds]
    if not bounds:
        return
    lower = min(each.upper if each.lower == BEGINNING else each.lower for each in bounds)
    lower = max(lower, horizon.cutoff or lower)
    reference = on_key_axis(case.reference, case.table.key_type, case.policy.timezone)
    upper = min(reference, max(each.upper for each in bounds))
    if lower < upper:
        covered = [each.bounds for each in carried_out(case).table.partitions if each.bounds]
        assert Bounds(lower, upper).minus(covered) == []


@settings(deadline=None, max_examples=250)
@given(cases())
def test_nothing_is_created_that_is_past_retention_already(case: Case) -> None:
    found = case.plan()
    assert [create.bounds for create in found.creates if found.horizon.is_past(create.bounds)] == []


@settings(deadline=None, max_examples=150)
@given(cases())
def test_nothing_is_expired_that_is_young_newest_default_or_no_ordinary_table(case: Case) -> None:
    found = case.plan()
    earlier = min(case.reference, case.now)
    uppers = [each.bounds.upper for each in case.table.partitions if each.bounds]
    if case.policy.retention is None:
        assert found.expires == ()
        return
    cutoff = on_key_axis(case.policy.retention.before(earlier, case.policy.timezone), case.table.key_type, case.policy.timezone)
    for expire in found.expires:
        partition = case.table.partition(expire.name)
        assert partition is not None
        assert partition.bounds == expire.bounds
        assert expire.bounds.upper <= cutoff
        assert expire.bounds.upper < max(uppers)
        assert expire.bounds.lower != BEGINNING
        assert partition.kind is Kind.TABLE
    assert len(found.expires) <= case.policy.max_drops_per_run


@settings(deadline=None, max_examples=60)
@given(cases())
def test_the_same_inputs_give_the_same_plan(case: Case) -> None:
    assert case.plan() == case.plan()


@settings(deadline=None, max_examples=60)
@given(cases(), st.integers(0, 40))
def test_an_earlier_database_clock_never_expires_more(case: Case, back: int) -> None:
    earlier = Case(case.policy, case.table, case.reference, case.now - back * STEPS[case.policy.interval])
    unlimited = {"max_drops_per_run": 10_000}
    first, second = (
        Case(each.policy.model_copy(update=unlimited), each.table, each.reference, each.now).plan() for each in (earlier, case)
    )
    assert {each.oid for each in first.expires} <= {each.oid for each in second.expires}


@settings(deadline=None, max_examples=120)
@given(cases(table_names))
def test_names_of_what_is_created_are_unique_and_fit_for_any_table(case: Case) -> None:
    names = [create.name for create in case.plan().creates]
    assert len(set(names)) == len(names)
    assert all(len(name.name.encode()) <= MAX_IDENTIFIER_BYTES and name.schema == "core" for name in names)


@settings(deadline=None, max_examples=100)
@given(cases(), st.integers(0, 12), st.booleans())
def test_no_run_drops_more_than_max_drops_per_run_whatever_waits(case: Case, waiting: int, interrupted: bool) -> None:
    long_ago = [Bounds(datetime(2000, 1, 1 + day, tzinfo=UTC), datetime(2000, 1, 2 + day, tzinfo=UTC)) for day in range(waiting)]
    detached = [
        DetachedPartition(
            name=TableName("core", f"away {index}"),
            oid=5000 + index,
            parent=case.table.name,
            parent_oid=10,
            bounds=bounds,
            columns_digest="d",
            detached_at=None if interrupted else datetime(2000, 2, 1, tzinfo=UTC),
            drop_after=None if interrupted else datetime(2000, 2, 8, tzinfo=UTC),
            found_as=TableName("core", f"away {index}"),
            attached=False,
        )
        for index, bounds in enumerate(long_ago)
    ]
    found = make_plan(case.policy, case.table, detached, {}, reference=case.reference, database_now=case.now)
    assert sum("drop" in expire.steps for expire in found.expires) <= case.policy.max_drops_per_run
