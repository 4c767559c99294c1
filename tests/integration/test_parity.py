"""What is said of partitions that are not alike, by the plan and after a creation."""

import re

import pytest

from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from include.postgres import catalog, queries
from include.postgres.parity import report
from include.postgres.session import prepare
from tests.integration.conftest import Lifecycle

NOW, NEXT = "app.events_p202611", "app.events_p202612"

DIFFERENCES = [
    ("CREATE INDEX ON {now} (lower(note)) WHERE id > 1", 'the index btree (lower(note)) WHERE (id > 1) of "{now}" is missing on "{next}"'),
    ("CREATE UNIQUE INDEX ON {next} (id)", 'the index UNIQUE btree (id) is on "{next}", but not on "{now}"'),
    ("ALTER TABLE {now} REPLICA IDENTITY FULL", 'the replica identity is default on "{next}", but full on "{now}"'),
    ("ALTER TABLE {now} REPLICA IDENTITY USING INDEX events_p202611_pkey", 'the replica identity is default on "{next}", but index UNIQUE btree (id, created_at) on "{now}"'),
    ("GRANT SELECT ON {now} TO pg_monitor WITH GRANT OPTION", 'the privilege SELECT of pg_monitor of "{now}" is missing on "{next}"'),
    ("GRANT UPDATE (note) ON {next} TO PUBLIC", 'the privilege UPDATE of column "note" of PUBLIC is on "{next}", but not on "{now}"'),
    ("REVOKE DELETE ON {next} FROM postgres", 'the privilege DELETE of the owner of "{now}" is missing on "{next}"'),
    ("ALTER TABLE {now} ENABLE ROW LEVEL SECURITY", 'the row-level security is off on "{next}", but on on "{now}"'),
    ("CREATE POLICY few ON {now} FOR SELECT USING (id > 1)", 'the policy few PERMISSIVE FOR SELECT TO PUBLIC USING (id > 1) of "{now}" is missing on "{next}"'),
    ("ALTER TABLE {now} DISABLE TRIGGER of_parent", 'the trigger of_parent BEFORE INSERT FOR EACH ROW EXECUTE FUNCTION app.nothing() is enabled on "{next}", but disabled on "{now}"'),
    ("CREATE TRIGGER own AFTER DELETE ON {now} FOR EACH ROW EXECUTE FUNCTION app.nothing()", 'the trigger own AFTER DELETE FOR EACH ROW EXECUTE FUNCTION app.nothing() of "{now}" is missing on "{next}"'),
    ("ALTER TABLE {next} SET (fillfactor = 50)", 'the storage parameter fillfactor is on "{next}", but not on "{now}"'),
    ("ALTER TABLE {now} SET (toast.autovacuum_enabled = off)", 'the storage parameter toast.autovacuum_enabled of "{now}" is missing on "{next}"'),
    ("ALTER TABLE {now} ALTER note SET STORAGE EXTERNAL", 'the storage of column "note" is extended on "{next}", but external on "{now}"'),
    ("ALTER TABLE {now} ALTER id SET STATISTICS 900", 'the statistics target of column "id" is not set on "{next}", but 900 on "{now}"'),
    ("ALTER TABLE {next} ALTER note SET DEFAULT 'x'", 'the default of column "note" is \'x\'::text on "{next}", but not set on "{now}"'),
    ("ALTER TABLE {now} ADD CHECK (id > 0)", 'the constraint CHECK ((id > 0)) of "{now}" is missing on "{next}"'),
    ("ALTER TABLE {now} ADD FOREIGN KEY (id) REFERENCES app.many NOT VALID", 'the constraint FOREIGN KEY (id) REFERENCES app.many(id) NOT VALID of "{now}" is missing on "{next}"'),
    ("CREATE STATISTICS app.s (mcv) ON id, note FROM {now}", 'the statistics object mcv ON id, note of "{now}" is missing on "{next}"'),
    ("CREATE PUBLICATION news FOR TABLE {now}", 'the place in publication news of "{now}" is missing on "{next}"'),
    ("COMMENT ON TABLE {now} IS 'November'", 'the comment on table of "{now}" is missing on "{next}"'),
    ("COMMENT ON INDEX {now}_pkey IS 'key'", 'the comment on index UNIQUE btree (id, created_at) of "{now}" is missing on "{next}"'),
    ("ALTER TABLE {next} SET UNLOGGED", 'the persistence is unlogged on "{next}", but logged on "{now}"'),
    ("CREATE RULE quiet AS ON UPDATE TO {now} DO ALSO NOTHING", 'the rule quiet of "{now}" is missing on "{next}"'),
]  # fmt: skip


@pytest.fixture
def made(lifecycle: Lifecycle) -> Lifecycle:
    """The small table with the next month made, a trigger, and a table to refer to."""
    lifecycle.sql("""
        CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER of_parent BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.nothing();
        CREATE TABLE app.many (id bigint PRIMARY KEY);
    """)
    lifecycle.create(policy=policy_of(lifecycle))
    return lifecycle


