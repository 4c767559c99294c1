"""Tests that measure have the machine to themselves, also when several processes of one run share the tests out among them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Beside every other test of the run, or, if `alone`, beside none.

    Who wants to be alone closes the door behind those that are inside; otherwise two processes that work on without a pause would never both be outside.

    :param folder: the same for all processes of the run.
    """
    with (folder / "door").open("w") as door, (folder / "inside").open("w") as inside:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
