"""Backfills over months, from the command line and by the REST API, forwards and backwards, with each way to treat runs that are there.

What a backfill means: each run creates what was missing as of its date, and destroys only what is expired both as of its date and today.
"""

import time

from tests.e2e.cast import Part
from tests.e2e.installations import airflow
from tests.e2e.scenes import Scene, month

TWO_MONTHS = {"retention": "2 months"}


def a_backfill_forwards_lets_the_months_pass_one_by_one(scene: Scene) -> None:
    backfill = scene.backfill(-5, 0, reprocess_behavior="none", max_active_runs=1)
    scene.pause(False)
    runs = scene.backfilled(backfill)
    assert [(run["logical_date"][:10], run["state"]) for run in runs] == [(str(month(offset)), "success") for offset in range(-5, 1)]
    # As of five months ago the first had expired; then one more each month. The gap was closed when its month was due, and expired in its turn.
    assert dropped_by(scene) == [(str(month(offset)), scene.partition(offset - 3)) for offset in range(-5, 1)]
    scene.ends_with(-2, 1)
    assert {how: would_run(scene, how) for how in ("none", "failed", "completed")} == {"none": 0, "failed": 0, "completed": 6}


def a_backfill_backwards_makes_old_months_again_and_the_next_run_expires_them(scene: Scene) -> None:
    """By the command line, with the runs that are there run again."""
    scene.pause(False)
    assert scene.ended(scene.scheduled()) == "success"
    scene.ends_with(-2, 1)

    said = airflow(
        scene.folder, "backfill", "create", "--dag-id", scene.dag_id, "--from-date", str(month(-5)), "--to-date", str(month(0)),
        "--run-backwards", "--reprocess-behavior", "completed", "--max-active-runs", "1",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    runs = scene.backfilled(int(scene.api.get("backfills", dag_id=scene.dag_id)["backfills"][0]["id"]))
    assert [(run["logical_date"][:10], run["state"]) for run in runs] == [(str(month(offset)), "success") for offset in range(0, -6, -1)]
    # As of then those months were not past retention, and had no partition. They are empty: their rows are in the archives.
    scene.ends_with(-5, 1)

    assert scene.ended(scene.trigger()) == "success"
    scene.ends_with(-2, 1)


def a_backfill_of_failed_runs_makes_what_is_missing_and_leaves_what_succeeded(scene: Scene) -> None:
    in_the_way = scene.storage_in_the_way(-8)
    scene.pause(False)
    failed = scene.scheduled()
    assert scene.ended(failed) == "failed"
    assert scene.ended(scene.trigger(logical_date=month(-1))) == "success"
    in_the_way.unlink()
    assert would_run(scene, "failed", first=-2) == 2
    runs = scene.backfilled(scene.backfill(-2, 0, reprocess_behavior="failed", max_active_runs=1))
    assert [(run["logical_date"][:10], run["state"]) for run in runs] == [(str(month(-2)), "success"), (str(month(0)), "success")]
    assert scene.tries(failed, "plan") == 2
    scene.ends_with(-7, 1)


def a_backfill_several_runs_at_a_time_beside_the_scheduled_run_and_one_by_hand(scene: Scene) -> None:
    scene.pause(False)
    backfill = scene.backfill(-4, -1, reprocess_behavior="none", max_active_runs=3)
    by_hand = scene.trigger()
    assert [run["state"] for run in scene.backfilled(backfill)] == ["success"] * 4
    assert (scene.ended(scene.scheduled()), scene.ended(by_hand)) == ("success", "success")
    # Who came first decides which empty months of the past are there; a run of today settles it.
    assert scene.ended(scene.trigger()) == "success"
    scene.ends_with(-2, 1)


def two_runs_that_end_at_once_both_tell_of_the_table(scene: Scene) -> None:
    """The first to do so ever: Airflow makes the table's asset when it first hears of it."""
    backfill = scene.backfill(-1, -1, reprocess_behavior="none")
    with scene.nobody_has_made_the_asset_yet():
        scene.pause(False)
        runs = [scene.scheduled(), scene.backfill_runs()[0]["dag_run_id"]]
        scene.until(lambda: all(only_the_report_is_left(scene.tasks(run)) for run in runs), "two runs that have only to report")
        time.sleep(5)  # both reports would be told of now
    assert [run["state"] for run in scene.backfilled(backfill)] == ["success"]
    assert scene.ended(runs[0]) == "success"
    events = scene.api.get("assets/events", source_dag_id=scene.dag_id, source_task_id="report")["asset_events"]
    assert {event["source_run_id"] for event in events} == set(runs)


def only_the_report_is_left(tasks: dict[str, str | None]) -> bool:
    return {task for task, state in tasks.items() if state not in ("success", "skipped")} == {"report"}


def dropped_by(scene: Scene) -> list[tuple[str, str]]:
    """The date of the run and the partition, in the order of the drops."""
    events = scene.sql(
        "SELECT run_id, partition FROM partition_lifecycle.event"
        f" WHERE parent = 'runs.{scene.name}' AND action = 'drop' AND outcome = 'done' ORDER BY event_id"
    )
    dates = {run["dag_run_id"]: run["logical_date"][:10] for run in scene.all_runs()}
    return [(dates[run], partition.partition(".")[2]) for run, partition in events]


def would_run(scene: Scene, how: str, first: int = -5) -> int:
    """How many runs a backfill up to this month would make or make again."""
    body = {"dag_id": scene.dag_id, "from_date": f"{month(first)}T00:00:00Z", "to_date": f"{month(0)}T00:00:00Z", "reprocess_behavior": how}
    return int(scene.api.post("backfills/dry_run", body)["total_entries"])


PARTS = [
    Part(a_backfill_forwards_lets_the_months_pass_one_by_one, TWO_MONTHS, missing=(-3,)),
    Part(a_backfill_backwards_makes_old_months_again_and_the_next_run_expires_them, TWO_MONTHS),
    Part(a_backfill_of_failed_runs_makes_what_is_missing_and_leaves_what_succeeded, {"retention": "7 months"}),
    Part(a_backfill_several_runs_at_a_time_beside_the_scheduled_run_and_one_by_hand, TWO_MONTHS),
    Part(two_runs_that_end_at_once_both_tell_of_the_table, {}),
]
