"""Every error the package raises on purpose, in one family.

The split that matters to Airflow is `PermanentError` (a retry cannot help: the task fails at once and
a person reads the message) against `TransientError` (the cause may pass: Airflow retries).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


class PartitionLifecycleError(Exception):
    """Root of the family. A message names the object in double quotes, then says what to do."""


class PermanentError(PartitionLifecycleError):
    """Fails the same way however often it is tried."""


class TransientError(PartitionLifecycleError):
    """May succeed when it is tried again later."""


class BadArgumentError(PermanentError):
    """An operator was given an argument it cannot use (a date that is none, a name without a schema)."""


class CatalogMismatchError(PermanentError):
    """The database holds something else than the policy says: no such table, another key, a taken name.

    :param key: the policy's key that does not fit, if it is one.
    :param good: a value that would fit, if there is one.
    """

    def __init__(self, message: str, key: str | None = None, good: str | None = None) -> None:
        self.key = key
        self.good = good
        super().__init__(message)


class MissingPrivilegeError(PermanentError):
    """The role may not do it; the message holds the GRANT that mends it."""


class StatementFailedError(PermanentError):
    """PostgreSQL refused a statement for a reason that trying again does not change."""


class RowsInDefaultError(StatementFailedError):
    """Rows in the DEFAULT partition belong into the one that was to be created."""


class SkippedByServerError(PermanentError):
    """PostgreSQL only warned and did nothing, such as ANALYZE by a role that may not."""


class DestructionRefusedError(PermanentError):
    """A gate in front of detach or drop is closed. Nothing has been changed."""


class ApprovalError(PermanentError):
    """A person cannot be asked, or the question to which an answer belongs is lost. Nothing is destroyed."""


class ArchiveError(PermanentError):
    """An archive could not be written faithfully: a value that has no place in the file, rows hidden, a type unknown."""


class ArchiveMismatchError(ArchiveError):
    """What lies in the storage is not what was archived, or not what the table holds."""


class RestoreRefusedError(PermanentError):
    """An archive cannot be restored as was asked. What had been built for it is gone again."""


class DrainRefusedError(PermanentError):
    """Rows of DEFAULT cannot be moved, or were not moved faithfully. What had been built for it is gone again, and DEFAULT is as it was."""


class ReshapeRefusedError(PermanentError):
    """A table cannot be given another shape, or was not copied faithfully. Whoever uses it has noticed nothing, and it is as it was."""


class LedgerTooNewError(PermanentError):
    """The bookkeeping schema was written by a newer version of this package."""


class LockNotAvailableError(TransientError):
    """A lock was not granted within `lock_timeout`, for `lock_attempts` attempts."""


class WaitTooLongError(TransientError):
    """A phase that only waits, and blocks nobody, used up `wait_timeout`."""


class CatalogChangedError(TransientError):
    """What was being looked at was dropped or changed by somebody else at that very moment, and the server had no better word for it."""


class ServerUnavailableError(TransientError):
    """The connection was lost, refused, or the server is starting, stopping or out of a resource."""


class StorageUnavailableError(TransientError):
    """The object store did not answer, or cut the connection."""


class NotToldError(TransientError):
    """A message did not reach somebody it was for."""


@contextmanager
def collected(errors: list[PartitionLifecycleError]) -> Iterator[None]:
    """Note what goes wrong within the block instead of raising it: one thing's failure is no other's. `all_of` makes one error of them.

    :raises ServerUnavailableError: the server is away, so nothing else could be done either.
    """
    try:
        yield
    except ServerUnavailableError:
        raise
    except PartitionLifecycleError as error:
        errors.append(error)


def all_of(errors: Sequence[PartitionLifecycleError]) -> PartitionLifecycleError:
    """One error with the messages of all: worth a retry if any of them is, and of the kind of those that are if that is one kind."""
    text = "\n".join(str(error) for error in errors)
    kinds = {type(error) for error in errors if isinstance(error, TransientError)}
    if not kinds:
        return PermanentError(text)
    return kinds.pop()(text) if len(kinds) == 1 else TransientError(text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a policy file, for a person who has the file open.

    `line` counts from 1; None where there is no file (a policy built in Python).
    `table` is the policy's table as it was written, or None where it is not readable.
    """

    key: str
    wrong: str
    good: str | None = None
    file: str | None = None
    line: int | None = None
    table: str | None = None

    def __str__(self) -> str:
        """One line: `file:line: key: what is wrong; for example: a good value`."""
        place = f"{self.file}:{self.line}: " if self.file else ""
        example = f"; for example: {self.good}" if self.good else ""
        return f"{place}{self.key}: {self.wrong}{example}"


class PolicyError(PermanentError):
    """A policy is not usable. `problems` holds all that is wrong, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))
