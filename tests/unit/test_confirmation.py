"""What a person must confirm first: another database, another timeline, a retention that shrank."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from include.partitioning.confirmation import Home, why_not_home, why_shortened
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster
from include.partitioning.span import CalendarSpan

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOME = Home(Cluster(7, 16384), "00000001", Cluster(7, 16384), "00000001")


def shortened(last: str | None, now: str | None) -> str | None:
    spans = [CalendarSpan.parse(each) if each else None for each in (last, now)]
    return why_shortened(TableName("core", "sessions"), spans[0], spans[1], NOW)


def test_the_database_that_was_confirmed_is_home() -> None:
    assert why_not_home(HOME) is None


@pytest.mark.parametrize("current", [Cluster(8, 16384), Cluster(7, 16385)])
def test_another_cluster_and_another_database_are_not(current: Cluster) -> None:
    said = why_not_home(replace(HOME, current=current)) or ""
    assert f"written in another database (system identifier/OID 7/16384, this one is {current.identity})" in said
    assert "SELECT partition_lifecycle.confirm_database()" in said


def test_another_timeline_is_not() -> None:
    said = why_not_home(replace(HOME, current_timeline="00000002")) or ""
    assert "promoted, or restored to an earlier moment (timeline 00000001, now 00000002)" in said


@pytest.mark.parametrize(
    ("last", "now"),
    [("24 months", "2 months"), ("24 months", "11 months"), ("1 year", "182 days"), ("30 days", "30 hours"), ("2 months", "1 week")],
)
def test_a_retention_of_less_than_half_must_be_confirmed(last: str, now: str) -> None:
    said = shortened(last, now) or ""
    assert f'the retention of "core.sessions" was {CalendarSpan.parse(last)} at the last run, and is {CalendarSpan.parse(now)} now' in said
    assert f"confirm_retention($$core.sessions$$, '{CalendarSpan.parse(now)}')" in said


@pytest.mark.parametrize(
    ("last", "now"),
    [("24 months", "12 months"), ("24 months", "24 months"), ("2 months", "24 months"), (None, "1 day"), ("24 months", None), (None, None)],
)
def test_half_or_more_a_first_one_and_none_need_not(last: str | None, now: str | None) -> None:
    assert shortened(last, now) is None
