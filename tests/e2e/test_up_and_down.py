"""`make up` and `make down`: the whole Airflow within two minutes, and nothing of it afterwards, whatever was killed meanwhile."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from demo.airflow_api import AirflowApi, unhealthy
from demo.installation import USER, Installation
from tests.e2e.installations import down, folder_of_an_installation, log_in, processes_of, starting, up

pytestmark = [pytest.mark.slow, pytest.mark.alone]

PARTS = ["postgresql", "api-server", "scheduler", "dag-processor", "triggerer"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_of_an_installation() as found:
        yield found


def pid_of(folder: Path, part: str) -> int:
    return int(json.loads((folder / "run" / f"{part}.json").read_text())["pid"])


def when_there(file: Path) -> None:
    until = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < until, f"waited a minute for {file}"
        time.sleep(0.02)


def test_all_of_airflow_is_up_within_two_minutes_and_gone_after_down(folder: Path) -> None:
    begun = time.monotonic()
    started = up(folder)
    took = time.monotonic() - begun
    assert started.returncode == 0, started.stderr
    assert took < 120
    url, password = Installation(folder).url, Installation(folder).password()
    assert url.startswith("http://127.0.0.1:")
    assert all(each in started.stdout for each in (url, USER, password))
    assert unhealthy(url) == set()

    paused = {dag["dag_id"]: dag["is_paused"] for dag in log_in(folder).get("dags")["dags"]}
    assert {"partition_lifecycle.core.sessions", "partition_lifecycle.system.audit_trails", "partition_restore"} <= set(paused)
    assert set(paused.values()) == {False}
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        AirflowApi.log_in(url, USER, "not the password")
    assert (folder / "secrets" / "passwords.json").stat().st_mode & 0o077 == 0

    again = up(folder)
    assert (again.returncode, "already running" in again.stdout, url in again.stdout) == (0, True, True)

    os.kill(pid_of(folder, "scheduler"), signal.SIGKILL)
    half = up(folder)
    assert half.returncode == 1
    assert "half up: scheduler not running" in half.stderr

    assert len(processes_of(folder)) > len(PARTS)
    assert down(folder).returncode == 0
    assert processes_of(folder) == []
    assert down(folder).stdout == "nothing was running\n"


@pytest.mark.parametrize("when", ["postgresql", "migrate-metadata", "scheduler"])
def test_down_leaves_nothing_of_an_up_that_was_killed_half_way(folder: Path, when: str) -> None:
    with starting(folder) as process:
        when_there(folder / "run" / f"{when}.json")
        process.kill()
    assert processes_of(folder) != []
    assert down(folder).returncode == 0
    assert processes_of(folder) == []


def test_down_ends_an_up_that_is_under_way(folder: Path) -> None:
    with starting(folder) as process:
        when_there(folder / "run" / "migrate-metadata.json")
        second = up(folder)
        assert second.returncode == 1
        assert f"process {process.pid} is starting or stopping it" in second.stderr
        assert down(folder).returncode == 0
        assert process.wait(10) == 1
    assert processes_of(folder) == []


def test_an_interrupted_up_stops_what_it_has_started(folder: Path) -> None:
    with starting(folder) as process:
        when_there(folder / "run" / "migrate-metadata.json")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    assert processes_of(folder) == []


def test_a_part_that_dies_is_named_with_the_end_of_its_log_and_nothing_stays(folder: Path) -> None:
    failed = up(folder, "--setting", "AIRFLOW__CORE__EXECUTOR=NoSuchExecutor")
    assert failed.returncode == 1
    assert '"migrate-metadata" has died' in failed.stderr or '"scheduler" has died' in failed.stderr
    assert "NoSuchExecutor" in failed.stderr
    assert processes_of(folder) == []