def findings(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the plan says of upcoming partitions, one sentence each."""
    capsys.readouterr()
    lifecycle.plan(policy=policy_of(lifecycle))
    return re.findall(r"finding: (the .*?)\s+\[airflow", capsys.readouterr().out)


def policy_of(lifecycle: Lifecycle) -> PartitionPolicy:
    return lifecycle.policy(premake=3, retention="1 month")


def test_each_difference_is_one_sentence(made: Lifecycle) -> None:
    with made.connect() as connection:
        prepare(connection, "test")
        table = catalog.read_table(connection, policy_of(made))
        sibling, partition = (table.partition(TableName.parse(name)) for name in (NOW, NEXT))
        assert sibling is not None
        assert partition is not None
        assert report(connection, table, [partition], sibling) == []
        for statement, expected in DIFFERENCES:
            with connection.transaction(force_rollback=True):
                connection.execute(statement.format(now=NOW, next=NEXT).encode())
                assert report(connection, table, [partition], sibling) == [expected.format(now=NOW, next=NEXT)], statement


def test_the_plan_says_once_what_several_upcoming_partitions_lack(made: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    assert findings(made, capsys) == []
    made.sql(f"CREATE INDEX ON {NOW} (note)")
    made.sql("CREATE INDEX ON app.events_p202612 (note)")
    assert findings(made, capsys) == [
        'the index btree (note) of "app.events_p202611" is missing on "app.events_p202701", "app.events_p202702"'
    ]


def test_partitions_of_the_past_and_other_kinds_of_partitions_are_not_compared(made: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    made.sql("""
        CREATE INDEX ON app.events_p202610 (note);
        CREATE TABLE app.events_default PARTITION OF app.events DEFAULT; CREATE INDEX ON app.events_default (note);
        CREATE TABLE app.deep PARTITION OF app.events FOR VALUES FROM ('2028-01-01 00:00+00') TO ('2028-02-01 00:00+00') PARTITION BY RANGE (created_at);
    """)
    assert findings(made, capsys) == []


def test_what_only_the_parent_says_of_partitions_to_come_is_no_difference(made: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    made.sql("""
        ALTER TABLE ONLY app.events ALTER note SET STORAGE EXTERNAL; ALTER TABLE app.events ALTER note SET COMPRESSION pglz;
        COMMENT ON COLUMN app.events.note IS 'noted'; DROP TABLE app.events_p202702;
    """)
    made.create(policy=policy_of(made))
    column = made.sql(
        "SELECT attstorage AS storage, attcompression AS compression FROM pg_attribute WHERE attrelid = 'app.events_p202702'::regclass AND attname = 'note'"
    )
    assert column == [{"storage": "e", "compression": "p"}]
    assert made.value("SELECT count(*) FROM partition_lifecycle.event WHERE outcome = 'differs'") == 0
    assert findings(made, capsys) == []


def test_what_a_creation_cannot_copy_is_a_warning_and_an_event_and_no_failure(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle.sql(f"ALTER TABLE {NOW} ADD CHECK (id > 0); COMMENT ON TABLE {NOW} IS 'November'")
    lifecycle.create(policy=policy_of(lifecycle))
    events = lifecycle.sql("SELECT detail FROM partition_lifecycle.event WHERE action = 'create' AND outcome = 'differs' ORDER BY detail")
    names = '"app.events_p202612", "app.events_p202701", "app.events_p202702"'
    expected = [
        f'the comment on table of "{NOW}" is missing on {names}',
        f'the constraint CHECK ((id > 0)) of "{NOW}" is missing on {names}',
    ]
    assert [each["detail"] for each in events] == expected
    said = capsys.readouterr().out
    assert all(line in said for line in expected)


def test_a_comparison_that_fails_stops_no_creation(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = queries.query
    monkeypatch.setattr(queries, "query", lambda name: b"SELECT 1/0" if name == "traits" else real(name))
    assert NEXT in lifecycle.create(policy=policy_of(lifecycle))
    assert "not compared: compare the new partitions with their sibling: division by zero" in capsys.readouterr().out


def test_options_that_the_server_keeps_for_itself_are_neither_copied_nor_compared(lifecycle: Lifecycle) -> None:
    """PostgreSQL 15.20 has a pg_attver for each column, which is other for each table and cannot be set."""
    lifecycle.sql("ALTER TABLE app.events_p202611 ALTER user_id SET (n_distinct = 7)")
    lifecycle.sql(
        "UPDATE pg_attribute SET attoptions = attoptions || '{pg_attver=7}' WHERE attrelid = 'app.events_p202611'::regclass AND attnum > 0"
    )
    lifecycle.create(policy=lifecycle.policy(premake=1))
    options = "SELECT attoptions FROM pg_attribute WHERE attrelid = 'app.events_p202612'::regclass AND attname = 'user_id'"
    assert lifecycle.value(options) == ["n_distinct=7"]
    assert lifecycle.sql("SELECT detail FROM partition_lifecycle.event WHERE outcome = 'differs'") == []
