"""Bringing archives back: into the table, beside it, or only to see that it could be done."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.partitioning.errors import TransientError
from partition_operators.find_archives import FindArchivesOperator
from partition_operators.reconcile_archives import ReconcileArchivesOperator
from tests.integration.conftest import Lifecycle

OLD, NEXT = "app.events_p202408", "app.events_p202409"
ROWS = f"SELECT id, user_id, created_at, note FROM {OLD} ORDER BY id"


def archive_of(lifecycle: Lifecycle, partition: str = "events_p202408") -> Path:
    """The folder of the newest version."""
    return max(lifecycle.archive.glob(f"*/{partition}/archive_version=*"))


def restored_leftovers(lifecycle: Lifecycle) -> list[dict[str, Any]]:
    return lifecycle.sql("SELECT relname FROM pg_class WHERE relname LIKE 'events_p202408%%' AND relkind = 'r'")


def test_a_dropped_partition_comes_back_as_it_was(lifecycle: Lifecycle) -> None:
    before = lifecycle.sql(ROWS)
    indexes = "SELECT regexp_replace(indexdef, '^.* USING', '') AS d FROM pg_indexes WHERE tablename = 'events_p202408' ORDER BY 1"
    indexes_before = lifecycle.sql(indexes)
    lifecycle.expire(OLD)
    assert not lifecycle.exists(OLD)
    said = lifecycle.restore(OLD)
    assert "50 rows, compared with the archive; held until 2026" in said
    assert lifecycle.sql(ROWS) == before
    assert "events_p202408" in lifecycle.partitions()
    assert lifecycle.value("SELECT count(*) FROM app.events WHERE created_at < '2024-09-01'") == 50
    assert lifecycle.sql(indexes) == indexes_before
    assert lifecycle.value("SELECT count(*) FROM pg_index WHERE indrelid = 'app.events_p202408'::regclass AND NOT indisvalid") == 0
    assert lifecycle.value("SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid = 'app.events_p202408'::regclass AND contype IN ('f', 'c')")  # fmt: skip
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        lifecycle.sql(f"INSERT INTO {OLD} VALUES (999, 999, '2024-08-05', 'x')")


def test_restoring_twice_does_nothing(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.restore(OLD)
    oid = lifecycle.value("SELECT %s::regclass::oid::bigint", OLD)
    assert "restored and attached already" in lifecycle.restore(OLD)
    assert "app.events_p202408_restored" in lifecycle.restore(OLD, "table")
    assert "restored already" in lifecycle.restore(OLD, "table")
    assert lifecycle.value("SELECT %s::regclass::oid::bigint", OLD) == oid


def test_a_restored_partition_is_held_until_its_date_and_expired_again_after_it(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.restore(OLD, hold_until="2030-01-01")
    assert OLD not in lifecycle.plan()
    with pytest.raises(AirflowFailException, match="it is held until 2030-01-01"):
        lifecycle.archive_partition(OLD)
    with pytest.raises(AirflowFailException, match="held"):
        lifecycle.detach(OLD)
    lifecycle.sql("UPDATE partition_lifecycle.hold SET held_until = now() - interval '1 second'")
    assert OLD in lifecycle.plan()
    lifecycle.expire(OLD)
    assert not lifecycle.exists(OLD)
    assert archive_of(lifecycle).name == "archive_version=2"


def test_a_hold_that_is_set_at_the_last_moment_stops_the_drop(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.sql("SELECT partition_lifecycle.set_hold('app.events', 'litigation', '2024-08-15', '2024-08-16')")
    assert OLD not in lifecycle.plan()
    with pytest.raises(AirflowFailException, match="held until the hold is lifted: litigation"):
        lifecycle.drop(OLD)
    assert lifecycle.exists(OLD)
    lifecycle.sql("DELETE FROM partition_lifecycle.hold")
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


def test_a_table_beside_has_the_rows_and_the_indexes_and_no_parent(lifecycle: Lifecycle) -> None:
    before = lifecycle.sql(ROWS)
    lifecycle.archive_partition(OLD)
    said = lifecycle.restore(OLD, "table")
    assert "a table of its own, without foreign keys" in said
    assert lifecycle.sql(ROWS.replace(OLD, OLD + "_restored")) == before
    assert lifecycle.value("SELECT count(*) FROM pg_index WHERE indrelid = 'app.events_p202408_restored'::regclass") == 2
    assert lifecycle.value("SELECT count(*) FROM pg_inherits WHERE inhrelid = 'app.events_p202408_restored'::regclass") == 0
    assert lifecycle.plan() == [OLD, NEXT, "app.events_p202410"]


def test_verify_reads_every_row_and_writes_nothing(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    assert "is whole: 50 rows" in lifecycle.restore(OLD, "verify")
    assert restored_leftovers(lifecycle) == []
    file = archive_of(lifecycle) / "part-00000.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(AirflowFailException, match="is not the file that was written"):
        lifecycle.restore(OLD, "verify")
    with pytest.raises(AirflowFailException, match="is not the file that was written"):
        lifecycle.restore(OLD)
    assert restored_leftovers(lifecycle) == []


def test_columns_that_the_table_gained_have_their_default_and_lost_ones_are_named(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.sql("ALTER TABLE app.events ADD COLUMN kind text DEFAULT 'old', DROP COLUMN note")
    lifecycle.sql("ALTER TABLE app.events ALTER COLUMN user_id TYPE bigint")
    said = lifecycle.restore(OLD)
    assert 'column "note" is in the archive but no longer in the table' in said
    assert 'column "kind" was added since' in said
    assert 'column "user_id" was integer and is bigint now' in said
    assert lifecycle.sql(f"SELECT DISTINCT kind FROM {OLD}") == [{"kind": "old"}]
    assert lifecycle.value(f"SELECT sum(user_id)::int FROM {OLD}") == sum(1 + n % 10 for n in range(1, 51))


def test_orphans_are_counted_and_the_table_beside_is_offered(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.sql("DELETE FROM auth.users WHERE id = 3")
    with pytest.raises(
        AirflowFailException, match=r'5 rows of "app.events_p202408" refer by .* to rows of "auth.users" that are gone; use mode: table'
    ):
        lifecycle.restore(OLD)
    assert restored_leftovers(lifecycle) == []
    assert lifecycle.restore(OLD, "table")
    assert lifecycle.value("SELECT count(*) FROM app.events_p202408_restored") == 50


def test_what_is_there_already_is_never_overlapped(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.sql("CREATE TABLE app.other PARTITION OF app.events FOR VALUES FROM ('2024-08-10 00:00+00') TO ('2024-08-11 00:00+00')")
    with pytest.raises(AirflowFailException, match=r'"app.other" .* is attached there; use mode: table'):
        lifecycle.restore(OLD)
    lifecycle.sql("DROP TABLE app.other; CREATE TABLE app.events_p202408 (a integer)")
    with pytest.raises(AirflowFailException, match="the name is taken by an ordinary table"):
        lifecycle.restore(OLD)
    lifecycle.sql("DROP TABLE app.events_p202408; CREATE TABLE app.rest PARTITION OF app.events DEFAULT")
    lifecycle.sql("INSERT INTO app.events VALUES (1, 1, '2024-08-10', 'stray')")
    with pytest.raises(AirflowFailException, match="the DEFAULT partition has 1 rows of that range"):
        lifecycle.restore(OLD)


def test_a_partition_that_is_only_detached_is_not_restored_over(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    with pytest.raises(AirflowFailException, match="was detached from there and still exists; attach that one again instead"):
        lifecycle.restore(OLD)


@pytest.mark.parametrize("mode", ["attach", "table"])
def test_a_restore_that_was_killed_is_cleared_away_and_done_again(lifecycle: Lifecycle, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.postgres import restoring

    lifecycle.expire(OLD)
    original = restoring.Restorer._analyze

    def killed(self: Any, wanted: Any) -> None:
        self._connection.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring.Restorer, "_analyze", killed)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.restore(OLD, mode)
    assert len(restored_leftovers(lifecycle)) == 1
    monkeypatch.setattr(restoring.Restorer, "_analyze", original)
    assert "50 rows, compared with the archive" in lifecycle.restore(OLD, mode)
    assert len(restored_leftovers(lifecycle)) == 1


def test_readers_and_writers_of_the_table_do_not_wait_for_a_restore(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    with lifecycle.connect() as holder:
        holder.execute("SELECT count(*) FROM app.events")  # ACCESS SHARE on the parent until the end
        holder.execute("INSERT INTO app.events VALUES (5000, 1, '2026-11-05', 'x')")
        failed: list[BaseException] = []
        restored: list[str] = []

        def restore() -> None:
            try:
                restored.append(lifecycle.restore(OLD, policy=lifecycle.policy(lock_attempts=30)))
            except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                failed.append(error)

        thread = threading.Thread(target=restore)
        thread.start()
        with lifecycle.connect(autocommit=True) as other:
            other.execute("SET statement_timeout = '900ms'")
            while thread.is_alive():
                other.execute("SELECT count(*) FROM app.events")
                other.execute("INSERT INTO app.events SELECT max(id) + 1, 1, '2026-11-05', 'x' FROM app.events")
                if not restored:
                    holder.rollback()
        thread.join()
    assert failed == []


def test_only_an_archive_that_is_known_is_restored_and_the_others_are_named(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    with pytest.raises(AirflowFailException, match=r'there is no archive of "app.events_p202409"; known are: app.events_p202408'):
        lifecycle.restore(NEXT)
    with pytest.raises(AirflowFailException, match='mode "sideways" is none of attach, table, verify'):
        lifecycle.restore(OLD, "sideways")
    with pytest.raises(AirflowFailException, match='hold_until "soon" is not an ISO date'):
        lifecycle.restore(OLD, hold_until="soon")


def test_dry_run_restores_nothing(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    assert "would restore" in lifecycle.restore(OLD, dry_run=True)
    assert restored_leftovers(lifecycle) == []


def test_archives_of_a_range_are_found_oldest_first(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(NEXT)
    lifecycle.archive_partition(OLD)
    assert lifecycle.run(FindArchivesOperator, start="2024-01-01", end="2025-01-01") == [OLD, NEXT]
    assert lifecycle.run(FindArchivesOperator, start="2024-08-31", end="None") == [OLD]
    assert lifecycle.run(FindArchivesOperator, start="2024-09-01", end="") == [NEXT]
    assert lifecycle.run(FindArchivesOperator, start="2024-01-01", end="2024-09-01") == [OLD]
    with pytest.raises(AirflowFailException, match='from "None" is not an ISO date'):
        lifecycle.run(FindArchivesOperator, start="None")  # an empty form does not bring everything back
    with pytest.raises(AirflowFailException, match=r'from ".*" is not before to ".*"'):
        lifecycle.run(FindArchivesOperator, start="2024-09-01", end="2024-08-01")
    with pytest.raises(AirflowFailException, match=r"no archive of .* lies in .* archived is"):
        lifecycle.run(FindArchivesOperator, start="2025-01-01")


def test_a_drill_restores_compares_and_leaves_nothing(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.archive_partition(NEXT)
    assert lifecycle.drill() == [OLD]
    assert lifecycle.drill() == [NEXT]
    assert lifecycle.drill(archives="2") == [OLD, NEXT]
    assert (
        lifecycle.value(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'partition_lifecycle_drill'"
        )
        == 0
    )
    assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.event WHERE action = 'drill' AND outcome = 'done'") == 4
    file = archive_of(lifecycle) / "part-00000.parquet"
    file.unlink()
    with pytest.raises(AirflowFailException, match=r"there is no such object"):
        lifecycle.drill(archives=2)
    assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.event WHERE action = 'drill' AND outcome = 'done'") == 5


def test_the_first_drop_waits_for_a_drill_if_the_policy_says_so(lifecycle: Lifecycle) -> None:
    policy = lifecycle.policy(first_drop="after_drill")
    lifecycle.archive_partition(OLD, policy=policy)
    lifecycle.detach(OLD, policy=policy)
    with pytest.raises(AirflowSkipException, match="run the DAG partition_restore_drill"):
        lifecycle.drop(OLD, policy=policy)
    lifecycle.drill(policy=policy)
    lifecycle.drop(OLD, policy=policy)
    assert not lifecycle.exists(OLD)


def test_a_lost_ledger_is_built_again_from_the_storage_and_permits_no_drop_by_itself(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.archive_partition(NEXT)
    lifecycle.sql("DROP SCHEMA partition_lifecycle CASCADE")
    assert lifecycle.run(ReconcileArchivesOperator) == {"found": 2, "new": 2, "put back": 0}
    assert lifecycle.run(ReconcileArchivesOperator) == {"found": 2, "new": 0, "put back": 0}
    with pytest.raises(AirflowFailException, match="no archive that was read back and compared"):
        lifecycle.detach(NEXT)
    assert "found again and compared with the table" in lifecycle.archive_partition(NEXT)
    lifecycle.detach(NEXT)
    lifecycle.drop(NEXT)
    assert len(list(lifecycle.archive.glob("*/*/*/_manifest.json"))) == 2
    assert "50 rows, compared" in lifecycle.restore(OLD)


def test_a_lost_manifest_is_put_back_from_the_ledger(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    manifest = archive_of(lifecycle) / "_manifest.json"
    whole = manifest.read_bytes()
    manifest.unlink()
    assert "is whole" in lifecycle.restore(OLD, "verify")
    assert lifecycle.run(ReconcileArchivesOperator)["put back"] == 1
    assert manifest.read_bytes() == whole


def test_a_forged_manifest_of_a_partition_that_differs_permits_nothing(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    folder = archive_of(lifecycle)
    lifecycle.sql(f"UPDATE {OLD} SET note = 'changed' WHERE id = 7")
    lifecycle.sql("DELETE FROM partition_lifecycle.archive")
    manifest = json.loads((folder / "_manifest.json").read_text())
    manifest["source"]["snapshot_xmin"] = lifecycle.value("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    (folder / "_manifest.json").write_text(json.dumps(manifest))
    assert "archive_version=2" in lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)
    lifecycle.restore(OLD)
    assert lifecycle.value(f"SELECT note FROM {OLD} WHERE id = 7") == "changed"


def test_an_archive_is_restored_into_another_database_without_a_ledger(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.expire(OLD)
    lifecycle.sql("DROP SCHEMA partition_lifecycle CASCADE")
    assert "50 rows, compared" in lifecycle.restore(OLD)
    shutil.rmtree(lifecycle.archive)
    assert "restored and attached already" not in str(lifecycle.plan())


def test_a_restore_that_meets_a_lock_gives_way_and_leaves_nothing(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    with lifecycle.connect() as holder:
        holder.execute("LOCK TABLE auth.users IN ROW EXCLUSIVE MODE")
        with pytest.raises(TransientError, match="no lock within"):
            lifecycle.restore(OLD)
    assert restored_leftovers(lifecycle) == []
    lifecycle.restore(OLD)


def test_a_name_that_was_used_again_for_other_rows_does_not_hide_the_first_archive(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.create(reference_date="2024-08-15")  # a backfill makes it anew, empty, and the next run expires it again
    lifecycle.expire(OLD)
    with pytest.raises(AirflowFailException, match=r"say which version is meant: version 2: .* 0 rows; version 1: .* 50 rows"):
        lifecycle.restore(OLD)
    assert "50 rows, compared" in lifecycle.restore(OLD, version=1)
    with pytest.raises(AirflowFailException, match="no archive of version 7 of"):
        lifecycle.restore(OLD, version="7")
    with pytest.raises(AirflowFailException, match='version "x" is not a number'):
        lifecycle.restore(OLD, version="x")


def test_what_was_restored_and_expired_again_replaces_what_it_came_from(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.restore(OLD)
    lifecycle.sql(f"DELETE FROM partition_lifecycle.hold; UPDATE {OLD} SET note = 'corrected' WHERE id = 1")
    lifecycle.expire(OLD)
    lifecycle.restore(OLD)
    assert lifecycle.value(f"SELECT note FROM {OLD} WHERE id = 1") == "corrected"


def test_archives_of_another_database_are_neither_restored_nor_adopted_nor_drilled(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.sql("DROP SCHEMA partition_lifecycle CASCADE")
    manifest = archive_of(lifecycle) / "_manifest.json"
    foreign = json.loads(manifest.read_text())
    foreign["source"]["database_oid"] = 7
    manifest.write_text(json.dumps(foreign))
    identity = f"{foreign['source']['system_identifier']}/7"
    with pytest.raises(AirflowFailException, match=f'add it: archive.former_databases: \\["{identity}"\\]'):
        lifecycle.restore(OLD)
    assert lifecycle.run(ReconcileArchivesOperator)["new"] == 0
    assert lifecycle.drill() == []
    former = lifecycle.policy(archive={"path": f"file://{lifecycle.archive}", "former_databases": [identity]})
    assert lifecycle.run(ReconcileArchivesOperator, policy=former)["new"] == 1
    text = manifest.read_bytes()
    manifest.unlink()
    assert lifecycle.run(ReconcileArchivesOperator, policy=former)["put back"] == 1
    assert manifest.read_bytes() == text  # however it was laid out
    assert "50 rows, compared" in lifecycle.restore(OLD, policy=former)


def test_two_keys_on_one_column_and_one_that_is_not_enforced_are_restored(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE auth.people (id integer PRIMARY KEY); INSERT INTO auth.people SELECT generate_series(1, 10)")
    lifecycle.sql("ALTER TABLE app.events ADD FOREIGN KEY (user_id) REFERENCES auth.people")
    lifecycle.sql("CREATE TABLE auth.loose (id integer PRIMARY KEY)")
    loosely = lifecycle.version >= 18
    if loosely:
        lifecycle.sql("ALTER TABLE app.events ADD FOREIGN KEY (user_id) REFERENCES auth.loose NOT ENFORCED")
    lifecycle.expire(OLD)
    lifecycle.restore(OLD)
    assert (
        lifecycle.value("SELECT count(*) FROM pg_constraint WHERE conrelid = 'app.events_p202408'::regclass AND contype = 'f'")
        == 2 + loosely
    )


def test_the_hold_of_a_partition_that_is_restored_already_is_set_anew_and_never_to_the_past(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    with pytest.raises(AirflowFailException, match='hold_until "2020-01-01" is past'):
        lifecycle.restore(OLD, hold_until="2020-01-01")
    lifecycle.restore(OLD)
    lifecycle.sql("DELETE FROM partition_lifecycle.hold")
    lifecycle.restore(OLD, hold_until="2031-05-06")
    assert lifecycle.value("SELECT held_until::date::text FROM partition_lifecycle.hold") == "2031-05-06"


def test_an_exclusion_constraint_is_built_once(lifecycle: Lifecycle) -> None:
    lifecycle.needs(17, "an exclusion constraint of a partitioned table")
    lifecycle.sql("ALTER TABLE app.events ADD EXCLUDE USING btree (id WITH =, created_at WITH =)")
    lifecycle.expire(OLD)
    lifecycle.restore(OLD)
    assert lifecycle.value("SELECT count(*) FROM pg_constraint WHERE conrelid = 'app.events_p202408'::regclass AND contype = 'x'") == 1


def test_a_damaged_archive_does_not_keep_the_others_from_being_drilled(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.archive_partition(NEXT)
    (archive_of(lifecycle) / "part-00000.parquet").unlink()
    with pytest.raises(AirflowFailException, match="there is no such object"):
        lifecycle.drill()
    assert lifecycle.drill() == [NEXT]
    failed = lifecycle.sql(
        "SELECT partition FROM partition_lifecycle.event WHERE action = 'drill' AND outcome = 'failed' AND partition IS NOT NULL"
    )
    assert failed == [{"partition": OLD}]
