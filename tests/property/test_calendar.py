"""Laws of ranges and calendars, for any interval, in zones with every kind of oddity."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from include.partitioning.bounds import Bounds, KeyType, parse_bounds
from include.partitioning.calendar import Calendar, on_key_axis
from include.partitioning.interval import Interval
from include.partitioning.names import MAX_IDENTIFIER_BYTES, TableName, fitted
from include.partitioning.span import CalendarSpan

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "America/Juneau",
    "Africa/Monrovia",
]
# Most of time is dull: half of the instants lie near a jump of some clock.
JUMPS = [
    datetime(2017, 10, 15, 3, tzinfo=UTC),
    datetime(2021, 3, 27, 22, tzinfo=UTC),
    datetime(2024, 4, 25, 22, tzinfo=UTC),
    datetime(2024, 11, 3, 5, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(1994, 12, 31, 10, tzinfo=UTC),
    datetime(2024, 4, 6, 15, tzinfo=UTC),
    datetime(2024, 10, 5, 15, 30, tzinfo=UTC),
    datetime(2025, 3, 30, 1, tzinfo=UTC),
    datetime(1867, 10, 18, 20, tzinfo=UTC),
    datetime(1972, 1, 7, tzinfo=UTC),
    datetime(2024, 12, 31, tzinfo=UTC),
]
anywhere = st.datetimes(datetime(1860, 1, 1), datetime(2200, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - Hypothesis wants bounds without a zone
near_a_jump = st.builds(lambda jump, away: jump + away, st.sampled_from(JUMPS), st.timedeltas(timedelta(days=-2), timedelta(days=2)))
instants = anywhere | near_a_jump
calendars = st.builds(Calendar, st.sampled_from(Interval), st.sampled_from(ZONES))
ranges = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(
    lambda pair: Bounds(
        datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=pair[0]), datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=sum(pair))
    )
)


@settings(deadline=None, max_examples=200)
@given(calendars, instants)
def test_every_instant_lies_in_the_period_that_is_said_to_hold_it(calendar: Calendar, moment: datetime) -> None:
    period = calendar.holding(moment)
    assert period.bounds.holds(moment)
    assert calendar.interval.label_of(period.label) == period.label


@settings(deadline=None, max_examples=150)
@given(calendars, instants)
def test_every_instant_of_a_period_has_that_period_and_its_neighbours_have_others(calendar: Calendar, moment: datetime) -> None:
    period = calendar.holding(moment)
    tick = timedelta(microseconds=1)
    assert calendar.holding(period.bounds.lower) == period
    assert calendar.holding(period.bounds.upper - tick) == period
    assert calendar.holding(period.bounds.upper).bounds.lower == period.bounds.upper
    assert calendar.holding(period.bounds.lower - tick).bounds.upper == period.bounds.lower


@settings(deadline=None, max_examples=60)
@given(calendars, instants)
def test_periods_that_follow_each_other_touch_and_have_later_labels(calendar: Calendar, moment: datetime) -> None:
    for before, after in pairwise(islice(calendar.periods_from(moment), 6)):
        assert before.bounds.upper == after.bounds.lower
        assert before.label < after.label
        assert calendar.interval.suffix(before.label) != calendar.interval.suffix(after.label)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(Interval), st.sampled_from(ZONES), instants)
def test_away_from_jumps_a_period_begins_at_its_label_on_the_zones_clock(interval: Interval, zone: str, moment: datetime) -> None:
    period = Calendar(interval, zone).holding(moment)
    wall = period.bounds.lower.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    exists = (
        period.label.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) == period.label
    )
    assert wall == period.label if exists else wall > period.label


@settings(deadline=None, max_examples=100)
@given(instants, st.sampled_from(KeyType), st.sampled_from(ZONES))
def test_an_instant_on_a_zoneless_axis_shows_the_zones_clock(moment: datetime, key_type: KeyType, zone: str) -> None:
    found = on_key_axis(moment, key_type, zone)
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC, fold=0)
    assert found == (moment if key_type is KeyType.TIMESTAMPTZ else local)


@settings(deadline=None, max_examples=100)
@given(calendars, instants)
def test_the_bounds_of_a_period_read_back_from_their_literals(calendar: Calendar, moment: datetime) -> None:
    bounds = calendar.holding(moment).bounds
    literal = KeyType.TIMESTAMPTZ.literal
    assert parse_bounds(f"FOR VALUES FROM ('{literal(bounds.lower)}') TO ('{literal(bounds.upper)}')") == bounds


@settings(deadline=None, max_examples=300)
@given(ranges, st.lists(ranges, max_size=6))
def test_minus_is_exact(whole: Bounds, others: list[Bounds]) -> None:
    free = whole.minus(others)
    assert not any(each.overlaps(other) for each in free for other in others)
    assert all(before.upper < after.lower for before, after in pairwise(free))
    day = whole.lower
    while day < whole.upper:
        assert any(each.holds(day) for each in free) != any(other.holds(day) for other in others)
        day += timedelta(days=1)
    assert all(whole.lower <= each.lower and each.upper <= whole.upper for each in free)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 40), st.integers(0, 90), st.integers(0, 50), instants, st.sampled_from(ZONES))
def test_a_longer_retention_never_has_a_later_cutoff(months: int, days: int, hours: int, moment: datetime, zone: str) -> None:
    span = CalendarSpan(months, days, hours)
    cutoff = span.before(moment, zone)
    # A jump of the clock may swallow less than a day and an hour of the difference; a whole month is never lost.
    assert CalendarSpan(months + 1, days, hours).before(moment, zone) < cutoff
    assert cutoff <= moment


names = st.text("aé_0$\u0085\u00a0\u2028\u3000", min_size=1, max_size=5) | st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=15
)


@settings(deadline=None, max_examples=200)
@given(names)
def test_any_name_that_is_printed_reads_back(text: str) -> None:
    name = TableName("core", text)
    assert TableName.parse(str(name)) == name


@settings(deadline=None, max_examples=200)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80),
    st.sampled_from(["_p202510", "_p2025101405", "_p2025q4_from_20251001_120000"]),
)
def test_a_fitted_name_keeps_its_suffix_and_fits(stem: str, suffix: str) -> None:
    name = fitted(stem, suffix)
    assert len(name.encode()) <= MAX_IDENTIFIER_BYTES
    assert name.endswith(suffix)
    assert fitted(stem + "x", suffix) != name
