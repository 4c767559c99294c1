"""Dropping: every gate is shown closed before it is shown open."""

from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"


@pytest.fixture
def detached(lifecycle: Lifecycle) -> Lifecycle:
    """The oldest partition archived and detached, and due to be dropped."""
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    return lifecycle


def data_file(lifecycle: Lifecycle) -> Path:
    return next(lifecycle.archive.glob("*/events_p202408/*/part-00000.parquet"))


def test_a_detached_archived_unchanged_partition_is_dropped_and_its_rows_are_in_the_archive(detached: Lifecycle) -> None:
    assert "50 rows are in file://" in detached.drop(OLD)
    assert not detached.exists(OLD)
    event = detached.sql("SELECT * FROM partition_lifecycle.event WHERE action = 'drop'")[0]
    assert (event["outcome"], event["partition"], event["rows"]) == ("done", OLD, 50)
    assert detached.value("SELECT dropped_at IS NOT NULL FROM partition_lifecycle.detached_partition") is True
    assert "is gone already" in detached.drop(OLD)
    assert "is gone already" in detached.archive_partition(OLD)


def test_an_attached_partition_is_refused(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    with pytest.raises(AirflowFailException, match=r"is still attached; the detach step comes first"):
        lifecycle.drop(OLD)
    assert "events_p202408" in lifecycle.partitions()


def test_while_the_grace_period_runs_it_is_skipped_with_the_date(lifecycle: Lifecycle) -> None:
    policy = lifecycle.policy(detached_retention="7 days")
    lifecycle.archive_partition(OLD, policy=policy)
    lifecycle.detach(OLD, policy=policy)
    with pytest.raises(AirflowSkipException, match=r"waits in detached_retention until"):
        lifecycle.drop(OLD, policy=policy)
    lifecycle.sql("UPDATE partition_lifecycle.detached_partition SET drop_after = now() - interval '1 second'")
    lifecycle.drop(OLD, policy=policy)
    assert not lifecycle.exists(OLD)


def test_on_expiry_detach_keeps_the_table_for_ever(lifecycle: Lifecycle) -> None:
    policy = lifecycle.policy(on_expiry="detach")
    lifecycle.archive_partition(OLD, policy=policy)
    lifecycle.detach(OLD, policy=policy)
    with pytest.raises(AirflowSkipException, match=r"on_expiry: detach"):
        lifecycle.drop(OLD, policy=policy)
    # A policy that was changed later does not reach what was detached to be kept.
    with pytest.raises(AirflowSkipException, match=r"is kept: the ledger has no date for its drop"):
        lifecycle.drop(OLD)
    assert OLD not in lifecycle.plan()
    assert lifecycle.exists(OLD)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (f"INSERT INTO {OLD} VALUES (99, 1, '2024-08-05')", "1 rows were written after"),
        (f"UPDATE {OLD} SET note = 'changed' WHERE id = 7", "1 rows were written after"),
        (f"DELETE FROM {OLD} WHERE id = 7", "it holds 49 rows, the archive 50"),
        (f"TRUNCATE {OLD}", "it holds 0 rows, the archive 50"),
    ],
)
def test_rows_written_after_the_archive_refuse_the_drop_and_the_next_run_archives_them_and_drops(
    detached: Lifecycle, change: str, why: str
) -> None:
    detached.sql(change)
    with pytest.raises(AirflowFailException, match=f"is not dropped: {why}.*the next run archives it again"):
        detached.drop(OLD)
    assert detached.exists(OLD)
    assert detached.sql("SELECT outcome, partition FROM partition_lifecycle.event WHERE action = 'drop'") == [
        {"outcome": "refused", "partition": OLD}
    ]
    assert "read back and compared" in detached.archive_partition(OLD)
    detached.drop(OLD)
    assert not detached.exists(OLD)


def test_a_column_added_after_the_archive_without_writing_a_row_refuses_detach_and_drop(lifecycle: Lifecycle) -> None:
    """ADD COLUMN with a constant default changes every row that is read, but no row that is stored: no xmin moves."""
    lifecycle.archive_partition(OLD)
    lifecycle.sql("ALTER TABLE app.events ADD COLUMN kind integer NOT NULL DEFAULT 7")
    with pytest.raises(AirflowFailException, match=r"has other columns than its archive; run the archive step again"):
        lifecycle.detach(OLD)
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


