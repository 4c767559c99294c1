"""Fresh databases for tests, on the server of the run."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from demo.local_airflow import socket_uri


@contextmanager
def fresh_database(server: str, template: str = "template1") -> Iterator[str]:
    """URI of a new database, a copy of `template`, to which nobody may be connected. It is gone after the block."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        yield socket_uri(str(conninfo_to_dict(server)["host"]), name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def template_database(server: str, fill: Callable[[psycopg.Connection[Any]], None]) -> Iterator[str]:
    """Name of a database that `fill` has filled once: to copy it for a test takes less time than to fill it again. It is gone after the block."""
    with fresh_database(server) as uri:
        with psycopg.connect(uri) as connection:
            fill(connection)
            name = connection.info.dbname
        yield name
