"""The first moments of a background process: it writes down who it is, and only then becomes the program that it is to run.

`python -m demo.launch LOCK RECORD USER PROGRAM ARGUMENT…`. So there is no instant at which the program runs and nobody knows, whoever is
killed when. LOCK, a file descriptor, is held until the record is there: who then takes the lock sees every process that was ever started.
"""

import json
import os
import pwd
import sys
from pathlib import Path

from demo import process_table


def main(lock: str, record: str, user: str, *program: str) -> None:
    """Does not return. USER may be empty: the program then runs as whoever started it."""
    _write_down(Path(record))
    os.close(int(lock))
    if user:
        _become(user)
    try:
        os.execv(program[0], program)  # noqa: S606 - the caller wrote every argument
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error}")


def _write_down(record: Path) -> None:
    """In one step, so that nobody reads half of it."""
    me = process_table.find(os.getpid())
    draft = record.with_suffix(".draft")
    draft.write_text(json.dumps({"pid": me.pid, "started": me.started} if me else {}))
    draft.rename(record)


def _become(user: str) -> None:
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ |= {"USER": user, "HOME": account.pw_dir}


if __name__ == "__main__":
    main(*sys.argv[1:])
