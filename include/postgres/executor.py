"""Running statements so that nobody stalls: every lock wait is short, every retry counted, every long wait limited."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import Connection, errors, sql

from include.partitioning.errors import LockNotAvailableError, SkippedByServerError, WaitTooLongError
from include.postgres import statements
from include.postgres.failures import LOCK_CONFLICTS, translated
from include.postgres.lock_budget import LockBudget, pause_after
from include.postgres.lookout import SAY_EVERY, InfoLog, Lookout
from include.postgres.queries import row
from include.postgres.sessions import Session, gave_way, lock_holders, no_lock, waited_too_long, waiting_for
from include.postgres.statement_log import StatementLog
from include.postgres.watch import Watch

T = TypeVar("T")

POLL = 0.2
"""Seconds between looks at something that we wait for without holding anything."""


LAST_RESORT = timedelta(seconds=10)
"""How much later than the watch, if that should fail, the server itself ends a wait."""


class Log(InfoLog, Protocol):
    """What we need of a logger; `logging.Logger` and Airflow's have it."""

    def warning(self, msg: str, /, *arguments: object) -> object:
        """What a person should look at."""


class _GaveWayError(Exception):
    """A watched statement was cancelled because it waited for a relation lock; carries who held it."""

    def __init__(self, held_up_by: list[Session]) -> None:
        self.held_up_by = held_up_by
        super().__init__("gave way")


