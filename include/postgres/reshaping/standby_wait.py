"""Copying is the heaviest writer that standbys have ever seen: it waits for them."""

from time import monotonic, sleep
from typing import Any

from psycopg import Connection

from include.partitioning.errors import TransientError
from include.partitioning.plan_text import human_bytes
from include.partitioning.reshape_policy import LONGEST_LAG
from include.postgres.executor import Log
from include.postgres.standbys import Standby, standbys

LOOK_AGAIN = 2.0
"""Seconds between looks at standbys that are behind."""

SAY_AGAIN = 30.0
"""Seconds between lines of the log while one is waited for."""


def wait_for_standbys(connection: Connection[Any], most: int, who: str, log: Log) -> None:
    """Return when no standby that is connected is more than `most` bytes behind; says for which one it waits.

    :param who: what waits, for the messages.
    :raises TransientError: one has been for `LONGEST_LAG`.
    """
    begun = next_line = monotonic()
    while (furthest := _furthest(connection)) is not None and furthest.bytes_behind > most:
        now = monotonic()
        waits = (
            f"{who} waits for the standby {furthest.name}, which is {human_bytes(furthest.bytes_behind)} behind; "
            f"max_replica_lag is {human_bytes(most)}"
        )
        if now - begun > LONGEST_LAG.total_seconds():
            raise TransientError(f"{waits}; it has been further behind for {LONGEST_LAG}; run the step again when it has caught up")
        if now >= next_line:
            next_line = now + SAY_AGAIN
            log.info("%s", waits)
        sleep(LOOK_AGAIN)


def _furthest(connection: Connection[Any]) -> Standby | None:
    return next(iter(standbys(connection)), None)
