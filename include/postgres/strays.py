"""What lies about and is nobody's that the ledger knows: said with what a person can do about it, never touched."""

import re
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName, fitted
from include.partitioning.partition import PartitionedTable
from include.postgres import statements
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RestoredTable
from include.postgres.leftovers import leftovers
from include.postgres.queries import Row, rows


def stray_findings(connection: Connection[Any], ledger: Ledger, table: PartitionedTable) -> list[str]:
    """One sentence for each table, index or half-built partitioned index that no step of ours will finish or remove."""
    return [
        *forgotten_tables(connection, ledger, table),
        *(
            f'index "{each.name}" is invalid and is left alone: {each.why_left}'
            for each in leftovers(connection, ledger, [each.oid for each in table.partitions])
            if each.why_left is not None and not each.being_built
        ),
        *(_unfinished(each) for each in ledger.restored(table.cluster) if not each.finished),
        *(_incomplete(table, each) for each in rows(connection, "incomplete_indexes", parent=table.oid)),
    ]


def forgotten_tables(connection: Connection[Any], ledger: Ledger, table: PartitionedTable) -> list[str]:
    """Tables that look like former partitions of this one, though the ledger knows nothing of them.

    They have the very columns of the parent, and beside those either the name of a partition or a CHECK on the key that says what it held.
    Columns alone would name every copy that somebody made with LIKE; names alone every table that is called alike.
    """
    named_like = f"^{re.escape(table.name.name)}_p[0-9]{{4}}"
    found = rows(connection, "former_partitions", parent=table.oid, key=table.key, named_like=named_like)
    if not found:
        return []
    oids, elsewhere = ledger.known_tables(table.cluster)
    candidates = [(each, TableName(each["schema"], each["name"])) for each in found if each["oid"] not in oids]
    return [_forgotten(table, name, each["bounds"]) for each, name in candidates if str(name) not in elsewhere]


def _forgotten(table: PartitionedTable, name: TableName, bounds: str | None) -> str:
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {}").format(statements.named(table.name), statements.named(name)).as_string()
    held = f"it has {bounds}" if bounds else "it has the name of one"
    return (
        f'"{name}" is no partition, but has the columns of "{table.name}", and {held}: it was detached by somebody else, or the ledger\'s entry was '
        f"lost; it is left alone. Attach it again ({attach} FOR VALUES FROM (…) TO (…)), drop it, or move it to another schema"
    )


def _unfinished(restored: RestoredTable) -> str:
    return (
        f'"{restored.name}" was begun by a restore ({restored.mode}) that has not ended; if none is at work, restore it again, '
        f"which replaces it, or drop it: {statements.drop_table(restored.name).as_string()}"
    )


def _incomplete(table: PartitionedTable, found: Row) -> str:
    index = TableName(found["schema"], found["name"])
    said = f'index "{index}" of "{table.name}" is invalid'
    if not found["missing"]:
        return f"{said} although every partition has a valid part of it: drop it, and build it anew"
    partition = TableName(found["partition_schema"], found["partition_name"])
    others = f", and so on for {found['missing'] - 1} more" if found["missing"] > 1 else ""
    repair = "; ".join(each.as_string() for each in _repair(index, partition, found))
    return f'{said}: {found["missing"]} partitions lack a valid part of it, "{partition}" for one; as the owner: {repair}{others}'


def _repair(index: TableName, partition: TableName, found: Row) -> list[sql.Composed]:
    """For one partition: rebuild the part that it has, or build one; then attach it."""
    if found["part_name"] is not None:
        part = TableName(found["part_schema"], found["part_name"])
        return [statements.reindex(part), statements.attach_index(index, part)]
    part = TableName(partition.schema, fitted(partition.name, f"_{index.name[:24]}"))
    definition = statements.server_text(found["after"])
    return [statements.create_index(part.name, partition, definition, unique=found["is_unique"]), statements.attach_index(index, part)]
