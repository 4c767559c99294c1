"""A whole DAG run whose names Airflow could take for templates, formats and folders."""

import json
from pathlib import Path
from typing import Any

import pytest

from demo import local_airflow
from tests.integration.test_hostile_names import EVERYTHING, SETUP, Hostile


@pytest.mark.slow
def test_a_run_of_a_table_named_like_a_template_touches_what_it_is_named(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_airflow.migrate_metadata()
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", database)
    monkeypatch.setenv("PARTITION_POLICIES", str(tmp_path / "policies.yaml"))
    hostile = Hostile(database, tmp_path / "archive", EVERYTHING)
    hostile.execute(SETUP)
    policy: dict[str, Any] = {
        "table": str(hostile.table), "partition_key": EVERYTHING, "retention": "1 month", "premake": 1, "postgres_conn_id": "target",
        "archive": {"path": f"file://{tmp_path / 'archive'}"},
    }  # fmt: skip
    (tmp_path / "policies.yaml").write_text(json.dumps({"policies": [policy]}))  # JSON is YAML
    try:
        outcome = local_airflow.run_dag(hostile.policy.dag_id, {"reference_date": "2026-11-22"})
        assert outcome.state == "success", outcome.tasks
        assert outcome.tasks["expire.drop_partition[0]"] == "success"
        assert hostile.execute("SELECT count(*) FROM {t}") == [(40,)]
        conf = {"table": str(hostile.table), "from": "2026-09-01", "mode": "attach"}
        restored = local_airflow.run_dag("partition_restore", conf)
        assert restored.state == "success", restored.tasks
        assert hostile.execute("SELECT count(*) FROM {t}") == [(80,)]
        assert hostile.execute("SELECT count(*) FROM {old}") == [(40,)]
    finally:
        hostile.execute("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
