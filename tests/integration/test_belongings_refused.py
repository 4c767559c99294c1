"""What cannot be handed over is refused before anything is made, with a sentence that names it and says what to do."""

from collections.abc import Iterator

import pytest
from psycopg import sql

from include.partitioning.names import TableName
from include.postgres import statements
from tests.databases import fresh_database
from tests.integration.test_belongings import HOSTILE, PLAIN, Place, standing


@pytest.fixture(scope="module", params=[PLAIN, HOSTILE], ids=["plain", "hostile"])
def place(server: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    with fresh_database(server) as uri, standing(uri, request.param) as found:
        yield found


OWNER, ANYBODY = "SET LOCAL ROLE belongings_owner; ", ""

ANYWAY = [
    ("a rule", OWNER + "CREATE RULE ruled AS ON INSERT TO {t} DO ALSO NOTIFY x", 'has the rule "ruled"'),
    ("a rule of another table", OWNER + "CREATE TABLE {schema}.b (i int); CREATE RULE ruled AS ON INSERT TO {schema}.b DO ALSO DELETE FROM {t}", "rule ruled on table"),
    ("a rule of a view", OWNER + "CREATE VIEW {schema}.v AS SELECT 1 AS i; CREATE RULE ruled AS ON INSERT TO {schema}.v DO INSTEAD DELETE FROM {t}", "rule ruled on view"),
    ("a materialized view", OWNER + "CREATE MATERIALIZED VIEW {schema}.m AS SELECT * FROM {t}", '.m" holds on'),
    ("a policy of another table", OWNER + "CREATE TABLE {schema}.b (i int); CREATE POLICY peeks ON {schema}.b USING (i IN (SELECT id FROM {t}))", "policy peeks on table"),
    ("a policy that reads its own table", OWNER + "CREATE POLICY peeks ON {t} USING (id IN (SELECT max(id) FROM {t}))", 'the policy "peeks"'),
    ("an argument of the row type", OWNER + "CREATE FUNCTION {schema}.f({t}) RETURNS int LANGUAGE sql AS 'SELECT 1'", "uses its row type"),
    ("an array of the row type", OWNER + "CREATE TABLE {schema}.b (images {t}[])", "uses its row type"),
    ("a view that shows the row type", OWNER + "CREATE VIEW {schema}.v AS SELECT s FROM {t} s", "uses its row type"),
    ("a trigger of another table that names it", OWNER + "CREATE TABLE {schema}.b (i int); CREATE FUNCTION {schema}.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
     " CREATE CONSTRAINT TRIGGER x AFTER INSERT ON {schema}.b FROM {t} FOR EACH ROW EXECUTE FUNCTION {schema}.f()", "trigger x on table"),
    ("an identity sequence that another table uses", OWNER + "ALTER TABLE {t} ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME {schema}.own);"
     " CREATE FUNCTION pg_temp.make() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('CREATE TABLE %I.b (i bigint DEFAULT nextval(''%I.own''::regclass))', {l}, {l}); END $$; SELECT pg_temp.make()",
     "default value for column i of table"),
    ("an extension's member", ANYBODY + "ALTER EXTENSION plpgsql ADD TABLE {t}", "is bound to an extension"),
    ("an index bound to an extension", ANYBODY + "CREATE INDEX bound ON {t} (note); ALTER INDEX {schema}.bound DEPENDS ON EXTENSION plpgsql", ".bound\" holds on"),
    ("a security label", ANYBODY + "SET LOCAL allow_system_table_mods = on; INSERT INTO pg_seclabel SELECT oid, 'pg_class'::regclass, 0, 'guard', 'secret' FROM pg_class WHERE relname = {n_l}", '"guard"'),
    ("a subscription", ANYBODY + "CREATE SUBSCRIPTION s CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE); SET LOCAL allow_system_table_mods = on;"
     " INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) SELECT s.oid, c.oid, 'r' FROM pg_subscription s, pg_class c WHERE relname = {n_l}", "is filled by a subscription"),
    ("a publication of everything", ANYBODY + "CREATE PUBLICATION everything FOR ALL TABLES", '"everything" is FOR ALL TABLES'),
    ("two statistics objects of one name", OWNER + "CREATE STATISTICS {schema}.stat ON id, note FROM {t}; CREATE STATISTICS scratch.stat ON id, note FROM {t}",
     'statistics objects called "stat"'),
    ("an owner that may not read it", OWNER + "REVOKE SELECT ON {t} FROM belongings_owner", "may not read it; GRANT SELECT ON"),
    ("an owner without CREATE", ANYBODY + "CREATE SCHEMA mine; GRANT ALL ON SCHEMA mine TO belongings_owner; ALTER TABLE {t} SET SCHEMA mine; ALTER TABLE mine.{n} OWNER TO belongings_owner; REVOKE CREATE ON SCHEMA mine FROM belongings_owner",
     "may not create anything in its schema"),
    ("a view whose owner may not create it", ANYBODY + "CREATE SCHEMA mine; CREATE VIEW mine.v AS SELECT 1 FROM {t}; ALTER VIEW mine.v OWNER TO belongings_other", "GRANT CREATE ON SCHEMA"),
    ("a reference that is not permitted any more", ANYBODY + "CREATE TABLE other.b (i bigint REFERENCES {t}, at timestamptz); ALTER TABLE other.b OWNER TO belongings_other", "GRANT REFERENCES ON"),
]  # fmt: skip
"""Of a target of either kind: what has been done to the table, and what is said of it."""


@pytest.mark.parametrize(("setup", "said"), [(setup, said) for _, setup, said in ANYWAY], ids=[name for name, _, _ in ANYWAY])
def test_what_would_go_on_with_the_old_table_is_refused(place: Place, setup: str, said: str) -> None:
    found = _refused(place, setup, None)
    assert len(found) == 1
    assert said in found[0]


KEYED = [
    ("a nullable key", "ALTER TABLE {t} ALTER COLUMN created_at DROP NOT NULL", "can be NULL", 14),
    ("no such column", "ALTER TABLE {t} RENAME COLUMN created_at TO made_at", 'has no column "created_at"', 14),
    ("a generated key", "ALTER TABLE {t} DROP COLUMN created_at, ADD COLUMN created_at bigint NOT NULL GENERATED ALWAYS AS (id) STORED", "is a generated column", 14),
    ("an identity as key", "ALTER TABLE {t} DROP COLUMN created_at, ADD COLUMN created_at bigint GENERATED ALWAYS AS IDENTITY", "is an identity column", 14),
    ("a unique constraint", "ALTER TABLE {t} ADD CONSTRAINT u UNIQUE (note)", 'the unique constraint "u"', 14),
    ("a unique index", 'CREATE UNIQUE INDEX "u""q" ON {t} (lower(note))', 'DROP INDEX CONCURRENTLY', 14),
    ("an exclusion constraint", "ALTER TABLE {t} ADD CONSTRAINT x EXCLUDE USING btree (note WITH =)", 'the exclusion constraint "x"', 14),
    ("a range without overlaps", "ALTER TABLE {t} ADD COLUMN r int4range, ADD COLUMN p int4range, ADD CONSTRAINT x UNIQUE (r, p WITHOUT OVERLAPS)", 'the unique constraint "x"', 18),
    ("a row trigger with transition tables", "CREATE FUNCTION {schema}.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
     " CREATE TRIGGER x AFTER INSERT ON {t} REFERENCING NEW TABLE AS come FOR EACH ROW EXECUTE FUNCTION {schema}.f()", 'the trigger "x"', 14),
    ("a CHECK of the whole row", "ALTER TABLE {t} ADD CONSTRAINT whole CHECK ({n} IS NOT NULL OR true)", 'the CHECK constraint "whole"', 14),
    ("an index of the whole row", "CREATE INDEX whole ON {t} (({n} IS NULL))", 'the index "whole"', 14),
    ("a reference to what is no longer unique", "CREATE TABLE {schema}.b (i bigint CONSTRAINT refers REFERENCES {t})", "DROP CONSTRAINT \"refers\"", 14),
    ("a reference to itself", "ALTER TABLE {t} ADD CONSTRAINT two UNIQUE (id, created_at), ADD COLUMN i bigint, ADD COLUMN at timestamptz, ADD CONSTRAINT refers FOREIGN KEY (i, at) REFERENCES {t} (id, created_at)",
     "refers to the table itself", 14),
    ("a view of a system column", "CREATE VIEW {schema}.v AS SELECT ctid AS place FROM {t}", "shows the column ctid", 14),
    ("a view that says ONLY", "CREATE VIEW {schema}.v AS SELECT id FROM ONLY {t}", "says ONLY of", 14),
    ("a function that says ONLY", "CREATE FUNCTION {schema}.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM ONLY {t}; END", "says ONLY of", 14),
    ("a view that groups by the primary key", "CREATE VIEW {schema}.v AS SELECT id, note FROM {t} GROUP BY id", 'relies on "sessions_key"', 14),
    ("a NOT NULL that is not proven", "ALTER TABLE {t} ADD CONSTRAINT unproven NOT NULL note NOT VALID", "VALIDATE CONSTRAINT \"unproven\"", 18),
]  # fmt: skip
"""Of a partitioned target; from which version on there is such a thing."""


@pytest.mark.parametrize(
    ("setup", "said", "since"), [(setup, said, since) for _, setup, said, since in KEYED], ids=[name for name, _, _, _ in KEYED]
)
def test_what_a_partitioned_table_cannot_have_is_refused(place: Place, setup: str, said: str, since: int) -> None:
    if place.version < since:
        pytest.skip(f"new in PostgreSQL {since}")
    found = _refused(place, OWNER + setup, "created_at")
    assert len(found) == 1
    assert said in found[0]


PUBLISHED = [
    ("CREATE PUBLICATION p FOR TABLE {t} WHERE (id > 3)", "has a column list or a filter"),
    ("CREATE PUBLICATION p FOR TABLE {t} (id, note) WITH (publish_via_partition_root = true)", 'without "created_at"'),
]


@pytest.mark.parametrize(("setup", "said"), PUBLISHED, ids=["a filter", "a column list without the key"])
def test_publications_that_a_partitioned_table_cannot_be_in_are_refused(place: Place, setup: str, said: str) -> None:
    if place.version < 15:
        pytest.skip("new in PostgreSQL 15")
    found = _refused(place, setup, "created_at")
    assert len(found) == 1
    assert said in found[0]


UNFIT = [
    ("CREATE TEMPORARY TABLE x (created_at timestamptz)", "pg_temp.x", ["is a temporary table", "belongs to the system catalog"]),
    ("CREATE VIEW {schema}.x AS SELECT 1", "{schema}.x", ["is neither an ordinary nor a partitioned table"]),
    ("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE {schema}.x (i int) SERVER s", "{schema}.x", ["is a foreign table"]),
    ("CREATE TABLE {schema}.p (i int) PARTITION BY LIST (i); CREATE TABLE {schema}.x PARTITION OF {schema}.p DEFAULT", "{schema}.x", ["is itself a partition"]),
    ("CREATE TABLE {schema}.x () INHERITS ({t})", "{schema}.x", ["inherits from another table"]),
    ("CREATE TABLE {schema}.x () INHERITS ({t})", "{t}", ["other tables inherit from"]),
    ("CREATE TYPE {schema}.typ AS (i int); CREATE TABLE {schema}.x OF {schema}.typ", "{schema}.x", ["is a typed table"]),
    ("SELECT 1", "pg_catalog.pg_class", ["belongs to the system catalog"]),
]  # fmt: skip


@pytest.mark.parametrize(("setup", "table", "said"), UNFIT)
def test_what_is_no_table_to_be_reshaped_is_refused(place: Place, setup: str, table: str, said: list[str]) -> None:
    found = _refused(place, setup, "created_at", table)
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))


