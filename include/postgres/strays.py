"""What lies about and is nobody's that the ledger knows: said with what a person can do about it, never touched."""

import re
from itertools import islice
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import statements
from include.postgres.incomplete_indexes import IncompleteIndex, incomplete_indexes, ours
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RestoredTable
from include.postgres.leftovers import leftovers
from include.postgres.queries import Row, rows

_NAMED = 5
"""Former partitions that are named: pg_partman can leave one for every month of a decade."""


def stray_findings(connection: Connection[Any], ledger: Ledger, table: PartitionedTable) -> list[str]:
    """One sentence for each table, index or half-built partitioned index that no step of ours will finish or remove."""
    incomplete = incomplete_indexes(connection, table)
    mine = ours(ledger, table, incomplete)
    return [
        *forgotten_tables(connection, ledger, table),
        *(
            f'index "{each.name}" is invalid and is left alone: {each.why_left}'
            for each in leftovers(connection, ledger, [each.oid for each in table.partitions])
            if each.why_left is not None and not each.being_built
        ),
        *(_unfinished(each) for each in ledger.restored(table.cluster) if not each.finished),
        *(_incomplete(table, each) for each in incomplete if each not in mine),
    ]


def forgotten_tables(connection: Connection[Any], ledger: Ledger, table: PartitionedTable) -> list[str]:
    """Tables that look like former partitions of this one, though the ledger knows nothing of them.

    They have the very columns of the parent, and beside those either the name of a partition or a CHECK on the key that says what it held.
    Columns alone would name every copy that somebody made with LIKE; names alone every table that is called alike.
    """
    found = former_partitions(connection, table)
    if not found:
        return []
    oids, elsewhere = ledger.known_tables(table.cluster)
    unknown = {name: each for name, each in found.items() if each["oid"] not in oids and str(name) not in elsewhere}
    said = [_forgotten(table, name, each["bounds_check"]) for name, each in islice(unknown.items(), _NAMED)]
    more = len(unknown) - len(said)
    return [*said, f'and {more} more such tables beside "{table.name}"'] if more else said


def former_partitions(connection: Connection[Any], table: PartitionedTable) -> dict[TableName, Row]:
    """Tables beside this one that look like former partitions of it, whatever the ledger says of them."""
    named_like = f"^{re.escape(table.name.name)}_p[0-9]{{4}}"
    found = rows(connection, "former_partitions", parent=table.oid, key=table.key, named_like=named_like)
    return {TableName(each["schema"], each["name"]): each for each in found}


def _forgotten(table: PartitionedTable, name: TableName, bounds_check: str | None) -> str:
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {}").format(statements.named(table.name), statements.named(name)).as_string()
    held = f'the CHECK "{bounds_check}" bounds its "{table.key}"' if bounds_check else "it has the name of one"
    return (
        f'"{name}" is no partition, but has the columns of "{table.name}", and {held}: it was detached by somebody else, or the ledger\'s entry was '
        f"lost; it is left alone. Attach it again ({attach} FOR VALUES FROM (…) TO (…)), drop it, or move it to another schema"
    )


def _unfinished(restored: RestoredTable) -> str:
    return (
        f'"{restored.name}" was begun by a restore ({restored.mode}) that has not ended; if none is at work, restore it again, '
        f"which replaces it, or drop it: {statements.drop_table(restored.name).as_string()}"
    )


def _incomplete(table: PartitionedTable, index: IncompleteIndex) -> str:
    said = f'index "{index.name}" of "{table.name}" is invalid'
    if index.partition is None:
        return f"{said} although every partition has a valid part of it: attach any of them once more, ALTER INDEX {index.name} ATTACH PARTITION …"
    others = f", and so on for {index.missing - 1} more" if index.missing > 1 else ""
    repair = f"{index.build.as_string()}; {index.attach.as_string()}"
    return f'{said}: {index.missing} partitions lack a valid part of it, "{index.partition}" for one; as the owner: {repair}{others}'
