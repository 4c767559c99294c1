"""Debian's PostgreSQL 15, the one for which Debian has pg_partman (4.7)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.matrix import server

HOME = Path("/usr/lib/postgresql/15")
EXTENSION = Path("/usr/share/postgresql/15/extension/pg_partman.control")


def missing() -> str | None:
    """What is not installed, or None."""
    if not (HOME / "bin" / "postgres").exists() or not EXTENSION.exists():
        return "Debian's packages postgresql-15 and postgresql-15-partman are not installed (apt-get install, as root)"
    return None


@contextmanager
def running(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run it on new data in `folder` for the length of the block; gives the URI of the database `postgres`.

    :param settings: of postgresql.conf, values as they stand there.
    """
    with server.running(HOME, folder, settings, installed=True) as uri:
        yield uri
