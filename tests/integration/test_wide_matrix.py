"""Every kind of table lives through all steps, and what is created for it is like what was there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from include.partitioning.policy import PartitionPolicy
from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.reindex_partition import ReindexPartitionOperator
from tests.integration.anatomy import anatomy
from tests.integration.conftest import Lifecycle
from tests.integration.wide_tables import KINDS, NEWEST, OLD, Kind

CREATED = "wide.t_p202612"
TYPES = """
    CREATE TYPE wide_mood AS ENUM ('calm', 'wild'); CREATE DOMAIN wide_score AS numeric(8, 2) CHECK (VALUE >= 0);
    CREATE TYPE wide_place AS (name text, height wide_score);
"""


@pytest.fixture
def matrix(lifecycle: Lifecycle) -> Iterator[Lifecycle]:
    """The harness, cleared of what lives outside of a database."""
    yield lifecycle
    lifecycle.sql("DROP SCHEMA IF EXISTS wide CASCADE")
    for role in ("wide_owner", "wide_reader", "wide_writer"):
        if lifecycle.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
            lifecycle.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def policy_of(lifecycle: Lifecycle, kind: Kind) -> PartitionPolicy:
    return lifecycle.policy(table="wide.t", retention="1 month", premake=1, **kind.policy)


def build(lifecycle: Lifecycle, kind: Kind) -> PartitionPolicy:
    version = lifecycle.value("SELECT current_setting('server_version_num')::integer / 10000")
    if not kind.since <= version <= kind.until:
        pytest.skip(f"PostgreSQL {version} has no such table")
    lifecycle.sql(TYPES)
    for statement in filter(None, kind.statements()):
        lifecycle.sql(statement)
    return policy_of(lifecycle, kind)


def rows_of(lifecycle: Lifecycle, name: str) -> list[str]:
    """Rows by column names, so that the order of columns does not matter."""
    return sorted(each["row"] for each in lifecycle.sql(f"SELECT to_jsonb(t)::text AS row FROM {name} t"))


def findings(lifecycle: Lifecycle, policy: PartitionPolicy, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the plan says of upcoming partitions, one sentence each."""
    capsys.readouterr()
    lifecycle.plan(policy=policy)
    return re.findall(r"finding: (the .*?)\s+\[airflow", capsys.readouterr().out)


@pytest.mark.every_server
@pytest.mark.parametrize("kind", [pytest.param(each, id=each.name, marks=pytest.mark.slow if each.slow else ()) for each in KINDS])
def test_a_table_with(kind: Kind, matrix: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    policy, old, newest = build(matrix, kind), f"wide.{OLD}", f"wide.{NEWEST}"

    assert matrix.plan(policy=policy) == [old]
    assert matrix.heal(policy=policy) == []
    assert matrix.create(policy=policy) == [CREATED]
    assert_alike(anatomy(matrix, CREATED), anatomy(matrix, newest))
    assert matrix.value("SELECT count(*) FROM partition_lifecycle.event WHERE outcome = 'differs'") == 0
    assert findings(matrix, policy, capsys) == []

    matrix.sql(kind.rows_from("2026-12-01"))
    if "inserts published" not in kind.name:
        matrix.sql("UPDATE wide.t SET created_at = created_at + interval '1 day' WHERE created_at >= '2026-12-01'")
    assert matrix.value(f"SELECT count(*) FROM {CREATED}") == 40

    archived = rows_of(matrix, old)
    matrix.expire(old, policy=policy)
    assert not matrix.exists(old)
    assert matrix.value("SELECT rows FROM partition_lifecycle.archive") == len(archived) == 40
    matrix.restore(old, policy=policy)
    assert rows_of(matrix, old) == archived
    assert matrix.value("SELECT count(*) FROM wide.t WHERE created_at < '2026-10-01'") == 40

    assert matrix.run(MeasureBloatOperator, policy=policy) == []
    assert matrix.run(ReindexPartitionOperator, policy=policy, partition=newest) == []
    assert matrix.analyze(policy=policy)
    assert_alike(anatomy(matrix, CREATED), anatomy(matrix, newest))


def assert_alike(made: dict[str, Any], sibling: dict[str, Any]) -> None:
    for part, expected in sibling.items():
        assert made[part] == expected, part
