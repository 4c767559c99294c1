"""What stands in the way of attaching what an archive holds."""

from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import Bounds
from include.partitioning.errors import RestoreRefusedError
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import statements
from include.postgres.ledger import Ledger
from include.postgres.restoration import Restoration


def refuse_overlap(connection: Connection[Any], ledger: Ledger, table: PartitionedTable, wanted: Restoration) -> None:
    """An attach needs its range for itself.

    :raises RestoreRefusedError: a partition has part of it, or what was detached from there still exists, or DEFAULT has rows of it.
    """
    for partition in table.partitions:
        if partition.bounds is not None and partition.bounds.overlaps(wanted.bounds):
            raise RestoreRefusedError(
                f'"{wanted.origin}" {wanted.bounds} is not restored: "{partition.name}" {partition.bounds} is attached there; '
                "use mode: table, or drop that partition first if it is empty"
            )
    for detached in ledger.detached(table):
        if detached.found_as is not None and detached.bounds.overlaps(wanted.bounds):
            raise RestoreRefusedError(
                f'"{wanted.origin}" {wanted.bounds} is not restored: "{detached.found_as}" was detached from there and still exists; '
                "attach that one again instead"
            )
    if table.default is not None and (strays := _rows_in_default(connection, table, table.default.name, wanted.bounds)):
        raise RestoreRefusedError(
            f'"{wanted.origin}" {wanted.bounds} is not restored: the DEFAULT partition has {strays} rows of that range; move them first'
        )


def _rows_in_default(connection: Connection[Any], table: PartitionedTable, default: TableName, bounds: Bounds) -> int:
    key, literal = sql.Identifier(table.key), table.key_type.literal
    found = connection.execute(
        sql.SQL("SELECT count(*) FROM ONLY {} WHERE {key} >= {} AND {key} < {}").format(
            statements.named(default), sql.Literal(literal(bounds.lower)), sql.Literal(literal(bounds.upper)), key=key
        )
    ).fetchone()
    return int(found[0]) if found else 0
