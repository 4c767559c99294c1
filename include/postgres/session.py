"""Preparing a connection, so that no setting of a role, a database or a user's profile changes what we do."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from include.partitioning.errors import CatalogMismatchError

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
}
_SINCE = {"transaction_timeout": (170000, "0")}


def prepare(connection: Connection[Any], application_name: str, wait_timeout: timedelta = LONGEST_READ_WAIT) -> Connection[Any]:
    """Put a fresh connection into autocommit with the settings above, after checking that it can work at all.

    :param wait_timeout: longest wait of a mere read for a lock: even `pg_get_expr` of a partition's bound takes ACCESS SHARE on it.
    :raises CatalogMismatchError: the server is older than PostgreSQL 14, a standby, behind a transaction pooler, or has text in no known
        encoding.
    """
    connection.autocommit = True
    connection.execute("SET statement_timeout = 0")  # first of all, because a role's may be short
    version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise CatalogMismatchError(f"PostgreSQL {version // 10000} is too old; 14 is the oldest that can detach CONCURRENTLY")
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        raise CatalogMismatchError(
            "the database has the encoding SQL_ASCII, so its text cannot be archived faithfully; it is not supported"
        )
    _refuse_pooler(connection)
    _refuse_standby(connection)
    connection.execute("SELECT pg_catalog.set_config('application_name', %s, false)", (application_name[:63],))
    waits = {"lock_timeout": f"{round(wait_timeout.total_seconds() * 1000)}ms"}
    for name, value in (_settings(version) | waits).items():
        connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
    return connection


def _settings(version: int) -> dict[str, str]:
    newer = {name: value for name, (since, value) in _SINCE.items() if version >= since}
    return SETTINGS | newer


def _refuse_pooler(connection: Connection[Any]) -> None:
    """A transaction pooler hands each statement to another backend, which loses SET and session locks."""
    pids = {connection.info.backend_pid}
    for _ in range(3):
        found = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
        pids.add(found[0] if found else 0)
    if len(pids) > 1:
        raise CatalogMismatchError(
            f'the connection to "{connection.info.host}" goes through a transaction pooler (the backend changes between statements); '
            "point the Airflow connection at the server itself"
        )


def _refuse_standby(connection: Connection[Any]) -> None:
    found = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
    if found and found[0]:
        raise CatalogMismatchError(f'"{connection.info.host}" is a standby; point the Airflow connection at the primary')
