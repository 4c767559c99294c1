"""One at a time: who starts or stops the processes of a folder holds its lock, and says who it is."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import process_table


class NotOurTurnError(Exception):
    """Somebody else is at it."""


@contextmanager
def taken(folder: Path, *, by_force: float | None = None) -> Iterator[int]:
    """Hold the folder's lock; returns its file descriptor, for `demo.launch`.

    :param by_force: ask who holds it to give up, and kill it after so many seconds; None: raise.
    :raises NotOurTurnError: somebody holds it.
    """
    with (folder / "lock").open("a+") as file:
        # A process that has just been started lets go of the lock as soon as it is on record.
        if not _lock(file.fileno(), patience=2):
            if by_force is None:
                raise NotOurTurnError(f"process {_holder(folder)} is starting or stopping it; wait for it, or make down")
            _take(folder, file.fileno(), by_force)
        (folder / "holder").write_text(_described(os.getpid()))
        yield file.fileno()


def _take(folder: Path, lock: int, patience: float) -> None:
    _signal_holder(folder, signal.SIGTERM)
    while not _lock(lock, patience):
        _signal_holder(folder, signal.SIGKILL)


def _lock(file: int, patience: float) -> bool:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        else:
            return True


def _described(pid: int) -> str:
    process = process_table.find(pid)
    return f"{pid} {process.started}" if process else ""


def _holder(folder: Path) -> int:
    """Process number of who said last that it holds the lock; 0 if nobody did, or it has ended."""
    written = (folder / "holder").read_text() if (folder / "holder").exists() else ""
    pid = int(written.split()[0]) if written else 0
    return pid if pid and _described(pid) == written else 0


def _signal_holder(folder: Path, what: signal.Signals) -> None:
    pid = _holder(folder)
    if pid:
        os.kill(pid, what)
