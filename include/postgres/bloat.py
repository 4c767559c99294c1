"""How much of a B-tree index is unused, estimated from the planner's statistics without reading the index.

The estimate is the size that a freshly built index would have: entries times their width, plus page headers, at the
index's fillfactor. Equal keys are taken to be deduplicated (PostgreSQL 13 and later, manual 65.1.4.3), by the columns'
`n_distinct`, as if they were independent: that rather under- than overestimates bloat. Without statistics there is
no estimate.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from include.partitioning.names import TableName
from include.postgres.queries import Row, rows

SMALLEST_BYTES = 1_048_576
"""Smaller indexes are left alone: rebuilding them gains nothing that anybody would notice."""

_PAGE_OVERHEAD = 24 + 16  # page header and B-tree's special space
_TUPLE_HEADER, _LINE_POINTER, _TID = 8, 4, 6


@dataclass(frozen=True, slots=True)
class IndexBloat:
    """One index. `share` is the unused share of its size, 0 to 1; None where it cannot be estimated."""

    name: TableName
    bytes: int
    share: float | None


def measure(connection: Connection[Any], oids: Iterable[int], smallest: int = 0) -> dict[int, list[IndexBloat]]:
    """By the table's OID, every valid B-tree index of at least `smallest` bytes of the tables with these OIDs."""
    found: dict[int, list[IndexBloat]] = {}
    for each in rows(connection, "indexes", oids=list(oids), smallest=smallest):
        index = IndexBloat(TableName(each["schema"], each["name"]), each["bytes"], _share(each))
        found.setdefault(each["table_oid"], []).append(index)
    return found


def worth_rebuilding(connection: Connection[Any], oids: Iterable[int], above: float) -> dict[int, list[IndexBloat]]:
    """By the table's OID, the indexes larger than 1 MiB with more than `above` unused."""
    found = measure(connection, oids, SMALLEST_BYTES)
    worthy = {oid: [each for each in indexes if each.share is not None and each.share > above] for oid, indexes in found.items()}
    return {oid: indexes for oid, indexes in worthy.items() if indexes}


def _share(index: Row) -> float | None:
    if not index["has_statistics"] or index["entries"] < 0 or index["bytes"] == 0:
        return None
    return max(0.0, 1 - _fresh_bytes(index) / float(index["bytes"]))


def _fresh_bytes(index: Row) -> float:
    nullable = any(fraction > 0 for fraction in index["null_fractions"])
    width = sum(width * (1 - fraction) for width, fraction in zip(index["widths"], index["null_fractions"], strict=True))
    key = _aligned(_TUPLE_HEADER + (8 if nullable else 0)) + _aligned(width)
    entries = index["entries"]
    keys = entries if index["is_unique"] else min(entries, _distinct_keys(index["distincts"], entries))
    payload = keys * (key + _LINE_POINTER) + max(0.0, entries - keys) * _TID
    room = (index["block_size"] - _PAGE_OVERHEAD) * index["fillfactor"] / 100
    leaves = math.ceil(payload / room)
    inner = math.ceil(leaves * (key + _LINE_POINTER) / room)
    return float((leaves + inner + 1) * index["block_size"])


def _distinct_keys(distincts: list[float], entries: float) -> float:
    """`n_distinct` is a count, or when negative a share of the rows (manual, pg_stats)."""
    return math.prod(max(1.0, -each * entries if each < 0 else each) for each in distincts)


def _aligned(width: float) -> int:
    return math.ceil(width / 8) * 8
