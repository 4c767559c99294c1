"""Who stands still while a step works: clients that read and write all the time, and how long their statements took in a window of time."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import psycopg

from demo.local_airflow import PROJECT

LONGEST_START = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of monotonic time, and what went wrong in it, if something did."""

    begin: float
    end: float
    failed: str | None = None

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Sample:
    """A statement of a client that took a millisecond or more."""

    begin: float
    seconds: float
    what: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What all clients together have seen."""

    samples: list[Sample]
    errors: list[str]
    statements: int

    def longest(self, window: Window) -> float:
        """Seconds of the longest statement of which any part was in the window; what took less than a millisecond counts as that."""
        return max(
            (each.seconds for each in self.samples if each.begin < window.end and each.begin + each.seconds > window.begin), default=0.001
        )


class Clients:
    """Processes, so that none waits for another's interpreter; at the end of the block `seen` has what they saw.

    :param module: what each of them runs, with the URI, its number and `arguments`.
    """

    seen: Seen

    def __init__(self, uri: str, number: int, module: str = "tests.benchmarks.stall_client", *arguments: str) -> None:
        self._uri = uri
        self._number = number
        self._module = module
        self._arguments = arguments
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}"}
        for number in range(1, self._number + 1):
            command = [sys.executable, "-m", self._module, self._uri, str(number), *self._arguments]
            self._processes.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT)
            )
        for process in self._processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                self._stop()
                raise RuntimeError("a client did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        said = self._stop()
        found = [json.loads(each) for each in said if each]
        self.seen = Seen(
            [Sample(*sample) for each in found for sample in each["samples"]],
            [error for each in found for error in each["errors"]],
            sum(each["statements"] for each in found),
        )

    def _stop(self) -> list[str]:
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
                process.stdin = None  # communicate() would flush it
        return [process.communicate(timeout=LONGEST_START)[0] for process in self._processes]


@contextmanager
def nobody() -> Iterator[None]:
    """Nobody beside the clients."""
    yield


@contextmanager
def reader(uri: str, seconds: float, *, writes_users: bool = False) -> Iterator[None]:
    """A transaction that has read the parent. It ends after so many seconds, or with the block.

    :param writes_users: beside it, another one that has written the referenced table; then the reader ends after half of the time.
    """
    statements = ["SELECT count(*) FROM app.events", "UPDATE auth.users SET seen = 0 WHERE id = 100"]
    lengths = (seconds / 2, seconds) if writes_users else (seconds,)
    over = threading.Event()
    begun = [threading.Event() for _ in lengths]

    def stay(number: int) -> None:
        with psycopg.connect(uri, application_name="a long report") as connection:
            connection.execute(statements[number].encode())
            begun[number].set()
            over.wait(lengths[number])

    threads = [threading.Thread(target=stay, args=(number,)) for number in range(len(lengths))]
    for thread in threads:
        thread.start()
    for each in begun:
        each.wait(LONGEST_START)
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def timed(work: Callable[[], object], beside: AbstractContextManager[None]) -> Window:
    """Do it beside somebody. What fails is part of the result."""
    failed = None
    with beside:
        begin = time.monotonic()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a statement that PostgreSQL refuses is a finding
            failed = str(error).splitlines()[0]
        end = time.monotonic()
    return Window(begin, end, failed)


def quiet_window(seconds: float) -> Window:
    """The clients alone."""
    begin = time.monotonic()
    time.sleep(seconds)
    return Window(begin, time.monotonic())


@dataclass(frozen=True, slots=True)
class Variant:
    """A kind of table.

    :param foreign_key: it refers to another table.
    :param default: it has a DEFAULT partition with rows.
    :param incoming: another table refers to it.
    """

    name: str
    foreign_key: bool = False
    default: bool = False
    incoming: bool = False

    @property
    def others_queue(self) -> bool:
        """Whether PostgreSQL has no way of creating or detaching a partition behind which nobody ever queues."""
        return self.foreign_key or self.default or self.incoming


VARIANTS = (
    Variant("plain table"),
    Variant("foreign key", foreign_key=True),
    Variant("DEFAULT partition", default=True),
    Variant("incoming foreign key", incoming=True),
)


@dataclass
class Months:
    """Names and bounds of one month after another."""

    year: int
    taken: int = field(default=0)

    def next(self) -> tuple[str, str, str]:
        """The partition's name, and its bounds."""
        first, second = self._text(self.taken), self._text(self.taken + 1)
        self.taken += 1
        return f"app.events_p{first.replace('-', '')[:6]}", first, second

    def _text(self, number: int) -> str:
        return f"{self.year + number // 12}-{number % 12 + 1:02}-01 00:00+00"


def make_table(uri: str, variant: Variant) -> None:
    """The table that the clients use, with a month in which they live (February 2021) and one before."""
    with psycopg.connect(uri, autocommit=True) as connection:
        reference = "REFERENCES auth.users" if variant.foreign_key else ""
        connection.execute(
            f"""
            CREATE SCHEMA auth; CREATE SCHEMA app;
            CREATE TABLE auth.users (id integer PRIMARY KEY, seen bigint NOT NULL DEFAULT 0);
            INSERT INTO auth.users SELECT generate_series(1, 100);
            CREATE TABLE app.events (id bigint NOT NULL, user_id integer {reference}, created_at timestamptz NOT NULL, note text,
              PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
            CREATE INDEX ON app.events (user_id, created_at);
            CREATE TABLE app.events_p202101 PARTITION OF app.events FOR VALUES FROM ('2021-01-01 00:00+00') TO ('2021-02-01 00:00+00');
            CREATE TABLE app.events_p202102 PARTITION OF app.events FOR VALUES FROM ('2021-02-01 00:00+00') TO ('2021-03-01 00:00+00');
            INSERT INTO app.events SELECT g, 1 + g % 100, timestamptz '2021-02-01 00:00+00' + g * interval '1 minute', 'row' FROM generate_series(1, 20000) g;
        """.encode()
        )
        if variant.default:
            connection.execute("""
                CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
                INSERT INTO app.events SELECT g, 1 + g % 100, timestamptz '2100-01-01 00:00+00' + g * interval '1 minute', 'stray' FROM generate_series(1, 5000) g
            """)
        if variant.incoming:
            connection.execute("""
                CREATE TABLE app.notes (event_id bigint, event_at timestamptz, FOREIGN KEY (event_id, event_at) REFERENCES app.events (id, created_at));
                INSERT INTO app.notes SELECT id, created_at FROM app.events_p202102 WHERE id <= 500
            """)
        connection.execute("VACUUM ANALYZE")


def make_month(uri: str, months: Months, rows: int = 2000) -> str:
    """One more old partition with rows; returns its name. Not while anybody measures."""
    name, first, second = months.next()
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {name} PARTITION OF app.events FOR VALUES FROM ('{first}') TO ('{second}')".encode())
        connection.execute(
            f"INSERT INTO {name} SELECT g, 1 + g %% 100, %s::timestamptz + g * interval '1 minute', 'old' FROM generate_series(1, %s) g".encode(),
            (first, rows),
        )
    return name


def run_statement(uri: str, statement: str) -> Callable[[], Any]:
    """What a person would type, without a limit to its waits."""

    def work() -> None:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(statement.encode())

    return work
