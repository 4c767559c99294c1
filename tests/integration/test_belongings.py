"""Whatever hangs on a table hangs on the one that takes its place: pg_dump says the same of both, and what it hangs on works."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from include.partitioning.bounds import Bounds
from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from include.postgres import catalog, statements
from include.postgres.belongings import Belongings, for_partitions, outgoing_foreign_keys
from include.postgres.belongings_creation import creation
from include.postgres.belongings_explanations import explanations
from include.postgres.belongings_keys import keys_and_indexes, triggers
from include.postgres.belongings_read import read_belongings
from include.postgres.belongings_refusals import refusals
from include.postgres.belongings_swap import afterwards, arriving, foreign_key_comments, leaving, locking, put_away, put_in_place
from include.postgres.creating import like_parent
from include.postgres.dressing import column_statements, dressing_statements
from include.postgres.queries import row
from include.postgres.session import prepare
from tests.integration.server_tools import tool

PLAIN = TableName("core", "sessions")
HOSTILE = TableName('we"ird', 'Se"ss %s%% {x} \'; -- ON "b" ('.ljust(61, "x") + "é")
ROLES = ("belongings_owner", "belongings_reader", "belongings_other", "belongings_member")

SETUP = """
CREATE SCHEMA {schema} AUTHORIZATION belongings_owner; CREATE SCHEMA scratch AUTHORIZATION belongings_owner; CREATE SCHEMA attic AUTHORIZATION belongings_owner;
CREATE SCHEMA other AUTHORIZATION belongings_other; GRANT USAGE ON SCHEMA {schema}, other TO PUBLIC;
SET ROLE belongings_owner;
"""
TABLE = "CREATE TABLE {t} (id bigint CONSTRAINT sessions_key PRIMARY KEY, created_at timestamptz NOT NULL, note text);"
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
            if key is None:
                self._together(
                    [*self._copy(belongings, new), *keys_and_indexes(belongings, new, key, widen=widen), *triggers(belongings, new)]
                )
            else:
                self._together([*keys_and_indexes(belongings, new, key, widen=widen), *triggers(belongings, new)])
                self._attach_partition(belongings, new)
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
        for each in afterwards(belongings):
            with self.connection.transaction():
                role = [statements.set_local_role(each.role)] if each.role else []
                self._together([*role, statements.validate_constraint(each.table, each.constraint)])
        self.connection.execute(sql.SQL("DROP TABLE {} RESTRICT").format(sql.Identifier("attic", self.table.name)))  # nobody holds on to it
        if key is not None:
            self.connection.execute("ALTER TABLE scratch.part SET SCHEMA attic")
        return belongings

    def _attach_partition(self, belongings: Belongings, new: TableName) -> None:
        part = TableName("scratch", "part")
        like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS)").format(
            statements.named(part), statements.named(new)
        )
        attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM (MINVALUE) TO (MAXVALUE)").format(
            statements.named(new), statements.named(part)
        )
        self._together([like, *self._copy(belongings, part), attach])

    def _copy(self, belongings: Belongings, to: TableName) -> list[sql.Composed]:
        """Not as the owner, whom forced row-level security would stop."""
        stored = self.connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            (belongings.oid,),
        ).fetchall()
        columns = sql.SQL(", ").join(sql.Identifier(each) for (each,) in stored)
        copy = sql.SQL("INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {}").format(
            statements.named(to), statements.named(belongings.name), columns=columns
        )
        return [statements.reset_role(), copy, statements.set_local_role(belongings.owner)]

    def _together(self, together: list[sql.Composed]) -> None:
        self.connection.execute(b";\n".join(each.as_bytes(self.connection) for each in together))

    def dump(self) -> list[str]:
        """The database as pg_dump writes it, without what is being built or was put away; in whichever order privileges were granted."""
        text = tool("pg_dump", "--schema-only", "-N", "scratch", "-N", "attic", self.uri).decode()
        lines = [line for line in text.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict", "SET default_"))]
        return sorted(lines, key=lambda line: line if line.startswith(("GRANT", "REVOKE")) else "")


@pytest.fixture(params=[PLAIN, pytest.param(HOSTILE, marks=pytest.mark.slow)], ids=["plain", "hostile"])
def place(request: pytest.FixtureRequest, database: str) -> Iterator[Place]:
    with standing(database, request.param) as found:
        yield found


@contextmanager
def standing(database: str, table: TableName) -> Iterator[Place]:
    with psycopg.connect(database) as connection:
        prepare(connection, "test")
        found = Place(database, table, connection)
        for role in ROLES:
            found.run(f"DO $$ BEGIN IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role}; END IF; END $$")
        found.run(SETUP + TABLE + FILL)
        yield found


EVERYTHING = """
CREATE COLLATION {schema}.other_way (provider = libc, locale = 'C');
CREATE FUNCTION {schema}.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO {schema}.noted VALUES (TG_NAME || ' ' || TG_OP); RETURN NULL; END $$;
CREATE TABLE {schema}.noted (what text); GRANT INSERT ON {schema}.noted TO PUBLIC;
CREATE TABLE {schema}.users (id integer PRIMARY KEY); INSERT INTO {schema}.users VALUES (1), (2);
ALTER TABLE {t} ADD COLUMN gone integer, ADD COLUMN user_id integer DEFAULT 1, ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME {schema}."Numbers" START 5 INCREMENT 3 MINVALUE 2 MAXVALUE 5000 CACHE 1 CYCLE),
  ADD COLUMN twice bigint GENERATED ALWAYS AS (id * 2) STORED, ADD COLUMN serial serial, ADD COLUMN tags text COLLATE {schema}.other_way DEFAULT 'it''s {{%s}} $$', ADD COLUMN "Ca""se (" integer;
