"""Preparing a connection, so that no setting of a role, a database or a user's profile changes what we do."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from psycopg import Connection, errors, sql
from psycopg.rows import dict_row, tuple_row

from include.partitioning.errors import CatalogMismatchError, MissingPrivilegeError
from include.postgres.queries import Row, query, row

OLDEST_SERVER = 140000
LONGEST_READ_WAIT = timedelta(minutes=1)

SETTINGS = {
    "search_path": "pg_catalog, pg_temp",  # nothing of the same name in another schema, or in a temporary one, can be taken by us
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
    "standard_conforming_strings": "on",  # otherwise the backslashes in our own queries vanish
    "escape_string_warning": "off",
    "quote_all_identifiers": "off",  # what the server prints goes into manifests and digests
    "transform_null_equals": "off",
    "temp_tablespaces": "",
    "jit": "off",  # compiling a look at the catalog of very many partitions takes longer than the look
}
CHECK_CLIENT_EVERY = "1s"
"""How often the server looks, while a statement runs or waits, whether its worker still lives; its own default is never."""

_SINCE = {"transaction_timeout": (170000, "0")}

_FIRST = "SET search_path TO pg_catalog, pg_temp; SET statement_timeout TO 0; SET idle_session_timeout TO 0; SET ROLE NONE"
"""Before anything that has an operator in it, and before a short timeout strikes. A role's settings may hold a role, too."""

_BEYOND_US = {
    "session_replication_role": "origin",  # otherwise foreign keys and the ledger's own triggers are not enforced
    "zero_damaged_pages": "off",  # otherwise rows on a damaged page vanish from an archive without an error
    "ignore_checksum_failure": "off",
}
"""Only a superuser, or somebody with a GRANT on the parameter, changes these in a session."""


def prepare(connection: Connection[Any], application_name: str, wait_timeout: timedelta = LONGEST_READ_WAIT) -> Connection[Any]:
    """Put a fresh connection into autocommit with the settings above, after checking that it can work at all.

    :param wait_timeout: longest wait of a mere read for a lock: even `pg_get_expr` of a partition's bound takes ACCESS SHARE on it.
    :raises CatalogMismatchError: the server is older than PostgreSQL 14, a standby, behind a pooler, or has text in no known encoding.
    :raises MissingPrivilegeError: a superuser has set something for this role that must not be so, and that the role may not change.
    """
    return _prepared(connection, application_name, wait_timeout, {}, on_standby=False)


def prepare_to_read(connection: Connection[Any], application_name: str, longest: timedelta) -> Connection[Any]:
    """As `prepare`, for somebody who only looks: on a hot standby too, with no right or chance to change anything.

    :param longest: time after which a statement is given up, waits included.
    """
    limits = {"default_transaction_read_only": "on", "statement_timeout": f"{round(longest.total_seconds() * 1000)}ms"}
    return _prepared(connection, application_name, longest, limits, on_standby=True)


def _prepared(
    connection: Connection[Any], application_name: str, wait_timeout: timedelta, others: Mapping[str, str], *, on_standby: bool
) -> Connection[Any]:
    connection.autocommit = True
    connection.row_factory = tuple_row  # an Airflow connection may ask for another
    _refuse_old(connection)
    first = _answering(connection)  # before the first SET, which a pooler would leave to others
    _refuse_pooler_and_standby(connection, first, on_standby=on_standby)
    pin_settings(connection, application_name, wait_timeout, others, on_standby=on_standby)
    _refuse_pooler_and_standby(connection, _answering(connection), on_standby=on_standby)
    _look_after_worker(connection)
    return connection


def pin_settings(
    connection: Connection[Any],
    application_name: str,
    wait_timeout: timedelta = LONGEST_READ_WAIT,
    others: Mapping[str, str] | None = None,
    *,
    on_standby: bool = False,
) -> None:
    """The settings above, and the role that logged in; for a connection in autocommit mode.

    :param wait_timeout: longest wait for a lock.
    :param others: that only this connection has.
    :param on_standby: whether it may be one.
    :raises MissingPrivilegeError: as `prepare`.
    """
    connection.execute(_FIRST)
    newer = {name: value for name, (since, value) in _SINCE.items() if connection.info.server_version >= since}
    own = {
        "application_name": application_name.encode()[:63].decode(errors="ignore"),
        "lock_timeout": f"{round(wait_timeout.total_seconds() * 1000)}ms",
    }
    settings = SETTINGS | newer | own | dict(others or {})
    found = row(connection, "set_session", names=list(settings), values=list(settings.values()), beyond_us=list(_BEYOND_US)) or {}
    _refuse_pooler_and_standby(connection, found, on_standby=on_standby)
    _insist(connection, found["user"], found["beyond_us"])


def _insist(connection: Connection[Any], user: str, found: Mapping[str, str]) -> None:
    for name, value in _BEYOND_US.items():
        if found[name] == value:
            continue
        try:
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
        except errors.InsufficientPrivilege as error:
            mend = sql.SQL("ALTER ROLE {} RESET {}").format(sql.Identifier(user), sql.Identifier(name)).as_string(connection)
            raise MissingPrivilegeError(
                f'"{name}" is {found[name]} for "{user}", it must be {value}, and the role may not change it; as a superuser: {mend} '
                "(or ALTER ROLE … IN DATABASE …, ALTER DATABASE …, postgresql.conf: pg_db_role_setting and pg_settings say where it is set)"
            ) from error


def _refuse_old(connection: Connection[Any]) -> None:
    version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise CatalogMismatchError(f"PostgreSQL {version // 10000} is too old; 14 is the oldest that can detach CONCURRENTLY")
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        raise CatalogMismatchError(
            "the database has the encoding SQL_ASCII, so its text cannot be archived faithfully; it is not supported"
        )


def _answering(connection: Connection[Any]) -> Row:
    """Who runs our statements."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(query("answering_backend"))
        while cursor.description is None and cursor.nextset():
            pass
        return cursor.fetchone() or {}


def _look_after_worker(connection: Connection[Any]) -> None:
    """Not every platform can (manual, client_connection_check_interval): there, a dead worker's statement runs to its end."""
    with suppress(errors.InvalidParameterValue):
        connection.execute("SELECT pg_catalog.set_config('client_connection_check_interval', %s, false)", (CHECK_CLIENT_EVERY,))


def _refuse_pooler_and_standby(connection: Connection[Any], answered: Row, *, on_standby: bool) -> None:
    """A pooler hands our statements, or what we leave behind, to others.

    In transaction mode it loses SET and session locks; in session mode our settings may stay for whoever comes next, and a statement is
    watched by a second connection, which must find the first by its PID. All modes are told by that: a pooler gives its client a number
    of its own.
    """
    host, announced = connection.info.host, connection.info.backend_pid
    if answered["backend"] != announced:
        raise CatalogMismatchError(
            f'the connection to "{host}" goes through a connection pooler, in whichever mode (announced was the process {announced}, a '
            f"statement was run by {answered['backend']}); point the Airflow connection at the server itself"
        )
    if answered["standby"] and not on_standby:
        raise CatalogMismatchError(f'"{host}" is a standby; point the Airflow connection at the primary')
