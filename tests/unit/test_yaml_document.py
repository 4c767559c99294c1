"""YAML with line numbers, without silently lost keys, and with every fault as a problem of the file."""

import pytest

from include.partitioning.errors import PolicyError, Problem
from include.partitioning.yaml_document import KeyPath, read_yaml

DOCUMENT = """\
# a comment
defaults:
  premake: 3
policies:
  - table: core.sessions
    archive: {path: s3://bucket,
              conn_id: aws}
  -
    table: core.events
"""


def problem(text: str) -> Problem:
    """The one thing that is wrong with the file `policies.yaml`."""
    with pytest.raises(PolicyError) as caught:
        read_yaml(text, "policies.yaml")
    (only,) = caught.value.problems
    return only


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("defaults",), 2),
        (("defaults", "premake"), 3),
        (("policies", 0), 5),
        (("policies", 0, "table"), 5),
        (("policies", 0, "archive", "conn_id"), 7),
        (("policies", 1, "table"), 9),
    ],
)
def test_each_key_knows_its_line(path: KeyPath, line: int) -> None:
    assert read_yaml(DOCUMENT, "policies.yaml").line_of(path) == line


def test_a_key_that_is_not_in_the_file_has_the_line_of_what_lacks_it() -> None:
    document = read_yaml(DOCUMENT, "policies.yaml")
    assert document.line_of(("policies", 0, "archive", "path", "x")) == 6
    assert document.line_of(("policies", 0, "partition_key")) == 5
    assert document.line_of(("nothing", "of", "this")) == 2


def test_the_values_are_those_of_plain_yaml() -> None:
    data = read_yaml(DOCUMENT, "policies.yaml").data
    assert data["policies"][0] == {"table": "core.sessions", "archive": {"path": "s3://bucket", "conn_id": "aws"}}


def test_an_empty_file_holds_nothing() -> None:
    assert read_yaml("# nothing yet\n", "policies.yaml").data is None


@pytest.mark.parametrize(("text", "first"), [("a: 1\nb: 2\na: 3\n", 1), ("b: {\n a: 1,\n a: 2}\n", 2), ("b:\n- a: 1\n  a: 2\n", 2)])
def test_a_key_that_occurs_twice_is_refused_with_both_lines(text: str, first: int) -> None:
    found = problem(text)
    assert (found.key, found.line, found.file) == ("a", 3, "policies.yaml")
    assert found.wrong == f"occurs twice, first on line {first}"


def test_the_same_key_in_two_mappings_is_no_double() -> None:
    assert read_yaml("x: {a: 1}\ny: {a: 2}\n", "policies.yaml").data == {"x": {"a": 1}, "y": {"a": 2}}


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("policies:\n  schedule: @monthly\n", 2, "cannot start any token"),
        ("policies: [1\nother: 2\n", 2, "expected ',' or ']'"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a:\n\t- b\n", 2, "cannot start any token"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "could not determine a constructor"),
        ("a: 1\nb: *nothing\n", 2, "undefined alias"),
        ("a: 'open\n", 2, "unexpected end of stream"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text: str, line: int, wrong: str) -> None:
    found = problem(text)
    assert (found.key, found.file, found.line) == ("yaml", "policies.yaml", line)
    assert wrong in found.wrong


@pytest.mark.parametrize("text", ["table: core.\x07sessions\n", "a: \x00\n"])
def test_a_control_character_is_a_problem_of_the_file_and_not_a_crash(text: str) -> None:
    assert problem(text).file == "policies.yaml"


def test_a_date_that_does_not_exist_is_a_problem_of_the_file_and_not_a_crash() -> None:
    assert problem("since: 2024-13-45\n").file == "policies.yaml"


def test_an_alias_to_itself_is_a_problem_of_the_file_and_not_a_crash() -> None:
    assert problem("policies: &all [*all]\n").file == "policies.yaml"


def test_anchors_and_merges_work_as_in_plain_yaml() -> None:
    document = read_yaml("base: &base {premake: 3}\nmine:\n  <<: *base\n  table: t\n", "policies.yaml")
    assert document.data["mine"] == {"premake": 3, "table": "t"}
