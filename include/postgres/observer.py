"""A second connection, that looks at what the first is waiting for."""

from datetime import timedelta
from typing import Any

import psycopg
from psycopg import Connection, ConnectionInfo

from include.partitioning.errors import ServerUnavailableError
from include.postgres.queries import row
from include.postgres.session import pin_settings

LONGEST_LOOK = timedelta(seconds=5)
LONGEST_CONNECT = 10
"""Seconds."""


def observer_of(watched: Connection[Any]) -> Connection[Any]:
    """Another connection to the same server as the same role; nothing that it does takes long, whoever locks the catalog.

    The connection's parameters may name several hosts: the one that answered the first time is asked.

    :raises ServerUnavailableError: one name leads to several servers, and this is another one, from which the first is not to be seen.
    """
    info = watched.info
    same_host: dict[str, Any] = {"host": info.host, "port": info.port} | ({"hostaddr": info.hostaddr} if info.hostaddr else {})
    observer = psycopg.connect(info.dsn, password=info.password, autocommit=True, connect_timeout=LONGEST_CONNECT, **same_host)
    limits = {"statement_timeout": f"{round(LONGEST_LOOK.total_seconds() * 1000)}ms", "jit": "off"}
    try:
        pin_settings(observer, "partition_lifecycle watch", LONGEST_LOOK, limits)
        _refuse_another_server(observer, info)
    except BaseException:
        observer.close()
        raise
    return observer


def _refuse_another_server(observer: Connection[Any], watched: ConnectionInfo) -> None:
    if row(observer, "backend", pid=watched.backend_pid) is None:
        raise ServerUnavailableError(f'"{watched.host}" is several servers, and a second connection reached another one; name one of them')
