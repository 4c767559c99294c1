"""One client of the table that is adopted, in a process of its own: `python -m tests.benchmarks.adopt_client <uri> <number> <rows>`.

Odd numbers read, even numbers write. Says of each statement how long it took.
"""

import random
import sys
from typing import Any, LiteralString

from tests.benchmarks.stall_client import Life, serve

READS: dict[str, LiteralString] = {
    "point SELECT": "SELECT note FROM core.sessions WHERE id = md5('session ' || %(row)s::text)::uuid",
    "SELECT of a user": "SELECT count(*) FROM core.sessions WHERE user_id = md5('user ' || %(user)s::text)::uuid AND created_at >= '2026-06-01'",
    "SELECT from the view": "SELECT count(*) FROM core.open_sessions WHERE created_at >= timestamptz '2026-11-30 00:00+00'",
}
WRITES: dict[str, LiteralString] = {
    "INSERT": "INSERT INTO core.sessions (id, user_id, created_at, user_agent) VALUES (md5(%(new)s)::uuid, md5('user ' || %(user)s::text)::uuid,"
    " timestamptz '2026-11-30 12:00+00' + %(row)s * interval '1 millisecond', 'a busy client')",
    "UPDATE": "UPDATE core.sessions SET request_count = request_count + 1, last_seen_at = created_at WHERE id = md5('session ' || %(own)s::text)::uuid",
    "DELETE": "DELETE FROM core.sessions WHERE id = md5(%(old)s)::uuid",
}
"""A DELETE takes a row that this client wrote a while ago."""

AGO = 100


def life(number: int, rows: int) -> Life:
    def values(turn: int, chance: random.Random) -> dict[str, Any]:
        own = chance.randrange(rows // 100) * 100 + number  # nobody waits for another client's rows
        new, old = f"client {number} {turn}", f"client {number} {turn - AGO}"
        return {"row": chance.randrange(1, rows + 1), "own": own, "user": chance.randrange(1, 20_000), "new": new, "old": old}

    return Life(READS if number % 2 else WRITES, values, shortest=0.0)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], int(sys.argv[2]), life(int(sys.argv[2]), int(sys.argv[3]))))
