"""Watching one of our own statements from a second connection while it waits.

A statement such as DETACH … CONCURRENTLY waits for two kinds of things. While it waits for a lock on a *relation*, everybody
who needs a conflicting lock queues behind it: that must be short. While it waits for older *transactions* to end, nobody
queues behind it, and cutting it off leaves it half done: that may be long. PostgreSQL's `lock_timeout` cannot tell the two
apart; `pg_locks` can.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import Connection

from include.postgres.queries import Row, row, rows

SAY_EVERY = 5.0
"""Seconds between two lines about a wait."""


class Watch:
    """For the time of a `with` block, cancels the connection's statement when it waits too long. Work is not limited, only waiting.

    :param lock_timeout: longest wait for one relation lock, in seconds; None: a relation counts like everything else.
    :param wait_timeout: longest wait in all, in seconds.
    :param report: called every few seconds of a wait with the kind of lock, the sessions that hold us up, and the seconds left.
    :ivar gave_way: whether the statement was cancelled because of `lock_timeout`.
    :ivar waited_too_long: whether it was cancelled because of `wait_timeout`.
    :ivar held_up_by: the sessions seen when it was.
    """

    def __init__(
        self, connection: Connection[Any], lock_timeout: float | None, wait_timeout: float, report: Callable[[str, list[Row], float], None]
    ) -> None:
        self.gave_way = False
        self.waited_too_long = False
        self.held_up_by: list[Row] = []
        self._wait_timeout = wait_timeout
        self._waited = 0.0
        self._watched = connection
        self._pid = connection.info.backend_pid
        self._lock_timeout = lock_timeout
        self._report = report
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="partition-lifecycle-watch", daemon=True)
        self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        self._observer = psycopg.connect(
            self._watched.info.dsn, password=self._watched.info.password, autocommit=True, application_name="partition_lifecycle watch"
        )
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._observer.close()

    def _run(self) -> None:
        pause = 0.25 if self._lock_timeout is None else max(0.01, self._lock_timeout / 4)
        looked_at = time.monotonic()
        try:
            while not self._over.wait(pause):
                now = time.monotonic()
                self._look(now - looked_at)
                looked_at = now
        except psycopg.Error:
            # Unobserved, the statement could make others queue without a limit: better to give way.
            self._cancel([], gave_way=True)

    def _look(self, elapsed: float) -> None:
        waiting = row(self._observer, "waiting_lock", pid=self._pid)
        if waiting is None:
            return
        self._waited += elapsed
        if waiting["kind"] == "relation" and self._lock_timeout is not None and (waiting["seconds"] or 0) >= self._lock_timeout:
            self._cancel(self._blockers(), gave_way=True)
        elif self._waited >= self._wait_timeout:
            self._cancel(self._blockers(), gave_way=False)
        elif time.monotonic() - self._said_at >= SAY_EVERY:
            self._said_at = time.monotonic()
            self._report(str(waiting["kind"]), self._blockers(), self._wait_timeout - self._waited)

    def _blockers(self) -> list[Row]:
        return rows(self._observer, "blockers", pid=self._pid)

    def _cancel(self, held_up_by: list[Row], *, gave_way: bool) -> None:
        if not self._over.is_set():
            self.gave_way, self.waited_too_long, self.held_up_by = gave_way, not gave_way, held_up_by
            self._watched.cancel_safe()
            self._over.set()
