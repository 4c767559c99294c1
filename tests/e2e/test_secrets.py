"""No secret of a connection is in anything that a run leaves, however it ends: logs, Airflow's own tables, the ledger, the archive."""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from fsspec import get_filesystem_class

from demo import local_airflow
from demo.migrate import migrate
from tests.databases import fresh_database
from tests.integration import object_store
from tests.integration.object_store import Bucket

DAG = "partition_lifecycle.core.sessions"
PASSWORD, KEY = "the pass/word of 1 database", "the+secret/key of a bucket"
POLICY = """
policies:
  - table: core.sessions
    partition_key: created_at
    retention: 24 months
    archive: {path: 's3://secrets/archive', conn_id: secret_store}
    postgres_conn_id: secret_database
    lock_attempts: 1
"""


@dataclass
class World:
    """A database and a bucket, each with a secret, and whatever a run left of either."""

    uri: str
    bucket: Bucket
    capfd: pytest.CaptureFixture[str]

    def run(self) -> str:
        return local_airflow.run_dag(DAG, retries=0).state

    def remains(self) -> dict[str, str]:
        said = self.capfd.readouterr()
        with sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db") as airflow:
            metadata = "\n".join(airflow.iterdump())
        with psycopg.connect(self.uri) as connection:
            tables = "event", "archive", "detached_partition"
            ledger = "\n".join(
                str(row)
                for each in tables
                for row in connection.execute(f"SELECT to_jsonb(t)::text FROM partition_lifecycle.{each} t".encode())
            )
        manifests = "\n".join(self.bucket.read(key).decode() for key in self.bucket.objects() if key.endswith(".json"))
        return {"log": said.out + said.err, "metadata": metadata, "ledger": ledger, "manifests": manifests}


def connection_to_store(port: int) -> str:
    return json.dumps(json.loads(object_store.connection_json(port, retries=1)) | {"password": KEY})


@pytest.fixture(scope="module")
def s3_server() -> Iterator[int]:
    with object_store.serving() as port:
        yield port


@pytest.fixture
def world(
    server: str, s3_server: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[World]:
    (tmp_path / "policies.yaml").write_text(POLICY)
    monkeypatch.setenv("PARTITION_POLICIES", str(tmp_path / "policies.yaml"))
    monkeypatch.setenv("AIRFLOW_CONN_SECRET_STORE", connection_to_store(s3_server))
    monkeypatch.setattr("airflow.sdk.io.store._STORE_CACHE", {})
    get_filesystem_class("s3").clear_instance_cache()
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    local_airflow.migrate_metadata()
    bucket = Bucket.at(s3_server, "secrets")
    bucket.create()
    with fresh_database(server) as uri:
        with psycopg.connect(uri) as connection:
            migrate(connection, rows=280)
        monkeypatch.setenv("AIRFLOW_CONN_SECRET_DATABASE", uri.replace("postgres@", f"postgres:{quote(PASSWORD, safe='')}@"))
        yield World(uri, bucket, capfd)


def assert_clean(remains: dict[str, str]) -> None:
    for secret in (PASSWORD, KEY, quote(PASSWORD, safe=""), quote(KEY, safe=""), quote(PASSWORD), quote(KEY)):
        assert not [place for place, text in remains.items() if secret in text], secret


def test_a_run_that_archives_and_drops_leaves_no_secret(world: World) -> None:
    assert world.run() == "success"
    remains = world.remains()
    # Otherwise the test would look at nothing.
    assert all(
        word in remains[place]
        for place, word in {"log": "DROP TABLE", "metadata": "DROP TABLE", "ledger": "s3://", "manifests": "rows"}.items()
    )
    assert_clean(remains)


def test_errors_of_a_store_and_of_a_database_that_are_away_tell_no_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SECRET_STORE", connection_to_store(object_store.closed_port()))
    assert world.run() == "failed"
    away = f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{object_store.closed_port()}/app"
    monkeypatch.setenv("AIRFLOW_CONN_SECRET_DATABASE", away)
    assert world.run() == "failed"
    remains = world.remains()
    assert "connection refused" in remains["log"].lower()
    assert_clean(remains)
