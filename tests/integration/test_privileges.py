"""The whole lifecycle as a role that is no superuser, with exactly the privileges that the README lists."""

import psycopg
import pytest

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
