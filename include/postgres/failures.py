"""The one place where psycopg's errors become ours, by their SQLSTATE (manual, appendix A)."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from include.partitioning.errors import (
    CatalogChangedError,
    LockNotAvailableError,
    MissingPrivilegeError,
    PartitionLifecycleError,
    RowsInDefaultError,
    ServerUnavailableError,
    StatementFailedError,
    WaitTooLongError,
)

LOCK_CONFLICTS = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
"""What gives way to somebody else and is worth another attempt at once."""

_TRANSIENT_CLASSES = ("08", "53", "57P", "58")
"""Connection lost, out of a resource, server shutting down or starting, system error."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn a psycopg error into one of ours; `what` says what was being done, and to which object."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, what) from error


def translate(error: psycopg.Error, what: str) -> PartitionLifecycleError:
    """Our error for a psycopg error: permanent unless its SQLSTATE says that it may pass."""
    state = error.sqlstate or ""
    said = _said(error)
    if isinstance(error, errors.InsufficientPrivilege):
        return MissingPrivilegeError(f"{what}: {said}; {_what_to_grant(error)}, or run as the table's owner (README, privileges)")
    if isinstance(error, LOCK_CONFLICTS):
        return LockNotAvailableError(
            f"{what}: {said}; somebody holds a lock on the table or on one of its partitions (pg_locks): end that session"
        )
    if isinstance(error, errors.QueryCanceled):
        return WaitTooLongError(f"{what}: {said}; find what it waited for, or raise wait_timeout")
    if state.startswith(_TRANSIENT_CLASSES) or (not state and isinstance(error, psycopg.OperationalError)):
        return ServerUnavailableError(f"{what}: the server is not available: {said}")
    if isinstance(error, errors.InternalError_):  # such as "could not open relation with OID …", in the server's language
        return CatalogChangedError(f"{what}: {said} (SQLSTATE XX000); somebody may have dropped or changed it at that moment: run it again")
    return _refused(error, what, said)


def _what_to_grant(error: psycopg.Error) -> str:
    if error.diag.source_function == "check_enable_rls":  # the message is translated, and 42501 says not which privilege
        return "rows would be missing: give the role BYPASSRLS"
    return "grant the role what it lacks"


def _refused(error: psycopg.Error, what: str, said: str) -> StatementFailedError:
    default = error.diag.table_name
    if isinstance(error, errors.CheckViolation) and default and not error.diag.constraint_name:  # a partition's bounds
        return RowsInDefaultError(f'{what}: rows in the DEFAULT partition "{default}" belong into the new one')
    return StatementFailedError(f"{what}: {said}{_advice(error)}")


def _said(error: psycopg.Error) -> str:
    primary = error.diag.message_primary or str(error).strip()
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return f"{primary}{detail}"


def _advice(error: psycopg.Error) -> str:
    match error:
        case errors.DependentObjectsStillExist():
            return "; something else depends on it: drop or change that first, nothing is ever dropped with CASCADE"
        case errors.ForeignKeyViolation():
            return f'; rows elsewhere refer to it by constraint "{error.diag.constraint_name}": remove them first'
        case errors.RaiseException():
            where = (error.diag.context or "").partition("\n")[0]
            return f"; raised on purpose by {where}: ask whoever wrote that, it may be an event trigger" if where else ""
        case _:
            return f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
