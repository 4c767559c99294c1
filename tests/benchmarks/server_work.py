"""What a server has done: how long the processors worked for it, which does not grow when the machine is busy with others, and its log."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Work:
    """Since the server began.

    :param processor: seconds, by the kernel's account, of all its processes, those that have ended included; nan where it cannot be looked at.
    :param logged: bytes of write-ahead log.
    """

    processor: float = 0.0
    logged: float = 0.0

    def __sub__(self, other: "Work") -> "Work":
        return Work(self.processor - other.processor, self.logged - other.logged)

    def __add__(self, other: "Work") -> "Work":
        return Work(self.processor + other.processor, self.logged + other.logged)


def server_work(connection: psycopg.Connection[Any]) -> Work:
    """Of the server that the connection leads to, on this machine."""
    found = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
    return Work(_processor_seconds(connection.info.backend_pid), float(found[0]) if found else 0.0)


def _processor_seconds(backend: int) -> float:
    try:
        postmaster = int(_fields(backend)[1])
        children = [_fields(int(each)) for each in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()]
        ticks = sum(map(int, _fields(postmaster)[11:15])) + sum(sum(map(int, each[11:13])) for each in children)
    except OSError:
        return float("nan")
    return ticks / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[str]:
    """Of /proc/<pid>/stat, from the state on; the name before it may have blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
