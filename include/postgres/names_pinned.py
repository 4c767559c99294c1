"""Keeping names from changing hands while a statement that names tables waits for its locks.

DETACH … CONCURRENTLY takes names, cannot be in a transaction, and looks its partition up only after it was granted the parent. Whoever
exchanged names meanwhile would have another partition detached. A second connection's ACCESS SHARE keeps RENAME and SET SCHEMA out, and
nobody else.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import Connection, sql

from include.partitioning.errors import DestructionRefusedError
from include.partitioning.names import TableName
from include.postgres import catalog, statements
from include.postgres.observer import observer_of
from include.postgres.queries import row

LOOK_EVERY = 0.005
"""Seconds between looks whether the statement has its lock. Until then it would wait for us in its second phase."""


class NamesPinned:
    """For the time of a `with` block the names mean these tables, until the watched statement has looked them up.

    :param names: by OID, what each table is called.
    :param looked_up: OID of the table that the statement locks last; once it holds that lock, or the detach is pending, it goes by OIDs.
    :param role: that may lock them.
    :param lock_timeout: milliseconds that we wait for each lock, because others queue behind us too.
    """

    def __init__(self, watched: Connection[Any], names: Mapping[int, TableName], looked_up: int, role: str, lock_timeout: int) -> None:
        self._watched = watched
        self._names = names
        self._looked_up = looked_up
        self._role = role
        self._lock_timeout = lock_timeout
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="partition-lifecycle-names", daemon=True)

    def __enter__(self) -> Self:
        """Pin them.

        :raises DestructionRefusedError: a name means another table by now, or a table has another name.
        :raises psycopg.errors.LockNotAvailable: somebody is about to rename one.
        """
        self._holder = observer_of(self._watched)
        try:
            self._lock()
            check_names(self._holder, self._names)
        except BaseException:
            self._holder.close()
            raise
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._holder.close()

    def _lock(self) -> None:
        self._holder.execute("BEGIN")
        self._holder.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", (f"{self._lock_timeout}ms",))
        self._holder.execute(statements.set_local_role(self._role))
        for name in self._names.values():
            self._holder.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(statements.named(name)))

    def _run(self) -> None:
        """Let go as soon as the statement goes by OIDs, or if we cannot look any more: a connection that is closed holds nothing."""
        with suppress(psycopg.Error):
            while not self._over.wait(LOOK_EVERY) and not self._is_looked_up():
                pass
            self._holder.execute("ROLLBACK")

    def _is_looked_up(self) -> bool:
        found = row(self._holder, "has_looked_up", pid=self._watched.info.backend_pid, oid=self._looked_up)
        return bool(found and found["yes"])


@contextmanager
def names_checked(connection: Connection[Any], names: Mapping[int, TableName]) -> Iterator[None]:
    """Only looked at, where another table under the name would be refused by the server anyway."""
    check_names(connection, names)
    yield


def check_names(connection: Connection[Any], names: Mapping[int, TableName]) -> None:
    """A statement names the tables; an OID cannot be given. So the names are looked up again right before.

    :raises DestructionRefusedError: a table has another name by now, or is gone.
    """
    for oid, its_name in names.items():
        found = catalog.relation(connection, oid)
        if found is None or found.name != its_name:
            now = f'is now "{found.name}"' if found else "is gone"
            raise DestructionRefusedError(
                f'"{its_name}" (OID {oid}) {now}: it was renamed or replaced while this step waited; run the plan again'
            )
