"""Creating partitions: what they get, what they must not disturb, and what stops them."""

import threading
import time
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.errors import TransientError
from tests.integration.conftest import Lifecycle

UPCOMING = ["events_p202612", "events_p202701", "events_p202702"]


def test_gaps_and_upcoming_partitions_are_created_and_nothing_else(lifecycle: Lifecycle) -> None:
    before = lifecycle.partitions()
    created = lifecycle.create()
    # The gap from the oldest retained month to the present one is closed; what expired before is not made again.
    assert created[0] == "app.events_p202411"
    assert created[-3:] == [f"app.{name}" for name in UPCOMING]
    assert lifecycle.partitions() == sorted([*before, *(name.removeprefix("app.") for name in created)])
    assert lifecycle.create() == []


def test_a_row_finds_its_new_partition_and_the_bounds_are_utc_midnights(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    lifecycle.sql("INSERT INTO app.events VALUES (1, 1, '2026-12-31 23:59:59.999999+00'), (1, 1, '2027-01-01 00:00:00+00')")
    assert lifecycle.value("SELECT count(*) FROM app.events_p202612") == 1
    assert lifecycle.value("SELECT count(*) FROM app.events_p202701") == 1


def test_bounds_mean_the_same_whatever_zone_and_date_style_the_role_has(lifecycle: Lifecycle) -> None:
    lifecycle.sql("ALTER ROLE postgres SET TimeZone = 'Asia/Kathmandu'; ALTER ROLE postgres SET DateStyle = 'SQL, DMY'")
    try:
        lifecycle.create()
        with lifecycle.connect(options="-c TimeZone=UTC -c DateStyle=ISO") as connection:
            bound = connection.execute("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'events_p202612'").fetchone()
    finally:
        lifecycle.sql("ALTER ROLE postgres RESET ALL")
    assert bound == ("FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')",)


@pytest.mark.parametrize(
    ("key_type", "literal"), [("date", "2027-01-01"), ("timestamp", "2027-01-01 00:00:00"), ("timestamptz", "2026-12-31 23:00:00+00")]
)
def test_each_key_type_gets_bounds_of_its_own(lifecycle: Lifecycle, key_type: str, literal: str) -> None:
    lifecycle.sql(f"CREATE TABLE app.days (at {key_type} NOT NULL) PARTITION BY RANGE (at)")
    policy = lifecycle.policy(table="app.days", partition_key="at", timezone="Europe/Paris", premake=1)
    lifecycle.create(policy=policy, reference_date="2026-12-15")
    with lifecycle.connect(options="-c TimeZone=UTC -c DateStyle=ISO") as connection:
        bound = connection.execute("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'days_p202701'").fetchone()
    assert bound is not None
    assert bound[0].startswith(f"FOR VALUES FROM ('{literal}') TO")


def test_a_new_partition_carries_a_validated_check_on_its_bounds(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    check = lifecycle.sql(
        "SELECT convalidated, pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conname = 'events_p202612_bounds'"
    )
    assert check[0]["convalidated"]
    assert "created_at >= " in check[0]["definition"]


def parity(lifecycle: Lifecycle, name: str) -> dict[str, Any]:
    """What a partition has, with its own name left out."""
    found = lifecycle.sql(
        """
        SELECT c.relowner::regrole::text AS owner, c.reloptions, c.relreplident, c.relacl::text AS privileges,
               (SELECT array_agg(regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', '')) FROM pg_index i WHERE i.indrelid = c.oid)
                 AS indexes,
               (SELECT array_agg(k.contype::text || pg_get_constraintdef(k.oid)) FROM pg_constraint k
                 WHERE k.conrelid = c.oid AND k.contype NOT IN ('c', 'n')) AS constraints,
               (SELECT array_agg(t.tgname || ' ' || t.tgenabled::text) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS triggers,
               (SELECT count(*) FROM pg_statistic_ext s WHERE s.stxrelid = c.oid) AS statistics,
               (SELECT array_agg(col_description(c.oid, a.attnum) ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)
                 AS comments,
               (SELECT array_agg(a.attacl::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS column_privileges
          FROM pg_class c WHERE c.oid = %s::regclass""",
        name,
    )[0]
    return {
        key: sorted(value, key=str) if key in ("indexes", "constraints", "triggers") and value else value for key, value in found.items()
    }


def test_a_new_partition_has_what_its_newest_sibling_has(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE ROLE keeper; CREATE ROLE reader;
        GRANT ALL ON SCHEMA app, auth TO keeper; GRANT REFERENCES ON auth.users TO keeper;
        ALTER TABLE app.events OWNER TO keeper; ALTER TABLE app.events_p202611 OWNER TO keeper;
        GRANT SELECT ON app.events_p202611 TO reader WITH GRANT OPTION; GRANT INSERT ON app.events_p202611 TO PUBLIC;
        GRANT UPDATE (note) ON app.events_p202611 TO reader;
        ALTER TABLE app.events_p202611 SET (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
        CREATE INDEX events_p202611_note_idx ON app.events_p202611 (lower(note)) WHERE note <> 'it''s {odd} %';
        ALTER TABLE app.events_p202611 ADD CONSTRAINT events_p202611_once UNIQUE (id, user_id);
        CREATE STATISTICS app.events_p202611_dependencies (dependencies) ON id, user_id FROM app.events_p202611;
        CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        GRANT EXECUTE ON FUNCTION app.nothing() TO keeper;
        CREATE TRIGGER of_parent BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.nothing();
        CREATE TRIGGER of_sibling BEFORE UPDATE OF note ON app.events_p202611 FOR EACH ROW EXECUTE FUNCTION app.nothing();
        ALTER TABLE app.events_p202611 REPLICA IDENTITY USING INDEX events_p202611_pkey;
        COMMENT ON COLUMN app.events.note IS 'what was noted'; COMMENT ON COLUMN app.events_p202611.note IS 'what was noted';
    """)
    try:
        lifecycle.create()
        assert parity(lifecycle, "app.events_p202612") == parity(lifecycle, "app.events_p202611")
        identity = lifecycle.value(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indrelid = 'app.events_p202612'::regclass AND i.indisreplident"
        )
        assert identity == "events_p202612_pkey"
        assert lifecycle.exists("app.events_p202612_note_idx")
    finally:
        lifecycle.sql("DROP OWNED BY keeper, reader CASCADE; DROP ROLE keeper, reader")


def test_a_table_that_has_no_partition_yet_gets_its_first_ones(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.fresh (at timestamptz NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY) PARTITION BY RANGE (at)")
    created = lifecycle.create(policy=lifecycle.policy(table="app.fresh", partition_key="at", premake=2))
    assert created == ["app.fresh_p202611", "app.fresh_p202612", "app.fresh_p202701"]
    lifecycle.sql("INSERT INTO app.fresh (at) VALUES ('2026-11-05'), ('2026-12-05')")


def test_a_hostile_name_is_only_a_name(lifecycle: Lifecycle) -> None:
    lifecycle.sql(
        """CREATE SCHEMA "A.b"; CREATE TABLE "A.b"."it's ""a""; DROP TABLE x" ("the Key" timestamptz NOT NULL) PARTITION BY RANGE ("the Key")"""
    )
    policy = lifecycle.policy(table='"A.b"."it\'s ""a""; DROP TABLE x"', partition_key="the Key", premake=1)
    created = lifecycle.create(policy=policy)
    assert created == ['"A.b"."it\'s ""a""; DROP TABLE x_p202611"', '"A.b"."it\'s ""a""; DROP TABLE x_p202612"']


def test_an_existing_partition_with_other_bounds_is_clipped_around(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.by_hand PARTITION OF app.events FOR VALUES FROM ('2026-12-10 00:00+00') TO ('2027-01-20 12:00+00')")
    lifecycle.create()
    found = lifecycle.sql(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'app.events'::regclass AND c.relname ~ 'p2026(12)|p2027' ORDER BY 1"
    )
    assert [each["relname"] for each in found] == ["events_p202612", "events_p202701", "events_p202702"]
    assert lifecycle.value("SELECT count(*) FROM pg_class WHERE relname = 'by_hand'") == 1
    lifecycle.sql("INSERT INTO app.events VALUES (1, 1, '2026-12-09'), (1, 1, '2026-12-10'), (1, 1, '2027-01-21'), (1, 1, '2027-02-28')")


def test_a_taken_name_fails_by_name_and_the_others_are_created(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE VIEW app.events_p202612 AS SELECT 1 AS one")
    with pytest.raises(AirflowFailException, match=r'"app.events_p202612" cannot be created .* taken by a view'):
        lifecycle.create()
    assert "events_p202701" in lifecycle.partitions()
    assert lifecycle.value("SELECT count(*) FROM pg_class WHERE relname = 'events_p202612'") == 1


TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM partition_lifecycle.event WHERE action = 'create' AND outcome = 'done'"


def test_partitions_share_a_transaction_only_where_their_attach_makes_nobody_wait(lifecycle: Lifecycle) -> None:
    created = lifecycle.create()
    assert len(created) == lifecycle.value(TRANSACTIONS) == 26
    lifecycle.sql("ALTER TABLE app.events DROP CONSTRAINT events_user_id_fkey")
    assert len(lifecycle.create(policy=lifecycle.policy(premake=28))) == 25
    assert lifecycle.value(TRANSACTIONS) == 26 + 2


def test_one_that_cannot_be_made_does_not_stop_those_that_share_its_transaction(lifecycle: Lifecycle) -> None:
    lifecycle.sql(
        "ALTER TABLE app.events DROP CONSTRAINT events_user_id_fkey;"
        "CREATE FUNCTION app.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        "  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'app.events_p202701') THEN"
        "    RAISE EXCEPTION 'not this one'; END IF; END $$;"
        "CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION app.refuse()"
    )
    with pytest.raises(AirflowFailException, match=r'create partition "app.events_p202701" of "app.events": not this one') as failure:
        lifecycle.create()
    assert "events_p202612" not in str(failure.value)
    assert {"events_p202612", "events_p202702"} <= set(lifecycle.partitions())
    assert not lifecycle.exists("app.events_p202701")


def test_a_typo_in_the_reference_date_creates_nothing(lifecycle: Lifecycle) -> None:
    before = lifecycle.partitions()
    with pytest.raises(AirflowFailException, match=r"max_creates_per_run"):
        lifecycle.create(reference_date="2205-11-22")
    assert lifecycle.partitions() == before


def test_rows_in_the_default_partition_stop_only_their_own_month(lifecycle: Lifecycle) -> None:
    lifecycle.create(policy=lifecycle.policy(premake=1))
    lifecycle.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT; INSERT INTO app.events VALUES (1, 1, '2027-01-05')")
    with pytest.raises(AirflowFailException, match=r"rows in the DEFAULT partition .* belong into the new one"):
        lifecycle.create()
    assert "events_p202702" in lifecycle.partitions()
    assert not lifecycle.exists("app.events_p202701")


def test_a_reader_and_a_writer_of_the_parent_do_not_hold_it_up(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as reader, lifecycle.connect() as writer:
        reader.execute("SELECT count(*) FROM app.events")
        writer.execute("INSERT INTO app.events (id, created_at) VALUES (9, '2026-11-11')")
        begun = time.monotonic()
        assert "app.events_p202612" in lifecycle.create()
        assert time.monotonic() - begun < 10


def test_a_lock_that_is_not_granted_is_a_transient_error_that_names_the_holder(lifecycle: Lifecycle) -> None:
    with lifecycle.connect(application_name="greedy") as holder:
        holder.execute("LOCK TABLE app.events IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(TransientError, match=r"no lock within 100 ms in 3 attempts; blocked by pid .*greedy"):
            lifecycle.create(policy=lifecycle.policy(premake=1, retention=None, archive=None))
    # Nothing half-made stays behind.
    assert not lifecycle.exists("app.events_p202612")


def test_a_failure_half_way_leaves_no_stray_table(lifecycle: Lifecycle) -> None:
    # The last statement, ATTACH, fails: the range is taken by a partition that the plan could not know of yet.
    lifecycle.sql("""
        CREATE FUNCTION app.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
          IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'ALTER TABLE' AND object_identity = 'app.events')
          THEN RAISE EXCEPTION 'stopped at attach'; END IF; END $$;
        CREATE EVENT TRIGGER stop ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION app.stop();
    """)
    before = lifecycle.value("SELECT count(*) FROM pg_class")
    with pytest.raises(AirflowFailException, match=r"stopped at attach"):
        lifecycle.create()
    ledger = lifecycle.value(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'partition_lifecycle'"
    )
    toast_of_ledger = lifecycle.value(
        "SELECT count(*) FROM pg_class t WHERE t.oid IN (SELECT c.reltoastrelid FROM pg_class c WHERE c.relnamespace = 'partition_lifecycle'::regnamespace)"
        " OR t.oid IN (SELECT i.indexrelid FROM pg_index i JOIN pg_class c ON c.reltoastrelid = i.indrelid"
        " WHERE c.relnamespace = 'partition_lifecycle'::regnamespace)"
    )
    assert lifecycle.value("SELECT count(*) FROM pg_class") == before + ledger + toast_of_ledger


def test_a_sibling_that_is_closed_by_row_level_security_has_no_open_successor(lifecycle: Lifecycle) -> None:
    lifecycle.sql("ALTER TABLE app.events_p202611 ENABLE ROW LEVEL SECURITY; ALTER TABLE app.events_p202611 FORCE ROW LEVEL SECURITY")
    lifecycle.create()
    assert lifecycle.sql("SELECT relrowsecurity AS a, relforcerowsecurity AS b FROM pg_class WHERE relname = 'events_p202612'") == [
        {"a": True, "b": True}
    ]


def test_a_type_that_has_the_name_is_named(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TYPE app.events_p202612 AS ENUM ('a')")
    with pytest.raises(AirflowFailException, match=r"the name is taken by a type"):
        lifecycle.create()


def test_two_creations_at_once_take_turns_and_both_succeed(lifecycle: Lifecycle) -> None:
    found: list[object] = []

    def create() -> None:
        try:
            found.append(len(lifecycle.create()))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            found.append(error)

    threads = [threading.Thread(target=create) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == [0, 0, 26]


def test_dry_run_changes_nothing_at_all(lifecycle: Lifecycle) -> None:
    before = lifecycle.value("SELECT count(*) FROM pg_class")
    assert "app.events_p202612" in lifecycle.create(dry_run="True")
    assert lifecycle.value("SELECT count(*) FROM pg_class") == before


def test_a_role_that_does_not_own_the_table_is_told_so(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    lifecycle.sql(f"CREATE ROLE nobody_special LOGIN; GRANT CREATE ON DATABASE {name} TO nobody_special")
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "nobody_special@"))
    try:
        with pytest.raises(AirflowFailException, match=r"may not become .*: GRANT postgres TO nobody_special"):
            lifecycle.create()
    finally:
        lifecycle.sql("DROP OWNED BY nobody_special; DROP ROLE nobody_special")
