"""The two schemas that a drain has for itself while it lasts: where the new tables are built, and where the old DEFAULT ends.

Their names have the parent's OID, so that the next run finds what an interrupted one has left by the catalog alone.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres.drain_functions import CHANGES, IN_SYNC, KEEP, REFUSE_TRUNCATE, ROWS, Images
from include.postgres.queries import Row, row, rows
from include.postgres.statements import named


@dataclass(frozen=True, slots=True)
class Scratch:
    """The names that a drain of one table uses."""

    building: str
    attic: str

    @classmethod
    def of(cls, table: PartitionedTable) -> "Scratch":
        """The names for this table."""
        return cls(f"partition_lifecycle_drain_{table.oid}", f"partition_lifecycle_drained_{table.oid}")

    @property
    def rows(self) -> TableName:
        """The partitioned table that holds the new partitions until they are exchanged."""
        return TableName(self.building, ROWS)

    @property
    def changes(self) -> TableName:
        """Changes that are noted and not yet made."""
        return TableName(self.building, CHANGES)

    def built(self, name: TableName) -> TableName:
        """A table while it is being built."""
        return TableName(self.building, name.name)

    def put_away(self, name: TableName) -> TableName:
        """The old DEFAULT once it is replaced."""
        return TableName(self.attic, name.name)


@dataclass(frozen=True, slots=True)
class Remains:
    """What there is of a drain.

    :param in_sync: the copy is complete and followed by the triggers.
    :param old: the old DEFAULT, replaced but not yet dropped, with its OID and comment.
    """

    schemas: tuple[str, ...]
    things: tuple[Row, ...]
    in_sync: bool
    old: Row | None
    triggers: bool


def look(connection: Connection[Any], table: PartitionedTable) -> Remains:
    """What an earlier drain of this table has left, if anything."""
    scratch = Scratch.of(table)
    schemas = tuple(each for each in (scratch.building, scratch.attic) if (row(connection, "has_schema", schema=each) or {}).get("yes"))
    things = tuple(rows(connection, "drain_remains", schemas=list(schemas)))
    found = row(connection, "drain_trigger", default=table.default.oid if table.default else 0, names=[KEEP, REFUSE_TRUNCATE]) or {}
    whole = found["triggers"] == 2 and found["always"]
    in_sync = whole and any(each["name"] == ROWS and each["comment"] == IN_SYNC for each in things)
    old = next((each for each in things if each["schema"] == scratch.attic), None)
    return Remains(schemas, things, in_sync, old, found["triggers"] > 0)


def create_rows(scratch: Scratch, table: PartitionedTable) -> list[sql.Composed]:
    """The partitioned table, and the one that changes are noted in."""
    schema = named(scratch.rows)
    return [
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING GENERATED) PARTITION BY RANGE ({})").format(
            schema, named(table.name), sql.Identifier(table.key)
        ),
        sql.SQL(
            "CREATE TABLE {} (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone boolean NOT NULL, image {} NOT NULL)"
        ).format(named(scratch.changes), schema),
    ]


def copy_rows(images: Images, default: TableName) -> sql.Composed:
    """All rows of DEFAULT that the snapshot sees."""
    return sql.SQL("INSERT INTO {} ({columns}) SELECT {columns} FROM ONLY {}").format(
        named(images.copies), named(default), columns=images.stored
    )
