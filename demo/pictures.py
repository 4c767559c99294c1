"""`make pictures`: the pictures of Airflow's UI below docs/pictures, taken anew from a real run of the demo's DAGs."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page

from demo.__main__ import say
from demo.airflow_api import AirflowApi
from demo.browser import chromium, logged_in
from demo.installation import USER, Installation
from demo.local_airflow import PROJECT

DAG = "partition_lifecycle.core.sessions"
BACKFILLED = "partition_lifecycle.system.audit_trails"
FOLDER = Path(tempfile.gettempdir()) / "partition-lifecycle"
"""Not the project's: the folder's name is to be seen in the pictures."""


def main() -> int:
    """Start Airflow on fresh data, let it run, take the pictures, stop it."""
    parser = argparse.ArgumentParser(prog="python -m demo.pictures", description=__doc__)
    parser.add_argument("--into", type=Path, default=PROJECT / "docs" / "pictures", help="the folder of the pictures")
    into: Path = parser.parse_args().into
    if chromium() is None:
        print("there is no Chromium; install one (apt-get install chromium), or say in CHROMIUM where it is", file=sys.stderr)
        return 1
    _command("down")
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        _command("up", "--port", "0")
        take_all(Installation(FOLDER), into)
    finally:
        _command("down")
    shutil.rmtree(FOLDER)
    return 0


def take_all(installation: Installation, into: Path) -> None:
    """Wait for the runs that the scheduler makes by itself, make some more, and take every picture."""
    api = AirflowApi.log_in(installation.url, USER, installation.password())
    run = _scheduled_run(api)
    _backfill(api)
    below = f"/dags/{DAG}/runs/{quote(run, safe='')}"
    pictures: dict[str, Callable[[Page], None]] = {
        "run": lambda page: _show(page, below, "expire.drop_partition"),
        "plan-log": lambda page: _show(page, f"{below}/tasks/plan", "Post Execute"),
        "archive-log": lambda page: _show(page, f"{below}/tasks/expire.archive_partition/mapped/0", "Post Execute"),
        "trigger": _show_trigger_form,
        "backfill": lambda page: _show(page, f"/dags/{BACKFILLED}/runs", "Success"),
    }
    with logged_in(installation.url, USER, installation.password(), width=1500, height=950) as page:
        for name, show in pictures.items():
            show(page)
            page.wait_for_timeout(2000)  # what moves has come to rest
            page.screenshot(path=into / f"{name}.png")
            say(f"wrote {into / name}.png")


def _show(page: Page, path: str, awaited: str) -> None:
    page.goto(path)
    page.get_by_text(awaited).first.wait_for()


def _show_trigger_form(page: Page) -> None:
    page.goto(f"/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_text("Reference date").first.wait_for()


def _scheduled_run(api: AirflowApi) -> str:
    """The id of the DAG's run, once all runs have ended."""
    while not (runs := _runs(api, DAG)) or _unfinished(api):
        time.sleep(1)
    return str(runs[0]["dag_run_id"])


def _backfill(api: AirflowApi) -> None:
    """The three months before this one; returns when it is through."""
    last = datetime.now(UTC).date().replace(day=1)
    first = _months_before(last, 3)
    body = {
        "dag_id": BACKFILLED,
        "from_date": f"{first}T00:00:00Z",
        "to_date": f"{_months_before(last, 1)}T00:00:00Z",
        "max_active_runs": 1,
    }
    backfill = api.post("backfills", body)["id"]
    while not api.get(f"backfills/{backfill}")["completed_at"]:
        time.sleep(1)


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def _runs(api: AirflowApi, dag_id: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = api.get(f"dags/{dag_id}/dagRuns")["dag_runs"]
    return found


def _unfinished(api: AirflowApi) -> bool:
    return any(run["state"] in ("queued", "running") for run in _runs(api, "~"))


def _command(verb: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", f"demo.{verb}", "--folder", str(FOLDER), *arguments], check=True)  # noqa: S603 - we wrote the arguments


if __name__ == "__main__":
    sys.exit(main())
