"""Prepared connections to the databases that Airflow's connections lead to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk.exceptions import AirflowNotFoundException
from psycopg import Connection

from include.partitioning.errors import BadArgumentError
from include.postgres.failures import translated
from include.postgres.session import prepare, prepare_to_read


@contextmanager
def connected(conn_id: str, application_name: str, wait_timeout: timedelta) -> Iterator[Connection[Any]]:
    """A connection for a step, closed at the end of the block. See `session.prepare`."""
    with _opened(_hook(conn_id), conn_id) as connection:
        with translated(f'prepare the connection "{conn_id}"'):
            prepare(connection, application_name, wait_timeout)
        yield connection


@contextmanager
def connected_to_read(conn_id: str, application_name: str, longest: timedelta) -> Iterator[Connection[Any]]:
    """A connection for somebody who only looks and has no time, closed at the end of the block. See `session.prepare_to_read`.

    :param longest: for connecting, and for each statement.
    """
    hook = _hook(conn_id)
    hook.connection.extra = json.dumps({"connect_timeout": max(round(longest.total_seconds()), 2), **hook.connection.extra_dejson})
    with _opened(hook, conn_id) as connection:
        with translated(f'prepare the connection "{conn_id}"'):
            prepare_to_read(connection, application_name, longest)
        yield connection


def _hook(conn_id: str) -> PostgresHook:
    """One that knows its connection.

    :raises BadArgumentError: Airflow has no such connection.
    """
    hook = PostgresHook(postgres_conn_id=conn_id)
    try:
        hook.connection  # noqa: B018 - it is looked up now, and kept
    except AirflowNotFoundException as error:
        raise BadArgumentError(f'Airflow has no connection "{conn_id}"; make it, or correct postgres_conn_id in the policy') from error
    return hook


@contextmanager
def _opened(hook: PostgresHook, conn_id: str) -> Iterator[Connection[Any]]:
    with translated(f'connect to "{conn_id}"'):
        connection = cast("Connection[Any]", hook.get_conn())
    try:
        yield connection
    finally:
        connection.close()
