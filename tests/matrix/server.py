"""A PostgreSQL server of any version: started by this process, on a Unix socket only, and stopped by it, or with it if it is killed."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from demo.embedded_postgres import SETTINGS
from demo.local_airflow import socket_uri

_PR_SET_PDEATHSIG = 1

PATIENCE = 60
"""Seconds for the start, and for the end."""


@contextmanager
def running(home: Path, folder: Path, settings: Mapping[str, str], *, installed: bool = False) -> Iterator[str]:
    """Run a server on new data in `folder` for the length of the block; gives the URI of the database `postgres`.

    :param home: has `bin`, `lib` and `share`.
    :param settings: of postgresql.conf, values as they stand there.
    :param installed: whether the programs are where every user can run them.
    """
    if os.geteuid() == 0:  # as root it refuses to run, and as another user it may not be able to reach the programs
        home = home if installed else Path(shutil.copytree(home, folder / "programs", symlinks=True))
        shutil.chown(folder, "nobody")
    data = folder / "data"
    initdb = [str(home / "bin" / "initdb"), "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", str(data)]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **_not_as_root())
    lines = {**SETTINGS, **settings, "unix_socket_directories": f"'{folder}'"}
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in lines.items())
    log = folder / "log"
    with log.open("wb") as output:
        command = [str(home / "bin" / "postgres"), "-D", str(data)]
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - it takes no lock that another thread may hold
            **_not_as_root(),
        )
    uri = socket_uri(str(folder), "postgres")
    try:
        _wait_until_it_answers(process, uri, log)
        yield uri
    finally:
        _stop(process)


def _end_with_parent() -> None:
    """Runs in the child, before the server does: whoever is killed cannot stop it any more, so Linux sends it a SIGINT."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _not_as_root() -> dict[str, Any]:
    """What makes a child process run as nobody if this one runs as root. initdb wants a user that has a name."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


def _wait_until_it_answers(process: subprocess.Popen[bytes], uri: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(uri).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start: {error}\n{log.read_text()}") from error
            time.sleep(0.05)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Fast: sessions are ended. If that takes too long, at once."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()
