"""What Airflow's pages have of a run: the statements that ran, buttons, foldable logs, and assets on which others may schedule."""

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import local_airflow
from demo.migrate import migrate
from tests.databases import fresh_database

DAG = "partition_lifecycle.core.sessions"
POLICY = """
policies:
  - {{table: core.sessions, partition_key: created_at, retention: 24 months, archive: {{path: 'file://{folder}'}}, postgres_conn_id: page, lock_attempts: 3}}
"""


def metadata(statement: str, *values: Any) -> list[Any]:
    """Rows of Airflow's own tables."""
    from airflow.utils.session import create_session
    from sqlalchemy import text

    with create_session() as session:
        names = {f"v{index}": value for index, value in enumerate(values)}
        return list(session.execute(text(statement), names).fetchall())


@pytest.fixture(scope="module")
def run(server: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run that expires three partitions, and a dry one before it."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "policies.yaml").write_text(POLICY.format(folder=folder / "archive"))
    local_airflow.migrate_metadata()
    with pytest.MonkeyPatch.context() as patched, fresh_database(server) as uri:
        patched.setenv("PARTITION_POLICIES", str(folder / "policies.yaml"))
        patched.setenv("AIRFLOW_CONN_PAGE", uri)
        with psycopg.connect(uri) as connection:
            migrate(connection, rows=2800)
        dry = local_airflow.run_dag(DAG, {"dry_run": True})
        assert dry.state == "success"
        events_of_dry = metadata("SELECT count(*) FROM asset_event WHERE source_run_id = :v0", dry.run_id)[0][0]
        outcome = local_airflow.run_dag(DAG)
        assert outcome.state == "success"
        yield outcome, events_of_dry


def test_each_archived_partition_and_each_good_run_is_an_event_of_an_asset_and_a_dry_run_is_none(run: Any) -> None:
    outcome, events_of_dry = run
    found = metadata(
        "SELECT a.name, a.uri, e.extra, e.source_map_index FROM asset_event e JOIN asset a ON a.id = e.asset_id "
        "WHERE e.source_dag_id = :v0 AND e.source_run_id = :v1 ORDER BY e.id",
        DAG,
        outcome.run_id,
    )
    assert events_of_dry == 0
    extras = {name: json.loads(extra) if isinstance(extra, str) else extra for name, _, extra, _ in found}
    expired = [each["partition"] for each in outcome.plan["expire"]]
    assert sorted(extras) == sorted([*expired, "core.sessions"])
    first = extras[expired[0]]
    on_disk = json.loads(Path(first["uri"].removeprefix("file://"), "_manifest.json").read_text())
    assert first["rows"] == on_disk["rows"] > 0
    assert first["bytes"] > 0
    assert first["upper"].startswith(f"{expired[1][-6:-2]}-{expired[1][-2:]}-01")
    assert extras["core.sessions"]["drop done"] == 3
    assert {uri for name, uri, *_ in found if name == "core.sessions"} == {"partition-lifecycle://page/core/sessions"}


def test_somebody_else_may_schedule_on_one_partition_or_on_all(run: Any) -> None:
    outcome, _ = run
    aliases = metadata("SELECT name FROM asset_alias")
    assert {"core.sessions archived", "core.sessions maintained"} <= {name for (name,) in aliases}
    linked = metadata(
        "SELECT a.name FROM asset a JOIN asset_alias_asset l ON l.asset_id = a.id JOIN asset_alias s ON s.id = l.alias_id "
        "WHERE s.name = 'core.sessions archived'"
    )
    assert {name for (name,) in linked} == {each["partition"] for each in outcome.plan["expire"]}


@pytest.mark.parametrize(
    ("task", "statement"),
    [
        ("create_partitions", 'ATTACH PARTITION "core"."sessions_p'),
        ("expire.detach_partition", "DETACH PARTITION .* CONCURRENTLY"),
        ("expire.drop_partition", 'DROP TABLE "core"."sessions_p'),
        ("analyze", "ANALYZE"),
    ],
)
def test_the_rendered_templates_show_the_very_sql_that_ran(run: Any, task: str, statement: str) -> None:
    outcome, _ = run
    found = metadata(
        "SELECT rendered_fields FROM rendered_task_instance_fields WHERE dag_id = :v0 AND run_id = :v1 AND task_id = :v2",
        DAG,
        outcome.run_id,
        task,
    )
    fields = [json.loads(each) if isinstance(each, str) else each for (each,) in found]
    assert fields
    for each in fields:
        assert re.search(statement, each["statements"]), each
        assert set(each) >= {"reference_date", "dry_run"}


def test_buttons_lead_to_the_runbook_and_to_the_manifest(run: Any) -> None:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    outcome, _ = run
    with create_session() as session:

        def values(key: str, task: str) -> list[Any]:
            found = session.scalars(XComModel.get_many(run_id=outcome.run_id, task_ids=[task], dag_ids=[DAG], key=key)).all()
            return [XComModel.deserialize_value(each) for each in found]

        assert values("_link_RunbookLink", "analyze") == ["/partition-lifecycle/docs/runbook.md"]
        links = values("_link_ManifestLink", "expire.archive_partition")
        manifests = values("manifest", "expire.archive_partition")
        assert len(links) == len(manifests) == len(values("manifest", "expire.drop_partition")) == 3
    assert all(re.fullmatch(rf"/dags/{DAG}/runs/[^/]+/tasks/expire\.archive_partition/mapped/[012]/xcom", each) for each in links)
    on_disk = json.loads(Path(manifests[0]["archive"].removeprefix("file://"), "_manifest.json").read_text())
    assert manifests[0]["manifest"]["rows"] == on_disk["rows"] > 0


def test_the_servers_links_are_known_without_loading_our_classes() -> None:
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        dag = SerializedDagModel.get_dag(DAG, session=session)
    assert dag is not None
    assert {"Runbook", "Manifest"} <= set(dag.get_task("expire.archive_partition").extra_links)
    assert set(dag.get_task("analyze").extra_links) == {"Runbook"}
