"""Preparing a connection, so that no setting of a role, a database or a user's profile changes what we do."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import Connection, errors

from include.partitioning.errors import CatalogMismatchError
from include.postgres.queries import row

OLDEST_SERVER = 140000
LONGEST_READ_WAIT = timedelta(minutes=1)

SETTINGS = {
    "search_path": "pg_catalog, pg_temp",  # a function of the same name in another schema cannot be called by us
    "row_security": "off",  # rows that a policy would hide become an error, never a gap in an archive
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "array_nulls": "on",  # otherwise {NULL} is read as a word
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
    "statement_timeout": "0",
    "client_encoding": "UTF8",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "synchronous_commit": "on",  # what the ledger says must survive a crash
    "default_tablespace": "",
    "default_table_access_method": "heap",
    "synchronize_seqscans": "off",  # two readings of a table come in the same order
    "check_function_bodies": "off",
    "client_min_messages": "notice",
    # A worker whose machine is gone must not go on holding or waiting for locks, with others queueing behind it.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
CHECK_CLIENT_EVERY = "1s"
"""How often the server looks, while a statement runs or waits, whether its worker still lives; its own default is never."""

_SINCE = {"transaction_timeout": (170000, "0")}


def prepare(connection: Connection[Any], application_name: str, wait_timeout: timedelta = LONGEST_READ_WAIT) -> Connection[Any]:
    """Put a fresh connection into autocommit with the settings above, after checking that it can work at all.

    :param wait_timeout: longest wait of a mere read for a lock: even `pg_get_expr` of a partition's bound takes ACCESS SHARE on it.
    :raises CatalogMismatchError: the server is older than PostgreSQL 14, a standby, behind a transaction pooler, or has text in no known
        encoding.
    """
    connection.autocommit = True
    _refuse_old(connection)
    waits = {"lock_timeout": f"{round(wait_timeout.total_seconds() * 1000)}ms", "application_name": application_name[:63]}
    settings = _settings(connection.info.server_version) | waits
    # First of all the time limits, because a role's may be short; and each statement also tells which backend answered.
    limits = {name: value for name, value in settings.items() if name.endswith("_timeout")}
    looks = [_set(connection, limits), _set(connection, settings), _set(connection, {})]
    _refuse_pooler(connection, {each.backend for each in looks})
    _refuse_standby(connection, looks)
    _look_after_worker(connection)
    return connection


@dataclass(frozen=True, slots=True)
class _Look:
    """What a statement saw of the server that answered it."""

    backend: int
    standby: bool


def _set(connection: Connection[Any], settings: Mapping[str, str]) -> _Look:
    """Set all of them in one round trip."""
    found = row(connection, "set_session", names=list(settings), values=list(settings.values())) or {}
    return _Look(found["backend"], found["standby"])


def _refuse_old(connection: Connection[Any]) -> None:
    version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise CatalogMismatchError(f"PostgreSQL {version // 10000} is too old; 14 is the oldest that can detach CONCURRENTLY")
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        raise CatalogMismatchError(
            "the database has the encoding SQL_ASCII, so its text cannot be archived faithfully; it is not supported"
        )


def _settings(version: int) -> dict[str, str]:
    newer = {name: value for name, (since, value) in _SINCE.items() if version >= since}
    return SETTINGS | newer


def _look_after_worker(connection: Connection[Any]) -> None:
    """Not every platform can (manual, client_connection_check_interval): there, a dead worker's statement runs to its end."""
    with suppress(errors.InvalidParameterValue):
        _set(connection, {"client_connection_check_interval": CHECK_CLIENT_EVERY})


def _refuse_pooler(connection: Connection[Any], backends: set[int]) -> None:
    """A transaction pooler hands each statement to another backend, which loses SET and session locks."""
    if backends != {connection.info.backend_pid}:
        raise CatalogMismatchError(
            f'the connection to "{connection.info.host}" goes through a transaction pooler (the backend changes between statements); '
            "point the Airflow connection at the server itself"
        )


def _refuse_standby(connection: Connection[Any], looks: Iterable[_Look]) -> None:
    if any(each.standby for each in looks):
        raise CatalogMismatchError(f'"{connection.info.host}" is a standby; point the Airflow connection at the primary')
