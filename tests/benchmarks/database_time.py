"""What steps cost a database: statements, the time they took as the client saw it, and the processor time of the server's processes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg


@dataclass
class DatabaseTime:
    """Sums over all statements. `processor` is None where the server's processes cannot be looked at.

    :ivar seconds: between sending a statement and having its result.
    :ivar processor: seconds that the backends worked, by the kernel's account: it does not grow when the machine is busy with other things.
    """

    statements: int = 0
    seconds: float = 0.0
    processor: float | None = 0.0


@contextmanager
def database_time() -> Iterator[DatabaseTime]:
    """Add up every statement of this process for the length of the block. Connecting is not counted."""
    spent = DatabaseTime()
    execute = psycopg.Cursor.execute

    def timed(self: psycopg.Cursor[Any], *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        worked, begun = _worked(self), time.perf_counter()
        try:
            return execute(self, *arguments, **options)
        finally:
            spent.seconds += time.perf_counter() - begun
            spent.statements += 1
            now = _worked(self)
            spent.processor = None if spent.processor is None or worked is None or now is None else spent.processor + now - worked

    with patch.object(psycopg.Cursor, "execute", timed):
        yield spent


def _worked(cursor: psycopg.Cursor[Any]) -> float | None:
    try:
        return int(Path(f"/proc/{cursor.connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return None
