"""`make bench-adopt`: how fast an ordinary table becomes a partitioned one, beside INSERT … SELECT in batches, and what its users notice.

Rates: each round moves fresh copies of one table both ways, one after the other, in turns, with nobody else on the server: our steps, and
10,000 rows at a time into a partitioned table that has its indexes and its foreign key already. Users: one more move, with processes that
read and write the table all the time, and somebody who looks at all locks.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from demo import local_airflow
from demo.embedded_postgres import running
from tests.benchmarks.adopt_live import Live, live
from tests.benchmarks.adopt_steps import LOADING, PHASES, phases, seconds, step
from tests.benchmarks.adopt_tables import edges, make_partitioned, make_table, move_in_batches
from tests.benchmarks.lock_sampling import NEW, PARTITION
from tests.benchmarks.server_work import Work, server_work
from tests.benchmarks.stalls import Window
from tests.databases import fresh_database, template_database

STRONG = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
LATENCIES = ("before", "copy", "changes are noted", "index", "statistics", "wait", "compare", "afterwards")
MEANING = {
    "wait": "in sync, waiting",
    "compare": "in sync, comparing",
    "copy": "noted, copying",
    "index": "noted, indexing",
    "statistics": "noted, statistics",
}


@dataclass
class Found:
    """Of every round: seconds of each phase of ours, and of the obvious way; and what the server did for what both have in common."""

    rows: int
    ours: list[dict[str, float]] = field(default_factory=list)
    obvious: list[float] = field(default_factory=list)
    our_work: list[Work] = field(default_factory=list)
    obvious_work: list[Work] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def loading(self) -> list[float]:
        """Seconds until ours had what the obvious way had made."""
        return [sum(each.get(name, 0.0) for name in LOADING) for each in self.ours]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="connections of ours, as `reshape: jobs`")
    parser.add_argument(
        "--seconds", type=float, default=5, help="length of each stretch in which latencies are measured with nothing else going on"
    )
    parser.add_argument("--picture", type=Path, help="write the locks of the last move as an SVG file")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-adopt-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # the server may run as another user
        local_airflow.configure(folder, f"sqlite:///{folder}/airflow.db", {}, folder / "no-policies.yaml")
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"  # every statement is shown otherwise
        server = stack.enter_context(running(folder / "postgres", {"autovacuum": "off"}))
        run(server, arguments)
    return 0


def run(server: str, arguments: argparse.Namespace) -> None:
    """Everything, on one server."""
    rows, jobs, picture = arguments.rows, arguments.jobs, arguments.picture
    found = Found(rows)
    with template_database(server, lambda connection: make_table(connection, rows)) as template:
        say_where(server, template, rows)
        for number in range(arguments.rounds):
            for ours in (True, False) if number % 2 else (False, True):
                one_way(server, template, found, jobs, ours=ours)
        if arguments.rounds:
            report_rates(found, jobs)
        moved = live(server, template, rows, jobs, arguments.seconds)
    report_users(moved)
    if picture is not None:
        from tests.benchmarks.adopt_picture import draw

        draw(picture, moved, rows)
        print(f"\n{picture}")


def one_way(server: str, template: str, found: Found, jobs: int, *, ours: bool) -> None:
    """Move a fresh copy of the table."""
    with fresh_database(server, template) as uri, psycopg.connect(uri, autocommit=True) as connection:
        os.environ["AIRFLOW_CONN_BENCH"] = uri
        found.loads.append(os.getloadavg()[0])
        (our_way if ours else obvious_way)(connection, found, jobs)
        _check(connection, "core.sessions" if ours else "later.sessions", found.rows)
    print(f"  {'ours' if ours else 'obvious'}: {(found.loading() if ours else found.obvious)[-1]:.1f} s", flush=True)


def our_way(connection: psycopg.Connection[Any], found: Found, jobs: int) -> None:
    """All four steps."""
    connection.execute("CHECKPOINT")
    with phases(lambda: server_work(connection)) as run:
        for name in ("plan", "copy", "index", "swap"):
            step(name, jobs)
    found.ours.append({name: seconds(run, name) for name in PHASES})
    found.our_work.append(sum((each.work for each in run if each.name in LOADING), Work()))


def obvious_way(connection: psycopg.Connection[Any], found: Found, _jobs: int) -> None:
    """One batch after the other."""
    make_partitioned(connection)
    cuts = edges(connection)
    connection.execute("CHECKPOINT")
    before = server_work(connection)
    found.obvious.append(move_in_batches(connection, cuts))
    found.obvious_work.append(server_work(connection) - before)


def _check(connection: psycopg.Connection[Any], table: str, rows: int) -> None:
    found = connection.execute(f"SELECT count(*), count(DISTINCT tableoid) > 1 FROM {table}".encode()).fetchone()
    assert found == (rows, True), found


def say_where(server: str, template: str, rows: int) -> None:
    """The machine, the versions, and the table."""
    with psycopg.connect(server) as connection:
        version, size = connection.execute(
            "SELECT current_setting('server_version'), pg_database_size(%s) / 1e6", (template,)
        ).fetchone() or ("?", 0)
        settings = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
        said = ", ".join(f"{name} {connection.execute(f'SHOW {name}'.encode()).fetchone()[0]}" for name in settings)  # type: ignore[index]  # SHOW has a row
    print(f"PostgreSQL {version} ({said}), {platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{rows:,} rows of 24 months, 5 indexes, 1 foreign key; {size:,.0f} MB with indexes", flush=True)


def report_rates(found: Found, jobs: int) -> None:
    """Medians of the rounds, and each of them."""
    ratios = [theirs / mine for mine, theirs in zip(found.loading(), found.obvious, strict=True)]
    processors = [theirs.processor / mine.processor for mine, theirs in zip(found.our_work, found.obvious_work, strict=True)]
    print(f"\nmedians of {len(ratios)} rounds (all), jobs: {jobs}; load of the machine {min(found.loads):.1f} to {max(found.loads):.1f}")
    report_way("ours", found.rows, found.loading(), found.our_work)
    report_way("batches of 10,000", found.rows, found.obvious, found.obvious_work)
    print(f"ratio of the rates {_some(ratios)}; of the processors' work {_some(processors)}")
    print("\nphases of ours, seconds:")
    for name in found.ours[0]:
        print(f"  {name:16}{_some([each[name] for each in found.ours])}{'' if name in LOADING else '   not in the rate'}")


def report_way(name: str, rows: int, taken: list[float], work: list[Work]) -> None:
    print(
        f"{name:20}{rows / statistics.median(taken):>10,.0f} rows/s; {_some(taken)} s; processors {_some([each.processor for each in work])} s;"
        f" log {_some([each.logged / 1e6 for each in work])} MB"
    )


def report_users(moved: Live) -> None:
    """Latencies of statements in each stretch, and the longest of all."""
    print(
        f"\nmilliseconds that clients' statements took, median / p99 / longest; {moved.seen.statements:,} statements, {len(moved.seen.errors)} errors"
    )
    kinds = sorted({each.what for each in moved.seen.samples})
    print(f"{'':22}{'seconds':>8}" + "".join(f"{kind:>23}" for kind in kinds))
    for name in LATENCIES:
        window: Window = moved.windows[name]
        cells = "".join(f"{_latency(moved.seen.samples, window, kind):>23}" for kind in kinds)
        print(f"{MEANING.get(name, name):22}{window.seconds:>8.1f}{cells}")
    for name in ("follow", "catch up", "exchange"):
        phase = moved.phase(name)
        print(
            f"longest statement that touched '{name}' ({1000 * phase.window.seconds:.0f} ms): {1000 * moved.seen.longest(phase.window):.0f} ms"
        )
    print(
        f"longest of the whole move ({moved.move.seconds:.1f} s): {1000 * moved.seen.longest(moved.move):.0f} ms; before it {1000 * moved.seen.longest(moved.windows['before']):.0f} ms"
    )
    report_locks(moved)


def report_locks(moved: Live) -> None:
    """Those that somebody who writes would have to wait for, or more, on what is in use; in which phase, how often, and for how long at most."""
    in_use = moved.phase("exchange").begin
    strong: dict[tuple[str, str, str], list[float]] = {}
    for lock in moved.locks:
        if lock.ours and lock.granted and lock.mode in STRONG and (lock.relation not in (NEW, PARTITION) or lock.begin >= in_use):
            phase = next((each.name for each in moved.found if each.begin <= lock.begin <= each.end), "-")
            strong.setdefault((phase, lock.relation, lock.mode), []).append(1000 * (lock.end - lock.begin))
    print(f"\nlocks of ours for which others wait, seen every {1000 * moved.apart:.1f} ms: how many, and the longest in milliseconds")
    for (phase, relation, mode), held in strong.items():
        print(f"  {phase:16}{relation:22}{mode:24}{len(held):>4}{max(held):>8.0f}")


def _latency(samples: Sequence[Any], window: Window, kind: str) -> str:
    found = sorted(1000 * each.seconds for each in samples if each.what == kind and window.begin <= each.begin < window.end)
    if len(found) < 2:
        return "-"
    return f"{statistics.median(found):.1f} / {found[int(len(found) * 0.99)]:.0f} / {found[-1]:.0f}"


def _some(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.1f} ({', '.join(f'{each:,.1f}' for each in values)})"


if __name__ == "__main__":
    sys.exit(main())
