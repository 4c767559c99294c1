"""What a drain moves, what it leaves as it was, what it waits for and what it refuses."""

import threading
import time
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import errors

from include.partitioning.errors import WaitTooLongError
from include.postgres import drain_refusals, draining
from include.postgres.drain_copy import Copy
from include.postgres.draining import Drainer
from tests.integration.conftest import Lifecycle

LOST = """
CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
INSERT INTO app.events SELECT g, 1 + g % 10, CASE WHEN g % 2 = 0 THEN timestamptz '2026-12-05 00:00+00' ELSE '2020-02-02 00:00+00' END, 'row ' || g
  FROM generate_series(1, 40) g;
"""


def drain(lifecycle: Lifecycle, **policy: Any) -> list[str]:
    return lifecycle.drain(policy=lifecycle.policy(default_partition="drain", **policy))


def strays(lifecycle: Lifecycle) -> list[str]:
    """What a drain could leave behind: schemas and triggers."""
    found = lifecycle.sql(
        "SELECT nspname AS name FROM pg_namespace WHERE nspname ~ '^partition_lifecycle_drain(ed)?_'"
        " UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '00%%'"
    )
    return [each["name"] for each in found]


def test_old_rows_expire_by_the_ordinary_way_once_they_have_partitions(lifecycle: Lifecycle) -> None:
    lifecycle.sql(LOST)
    assert drain(lifecycle) == ["app.events_p202002", "app.events_p202612"]
    assert "app.events_p202002" in lifecycle.plan()
    lifecycle.expire("app.events_p202002")
    assert not lifecycle.exists("app.events_p202002")
    assert lifecycle.value("SELECT count(*) FROM app.events WHERE created_at < '2021-01-01'") == 0
    event = lifecycle.sql("SELECT rows, detail FROM partition_lifecycle.event WHERE action = 'drain' AND outcome = 'done'")
    assert event == [{"rows": 40, "detail": "moved to 2 partitions"}]


def test_nothing_is_moved_unless_the_policy_says_so(lifecycle: Lifecycle) -> None:
    lifecycle.sql(LOST)
    assert lifecycle.drain() == []
    assert lifecycle.drain(policy=lifecycle.policy(default_partition="drain"), dry_run=True) == ["app.events_p202002", "app.events_p202612"]
    assert lifecycle.value("SELECT count(*) FROM app.events_default") == 40


@pytest.mark.parametrize("checked_by_attach", [draining.MOST_CHECKED_BY_ATTACH, 0])
def test_what_the_old_default_had_the_new_one_and_the_partitions_have(
    lifecycle: Lifecycle, checked_by_attach: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "MOST_CHECKED_BY_ATTACH", checked_by_attach)
    lifecycle.sql(LOST)
    lifecycle.sql("""
        CREATE ROLE reader;
        GRANT SELECT ON app.events_default TO reader; GRANT INSERT ON app.events_p202611 TO reader;
        CREATE TABLE app.log (what text);
        CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.log VALUES (TG_NAME); RETURN NEW; END $$;
        CREATE TRIGGER of_parent AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.note();
        CREATE TRIGGER of_default AFTER INSERT ON app.events_default FOR EACH ROW EXECUTE FUNCTION app.note();
        CREATE TRIGGER of_sibling AFTER INSERT ON app.events_p202611 FOR EACH ROW EXECUTE FUNCTION app.note();
        CREATE INDEX events_default_note_idx ON app.events_default (note); CREATE INDEX events_p202611_note_idx ON app.events_p202611 (note);
        CREATE STATISTICS app.events_default_stat ON id, user_id FROM app.events_default;
        ALTER TABLE app.events_default ADD CONSTRAINT short CHECK (length(note) < 100); ALTER TABLE app.events_default SET (fillfactor = 70);
    """)
    before = described(lifecycle, "app.events_default")
    try:
        drain(lifecycle)
        assert described(lifecycle, "app.events_default") == before
        assert lifecycle.value("SELECT count(*) FROM app.log") == 0
        assert lifecycle.exists("app.events_p202612_note_idx")
        assert lifecycle.value("SELECT has_table_privilege('reader', 'app.events_p202612', 'INSERT')") is True
        lifecycle.sql("INSERT INTO app.events VALUES (1000, 1, '2026-12-24'), (1001, 1, '2300-01-01')")
        assert [each["what"] for each in lifecycle.sql("SELECT what FROM app.log ORDER BY 1")] == [
            "of_default",
            "of_parent",
            "of_parent",
            "of_sibling",
        ]
        with pytest.raises(errors.ForeignKeyViolation):
            lifecycle.sql("INSERT INTO app.events VALUES (1002, 99, '2026-12-24')")
        lifecycle.sql("DELETE FROM auth.users WHERE id = 1")
        assert lifecycle.value("SELECT count(*) FROM app.events WHERE user_id = 1") == 0
        assert strays(lifecycle) == []
    finally:
        lifecycle.sql("DROP OWNED BY reader; DROP ROLE reader")


