"""Every lock of ours, and every wait for one, while a block runs: seen by a process of its own, a thousand times a second at most."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import psycopg

from demo.local_airflow import PROJECT
from tests.benchmarks.stalls import LONGEST_START

NEW, PARTITION = "the new table", "a partition"

STILL_THERE = """
SELECT oid::bigint, CASE WHEN relispartition THEN %s ELSE %s END
  FROM pg_catalog.pg_class WHERE oid = ANY(%s::oid[]) AND relkind IN ('r', 'p') AND (relispartition OR relkind = 'p')
"""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that was held, or waited for.

    :param begin: of monotonic time: the first and the last look that saw it.
    """

    relation: str
    mode: str
    granted: bool
    who: str
    pid: int
    begin: float
    end: float

    @property
    def ours(self) -> bool:
        return self.who.startswith("partition_lifecycle")


class LockSampler:
    """For the block; behind it `apart` says how many seconds there were between two looks on average.

    :param server: the URI of another database of the server.
    :param connection: to the database that is looked at.
    :param relations: of which all locks are noted.
    """

    apart: float

    def __init__(self, server: str, connection: psycopg.Connection[Any], *relations: str) -> None:
        database = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = current_database()").fetchone()
        oids = [connection.execute("SELECT %s::regclass::oid::bigint", (each,)).fetchone() for each in relations]
        assert database is not None
        self._watched = {each[0]: name for each, name in zip(oids, relations, strict=True) if each}
        self._command = [sys.executable, "-m", "tests.benchmarks.lock_sampler", server, *map(str, (*database, *self._watched))]

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}"}
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.communicate(timeout=LONGEST_START)
            raise RuntimeError("the lock sampler did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        said = self._process.communicate(timeout=LONGEST_START)[0]
        found = json.loads(said)
        self.apart = found["apart"]
        self._seen: list[Any] = found["locks"]

    def locks(self, connection: psycopg.Connection[Any]) -> list[Lock]:
        """What was seen of the relations that were named, by the names that they had; of partitioned tables, and of partitions that are left."""
        others = connection.execute(STILL_THERE, (PARTITION, NEW, list({relation for relation, *_ in self._seen}))).fetchall()
        names = dict(others) | self._watched
        return sorted((Lock(names[oid], *rest) for oid, *rest in self._seen if oid in names), key=lambda each: each.begin)
