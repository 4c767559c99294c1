"""What people do to a run that is under way or has failed: wait for its retries, clear, mark, pause."""

import time

from tests.e2e.cast import Part
from tests.e2e.scenes import Scene

SEVEN_MONTHS = {"retention": "7 months", "schedule": None}
PATIENT = {**SEVEN_MONTHS, "lock_attempts": 600}


def a_task_that_fails_twice_succeeds_once_the_obstacle_is_gone(scene: Scene) -> None:
    run = scene.trigger()
    with scene.locked():
        scene.pause(False)
        scene.until(lambda: scene.failures("create") == 2, "the second failure")
    assert scene.ended(run) == "success"
    assert scene.tries(run, "create_partitions") == 3
    scene.ends_with(-7, 1)


def clearing_one_mapped_instance_then_one_task_then_the_whole_run(scene: Scene) -> None:
    in_the_way = scene.storage_in_the_way(-7)
    run = scene.trigger()
    scene.note(run, "ann: the bucket is full, storage has been asked")
    scene.pause(False)
    assert scene.ended(run) == "failed"
    assert scene.tasks(run)["expire.drop_partition[0]"] == "success"
    assert scene.tasks(run)["expire.drop_partition[1]"] == "upstream_failed"
    scene.ends_with(-7, 1)

    in_the_way.unlink()
    scene.clear(run, ("expire.archive_partition", 1), downstream=True)
    assert scene.ended(run) == "success"
    assert scene.tries(run, "expire.archive_partition", 0) == 1
    scene.ends_with(-6, 1)

    scene.sql(f"DROP TABLE runs.{scene.partition(1)}")
    scene.clear(run, "create_partitions")
    assert scene.ended(run) == "success"
    scene.ends_with(-6, 1)

    before = changes(scene)
    scene.clear_run(run)
    assert scene.ended(run) == "success"
    assert scene.tries(run, "plan") == 2
    assert changes(scene) == before
    assert scene.noted(run) == "ann: the bucket is full, storage has been asked"
    scene.ends_with(-6, 1)


def an_archive_that_is_only_marked_as_a_success_lets_nothing_be_detached(scene: Scene) -> None:
    in_the_way = scene.storage_in_the_way(-8)
    run = scene.trigger()
    scene.pause(False)
    assert scene.ended(run) == "failed"
    scene.mark(run, "expire.archive_partition", "success", 0)
    scene.clear(run, ("expire.detach_partition", 0), downstream=True)
    assert scene.ended(run) == "failed"
    assert scene.tasks(run)["expire.detach_partition[0]"] == "failed"
    scene.ends_with(-8, 1)

    in_the_way.unlink()
    scene.clear_run(run)
    assert scene.ended(run) == "success"
    scene.ends_with(-7, 1)


def when_only_what_failed_is_cleared_the_report_waits_for_it(scene: Scene) -> None:
    """All that lies between the archive and the report is done already."""
    in_the_way = scene.storage_in_the_way(-8)
    run = scene.trigger()
    scene.pause(False)
    assert scene.ended(run) == "failed"
    with scene.locked_wholly(-8):
        scene.clear_failed(run)
        scene.until(lambda: scene.sessions("archive"), "the archive to wait for the lock")
        time.sleep(5)  # a report that did not wait would have begun
        assert scene.tasks(run)["report"] is None
    assert scene.ended(run) == "failed"

    in_the_way.unlink()
    scene.clear_failed(run)
    assert scene.ended(run) == "success"
    scene.ends_with(-7, 1)


def a_creation_that_is_marked_as_failed_while_it_waits_stops_nothing_else(scene: Scene) -> None:
    with scene.held_up_in_create() as run:
        scene.mark(run, "create_partitions", "failed")
        scene.until(lambda: not scene.sessions("create"), "its process to be ended")
    assert scene.ended(run) == "failed"
    scene.ends_with(-7, 0)

    scene.clear(run, "create_partitions", downstream=True)
    assert scene.ended(run) == "success"
    scene.ends_with(-7, 1)


def a_paused_dag_stands_still_and_goes_on_when_it_may(scene: Scene) -> None:
    run = scene.trigger()
    scene.pause(False)
    scene.until(lambda: scene.tasks(run).get("plan") == "success", "the plan")
    scene.pause(True)
    scene.until(lambda: stood_still(scene, run, seconds=8), "what had begun to end")
    assert scene.state(run) == "running"
    assert scene.tasks(run)["report"] is None
    scene.pause(False)
    assert scene.ended(run) == "success"
    scene.ends_with(-7, 1)


def stood_still(scene: Scene, run: str, seconds: int) -> bool:
    before = scene.tasks(run)
    time.sleep(seconds)
    return scene.tasks(run) == before and not {"running", "queued"} & set(before.values())


def changes(scene: Scene) -> int:
    """How often a partition was created, archived, detached or dropped."""
    actions = "('create', 'archive', 'detach', 'drop')"
    statement = (
        f"SELECT count(*) FROM partition_lifecycle.event WHERE parent = 'runs.{scene.name}' AND outcome = 'done' AND action IN {actions}"
    )
    return int(scene.sql(statement)[0][0])


PARTS = [
    Part(a_task_that_fails_twice_succeeds_once_the_obstacle_is_gone, SEVEN_MONTHS),
    Part(clearing_one_mapped_instance_then_one_task_then_the_whole_run, {"retention": "6 months", "schedule": None}),
    Part(an_archive_that_is_only_marked_as_a_success_lets_nothing_be_detached, SEVEN_MONTHS),
    Part(when_only_what_failed_is_cleared_the_report_waits_for_it, PATIENT),
    Part(a_creation_that_is_marked_as_failed_while_it_waits_stops_nothing_else, PATIENT),
    Part(a_paused_dag_stands_still_and_goes_on_when_it_may, SEVEN_MONTHS),
]