def test_a_reference_of_a_partitioned_table_is_refused_where_it_cannot_be_made_without_a_scan(place: Place) -> None:
    setup = "CREATE TABLE {schema}.b (i bigint CONSTRAINT refers REFERENCES {t}) PARTITION BY LIST (i)"
    found = _refused(place, setup, None)
    assert [each for each in found if "before PostgreSQL 18" in each] == (found if place.version < 18 else [])


@pytest.mark.parametrize(
    "setup",
    [
        "CREATE VIEW {schema}.v AS SELECT * FROM {schema}.x",
        "CREATE TABLE {schema}.b (i int REFERENCES {schema}.x)",
        "CREATE TABLE {schema}.b (image {schema}.x)",
        "CREATE PUBLICATION single FOR TABLE {schema}.x",
    ],
    ids=["a view", "a reference", "a column of its row type", "a publication"],
)
def test_what_holds_on_to_one_partition_is_refused(place: Place, setup: str) -> None:
    setup = (
        "CREATE TABLE {schema}.p (i int PRIMARY KEY) PARTITION BY LIST (i); CREATE TABLE {schema}.x PARTITION OF {schema}.p DEFAULT; "
        + setup
    )
    found = _refused(place, setup, None, "{schema}.p")
    assert len(found) == 1
    assert "anew afterwards" in found[0]


