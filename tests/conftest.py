"""One embedded PostgreSQL for each process of the run; each test that asks gets a fresh database on it. Airflow's own database is SQLite."""

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from demo import embedded_postgres, local_airflow
from tests.databases import fresh_database
from tests.in_memory import folder_of_a_server
from tests.matrix import server as matrix
from tests.matrix.binaries import binaries
from tests.turns import turn

# A failing `assert` in what tests share says what the values were, as one in a test does.
pytest.register_assert_rewrite(*(f"tests.{part}" for part in ("benchmarks", "compose", "e2e", "integration")))

# Airflow reads its settings when it is first imported, which another conftest.py may do before any hook is called.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-of-tests-"))
local_airflow.configure(AIRFLOW_HOME, f"sqlite:///{AIRFLOW_HOME}/airflow.db", {}, AIRFLOW_HOME / "no-policies.yaml")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URI of the database `postgres` of a server that is gone after the run. Nothing here must survive a crash of the machine.

    It is the embedded PostgreSQL 18, or the version in the environment variable POSTGRES_VERSION.
    Not below pytest's own temporary folder: as root the server runs as another user, whom the next pytest that starts would lock out of there.
    """
    settings = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "max_prepared_transactions": "5", "wal_level": "logical"}
    version = os.environ.get("POSTGRES_VERSION")
    with (
        folder_of_a_server() as folder,
        embedded_postgres.running(folder, settings) if not version else matrix.running(binaries(version), folder, settings) as uri,
    ):
        yield uri


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """URI of a fresh, empty database."""
    with fresh_database(server) as uri:
        yield uri


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that measures runs alone: what others do beside it would be measured with it."""
    with turn(run_folder(item.config), alone=item.get_closest_marker("alone") is not None):
        return (yield)


def run_folder(config: pytest.Config) -> Path:
    """The temporary folder of the run, the same for all its processes."""
    mine: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # pytest offers no public way outside of a fixture
    return mine.parent if hasattr(config, "workerinput") else mine