def test_a_column_added_after_the_detach_refuses_the_drop(detached: Lifecycle) -> None:
    detached.sql(f"ALTER TABLE {OLD} ADD COLUMN kind integer NOT NULL DEFAULT 7")
    with pytest.raises(AirflowFailException, match=r"other columns"):
        detached.drop(OLD)
    assert detached.exists(OLD)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE app.events DROP COLUMN note; ALTER TABLE app.events ADD COLUMN note text DEFAULT 'the new truth'",
        "ALTER TYPE app.mood RENAME VALUE 'fine' TO 'splendid'",
    ],
)
def test_what_reads_differently_without_a_row_written_is_archived_again_before_it_goes(lifecycle: Lifecycle, change: str) -> None:
    lifecycle.sql("CREATE TYPE app.mood AS ENUM ('fine'); ALTER TABLE app.events ADD COLUMN mood app.mood DEFAULT 'fine'")
    lifecycle.archive_partition(OLD)
    lifecycle.sql(change)
    with pytest.raises(AirflowFailException, match=r"has other columns than its archive"):
        lifecycle.detach(OLD)
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


def test_a_table_rewritten_between_archive_and_drop_is_dropped_after_at_most_one_more_archive(detached: Lifecycle) -> None:
    detached.sql(f"VACUUM FULL {OLD}")
    detached.archive_partition(OLD)
    detached.drop(OLD)
    assert not detached.exists(OLD)


def test_a_partition_that_was_attached_again_by_hand_and_seen_so_is_no_longer_ours_to_drop(detached: Lifecycle) -> None:
    detached.sql(f"ALTER TABLE app.events ATTACH PARTITION {OLD} FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00')")
    detached.heal()
    detached.sql(f"ALTER TABLE app.events DETACH PARTITION {OLD}")
    with pytest.raises(AirflowFailException, match=r"the ledger does not know it"):
        detached.drop(OLD)
    assert detached.exists(OLD)


def test_a_writer_that_has_not_committed_makes_it_give_way(detached: Lifecycle) -> None:
    with detached.connect(application_name="a late writer") as writer:
        writer.execute(f"INSERT INTO {OLD} VALUES (99, 1, '2024-08-05')".encode())
        with pytest.raises(Exception, match=r"no lock within 2 s in 3 attempts; blocked by pid .*a late writer"):
            detached.drop(OLD)
    with pytest.raises(AirflowFailException, match=r"1 rows were written after"):
        detached.drop(OLD)


def damage(lifecycle: Lifecycle, how: str) -> None:
    file = data_file(lifecycle)
    data = file.read_bytes()
    manifest = file.parent / "_manifest.json"
    match how:
        case "flip":
            file.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
        case "truncate":
            file.write_bytes(data[:-1])
        case "empty":
            file.write_bytes(b"")
        case "delete":
            file.unlink()
        case "manifest":
            manifest.write_bytes(manifest.read_bytes().replace(b'"rows": 50', b'"rows": 51'))
        case "no manifest":
            manifest.unlink()
        case "another partition's":
            lifecycle.archive_partition("app.events_p202409")
            other = next(lifecycle.archive.glob("*/events_p202409/*"))
            for name in ("part-00000.parquet", "_manifest.json"):
                (file.parent / name).write_bytes((other / name).read_bytes())


@pytest.mark.parametrize("how", ["flip", "truncate", "empty", "delete", "manifest", "no manifest", "another partition's"])
def test_an_archive_that_is_not_what_was_written_refuses_the_drop(detached: Lifecycle, how: str) -> None:
    damage(detached, how)
    with pytest.raises(AirflowFailException, match=r"is not the|there is no such object"):
        detached.drop(OLD)
    assert detached.value(f"SELECT count(*) FROM {OLD}") == 50


def test_an_archive_row_that_went_missing_refuses_the_drop(detached: Lifecycle) -> None:
    detached.sql("DELETE FROM partition_lifecycle.archive")
    with pytest.raises(AirflowFailException, match=r"no archive that was read back"):
        detached.drop(OLD)
    assert detached.exists(OLD)


def test_a_table_that_was_attached_again_is_not_dropped(detached: Lifecycle) -> None:
    detached.sql(f"ALTER TABLE app.events ATTACH PARTITION {OLD} FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00')")
    with pytest.raises(AirflowFailException, match=r"is still attached"):
        detached.drop(OLD)
    detached.sql(
        f"ALTER TABLE app.events DETACH PARTITION {OLD}; CREATE TABLE app.others (LIKE app.events) PARTITION BY RANGE (created_at)"
    )
    detached.sql(f"ALTER TABLE app.others ATTACH PARTITION {OLD} FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00')")
    with pytest.raises(AirflowFailException, match=r"is attached to another table"):
        detached.drop(OLD)
    assert detached.exists(OLD)


