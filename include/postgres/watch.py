"""Watching one of our own statements from a second connection while it waits.

A statement such as DETACH … CONCURRENTLY waits for two kinds of things. While it waits for a lock on a *relation*, everybody
who needs a conflicting lock queues behind it: that must be short. While it waits for older *transactions* to end, nobody
queues behind it, and cutting it off leaves it half done: that may be long. PostgreSQL's `lock_timeout` cannot tell the two
apart; `pg_locks` can.
"""

import threading
import time
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import Connection

from include.postgres.observer import observer_of
from include.postgres.queries import row
from include.postgres.sessions import Session, blockers

LONGEST_CANCEL = 5.0
"""Seconds for which a request to cancel may be on its way."""


class Watch:
    """For the time of a `with` block, cancels the connection's statement when it waits too long. Work is not limited, only waiting.

    :param lock_timeout: longest wait for relation locks, one after another, in seconds; None: a relation counts like everything else.
    :param wait_timeout: longest wait in all, in seconds.
    :ivar gave_way: whether the statement was cancelled because of `lock_timeout`.
    :ivar waited_too_long: whether it was cancelled because of `wait_timeout`.
    :ivar held_up_by: the sessions seen when it was.
    """

    def __init__(self, connection: Connection[Any], lock_timeout: float | None, wait_timeout: float) -> None:
        self.gave_way = False
        self.waited_too_long = False
        self.held_up_by: list[Session] = []
        self._watched = connection
        self._pid = connection.info.backend_pid
        self._lock_timeout = lock_timeout
        self._wait_timeout = wait_timeout
        self._pause = 0.25 if lock_timeout is None else max(0.01, lock_timeout / 4)
        self._waited = 0.0
        self._relations = _Waits()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="partition-lifecycle-watch", daemon=True)

    def __enter__(self) -> Self:
        self._observer = observer_of(self._watched)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._observer.close()

    def _run(self) -> None:
        looked_at = time.monotonic()
        pause = self._pause
        try:
            while not self._over.wait(pause):
                now = time.monotonic()
                pause = self._look(now - looked_at)
                looked_at = now
        except psycopg.Error:
            # Unobserved, the statement could make others queue without a limit: better to give way.
            while not self._over.is_set():
                self._cancel(gave_way=True)
                self._over.wait(self._pause)

    def _look(self, elapsed: float) -> float:
        """Returns after how many seconds to look again."""
        event = row(self._observer, "wait_event", pid=self._pid)
        if event is None:
            return self._pause
        self._waited += elapsed
        if self._waited >= self._wait_timeout:
            self.held_up_by = blockers(self._observer, self._pid)
            self._cancel(gave_way=False)
        elif event["kind"] == "relation" and self._lock_timeout is not None:
            return self._look_at_relation(self._lock_timeout)
        return self._pause

    def _look_at_relation(self, lock_timeout: float) -> float:
        waiting = row(self._observer, "waiting_lock", pid=self._pid)
        if waiting is None or waiting["kind"] != "relation":
            return self._pause
        is_new = self._relations.add(waiting["since"], waiting["seconds"] or 0.0)
        left = lock_timeout - self._relations.seconds()
        if left <= 0:
            self.held_up_by = self.held_up_by or blockers(self._observer, self._pid)
            self._cancel(gave_way=True)
        elif is_new:
            self.held_up_by = blockers(self._observer, self._pid)  # asked now: when the time is up, others have queued for long enough
            return max(0.001, left - 0.005)
        return max(0.001, min(self._pause, left))

    def _cancel(self, *, gave_way: bool) -> None:
        if self._over.is_set():
            return
        self.gave_way, self.waited_too_long = gave_way, not gave_way
        with suppress(psycopg.Error):  # then it is tried again at the next look; the server's lock_timeout limits that
            self._watched.cancel_safe(timeout=LONGEST_CANCEL)
            self._over.set()


class _Waits:
    """The lengths of waits that follow each other, each known by when it began."""

    def __init__(self) -> None:
        self._lengths: dict[datetime | None, float] = {}

    def add(self, since: datetime | None, seconds: float) -> bool:
        """Note how long one has lasted by now; returns whether it is another one than the last time."""
        is_new = since not in self._lengths
        self._lengths[since] = seconds
        return is_new

    def seconds(self) -> float:
        """Of all together."""
        return sum(self._lengths.values())
