"""Saying in the log for whom a connection waits, whatever statement it is that waits: a mere read of the catalog, a note in the ledger, DDL."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, Self

import psycopg
from psycopg import Connection, pq

from include.postgres.observer import observer_of
from include.postgres.queries import row
from include.postgres.sessions import blockers, waiting_for

SAY_EVERY = 5.0
"""Seconds between two lines about a wait, and before the first."""


class InfoLog(Protocol):
    """What we need of a logger."""

    def info(self, msg: str, /, *arguments: object) -> object:
        """What goes on."""


class Lookout:
    """For the time of a `with` block, says every few seconds for whom the connection waits. Opens a connection of its own only
    when it finds a statement going on.

    :param what: what the connection is for; see also `doing`.
    :param limit: after which waits end with an error: of the server's `lock_timeout`, or of a `Watch`.
    """

    def __init__(self, connection: Connection[Any], log: InfoLog, what: str, limit: timedelta) -> None:
        self._watched = connection
        self._pid = connection.info.backend_pid
        self._log = log
        self._what = what
        self._limit = limit
        self._observer: Connection[Any] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="partition-lifecycle-lookout", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._forget_observer()

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say this instead, for the length of the block."""
        before, self._what = self._what, what
        try:
            yield
        finally:
            self._what = before

    def _run(self) -> None:
        while not self._over.wait(SAY_EVERY):
            if self._watched.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
                continue
            try:
                self._look()
            except psycopg.Error:
                self._forget_observer()  # to name others is a service; the step does not depend on it

    def _look(self) -> None:
        if self._observer is None:
            self._observer = observer_of(self._watched)
        waiting = row(self._observer, "waiting_lock", pid=self._pid)
        if waiting is not None and (waiting["seconds"] or 0) >= SAY_EVERY / 2:
            self._log.info("%s", waiting_for(self._what, blockers(self._observer, self._pid), waiting["seconds"], self._limit))

    def _forget_observer(self) -> None:
        if self._observer is not None:
            self._observer.close()
            self._observer = None
