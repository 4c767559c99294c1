"""Airflow in this process: its settings, its metadata database, and running one DAG to its end with `dag.test`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

PROJECT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a DAG run ended, and the state of each of its task instances by `task_id` or `task_id[map_index]`."""

    run_id: str
    state: str
    tasks: dict[str, str]
    plan: dict[str, Any] | None


def configure(home: Path, metadata_uri: str, connections: dict[str, str], policies: Path) -> None:
    """Set Airflow's environment. To be called before anything of Airflow is imported; arguments as of `settings`."""
    os.environ |= settings(home, metadata_uri, connections, policies)


def settings(home: Path, metadata_uri: str, connections: dict[str, str], policies: Path) -> dict[str, str]:
    """The environment variables by which a process is this project's Airflow.

    :param metadata_uri: of the metadata database, `postgresql://…`.
    :param connections: Airflow connection ids and their URIs.
    :param policies: policy file or folder.
    """
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata_uri.replace("postgresql://", "postgresql+psycopg://", 1),
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of the demo, which listens on no port " * 2,
        "PARTITION_POLICIES": str(policies),
        **{f"AIRFLOW_CONN_{name.upper()}": uri for name, uri in connections.items()},
    }


def socket_uri(folder: str, database: str, user: str = "postgres") -> str:
    """The URI of a database on the server whose Unix socket is in `folder`."""
    return f"postgresql://{user}@/{database}?host={quote(folder, safe='')}"


def migrate_metadata() -> None:
    """Make Airflow's tables, or bring them up to date."""
    from airflow.utils.db import initdb  # noqa: PLC0415 - Airflow reads its settings when it is imported

    initdb()


def run_dag(dag_id: str, conf: dict[str, Any] | None = None, retries: int = 2) -> Outcome:
    """Run a DAG to its end, in this process. A fresh DagBag each time: params leak from run to run on one DAG object.

    :param retries: of each task, at once: nobody should sit and wait for one here.
    """
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - Airflow reads its settings when it is imported

    bag = DagBag(PROJECT / "dags")
    if bag.import_errors:
        raise RuntimeError(f"the DAG files cannot be imported: {bag.import_errors}")
    dag = bag.dags[dag_id]
    dag.deadline = None  # dag.test cannot end with one (apache/airflow#73428), and a deadline is watched by the scheduler
    for each in dag.tasks:
        each.retries = retries
        each.retry_delay = timedelta(0)
        if hasattr(each, "retry_policy"):  # since Airflow 3.3
            each.retry_policy = None
    run = dag.test(run_conf=conf)
    tasks = {_instance_name(each): str(each.state) for each in run.get_task_instances()}
    return Outcome(run.run_id, str(run.state), tasks, _plan_of(dag_id, run.run_id))


@contextmanager
def output_into(file: Path) -> Iterator[None]:
    """Send whatever this process prints, from C code and child processes too, to the end of a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    saved = os.dup(1), os.dup(2)
    with file.open("ab") as log:
        try:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            yield
        finally:
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])


def _instance_name(instance: Any) -> str:  # noqa: ANN401 - an ORM object of Airflow's
    return instance.task_id if instance.map_index < 0 else f"{instance.task_id}[{instance.map_index}]"


def _plan_of(dag_id: str, run_id: str) -> dict[str, Any] | None:
    from airflow.models.xcom import XComModel  # noqa: PLC0415 - Airflow reads its settings when it is imported
    from airflow.utils.session import create_session  # noqa: PLC0415 - Airflow reads its settings when it is imported

    with create_session() as session:
        found = session.scalars(XComModel.get_many(run_id=run_id, task_ids=["plan"], dag_ids=[dag_id], key="plan")).first()
        plan: dict[str, Any] | None = XComModel.deserialize_value(found) if found else None
        return plan
