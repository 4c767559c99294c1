"""Whatever hangs on a table hangs on the one that takes its place: pg_dump says the same of both, and what it hangs on works."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from include.partitioning.names import TableName
from include.postgres import statements
from include.postgres.belongings import Belongings
from include.postgres.belongings_creation import creation
from include.postgres.belongings_explanations import explanations
from include.postgres.belongings_keys import keys_and_indexes, triggers
from include.postgres.belongings_read import read_belongings
from include.postgres.belongings_refusals import refusals
from include.postgres.belongings_swap import afterwards, arriving, leaving, locking, put_away, put_in_place
from include.postgres.session import prepare
from tests.integration.server_tools import tool

PLAIN = TableName("core", "sessions")
HOSTILE = TableName('we"ird', 'Se"ss %s%% {x} \'; -- ON "b" ('.ljust(61, "x") + "é")
ROLES = ("belongings_owner", "belongings_reader", "belongings_other")

SETUP = """
CREATE SCHEMA {schema} AUTHORIZATION belongings_owner; CREATE SCHEMA scratch AUTHORIZATION belongings_owner; CREATE SCHEMA attic AUTHORIZATION belongings_owner;
CREATE SCHEMA other AUTHORIZATION belongings_other; GRANT USAGE ON SCHEMA {schema}, other TO PUBLIC;
SET ROLE belongings_owner;
"""
TABLE = "CREATE TABLE {t} (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, note text);"
FILL = "INSERT INTO {t} (id, created_at, note) SELECT g, timestamptz '2026-01-01 00:00+00' + g * interval '1 day', 'row ' || g FROM generate_series(1, 20) g;"


@dataclass
class Place:
    """A database with a table, and what takes its place."""

    uri: str
    table: TableName
    connection: psycopg.Connection[Any]

    def run(self, text: str, *, as_owner: bool = False) -> list[tuple[Any, ...]]:
        """`{t}` is the table, `{schema}` its schema, `{n}` its bare name."""
        composed = sql.SQL(text).format(
            t=statements.named(self.table), schema=sql.Identifier(self.table.schema), n=sql.Identifier(self.table.name)
        )
        with psycopg.connect(self.uri, autocommit=True) as connection:
            if as_owner:
                connection.execute("SET ROLE belongings_owner")
            cursor = connection.execute(composed)
            while cursor.description is None and cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def value(self, text: str) -> Any:
        return self.run(text)[0][0]

    @property
    def version(self) -> int:
        return self.connection.info.server_version // 10000

    @property
    def oid(self) -> int:
        with psycopg.connect(self.uri) as connection:
            found = connection.execute(
                "SELECT c.oid::bigint FROM pg_class c WHERE relname = %s AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
                (self.table.name, self.table.schema),
            ).fetchone()
        assert found is not None
        return int(found[0])

    def refusals(self, key: str | None = "created_at", *, widen: bool = True) -> list[str]:
        return refusals(self.connection, self.oid, key, widen=widen)

    def read(self) -> Belongings:
        return read_belongings(self.connection, self.oid)

    def reshape(self, key: str | None = "created_at", *, widen: bool = True) -> Belongings:
        """As the engine does it, with nobody else around."""
        assert self.refusals(key, widen=widen) == []
        belongings = self.read()
        new = TableName("scratch", self.table.name)
        with self.connection.transaction():
            self._together([statements.set_local_role("belongings_owner"), *creation(belongings, new, key)])
            self._fill(belongings, new, key, widen=widen)
            self._together(triggers(belongings, new))
        with self.connection.transaction():
            self._together([
                statements.set_local_role("belongings_owner"),
                *locking(belongings),
                statements.lock_exclusively(self.table),
                *leaving(belongings, self.table),
                *put_away(belongings, self.table, "attic"),
                *put_in_place(belongings, new, self.table.schema),
                *arriving(belongings, self.table, TableName("attic", self.table.name)),
            ])  # fmt: skip
        for role, _, statement in afterwards(belongings):
            with self.connection.transaction():
                self._together([statements.set_local_role(role), statement])
        return belongings

    def _fill(self, belongings: Belongings, new: TableName, key: str | None, *, widen: bool) -> None:
        part = TableName("scratch", "part") if key else new
        stored = self.connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            (belongings.oid,),
        ).fetchall()
        columns = sql.SQL(", ").join(sql.Identifier(each) for (each,) in stored)
        copy = sql.SQL("INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {}").format(
            statements.named(part), statements.named(belongings.name), columns=columns
        )
        built = keys_and_indexes(belongings, new, key, widen=widen)
        if key is None:
            self._together([copy, *built])
            return
        like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS)").format(
            statements.named(part), statements.named(new)
        )
        attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM (MINVALUE) TO (MAXVALUE)").format(
            statements.named(new), statements.named(part)
        )
        self._together([*built, like, copy])
        self._together([*triggers(belongings, new)[:0], attach])

    def _together(self, together: list[sql.Composed]) -> None:
        self.connection.execute(b";\n".join(each.as_bytes(self.connection) for each in together))

    def dump(self) -> list[str]:
        """The database as pg_dump writes it, without what is being built or was put away."""
        text = tool("pg_dump", "--schema-only", "-N", "scratch", "-N", "attic", self.uri).decode()
        return [line for line in text.splitlines() if not line.startswith(("--", "\\restrict", "\\unrestrict"))]


@pytest.fixture(params=[PLAIN, HOSTILE], ids=["plain", "hostile"])
def place(request: pytest.FixtureRequest, database: str) -> Iterator[Place]:
    with psycopg.connect(database) as connection:
        prepare(connection, "test")
        found = Place(database, request.param, connection)
        for role in ROLES:
            found.run(f"DO $$ BEGIN IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role}; END IF; END $$")
        found.run(SETUP + TABLE + FILL)
        yield found


def test_an_ordinary_table_stays_what_it_is(place: Place) -> None:
    before = place.dump()
    place.reshape(None)
    assert place.dump() == before
