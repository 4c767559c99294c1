"""Holds: which ranges they reach into, and how they are said."""

from datetime import UTC, datetime

from include.partitioning.bounds import BEGINNING, END, Bounds
from include.partitioning.hold import Hold, why_held


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


def hold(lower: datetime, upper: datetime, number: int = 1, until: datetime | None = None) -> Hold:
    return Hold(number, Bounds(lower, upper), "litigation", until, "legal")


def test_a_range_is_held_if_the_hold_reaches_into_it_however_little() -> None:
    held = [hold(day(5), day(6))]
    assert why_held(held, Bounds(day(1), day(30))) == "until the hold is lifted: litigation (hold 1, by legal)"
    assert why_held(held, Bounds(day(5), day(6))) is not None
    assert why_held(held, Bounds(day(1), day(5))) is None
    assert why_held(held, Bounds(day(6), day(7))) is None


def test_a_hold_without_ends_holds_everything_but_a_default_partition_which_never_expires() -> None:
    held = [hold(BEGINNING, END)]
    assert why_held(held, Bounds(day(1), day(2))) is not None
    assert why_held(held, None) is None


def test_several_holds_are_all_said_each_with_its_date() -> None:
    held = [hold(day(1), day(9)), hold(day(2), day(3), 2, datetime(2030, 1, 1, tzinfo=UTC))]
    said = why_held(held, Bounds(day(2), day(3)))
    assert said == "until the hold is lifted: litigation (hold 1, by legal); and until 2030-01-01 00:00 UTC: litigation (hold 2, by legal)"
