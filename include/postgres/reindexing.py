"""Rebuilding bloated indexes of one partition, one at a time, and clearing away what an interrupted rebuild left."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from include.partitioning.names import TableName
from include.partitioning.partition import Partition, PartitionedTable
from include.postgres import bloat, statements
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import rows


@dataclass(frozen=True, slots=True)
class Leftover:
    """An invalid `_ccnew` or `_ccold` index. `why_left` says why it is not dropped; None if it is."""

    name: TableName
    why_left: str | None


def leftovers(connection: Connection[Any], ledger: Ledger, oids: Iterable[int]) -> dict[int, list[Leftover]]:
    """By the partition's OID, what interrupted rebuilds left there. Only ours are dropped, and only while nobody builds there."""
    found: dict[int, list[Leftover]] = {}
    for each in rows(connection, "leftover_indexes", oids=list(oids)):
        name, oid = TableName(each["schema"], each["name"]), each["table_oid"]
        why = _why_left(name, on_toast=each["on_toast"], being_built=each["being_built"], ours=ledger.has_event("reindex", oid))
        found.setdefault(oid, []).append(Leftover(name, why))
    return found


def reindex_partition(executor: Executor, ledger: Ledger, table: PartitionedTable, partition: Partition, above: float) -> list[str]:
    """Drop leftovers of ours, then rebuild every index whose estimated bloat exceeds `above`.

    :returns: a line for each index rebuilt.
    """
    left = leftovers(executor.connection, ledger, [partition.oid])  # asks the ledger, which is not the owner's
    with executor.role(table.owner):
        for leftover in left.get(partition.oid, ()):
            if leftover.why_left is None:
                executor.long_statement(f'drop leftover index "{leftover.name}"', statements.drop_index(leftover.name))
            else:
                executor.log.warning('invalid index "%s" is left alone: %s', leftover.name, leftover.why_left)
        worthy = bloat.worth_rebuilding(executor.connection, [partition.oid], above).get(partition.oid, [])
    return [_rebuild(executor, ledger, table, partition, index) for index in worthy]


def _rebuild(executor: Executor, ledger: Ledger, table: PartitionedTable, partition: Partition, index: bloat.IndexBloat) -> str:
    ledger.record(Event("reindex", "began", partition.name, partition.oid, partition.bounds, bytes=index.bytes, detail=str(index.name)))
    with executor.role(table.owner):
        executor.long_statement(f'reindex "{index.name}" of "{partition.name}"', statements.reindex(index.name))
    measured = bloat.measure(executor.connection, [partition.oid]).get(partition.oid, [])
    after = next((each.bytes for each in measured if each.name == index.name), 0)
    line = f'"{index.name}": {index.bytes:,} -> {after:,} bytes, {index.share or 0:.0%} was estimated to be unused'
    ledger.record(Event("reindex", "done", partition.name, partition.oid, partition.bounds, bytes=after, detail=line))
    return line


def _why_left(index: TableName, *, on_toast: bool, being_built: bool, ours: bool) -> str | None:
    if being_built:
        return "somebody is building an index on this table now"
    statement = statements.drop_index(index).as_string()
    if not ours:
        return f"no rebuild of ours is known; if nobody needs it: {statement}"
    if on_toast:
        return f"an owner may not drop it; as a superuser: {statement}"
    return None
