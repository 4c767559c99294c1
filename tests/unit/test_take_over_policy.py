"""The policy that is written for a table of pg_partman's."""

from pathlib import Path
from typing import Any

import pytest

from include.partitioning.choices import OnExpiry
from include.partitioning.config import load_policies
from include.partitioning.interval import Interval
from include.partitioning.partition import Partition
from include.partitioning.partman import Installation, Length, PartmanConfig
from include.partitioning.policy import PartitionPolicy
from include.partitioning.take_over_policy import policy_file, settings
from tests.unit.partman_tables import NAME, YEARS, config, cut, part

WHERE = Installation("partman", "4.7.2")


def written(folder: Path, said: PartmanConfig, *partitions: Partition, **changes: Any) -> PartitionPolicy:
    """The policy as the loader reads what was written."""
    file = folder / "policy.yaml"
    file.write_text(policy_file(said, WHERE, settings(said, cut(*partitions, **changes))), encoding="utf-8")
    (policy,) = load_policies(file)
    return policy


def test_without_a_retention_everything_is_kept(tmp_path: Path) -> None:
    policy = written(tmp_path, config())
    assert (policy.table, policy.premake, policy.retention, policy.on_expiry) == (NAME, 4, None, OnExpiry.DROP)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("moves_to", [None, "old"])
def test_a_retention_detaches_and_drops_nothing_whatever_pg_partman_did(tmp_path: Path, keeps: bool, moves_to: str | None) -> None:
    policy = written(tmp_path, config(retention_length=YEARS, retention_keep_table=keeps, retention_schema=moves_to))
    assert (str(policy.retention), policy.on_expiry, policy.destroy_without_archive) == ("24 months", OnExpiry.DETACH, False)


def test_a_retention_that_no_policy_could_have_is_left_out(tmp_path: Path) -> None:
    assert written(tmp_path, config(retention_length=Length(0, 0, 0))).retention is None


@pytest.mark.parametrize(("interval", "schedule"), [(Interval.HOUR, "@hourly"), (Interval.WEEK, "@daily"), (Interval.YEAR, "@monthly")])
def test_runs_come_often_enough_for_what_is_kept_ready(tmp_path: Path, interval: Interval, schedule: str) -> None:
    assert written(tmp_path, config(), part("2026-10-01", "2026-11-01"), interval=interval).schedule == schedule


@pytest.mark.parametrize(("premake", "kept", "most"), [(119, 119, 120), (120, 120, 121), (5000, 1000, 1001)])
def test_a_run_may_make_all_that_is_kept_ready(tmp_path: Path, premake: int, kept: int, most: int) -> None:
    policy = written(tmp_path, config(premake=premake))
    assert (policy.premake, policy.max_creates_per_run) == (kept, most)


def test_the_archive_that_a_person_fills_in_makes_a_policy_that_archives_and_drops(tmp_path: Path) -> None:
    said = config(retention_length=YEARS, retention_keep_table=False)
    text = policy_file(said, WHERE, settings(said, cut()))
    lines = [line for line in text.splitlines() if not line.startswith("    on_expiry:")]
    filled = "\n".join(line.replace("    # ", "    ", 1) if line.startswith("    # ") else line for line in lines)
    file = tmp_path / "policy.yaml"
    file.write_text(filled, encoding="utf-8")
    (policy,) = load_policies(file)
    assert policy.archive is not None
    assert (policy.archive.path, policy.on_expiry) == ("s3://bucket/prefix", OnExpiry.DROP)


def test_no_name_breaks_out_of_its_line(tmp_path: Path) -> None:
    said = config(retention_length=YEARS, retention_schema="a\nb: c", retention="2 years # ")
    assert written(tmp_path, said).retention is not None
