"""`make bench-stalls`: how long an application stands still while a step works, beside what it does when the obvious statement is run.

Eight clients read and write a partitioned table all the time. Each step runs alone with them, and beside a transaction of ten seconds
that has read the table (and, where there is a foreign key, written the table referred to). The baseline is the longest statement of the same
clients, on the same table, right before, while nothing else ran: with two processors that is the scheduler's noise, so read a stall against it.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from demo import local_airflow
from demo.embedded_postgres import running
from tests.benchmarks.stalls import (
    VARIANTS,
    Clients,
    Months,
    Seen,
    Variant,
    Window,
    make_month,
    make_table,
    nobody,
    quiet_window,
    reader,
    run_statement,
    timed,
)
from tests.databases import fresh_database

CLIENTS = 8
PICTURE = local_airflow.PROJECT / "docs" / "pictures" / "stalls.svg"
SETTLE = 0.5
"""Seconds between two measurements."""

Key = tuple[str, str, str, str]
"""Variant, step, beside whom, and whether it is ours or the obvious statement."""


@dataclass
class Found:
    """Of each measurement the longest stall and the duration in every round, in seconds."""

    stalls: dict[Key, list[float]] = field(default_factory=dict)
    durations: dict[Key, list[float]] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)
    baselines: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    statements: int = 0

    def add(self, variant: Variant, baseline: Window, windows: dict[Key, Window], seen: Seen) -> None:
        self.baselines.setdefault(variant.name, []).append(seen.longest(baseline))
        self.errors += seen.errors
        self.statements += seen.statements
        for key, window in windows.items():
            self.stalls.setdefault(key, []).append(seen.longest(window))
            self.durations.setdefault(key, []).append(window.seconds)
            if window.failed:
                self.failed[key] = window.failed


@dataclass
class Bench:
    """One table of one kind, with clients on it."""

    uri: str
    variant: Variant
    archive: Path
    reader_seconds: float
    old: Months = field(default_factory=lambda: Months(2001))
    coming: Months = field(default_factory=lambda: Months(2021, 2))
    windows: dict[Key, Window] = field(default_factory=dict)

    def rehearse(self) -> None:
        """Everything once: the ledger is installed, the modules are imported."""
        self.coming.next()
        self._create()
        name = make_month(self.uri, self.old)
        for step in ("archive", "detach", "drop"):
            self._expire(step, name)

    def all_steps(self, beside: str) -> None:
        """Every step of ours, and its obvious counterpart."""
        name, first, second = self.coming.next()
        obvious = f"CREATE TABLE {name} PARTITION OF app.events FOR VALUES FROM ('{first}') TO ('{second}')"
        self._measure("create", beside, "obvious", run_statement(self.uri, obvious))
        self.coming.next()
        self._measure("create", beside, "ours", self._create)
        mine, theirs, dropped = (make_month(self.uri, self.old) for _ in range(3))
        self._measure("archive", beside, "ours", lambda: self._expire("archive", mine))
        self._measure("detach", beside, "ours", lambda: self._expire("detach", mine))
        self._measure("detach", beside, "obvious", run_statement(self.uri, f"ALTER TABLE app.events DETACH PARTITION {theirs}"))
        self._measure("drop", beside, "ours", lambda: self._expire("drop", mine))
        self._measure("drop", beside, "obvious", run_statement(self.uri, f"DROP TABLE {dropped}"))

    def _measure(self, step: str, beside: str, whose: str, work: Callable[[], object]) -> None:
        time.sleep(SETTLE)
        key = (self.variant.name, step, beside, whose)
        self.windows[key] = window = timed(work, self._beside(beside))
        print(f"  {', '.join(key)}: {window.seconds:.2f} s{', ' + window.failed if window.failed else ''}", flush=True)

    def _beside(self, beside: str) -> AbstractContextManager[None]:
        if beside == "quiet":
            return nobody()
        return reader(self.uri, self.reader_seconds, writes_users=self.variant.foreign_key)

    def _create(self) -> Any:
        from partition_operators.create_partitions import CreatePartitionsOperator

        policy = self._policy(premake=self.coming.taken - 2)
        operator = CreatePartitionsOperator(task_id="create", policy=policy, reference_date="2021-02-15")
        return operator.execute({})

    def _expire(self, step: str, partition: str) -> Any:
        from partition_operators.archive_partition import ArchivePartitionOperator
        from partition_operators.detach_partition import DetachPartitionOperator
        from partition_operators.drop_partition import DropPartitionOperator

        operators: dict[str, Any] = {"archive": ArchivePartitionOperator, "detach": DetachPartitionOperator, "drop": DropPartitionOperator}
        return operators[step](task_id=step, policy=self._policy(), partition=partition, reference_date="2021-02-15").execute({})

    def _policy(self, premake: int = 1) -> Any:
        from include.partitioning.policy import PartitionPolicy

        return PartitionPolicy(
            table="app.events", partition_key="created_at", retention="12 months", premake=premake, postgres_conn_id="bench", wait_timeout="2 min",
            archive={"path": f"file://{self.archive}"},
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="length of each baseline")
    parser.add_argument("--reader", type=float, default=10, help="length of the transaction beside the steps, in seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    found = Found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-stalls-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # the server may run as another user
        local_airflow.configure(folder, f"sqlite:///{folder}/airflow.db", {}, folder / "no-policies.yaml")
        server = stack.enter_context(running(folder / "postgres", {"autovacuum": "off"}))
        for number in range(arguments.rounds):
            for variant in VARIANTS:
                print(f"round {number + 1} of {arguments.rounds}, {variant.name}", flush=True)
                one_round(server, variant, folder / "archive", arguments, found)
    report(found, arguments.rounds)
    from tests.benchmarks.stalls_picture import draw

    draw(arguments.picture, found.baselines, found.stalls)
    print(f"\n{arguments.picture}")
    return 0


def one_round(server: str, variant: Variant, archive: Path, arguments: argparse.Namespace, found: Found) -> None:
    """A fresh table, the baseline, and every step, quiet and beside the reader."""
    import os

    with fresh_database(server) as uri:
        os.environ["AIRFLOW_CONN_BENCH"] = uri
        make_table(uri, variant)
        bench = Bench(uri, variant, archive / uri.rpartition("/")[2].partition("?")[0], arguments.reader)
        bench.rehearse()
        with Clients(uri, CLIENTS) as clients:
            time.sleep(1)
            baseline = quiet_window(arguments.seconds)
            for beside in ("quiet", "reader"):
                bench.all_steps(beside)
        found.add(variant, baseline, bench.windows, clients.seen)


def report(found: Found, rounds: int) -> None:
    """The table; of several rounds the median, and the worst behind it."""
    print(
        f"\nlongest stall of any of {CLIENTS} clients, milliseconds: median of {rounds} rounds (worst); {found.statements:,} statements in all\n"
    )
    print(f"{'':22}{'step':9}{'beside':9}{'baseline':>16}{'ours':>18}{'obvious':>20}{'our step took':>16}")
    for variant, step, beside, whose in found.stalls:
        if whose == "ours":
            obvious = (variant, step, beside, "obvious")
            key = (variant, step, beside, whose)
            took = timedelta(seconds=round(statistics.median(found.durations[key]), 2)) / timedelta(seconds=1)
            print(
                f"{variant:22}{step:9}{beside:9}{_text(found.baselines[variant]):>16}{_text(found.stalls[key]):>18}"
                f"{_obvious(found, obvious):>20}{took:>14.2f} s"
            )
    for key, message in found.failed.items():
        print(f"refused: {', '.join(key)}: {message}")
    print(f"errors that clients saw: {len(found.errors)}{': ' + found.errors[0] if found.errors else ''}")


def _obvious(found: Found, key: Key) -> str:
    if key in found.failed:
        return "refused"
    return _text(found.stalls[key]) if key in found.stalls else "-"


def _text(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):,.0f} ({1000 * max(seconds):,.0f})"


if __name__ == "__main__":
    sys.exit(main())
