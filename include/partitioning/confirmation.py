"""What a person must confirm before anything more is destroyed: that this is the ledger's database, and a retention that shrank."""

from dataclasses import dataclass
from datetime import datetime

from include.partitioning.names import TableName
from include.partitioning.partition import Cluster
from include.partitioning.span import CalendarSpan

LARGEST_SHORTENING = 2
"""A retention less than half of the last one is more often a typo than a wish."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where a ledger belongs, and where it is.

    :param confirmed: the database that the ledger was written in.
    :param timeline: of the server's history then, as in the names of WAL files; it moves on when a server is promoted or recovered.
    """

    confirmed: Cluster
    timeline: str
    current: Cluster
    current_timeline: str


def why_not_home(home: Home) -> str | None:
    """Why nothing may be destroyed by this ledger here, or None."""
    confirm = (
        "if it is meant to go on from here, say so once for all tables, in this database: SELECT partition_lifecycle.confirm_database()"
    )
    if home.confirmed != home.current:
        return (
            f"the ledger was written in another database (system identifier/OID {home.confirmed.identity}, this one is {home.current.identity}): "
            f"it was restored from a dump, or copied; nothing is detached or dropped; {confirm}"
        )
    if home.timeline != home.current_timeline:
        return (
            f"the server was promoted, or restored to an earlier moment (timeline {home.timeline}, now {home.current_timeline}), so that the "
            f"last of what was done may be lost here; nothing is detached or dropped; {confirm}"
        )
    return None


def why_shortened(table: TableName, last: CalendarSpan | None, retention: CalendarSpan | None, now: datetime) -> str | None:
    """Why a retention must be confirmed, or None.

    :param last: that of the last run; None if there was none.
    :param now: as of which the two are compared, because months differ in length.
    """
    if last is None or retention is None:
        return None
    if _length(retention, now) * LARGEST_SHORTENING >= _length(last, now):
        return None
    return (
        f'the retention of "{table}" was {last} at the last run, and is {retention} now; nothing is detached or dropped; if that is meant, say '
        f"so: SELECT partition_lifecycle.confirm_retention($${table}$$, '{retention}')"
    )


def _length(span: CalendarSpan, now: datetime) -> float:
    return (now - span.before(now, "UTC")).total_seconds()
