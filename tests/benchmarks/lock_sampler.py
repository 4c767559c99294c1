"""Looks at pg_locks all the time: `python -m tests.benchmarks.lock_sampler <uri> <database oid> <relation oid>…`.

Until its standard input ends; then it prints each lock of ours on a relation, and each wait of anybody for one, from when to when it was seen.
Of the relations that are named all locks are said, of others only those that somebody who writes would have to wait for, or more.
Its connection should lead to another database, so that nobody waits for its snapshots.
"""

import json
import sys
import threading
import time
from typing import Any

import psycopg

PAUSE = 0.001
"""Seconds between two looks."""

LOOK = """
SELECT l.relation::bigint, l.mode, l.granted, a.application_name, l.pid
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_get_activity(NULL) a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.database = %(database)s::oid AND l.relation >= 16384
   AND (NOT l.granted OR a.application_name LIKE 'partition_lifecycle%%'
                         AND (l.relation = ANY(%(relations)s::oid[]) OR l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')))
"""

Key = tuple[int, str, bool, str, int]
"""Relation, mode, whether it was granted, the application's name, and its process."""


def watch(connection: psycopg.Connection[Any], database: int, relations: list[int], over: threading.Event) -> dict[str, Any]:
    """Each lock with the first and the last time that it was seen, and how far the looks were apart on average."""
    held: dict[Key, tuple[float, float]] = {}
    done: list[tuple[Key, tuple[float, float]]] = []
    looks, begun = 0, time.monotonic()
    with connection.cursor() as cursor:
        while not over.is_set():
            before = time.monotonic()
            found = set(cursor.execute(LOOK, {"database": database, "relations": relations}, prepare=True).fetchall())
            at = (before + time.monotonic()) / 2
            done += [(key, held.pop(key)) for key in held.keys() - found]
            held |= {key: (held[key][0] if key in held else at, at) for key in found}
            looks += 1
            time.sleep(PAUSE)
    return {
        "locks": [[*key, *seen] for key, seen in [*done, *held.items()]],
        "apart": (time.monotonic() - begun) / max(looks, 1),
    }


def main() -> int:
    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    with psycopg.connect(sys.argv[1], autocommit=True, application_name="lock sampler") as connection:
        print("ready", flush=True)
        threading.Thread(target=wait_for_the_end, daemon=True).start()
        print(json.dumps(watch(connection, int(sys.argv[2]), [int(each) for each in sys.argv[3:]], over)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
