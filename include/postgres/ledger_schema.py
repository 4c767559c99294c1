"""The ledger's tables: installing them, and running the named queries on them."""

from importlib.resources import files
from typing import Any

from psycopg import Connection

from include.partitioning.errors import LedgerTooNewError
from include.partitioning.names import TableName
from include.postgres.queries import Row, query, row, rows

VERSION = 3
"""Newest version this code knows; `ledger_versions/` has one script for each."""


class LedgerSchema:
    """The schema `partition_lifecycle`, as one table's steps see it. Reading works before it is installed: then there is nothing in it."""

    def __init__(self, connection: Connection[Any], parent: TableName) -> None:
        self._connection = connection
        self._table = parent
        self._parent = str(parent)
        self._version: int | None = None

    def version(self) -> int:
        """The installed version, 0 if none, as of the first question or the last `install`: every read asks, and installations are rare."""
        if self._version is None:
            self._version = self._installed_version()
        return self._version

    def install(self) -> None:
        """Bring the schema to `VERSION`; does nothing when it is there already.

        :raises LedgerTooNewError: a newer version of this package has been here.
        """
        if self._version == VERSION or self._is_current():
            return
        with self._connection.transaction():
            self._rows("install_lock")
            for version in range(self._installed_version() + 1, VERSION + 1):
                self._connection.execute(_script(version))
                self._write("record_version", version=version)
        self._version = VERSION

    def _installed_version(self) -> int:
        return int(self._one("version")["version"]) if self._one("is_installed")["yes"] else 0

    def _is_current(self) -> bool:
        self._version = installed = self._installed_version()
        if installed > VERSION:
            raise LedgerTooNewError(
                f"the schema partition_lifecycle has version {installed}, this package knows {VERSION}; upgrade the package"
            )
        return installed == VERSION

    def _rows_if_installed(self, name: str, /, *, since: int = 1, **values: object) -> list[Row]:
        """Nothing, too, where the schema is still of a version before `since`, which had no such table or column."""
        return self._rows(name, parent=self._parent, **values) if self.version() >= since else []

    def _rows(self, name: str, /, **values: object) -> list[Row]:
        return rows(self._connection, f"ledger/{name}", **values)

    def _one(self, name: str) -> Row:
        return row(self._connection, f"ledger/{name}") or {}

    def _write(self, name: str, /, **values: object) -> None:
        self._connection.execute(query(f"ledger/{name}"), {"parent": self._parent, **values})

    def _names(self) -> dict[str, str]:
        """The table's two names, for tables that people write to by SQL."""
        return {"table_schema": self._table.schema, "table_name": self._table.name}


def _script(version: int) -> bytes:
    folder = files("include.postgres").joinpath("ledger_versions")
    return next(file for file in folder.iterdir() if file.name.startswith(f"{version:03}_")).read_bytes()
