"""The benchmark runs, on so few rows that its figures mean nothing."""

import argparse
import re
from pathlib import Path

import pytest

from tests.benchmarks.bench_adopt import run


@pytest.mark.slow
@pytest.mark.alone
def test_both_ways_are_measured_and_the_locks_are_drawn(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BENCH", "")  # which is put back afterwards
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
    picture = tmp_path / "locks.svg"
    run(server, argparse.Namespace(rows=3000, rounds=1, jobs=2, seconds=0.5, picture=picture))
    said = capsys.readouterr().out
    assert re.search(r"^ours +[\d,]+ rows/s", said, re.MULTILINE)
    assert re.search(r"^batches of 10,000 +[\d,]+ rows/s", said, re.MULTILINE)
    assert " statements, 0 errors" in said
    assert re.search(r"exchange +core\.sessions +AccessExclusiveLock +1 ", said)
    assert "<!-- its partitions -->" in picture.read_text()