def test_another_table_under_the_old_name_is_not_dropped(detached: Lifecycle) -> None:
    detached.sql(f"ALTER TABLE {OLD} RENAME TO moved; CREATE TABLE {OLD} (precious text)")
    with pytest.raises(AirflowFailException, match=r'was renamed to "app.moved"'):
        detached.drop(OLD)
    detached.sql("DROP TABLE app.moved")
    assert "is gone already" in detached.drop(OLD)
    assert detached.exists(OLD)


def test_a_table_with_other_columns_than_when_it_was_detached_is_not_dropped(detached: Lifecycle) -> None:
    detached.sql(f"ALTER TABLE {OLD} ADD COLUMN since text")
    with pytest.raises(AirflowFailException, match=r"has other columns than when it was detached"):
        detached.drop(OLD)


def test_a_view_on_it_refuses_the_drop_and_nothing_is_cascaded(detached: Lifecycle) -> None:
    detached.sql(f"CREATE VIEW app.of_august AS SELECT * FROM {OLD}")
    with pytest.raises(AirflowFailException, match=r"something else depends on it"):
        detached.drop(OLD)
    assert detached.exists("app.of_august")


def test_a_policy_that_keeps_it_by_now_refuses_the_drop(detached: Lifecycle) -> None:
    with pytest.raises(AirflowFailException, match=r"the policy \(retention: 60 months\) keeps it"):
        detached.drop(OLD, policy=detached.policy(retention="60 months"))
    assert detached.exists(OLD)


def test_a_reference_date_in_the_past_destroys_only_what_was_expired_then(detached: Lifecycle) -> None:
    with pytest.raises(AirflowFailException, match=r"keeps it as of this date"):
        detached.drop(OLD, reference_date="2025-01-01")


def test_a_reference_date_in_the_future_destroys_only_what_is_expired_today(lifecycle: Lifecycle) -> None:
    with pytest.raises(AirflowFailException, match=r"is not expired: it reaches to"):
        lifecycle.archive_partition("app.events_p202611", reference_date="2099-01-01")
    assert lifecycle.plan(reference_date="2099-01-01")[-1] == "app.events_p202410"


def test_without_an_archive_it_drops_only_if_the_policy_says_destroy(lifecycle: Lifecycle) -> None:
    policy = lifecycle.policy(archive=None, destroy_without_archive=True)
    assert "is not archived" in lifecycle.archive_partition(OLD, policy=policy)
    lifecycle.detach(OLD, policy=policy)
    with pytest.raises(AirflowFailException, match=r"no archive that was read back"):
        lifecycle.drop(OLD)
    assert "without an archive" in lifecycle.drop(OLD, policy=policy)
    assert not lifecycle.exists(OLD)


def test_clocks_that_differ_stop_every_destructive_step(detached: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    monkeypatch.setattr("partition_operators.guardrails.LARGEST_CLOCK_DIFFERENCE", timedelta(microseconds=-1))
    for step in (detached.archive_partition, detached.detach, detached.drop):
        with pytest.raises(AirflowFailException, match=r"clocks of this worker and of the database differ"):
            step("app.events_p202409")


def test_a_ledger_that_came_with_a_dump_permits_nothing(detached: Lifecycle) -> None:
    """After pg_dump and restore the ledger's rows are there, but they speak of another cluster."""
    detached.sql(
        "UPDATE partition_lifecycle.detached_partition SET system_identifier = 1; UPDATE partition_lifecycle.archive SET system_identifier = 1"
    )
    assert OLD not in detached.plan()
    with pytest.raises(AirflowFailException, match=r"the ledger does not know it"):
        detached.drop(OLD)
    assert detached.exists(OLD)


def test_a_dry_run_of_every_step_changes_nothing(lifecycle: Lifecycle) -> None:
    for step in (lifecycle.archive_partition, lifecycle.detach, lifecycle.drop):
        assert "would" in step(OLD, dry_run="True")
    assert "events_p202408" in lifecycle.partitions()
    assert not lifecycle.exists("partition_lifecycle.event")
