"""The two schemas of one reshaping, and what the catalog says about how far it has come.

Their names have the old table's OID, so that whoever comes next finds what an interrupted attempt has left by the catalog alone.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.partitioning.reshape import Portion
from include.postgres import catalog
from include.postgres.drain_functions import CHANGES, IN_SYNC, KEEP, REFUSE_TRUNCATE, ROWS
from include.postgres.queries import row, rows
from include.postgres.statements import named

BUILDING, ATTIC = "partition_lifecycle_reshape_", "partition_lifecycle_former_"
PORTIONS = "00_portions"
PUT_IN_PLACE = "put in place as "
"""Comment of the building schema from the exchange on, with the new table's OID behind it."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """The names that the reshaping of one table uses.

    :param oid: of the table that was there first.
    """

    table: TableName
    oid: int

    @classmethod
    def of(cls, table: PartitionedTable) -> "Scratch":
        """The names for a table that is to get another shape."""
        return cls(table.name, table.oid)

    @property
    def building(self) -> str:
        """The schema in which the new table is built."""
        return f"{BUILDING}{self.oid}"

    @property
    def attic(self) -> str:
        """The schema in which the old table ends."""
        return f"{ATTIC}{self.oid}"

    @property
    def rows(self) -> TableName:
        """The parent of new partitions while they are filled; and the type of noted rows."""
        return TableName(self.building, ROWS)

    @property
    def changes(self) -> TableName:
        """Changes that are noted and not yet made."""
        return TableName(self.building, CHANGES)

    @property
    def portions(self) -> TableName:
        """Portions that are to be copied, or have been, each with the snapshot that it was copied by."""
        return TableName(self.building, PORTIONS)

    @property
    def new(self) -> TableName:
        """The new table until the exchange."""
        return self.built(self.table)

    @property
    def former(self) -> TableName:
        """The old table from the exchange on."""
        return TableName(self.attic, self.table.name)

    @property
    def default(self) -> TableName:
        """The partition that takes rows which have no other, while the new table is being built."""
        return TableName(self.building, "00_default")

    def built(self, name: TableName) -> TableName:
        """A table of the new shape until it gets the schema that it is to have."""
        return TableName(self.building, name.name)


@dataclass(frozen=True, slots=True)
class State:
    """How far a reshaping has come.

    :param begun: the tables are built.
    :param followed: the triggers are on the old table.
    :param left: portions that are not copied yet.
    :param filling: partitions that are being filled, or lack their indexes.
    :param in_sync: every change is made in both.
    """

    begun: bool
    followed: bool
    left: tuple[Portion, ...]
    copied: int
    filling: tuple[TableName, ...]
    in_sync: bool


def look(connection: Connection[Any], scratch: Scratch) -> State:
    """How far the reshaping of this table has come, if one was begun."""
    if not catalog.has_schema(connection, scratch.building):
        return State(begun=False, followed=False, left=(), copied=0, filling=(), in_sync=False)
    parent = catalog.oid_of(connection, scratch.rows)
    portions = read_portions(connection, scratch)
    found = row(connection, "drain_trigger", default=scratch.oid, names=[KEEP, REFUSE_TRUNCATE]) or {}
    return State(
        begun=True,
        followed=found["triggers"] == 2 and found["always"],
        left=tuple(portion for portion, done in portions if not done),
        copied=sum(done for _, done in portions),
        filling=tuple(TableName(each["schema"], each["name"]) for each in rows(connection, "partitions", parent=parent)),
        in_sync=(row(connection, "comment_of", oid=parent) or {}).get("comment") == IN_SYNC,
    )


def why_reshaped(connection: Connection[Any], table: PartitionedTable) -> str | None:
    """Why nothing may leave this table now: its rows are being copied, and would be missed in the copy, or come back with it."""
    if not catalog.has_schema(connection, Scratch.of(table).building):
        return None
    return (
        f'"{table.name}" is on its way to another shape; nothing is detached or dropped until that is done (run its DAG to the end) or given up '
        "(partition_cancel_reshape)"
    )


def read_portions(connection: Connection[Any], scratch: Scratch) -> list[tuple[Portion, bool]]:
    """The portions in order, each with whether it is copied."""
    statement = sql.SQL("SELECT number, lower::pg_catalog.text, upper::pg_catalog.text, taken_by IS NOT NULL FROM {} ORDER BY number")
    found = connection.execute(statement.format(named(scratch.portions))).fetchall()
    return [(Portion(number, lower, upper), done) for number, lower, upper, done in found]
