"""The whole lifecycle as a role that is no superuser, with exactly the privileges that the README lists."""

import re

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.refresh_recent_view import RefreshRecentViewOperator
from partition_operators.reindex_partition import ReindexPartitionOperator
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"


def test_a_member_of_the_owner_needs_no_more_than_create_on_the_database(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    lifecycle.sql(f"""
        CREATE ROLE owner_of_events; CREATE ROLE lifecycle LOGIN IN ROLE owner_of_events; GRANT CREATE ON DATABASE {name} TO lifecycle;
        GRANT USAGE, CREATE ON SCHEMA app TO owner_of_events; GRANT USAGE ON SCHEMA auth TO owner_of_events;
        ALTER TABLE app.events OWNER TO owner_of_events; ALTER TABLE auth.users OWNER TO owner_of_events;
        DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'app.events'::regclass
              LOOP EXECUTE format('ALTER TABLE %s OWNER TO owner_of_events', p); END LOOP; END $$;
    """)
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "lifecycle@"))
    policy = lifecycle.policy(recent_view={"name": "app.v_recent"})
    try:
        assert OLD in lifecycle.plan(policy=policy)
        lifecycle.heal()
        lifecycle.create(policy=policy)
        lifecycle.run(RefreshRecentViewOperator, policy=policy)
        lifecycle.archive_partition(OLD)
        lifecycle.detach(OLD)
        lifecycle.drop(OLD)
        lifecycle.sql(f"REVOKE CREATE ON DATABASE {name} FROM lifecycle")
        assert lifecycle.drill() == [OLD]
        assert "50 rows, compared" in lifecycle.restore(OLD, "table")
        assert "50 rows, compared" in lifecycle.restore(OLD)
        lifecycle.sql(f"DELETE FROM partition_lifecycle.hold; DROP TABLE {OLD}, {OLD}_restored")
        lifecycle.sql(
            "INSERT INTO app.events SELECT g, 1, '2026-11-01 00:00+00'::timestamptz + g * interval '20 seconds', 'x' FROM generate_series(1000, 60000) g"
        )
        lifecycle.sql("DELETE FROM app.events_p202611 WHERE mod(id, 10) <> 0")
        lifecycle.sql("VACUUM app.events_p202611")
        lifecycle.analyze()
        assert lifecycle.run(MeasureBloatOperator) == ["app.events_p202611"]
        assert len(lifecycle.run(ReindexPartitionOperator, partition="app.events_p202611")) == 2
        owners = lifecycle.sql(
            "SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p', 'v')"
        )
        assert owners == [{"owner": "owner_of_events"}]
        assert lifecycle.value("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'partition_lifecycle'") == "lifecycle"
    finally:
        lifecycle.sql("DROP OWNED BY lifecycle, owner_of_events CASCADE; DROP ROLE lifecycle, owner_of_events")


def test_with_row_level_security_forced_on_the_owner_a_role_that_bypasses_it_drops_and_restores(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    lifecycle.sql(f"""
        CREATE ROLE forced; CREATE ROLE bypasser LOGIN BYPASSRLS IN ROLE forced; GRANT CREATE ON DATABASE {name} TO bypasser;
        GRANT USAGE, CREATE ON SCHEMA app TO forced; GRANT USAGE ON SCHEMA auth TO forced; GRANT REFERENCES ON auth.users TO forced;
        ALTER TABLE app.events OWNER TO forced;
        DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'app.events'::regclass LOOP
          EXECUTE format('ALTER TABLE %s OWNER TO forced', p); EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p);
          EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p); END LOOP; END $$;
    """)
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "bypasser@"))
    try:
        lifecycle.archive_partition(OLD)
        lifecycle.detach(OLD)
        lifecycle.drop(OLD)
        assert "50 rows, compared" in lifecycle.restore(OLD)
        assert lifecycle.value("SELECT relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", OLD) is True
    finally:
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri)
        lifecycle.sql("DROP OWNED BY forced, bypasser CASCADE; DROP ROLE bypasser; DROP ROLE forced")


def mends(said: str) -> list[str]:
    """The statements that a plan names in its findings of missing privileges."""
    return re.findall(r"finding: .*? will fail: .*?: ((?:GRANT|ALTER) [^\n]*?)(?:\s+\[|$)", said, re.MULTILINE)


