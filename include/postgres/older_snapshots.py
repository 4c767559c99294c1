"""Waiting until nobody looks at the database as it was before now."""

from collections.abc import Callable
from typing import Any

from psycopg import Connection

from include.postgres.sessions import Session, snapshot_holders, snapshots


def holders_of_older_snapshots(connection: Connection[Any]) -> Callable[[], list[Session] | None]:
    """A question for `Executor.wait_until`: which transactions that hold a snapshot now still do.

    Whether a snapshot is an old one cannot be told by its xmin, which any long transaction holds back for all that begin later; so it is
    the transactions of this moment that are waited for, as CREATE INDEX CONCURRENTLY does (manual, Building Indexes Concurrently).
    """
    first = snapshots(connection).keys()

    def still() -> list[Session] | None:
        held = [each for transaction, each in snapshots(connection).items() if transaction in first]
        return snapshot_holders(connection, held) if held else None

    return still
