"""Whatever is killed while indexes are built, wherever: when the step has run once more, everything is as after an undisturbed run."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from include.partitioning.policy import PartitionPolicy
from partition_operators.build_indexes import BuildIndexesOperator
from tests.integration.conftest import Lifecycle, copying
from tests.integration.faults import Fuse, session_fuse, with_the_session, with_the_worker, worker_fuse
from tests.integration.test_killed_anywhere import Dies, MakeFuse, nothing_is_held

INDEXES: list[dict[str, Any]] = [
    {"columns": ["note"], "name": "by_note"},
    {"columns": ["note", "id", "created_at"], "unique": True},
]
SPLIT = """
CREATE INDEX mine ON app.events_p202408 (note);
CREATE TABLE app.events_sub PARTITION OF app.events FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00') PARTITION BY HASH (id);
CREATE TABLE app.events_sub_a PARTITION OF app.events_sub FOR VALUES WITH (MODULUS 1, REMAINDER 0);
"""
STATE = """
SELECT c.relname, c.relkind::text, i.indisvalid, p.inhparent::regclass::text AS part_of, pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_inherits p ON p.inhrelid = c.oid
 WHERE c.relnamespace = 'app'::regnamespace ORDER BY c.relname
"""


@pytest.fixture
def copies(lifecycle: Lifecycle, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Lifecycle]]:
    """One partition has such an index, another is partitioned itself."""
    lifecycle.sql(SPLIT)
    with copying(lifecycle, server, tmp_path, monkeypatch) as copy:
        yield copy


def policy_of(lifecycle: Lifecycle, jobs: int) -> PartitionPolicy:
    return lifecycle.policy(indexes=INDEXES, index_jobs=jobs)


def die_while_building(copies: Callable[[], Lifecycle], dies: Dies, make_fuse: MakeFuse, points: Iterable[int], jobs: int = 1) -> int:
    """Returns how often something died."""
    undisturbed = copies()
    undisturbed.run(BuildIndexesOperator, policy=policy_of(undisturbed, jobs))
    expected = undisturbed.sql(STATE)
    deaths = 0
    for point in points:
        lifecycle = copies()
        policy = policy_of(lifecycle, jobs)
        fuse: Fuse = make_fuse(point, lifecycle)
        if not dies(fuse, lambda: lifecycle.run(BuildIndexesOperator, policy=policy)):  # noqa: B023 - called at once
            break
        deaths += 1
        nothing_is_held(lifecycle)
        if point % 2:
            lifecycle.heal(policy=policy)  # the next run; at even points the retry of the task
        lifecycle.run(BuildIndexesOperator, policy=policy)
        assert lifecycle.sql(STATE) == expected, f"died at point {point}, {fuse.where}"
    return deaths


@pytest.mark.slow
def test_a_session_that_is_killed_anywhere_is_made_up_for_by_the_next_run(copies: Callable[[], Lifecycle]) -> None:
    assert die_while_building(copies, with_the_session, session_fuse, count(1, 3)) > 25


@pytest.mark.slow
def test_a_worker_that_is_killed_anywhere_is_made_up_for_by_the_next_run(copies: Callable[[], Lifecycle]) -> None:
    assert die_while_building(copies, with_the_worker, worker_fuse, count(1, 3), jobs=2) > 20


def test_a_sample_of_killed_sessions(copies: Callable[[], Lifecycle]) -> None:
    assert die_while_building(copies, with_the_session, session_fuse, (8, 15, 22), jobs=2) == 3


def test_a_sample_of_killed_workers(copies: Callable[[], Lifecycle]) -> None:
    assert die_while_building(copies, with_the_worker, worker_fuse, (13, 20), jobs=2) == 2
