"""What the catalog says: the partitioned table, its partitions, and any relation by its OID. Reads only."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from psycopg import Connection

from include.partitioning.bounds import BEGINNING, END, Bounds, KeyType, parse_bounds
from include.partitioning.column import Column
from include.partitioning.errors import CatalogMismatchError
from include.partitioning.hold import Hold, why_held
from include.partitioning.interval import Interval
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, Kind, Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.postgres.queries import Row, row, rows


class Noted(Protocol):
    """What we need of a ledger."""

    def created(self) -> frozenset[tuple[int, Bounds]]:
        """OIDs and bounds of the partitions that we created."""

    def holds(self) -> Sequence[Hold]:
        """Ranges that may not expire."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation as it is now, found by its OID. `attached`: it is somebody's partition, also while a detach is pending."""

    oid: int
    name: TableName
    kind: str
    attached: bool


def read_table(connection: Connection[Any], policy: PartitionPolicy, noted: Noted | None = None) -> PartitionedTable:
    """The policy's table with its partitions.

    :param noted: what the ledger says of partitions, whichever they are.
    :raises CatalogMismatchError: no such table, not range-partitioned by exactly the policy's key, or a key that does not fit the interval.
    """
    found = _found(policy, row(connection, "table", schema=policy.table.schema, name=policy.table.name))
    key_type = _checked_type(policy, found["key_type"])
    cluster = Cluster(found["system_identifier"], found["database_oid"])
    ours, holds = (noted.created(), noted.holds()) if noted else (frozenset(), ())
    partitions = _partitions(connection, found["oid"], ours, holds)
    return PartitionedTable(
        policy.table,
        found["oid"],
        found["key"],
        key_type,
        found["owner"],
        cluster,
        connection.info.server_version,
        partitions,
        found["partman_schema"],
    )


def read_any_table(connection: Connection[Any], policy: PartitionPolicy, noted: Noted | None = None) -> PartitionedTable:
    """As `read_table`, and an ordinary table as one without partitions, with the policy's key.

    :raises CatalogMismatchError: as there, or the table has no such column.
    """
    found = row(connection, "table", schema=policy.table.schema, name=policy.table.name)
    if found is None or found["kind"] != "r":
        return read_table(connection, policy, noted)
    types = {each.name: each.type for each in columns(connection, found["oid"])}
    if policy.partition_key not in types:
        wrong = f'"{policy.table}" has no column "{policy.partition_key}"; it has {", ".join(types)}'
        raise CatalogMismatchError(wrong, "partition_key")
    key_type = _checked_type(policy, types[policy.partition_key].replace("(6)", ""))
    cluster = Cluster(found["system_identifier"], found["database_oid"])
    version = connection.info.server_version
    return PartitionedTable(policy.table, found["oid"], policy.partition_key, key_type, found["owner"], cluster, version, ())


def _found(policy: PartitionPolicy, found: Row | None) -> Row:
    """The table, if it is one that the policy can be about."""
    name = policy.table
    if found is None:
        wrong = f'there is no table "{name}" in this database; check the name and the connection "{policy.postgres_conn_id}"'
        raise CatalogMismatchError(wrong, "table")
    if found["kind"] != "p":
        wrong = (
            f'"{name}" is not partitioned; it must be declared PARTITION BY RANGE ({policy.partition_key}), or made so by partition_adopt'
        )
        raise CatalogMismatchError(wrong, "table")
    if found["strategy"] != "r":
        strategy = {"l": "LIST", "h": "HASH"}.get(found["strategy"], found["strategy"])
        raise CatalogMismatchError(f'"{name}" is partitioned by {strategy}; only RANGE can be looked after', "table")
    if found["key_columns"] != 1 or found["key_is_expression"]:
        wrong = f'"{name}" is partitioned by several columns or by an expression; only one plain column can be looked after'
        raise CatalogMismatchError(wrong, "table")
    if found["key"] != policy.partition_key:
        wrong = f'"{name}" is partitioned by "{found["key"]}", but the policy says partition_key: {policy.partition_key}'
        raise CatalogMismatchError(wrong, "partition_key", found["key"])
    return found


