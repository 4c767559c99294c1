"""Policy files: finding them, reading them, and saying exactly where they are wrong."""

import os
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from include.partitioning.errors import PolicyError, Problem
from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from include.partitioning.span import format_duration
from include.partitioning.yaml_document import KeyPath, YamlDocument, read_yaml

POLICIES_VARIABLE = "PARTITION_POLICIES"
"""Environment variable that names the policy file or folder."""

DEFAULT_FOLDER = Path(__file__).parents[1] / "policies"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a policy begins; lines count from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class PolicySet:
    """What the files hold: the policies that are usable and where they stand, and what is wrong with the others."""

    policies: tuple[PartitionPolicy, ...]
    problems: tuple[Problem, ...]
    places: Mapping[TableName, Place] = field(default_factory=dict)

    def problem(self, policy: PartitionPolicy, key: str, wrong: str, good: str | None = None) -> Problem:
        """Something wrong with one of the policies that only the database could tell, with the place where it stands."""
        place = self.places.get(policy.table)
        return Problem(key, wrong, good, place.file if place else None, place.line if place else None, str(policy.table))


def load_policies(path: str | Path | None = None) -> list[PartitionPolicy]:
    """Every policy of a file or folder; `path` defaults to PARTITION_POLICIES, then to `include/policies/`.

    :raises PolicyError: if anything is wrong with any of them, with all problems.
    """
    found = read_policies(path)
    if found.problems:
        raise PolicyError(found.problems)
    return list(found.policies)


def find_policy(table: str, path: str | Path | None = None) -> PartitionPolicy:
    """The policy for `table`, written as in the file. Problems of other tables' policies do not matter here.

    :raises PolicyError: no such policy, or that one is not usable.
    """
    found = read_policies(path)
    wanted = TableName.parse(table)
    for policy in found.policies:
        if policy.table == wanted:
            return policy
    own = tuple(problem for problem in found.problems if problem.table in (table, str(wanted), None))
    known = ", ".join(str(policy.table) for policy in found.policies) or "none"
    raise PolicyError(own or (Problem("table", f'there is no policy for "{table}"; there is one for: {known}'),))


def read_policies(path: str | Path | None = None) -> PolicySet:
    """As `load_policies`, but one bad policy does not hide the good ones: it is returned among the problems."""
    source = Path(path or os.environ.get(POLICIES_VARIABLE) or DEFAULT_FOLDER)
    entries: list[_Entry] = []
    problems: list[Problem] = []
    try:
        files = _files(source)
    except PolicyError as error:
        return PolicySet((), error.problems)
    for file in files:
        try:
            entries += _entries(file)
        except PolicyError as error:
            problems += error.problems
    if not entries and not problems:
        problems.append(Problem("policies", "holds no policy; add a file with a `policies:` list", file=str(source), line=1))
    return _without_doubles(entries, problems)


def policy_file_schema() -> dict[str, Any]:
    """JSON Schema of a policy file, for editors. In `defaults` nothing is required, and `table` is not allowed."""
    optional: dict[str, Any] = {
        name: (field.annotation, _optional(field)) for name, field in PartitionPolicy.model_fields.items() if name != "table"
    }
    defaults = create_model("Defaults", __config__=PartitionPolicy.model_config, **optional)
    file = create_model(
        "PolicyFile",
        __config__=PartitionPolicy.model_config,
        defaults=(defaults, Field(None, description="Values for every policy of this file that does not set the key itself.")),
        policies=(list[PartitionPolicy], Field(description="One entry per partitioned table.")),
    )
    schema = file.model_json_schema()
    # A key that `defaults` sets need not be repeated, which a schema cannot see: only the table is required in each entry.
    schema["$defs"]["PartitionPolicy"]["required"] = ["table"]
    for key, described in schema["$defs"]["PartitionPolicy"]["properties"].items():
        value = PartitionPolicy.model_fields[key].default
        if isinstance(value, timedelta):
            described["default"] = format_duration(value)
    for described in schema["$defs"]["Defaults"]["properties"].values():
        described.pop("default", None)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


