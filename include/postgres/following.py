"""Bringing a copy up to its original while that is written to: changes are noted first, made later, and then made where they happen."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import WaitTooLongError
from include.partitioning.names import TableName
from include.postgres import statements
from include.postgres.drain_functions import CHANGES, IN_SYNC, ROWS, Images, follow_changes
from include.postgres.executor import Executor

AT_ONCE = 20_000
"""Noted changes that are made in one transaction."""


class BehindError(Exception):
    """Changes were noted that are not made yet: the tables were not exchanged."""


@dataclass(frozen=True, slots=True)
class Follower:
    """Makes the changes of one table that its triggers have noted.

    :param images: how they are noted; their schema has the tables and functions.
    :param original: the table that is written to, with its OID and owner.
    """

    executor: Executor
    images: Images
    original: TableName
    oid: int
    owner: str

    def catch_up(self) -> None:
        """Make the changes that were noted; the last ones while writers wait, and from then on each is made where it happens."""
        what = f'follow changes of "{self.original}"'
        self._make_most(what)

        def last(_: Connection[Any]) -> None:
            self.executor.run(statements.set_local_role(self.owner))
            self.executor.run_briefly(statements.lock_only(self.original, "SHARE ROW EXCLUSIVE"))
            replay(self.executor.connection, self.images, None)
            in_sync = statements.comment_on_table(TableName(self.images.schema, ROWS), IN_SYNC)
            self.executor.run_together([follow_changes(self.images), in_sync])

        self.executor.transaction(what, last, [self.oid])

    def left(self) -> int:
        """Changes that are noted and not yet made."""
        with self.executor.role(self.owner):
            return count(self.executor.connection, TableName(self.images.schema, CHANGES))

    def _make_most(self, what: str) -> None:
        """Until so few are left that they can be made within half of `lock_timeout`.

        If they come as fast as they are made, some are made while writers wait, each time for no longer than that: this slows them down, not us.

        :raises WaitTooLongError: they come faster than they can be made nevertheless.
        """
        patience = self.executor.budget.lock_timeout.total_seconds() / 2
        deadline = monotonic() + self.executor.budget.wait_timeout.total_seconds()
        most, alone, left = AT_ONCE, False, None
        while True:
            entries, seconds = self.executor.transaction(what, self._replaying(most, alone=alone))
            if entries == 0:
                return
            before, left = left, self.left()
            self.executor.log.info("made %d changes that were noted, %d are left", entries, left)
            if left * seconds / entries < patience:
                return
            if monotonic() > deadline:
                raise WaitTooLongError(
                    f"{what}: {left:,} changes are left after wait_timeout, more come than can be made; run it at a calmer time"
                )
            alone = alone or (before is not None and left >= before)
            most = max(1, int(patience * entries / seconds)) if alone else AT_ONCE

    def _replaying(self, most: int, *, alone: bool) -> Callable[[Connection[Any]], tuple[int, float]]:
        return partial(self._replay, most=most, alone=alone)

    def _replay(self, connection: Connection[Any], *, most: int, alone: bool) -> tuple[int, float]:
        """Returns how many changes were made, and the seconds that it took, without the wait for the lock."""
        self.executor.run(statements.set_local_role(self.owner))
        if alone:
            self.executor.run_briefly(statements.lock_only(self.original, "SHARE ROW EXCLUSIVE"))
        begun = monotonic()
        entries = replay(connection, self.images, most)
        return entries, monotonic() - begun


def replay(connection: Connection[Any], images: Images, most: int | None) -> int:
    """Make changes that were noted; how many there were, also those that came to nothing."""
    found = connection.execute(sql.SQL("SELECT entries FROM {}({})").format(images.thing("replay"), sql.Literal(most))).fetchone()
    return int(found[0]) if found else 0


def fresh_snapshot(reader: Connection[Any]) -> None:
    """Have the connection look at the database as it is now, until it does so anew or its transaction is ended."""
    reader.execute("ROLLBACK")
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    reader.execute("SELECT pg_catalog.pg_current_snapshot()")


def count(connection: Connection[Any], name: TableName) -> int:
    """Rows of a table."""
    found = connection.execute(sql.SQL("SELECT pg_catalog.count(*) FROM {}").format(statements.named(name))).fetchone()
    return int(found[0]) if found else 0
