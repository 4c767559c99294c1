"""Buttons on a task's page. Airflow asks for them when the task has run, and keeps the answers."""

from typing import Any
from urllib.parse import quote, urlsplit

from airflow.configuration import conf
from airflow.sdk import BaseOperatorLink

RUNBOOK = "/partition-lifecycle/docs/runbook.md"
"""Where the plugin `partition_pages` serves it."""


class RunbookLink(BaseOperatorLink):
    """What to do about each message, by the step."""

    name = "Runbook"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ANN401, ARG002 - the signature is Airflow's, whose types differ between worker and server
        """The runbook on this Airflow."""
        return f"{_root()}{RUNBOOK}"


class ManifestLink(BaseOperatorLink):
    """The archive's manifest, which the task has left in its XCom `manifest`."""

    name = "Manifest"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ANN401, ARG002 - as above
        """The page of the task's XComs."""
        parts = ("dags", ti_key.dag_id, "runs", ti_key.run_id, "tasks", ti_key.task_id)
        mapped = ("mapped", str(ti_key.map_index)) if ti_key.map_index is not None and ti_key.map_index >= 0 else ()
        return _root() + "/" + "/".join(quote(each, safe="") for each in (*parts, *mapped, "xcom"))


def _root() -> str:
    """The path below which Airflow is served, without a slash at its end; the host is the reader's business."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