def test_whom_we_cannot_become_is_said(place: Place) -> None:
    setup = (
        "CREATE VIEW other.v AS SELECT 1 FROM {t}; ALTER VIEW other.v OWNER TO belongings_other; CREATE PUBLICATION p FOR TABLE {t};"
        " GRANT REFERENCES ON {t} TO belongings_other; CREATE TABLE other.b (i bigint CONSTRAINT refers REFERENCES {t}); ALTER TABLE other.b OWNER TO belongings_other;"
        " SET LOCAL SESSION AUTHORIZATION belongings_reader"
    )
    found = _refused(place, setup, None)
    assert [each.split(", which we cannot become")[0].rsplit(" ", 1)[-1] for each in found if "which we cannot become" in each] == [
        '"belongings_owner"', '"belongings_other"', '"belongings_other"',
    ]  # fmt: skip
    assert len([each for each in found if 'the publication "p"' in each]) == 1


def test_forced_row_level_security_is_refused_to_whom_it_would_hide_rows(place: Place) -> None:
    setup = (
        "CREATE TABLE {schema}.b (i bigint REFERENCES {t}); ALTER TABLE %s FORCE ROW LEVEL SECURITY; ALTER TABLE {schema}.b OWNER TO belongings_owner;"
        " GRANT belongings_owner TO belongings_member; SET LOCAL SESSION AUTHORIZATION belongings_member"
    )
    for forced, table in (("{t}", place.table), ("{schema}.b", TableName(place.table.schema, "b"))):
        (found,) = _refused(place, setup.replace("%s", forced), None)
        assert found == (
            f'row-level security is forced on "{table}", so not even its owner sees all rows; ALTER ROLE "belongings_member" BYPASSRLS'
        )


def _refused(place: Place, setup: str, key: str | None, table: str = "{t}") -> list[str]:
    names = {
        "t": statements.named(place.table), "schema": sql.Identifier(place.table.schema), "n": sql.Identifier(place.table.name),
        "l": sql.Literal(place.table.schema), "n_l": sql.Literal(place.table.name),
    }  # fmt: skip
    with place.connection.transaction(force_rollback=True):
        place.connection.execute(sql.SQL(setup).format(**names))
        qualified = sql.SQL(table).format(**names)
        text = qualified.as_string()
        moved = place.connection.execute(
            "SELECT coalesce(pg_catalog.to_regclass(%s), pg_catalog.to_regclass(%s))::oid::bigint",
            (text, "mine." + sql.Identifier(place.table.name).as_string()),
        ).fetchone()
        assert moved is not None
        from include.postgres.belongings_refusals import refusals

        return refusals(place.connection, moved[0], key, widen=False)
