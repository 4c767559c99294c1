"""What many policies cost Airflow: importing the DAG file, serializing its DAGs, and the real DAG processor."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from demo.local_airflow import PROJECT

PARSE = """
    import json, logging, os, sys, time
    import airflow, airflow.sdk, airflow.providers.postgres.hooks.postgres  # Airflow's own import is not ours to pay
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
    def timed(work):
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        return result, {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}
    file = sys.argv[1]
    bag, parsed = timed(lambda: BundleDagBag(dag_folder=file, bundle_path=os.path.dirname(file), bundle_name="dags-folder"))
    assert not bag.import_errors, bag.import_errors
    made, serialized = timed(lambda: [LazyDeserializedDAG(data=DagSerialization.to_dict(dag)) for dag in bag.dags.values()])
    print(json.dumps({"dags": len(made), "parse": parsed, "serialize": serialized, "bytes": sum(len(each.model_dump_json()) for each in made)}))
"""

COUNT = """
    import json
    from airflow.models.dag import DagModel
    from airflow.models.errors import ParseImportError
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    with create_session() as session:
        print(json.dumps({"dags": session.query(DagModel).filter(DagModel.dag_id.like("partition_lifecycle.%"), ~DagModel.is_stale).count(),
                          "serialized": session.query(SerializedDagModel).filter(SerializedDagModel.dag_id.like("partition_lifecycle.%")).count(),
                          "errors": [each.stacktrace[-500:] for each in session.query(ParseImportError)]}))
"""


def write_policies(file: Path, policies: int) -> None:
    """A file with so many policies that expire and archive."""
    lines = "".join(f"  - {{table: many.t{number:04}}}\n" for number in range(policies))
    file.write_text("defaults: {partition_key: at, retention: 24 months, archive: {path: 'file:///nowhere'}}\npolicies:\n" + lines)


def parse(policies: Path, home: Path, dag_file: str = "partition_lifecycle.py") -> dict[str, Any]:
    """Seconds to import the DAG file and to serialize its DAGs, as the DAG processor's child does, in a process of its own."""
    return _python(PARSE, home, policies, str(PROJECT / "dags" / dag_file))


def dag_processor(policies: Path, home: Path, metadata_uri: str) -> dict[str, Any]:
    """Run the real one once on an empty metadata database; seconds from its start to its end, and what has arrived."""
    environment = _environment(home, policies, metadata_uri)
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environment, check=True, capture_output=True, timeout=600)
    begun = time.monotonic()
    done = subprocess.run(
        [*airflow, "dag-processor", "--num-runs", "1"], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    seconds = time.monotonic() - begun
    return {
        "seconds": seconds,
        "status": done.returncode,
        **_python(COUNT, home, policies, metadata_uri=metadata_uri),
    }


def _python(code: str, home: Path, policies: Path, *arguments: str, metadata_uri: str | None = None) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], env=_environment(home, policies, metadata_uri),
        capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _environment(home: Path, policies: Path, metadata_uri: str | None = None) -> dict[str, str]:
    own = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata_uri or f"sqlite:///{home}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}",
        "PARTITION_POLICIES": str(policies),
    }
    return {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")} | own
