"""What a reshaping does by several connections, and what the planner knows of the new table."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from include.partitioning import reshape as reshape_values
from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.reshape import Extent, Move, portions
from include.postgres.reshaping import compare, reshaper
from partition_operators.complete_copy import CompleteCopyOperator
from partition_operators.copy_table import CopyTableOperator
from tests.integration.conftest import Lifecycle
from tests.integration.test_reshape import kind, reshape, step, visits

__all__ = ["visits"]

NOT_ANALYZED = """
SELECT c.relname FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE 'app.visits'::regclass IN (c.oid, i.inhparent) AND c.reltuples <> 0 AND NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = c.oid)
"""
"""By what the catalog has, not by the counters of activity: on 14 these come late, or never, when the server is busy."""
YEAR = [Bounds(datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month + 1, 1, tzinfo=UTC)) for month in range(1, 12)]


def test_the_planner_knows_the_new_table_and_its_partitions_from_the_first_moment(visits: Lifecycle) -> None:
    reshape(visits, Move.ADOPT)
    assert visits.sql(NOT_ANALYZED) == []
    assert visits.value("SELECT count(*) FROM pg_stats WHERE tablename = 'visits' AND inherited") > 0


def test_statistics_that_were_not_taken_are_taken_by_the_next_try(
    visits: Lifecycle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step(visits, CopyTableOperator, Move.ADOPT)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(reshaper, "analyze_new", killed)
        with pytest.raises(KeyboardInterrupt):
            step(visits, CompleteCopyOperator, Move.ADOPT)
    reshape(visits, Move.ADOPT)
    assert visits.sql(NOT_ANALYZED) == []


def test_portions_are_compared_side_by_side(visits: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reshape_values, "ROWS_OF_A_PORTION", 100)
    both, original, seen = threading.Barrier(2), compare._compared, []

    def compared(*arguments: Any) -> tuple[int, int, bool]:
        seen.append(arguments[2])
        if len(seen) <= 2:
            both.wait(20)  # broken if nobody else comes
        return original(*arguments)

    monkeypatch.setattr(compare, "_compared", compared)
    reshape(visits, Move.ADOPT)
    assert len(seen) > 20
    assert kind(visits) == "p"


@pytest.mark.parametrize(
    ("rows", "key_is_indexed", "number"), [(90_000, True, 1), (110_000, True, 11), (110_000, False, 1), (3_000_000, False, 6)]
)
def test_what_is_worth_it_is_divided_where_an_index_finds_the_parts(rows: int, key_is_indexed: bool, number: int) -> None:
    extent = Extent(rows, YEAR[0].lower, YEAR[-1].lower)
    assert len(portions(YEAR, extent, KeyType.TIMESTAMPTZ, key_is_indexed=key_is_indexed)) == number