def _optional(described: FieldInfo) -> FieldInfo:
    """The same field with the same bounds, but not required."""
    same = copy(described)
    same.default = None
    return same


@dataclass(frozen=True, slots=True)
class _Entry:
    file: str
    line: int
    table: str
    policy: PartitionPolicy | None
    problems: tuple[Problem, ...]


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(file for file in source.iterdir() if file.suffix in (".yaml", ".yml"))
    if not source.exists():
        raise PolicyError((Problem("policies", "there is no such file or folder", file=str(source), line=1),))
    return [source]


def _entries(file: Path) -> list[_Entry]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError((Problem("policies", f"cannot be read: {error}", file=str(file), line=1),)) from error
    document = read_yaml(text, str(file))
    defaults = _checked_layout(document, str(file))
    return [_entry(document, str(file), index, defaults) for index in range(len(document.data["policies"]))]


def _checked_layout(document: YamlDocument, file: str) -> dict[str, Any]:
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("policies"), list):
        raise PolicyError(
            (
                Problem(
                    "policies", "must be a list of policies", "policies: [{table: core.sessions, …}]", file, document.line_of(("policies",))
                ),
            )
        )
    problems = [
        Problem(str(key), "unknown key; known here are defaults, policies", file=file, line=document.line_of((str(key),)))
        for key in data
        if key not in ("defaults", "policies")
    ]
    defaults = data.get("defaults") or {}
    if not isinstance(defaults, dict):
        problems.append(Problem("defaults", "must be a mapping of policy keys", file=file, line=document.line_of(("defaults",))))
    elif "table" in defaults:
        problems.append(
            Problem("defaults.table", "a table belongs to one policy, not to all", file=file, line=document.line_of(("defaults", "table")))
        )
    if problems:
        raise PolicyError(tuple(problems))
    return {str(key): value for key, value in defaults.items()}


def _entry(document: YamlDocument, file: str, index: int, defaults: dict[str, Any]) -> _Entry:
    path: KeyPath = ("policies", index)
    own = document.data["policies"][index]
    line = document.line_of(path)
    if not isinstance(own, dict):
        return _Entry(file, line, "", None, (Problem(f"policies[{index}]", "must be a mapping of policy keys", file=file, line=line),))
    table = str(own.get("table", ""))
    values = {**defaults, **{str(key): value for key, value in own.items()}}
    try:
        return _Entry(file, line, table, PartitionPolicy(**values), ())
    except PolicyError as error:
        placed = tuple(
            replace(problem, file=file, line=_line(document, path, own, problem.key), table=table or None) for problem in error.problems
        )
        return _Entry(file, line, table, None, placed)


def _line(document: YamlDocument, path: KeyPath, own: dict[Any, Any], key: str) -> int:
    """Where the offending key stands: in the policy itself, or in `defaults` if it came from there."""
    parts = tuple(int(part) if part.isdigit() else part for part in key.split("."))
    if parts[0] not in own and ("defaults", parts[0]) in document.lines:
        return document.line_of(("defaults", *parts))
    return document.line_of((*path, *parts))


def _without_doubles(entries: Iterable[_Entry], problems: list[Problem]) -> PolicySet:
    """Of two policies for one table neither is used: nobody can tell which was meant, and one of them may destroy."""
    by_table: dict[TableName, list[tuple[_Entry, PartitionPolicy]]] = {}
    for entry in entries:
        problems += entry.problems
        if entry.policy is not None:
            by_table.setdefault(entry.policy.table, []).append((entry, entry.policy))
    for table, found in by_table.items():
        for entry, _ in found[1:]:
            first = found[0][0]
            wrong = f'a second policy for "{table}"; the first stands at {first.file}:{first.line}, and neither is used'
            problems.append(Problem("table", wrong, file=entry.file, line=entry.line, table=str(table)))
    single = {table: found[0] for table, found in by_table.items() if len(found) == 1}
    places = {table: Place(entry.file, entry.line) for table, (entry, _) in single.items()}
    return PolicySet(tuple(policy for _, policy in single.values()), tuple(problems), places)
