"""Background processes: on record, found again, stopped whole; and nobody else's."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo import process_table
from demo.processes import Background
from demo.turn import NotOurTurnError, taken

SLEEP = ("/bin/sh", "-c", "sleep 600")
BOTH = "sleep 600 & sleep 601"
DEAF = "trap '' TERM; sleep 600; sleep 601"
SESSION_OF_ITS_OWN = "import os, time; os.fork() or os.setsid(); time.sleep(600)"


@pytest.fixture
def background(tmp_path: Path) -> Iterator[Background]:
    found = Background(tmp_path)
    yield found
    for name in found.known():
        found.stop(name, 0)


def start(background: Background, name: str, *program: str) -> int:
    with taken(background.folder) as lock:
        background.start(name, program, os.environ, lock=lock)
    return int(json.loads((background.folder / "run" / f"{name}.json").read_text())["pid"])


def eventually(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    return what()


def test_what_was_started_runs_in_a_session_of_its_own_and_is_known_until_it_is_stopped(background: Background) -> None:
    pid = start(background, "one", *SLEEP)
    start(background, "two", *SLEEP)
    assert background.known() == ["one", "two"]
    assert background.is_running("one")
    assert os.getsid(pid) == pid
    assert background.stop("one", 5) is True
    assert process_table.find(pid) is None
    assert background.known() == ["two"]
    assert background.stop("one", 5) is False


@pytest.mark.parametrize("program", [("/bin/sh", "-c", BOTH), (sys.executable, "-c", SESSION_OF_ITS_OWN)], ids=["child", "session"])
def test_what_a_program_started_ends_with_it(background: Background, program: tuple[str, ...]) -> None:
    pid = start(background, "parent", *program)
    assert eventually(lambda: len(process_table.family(pid)) >= 2)
    family = process_table.family(pid)
    assert background.stop("parent", 5)
    assert [each for each in family if process_table.find(each.pid)] == []


def test_children_whose_parent_was_killed_are_found(background: Background) -> None:
    pid = start(background, "parent", "/bin/sh", "-c", BOTH)
    assert eventually(lambda: len(process_table.family(pid)) == 3)
    family = process_table.family(pid)
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not background.is_running("parent"))
    assert background.stop("parent", 5)
    assert [each for each in family if process_table.find(each.pid)] == []


def test_who_does_not_listen_is_killed_when_patience_ends(background: Background) -> None:
    pid = start(background, "deaf", "/bin/sh", "-c", DEAF)
    assert eventually(lambda: len(process_table.family(pid)) == 2)
    begun = time.monotonic()
    assert background.stop("deaf", 0.5)
    assert 0.4 < time.monotonic() - begun < 5
    assert process_table.find(pid) is None


def test_a_number_that_another_process_has_by_now_is_not_touched(background: Background) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True, cwd=background.folder) as stranger:  # noqa: S603 - constants
        (background.folder / "run").mkdir()
        record = {"pid": stranger.pid, "started": "some other boot 12345"}
        (background.folder / "run" / "ended.json").write_text(json.dumps(record))
        assert not background.is_running("ended")
        assert background.stop("ended", 0.1) is False
        assert stranger.poll() is None
        assert background.known() == []
        os.killpg(stranger.pid, signal.SIGKILL)


def test_a_program_that_is_not_there_is_said_to_have_died_with_its_last_words(background: Background) -> None:
    start(background, "typo", "/bin/no-such-program")
    assert eventually(lambda: not background.is_running("typo"))
    assert "no-such-program" in background.last_words("typo")


def test_only_one_starts_or_stops_and_the_other_is_told_who(tmp_path: Path) -> None:
    with taken(tmp_path), pytest.raises(NotOurTurnError, match=f"process {os.getpid()} is starting or stopping it"), taken(tmp_path):
        pass
    with taken(tmp_path):
        pass


def test_who_must_have_the_turn_ends_the_other(tmp_path: Path) -> None:
    wait = "import sys, time, pathlib; from demo.turn import taken\nwith taken(pathlib.Path(sys.argv[1])):\n print(1, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", wait, str(tmp_path)], stdout=subprocess.PIPE) as other:  # noqa: S603 - constants
        assert other.stdout is not None
        other.stdout.readline()
        with taken(tmp_path, by_force=5):
            pass
        assert other.wait(5) == -signal.SIGTERM


def test_the_lock_is_held_until_the_process_is_on_record_and_no_longer(background: Background) -> None:
    """Otherwise one who stops everything could miss a process, or wait for ever for a lock that Airflow holds."""
    start(background, "sleeper", *SLEEP)
    with taken(background.folder):
        assert background.is_running("sleeper")