def test_a_plan_names_every_missing_privilege_and_when_its_statements_have_run_every_step_succeeds(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    lifecycle.sql(f"""
        CREATE ROLE "Owner of events"; CREATE ROLE stranger; CREATE ROLE newcomer LOGIN; CREATE SCHEMA views;
        REVOKE ALL ON SCHEMA app FROM PUBLIC; CREATE TYPE app.mood AS ENUM ('good'); REVOKE USAGE ON TYPE app.mood FROM PUBLIC;
        ALTER TABLE app.events ADD mood app.mood; ALTER TABLE app.events OWNER TO "Owner of events"; ALTER TABLE {OLD} OWNER TO stranger;
        DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'app.events'::regclass AND inhrelid <> '{OLD}'::regclass
              LOOP EXECUTE format('ALTER TABLE %s OWNER TO "Owner of events"', p); END LOOP; END $$;
        ALTER TABLE {OLD} ENABLE ROW LEVEL SECURITY; ALTER TABLE {OLD} FORCE ROW LEVEL SECURITY; GRANT USAGE ON SCHEMA auth TO "Owner of events";
    """)
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "newcomer@"))
    policy = lifecycle.policy(recent_view={"name": "views.recent"})
    try:
        lifecycle.plan(policy=policy)
        named = mends(capsys.readouterr().out)
        assert f"GRANT CREATE ON DATABASE {name} TO newcomer" in named
        options = " WITH SET TRUE, INHERIT TRUE" if lifecycle.version >= 16 else ""
        assert f'GRANT "Owner of events" TO newcomer{options}' in named
        assert 'GRANT USAGE ON TYPE app.mood TO "Owner of events"' in named
        assert f'ALTER TABLE {OLD} OWNER TO "Owner of events"' in named
        assert "ALTER ROLE newcomer BYPASSRLS" in named
        with pytest.raises(AirflowFailException, match=r'GRANT "Owner of events" TO newcomer'):
            lifecycle.create(policy=policy)
        assert lifecycle.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'partition_lifecycle'") == 0
        for statement in named:
            lifecycle.sql(statement)
        lifecycle.plan(policy=policy)
        assert mends(capsys.readouterr().out) == []
        lifecycle.heal(policy=policy)
        lifecycle.create(policy=policy)
        lifecycle.run(RefreshRecentViewOperator, policy=policy)
        lifecycle.expire(OLD, policy=policy)
        lifecycle.analyze(policy=policy)
        lifecycle.sql('REVOKE CREATE ON SCHEMA app FROM "Owner of events"; REVOKE INSERT ON partition_lifecycle.event FROM newcomer')
        with pytest.raises(AirflowFailException, match=r"GRANT INSERT ON partition_lifecycle.event TO newcomer"):
            lifecycle.archive_partition("app.events_p202409", policy=policy)
    finally:
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri)
        lifecycle.sql('DROP OWNED BY newcomer, "Owner of events", stranger CASCADE; DROP ROLE newcomer, "Owner of events", stranger')


@pytest.mark.parametrize("creator", ["postgres", "lifecycle", "owner_of_events"])
def test_a_new_partition_has_its_owner_and_its_siblings_privileges_whatever_defaults_anybody_has_set(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, creator: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    lifecycle.sql(f"""
        CREATE ROLE owner_of_events; CREATE ROLE lifecycle LOGIN IN ROLE owner_of_events; CREATE ROLE reader; GRANT CREATE ON DATABASE {name} TO lifecycle;
        GRANT USAGE, CREATE ON SCHEMA app TO owner_of_events; GRANT USAGE ON SCHEMA auth TO owner_of_events; ALTER TABLE app.events OWNER TO owner_of_events;
        DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'app.events'::regclass
              LOOP EXECUTE format('ALTER TABLE %s OWNER TO owner_of_events', p); END LOOP; END $$;
        GRANT SELECT ON app.events_p202611 TO reader;
        ALTER DEFAULT PRIVILEGES FOR ROLE {creator} GRANT ALL ON TABLES TO PUBLIC;
    """)
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "lifecycle@"))
    try:
        lifecycle.create(policy=lifecycle.policy(premake=1))
        found = lifecycle.sql(
            "SELECT relowner::regrole::text AS owner, relacl::text AS acl FROM pg_class WHERE oid IN ('app.events_p202611'::regclass, 'app.events_p202612'::regclass)"
        )
        assert found[0] == found[1]
    finally:
        lifecycle.sql(f"ALTER DEFAULT PRIVILEGES FOR ROLE {creator} REVOKE ALL ON TABLES FROM PUBLIC")
        lifecycle.sql("DROP OWNED BY lifecycle, owner_of_events, reader CASCADE; DROP ROLE lifecycle, owner_of_events, reader")
