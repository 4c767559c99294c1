"""`make bench-scale`: many policies at once, one table with very many partitions, a long ledger, and creating beside pg_partman.

Database time is the sum over statements as the client saw them over a Unix socket; beside it stands the processor time of the server's
backends, which does not grow when the machine is busy with something else.
"""

import argparse
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from demo import local_airflow
from demo.embedded_postgres import running
from tests import partman_server
from tests.benchmarks import scale_parsing

SECTIONS = ("parse", "many", "one", "ledger", "partman")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=10, help="of each policy's table")
    parser.add_argument("--partitions-of-one", type=int, default=5000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=SECTIONS, action="append")
    arguments = parser.parse_args()
    wanted = arguments.only or SECTIONS
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-scale-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # the server may run as another user
        local_airflow.configure(folder / "airflow", f"sqlite:///{folder}/airflow.db", {}, folder / "no-policies.yaml")
        if "parse" in wanted:
            parsing(folder, arguments.policies, arguments.rounds)
        if {"many", "one", "ledger"} & set(wanted):
            from tests.benchmarks import scale_steps  # Airflow reads its settings when it is imported

            quiet()
            settings = scale_steps.SETTINGS | {"fsync": "off"}
            uri = stack.enter_context(running(folder / "postgres", settings))
            os.environ["AIRFLOW_CONN_SCALE"] = uri
            connection = stack.enter_context(psycopg.connect(uri, autocommit=True))
            if "many" in wanted:
                scale_steps.many(connection, arguments.policies, arguments.partitions, arguments.rounds)
            if "one" in wanted:
                scale_steps.one(connection, arguments.partitions_of_one, arguments.rounds)
            if "ledger" in wanted:
                scale_steps.ledger(connection, arguments.events)
        if "partman" in wanted:
            partman(folder, arguments.rounds)
    return 0


def parsing(folder: Path, policies: int, rounds: int) -> None:
    """Import and serialization apart, then the real DAG processor once, on SQLite and on PostgreSQL."""
    file = folder / "policies.yaml"
    scale_parsing.write_policies(file, policies)
    for dag_file in ("partition_lifecycle.py", "partition_restore.py"):
        found = [scale_parsing.parse(file, folder / "airflow", dag_file) for _ in range(rounds)]
        for what in ("parse", "serialize"):
            seconds, processor = (statistics.median(each[what][kind] for each in found) for kind in ("seconds", "processor"))
            _line(f"{what} {dag_file}, {found[0]['dags']} DAGs", f"{seconds:.2f} s", f"processor {processor:.2f} s")
        _line("", f"{found[0]['bytes'] / 2**20:.1f} MiB serialized")
    with running(folder / "metadata") as uri:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("CREATE DATABASE airflow")
        metadata = local_airflow.socket_uri(uri.partition("host=")[2], "airflow").replace("postgresql://", "postgresql+psycopg://")
        for name, database in (("PostgreSQL", metadata), ("SQLite", None)):
            home = folder / f"processor-{name}"
            found_there = scale_parsing.dag_processor(file, home, database or f"sqlite:///{home}/airflow.db")
            _line(
                f"dag-processor --num-runs 1, {name}",
                f"{found_there['seconds']:.1f} s",
                f"{found_there['dags']} DAGs, {found_there['serialized']} serialized, {len(found_there['errors'])} import errors, "
                f"exit status {found_there['status']} {' '.join(found_there['errors'])}",
            )


def partman(folder: Path, rounds: int, partitions: int = 100) -> None:
    """Side by side, alternated."""
    from tests.benchmarks import scale_partman, scale_steps  # Airflow reads its settings when it is imported

    reason = partman_server.missing()
    if reason is not None:
        _line("creating beside pg_partman", "left out", reason)
        return
    place = folder / "debian"
    place.mkdir()
    quiet()
    with partman_server.running(place, scale_steps.SETTINGS) as uri:
        found = scale_partman.compare(uri, partitions, rounds)
    rates = {}
    for name, figures in found.items():
        rates[name] = _median(figures, lambda each: each["made"] / each["seconds"])
        work = _median(figures, lambda each: 1000 * each["processor"] / each["made"])
        _line(
            f"create {figures[0]['made']:.0f} partitions, {name}", f"{rates[name]:.0f}/s", f"{work:.1f} ms of the server's processor each"
        )
    _line("", f"{rates['this package'] / rates['pg_partman']:.2f} of pg_partman's rate")


def _median(found: list[Any], of: Callable[[Any], float]) -> float:
    return statistics.median(of(each) for each in found)


def _line(what: str, figure: str, remark: str = "") -> None:
    print(f"{what:58}{figure:>22}  {remark}".rstrip(), flush=True)


def quiet() -> None:
    """A step's own log would be most of what is printed. To be called behind Airflow's import, which sets up its own."""
    logging.disable(logging.CRITICAL)
    import structlog

    structlog.configure(
        logger_factory=structlog.ReturnLoggerFactory(), processors=[], wrapper_class=structlog.make_filtering_bound_logger(50)
    )


if __name__ == "__main__":
    sys.exit(main())