def _checked_type(policy: PartitionPolicy, type_name: str) -> KeyType:
    known = [each for each in KeyType if each.value == type_name]
    if not known:
        wrong = f'"{policy.table}" has a key of type {type_name}; it must be {", ".join(KeyType)}'
        raise CatalogMismatchError(wrong, "partition_key")
    if known[0] is KeyType.DATE and policy.interval is Interval.HOUR:
        wrong = f'"{policy.table}" has a key of type date, which cannot hold hours; use interval: day or longer'
        raise CatalogMismatchError(wrong, "interval", "day")
    return known[0]


def _partitions(
    connection: Connection[Any], parent: int, ours: frozenset[tuple[int, Bounds]], holds: Sequence[Hold]
) -> tuple[Partition, ...]:
    found = [_partition(each, ours, holds) for each in rows(connection, "partitions", parent=parent)]
    return tuple(sorted(found, key=lambda each: (each.bounds is None, each.bounds or Bounds(BEGINNING, END))))


def _partition(found: Row, ours: frozenset[tuple[int, Bounds]], holds: Sequence[Hold]) -> Partition:
    bounds = None if found["bound"] == "DEFAULT" else parse_bounds(found["bound"])
    name, kind, oid = TableName(found["schema"], found["name"]), Kind(found["kind"]), found["oid"]
    return Partition(name, oid, bounds, kind, found["detach_pending"], found["rows"], (oid, bounds) in ours, why_held(holds, bounds))


def names_taken(connection: Connection[Any], schema: str, names: Collection[str]) -> dict[str, str]:
    """Which of the names something in the schema has already, with what it is."""
    if not names:
        return {}
    return {each["name"]: each["what"] for each in rows(connection, "names_taken", schema=schema, names=list(names))}


def has_schema(connection: Connection[Any], schema: str) -> bool:
    """Whether there is a schema of that name."""
    found = row(connection, "has_schema", schema=schema)
    return bool(found and found["yes"])


def sizes(connection: Connection[Any], oids: Iterable[int]) -> dict[int, int]:
    """Bytes on disk by OID, indexes and TOAST included."""
    return {each["oid"]: each["bytes"] for each in rows(connection, "sizes", oids=list(oids))}


def estimated_rows(connection: Connection[Any], oids: Iterable[int]) -> dict[int, int | None]:
    """The planner's estimate by OID; None before the first ANALYZE or VACUUM."""
    return {each["oid"]: each["rows"] for each in rows(connection, "estimated_rows", oids=list(oids))}


def relation(connection: Connection[Any], oid: int) -> Relation | None:
    """The relation with this OID, or None."""
    found = row(connection, "relation", oid=oid)
    return None if found is None else Relation(found["oid"], TableName(found["schema"], found["name"]), found["kind"], found["attached"])


def oid_of(connection: Connection[Any], name: TableName) -> int:
    """The OID of a relation, 0 if there is none of that name."""
    found = row(connection, "oid_of", schema=name.schema, name=name.name)
    return int(found["oid"]) if found else 0


def columns(connection: Connection[Any], oid: int) -> tuple[Column, ...]:
    """The columns of a relation, dropped ones left out."""
    return tuple(Column(**each) for each in rows(connection, "columns", oid=oid))


def columns_digest(found: Iterable[Column]) -> str:
    """SHA-256 over names and types, in order: part of a partition's identity."""
    return hashlib.sha256("\n".join(f"{column.name}\t{column.type}" for column in found).encode()).hexdigest()


def shape_digest(connection: Connection[Any], oid: int) -> str:
    """SHA-256 of all that decides what the stored rows of a relation read as, without any row having been written."""
    found = row(connection, "shape", oid=oid)
    return str(found["digest"]) if found else ""


def database_now(connection: Connection[Any]) -> datetime:
    """The database's clock."""
    ((moment,),) = connection.execute("SELECT pg_catalog.clock_timestamp()").fetchall()
    return cast("datetime", moment)
