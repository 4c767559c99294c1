"""`make up`: the whole Airflow in the background, on loopback, with PostgreSQL and two seeded tables; `make down` stops it."""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import httpx
import psycopg

from demo import embedded_postgres, local_airflow
from demo.__main__ import make_database, say, seed
from demo.airflow_api import AirflowApi, unhealthy
from demo.down import stop_all
from demo.installation import FOLDER, USER, Installation
from demo.local_airflow import PROJECT
from demo.processes import Background
from demo.turn import NotOurTurnError, taken
from include.partitioning.config import read_policies

AIRFLOW = {
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
PATIENCE = 300


class StartingError(Exception):
    """Something did not come up; says what, and the end of its log."""


def main() -> int:
    """Start everything, or say that it runs already."""
    asked = _arguments()
    asked.folder.mkdir(parents=True, exist_ok=True)
    background = Background(asked.folder)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background by a shell ignores it otherwise
    try:
        with taken(asked.folder) as lock:
            if background.known():
                return _say_what_runs(Installation(asked.folder), background)
            try:
                Start(Installation(asked.folder), background, lock, asked).everything()
            except BaseException:
                stop_all(background)
                raise
        say("")
        show(Installation(asked.folder))
    except (NotOurTurnError, StartingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


class Start:
    """One start, from nothing to healthy."""

    def __init__(self, installation: Installation, background: Background, lock: int, asked: argparse.Namespace) -> None:
        self.installation = installation
        self.background = background
        self.lock = lock
        self.asked = asked
        self.begun = time.monotonic()

    def everything(self) -> None:
        """PostgreSQL, then Airflow's own tables beside the seed, then Airflow; returns once all of it is healthy."""
        self.installation.write_passwords()
        self.installation.write_policies(self.asked.policies)
        self.installation.write_local_settings()
        port = self.installation.choose_port(self.asked.port)
        socket = self._postgres()
        environment = self.installation.environment(socket, dict(each.split("=", 1) for each in self.asked.setting))
        target = self.installation.keep_target(socket)
        migration = self._airflow("migrate-metadata", ("db", "migrate"), environment)
        seed(target, is_new=self.target_is_new, rows=self.asked.rows)
        if migration.wait(PATIENCE) != 0:
            raise self._died("migrate-metadata")
        self.background.stop("migrate-metadata", 0)
        server = ("api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
        for name, arguments in {"api-server": server, **AIRFLOW}.items():
            self._airflow(name, arguments, environment)
        self._wait("a healthy Airflow", lambda: not unhealthy(self.installation.url))
        self._wait("the DAGs", self._has_dags)
        say(f"healthy after {time.monotonic() - self.begun:.0f} s")

    def _postgres(self) -> str:
        """Start the server and make its databases; returns the folder of its socket."""
        self.installation.postgres.mkdir(exist_ok=True)
        server = embedded_postgres.command(self.installation.postgres)
        environment = self.installation.environment(server.socket, {})
        self.background.start("postgresql", server.argv, environment, lock=self.lock, user=server.user)
        uri = local_airflow.socket_uri(server.socket, "postgres")
        self._wait("PostgreSQL", lambda: _answers(uri))
        with psycopg.connect(uri, autocommit=True) as connection:
            make_database(connection, "airflow")
            self.target_is_new = make_database(connection, "app")
        return server.socket

    def _airflow(self, name: str, arguments: tuple[str, ...], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        return self.background.start(name, (sys.executable, "-m", "airflow", *arguments), environment, lock=self.lock)

    def _has_dags(self) -> bool:
        """Whether every policy has its DAG."""
        wanted = {policy.dag_id for policy in read_policies(self.installation.policies).policies}
        try:
            api = AirflowApi.log_in(self.installation.url, USER, self.installation.password())
            return wanted <= {dag["dag_id"] for dag in api.get("dags", limit=100, tags="partition-lifecycle")["dags"]}
        except httpx.HTTPError:
            return False

    def _wait(self, what: str, is_there: Callable[[], bool]) -> None:
        """Until it is there.

        :raises StartingError: a process has died, or it took too long.
        """
        until = time.monotonic() + PATIENCE
        while not is_there():
            for name in self.background.known():
                if not self.background.is_running(name):
                    raise self._died(name)
            if time.monotonic() > until:
                raise StartingError(f"waited {PATIENCE} s for {what}; see {self.installation.folder / 'logs'}")
            time.sleep(0.5)

    def _died(self, name: str) -> StartingError:
        return StartingError(f'"{name}" has died; the end of {self.background.log(name)}:\n{self.background.last_words(name)}')


def show(installation: Installation) -> None:
    """How to get in."""
    say(f"Airflow:     {installation.url}")
    say(f"user:        {USER}")
    say(f"password:    {installation.password()}")
    say(f"policies:    {installation.policies}  (edit them; the DAGs follow within half a minute)")
    say(f"logs:        {installation.folder / 'logs'}")
    say(f"the tables:  {embedded_postgres.psql()} '{installation.target}'")


def _say_what_runs(installation: Installation, background: Background) -> int:
    """0 if all of it runs, 1 if something has died or was never started."""
    dead = [name for name in ("postgresql", "api-server", *AIRFLOW) if not background.is_running(name)]
    if dead:
        print(
            f"it is half up: {', '.join(dead)} not running; make down, then make up again; logs: {installation.folder / 'logs'}",
            file=sys.stderr,
        )
        return 1
    say("it is already running; make down stops it")
    show(installation)
    return 0


def _answers(uri: str) -> bool:
    try:
        psycopg.connect(uri).close()
    except psycopg.OperationalError:
        return False
    return True


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Leave by way of the blocks that stop what was started."""
    sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.up", description=__doc__)
    parser.add_argument("--folder", type=lambda text: Path(text).absolute(), default=FOLDER, help="where everything lies")
    parser.add_argument(
        "--policies", type=Path, default=PROJECT / "demo" / "policies.yaml", help="copied into the folder unless it has some"
    )
    parser.add_argument("--rows", type=int, default=300_000, help="of each table, if it is empty")
    parser.add_argument("--port", type=int, help="of the API server; default: 8080 if it is free, else any; 0: any")
    parser.add_argument(
        "--setting", action="append", default=[], metavar="AIRFLOW__X__Y=VALUE", help="any setting of Airflow's; repeatable"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
