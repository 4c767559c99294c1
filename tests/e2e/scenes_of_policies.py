"""A policy that is changed or removed while a run is under way."""

from tests.e2e.cast import Part
from tests.e2e.scenes import Scene
from tests.e2e.scenes_of_repairs import PATIENT


def a_policy_that_keeps_more_since_the_plan_keeps_more(scene: Scene) -> None:
    with scene.held_up_in_create() as run:
        scene.policies.set(scene.name, **{**PATIENT, "retention": "60 months"})
    assert scene.ended(run) == "failed"
    assert scene.tasks(run)["expire.archive_partition[0]"] == "failed"
    scene.ends_with(-8, 1)
    assert scene.ended(scene.trigger()) == "success"
    scene.ends_with(-8, 1)


def a_policy_that_was_removed_since_the_plan_destroys_nothing_until_it_is_back(scene: Scene) -> None:
    with scene.held_up_in_create() as run:
        scene.policies.remove(scene.name)
    # Airflow puts off a task of which the DAG is not to be found, and tries again: three times, a minute apart, by default.
    scene.until(lambda: scene.tasks(run).get("expire.archive_partition[0]") == "up_for_reschedule", "the archive step to be put off")
    scene.ends_with(-8, 1)

    scene.policies.set(scene.name, **PATIENT)
    assert scene.ended(run) == "success"
    scene.ends_with(-7, 1)


PARTS = [
    Part(a_policy_that_keeps_more_since_the_plan_keeps_more, PATIENT),
    Part(a_policy_that_was_removed_since_the_plan_destroys_nothing_until_it_is_back, PATIENT),
]
