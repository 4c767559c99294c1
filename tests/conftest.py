"""One embedded PostgreSQL for the whole run; each test that asks gets a fresh database on it. Airflow's own database is SQLite."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from demo import local_airflow
from demo.embedded_postgres import running

# Airflow reads its settings when it is first imported, which another conftest.py may do before any hook is called.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-of-tests-"))
local_airflow.configure(AIRFLOW_HOME, f"sqlite:///{AIRFLOW_HOME}/airflow.db", {}, AIRFLOW_HOME / "no-policies.yaml")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URI of the database `postgres` of a PostgreSQL 18 that is gone after the run. Nothing here must survive a crash of the machine.

    Not below pytest's own temporary folder: as root the server runs as another user, whom the next pytest that starts would lock out of there.
    """
    settings = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "max_prepared_transactions": "5"}
    with (
        tempfile.TemporaryDirectory(prefix="postgres-of-tests-", ignore_cleanup_errors=True) as folder,
        running(Path(folder), settings) as uri,
    ):
        yield uri


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """URI of a fresh, empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield local_airflow.socket_uri(server.partition("host=")[2], name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
