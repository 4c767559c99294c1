"""The tables of the decision record, there and back: one table, months, quarters, months; its backout plan among them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from demo.migrate import migrate
from include.partitioning.reshape import Move
from tests.databases import fresh_database, template_database
from tests.integration.conftest import Lifecycle
from tests.integration.test_reshape import kind, reshape

TABLES = ("core.sessions", "system.audit_trails")
SAID = {
    "columns": "SELECT string_agg(format('%s %s %s %s', attname, format_type(atttypid, atttypmod), attnotnull, attidentity), ', ' ORDER BY attnum)"
    " FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
    "indexes": "SELECT string_agg(replace(pg_get_indexdef(indexrelid), ' ONLY', ''), '; ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = %s::regclass",
    "constraints": "SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE conrelid = %s::regclass",
    "privileges": "SELECT relacl::text FROM pg_class WHERE oid = %s::regclass",
    "comment": "SELECT obj_description(%s::regclass, 'pg_class')",
}


@pytest.fixture(scope="module")
def seeded(server: str) -> Iterator[str]:
    def seed(connection: psycopg.Connection[object]) -> None:
        migrate(connection, as_of=date(2026, 11, 22), rows=3000)

    with template_database(server, seed) as name:
        yield name


@pytest.fixture
def tables(server: str, seeded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lifecycle]:
    with fresh_database(server, seeded) as uri:
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", uri)
        yield Lifecycle(uri, tmp_path / "archive", {"retention": None, "archive": None})


def contents(lifecycle: Lifecycle, table: str) -> object:
    return lifecycle.value(f"SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)) FROM {table} t")


def described(lifecycle: Lifecycle, table: str) -> dict[str, object]:
    """What hangs on the table, as the catalog prints it; `%` is doubled for psycopg."""
    return {name: lifecycle.value(question.replace("%s %s %s %s", "%%s %%s %%s %%s"), table) for name, question in SAID.items()}


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_there_and_back_with_every_row_and_all_that_hangs_on_the_table(tables: Lifecycle, table: str) -> None:
    rows, before = contents(tables, table), described(tables, table)
    months = tables.policy(table=table)
    quarters = tables.policy(table=table, interval="quarter")
    reshape(tables, Move.UNDO, policy=months)
    assert (kind(tables, table), contents(tables, table)) == ("r", rows)
    for policy, move in ((months, Move.ADOPT), (quarters, Move.REGRAIN), (months, Move.REGRAIN)):
        reshape(tables, move, policy=policy)
        assert (kind(tables, table), contents(tables, table)) == ("p", rows)
        assert described(tables, table) == before
    assert tables.create(policy=months) == []
