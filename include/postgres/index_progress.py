"""How far several connections are with building the parts of an index."""

import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from psycopg import Connection

from include.partitioning.names import TableName
from include.partitioning.plan_text import human_bytes
from include.partitioning.span import format_duration
from include.postgres.queries import rows


class Progress:
    """Counts what is done, by the sizes of the tables.

    :param sizes: bytes of all that is to be done.
    """

    def __init__(self, index: TableName, sizes: Collection[int]) -> None:
        self._index = index
        self._count, self._bytes = len(sizes), sum(sizes)
        self._done, self._done_bytes = 0, 0
        self._begun = time.monotonic()

    def add(self, size: int) -> None:
        """One more is done."""
        self._done += 1
        self._done_bytes += size

    def __str__(self) -> str:
        """How much is done, and how long the rest takes if it goes on like that."""
        return (
            f'index "{self._index}": {self._done} of {self._count} partitions, '
            f"{human_bytes(self._done_bytes)} of {human_bytes(self._bytes)}{self._left()}"
        )

    def _left(self) -> str:
        if not self._done_bytes or self._done == self._count:
            return ""
        seconds = (time.monotonic() - self._begun) * (self._bytes - self._done_bytes) / self._done_bytes
        return f", about {format_duration(timedelta(seconds=max(1, round(seconds))))} left"


def working_on(connection: Connection[Any], pids: Sequence[int]) -> list[str]:
    """What these sessions of ours build at this moment, and how far they are with its phase."""
    found = rows(connection, "index_progress", pids=list(pids))
    return [f'"{each["table"]}": {each["phase"]}' + (f", {each['percent']} %" if each["percent"] is not None else "") for each in found]


def end(connection: Connection[Any], pids: Sequence[int]) -> None:
    """Stop these sessions of ours: whatever they wait for or build, nobody wants it any more."""
    rows(connection, "end_sessions", pids=list(pids))
