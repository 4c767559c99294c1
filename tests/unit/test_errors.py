"""Problems as one line each, and the split between what a retry helps and what it does not."""

import pytest

from include.partitioning import errors
from include.partitioning.errors import PermanentError, PolicyError, Problem, TransientError


def test_a_problem_reads_as_file_line_key_fault_and_example() -> None:
    problem = Problem("premake", "must be positive", "3", file="a.yaml", line=7)
    assert str(problem) == "a.yaml:7: premake: must be positive; for example: 3"


def test_a_problem_without_a_file_begins_with_its_key() -> None:
    assert str(Problem("premake", "must be positive")) == "premake: must be positive"


def test_a_policy_error_says_all_problems_and_keeps_them() -> None:
    problems = (Problem("a", "is wrong"), Problem("b", "is wrong too"))
    error = PolicyError(problems)
    assert error.problems == problems
    assert str(error) == "a: is wrong\nb: is wrong too"


@pytest.mark.parametrize(
    "name", ["LockNotAvailableError", "WaitTooLongError", "CatalogChangedError", "ServerUnavailableError", "StorageUnavailableError"]
)
def test_what_may_pass_is_transient(name: str) -> None:
    found = getattr(errors, name)
    assert issubclass(found, TransientError)
    assert not issubclass(found, PermanentError)


@pytest.mark.parametrize("name", ["PolicyError", "DestructionRefusedError", "ArchiveMismatchError", "BadArgumentError"])
def test_what_a_retry_cannot_mend_is_permanent(name: str) -> None:
    found = getattr(errors, name)
    assert issubclass(found, PermanentError)
    assert not issubclass(found, TransientError)
