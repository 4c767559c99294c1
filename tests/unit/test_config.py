"""Policy files: every fault with file, line and key; the good policies beside the bad ones; the published schema."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml

from include.partitioning.config import (
    DEFAULT_FOLDER,
    POLICIES_VARIABLE,
    PolicySet,
    find_policy,
    load_policies,
    policy_file_schema,
    read_policies,
)
from include.partitioning.errors import PolicyError, Problem
from include.partitioning.policy import PartitionPolicy

GOOD = "policies:\n  - {table: core.events, partition_key: at}\n"


def written(folder: Path, text: str, name: str = "policies.yaml") -> Path:
    """A policy file with that text."""
    file = folder / name
    file.write_text(dedent(text), encoding="utf-8")
    return file


def tables(found: PolicySet) -> list[str]:
    """The tables with a usable policy."""
    return [str(policy.table) for policy in found.policies]


def only_problem(path: Path) -> Problem:
    """The one problem of those files."""
    (found,) = read_policies(path).problems
    return found


def test_a_policy_in_a_file_is_the_same_as_one_built_in_python(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """\
        defaults: {partition_key: created_at, premake: 6}
        policies:
          - table: core.sessions
            retention: 24 months
            archive: {path: s3://bucket}
          - {table: core.events, partition_key: at, premake: 1}
        """,
    )
    assert load_policies(file) == [
        PartitionPolicy(
            table="core.sessions", partition_key="created_at", premake=6, retention="24 months", archive={"path": "s3://bucket"}
        ),
        PartitionPolicy(table="core.events", partition_key="at", premake=1),
    ]


def test_a_null_in_a_policy_overrides_a_default(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """\
        defaults: {partition_key: at, retention: 1 year, archive: {path: s3://bucket}}
        policies:
          - {table: core.events, retention: null, archive: null}
        """,
    )
    (policy,) = load_policies(file)
    assert (policy.retention, policy.archive) == (None, None)


@pytest.mark.parametrize(
    ("line", "key", "wrong", "good"),
    [
        ("premake: 0", "premake", "greater than or equal to 1", "3"),
        ("retention: -1 month", "retention", "not longer than zero", "24 months"),
        ("timezone: Mars/Olympus", "timezone", "not a time zone", "UTC"),
        ("schedule: sometimes", "schedule", "neither a cron expression", "@monthly"),
        ("retnetion: 1 year", "retnetion", "unknown key", "retention"),
        ("reindex: {bloat_above: 7}", "reindex.bloat_above", "less than 1", "0.3"),
    ],
)
def test_a_fault_has_its_file_line_key_and_a_good_value(tmp_path: Path, line: str, key: str, wrong: str, good: str) -> None:
    file = written(tmp_path, f"# one policy\npolicies:\n  - table: core.sessions\n    partition_key: at\n    {line}\n")
    found = only_problem(file)
    assert (found.file, found.line, found.key, found.good, found.table) == (str(file), 5, key, good, "core.sessions")
    assert wrong in found.wrong


def test_a_fault_deep_in_a_mapping_has_the_line_of_its_own_key(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """\
        policies:
          - table: core.sessions
            partition_key: at
            archive:
              path: s3://bucket
              compression: rar
        """,
    )
    assert (only_problem(file).key, only_problem(file).line) == ("archive.compression", 6)


def test_a_fault_in_a_list_has_the_line_of_its_item(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """\
        policies:
          - table: core.sessions
            partition_key: at
            tags:
              - core
              - 7
        """,
    )
    assert only_problem(file).line == 6


def test_a_missing_key_points_to_the_policy_that_lacks_it(tmp_path: Path) -> None:
    file = written(tmp_path, "policies:\n  - {table: core.a, partition_key: at}\n  - table: core.b\n")
    found = only_problem(file)
    assert (found.key, found.line, found.wrong, found.good) == ("partition_key", 3, "is required", "created_at")


def test_a_faulty_default_points_into_the_defaults(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """\
        defaults:
          partition_key: at
          archive:
            path: nowhere
        policies:
          - table: core.sessions
        """,
    )
    found = only_problem(file)
    assert (found.key, found.line) == ("archive.path", 4)


def test_an_unknown_key_in_the_defaults_points_into_the_defaults(tmp_path: Path) -> None:
    file = written(tmp_path, "defaults:\n  partition_key: at\n  premke: 3\npolicies:\n  - table: core.sessions\n")
    found = only_problem(file)
    assert (found.key, found.line, found.good) == ("premke", 3, "premake")


def test_a_policy_that_overrides_a_default_wrongly_is_faulted_itself(tmp_path: Path) -> None:
    file = written(tmp_path, "defaults:\n  partition_key: at\n  premake: 3\npolicies:\n  - table: core.sessions\n    premake: 0\n")
    assert only_problem(file).line == 6


def test_a_table_in_the_defaults_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "defaults:\n  table: core.sessions\npolicies:\n  - {partition_key: at}\n")
    assert (only_problem(file).key, only_problem(file).line) == ("defaults.table", 2)


def test_an_unknown_section_is_refused_at_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + "polices: []\n")
    assert (only_problem(file).key, only_problem(file).line) == ("polices", 3)


@pytest.mark.parametrize(
    ("text", "line"),
    [("", 1), ("just text\n", 1), ("- table: core.sessions\n", 1), ("# first\ndefaults: {}\npolicies: {table: core.a}\n", 3)],
)
def test_a_file_without_a_list_of_policies_is_refused_where_the_list_should_be(tmp_path: Path, text: str, line: int) -> None:
    found = only_problem(written(tmp_path, text))
    assert (found.key, found.wrong, found.line) == ("policies", "must be a list of policies", line)
    assert found.good is not None


@pytest.mark.parametrize("entry", ["core.sessions", "[core.sessions]", "null"])
def test_a_policy_that_is_no_mapping_is_refused_at_its_line(tmp_path: Path, entry: str) -> None:
    file = written(tmp_path, GOOD + f"  - {entry}\n")
    found = read_policies(file)
    assert tables(found) == ["core.events"]
    assert [(problem.key, problem.line) for problem in found.problems] == [("policies[1]", 3)]


def test_defaults_that_are_no_mapping_are_refused_at_their_line(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + "defaults: [premake]\n")
    assert (only_problem(file).key, only_problem(file).line) == ("defaults", 3)


@pytest.mark.parametrize("second", ["core.events", '"core"."events"'])
def test_two_policies_for_one_table_are_refused(tmp_path: Path, second: str) -> None:
    file = written(tmp_path, GOOD + f"  - {{table: '{second}', partition_key: at}}\n")
    found = only_problem(file)
    assert (found.key, found.line) == ("table", 3)
    assert found.wrong == f'a second policy for "core.events"; the first stands at {file}:2, and neither is used'
    assert tables(read_policies(file)) == []


def test_two_policies_for_one_table_are_refused_also_across_files(tmp_path: Path) -> None:
    first, second = written(tmp_path, GOOD, "a.yaml"), written(tmp_path, "# again\n" + GOOD, "b.yml")
    found = only_problem(tmp_path)
    assert (found.file, found.line) == (str(second), 3)
    assert f"{first}:2" in found.wrong


def test_a_key_that_occurs_twice_is_a_problem_of_its_file(tmp_path: Path) -> None:
    file = written(tmp_path, "policies:\n  - table: core.a\n    premake: 3\n    premake: 4\n")
    assert (only_problem(file).key, only_problem(file).line, only_problem(file).file) == ("premake", 4, str(file))


def test_a_bad_policy_does_not_hide_the_good_ones_of_its_file(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + "  - {table: core.bad, partition_key: at, premake: 0}\n  - {table: core.more, partition_key: at}\n")
    found = read_policies(file)
    assert tables(found) == ["core.events", "core.more"]
    assert [problem.table for problem in found.problems] == ["core.bad"]


@pytest.mark.parametrize(
    "bad",
    [
        b"policies: [\n",
        b"nothing: here\n",
        "policies:\n  - {table: core.größe, partition_key: at}\n".encode("latin-1"),
        b"policies:\n  - {table: core.x, partition_key: \x07}\n",
        b"policies:\n  - {table: core.x, partition_key: at, self: 1}\n",
        b"policies:\n  - {table: core.x, partition_key: at, lock_timeout: 99999999999999 days}\n",
        b"policies:\n  - {table: core.x, partition_key: at, since: 2024-02-30}\n",
    ],
    ids=["no YAML", "no policies", "not UTF-8", "control character", "key self", "huge duration", "no such date"],
)
def test_a_bad_file_does_not_hide_the_good_ones_beside_it(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "bad.yaml").write_bytes(bad)
    written(tmp_path, GOOD, "good.yaml")
    found = read_policies(tmp_path)
    assert tables(found) == ["core.events"]
    assert {problem.file for problem in found.problems} == {str(tmp_path / "bad.yaml")}


def test_loading_is_stricter_than_reading_and_raises_every_problem(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + "  - {table: core.a, partition_key: at, premake: 0}\n  - {table: core.b}\n")
    with pytest.raises(PolicyError) as caught:
        load_policies(file)
    assert [problem.key for problem in caught.value.problems] == ["premake", "partition_key"]


def test_a_folder_is_read_in_the_order_of_its_yaml_files_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, "policies: [{table: core.b, partition_key: at}]", "b.yml")
    written(tmp_path, "policies: [{table: core.a, partition_key: at}]", "a.yaml")
    written(tmp_path, "not: policies", "notes.txt")
    assert [str(policy.table) for policy in load_policies(tmp_path)] == ["core.a", "core.b"]


def test_a_place_that_does_not_exist_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.yaml:1: policies: there is no such file or folder"):
        load_policies(tmp_path / "nowhere.yaml")


def test_a_folder_without_policies_is_a_problem_and_not_a_success(tmp_path: Path) -> None:
    assert "holds no policy" in only_problem(tmp_path).wrong


def test_the_environment_names_the_place_unless_an_argument_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, GOOD)
    other = written(tmp_path, "policies: [{table: core.other, partition_key: at}]", "other.yaml")
    monkeypatch.setenv(POLICIES_VARIABLE, str(file))
    assert POLICIES_VARIABLE == "PARTITION_POLICIES"
    assert tables(read_policies()) == ["core.events"]
    assert tables(read_policies(other)) == ["core.other"]


def test_without_the_environment_the_shipped_policies_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(POLICIES_VARIABLE, raising=False)
    found = load_policies()
    assert [str(policy.table) for policy in found] == ["core.sessions", "system.audit_trails"]
    assert {str(policy.retention) for policy in found} == {"24 months"}


def test_a_policy_is_found_by_its_table_although_another_one_is_broken(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + "  - {table: core.bad, partition_key: at, premake: 0}\n")
    assert find_policy("core.events", file).partition_key == "at"


def test_a_broken_policy_is_not_found_but_explained(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + "  - {table: core.bad, partition_key: at, premake: 0}\n")
    with pytest.raises(PolicyError, match=r"premake: input should be greater"):
        find_policy("core.bad", file)


def test_a_policy_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r'no policy for "core\.sessions"; there is one for: core\.events'):
        find_policy("core.sessions", written(tmp_path, GOOD))


def test_a_policy_is_found_as_its_table_is_written_in_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'policies:\n  - {table: \'"core"."events"\', partition_key: at}\n')
    assert find_policy("core.events", file) == find_policy('"core"."events"', file)


@pytest.fixture
def schema() -> dict[str, Any]:
    """The schema as it is published beside the policies."""
    loaded: dict[str, Any] = json.loads((DEFAULT_FOLDER / "policy.schema.json").read_text(encoding="utf-8"))
    return loaded


def test_the_published_schema_is_that_of_the_code(schema: dict[str, Any]) -> None:
    assert schema == json.loads(json.dumps(policy_file_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_published_schema_accepts_the_shipped_policies(schema: dict[str, Any]) -> None:
    files = sorted(DEFAULT_FOLDER.glob("*.yaml"))
    assert files
    for file in files:
        jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schema)


@pytest.mark.parametrize(
    "document",
    [
        {"policies": [{"table": "core.a", "partition_key": "at", "retnetion": "1 year"}]},
        {"policies": [{"table": "core.a", "partition_key": "at", "archive": {"path": "s3://b", "pth": 1}}]},
        {"policies": [], "polices": []},
        {"policies": [{"partition_key": "at"}]},
        {"policies": [{"table": "core.a", "premake": 0}]},
        {"policies": [{"table": "core.a", "interval": "decade"}]},
        {"policies": [], "defaults": {"table": "core.a"}},
        {"policies": [], "defaults": {"premke": 3}},
        {"policies": [], "defaults": {"premake": 0}},
        {"policies": [], "defaults": {"partition_key": ""}},
        {},
    ],
)
def test_the_published_schema_refuses_what_the_code_refuses(schema: dict[str, Any], document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_the_published_schema_takes_the_same_texts_in_the_defaults_as_in_a_policy(schema: dict[str, Any]) -> None:
    # An editor that knows the format `duration` (ISO 8601, PT0.1S) would underline `100 ms`.
    in_defaults, in_policy = (schema["$defs"][name]["properties"]["lock_timeout"] for name in ("Defaults", "PartitionPolicy"))
    assert in_defaults.get("format") == in_policy.get("format")


@pytest.mark.parametrize("key", ["lock_timeout", "wait_timeout"])
def test_a_default_that_the_schema_shows_is_one_that_the_code_takes(schema: dict[str, Any], key: str) -> None:
    shown = schema["$defs"]["PartitionPolicy"]["properties"][key]["default"]
    values: dict[str, Any] = {"table": "core.a", "partition_key": "at", key: shown}
    assert PartitionPolicy(**values) == PartitionPolicy(table="core.a", partition_key="at")
