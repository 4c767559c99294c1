"""When a DAG is due."""

from datetime import UTC, datetime

import pytest

from include.partitioning.schedule import PRESETS, due_before, is_schedule

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("@hourly", ["2026-10-31 23:00", "2026-10-31 22:00"]),
        ("@daily", ["2026-10-31 00:00", "2026-10-30 00:00"]),
        ("@weekly", ["2026-10-25 00:00", "2026-10-18 00:00"]),
        ("@monthly", ["2026-10-01 00:00", "2026-09-01 00:00"]),
        ("@quarterly", ["2026-10-01 00:00", "2026-07-01 00:00"]),
        ("@yearly", ["2026-01-01 00:00", "2025-01-01 00:00"]),
        ("30 3 * * 1-5", ["2026-10-30 03:30", "2026-10-29 03:30"]),
    ],
)
def test_the_last_moments_before_now_come_latest_first_and_now_is_none_of_them(schedule: str, due: list[str]) -> None:
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in due_before(schedule, NOW, 2)] == due
    assert all(moment.tzinfo is not None and moment.fold == 0 for moment in due_before(schedule, NOW, 2))


def test_airflow_means_the_same_by_its_names() -> None:
    from airflow.utils.dates import cron_presets

    assert {name: cron_presets[name] for name in PRESETS} == PRESETS


@pytest.mark.parametrize("text", ["@sometimes", "* * * *", "0 0 * * * *", "61 * * * *", "0 0 31 2 *", ""])
def test_what_is_never_due_is_no_schedule(text: str) -> None:
    assert not is_schedule(text)
