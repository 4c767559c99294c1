"""Running statements so that nobody stalls: every lock wait is short, every retry counted, every long wait limited."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import Connection, errors, sql

from include.partitioning.errors import LockNotAvailableError, SkippedByServerError, WaitTooLongError
from include.partitioning.span import format_duration
from include.postgres.failures import LOCK_CONFLICTS, translated
from include.postgres.queries import Row, rows
from include.postgres.watch import SAY_EVERY, Watch

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between attempts for a lock: doubled from the first to the longest, times a jitter of 0.5 to 1.5."""

POLL = 0.2
"""Seconds between looks at something that we wait for without holding anything."""


class Log(Protocol):
    """What we need of a logger; `logging.Logger` and Airflow's have it."""

    def info(self, msg: str, /, *arguments: object) -> object:
        """What goes on."""

    def warning(self, msg: str, /, *arguments: object) -> object:
        """What a person should look at."""


class _GaveWayError(Exception):
    """A watched statement was cancelled because it waited for a relation lock; carries who held it."""

    def __init__(self, held_up_by: list[Row]) -> None:
        self.held_up_by = held_up_by
        super().__init__("gave way")


@dataclass(frozen=True, slots=True)
class LockBudget:
    """How long and how often a step may wait; see the policy keys of the same names."""

    lock_timeout: timedelta
    lock_attempts: int
    wait_timeout: timedelta


