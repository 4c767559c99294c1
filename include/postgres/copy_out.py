"""COPY … TO STDOUT, row by row, at the speed of libpq.

psycopg's own iterator spends more time on a row than the server does; libpq's calls, which psycopg exposes, are half of that.
Waiting stays interruptible, and is limited by a deadline.
"""

import select
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import Connection, pq, sql

from include.partitioning.errors import WaitTooLongError

_LOOK_EVERY = 1000
"""Milliseconds of silence after which the deadline is looked at."""


def copy_rows(connection: Connection[Any], statement: sql.Composed, deadline: float) -> Iterator[memoryview]:
    """The messages of a COPY, one for each row (manual, COPY Operations): valid until the next is asked for.

    Given up early, the statement is cancelled, so that the connection can be used again.

    :param deadline: of `time.monotonic()`.
    :raises WaitTooLongError: the deadline has passed.
    """
    raw = connection.pgconn
    raw.send_query(statement.as_bytes(connection))
    waiting = select.poll()
    waiting.register(raw.socket, select.POLLIN)

    def wait() -> None:
        if time.monotonic() > deadline:
            raise WaitTooLongError("the time for reading the table is over; its snapshot would hold back vacuum for longer than is allowed")
        if waiting.poll(_LOOK_EVERY):
            raw.consume_input()

    try:
        while raw.is_busy():
            wait()
        _check(raw.get_result(), pq.ExecStatus.COPY_OUT, connection)
        fetch = raw.get_copy_data
        while True:
            size, data = fetch(1)
            if size > 0:
                yield data
            elif size == 0:
                wait()
            else:
                break
        _check(raw.get_result(), pq.ExecStatus.COMMAND_OK, connection)
    finally:
        finish(connection)


def _check(result: pq.abc.PGresult | None, wanted: pq.ExecStatus, connection: Connection[Any]) -> None:
    if result is None:
        raise psycopg.OperationalError("the connection to the server was lost")
    if result.status != wanted:
        raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)


def finish(connection: Connection[Any]) -> None:
    """Take in what is left, so that the connection is idle; a COPY that is still going is cancelled first.

    For a reading that was given up and that an error's traceback still holds, so that its generator has not been closed.
    """
    raw = connection.pgconn
    if raw.status != pq.ConnStatus.OK:
        return
    if raw.transaction_status == pq.TransactionStatus.ACTIVE:
        with suppress(psycopg.Error):  # then it runs to its end
            connection.cancel_safe(timeout=10)
    while (result := raw.get_result()) is not None:
        if result.status == pq.ExecStatus.COPY_OUT:
            while raw.get_copy_data(0)[0] > 0:
                pass