ALTER TABLE {t} DROP COLUMN gone;
ALTER TABLE {t} ALTER COLUMN note SET STORAGE EXTERNAL, ALTER COLUMN tags SET COMPRESSION pglz, ALTER COLUMN tags SET STATISTICS 77, ALTER COLUMN user_id SET (n_distinct = -0.5);
ALTER TABLE {t} ADD CONSTRAINT positive CHECK (id > 0), ADD CONSTRAINT "odd; -- {{}} %s" CHECK (tags <> 'a(b' AND "Ca""se (" IS DISTINCT FROM 3) NOT VALID;
ALTER TABLE {t} ADD CONSTRAINT by_note UNIQUE (note, created_at) INCLUDE (tags) WITH (fillfactor = 71) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE {t} ADD CONSTRAINT referred UNIQUE (note, created_at);
CREATE UNIQUE INDEX "un(iq" ON {t} USING btree (lower(note || ')') DESC NULLS LAST, created_at, "Ca""se (") INCLUDE (user_id) WITH (fillfactor = 60) WHERE tags <> 'it''s )';
CREATE INDEX expressed ON {t} ((id + 1), note COLLATE "POSIX" text_pattern_ops); ALTER INDEX {schema}.expressed ALTER COLUMN 1 SET STATISTICS 33;
CREATE INDEX brins ON {t} USING brin (created_at) WITH (pages_per_range = 4);
CREATE STATISTICS {schema}."stat ( FROM x" (ndistinct, mcv) ON note, tags FROM {t}; ALTER STATISTICS {schema}."stat ( FROM x" SET STATISTICS 44;
CREATE STATISTICS {schema}.expressions ON (id % 10), (lower(note)) FROM {t};
CREATE TRIGGER "after ON x" AFTER INSERT OR DELETE OR UPDATE OF note, tags OR TRUNCATE ON {t} FOR EACH STATEMENT EXECUTE FUNCTION {schema}.note('a', ' ON {{%s');
CREATE TRIGGER by_row AFTER UPDATE ON {t} FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.* AND new.note <> ' ON y ') EXECUTE FUNCTION {schema}.note();
CREATE TRIGGER never AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {schema}.note(); ALTER TABLE {t} DISABLE TRIGGER never;
CREATE TRIGGER replica AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {schema}.note(); ALTER TABLE {t} ENABLE REPLICA TRIGGER replica;
CREATE TRIGGER always AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {schema}.note(); ALTER TABLE {t} ENABLE ALWAYS TRIGGER always;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON {t} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.note();
ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; ALTER TABLE {t} FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON {t} AS RESTRICTIVE FOR SELECT TO belongings_reader, belongings_other USING (id < 5 AND EXISTS (SELECT FROM {schema}.users u WHERE u.id = user_id));
CREATE POLICY all_of_it ON {t} USING (true) WITH CHECK (note <> 'x');
GRANT SELECT, INSERT (id, note, created_at) ON {t} TO belongings_reader WITH GRANT OPTION; GRANT UPDATE (note), REFERENCES ON {t} TO belongings_other; GRANT SELECT ON {t} TO PUBLIC;
REVOKE TRUNCATE ON {t} FROM belongings_owner; GRANT USAGE ON SEQUENCE {schema}."Numbers" TO belongings_reader;
GRANT SELECT ON {schema}.users TO PUBLIC;
COMMENT ON TABLE {t} IS 'the table''s'; COMMENT ON COLUMN {t}."Ca""se (" IS 'a column'; COMMENT ON CONSTRAINT positive ON {t} IS 'a check'; COMMENT ON CONSTRAINT by_note ON {t} IS 'a key';
COMMENT ON INDEX {schema}."un(iq" IS 'an index'; COMMENT ON TRIGGER "after ON x" ON {t} IS 'a trigger'; COMMENT ON POLICY mine ON {t} IS 'a policy';
COMMENT ON STATISTICS {schema}.expressions IS 'statistics'; COMMENT ON SEQUENCE {schema}."Numbers" IS 'a sequence';
CREATE VIEW {schema}.shown WITH (security_barrier = true, check_option = local) AS SELECT s.note, s.id AS "Number", s.* AS "all" FROM {t} s WHERE id < 1000;
"""
ORDINARY_ONLY = """
ALTER TABLE {t} SET (fillfactor = 80, autovacuum_enabled = false, toast.autovacuum_enabled = false); ALTER TABLE {t} CLUSTER ON expressed;
ALTER TABLE {t} ADD CONSTRAINT whole CHECK ({n} IS NOT NULL OR id > 0);
ALTER TABLE {t} ADD CONSTRAINT of_it_alone CHECK (id < 10000) NO INHERIT;
"""


def everything(place: Place, *, newest: bool = True) -> None:
    place.run("SET ROLE belongings_owner; " + EVERYTHING.replace('s.* AS "all"', "s.created_at"))
    if place.version >= 15:
        place.run("ALTER TABLE {t} ADD CONSTRAINT no_nulls UNIQUE NULLS NOT DISTINCT (tags, created_at, id)", as_owner=True)
    place.run(READERS)
    if place.version >= 18 and newest:
        place.run(SINCE_18, as_owner=True)
    if place.version >= 15:
        place.run("ALTER PUBLICATION named SET TABLE {t} (id, created_at, note) WHERE (id > 3 AND id <> 7)")


SINCE_18 = """
ALTER TABLE {t} ADD COLUMN virtual bigint GENERATED ALWAYS AS (id + 1) VIRTUAL, ADD CONSTRAINT "called (" NOT NULL note, ADD CONSTRAINT asserted CHECK (id > 7) NOT ENFORCED,
  ADD CONSTRAINT with_key EXCLUDE USING btree (created_at WITH =, note WITH =, id WITH =) WITH (fillfactor = 66), ADD COLUMN r int4range, ADD COLUMN p int4range;
