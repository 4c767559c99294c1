"""The processes of docker-compose.yml, without Docker: twenty tables at once on two Celery workers, of which one is killed in the middle."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from tests.compose import cluster
from tests.compose.cluster import Cluster
from tests.compose.fleet import POLICIES, ROWS, FleetTable, months_from, seed
from tests.compose.rest import wait

TABLES = [FleetTable(number) for number in range(1, 21)]

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    lacking = cluster.missing_programs()
    if lacking and not os.environ.get("CELERY_CLUSTER_MUST_RUN"):
        pytest.skip(f"this machine has no {', '.join(lacking)}; apt-get install redis-server curl")
    assert not lacking
    policies = tmp_path_factory.mktemp("policies")
    (policies / "fleet.yaml").write_text(POLICIES + "".join(table.policy() for table in TABLES))
    with cluster.running(policies, workers=3) as found:
        yield found


def test_twenty_tables_at_once_end_as_their_policies_say_although_a_worker_is_killed(compose: Cluster) -> None:
    first_month = seed_target(compose)
    compose.team.wait_for_dags([table.dag_id for table in TABLES], 180)
    for table in TABLES:
        compose.team.trigger(table.dag_id)

    victims = kill_a_worker_in_the_middle(compose)
    see_to_the_end(compose, 900)

    assert [(each["dag_id"], each["task_id"], each["try_number"]) for each in compose.team.instances(state="failed")] == []
    assert compose.team.runs() == {table.dag_id: "success" for table in TABLES}
    tries = {(each["dag_id"], each["task_id"], each["map_index"]): each["try_number"] for each in compose.team.instances()}
    assert victims
    assert all(tries[victim] >= 2 for victim in victims)
    workers = {each["hostname"] for each in compose.team.instances(state="success")}
    assert workers == {"worker-1", "worker-2"}
    left_as_the_policies_say(compose, first_month)
    archives_as_the_policies_say(compose, first_month)


def seed_target(compose: Cluster) -> date:
    with psycopg.connect(compose.target) as connection:
        return seed(connection, TABLES, datetime.now(UTC).date())


def kill_a_worker_in_the_middle(compose: Cluster) -> list[tuple[str, str, int]]:
    """Once archives are being made, with at least two tasks in its hands; which tasks these were."""

    def busy() -> list[dict[str, Any]]:
        return [each for each in compose.team.instances(state="running") if each["hostname"] == "worker-2"]

    def worth_killing() -> bool:
        archived = any(each["task_id"] == "expire.archive_partition" for each in compose.team.instances(state="success"))
        return archived and len(busy()) >= 2

    wait(worth_killing, 600, "worker-2 never had two tasks at once", pause=0.5)
    compose.machine.kill("worker-2")
    return [(each["dag_id"], each["task_id"], each["map_index"]) for each in busy()]


def see_to_the_end(compose: Cluster, seconds: float) -> None:
    """What the scheduler wants to try again in some minutes is cleared, as a person would who knows that a machine is gone."""

    def all_over() -> bool:
        for instance in compose.team.instances(state="up_for_retry"):
            compose.team.clear(instance)
        return not set(compose.team.runs().values()) & {"queued", "running"}

    wait(all_over, seconds, "the runs did not end", pause=3)


def left_as_the_policies_say(compose: Cluster, first_month: date) -> None:
    """In the database: what expired is gone, or detached if it waits for its drop; what was missing is there; nothing else is."""
    kept = list(months_from(first_month, 5))[1:]
    with psycopg.connect(compose.target) as connection:
        kinds = "SELECT relname, relispartition FROM pg_class WHERE relnamespace = 'fleet'::regnamespace AND relkind = 'r'"
        found: dict[str, bool] = dict(connection.execute(kinds).fetchall())
        wanted = {f"{table.name}_p{month:%Y%m}": True for table in TABLES for month in kept}
        wanted |= {f"{table.name}_p{first_month:%Y%m}": False for table in TABLES if table.waits}
        assert found == wanted
        for table in TABLES:
            count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("fleet", table.name))
            assert connection.execute(count).fetchone() == (3 * ROWS,)
        unfinished = "SELECT FROM pg_inherits WHERE inhdetachpending UNION ALL SELECT FROM pg_index WHERE NOT indisvalid"
        assert connection.execute(unfinished).fetchall() == []


def archives_as_the_policies_say(compose: Cluster, first_month: date) -> None:
    """In the object store: of each table one archive, which has all rows, and no object more. One that was killed has left its number unused."""
    folders = {f"fleet/fleet.{table.name}/{table.name}_p{first_month:%Y%m}/archive_version=" for table in TABLES}
    objects = compose.bucket.objects()
    without_numbers = sorted(re.sub(r"(?<=archive_version=)\d+", "", each) for each in objects)
    assert without_numbers == sorted(f"{folder}/{file}" for folder in folders for file in ("part-00000.parquet", "_manifest.json"))
    rows = [pq.read_metadata(BytesIO(compose.bucket.read(key))).num_rows for key in objects if key.endswith(".parquet")]
    assert rows == [ROWS] * len(TABLES)
    assert compose.bucket.unfinished_uploads() == []
