"""A whole Airflow for tests, by the very commands that `make up` and `make down` are; and what is left of one."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from demo import process_table
from demo.airflow_api import AirflowApi
from demo.installation import USER, Installation
from demo.local_airflow import PROJECT

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'plugins'}"}


def command(verb: str, folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"demo.{verb}", "--folder", str(folder), *arguments]


def up(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _run(command("up", folder, "--rows", "28", "--port", "0", *arguments))


@contextmanager
def starting(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """An `up` that is under way."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command("up", folder, "--rows", "28", "--port", "0"), env=ENVIRONMENT, stdout=quiet, stderr=quiet) as process:  # noqa: S603 - we wrote the arguments
        yield process


def down(folder: Path) -> subprocess.CompletedProcess[str]:
    return _run(command("down", folder))


def airflow(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Airflow's command line, as somebody with the settings of the installation would use it."""
    installation = Installation(folder)
    environment = installation.environment(str(conninfo_to_dict(installation.target)["host"]), {})
    argv = [sys.executable, "-m", "airflow", *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - we wrote the arguments


def log_in(folder: Path, user: str = USER) -> AirflowApi:
    passwords = json.loads((folder / "secrets" / "passwords.json").read_text())
    return AirflowApi.log_in(Installation(folder).url, user, passwords[user])


@contextmanager
def folder_of_an_installation() -> Iterator[Path]:
    """Not below pytest's own temporary folder: as root PostgreSQL runs as another user, who may not look into there."""
    with tempfile.TemporaryDirectory(prefix="up-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            yield folder
        finally:
            down(folder)


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that work in a folder, or were started with its name: found without the records that are tested."""
    return [_command_line(each) for each in Path("/proc").iterdir() if each.name.isdigit() and _belongs(each, folder)]


def _belongs(process: Path, folder: Path) -> bool:
    if int(process.name) == os.getpid() or process_table.find(int(process.name)) is None:
        return False
    try:
        started_with = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        return str(folder).encode() in started_with or (process / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _command_line(process: Path) -> str:
    return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=400)  # noqa: S603 - we wrote the arguments
