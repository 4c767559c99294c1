"""The DAG file: what it builds, what it costs to import, and that importing asks no database."""

import inspect
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import TriggerRule
from airflow.serialization.serialized_objects import DagSerialization

from demo.local_airflow import PROJECT
from tests.benchmarks.scale_parsing import parse, write_policies

POLICY = """
defaults: {partition_key: created_at, retention: 24 months, archive: {path: 'file:///nowhere'}, owner: the owner}
policies:
  - {table: core.sessions, tags: [first]}
"""


RESHAPE = {"partition_adopt", "partition_regrain", "partition_undo", "partition_cancel_reshape"}
WITHOUT_ARCHIVES = {"partition_alarm", "partition_hold", "partition_lift_hold", *RESHAPE}
FOR_ALL_TABLES = {"partition_restore", "partition_restore_drill", "partition_reconcile_archives", *WITHOUT_ARCHIVES}


def bag(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> DagBag:
    file = folder / "policies.yaml"
    file.write_text(text)
    monkeypatch.setenv("PARTITION_POLICIES", str(file))
    found = DagBag(PROJECT / "dags")
    assert found.import_errors == {}
    return found


def test_one_dag_for_each_policy_with_its_schedule_owner_and_tags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dags = bag(monkeypatch, tmp_path, POLICY + "  - {table: core.other, schedule: '0 3 * * *'}\n").dags
    assert set(dags) == {"partition_lifecycle.core.sessions", "partition_lifecycle.core.other", *FOR_ALL_TABLES}
    dag = dags["partition_lifecycle.core.sessions"]
    assert dag.tags >= {"partition-lifecycle", "core", "first"}
    assert (dag.catchup, dag.max_active_runs, dag.default_args["owner"]) == (False, 1, "the owner")
    assert "The life of `core.sessions`" in (dag.doc_md or "")
    assert set(dag.params) == {"reference_date", "dry_run"}


def upstream(dag: Any, task_id: str) -> set[str]:
    return set(dag.get_task(task_id).upstream_task_ids)


def test_the_tasks_stand_in_the_order_of_the_design(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dag = bag(monkeypatch, tmp_path, POLICY).dags["partition_lifecycle.core.sessions"]
    assert upstream(dag, "heal") == {"plan"}
    assert upstream(dag, "drain_default") == {"heal"}
    assert upstream(dag, "create_partitions") == {"drain_default"}
    assert upstream(dag, "expire.archive_partition") == {"plan", "create_partitions"}
    assert upstream(dag, "expire.detach_partition") == {"plan", "expire.archive_partition"}
    assert upstream(dag, "expire.drop_partition") == {"plan", "expire.detach_partition"}
    assert upstream(dag, "measure_bloat") == {"expire.drop_partition"}
    assert upstream(dag, "analyze") == {"reindex_partition"}
    assert upstream(dag, "report") == set(dag.task_ids) - {"report"}


def test_indexes_are_built_behind_the_expiry_only_where_the_policy_has_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without = bag(monkeypatch, tmp_path, POLICY).dags["partition_lifecycle.core.sessions"]
    assert "build_indexes" not in without.task_ids
    dag = bag(monkeypatch, tmp_path, POLICY.replace("tags: [first]", "indexes: [{columns: [a]}]")).dags["partition_lifecycle.core.sessions"]
    assert upstream(dag, "build_indexes") == {"expire.drop_partition"}
    assert upstream(dag, "measure_bloat") == {"build_indexes"}
    assert dag.get_task("build_indexes").trigger_rule is TriggerRule.ALL_DONE


def test_only_the_expiry_waits_for_a_person_and_nothing_that_creates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asking = POLICY.replace("tags: [first]", "approval: required")
    dag = bag(monkeypatch, tmp_path, asking).dags["partition_lifecycle.core.sessions"]
    assert upstream(dag, "approve") == {"plan"}
    assert upstream(dag, "expire.archive_partition") == {"approve", "create_partitions"}
    behind = {task.task_id for task in dag.get_task("approve").get_flat_relatives(upstream=False)}
    waiting = {"measure_bloat", "reindex_partition", "analyze", "report"}
    assert behind == waiting | {f"expire.{step}_partition" for step in ("archive", "detach", "drop")}
    assert TriggerRule(dag.get_task("approve").trigger_rule) is TriggerRule.ALL_SUCCESS


def test_a_failure_stops_only_what_depends_on_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dag = bag(monkeypatch, tmp_path, POLICY).dags["partition_lifecycle.core.sessions"]
    rules = {task.task_id: TriggerRule(task.trigger_rule).value for task in dag.tasks}
    goes_on = {"drain_default", "create_partitions", "recent_view", "expire.archive_partition", "measure_bloat", "analyze", "report"}
    assert {task for task, rule in rules.items() if rule == "all_done"} == goes_on
    assert {rules[task] for task in ("heal", "expire.detach_partition", "expire.drop_partition", "reindex_partition")} == {"all_success"}


def test_only_archives_and_rebuilds_take_a_slot_of_the_policy_s_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dag = bag(monkeypatch, tmp_path, POLICY.replace("tags: [first]", "pool: app_database")).dags["partition_lifecycle.core.sessions"]
    pools = {task.task_id: task.partial_kwargs["pool"] if hasattr(task, "partial_kwargs") else task.pool for task in dag.tasks}
    assert {task for task, pool in pools.items() if pool == "app_database"} == {"expire.archive_partition", "reindex_partition"}
    assert set(pools.values()) == {"app_database", "default_pool"}


def test_airflow_warns_of_a_pool_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bag(monkeypatch, tmp_path, POLICY.replace("tags: [first]", "pool: app_database"))
    warnings = DagBag(PROJECT / "dags", known_pools={"default_pool"}).dag_warnings
    assert [(each.dag_id, "app_database" in each.message) for each in warnings] == [("partition_lifecycle.core.sessions", True)]
    assert DagBag(PROJECT / "dags", known_pools={"default_pool", "app_database"}).dag_warnings == set()


def test_every_task_explains_itself_and_mapped_ones_show_their_partition(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dag = bag(monkeypatch, tmp_path, POLICY).dags["partition_lifecycle.core.sessions"]
    for task in dag.tasks:
        doc = task.partial_kwargs["doc_md"] if task.is_mapped and hasattr(task, "partial_kwargs") else task.doc_md
        assert "When it fails" in str(doc), task.task_id
        if task.task_id.startswith(("expire.", "reindex")):
            template = task.partial_kwargs["map_index_template"] if hasattr(task, "partial_kwargs") else task.map_index_template
            assert template == "{{ task.partition }}"


def test_a_broken_policy_gets_a_failing_dag_of_its_name_and_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dags = bag(monkeypatch, tmp_path, POLICY + "  - {table: core.other, retention: -3 months}\n").dags
    assert "plan" in dags["partition_lifecycle.core.sessions"].task_ids
    broken = dags["partition_lifecycle.core.other"]
    assert broken.task_ids == ["policy_is_not_usable"]
    with pytest.raises(Exception, match=r"(?s)policies.yaml:5: retention: .*make check-policies"):
        broken.get_task("policy_is_not_usable").python_callable()  # type: ignore[union-attr]  # a decorated task has it


def test_a_file_that_is_no_yaml_is_loud_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dags = bag(monkeypatch, tmp_path, "policies: [").dags
    assert set(dags) == {"partition_lifecycle.policy_files", "partition_alarm"}
    assert dags["partition_alarm"].task_ids == ["policy_files"]


def test_the_form_of_a_restore_offers_the_tables_that_have_archives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = POLICY + "  - {table: core.kept, retention: null, archive: null}\n"
    dags = bag(monkeypatch, tmp_path, text).dags
    form = dags["partition_restore"].params
    assert form.get_param("table").schema["enum"] == ["core.sessions"]
    assert form.get_param("mode").schema["enum"] == ["attach", "table", "verify"]
    assert list(form) == ["table", "from", "to", "mode", "hold_until", "version", "dry_run"]
    assert upstream(dags["partition_restore"], "restore") == {"find"}
    assert str(dags["partition_restore_drill"].schedule) == "@monthly"
    for dag_id in FOR_ALL_TABLES:
        assert all("When it fails" in str(getattr(task, "partial_kwargs", {}).get("doc_md") or task.doc_md) for task in dags[dag_id].tasks)


def test_without_a_table_that_archives_there_is_nothing_to_restore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "policies: [{table: core.sessions, partition_key: created_at}]"
    dags = bag(monkeypatch, tmp_path, text).dags
    assert set(dags) == {"partition_lifecycle.core.sessions", *WITHOUT_ARCHIVES}


def test_holds_have_two_forms_for_all_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "policies: [{table: core.sessions, partition_key: created_at}]"
    dags = bag(monkeypatch, tmp_path, text).dags
    assert list(dags["partition_hold"].params) == ["table", "from", "to", "reason", "until", "dry_run"]
    assert list(dags["partition_lift_hold"].params) == ["table", "number", "dry_run"]
    for dag_id in ("partition_hold", "partition_lift_hold"):
        assert dags[dag_id].params.get_param("table").schema["enum"] == ["core.sessions"]


def test_a_table_gets_another_shape_in_four_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dags = bag(monkeypatch, tmp_path, "policies: [{table: core.sessions, partition_key: created_at}]").dags
    for dag_id in sorted(RESHAPE - {"partition_cancel_reshape"}):
        dag = dags[dag_id]
        assert list(dag.params) == ["table", "free_disk", "reference_date", "dry_run"]
        assert [upstream(dag, task) for task in ("plan", "copy", "index", "swap")] == [set(), {"plan"}, {"copy"}, {"index"}]
        assert dag.max_active_runs == 1
        assert "partition_cancel_reshape" in (dag.doc_md or "")
    assert dags["partition_cancel_reshape"].task_ids == ["cancel"]


def test_the_alarm_has_one_task_for_each_database_and_a_schedule_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = POLICY + "  - {table: core.a, postgres_conn_id: other}\n  - {table: core.b, postgres_conn_id: other}\n"
    dag = bag(monkeypatch, tmp_path, text).dags["partition_alarm"]
    assert dag.get_task("database").expand_input.value == {"postgres_conn_id": ["other", "postgres_default"]}  # type: ignore[union-attr]  # it is mapped
    assert str(dag.schedule) == "30 6 * * *"
    monkeypatch.setenv("PARTITION_ALARM_SCHEDULE", "@hourly")
    assert str(bag(monkeypatch, tmp_path, text).dags["partition_alarm"].schedule) == "@hourly"


def python(code: str, **environment: str) -> dict[str, Any]:
    """Run code in a new process, as a DAG processor would, and return the JSON it prints last."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}", **environment},
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def many(folder: Path, policies: int) -> str:
    file = folder / "many.yaml"
    lines = "".join(f"  - {{table: core.t{number:04}}}\n" for number in range(policies))
    file.write_text("defaults: {partition_key: at, retention: 24 months, archive: {path: 'file:///nowhere'}}\npolicies:\n" + lines)
    return str(file)


IMPORT = """
    import json, socket, sys, time
    import airflow, airflow.sdk, airflow.providers.postgres.hooks.postgres  # Airflow's own import is not ours to pay
    connects = []
    sys.addaudithook(lambda event, arguments: connects.append(str(arguments)) if event == "socket.connect" else None)
    import psycopg
    psycopg.connect = psycopg.Connection.connect = lambda *a, **k: connects.append("psycopg")
    begun = time.perf_counter()
    sys.path.insert(0, "dags")
    import partition_lifecycle
    seconds = time.perf_counter() - begun
    dags = [name for name in vars(partition_lifecycle) if name.startswith("partition_lifecycle.")]
    asks = "partition_operators.approve_plan" in sys.modules
    print(json.dumps({"seconds": seconds, "dags": len(dags), "connects": connects, "asks": asks}))
"""


@pytest.mark.alone
def test_two_hundred_policies_are_parsed_in_five_seconds_without_a_database(tmp_path: Path) -> None:
    found = python(IMPORT, PARTITION_POLICIES=many(tmp_path, 200))
    assert found["dags"] == 200
    assert found["connects"] == []
    assert found["asks"] is False  # what is needed to ask a person is loaded only for a policy that wants it
    assert found["seconds"] < 5, found


def test_a_dag_has_its_params_and_its_tasks_have_no_copies_that_are_checked_whenever_one_is_serialized(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dag = bag(monkeypatch, tmp_path, POLICY).dags["partition_lifecycle.core.sessions"]
    serialized = DagSerialization.to_dict(dag)["dag"]
    assert {name for name, _ in serialized["params"]} == {"reference_date", "dry_run"}
    assert [task["__var"].get("params") for task in serialized["tasks"]] == [None] * len(dag.tasks)


EVERYTHING = """  - table: core.everything
    approval: {rows: 1000}
    approvers: [ann]
    approval_timeout: 2 days
    deadline: 6 h
    notify: {on_failure: [{notifier: no_such_provider.Notifier}], on_success: [{notifier: no_such_provider.Notifier}]}
    pool: heavy
    recent_view: {name: core.v_everything}
"""


def test_every_dag_is_stored_and_read_back_with_whatever_a_policy_can_ask_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dags = bag(monkeypatch, tmp_path, POLICY + EVERYTHING).dags
    assert set(dags) == {"partition_lifecycle.core.sessions", "partition_lifecycle.core.everything", *FOR_ALL_TABLES}
    for dag in dags.values():
        stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
        read = DagSerialization.from_dict(stored)
        assert {task.task_id: set(task.downstream_task_ids) for task in read.tasks} == {
            task.task_id: set(task.downstream_task_ids) for task in dag.tasks
        }
        assert set(read.params) == set(dag.params)


@pytest.mark.slow
@pytest.mark.alone
def test_a_thousand_policies_stay_inside_the_limits_of_the_dag_processor(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    write_policies(file, 1000)
    found = parse(file, tmp_path)
    assert found["dags"] == 1000
    assert found["parse"]["processor"] < 20, found  # dagbag_import_timeout: 30 s
    assert found["parse"]["processor"] + found["serialize"]["processor"] < 35, found  # dag_file_processor_timeout: 50 s


def test_a_task_process_builds_only_its_own_dag(tmp_path: Path) -> None:
    own = "_AIRFLOW_PARSING_CONTEXT_DAG_ID"
    found = python(IMPORT, PARTITION_POLICIES=many(tmp_path, 200), **{own: "partition_lifecycle.core.t0007"})
    assert found["dags"] == 1


def test_the_docstring_of_every_operator_says_what_happens_when_it_fails() -> None:
    import importlib.util

    folder = PROJECT / "plugins" / "partition_operators"
    operators = []
    for file in folder.glob("*.py"):
        if file.stem == "retry_by_kind" and importlib.util.find_spec("airflow.sdk.definitions.retry_policy") is None:
            continue  # it is for Airflow 3.3 and newer
        module = importlib.import_module(f"partition_operators.{file.stem}")
        operators += [each for name, each in vars(module).items() if name.endswith("Operator") and each.__module__ == module.__name__]
    finished = [each for each in operators if "not used by itself" not in (inspect.getdoc(each) or "")]
    assert len(finished) == 27
    assert all("**When it fails**" in (inspect.getdoc(each) or "") for each in finished)
