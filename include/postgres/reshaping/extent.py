"""What a table that is to get another shape holds, and whether there is room for a second one. Reads only."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import BEGINNING, END, parse_moment
from include.partitioning.partition import PartitionedTable
from include.partitioning.plan_text import human_bytes
from include.partitioning.reshape import Extent
from include.postgres import catalog
from include.postgres.queries import row
from include.postgres.statements import named

SPARE = 1.2
"""So many times the size of the old table must be free: the copy, and the log and notes of what is written meanwhile."""


def read_extent(connection: Connection[Any], table: PartitionedTable) -> Extent:
    """The range of the keys, exactly, and the number of rows as the planner estimates it.

    An index that begins with the key answers at once; otherwise the table is read.
    """
    key, source = sql.Identifier(table.key), named(table.name)
    found = connection.execute(
        sql.SQL("SELECT pg_catalog.min({key})::pg_catalog.text, pg_catalog.max({key})::pg_catalog.text FROM {}").format(source, key=key)
    ).fetchone() or (None, None)
    lowest, highest = map(_moment_or_none, found)
    rows = _estimated_rows(connection, table)
    if lowest == BEGINNING or highest == END:
        return _extent_without_ends(connection, table, rows)
    return Extent(rows, lowest, highest)


def why_no_room(connection: Connection[Any], table: PartitionedTable, free: int | None) -> str | None:
    """What is wrong with the disk; None if there is room.

    :param free: bytes that a person says are free; None: they are looked up, which only somebody on the server's own machine can.
    """
    oids = [table.oid, *(each.oid for each in table.partitions)]
    needed = round(sum(catalog.sizes(connection, oids).values()) * SPARE)
    known = free if free is not None else _free_bytes(connection)
    if known is None:
        return (
            f'about {human_bytes(needed)} must be free where "{table.name}" lies, and whether they are cannot be asked over a connection; '
            "say how much is free (free_disk)"
        )
    if known < needed:
        return f'about {human_bytes(needed)} must be free where "{table.name}" lies, but only {human_bytes(known)} are'
    return None


def _free_bytes(connection: Connection[Any]) -> int | None:
    """Of the disk with the data directory, if the server is on this machine."""
    found = row(connection, "data_directory") or {}
    folder = Path(found.get("path") or "")
    here = found.get("local") and folder.is_absolute() and (folder / "postmaster.pid").exists()
    return shutil.disk_usage(folder).free if here else None


def _estimated_rows(connection: Connection[Any], table: PartitionedTable) -> int:
    """Of the table, or of all its partitions; counted where there is no estimate."""
    oids = [each.oid for each in table.partitions] or [table.oid]
    estimates = catalog.estimated_rows(connection, oids)
    known = [each for each in (estimates.get(oid) for oid in oids) if each is not None]
    if len(known) == len(oids):
        return sum(known)
    found = connection.execute(sql.SQL("SELECT pg_catalog.count(*) FROM {}").format(named(table.name))).fetchone()
    return int(found[0]) if found else 0


def _extent_without_ends(connection: Connection[Any], table: PartitionedTable, rows: int) -> Extent:
    """With the rows that lie outside of the calendar counted and left out."""
    within = sql.SQL("{key} >= {}::{type} AND {key} < {}::{type}").format(
        sql.Literal("0001-01-02"), sql.Literal("9999-12-31"), key=sql.Identifier(table.key), type=sql.SQL(table.key_type.value)
    )
    found = connection.execute(
        sql.SQL(
            "SELECT pg_catalog.count(*) FILTER (WHERE NOT ({within})), pg_catalog.min({key}) FILTER (WHERE {within})::pg_catalog.text,"
            " pg_catalog.max({key}) FILTER (WHERE {within})::pg_catalog.text FROM {}"
        ).format(named(table.name), within=within, key=sql.Identifier(table.key))
    ).fetchone() or (0, None, None)
    lowest, highest = map(_moment_or_none, found[1:])
    return Extent(rows, lowest, highest, infinite=int(found[0]))


def _moment_or_none(text: str | None) -> datetime | None:
    """A key that the server printed."""
    return None if text is None else parse_moment(text)