def described(lifecycle: Lifecycle, table: str) -> dict[str, Any]:
    return lifecycle.sql(
        """
        SELECT c.relacl::text, c.reloptions, c.relowner::regrole::text,
               (SELECT array_agg(pg_get_indexdef(i.indexrelid) ORDER BY pg_get_indexdef(i.indexrelid)) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
               (SELECT array_agg(k.contype::text || pg_get_constraintdef(k.oid) ORDER BY pg_get_constraintdef(k.oid)) FROM pg_constraint k WHERE k.conrelid = c.oid) AS constraints,
               (SELECT array_agg(pg_get_triggerdef(t.oid) ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS triggers,
               (SELECT array_agg(pg_get_statisticsobjdef(s.oid) ORDER BY s.stxname) FROM pg_statistic_ext s WHERE s.stxrelid = c.oid) AS statistics
          FROM pg_class c WHERE c.oid = %s::regclass""",
        table,
    )[0]


def test_generated_identity_and_odd_columns_keep_their_values(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE SCHEMA "A {b}"; CREATE TYPE app.mood AS ENUM ('sad', 'fine');
        CREATE TABLE "A {b}"."it's %s" (id bigint GENERATED ALWAYS AS IDENTITY, "the {} Key" timestamptz NOT NULL, twice bigint GENERATED ALWAYS AS (id * 2) STORED,
          mood app.mood, doc json, place point, amount float8, "old" text, gone int) PARTITION BY RANGE ("the {} Key");
        ALTER TABLE "A {b}"."it's %s" DROP COLUMN gone;
        CREATE TABLE "A {b}"."the rest" ("old" text, place point, doc json, mood app.mood, amount float8, "the {} Key" timestamptz NOT NULL, id bigint NOT NULL,
          twice bigint GENERATED ALWAYS AS (id * 2) STORED);
        ALTER TABLE "A {b}"."it's %s" ATTACH PARTITION "A {b}"."the rest" DEFAULT;
        INSERT INTO "A {b}"."it's %s" ("the {} Key", mood, doc, place, amount, "old") SELECT '2026-12-05', 'fine', '{"a": 1}', '(1,2)', '-0', repeat('x', 9000) FROM generate_series(1, 3);
    """)  # fmt: skip
    policy = {"table": '"A {b}"."it\'s %s"', "partition_key": "the {} Key"}
    text = """SELECT t::text AS text FROM "A {b}"."it's %s" t ORDER BY id"""
    before = lifecycle.sql(text)
    assert drain(lifecycle, **policy) == ['"A {b}"."it\'s %s_p202612"']
    assert lifecycle.sql(text) == before
    lifecycle.sql("""INSERT INTO "A {b}"."it's %s" ("the {} Key") VALUES ('2026-12-06')""")
    assert lifecycle.value("""SELECT max(id * 100 + twice) FROM "A {b}"."it's %s" """) == 408


@pytest.mark.parametrize(
    ("obstacle", "said"),
    [
        ("CREATE TABLE app.mentions (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES app.events)", 'the foreign key "mentions_id_at_fkey" of app.mentions refers'),
        ("CREATE PUBLICATION everything FOR TABLE app.events WITH (publish_via_partition_root)", 'it is published by "everything"'),
        ("CREATE VIEW app.lost AS SELECT * FROM app.events_default", "the view app.lost reads it"),
        ("ALTER TABLE app.events_default FORCE ROW LEVEL SECURITY", "row-level security is forced on app.events_default"),
        ("CREATE POLICY mine ON app.events_default USING (true)", 'it has the policy "mine"'),
        ("ALTER TABLE app.events ADD UNIQUE (id, user_id, created_at) DEFERRABLE", "is deferrable or excludes"),
        ("ALTER TABLE app.events_default DISABLE TRIGGER of_default", 'the trigger "of_default" is not enabled as usual'),
        ("CREATE SEQUENCE app.numbers OWNED BY app.events_default.id", "the sequence app.numbers belongs to it"),
    ],
)  # fmt: skip
def test_what_would_not_survive_is_refused_and_nothing_is_touched(lifecycle: Lifecycle, obstacle: str, said: str) -> None:
    lifecycle.sql(LOST)
    lifecycle.sql("""
        CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
        CREATE TRIGGER of_default AFTER INSERT ON app.events_default FOR EACH ROW EXECUTE FUNCTION app.nothing();
    """)
    lifecycle.sql(obstacle)
    before = lifecycle.partitions()
    with pytest.raises(AirflowFailException, match=f'"app.events_default" is not drained: .*{said}'):
        drain(lifecycle)
    assert lifecycle.partitions() == before
    assert strays(lifecycle) == []


def test_many_rows_of_which_none_is_found_quickly_are_refused(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_refusals, "MOST_ROWS_WITHOUT_INDEX", 39)
    lifecycle.sql(
        "CREATE TABLE app.bare (at timestamptz) PARTITION BY RANGE (at); CREATE TABLE app.bare_default PARTITION OF app.bare DEFAULT"
    )
    lifecycle.sql("INSERT INTO app.bare SELECT '2026-12-05' FROM generate_series(1, 40)")
    with pytest.raises(AirflowFailException, match='neither a primary key nor an index that begins with "at"'):
        drain(lifecycle, table="app.bare", partition_key="at")
    lifecycle.sql("CREATE INDEX ON app.bare (at)")
    assert drain(lifecycle, table="app.bare", partition_key="at") == ["app.bare_p202612"]


def test_an_older_snapshot_is_waited_for_and_named_and_the_next_run_goes_on(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.sql(LOST)
    with lifecycle.connect(application_name="the elder") as elder:
        elder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        elder.execute("SELECT count(*) FROM auth.users")
        with pytest.raises(WaitTooLongError, match="the elder"):
            drain(lifecycle, wait_timeout="1 s")
        assert elder.execute("SELECT count(*) FROM app.events WHERE created_at >= '2026-12-01'").fetchone() == (20,)
        lifecycle.sql("DELETE FROM app.events WHERE id = 2 AND created_at = '2026-12-05'; UPDATE app.events SET note = 'x' WHERE id = 4")
        lifecycle.sql("INSERT INTO app.events VALUES (99, 1, '2026-12-31')")
    with pytest.raises(errors.ObjectInUse, match="are being moved"):
        lifecycle.sql("TRUNCATE app.events_default")
    monkeypatch.setattr(Copy, "run", None)  # it is not copied anew
    assert drain(lifecycle) == ["app.events_p202002", "app.events_p202612"]
    assert lifecycle.value("SELECT count(*) FROM app.events_p202612") == 20
    assert strays(lifecycle) == []


def test_what_an_interrupted_drain_built_is_removed_when_the_policy_says_report_again(lifecycle: Lifecycle) -> None:
    lifecycle.sql(LOST)
    with lifecycle.connect() as elder:
        elder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        elder.execute("SELECT count(*) FROM auth.users")
        with pytest.raises(WaitTooLongError):
            drain(lifecycle, wait_timeout="1 s")
    assert strays(lifecycle) != []
    lifecycle.drain()
    assert strays(lifecycle) == []
    assert lifecycle.value("SELECT count(*) FROM app.events_default") == 40


def test_a_transaction_that_does_not_see_the_copy_is_made_up_for(lifecycle: Lifecycle) -> None:
    """A REPEATABLE READ transaction with an older snapshot deletes, changes and inserts rows of DEFAULT while the drain waits for it."""
    lifecycle.sql(LOST)
    with lifecycle.connect() as elder:
        elder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        elder.execute("SELECT count(*) FROM auth.users")
        moved: list[Any] = []
        thread = threading.Thread(target=lambda: moved.append(drain(lifecycle)))
        thread.start()
        until_in_sync(lifecycle)
        elder.execute(
            "DELETE FROM app.events WHERE id = 2 AND created_at >= '2026-12-01'; UPDATE app.events SET note = 'changed' WHERE id IN (3, 4) AND note LIKE 'row%'"
        )
        elder.execute("INSERT INTO app.events VALUES (98, 1, '2026-12-31')")
        elder.commit()
        thread.join()
    assert moved == [["app.events_p202002", "app.events_p202612"]]
    assert lifecycle.value("SELECT count(*) FROM app.events_p202612") == 20
    assert lifecycle.value("SELECT count(*) FROM app.events WHERE note = 'changed' AND tableoid <> 'app.events_default'::regclass") >= 2


def test_changes_that_cancel_each_other_out_are_there_for_who_looked_between_them(lifecycle: Lifecycle) -> None:
    """Both come while the drain waits, too late for the copy: it is right at the end, and was not in between."""
    lifecycle.sql(LOST)
    one = "id = 2 AND created_at >= '2026-12-01'"
    with lifecycle.connect() as elder, lifecycle.connect() as writer, lifecycle.connect() as reader:
        for each in (elder, writer, reader):
            each.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for each in (elder, writer):
            each.execute("SELECT count(*) FROM auth.users")
        moved: list[Any] = []
        thread = threading.Thread(target=lambda: moved.append(drain(lifecycle)))
        thread.start()
        until_in_sync(lifecycle)
        time.sleep(0.5)  # it is known by now who is waited for
        writer.execute(f"UPDATE app.events SET note = 'between' WHERE {one}".encode())
        writer.commit()
        reader.execute("SELECT count(*) FROM auth.users")
        lifecycle.sql(f"UPDATE app.events SET note = 'row 2' WHERE {one}")
        elder.commit()
        thread.join(2)
        assert reader.execute(f"SELECT note FROM app.events WHERE {one}".encode()).fetchone() == ("between",)
        reader.commit()
        thread.join()
    assert moved == [["app.events_p202002", "app.events_p202612"]]
    assert lifecycle.value(f"SELECT note FROM app.events WHERE {one}") == "row 2"


def until_in_sync(lifecycle: Lifecycle) -> None:
    deadline = time.monotonic() + 20
    while "00_partition_lifecycle_keep" not in strays(lifecycle) or not in_sync(lifecycle):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def in_sync(lifecycle: Lifecycle) -> bool:
    return bool(lifecycle.value("SELECT count(*) FROM pg_description WHERE description = 'every committed change is in here'"))


def test_rows_that_a_session_without_triggers_wrote_stop_the_exchange(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.sql(LOST)
    follow = Drainer._foreign_keys

    def write_behind_its_back(self: Drainer, *arguments: Any) -> None:
        lifecycle.sql(
            "ALTER TABLE app.events_default DISABLE TRIGGER ALL; INSERT INTO app.events VALUES (77, 1, '2026-12-31'); ALTER TABLE app.events_default ENABLE TRIGGER ALL"
        )
        follow(self, *arguments)

    monkeypatch.setattr(Drainer, "_foreign_keys", write_behind_its_back)
    with pytest.raises(AirflowFailException, match=r"its copy holds 40 rows, it holds 41, of which the copy lacks 1"):
        drain(lifecycle)
    assert strays(lifecycle) == []
    assert lifecycle.value("SELECT count(*) FROM app.events_default") == 41


def test_changes_that_are_noted_at_the_last_instant_stop_the_exchange(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.sql(LOST)
    prove = Drainer._prove

    def prove_too_early(self: Drainer, *arguments: Any) -> int | None:
        moved = prove(self, *arguments)
        schema = self._scratch.building
        lifecycle.sql(f'INSERT INTO "{schema}"."00_changes" (gone, image) SELECT true, r FROM "{schema}"."00_rows" r LIMIT 1')
        return moved

    monkeypatch.setattr(Drainer, "_prove", prove_too_early)
    with pytest.raises(AirflowFailException, match=r"its copy holds 39 rows, it holds 40"):
        drain(lifecycle)
    assert lifecycle.value("SELECT count(*) FROM app.events_default") == 40
    assert strays(lifecycle) == []


def test_an_ordinary_owner_drains_too_and_writers_need_no_rights_on_the_copy(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.sql(LOST)
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    lifecycle.sql(
        f"""
        CREATE ROLE keeper LOGIN; CREATE ROLE writer LOGIN; GRANT CREATE ON DATABASE {name} TO keeper; GRANT USAGE, CREATE ON SCHEMA app TO keeper;
        GRANT USAGE ON SCHEMA auth TO keeper; GRANT REFERENCES, SELECT ON auth.users TO keeper; GRANT USAGE ON SCHEMA app TO writer;
        DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT relid FROM pg_partition_tree('app.events') LOOP EXECUTE format('ALTER TABLE %s OWNER TO keeper', p); END LOOP; END $$;
        GRANT INSERT, DELETE, SELECT ON app.events TO writer;
    """
    )
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "keeper@"))
    try:
        with lifecycle.connect() as elder:
            elder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            elder.execute("SELECT count(*) FROM auth.users")
            with pytest.raises(WaitTooLongError):
                drain(lifecycle, wait_timeout="1 s")
            with psycopg.connect(lifecycle.uri.replace("postgres@", "writer@"), autocommit=True) as writer:
                writer.execute(
                    "INSERT INTO app.events (id, created_at) VALUES (200, '2026-12-12'); DELETE FROM app.events WHERE id = 6 AND created_at = '2026-12-05 00:00+00'"
                )
        assert drain(lifecycle) == ["app.events_p202002", "app.events_p202612"]
        assert lifecycle.value("SELECT count(*) FROM app.events_p202612") == 20
        assert lifecycle.value("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'events_default'") == "keeper"
    finally:
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri)
        lifecycle.sql("DROP OWNED BY keeper, writer CASCADE; DROP ROLE keeper, writer")
