"""Bring a database to the seed schema: the numbered scripts of ``migrations/``, in their order."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import psycopg

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


def migrate(connection: psycopg.Connection[Any], *, as_of: date | None = None, rows: int = 300_000) -> None:
    """Run every numbered script, each in a transaction of its own; scripts that have nothing left to do change nothing.

    Whatever the caller left open on the connection is committed together with the first script. The two settings stay
    on the connection afterwards, which is how ``verify`` knows what to expect.

    :param as_of: the day that counts as today; ``None`` leaves it to the server's clock, in UTC.
    :param rows: how many rows each of the two partitioned tables gets, if it is empty.
    """
    _set(connection, "seed.as_of", as_of.isoformat() if as_of is not None else "")
    _set(connection, "seed.rows", str(rows))
    for script in sorted(MIGRATIONS.glob("[0-9]*.sql")):
        _run(connection, script)


def verify(connection: psycopg.Connection[Any]) -> None:
    """Raise ``psycopg.errors.RaiseException`` with the first thing that is not as ``migrate`` leaves it.

    To be called on the connection that ``migrate`` was called on, and before the lifecycle has touched the partitions.
    After a failure the transaction is left aborted, as after any other error on the connection.
    """
    _run(connection, MIGRATIONS / "verify.sql")


def _set(connection: psycopg.Connection[Any], name: str, value: str) -> None:
    """Set a custom setting for the session; ``SET`` itself takes no parameters, ``set_config`` does."""
    connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def _run(connection: psycopg.Connection[Any], script: Path) -> None:
    """Send the file as it is: without parameters psycopg lets several statements through in one go, and ``%`` alone."""
    connection.execute(script.read_bytes())
    connection.commit()
