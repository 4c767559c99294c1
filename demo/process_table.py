"""What Linux says about processes: enough to know one again, whatever has become of its number meanwhile."""

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs.

    :param started: boot and clock ticks since then. No clock is involved, so it stays the same when somebody sets one.
    """

    pid: int
    parent: int
    session: int
    started: str


def find(pid: int) -> Process | None:
    """The process of this number; None if there is none, or one that has ended and waits to be noticed (a zombie)."""
    try:
        # The second field is the program's name in parentheses, which may hold spaces and parentheses itself.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX":
        return None
    return Process(pid, parent=int(fields[1]), session=int(fields[3]), started=f"{_boot()} {fields[19]}")


def family(leader: int) -> list[Process]:
    """A session, and all descendants of its leader: a backend of PostgreSQL has a session of its own."""
    found = [process for each in PROC.iterdir() if each.name.isdigit() and (process := find(int(each.name))) is not None]
    known = {leader}
    while more := {each.pid for each in found if each.parent in known or each.session == leader} - known:
        known |= more
    return [each for each in found if each.pid in known]


def working_folder(pid: int) -> Path | None:
    """Where the process works; None if it has ended or is not ours to look at."""
    try:
        return (PROC / str(pid) / "cwd").readlink()
    except OSError:
        return None


def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()
