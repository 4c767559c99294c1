"""What a policy may say of indexes."""

import json
from typing import Any

import pytest

from include.partitioning.config import policy_file_schema
from include.partitioning.errors import PolicyError
from include.partitioning.index_policy import IndexPolicy
from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy


def indexes(*wanted: Any, **changes: Any) -> tuple[IndexPolicy, ...]:
    return PartitionPolicy(table="core.sessions", partition_key="created_at", indexes=list(wanted), **changes).indexes


def wrong(*wanted: Any, **changes: Any) -> list[str]:
    with pytest.raises(PolicyError) as refused:
        indexes(*wanted, **changes)
    return [str(problem) for problem in refused.value.problems]


def test_a_name_is_a_column_and_says_the_same_as_a_mapping() -> None:
    assert indexes({"columns": ["a", "b"]}) == indexes({"columns": [{"column": "a"}, {"column": "b", "order": "asc"}]})


def test_names_of_operator_classes_and_collations_are_in_pg_catalog_if_no_schema_is_said() -> None:
    (key,) = indexes({"columns": [{"column": "a", "opclass": "public.gin_trgm_ops", "collation": "de-DE-x-icu"}]})[0].columns
    assert (key.opclass, key.collation) == (TableName("public", "gin_trgm_ops"), TableName("pg_catalog", "de-DE-x-icu"))
    assert indexes({"columns": [{"column": "a", "collation": '"My".c'}]})[0].columns[0].collation == TableName("My", "c")


def test_values_of_options_are_text() -> None:
    assert indexes({"columns": ["a"], "storage": {"fillfactor": 70, "fastupdate": False}})[0].storage == {
        "fillfactor": "70",
        "fastupdate": "off",
    }


def test_it_is_called_by_its_name_or_by_its_columns() -> None:
    named, unnamed = indexes({"columns": ["a"], "name": "x"}, {"columns": ["a", {"expression": "lower(b)"}]})
    assert (str(named), str(unnamed)) == ("x", "on (a, (lower(b)))")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"columns": ["a"], "unique": True}, 'indexes: "on (a)" cannot be unique'),
        ({"columns": [{"expression": "created_at"}], "unique": True}, "cannot be unique"),
        ({"columns": []}, "indexes.0.columns: must name at least one column; for example: ['user_id', 'created_at']"),
        ({"name": "x"}, "indexes.0.columns: is required"),
        ({"columns": [{"column": "a", "expression": "b"}]}, "indexes.0.columns.0: has either `column` or `expression`"),
        ({"columns": [{}]}, "indexes.0.columns.0: has either `column` or `expression`"),
        ({"columns": [{"colum": "a"}]}, "indexes.0.columns.0.colum: unknown key"),
        ({"columns": [{"column": "a", "order": "up"}]}, "indexes.0.columns.0.order: input should be 'asc' or 'desc'"),
        ({"columns": [{"column": "a", "opclass_parameters": {"siglen": 8}}]}, "so it must name that: opclass"),
        ({"columns": ["a"], "nulls_not_distinct": True}, "is about unique indexes"),
        ({"columns": ["a"], "name": "ü" * 32}, "indexes.0.name: must have 1 to 63 bytes"),
        ({"columns": ["a\x00b"]}, "indexes.0.columns.0.column: must have 1 to 63 bytes"),
        ({"columns": ["a"], "where": "  "}, "indexes.0.where: string should match"),
        ({"columns": ["a"], "storage": {"fillfactor": [1]}}, "indexes.0.storage.fillfactor: must be text, a number or a boolean"),
        ("a", "indexes.0: input should be a valid dictionary"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(wanted: Any, said: str) -> None:
    assert len(found := wrong(wanted)) == 1
    assert said in found[0]


def test_one_name_is_for_one_index() -> None:
    assert wrong({"columns": ["a"], "name": "x"}, {"columns": ["b"], "name": "x"})[0].startswith('indexes: has the name "x" twice')


def test_how_many_at_a_time_is_between_one_and_sixteen() -> None:
    for jobs in (0, 17, "2", True):
        assert "index_jobs" in wrong(index_jobs=jobs)[0]


def test_the_schema_for_editors_knows_both_ways_to_write_a_column() -> None:
    schema = policy_file_schema()
    assert {"type": "string"} in schema["$defs"]["IndexPolicy"]["properties"]["columns"]["items"]["anyOf"]
    assert "gin_trgm_ops" in json.dumps(schema["$defs"]["IndexColumn"])
