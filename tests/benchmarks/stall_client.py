"""One client of a busy application, in a process of its own: `python -m tests.benchmarks.stall_client <uri> <number>`.

It reads and writes until its standard input ends, then prints how long its statements took, all but the shortest, and what failed.
Times are those of the system's monotonic clock, which all processes share.
"""

import json
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, LiteralString

import psycopg

SHORTEST = 0.001
"""Seconds; statements that took less are counted, not listed."""

PAUSE = 0.008
"""Seconds between two statements, at most: the clients should wait for locks, not for a processor."""

STATEMENTS: dict[str, LiteralString] = {
    "point SELECT": "SELECT note FROM app.events WHERE id = %(row)s AND created_at = timestamptz '2021-02-01 00:00+00' + %(row)s * interval '1 minute'",
    "range SELECT": "SELECT count(*) FROM app.events WHERE created_at >= '2021-02-02' AND created_at < '2021-02-04' AND user_id = %(user)s",
    "SELECT in all partitions": "SELECT count(*) FROM app.events WHERE user_id = %(user)s",
    "INSERT": "INSERT INTO app.events VALUES (%(id)s, %(user)s, timestamptz '2021-02-01 00:00+00' + %(row)s * interval '1 minute', 'new')",
    "UPDATE": "UPDATE app.events SET note = 'changed' WHERE id = %(own)s AND created_at = timestamptz '2021-02-01 00:00+00' + %(own)s * interval '1 minute'",
    "UPDATE of the referenced table": "UPDATE auth.users SET seen = seen + 1 WHERE id = %(user)s",
}


@dataclass(frozen=True, slots=True)
class Life:
    """What a client does all the time.

    :param values: for its statement number so much.
    :param shortest: seconds; of statements that took less only the number is said.
    """

    statements: dict[str, LiteralString]
    values: Callable[[int, random.Random], dict[str, Any]]
    shortest: float = SHORTEST


def of_events(number: int) -> Life:
    """Each client has rows of its own to change, so that they do not wait for each other's."""

    def values(turn: int, chance: random.Random) -> dict[str, Any]:
        return {"row": chance.randrange(1, 20_000), "own": number, "user": number, "id": 1_000_000 * number + turn}

    return Life(STATEMENTS, values)


def live(connection: psycopg.Connection[Any], number: int, life: Life, over: threading.Event) -> dict[str, Any]:
    """Run statements until `over`."""
    samples: list[tuple[float, float, str]] = []
    errors: list[str] = []
    done = 0
    chance = random.Random(number)
    for turn in count():
        if over.is_set():
            break
        values = life.values(turn, chance)
        what = chance.choice(list(life.statements))
        begun = time.monotonic()
        try:
            connection.execute(life.statements[what], values)
        except psycopg.Error as error:
            errors.append(f"{what}: {error}")
        seconds = time.monotonic() - begun
        done += 1
        if seconds >= life.shortest:
            samples.append((begun, seconds, what))
        time.sleep(chance.uniform(0, PAUSE))
    return {"samples": samples, "errors": errors, "statements": done}


def serve(uri: str, number: int, life: Life) -> int:
    """Live until standard input ends, then print what was seen."""
    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    with psycopg.connect(uri, autocommit=True, application_name=f"client {number}") as connection:
        print("ready", flush=True)
        threading.Thread(target=wait_for_the_end, daemon=True).start()
        print(json.dumps(live(connection, number, life, over)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], int(sys.argv[2]), of_events(int(sys.argv[2]))))
