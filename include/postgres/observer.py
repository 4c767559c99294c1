"""A second connection, that looks at what the first is waiting for."""

from typing import Any

import psycopg
from psycopg import Connection

LONGEST_LOOK = "5s"
LONGEST_CONNECT = 10
"""Seconds."""


def observer_of(watched: Connection[Any]) -> Connection[Any]:
    """Another connection to the same server as the same role; nothing that it does takes long, whoever locks the catalog."""
    info = watched.info
    connection = psycopg.connect(
        info.dsn, password=info.password, autocommit=True, application_name="partition_lifecycle watch", connect_timeout=LONGEST_CONNECT
    )
    settings = {"statement_timeout": LONGEST_LOOK, "lock_timeout": LONGEST_LOOK, "search_path": "pg_catalog, pg_temp", "jit": "off"}
    for name, value in settings.items():
        connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
    return connection
