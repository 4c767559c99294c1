"""Which connections are refused before anything is done on them."""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from include.partitioning.errors import CatalogMismatchError, ServerUnavailableError
from include.postgres.observer import observer_of
from include.postgres.session import prepare
from tests.integration.conftest import Lifecycle
from tests.integration.transaction_pooler import PORT, pooler


@pytest.mark.parametrize(("servers", "own_number"), [(1, True), (2, True), (2, False)])
def test_a_pooler_is_refused_before_anything_is_set_that_others_would_inherit(database: str, *, servers: int, own_number: bool) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(database)
    with (
        tempfile.TemporaryDirectory() as folder,
        pooler(Path(folder), Path(str(parts["host"])), servers=servers, own_number=own_number),
        psycopg.connect(dbname=str(parts["dbname"]), user="postgres", host=folder, port=PORT) as connection,
    ):
        with pytest.raises(
            CatalogMismatchError, match=r"goes through a connection pooler.*point the Airflow connection at the server itself"
        ):
            prepare(connection, "test")
        for _ in range(servers):
            assert connection.execute("SELECT current_setting('row_security')").fetchone() == ("on",)


def test_the_pooler_that_we_test_with_loses_what_was_set(database: str) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(database)
    with (
        tempfile.TemporaryDirectory() as folder,
        pooler(Path(folder), Path(str(parts["host"])), servers=2, own_number=False),
        psycopg.connect(dbname=str(parts["dbname"]), user="postgres", host=folder, port=PORT, autocommit=True) as connection,
    ):
        connection.execute("SET row_security = off")
        found = [connection.execute("SELECT current_setting('row_security')").fetchone() for _ in range(2)]
        assert found == [("on",), ("off",)]
        with connection.transaction():
            pids = {str(connection.execute("SELECT pg_backend_pid()").fetchone()) for _ in range(3)}
        assert len(pids) == 1


def test_a_second_connection_that_reaches_another_server_is_refused(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as connection:
        with observer_of(connection) as observer:
            assert observer.execute("SELECT current_setting('search_path')").fetchone() == ("pg_catalog, pg_temp",)
        same = {name: getattr(connection.info, name) for name in ("dsn", "password", "host", "port", "hostaddr")}
        elsewhere: Any = SimpleNamespace(info=SimpleNamespace(**same, backend_pid=4711))  # a process that this server does not have
        with pytest.raises(ServerUnavailableError, match=r"is several servers"):
            observer_of(elsewhere)