class Executor:
    """Runs the statements of one step on one connection in autocommit mode.

    :ivar lock_wait_ms: time that the last call lost to attempts that gave way, with the pauses after them.
    """

    def __init__(self, connection: Connection[Any], budget: LockBudget, log: Log, pause: Callable[[float], None] = time.sleep) -> None:
        self.connection = connection
        self.budget = budget
        self.log = log
        self.lock_wait_ms = 0
        self._pause = pause
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
        patience = lock_timeout or self.budget.lock_timeout

        def attempt() -> T:
            with self.connection.transaction():
                self._set("lock_timeout", patience, local=True)
                return work(self.connection)

        return self._attempts(what, attempt, lambda: rows(self.connection, "lock_holders", oids=list(locked)), patience)

    def concurrently(self, what: str, statement: sql.Composed, check: Callable[[], None], half_done: Callable[[], bool]) -> None:
        """Run one statement that must be alone and waits for older transactions: those up to `wait_timeout`, relations up to `lock_timeout`.

        :param check: asked before each attempt whether the names in the statement still mean what they did; raises if not.
        :param half_done: asked after an attempt gave way; True ends the attempts, for then a repetition would be an error.
        :raises LockNotAvailableError: after `lock_attempts` attempts for a relation.
        :raises WaitTooLongError: older transactions did not end in time.
        """

        def attempt() -> None:
            check()
            try:
                self._alone(what, statement, self.budget.lock_timeout.total_seconds())
            except _GaveWayError:
                if not half_done():
                    raise

        self._attempts(what, attempt, list, self.budget.lock_timeout)

    def long_statement(self, what: str, statement: sql.Composed) -> None:
        """Run one statement that works for long and that neither readers nor writers queue behind; its waits sum to at most `wait_timeout`.

        :raises WaitTooLongError: they summed to more.
        :raises SkippedByServerError: the server warned that it did nothing.
        """
        self._warnings.clear()
        with translated(what):
            self._alone(what, statement, None)
        if self._warnings:
            raise SkippedByServerError(f"{what}: {'; '.join(self._warnings)}")

    def wait_until(self, what: str, blockers: Callable[[], list[Row]]) -> None:
        """Wait, holding nothing, until `blockers` finds nobody; says every few seconds for whom we wait.

        :raises WaitTooLongError: after `wait_timeout`, naming them.
        """
        deadline = time.monotonic() + self.budget.wait_timeout.total_seconds()
        said_at = float("-inf")
        while found := blockers():
            left = deadline - time.monotonic()
            if left <= 0:
                limit = format_duration(self.budget.wait_timeout)
                raise WaitTooLongError(f"{what}: waited {limit} for {describe(found)}; end that session, or raise wait_timeout")
            if time.monotonic() - said_at >= SAY_EVERY:
                said_at = time.monotonic()
                self.log.info("%s: waiting for %s; %.0f s left", what, describe(found), left)
            self._pause(POLL)

    @contextmanager
    def role(self, owner: str) -> Iterator[None]:
        """Be the table's owner for the block, for statements that cannot be in a transaction."""
        with translated(f'become "{owner}"'):
            self.connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
        try:
            yield
        finally:
            self._reset(sql.SQL("RESET ROLE").format())

    def run(self, statement: sql.Composed) -> None:
        """Run a statement of a transaction, and show it in the log."""
        self.run_together([statement])

    def run_together(self, together: Sequence[sql.Composed]) -> None:
        """Run statements of a transaction in one round trip, and show them in the log; the first that fails is the last that runs."""
        for statement in together:
            self.log.info("%s", statement.as_string(self.connection))
        self.connection.execute(sql.SQL(";\n").join(together))

    def _alone(self, what: str, statement: sql.Composed, lock_timeout: float | None) -> None:
        def report(kind: str, held_up_by: list[Row], left: float) -> None:
            self.log.info("%s: waiting for a %s lock of %s; %.0f s left", what, kind, describe(held_up_by), left)

        self.connection.execute("SET lock_timeout = 0")  # the watch limits waits instead
        try:
            with Watch(self.connection, lock_timeout, self.budget.wait_timeout.total_seconds(), report) as watch:
                self._watched(what, statement, watch)
        finally:
            milliseconds = round(self.budget.wait_timeout.total_seconds() * 1000)
            self._reset(sql.SQL("SET lock_timeout = {}").format(sql.Literal(milliseconds)))

    def _watched(self, what: str, statement: sql.Composed, watch: Watch) -> None:
        try:
            self.run(statement)
        except errors.QueryCanceled as cancelled:
            if watch.gave_way:
                raise _GaveWayError(watch.held_up_by) from cancelled
            if watch.waited_too_long:
                limit, by = format_duration(self.budget.wait_timeout), describe(watch.held_up_by)
                raise WaitTooLongError(f"{what}: waited {limit} for {by}; end that session, or raise wait_timeout") from cancelled
            raise

    def _attempts(self, what: str, attempt: Callable[[], T], holders: Callable[[], list[Row]], lock_timeout: timedelta) -> T:
        begun = time.monotonic()
        self.lock_wait_ms = 0
        with translated(what):
            for number in range(1, self.budget.lock_attempts + 1):
                try:
                    result = attempt()
                except _GaveWayError as conflict:
                    self._give_way(what, number, conflict, conflict.held_up_by, lock_timeout)
                except LOCK_CONFLICTS as conflict:
                    self._give_way(what, number, conflict, holders(), lock_timeout)
                else:
                    return result
                self.lock_wait_ms = round((time.monotonic() - begun) * 1000)
        raise AssertionError("unreachable: the last attempt raises")

    def _give_way(self, what: str, number: int, conflict: Exception, held_up_by: list[Row], lock_timeout: timedelta) -> None:
        by = describe(held_up_by) if held_up_by else "somebody who has gone meanwhile"
        left = self.budget.lock_attempts - number
        timeout = format_duration(lock_timeout)
        if left == 0:
            raise LockNotAvailableError(
                f"{what}: no lock within {timeout} in {number} attempts; blocked by {by}; end that session, or run again when it is over"
            ) from conflict
        self.log.info("%s: gave way after %s to %s; %d attempts left", what, timeout, by, left)
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(number - 1, 10))
        self._pause(longest * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret

    def _set(self, name: str, value: timedelta, *, local: bool = False) -> None:
        milliseconds = f"{round(value.total_seconds() * 1000)}ms"
        self.connection.execute("SELECT pg_catalog.set_config(%s, %s, %s)", (name, milliseconds, local))

    def _reset(self, statement: sql.Composed) -> None:
        if not self.connection.closed and not self.connection.broken:
            self.connection.execute(statement)

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        text = diagnostic.message_primary or ""
        if diagnostic.severity_nonlocalized == "WARNING":
            self.log.warning("server: %s", text)
            self._warnings.append(text)
        else:
            self.log.info("server: %s", text)


def describe(sessions: Sequence[Row]) -> str:
    """The sessions in a few words each: pid, who, how old, and what they run."""
    return "; ".join(
        f"pid {each['pid']} ({each['user']}, {each['application'] or 'no application name'}, {each['state']}, "
        f"transaction age {each['age']}, {each['modes']}, query: {each['query']})"
        for each in sessions
    )
