"""The whole move of a table that clients read and write all the time: what they notice of it, and which locks it takes."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.benchmarks.adopt_steps import Phase, operators, phases, step
from tests.benchmarks.lock_sampling import Lock, LockSampler
from tests.benchmarks.stalls import LONGEST_START, Clients, Seen, Window, quiet_window
from tests.databases import fresh_database

CLIENTS = 4
BEFORE_THE_WAIT = "catch up"
WATCHED = ("core.sessions", "auth.users", "core.open_sessions")


@dataclass(frozen=True, slots=True)
class Live:
    """One move.

    :param windows: stretches of time by what was going on.
    :param apart: seconds between two looks at the locks.
    """

    found: list[Phase]
    windows: dict[str, Window]
    seen: Seen
    locks: list[Lock]
    apart: float

    @property
    def move(self) -> Window:
        """From the first phase to the last."""
        return Window(min(each.begin for each in self.found), max(each.end for each in self.found))

    def phase(self, name: str) -> Phase:
        """The last of this name."""
        return next(each for each in reversed(self.found) if each.name == name)


def live(server: str, template: str, rows: int, jobs: int, seconds: float) -> Live:
    """Move it, with pauses in which nothing but the triggers is at work.

    :param seconds: of each pause, and of the older transaction that the exchange has to wait for.
    """
    with fresh_database(server, template) as uri, psycopg.connect(uri, autocommit=True) as connection:
        os.environ["AIRFLOW_CONN_BENCH"] = uri
        connection.execute("CHECKPOINT")
        operators()
        sampler = LockSampler(server, connection, *WATCHED)
        with Clients(uri, CLIENTS, "tests.benchmarks.adopt_client", str(rows)) as clients, sampler, phases() as found:
            time.sleep(1)
            windows = {"before": quiet_window(seconds)}
            begin = time.monotonic()
            step("plan", jobs)
            found.insert(0, Phase("plan", begin, time.monotonic()))
            step("copy", jobs)
            windows["changes are noted"] = pause = quiet_window(seconds)
            found.append(Phase("pause", pause.begin, pause.end))
            step("index", jobs)
            with older_transaction(uri, seconds, found):
                step("swap", jobs)
            windows["afterwards"] = quiet_window(seconds)
        for name in ("copy", "index", "statistics", "compare", "wait"):
            windows[name] = next(each for each in reversed(found) if each.name == name).window
        return Live(found, windows, clients.seen, sampler.locks(connection), sampler.apart)


@contextmanager
def older_transaction(uri: str, seconds: float, found: list[Phase]) -> Iterator[None]:
    """One that has read the table, and goes on looking at it as it was, until the exchange has waited for it for so many seconds."""
    over, begun = threading.Event(), threading.Event()

    def stay() -> None:
        with psycopg.connect(uri, application_name="a long report") as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT count(*) FROM core.open_sessions")
            begun.set()
            while not over.wait(0.01) and not any(each.name == BEFORE_THE_WAIT for each in found):
                pass
            over.wait(seconds)

    thread = threading.Thread(target=stay)
    thread.start()
    begun.wait(LONGEST_START)
    try:
        yield
    finally:
        over.set()
        thread.join()
