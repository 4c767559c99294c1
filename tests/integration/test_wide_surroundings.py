"""What lies around a table: tablespaces, event triggers, no partition at all, and very many."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from partition_operators.measure_bloat import MeasureBloatOperator
from tests.integration.anatomy import anatomy
from tests.integration.conftest import Lifecycle

NOW, NEXT = "app.events_p202611", "app.events_p202612"
MANY = 2_000
"""Partitions; the server takes a time that grows with the square of their number to make them, most of the test's."""

SOON: dict[str, Any] = {"retention": "1 month", "premake": 1}


@pytest.fixture
def tablespace(lifecycle: Lifecycle) -> Iterator[str]:
    """Name of a tablespace, which is gone with what lies in it."""
    name = f"wide_{uuid.uuid4().hex[:8]}"
    with lifecycle.connect(autocommit=True) as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute(f"CREATE TABLESPACE {name} LOCATION ''".encode())
    yield name
    lifecycle.sql("DROP TABLE app.events CASCADE")
    lifecycle.sql(f"DROP TABLESPACE {name}")


def places(lifecycle: Lifecycle) -> dict[str, str]:
    found = lifecycle.sql(
        "SELECT relname, spcname FROM pg_class c JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE relkind = 'r' AND relname LIKE 'events%%'"
    )
    return {each["relname"]: each["spcname"] for each in found}


def test_a_new_partition_lies_where_its_sibling_lies(lifecycle: Lifecycle, tablespace: str) -> None:
    lifecycle.sql(f"ALTER TABLE {NOW} SET TABLESPACE {tablespace}")
    lifecycle.create(policy=lifecycle.policy(**SOON))
    assert places(lifecycle) == {"events_p202611": tablespace, "events_p202612": tablespace}
    assert anatomy(lifecycle, NEXT) == anatomy(lifecycle, NOW)


def test_the_parent_s_tablespace_is_for_partitions_to_come(lifecycle: Lifecycle, tablespace: str) -> None:
    lifecycle.sql(f"ALTER TABLE app.events SET TABLESPACE {tablespace}")
    lifecycle.create(policy=lifecycle.policy(**SOON))
    assert places(lifecycle) == {"events_p202612": tablespace}
    assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.event WHERE outcome = 'differs'") == 0


def test_an_index_in_a_tablespace_of_its_own_is_named_where_it_is_not_copied(lifecycle: Lifecycle, tablespace: str) -> None:
    lifecycle.sql(f"ALTER INDEX {NOW}_pkey SET TABLESPACE {tablespace}")
    lifecycle.create(policy=lifecycle.policy(**SOON))
    assert lifecycle.value("SELECT detail FROM partition_lifecycle.event WHERE outcome = 'differs'") == (
        f'the index UNIQUE btree (id, created_at) is valid on "{NEXT}", but valid, in tablespace {tablespace} on "{NOW}"'
    )


def test_an_event_trigger_that_logs_is_no_hindrance(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE TABLE public.ddl (tag text, object text);
        CREATE FUNCTION public.note_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
          INSERT INTO public.ddl SELECT command_tag, object_identity FROM pg_event_trigger_ddl_commands(); END $$;
        CREATE FUNCTION public.note_drop() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
          INSERT INTO public.ddl SELECT 'DROP', object_identity FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table'; END $$;
        CREATE EVENT TRIGGER noting ON ddl_command_end EXECUTE FUNCTION public.note_ddl();
        CREATE EVENT TRIGGER dropping ON sql_drop EXECUTE FUNCTION public.note_drop();
    """)
    policy = lifecycle.policy(premake=1)
    assert NEXT in lifecycle.create(policy=policy)
    lifecycle.expire("app.events_p202408", policy=policy)
    assert lifecycle.analyze(policy=policy)
    noted = {(each["tag"], each["object"]) for each in lifecycle.sql("SELECT * FROM public.ddl")}
    assert {("CREATE TABLE", NEXT), ("ALTER TABLE", "app.events"), ("DROP", "app.events_p202408")} <= noted


def test_an_event_trigger_that_raises_is_named_and_leaves_nothing_behind(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE FUNCTION public.stay() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
          IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'app') THEN RAISE EXCEPTION 'no tables before the audit'; END IF; END $$;
        CREATE EVENT TRIGGER freezing ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.stay();
    """)
    expected = (
        r'create partition "app\.events_p202612" of "app\.events": no tables before the audit; raised on purpose by PL/pgSQL function '
        r"public\.stay\(\) line 2 at RAISE: ask whoever wrote that, it may be an event trigger"
    )
    with pytest.raises(AirflowFailException, match=expected):
        lifecycle.create(policy=lifecycle.policy(**SOON))
    assert not lifecycle.exists(NEXT)
    lifecycle.sql("ALTER EVENT TRIGGER freezing DISABLE")
    assert lifecycle.create(policy=lifecycle.policy(**SOON)) == [NEXT]


def test_a_parent_without_a_partition_passes_every_step_and_gives_what_it_says(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE TABLE app.empty (id bigint NOT NULL, created_at timestamptz NOT NULL, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
        ALTER TABLE app.empty REPLICA IDENTITY USING INDEX empty_pkey; ALTER TABLE app.empty ALTER id SET STATISTICS 50;
    """)
    policy = lifecycle.policy(table="app.empty", **SOON)
    assert lifecycle.plan(policy=policy) == []
    assert lifecycle.heal(policy=policy) == []
    assert lifecycle.run(MeasureBloatOperator, policy=policy) == []
    lifecycle.analyze(policy=policy)
    assert lifecycle.create(policy=policy) == ["app.empty_p202611", "app.empty_p202612"]
    assert lifecycle.value("SELECT relreplident FROM pg_class WHERE relname = 'empty_p202612'") == "i"
    assert lifecycle.value("SELECT attstattarget FROM pg_attribute WHERE attrelid = 'app.empty_p202612'::regclass AND attname = 'id'") == 50
    assert lifecycle.plan(policy=policy) == []


def test_a_replica_identity_whose_index_is_gone_stops_no_creation(lifecycle: Lifecycle) -> None:
    lifecycle.sql(f"CREATE UNIQUE INDEX own ON {NOW} (id); ALTER TABLE {NOW} REPLICA IDENTITY USING INDEX own; DROP INDEX app.own")
    assert lifecycle.create(policy=lifecycle.policy(**SOON)) == [NEXT]
    assert lifecycle.value("SELECT detail FROM partition_lifecycle.event WHERE outcome = 'differs'") == (
        f'the replica identity is default on "{NEXT}", but an index that is gone on "{NOW}"'
    )


@pytest.mark.slow
def test_thousands_of_partitions_are_planned_and_added_to_in_sensible_time(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.many (id bigint NOT NULL, created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)")
    lifecycle.sql(f"""DO $$ BEGIN FOR d IN 0..{MANY - 1} LOOP
        EXECUTE format('CREATE TABLE app.many_p%s PARTITION OF app.many FOR VALUES FROM (%L) TO (%L)', to_char(date '2026-11-22' - d, 'YYYYMMDD'),
          (date '2026-11-22' - d)::timestamp AT TIME ZONE 'UTC', (date '2026-11-23' - d)::timestamp AT TIME ZONE 'UTC'); END LOOP; END $$""")
    policy = lifecycle.policy(table="app.many", interval="day", premake=30, retention="14 years")
    begun = time.monotonic()
    assert lifecycle.plan(policy=policy) == []
    planned = time.monotonic()
    assert len(lifecycle.create(policy=policy)) == 30
    created = time.monotonic()
    assert planned - begun < 20
    assert created - planned < 60
