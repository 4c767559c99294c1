"""Background processes of one folder: each leads a session of its own, is on record before it runs, and is stopped with all it started."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo import process_table
from demo.process_table import Process

LOOK_AGAIN = 0.1


@dataclass(frozen=True, slots=True)
class Background:
    """The processes of a folder.

    :param folder: below which they work; holds `run/`, their records, and `logs/`.
    """

    folder: Path

    def start(
        self, name: str, program: Sequence[str], environment: Mapping[str, str], *, lock: int, user: str | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a program, detached from the terminal, and wait until it is on record.

        :param program: the first is the path of an executable.
        :param lock: file descriptor of the lock under which processes are started; see `demo.launch`.
        :param user: the system user that it must run as; None: this one.
        """
        record = self._record(name)
        record.parent.mkdir(exist_ok=True)
        self.log(name).parent.mkdir(exist_ok=True)
        with self.log(name).open("ab") as log:
            launched = subprocess.Popen(  # noqa: S603 - the caller wrote every argument
                [sys.executable, "-m", "demo.launch", str(lock), str(record), user or "", *program],
                cwd=self.folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=(lock,),
            )  # fmt: skip
        while not record.exists():
            if launched.poll() is not None:
                raise ChildProcessError(f'"{name}" did not even start; see {self.log(name)}')
            time.sleep(LOOK_AGAIN / 10)
        return launched

    def is_running(self, name: str) -> bool:
        """Whether the very process that was started still runs."""
        return self._leader(name) is not None

    def known(self) -> list[str]:
        """Names of all that were started and not stopped, in the order in which they were started."""
        return [file.stem for file in sorted((self.folder / "run").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)]

    def stop(self, name: str, patience: float, how: signal.Signals = signal.SIGTERM) -> bool:
        """Ask the program to end; kill what is left of it and of what it started after `patience` seconds. Returns whether anything ran."""
        seen = set(self._members(name))
        leader = self._leader(name)
        if leader is not None:
            _signal(leader, how)
        until = time.monotonic() + patience
        while left := self._left(name, seen):
            seen |= left
            # Children whose parent has gone hear from nobody that they are to end.
            if time.monotonic() >= until or self._leader(name) is None:
                for each in left:
                    _signal(each, signal.SIGKILL)
            time.sleep(LOOK_AGAIN)
        self._record(name).unlink(missing_ok=True)
        return bool(seen)

    def log(self, name: str) -> Path:
        """What the process prints."""
        return self.folder / "logs" / f"{name}.log"

    def last_words(self, name: str, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])

    def _record(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.json"

    def _recorded(self, name: str) -> tuple[int, str]:
        """Number and start of a process; 0, which no process has, without a record."""
        try:
            found = json.loads(self._record(name).read_text())
        except FileNotFoundError:
            return 0, ""
        return found["pid"], found["started"]

    def _leader(self, name: str) -> Process | None:
        pid, started = self._recorded(name)
        process = process_table.find(pid)
        return process if process is not None and process.started == started else None

    def _members(self, name: str) -> list[Process]:
        """What is left of the session. A number is not given to another process while a session has it."""
        pid, _ = self._recorded(name)
        if self._leader(name) is not None:
            return process_table.family(pid)
        if pid == 0 or process_table.find(pid) is not None:
            return []
        # The leader has gone. Should the number have been another's meanwhile, who has gone as well: only what works in our folder is ours.
        return [each for each in process_table.family(pid) if self._works_here(each)]

    def _works_here(self, process: Process) -> bool:
        place = process_table.working_folder(process.pid)
        return place is not None and place.is_relative_to(self.folder)

    def _left(self, name: str, seen: set[Process]) -> set[Process]:
        """What still runs of what was seen, and what has come since."""
        return {each for each in seen if _runs(each)} | set(self._members(name))


def _runs(process: Process) -> bool:
    now = process_table.find(process.pid)
    return now is not None and now.started == process.started


def _signal(process: Process, what: signal.Signals) -> None:
    if _runs(process):
        try:
            os.kill(process.pid, what)
        except ProcessLookupError:
            return  # it has just ended by itself
