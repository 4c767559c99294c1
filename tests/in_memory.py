"""Where the servers of tests lie: in memory if there is room, because to make a database, which most tests do, then takes a tenth of the time."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own and belongs to us
NEEDED = 3 << 30
"""Bytes that must be free for each process of the run. Containers often have 64 MiB there; then it is the usual place for temporary files."""

_PREFIX = "postgres-of-tests-"


@contextmanager
def folder_of_a_server() -> Iterator[Path]:
    """A folder for the length of the block. What killed runs have left in memory is removed first."""
    in_memory = _has_room(MEMORY)
    if in_memory:
        _remove_what_nobody_needs()
    place = MEMORY if in_memory else None
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=place, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _has_room(place: Path) -> bool:
    """And lets programs be run there: as root the matrix copies a server's programs beside its data."""
    if not os.access(place, os.W_OK):
        return False
    found = os.statvfs(place)
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return found.f_bavail * found.f_frsize >= NEEDED * processes and not found.f_flag & os.ST_NOEXEC


def _remove_what_nobody_needs() -> None:
    """Memory is too dear for leftovers. What belongs to another user cannot be removed, and stays."""
    for left in MEMORY.glob(f"{_PREFIX}*"):
        owner = left.name.removeprefix(_PREFIX).split("-")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(left, ignore_errors=True)