class Executor:
    """Runs the statements of one step on one connection in autocommit mode.

    :param lookout: the connection's, which says what is waited for; None: only what is said here.
    :param shown: where statements are shown; None: in `log`.
    :ivar lock_wait_ms: time that the last call lost to attempts that gave way, with the pauses after them.
    """

    def __init__(
        self,
        connection: Connection[Any],
        budget: LockBudget,
        log: Log,
        pause: Callable[[float], None] = time.sleep,
        *,
        lookout: Lookout | None = None,
        shown: StatementLog | None = None,
    ) -> None:
        self.connection = connection
        self.budget = budget
        self.log = log
        self.lock_wait_ms = 0
        self._pause = pause
        self._lookout = lookout
        self._shown = shown or StatementLog(log)
        self._left = 0.0
        self._brief_wait: timedelta | None = None
        self._warnings: list[str] = []
        connection.add_notice_handler(self._notice)

    def transaction(
        self, what: str, work: Callable[[Connection[Any]], T], locked: Sequence[int] = (), lock_timeout: timedelta | None = None
    ) -> T:
        """Run `work` in one READ COMMITTED transaction, again from its beginning when a lock is not granted in time.

        :param what: what is being done to which object, for messages.
        :param locked: OIDs of the relations whose locks are fought over, to name who holds them.
        :param lock_timeout: instead of the budget's.
        :raises LockNotAvailableError: after `lock_attempts` attempts.
        """
        brief = self._brief()
        patience = lock_timeout or brief

        def attempt() -> T:
            self._left = brief.total_seconds()
            with self._shown.fold(what), self.connection.transaction():
                self._set("lock_timeout", patience, local=True)
                return work(self.connection)

        return self._attempts(what, attempt, lambda: lock_holders(self.connection, locked), patience)

    def concurrently(
        self,
        what: str,
        statement: sql.Composed,
        names: Callable[[int], AbstractContextManager[object]],
        half_done: Callable[[], bool],
        locked: Sequence[int],
    ) -> None:
        """Run one statement that must be alone and waits for older transactions: those up to `wait_timeout`, relations up to `lock_timeout`.

        :param names: makes sure for each attempt, within so many milliseconds, that the names in the statement mean what they did; raises if not.
        :param half_done: asked after an attempt gave way; True ends the attempts, for then a repetition would be an error.
        :param locked: OIDs of the relations whose names they are, to say who holds them.
        :raises LockNotAvailableError: after `lock_attempts` attempts for a relation.
        :raises WaitTooLongError: older transactions did not end in time.
        """

        brief = self._brief()

        def attempt() -> None:
            try:
                with names(round(brief.total_seconds() * 1000)):
                    self._alone(what, statement, brief.total_seconds())
            except _GaveWayError:
                if not half_done():
                    raise

        self._attempts(what, attempt, lambda: lock_holders(self.connection, locked), brief)

    def long_statement(self, what: str, statement: sql.Composed) -> None:
        """Run one statement that works for long and that neither readers nor writers queue behind; its waits sum to at most `wait_timeout`.

        :raises WaitTooLongError: they summed to more.
        :raises SkippedByServerError: the server warned that it did nothing.
        """
        self._warnings.clear()
        with translated(what), self._saying(what):
            self._alone(what, statement, None)
        if self._warnings:
            raise SkippedByServerError(f"{what}: {'; '.join(self._warnings)}")

    def wait_until(self, what: str, blockers: Callable[[], list[Session] | None]) -> None:
        """Wait, holding nothing, until `blockers` returns None; says every few seconds for whom we wait.

        :param blockers: who is in the way; nobody, if they went while they were looked up.
        :raises WaitTooLongError: after `wait_timeout`, naming them.
        """
        begun = time.monotonic()
        said_at = float("-inf")
        while (found := blockers()) is not None:
            waited = time.monotonic() - begun
            if waited >= self.budget.wait_timeout.total_seconds():
                raise WaitTooLongError(waited_too_long(what, found, self.budget.wait_timeout))
            if found and time.monotonic() - said_at >= SAY_EVERY:
                said_at = time.monotonic()
                self.log.info("%s", waiting_for(what, found, waited, self.budget.wait_timeout))
            self._pause(POLL)

    @contextmanager
    def role(self, owner: str) -> Iterator[None]:
        """Be the table's owner for the block, for statements that cannot be in a transaction."""
        with translated(f'become "{owner}"'):
            self.connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
        try:
            yield
        finally:
            self._reset(lambda: self.connection.execute(statements.reset_role()))

    def run(self, statement: sql.Composed) -> None:
        """Run a statement of a transaction, and show it in the log."""
        self.run_together([statement])

    def run_together(self, together: Sequence[sql.Composed]) -> None:
        """Run statements of a transaction in one round trip, and show them in the log; the first that fails is the last that runs."""
        texts = [statement.as_bytes(self.connection) for statement in together]
        for text in texts:
            self._shown.show(text.decode(self.connection.info.encoding))
        self.connection.execute(b";\n".join(texts))

    def run_briefly(self, *together: sql.Composed, locks: int = 1) -> None:
        """Run statements of a transaction that wait for locks behind which others queue, who would then wait as long as we do.

        `lock_timeout` is for each single lock. So what the attempt has left of it is shared among the locks that they take:
        however many there are, and however many such statements, nobody stands behind us for longer than that.

        :param locks: how many such locks the statements may have to wait for, one after another.
        """
        milliseconds = round(1000 * max(0.001, self._left / max(1, locks)))
        begun = time.monotonic()
        self.run_together([sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(milliseconds)), *together])
        self._left -= time.monotonic() - begun

    def _brief(self) -> timedelta:
        """`lock_timeout`, but so much less than the server's deadlock_timeout that, if we and an application wait for each other, it is
        always us who give way, and never the application that gets the error.
        """
        if self._brief_wait is None:
            found = row(self.connection, "deadlock_timeout") or {}
            self._brief_wait = min(self.budget.lock_timeout, timedelta(milliseconds=int(found["milliseconds"])) / 2)
        return self._brief_wait

    def _saying(self, what: str) -> AbstractContextManager[None]:
        return self._lookout.doing(what) if self._lookout else nullcontext()

    def _alone(self, what: str, statement: sql.Composed, lock_timeout: float | None) -> None:
        self._set("lock_timeout", self.budget.wait_timeout + LAST_RESORT)  # the watch is there before
        try:
            with Watch(self.connection, lock_timeout, self.budget.wait_timeout.total_seconds()) as watch:
                self._watched(what, statement, watch)
        finally:
            self._reset(lambda: self._set("lock_timeout", self.budget.wait_timeout))

    def _watched(self, what: str, statement: sql.Composed, watch: Watch) -> None:
        try:
            self.run(statement)
        except errors.QueryCanceled as cancelled:
            if watch.gave_way:
                raise _GaveWayError(watch.held_up_by) from cancelled
            if watch.waited_too_long:
                raise WaitTooLongError(waited_too_long(what, watch.held_up_by, self.budget.wait_timeout)) from cancelled
            raise

    def _attempts(self, what: str, attempt: Callable[[], T], holders: Callable[[], list[Session]], lock_timeout: timedelta) -> T:
        begun = time.monotonic()
        self.lock_wait_ms = 0
        with translated(what), self._saying(what):
            for left in reversed(range(self.budget.lock_attempts)):
                try:
                    return attempt()
                except (_GaveWayError, *LOCK_CONFLICTS) as conflict:
                    held_up_by = conflict.held_up_by if isinstance(conflict, _GaveWayError) else holders()
                    if left == 0:
                        raise LockNotAvailableError(no_lock(what, held_up_by, lock_timeout, self.budget.lock_attempts)) from conflict
                    self.log.info("%s", gave_way(what, held_up_by, lock_timeout, time.monotonic() - begun, left))
                    self._pause(pause_after(self.budget.lock_attempts - left))
                self.lock_wait_ms = round((time.monotonic() - begun) * 1000)
        raise AssertionError("unreachable: the last attempt raises")

    def _set(self, name: str, value: timedelta, *, local: bool = False) -> None:
        milliseconds = f"{round(value.total_seconds() * 1000)}ms"
        self.connection.execute("SELECT pg_catalog.set_config(%s, %s, %s)", (name, milliseconds, local))

    def _reset(self, work: Callable[[], object]) -> None:
        if not self.connection.closed and not self.connection.broken:
            work()

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        text = diagnostic.message_primary or ""
        if diagnostic.severity_nonlocalized == "WARNING":
            self.log.warning("server: %s", text)
            self._warnings.append(text)
        else:
            self.log.info("server: %s", text)