COMMENT ON CONSTRAINT "called (" ON {t} IS 'a NOT NULL';
CREATE TABLE {schema}.asserting (n text, at timestamptz, CONSTRAINT asserted FOREIGN KEY (n, at) REFERENCES {t} (note, created_at) NOT ENFORCED);
CREATE TABLE {schema}.divided (n text, at timestamptz, CONSTRAINT divides FOREIGN KEY (n, at) REFERENCES {t} (note, created_at)) PARTITION BY LIST (n);
CREATE TABLE {schema}.divided_1 PARTITION OF {schema}.divided DEFAULT;
"""
READERS = """
GRANT SELECT, REFERENCES ON {t} TO belongings_other; GRANT CREATE ON SCHEMA {schema} TO belongings_other;
SET ROLE belongings_other;
CREATE VIEW other.seen AS SELECT count(*) AS rows, max(note) AS "most %s" FROM {t}; COMMENT ON VIEW other.seen IS 'a view'; GRANT SELECT ON other.seen TO belongings_reader;
CREATE VIEW other.above AS SELECT * FROM other.seen;
CREATE FUNCTION other.counted(lowest bigint) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM {t} WHERE id >= lowest; END;
CREATE TABLE other.referring (note text, at timestamptz, proven text, since timestamptz); INSERT INTO other.referring VALUES ('nobody', now(), 'row 1', '2026-01-02 00:00+00');
ALTER TABLE other.referring ADD CONSTRAINT unproven FOREIGN KEY (note, at) REFERENCES {t} (note, created_at) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED NOT VALID;
ALTER TABLE other.referring ADD CONSTRAINT proven FOREIGN KEY (proven, since) REFERENCES {t} (note, created_at) MATCH FULL ON DELETE SET NULL; COMMENT ON CONSTRAINT proven ON other.referring IS 'a reference';
RESET ROLE;
CREATE PUBLICATION named FOR TABLE {t} WITH (publish_via_partition_root = true); ALTER PUBLICATION named OWNER TO postgres;
"""


def test_an_ordinary_table_stays_what_it_is(place: Place) -> None:
    everything(place)
    place.run(ORDINARY_ONLY, as_owner=True)
    before = place.dump()
    place.reshape(None)
    assert place.dump() == before


def test_a_partitioned_table_has_all_that_the_ordinary_one_had(place: Place) -> None:
    everything(place)
    before = place.dump()
    place.reshape()
    assert _as_ordinary(place.dump()) == _widened(before)


def _as_ordinary(lines: list[str]) -> list[str]:
    text = re.sub(r"\n\)\nPARTITION BY RANGE \(created_at\)", "\n)", "\n".join(lines))
    return re.sub(r"^(CREATE (?:UNIQUE )?INDEX .*) ON ONLY ", r"\1 ON ", text, flags=re.MULTILINE).split("\n")


def _widened(lines: list[str]) -> list[str]:
    return [re.sub(r"(sessions_key PRIMARY KEY) \(id\)", r"\1 (id, created_at)", line) for line in lines]


def test_a_partitioned_table_becomes_another_one_and_then_an_ordinary_one(place: Place) -> None:
    everything(place)
    before = place.dump()
    place.reshape()
    partitioned = place.dump()
    place.reshape()
    assert place.dump() == partitioned
    place.reshape(None)
    assert place.dump() == _widened(before)


@pytest.mark.parametrize("key", [None, "created_at"], ids=["ordinary", "partitioned"])
def test_what_hangs_on_it_works(place: Place, key: str | None) -> None:
    everything(place)
    row = "INSERT INTO {t} (id, created_at, note) VALUES ({id}, '2026-02-01', 'new {id}') RETURNING number, serial"
    number, serial = place.run(row.replace("{id}", "100"))[0]
    place.run("TRUNCATE {schema}.noted")
    place.reshape(key)
    assert place.run("SELECT * FROM {schema}.noted") == []
    assert place.run(row.replace("{id}", "101"))[0] == (number + 3, serial + 1)
    place.run("UPDATE {t} SET note = 'changed' WHERE id = 101")
    fired = ["after ON x INSERT", "after ON x UPDATE", "always INSERT", "by_row UPDATE", "later INSERT"]
    assert sorted(each for (each,) in place.run("SELECT what FROM {schema}.noted")) == fired
    assert place.run('SELECT rows, "most %s" FROM other.seen') == [(4, "row 4")]
    assert place.value("SELECT count(*) FROM {schema}.shown") == 22
    assert place.value("SELECT other.counted(3)") == 2
    assert place.value("SET ROLE belongings_reader; SELECT count(*) FROM {t}") == 4
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        place.run("INSERT INTO other.referring VALUES ('nobody', now(), NULL, NULL)")
    place.run("DELETE FROM {t} WHERE id = 1")
    assert place.run("SELECT proven, since FROM other.referring") == [(None, None)]
    assert place.run(
        "SELECT pubname FROM pg_publication_tables WHERE tablename = (SELECT relname FROM pg_class WHERE oid = $q${t}$q$::regclass)"
    ) == [("named",)]


def test_default_privileges_give_nobody_more_than_before(place: Place) -> None:
    place.run("ALTER TABLE {t} ADD COLUMN number bigint GENERATED BY DEFAULT AS IDENTITY", as_owner=True)
    place.run("ALTER DEFAULT PRIVILEGES FOR ROLE belongings_owner GRANT SELECT, DELETE ON TABLES TO belongings_reader")
    place.run("ALTER DEFAULT PRIVILEGES FOR ROLE belongings_owner GRANT SELECT ON SEQUENCES TO PUBLIC")
    before = place.dump()
    place.reshape(None)
    assert place.dump() == before


def test_a_view_is_locked_without_what_it_reads(place: Place) -> None:
    place.run("CREATE VIEW {schema}.shown AS SELECT * FROM {t}", as_owner=True)
    belongings = place.read()
    with place.connection.transaction():
        place._together(locking(belongings))
        found = place.connection.execute(
            "SELECT c.relname, l.mode FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation WHERE pid = pg_catalog.pg_backend_pid() AND c.oid >= 16384"
        ).fetchall()
    assert found == [("shown", "AccessExclusiveLock")]


def test_a_foreign_key_of_the_table_to_itself_stays_on_an_ordinary_one(place: Place) -> None:
    place.run(
        "ALTER TABLE {t} ADD COLUMN before bigint CONSTRAINT to_itself REFERENCES {t}; UPDATE {t} SET before = id - 1 WHERE id > 1",
        as_owner=True,
    )
    before = place.dump()
    assert place.reshape(None).foreign_keys == ()
    assert place.dump() == before


def test_other_unique_keys_are_widened_if_that_is_wanted(place: Place) -> None:
    place.run(
        "ALTER TABLE {t} ADD CONSTRAINT by_note UNIQUE (note) INCLUDE (created_at); CREATE UNIQUE INDEX \"by )\" ON {t} (lower(note || ' )') DESC) INCLUDE (id) WHERE note <> ')'",
        as_owner=True,
    )
    place.reshape(widen=True)
    found = [
        each
        for (each,) in place.run(
            "SELECT indexdef FROM pg_indexes WHERE tablename = (SELECT relname FROM pg_class WHERE oid = $q${t}$q$::regclass)"
        )
    ]
    endings = sorted(each[each.index(" USING ") + 7 :] for each in found)
    assert endings == [
        "btree (id, created_at)",
        "btree (lower((note || ' )'::text)) DESC, created_at) INCLUDE (id) WHERE (note <> ')'::text)",
        "btree (note, created_at)",
    ]


@pytest.mark.parametrize("identity", ["FULL", "NOTHING", "USING INDEX named"])
def test_the_replica_identity_is_the_same(place: Place, identity: str) -> None:
    place.run(
        "ALTER TABLE {t} ALTER COLUMN note SET NOT NULL; CREATE UNIQUE INDEX named ON {t} (note, created_at); ALTER TABLE {t} REPLICA IDENTITY "
        + identity,
        as_owner=True,
    )
    before = place.dump()
    place.reshape()
    assert _as_ordinary(place.dump()) == _widened(before)


def test_what_will_be_different_is_said(place: Place) -> None:
    everything(place, newest=False)
    place.run(ORDINARY_ONLY + "ALTER TABLE {t} DROP CONSTRAINT whole", as_owner=True)
    table = place.table
    assert explanations(place.read(), "created_at") == [
        f'the primary key "sessions_key" of "{table}" becomes (id, created_at): ON CONFLICT (id) must become ON CONFLICT (id, created_at), two rows may have the same '
        "id with another created_at, and a foreign key must refer to both",
        f'"{table}" is marked to be clustered by "expressed", which a partitioned table cannot be',
        f'the constraint "of_it_alone" of "{table}" loses NO INHERIT, which a partitioned table refuses',
        f'storage parameters of "{table}" become those of each partition',
        f'row triggers of "{table}" fire for the partition in which a row is: TG_TABLE_NAME and TG_RELID are the partition\'s',
        f'the view "{TableName(table.schema, "shown")}" holds on to "{table}", and is replaced in the same transaction',
        f'the view "other.seen" holds on to "{table}", and is replaced in the same transaction',
        f'the function "other.counted(lowest bigint)" holds on to "{table}", and is replaced in the same transaction',
        f'the foreign key "proven" of "other.referring" to "{table}" is made anew in the same transaction, NOT VALID until it is validated right afterwards',
        f'the foreign key "unproven" of "other.referring" to "{table}" is made anew in the same transaction',
        f'the publication "named" has the new "{table}" from that transaction on; the copy of its rows is not published',
    ]
    place.reshape()
    place.run("CREATE INDEX of_its_own ON attic.part (note); GRANT SELECT ON attic.part TO belongings_reader")
    assert [each for each in explanations(place.read(), None) if "partition " in each and "its own" in each] == [
        'the partition "attic.part" has a grant of its own, "belongings_reader", which does not go along',
        'the partition "attic.part" has a index of its own, "of_its_own", which does not go along',
    ]


def test_indexes_and_table_stay_in_their_tablespaces(place: Place) -> None:
    if place.version < 15:
        pytest.skip("a tablespace without a folder of its own is new in PostgreSQL 15")
    with psycopg.connect(place.uri, autocommit=True) as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        if not connection.execute("SELECT FROM pg_tablespace WHERE spcname = 'belongings'").fetchall():
            connection.execute("CREATE TABLESPACE belongings LOCATION ''")
    place.run("GRANT CREATE ON TABLESPACE belongings TO belongings_owner")
    place.run(
        "ALTER TABLE {t} SET TABLESPACE belongings; ALTER INDEX {schema}.sessions_key SET TABLESPACE belongings; CREATE INDEX kept ON {t} (note) TABLESPACE belongings WHERE id > 1; CREATE INDEX other ON {t} (id)",
        as_owner=True,
    )
    query = "SELECT relname FROM pg_class c JOIN pg_tablespace s ON s.oid = reltablespace JOIN pg_namespace n ON n.oid = relnamespace WHERE spcname = 'belongings' AND nspname = $q${schema}$q$ ORDER BY 1"
    query = query.replace(
        "$q${schema}$q$", "(SELECT nspname FROM pg_class k JOIN pg_namespace m ON m.oid = k.relnamespace WHERE k.oid = $q${t}$q$::regclass)"
    )
    before = place.run(query)
    assert len(before) == 3
    place.reshape(None)
    assert place.run(query) == before
    place.reshape()
    assert place.run(query) == before


def test_a_member_of_the_owners_can_do_all_of_it(place: Place) -> None:
    place.run(
        "GRANT REFERENCES ON {t} TO belongings_other; GRANT CREATE ON SCHEMA {schema} TO belongings_other; GRANT SELECT ON {t} TO belongings_other",
        as_owner=True,
    )
    place.run(
        "SET ROLE belongings_other; CREATE VIEW {schema}.theirs AS SELECT * FROM {t}; CREATE FUNCTION {schema}.theirs() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM {t}; END;"
        " CREATE TABLE other.referring (id bigint REFERENCES {t}); RESET ROLE; CREATE PUBLICATION p FOR TABLE {t}; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO belongings_owner', current_database()); END $$;"
        " ALTER PUBLICATION p OWNER TO belongings_owner; GRANT belongings_owner, belongings_other TO belongings_member"
    )
    before = place.dump()
    place.connection.execute("SET SESSION AUTHORIZATION belongings_member")
    place.reshape(None)
    assert place.dump() == before
    place.run("REVOKE belongings_owner, belongings_other FROM belongings_member")


def test_a_publication_of_the_schema_has_the_new_table_by_itself(place: Place) -> None:
    if place.version < 15:
        pytest.skip("new in PostgreSQL 15")
    place.run("CREATE PUBLICATION p FOR TABLES IN SCHEMA {schema} WITH (publish_via_partition_root = true)")
    before = place.dump()
    place.reshape()
    assert _as_ordinary(place.dump()) == _widened(before)
    assert (
        place.value(
            "SELECT count(*) FROM pg_publication_tables WHERE pubname = 'p' AND tablename = (SELECT relname FROM pg_class WHERE oid = $q${t}$q$::regclass)"
        )
        == 1
    )


def test_partitions_that_subscribers_lack_are_refused_unless_the_policy_provides_them(place: Place) -> None:
    place.run("CREATE PUBLICATION p FOR TABLE {t}")
    assert place.refusals() == []
    place.run("SELECT pg_create_logical_replication_slot('belongings', 'pgoutput')")
    try:
        assert ["subscriber_partitions" in each for each in place.refusals()] == [True]
        assert refusals(place.connection, place.oid, "created_at", widen=True, managed=True) == []
        assert place.refusals(None) == []
    finally:
        place.run("SELECT pg_drop_replication_slot('belongings')")


def test_outgoing_foreign_keys_are_read_and_their_comments_follow(place: Place) -> None:
    place.run(
        "CREATE TABLE {schema}.users (id bigint PRIMARY KEY); ALTER TABLE {t} ADD COLUMN u bigint CONSTRAINT owned REFERENCES {schema}.users ON DELETE CASCADE; COMMENT ON CONSTRAINT owned ON {t} IS 'whose'",
        as_owner=True,
    )
    found = place.read()
    (key,) = outgoing_foreign_keys(found)
    assert (key.name, key.referenced.name, key.validated) == ("owned", "users", True)
    place.run("COMMENT ON CONSTRAINT owned ON {t} IS NULL")
    place._together(foreign_key_comments(found, place.table))
    assert place.value("SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'owned'") == "whose"


def test_partitions_are_stored_as_the_table_was_and_nobody_reads_them_directly(place: Place) -> None:
    place.run("ALTER DEFAULT PRIVILEGES FOR ROLE belongings_owner GRANT SELECT ON TABLES TO belongings_reader")
    place.run(
        "ALTER TABLE {t} SET (fillfactor = 70, toast.autovacuum_enabled = false); ALTER TABLE {t} ALTER COLUMN note SET STATISTICS 55, ALTER COLUMN note SET NOT NULL;"
        " CREATE UNIQUE INDEX named ON {t} (note); ALTER TABLE {t} REPLICA IDENTITY USING INDEX named; GRANT SELECT ON {t} TO belongings_reader; ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
        as_owner=True,
    )
    belongings = place.reshape()
    template = for_partitions(belongings, place.oid)
    policy = PartitionPolicy(table=str(place.table), partition_key="created_at")
    table = catalog.read_table(place.connection, policy)
    part = TableName(place.table.schema, "made")
    bounds = Bounds(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC))
    with place.connection.transaction():
        made = [like_parent(table, template, part, bounds), *column_statements(template, part), *dressing_statements(template, part)]
        place._together([statements.set_local_role("belongings_owner"), *made])
    found = place.run(
        "SELECT c.reloptions, t.reloptions, a.attstattarget, c.relrowsecurity, has_table_privilege('belongings_reader', c.oid, 'SELECT')"
        " FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid JOIN pg_attribute a ON a.attrelid = c.oid AND attname = 'note' WHERE c.relname = 'made'"
    )
    assert found == [(["fillfactor=70"], ["autovacuum_enabled=false"], 55, False, False)]
    oid = place.value("SELECT oid::bigint FROM pg_class WHERE relname = 'made'")
    index = row(place.connection, "identity_index", oid=oid, model=template.model)
    assert index is not None
    assert (
        place.value(
            f"SELECT array_length(indkey::int[], 1) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid WHERE relname = '{index['name']}'"
        )
        == 2
    )


def test_a_not_null_that_was_for_the_table_alone_holds_in_partitions(place: Place) -> None:
    if place.version < 18:
        pytest.skip("new in PostgreSQL 18")
    place.run("ALTER TABLE {t} ADD CONSTRAINT alone NOT NULL note NO INHERIT", as_owner=True)
    place.reshape()
    assert place.value("SELECT attnotnull FROM pg_attribute WHERE attrelid = 'attic.part'::regclass AND attname = 'note'") is True
    with pytest.raises(psycopg.errors.NotNullViolation):
        place.run("INSERT INTO {t} (id, created_at) VALUES (0, '2026-03-01')")


def test_triggers_by_which_changes_are_followed_are_not_taken_along(place: Place) -> None:
    place.run(
        "CREATE FUNCTION {schema}.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        ' CREATE TRIGGER "00_partition_lifecycle_keep" AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {schema}.keep()',
        as_owner=True,
    )
    assert place.read().triggers == ()
