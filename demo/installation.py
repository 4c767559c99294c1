"""The folder in which a whole Airflow lies, with the PostgreSQL that it uses: what is where, and which settings make it one."""

import os
import secrets
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from demo import local_airflow
from demo.local_airflow import PROJECT

FOLDER = PROJECT / ".up"
USER = "admin"
FOREIGN = ("AIRFLOW", "PARTITION_POLICIES", "PG")
"""What the variables begin with that could lead a process of ours to somebody else's Airflow or database."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One Airflow in one folder.

    :param folder: made when it is missing; an absolute path.
    """

    folder: Path

    @property
    def postgres(self) -> Path:
        """The server's data, with the metadata database `airflow` and the target database `app`."""
        return self.folder / "postgres"

    @property
    def policies(self) -> Path:
        """The policy file; to be edited while Airflow runs."""
        return self.folder / "policies.yaml"

    @property
    def url(self) -> str:
        """Where the UI and the REST API answer; empty before the first start."""
        return self._address.read_text() if self._address.exists() else ""

    def choose_port(self, wanted: int | None) -> int:
        """A port on loopback, kept for `url`: the one that is wanted, else 8080 if it is free; 0 wants any that is free."""
        port = wanted or (8080 if wanted is None and _is_free(8080) else _any_free_port())
        self._address.write_text(f"http://127.0.0.1:{port}")
        return port

    @property
    def target(self) -> str:
        """URI of the target database; empty before the first start."""
        return self._target.read_text() if self._target.exists() else ""

    def keep_target(self, database_socket: str) -> str:
        """Say where the target database is; returns its URI."""
        self._target.write_text(local_airflow.socket_uri(database_socket, "app"))
        return self.target

    def password(self) -> str:
        """Made once, at random."""
        return self._secret("password", 12)

    def write_passwords(self) -> None:
        """The file in which Airflow's SimpleAuthManager looks passwords up."""
        _write_private(self._passwords, f'{{"{USER}": "{self.password()}"}}')

    def write_policies(self, source: Path) -> None:
        """A copy of a policy file, with the folder's place where it says {folder}; one that is there is kept, for it may have been edited."""
        if not self.policies.exists():
            self.policies.write_text(source.read_text().replace("{folder}", str(self.folder)))

    def write_local_settings(self) -> None:
        """What Airflow's processes import when they start."""
        folder = self.folder / "airflow" / "config"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "demo" / "airflow_local_settings.py", folder)

    def environment(self, database_socket: str, further: dict[str, str]) -> dict[str, str]:
        """The environment of every process of this Airflow.

        :param database_socket: the folder of PostgreSQL's socket.
        :param further: settings that override ours.
        """
        target, metadata = (local_airflow.socket_uri(database_socket, name) for name in ("app", "airflow"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return {
            **kept,
            **local_airflow.settings(self.folder / "airflow", metadata, {"postgres_default": target}, self.policies),
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'plugins'}",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",  # idle workers cost memory, and the default is 32 of them
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": self._secret("api_secret_key", 48),
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secret("jwt_secret", 64),
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "20",  # an edited policy shows soon
            **further,
        }

    @property
    def _address(self) -> Path:
        return self.folder / "address"

    @property
    def _target(self) -> Path:
        return self.folder / "target"

    @property
    def _passwords(self) -> Path:
        return self.folder / "secrets" / "passwords.json"

    def _secret(self, name: str, length: int) -> str:
        file = self.folder / "secrets" / name
        if not file.exists():
            _write_private(file, secrets.token_urlsafe(length))
        return file.read_text()


def _write_private(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the API server does; else a port rests after its last use
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_free_port() -> int:
    """Not one of those that the system gives to outgoing connections: such a one could be taken again before we listen on it."""
    return next(port for port in iter(lambda: 20_000 + secrets.randbelow(10_000), None) if _is_free(port))
