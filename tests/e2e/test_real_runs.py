"""Runs by the real scheduler, seen through the REST API only: whatever people do to them, the database ends as the policy says.

One Airflow for all scenes, which are played at the same time. `SCENES="pausing backfills"` plays those whose name holds one of the words.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.installation import USER
from tests.e2e import (
    scenes_of_approvals,
    scenes_of_backfills,
    scenes_of_policies,
    scenes_of_repairs,
    scenes_of_the_form,
    scenes_of_triggers,
)
from tests.e2e.cast import Casting, Part
from tests.e2e.installations import down, folder_of_an_installation, up

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SETTINGS = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    "AIRFLOW__CORE__PARALLELISM": "12",  # runs that are held up must not take every place
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin,{scenes_of_approvals.BEN}:admin",
    "AIRFLOW__CORE__MAX_TASK_RETRY_DELAY": "2",  # the first retry waits two minutes otherwise
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "40",  # as many as the API server has threads: on a slow machine it answers 500 otherwise
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL": "600",
    "AIRFLOW__WORKERS__MISSING_DAG_RETRIES": "100",
    "AIRFLOW__WORKERS__MISSING_DAG_RETRY_DELAY": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",  # no answer to a question is noticed so soon
    "IMPORTED_BEFORE_TASKS": "include partition_operators",
}
PARTS: list[Part] = [
    *scenes_of_triggers.PARTS,
    *scenes_of_backfills.PARTS,
    *scenes_of_repairs.PARTS,
    *scenes_of_policies.PARTS,
    *scenes_of_approvals.PARTS,
    *scenes_of_the_form.PARTS,
]
WORDS = os.environ.get("SCENES", "").split()
PLAYED = [part for part in PARTS if not WORDS or any(word in part.title for word in WORDS)]


@pytest.fixture
def casting() -> Iterator[Casting]:
    """A whole Airflow with the tables and policies of the scenes."""
    with folder_of_an_installation() as folder:
        found = Casting(folder, PLAYED)
        found.write_policies()
        started = up(
            folder, "--policies", str(folder / "policies.yaml"), *(f"--setting={name}={value}" for name, value in SETTINGS.items())
        )
        assert started.returncode == 0, started.stderr
        found.seed()
        yield found
        down(folder)


def test_whatever_people_do_to_runs_the_database_ends_as_the_policy_says(casting: Casting, subtests: pytest.Subtests) -> None:
    with ThreadPoolExecutor(len(PLAYED)) as stage:
        played = {part.title: stage.submit(part.played, casting.scene(part)) for part in PLAYED}
        for title, result in played.items():
            with subtests.test(msg=title):
                result.result()
