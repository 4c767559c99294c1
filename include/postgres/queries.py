"""SELECTs live in `sql/`, one file each, and are read once."""

from functools import cache
from importlib.resources import files
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

Row = dict[str, Any]


@cache
def query(name: str) -> bytes:
    """The text of `sql/<name>.sql`. Values are bound by name, identifiers never are."""
    return files("include.postgres").joinpath("sql", f"{name}.sql").read_bytes()


def rows(connection: Connection[Any], name: str, /, **values: object) -> list[Row]:
    """All rows of a named query, as dictionaries."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name), values or None).fetchall()


def row(connection: Connection[Any], name: str, /, **values: object) -> Row | None:
    """The first row of a named query, or None."""
    return next(iter(rows(connection, name, **values)), None)
