"""Indexes on every kind of table, and where everything is called what nobody should call it."""

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from partition_operators.build_indexes import BuildIndexesOperator
from tests.integration.conftest import Lifecycle
from tests.integration.test_hostile_names import EVERYTHING, LONG, SETUP, Hostile
from tests.integration.test_wide_matrix import build, matrix
from tests.integration.wide_tables import KINDS, Kind

__all__ = ["matrix"]  # the fixture

INDEXES: list[dict[str, Any]] = [
    {"columns": ["user_id", "id"], "name": "wanted"},
    {"columns": [{"expression": "lower(note::text)"}, {"column": "created_at", "order": "desc"}], "where": "user_id IS NOT NULL"},
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pytest.param(each, id=each.name) for each in KINDS])
def test_indexes_are_built_and_recognised_on_a_table_with(kind: Kind, matrix: Lifecycle) -> None:
    policy = build(matrix, kind).model_copy(update={"indexes": matrix.policy(indexes=INDEXES).indexes})
    assert len(matrix.run(BuildIndexesOperator, policy=policy)) == len(INDEXES)
    assert matrix.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert matrix.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'wide.wanted'::regclass") == 3
    assert matrix.run(BuildIndexesOperator, policy=policy) == []


@pytest.mark.parametrize("name", [EVERYTHING, LONG], ids=["everything", "long"])
def test_indexes_are_built_where_everything_is_called_what_nobody_should_call_it(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Both partitions' names are cut to the same beginning, so the jobs choose the same name for their parts."""
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", database)
    hostile = Hostile(database, tmp_path, name)
    wanted = [{"columns": [name], "include": ["id"]}, {"columns": [name], "name": f"{name[:-1]}y", "unique": True, "where": "id > 0"}]
    values = hostile.policy.model_dump(exclude_unset=True) | {"archive": None, "retention": None, "indexes": wanted}
    hostile.policy = PartitionPolicy(**values)
    hostile.execute(SETUP)
    try:
        hostile.execute("INSERT INTO {t} SELECT 1000 + id, {n}, 1, NULL FROM {old} WHERE id = 7")
        with pytest.raises(AirflowFailException, match=r"with the same key: \('2026-09-01 07:00:00\+00'\) 2 times; change"):
            hostile.run(BuildIndexesOperator)
        hostile.execute("DELETE FROM {old} WHERE id > 1000")
        assert hostile.run(BuildIndexesOperator) == [str(TableName(name, f"{name[:-1]}y"))]
        assert hostile.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
        assert hostile.run(BuildIndexesOperator) == []
    finally:
        hostile.execute("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
