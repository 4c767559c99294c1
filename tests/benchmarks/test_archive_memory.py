"""The memory of an archive does not grow with the table: measured in a process of its own, by the kernel's account."""

import logging
from pathlib import Path

import psycopg
import pytest

from tests.benchmarks.archive_in_process import PARENT, archive, fill

LIMIT = 400 * 1024
"""Kibibytes, Airflow included."""


@pytest.mark.slow
@pytest.mark.alone
def test_five_times_the_rows_take_no_more_memory(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(PARENT)
    fill(database, "app.small", 1, 300_000)
    fill(database, "app.large", 2, 1_500_000)
    fill(database, "app.newest", 3, 1)
    small, large = archive(database, tmp_path, "app.small"), archive(database, tmp_path, "app.large")
    said = f"peak {small['peak'] / 1024:.0f} and {large['peak'] / 1024:.0f} MiB, of which Airflow {large['before'] / 1024:.0f}"
    logging.getLogger(__name__).warning("%s; %.0f rows/s", said, 1_500_000 / large["seconds"])
    assert large["peak"] < LIMIT, said
    assert large["peak"] - large["before"] < 1.5 * (small["peak"] - small["before"]), said


@pytest.mark.slow
@pytest.mark.alone
def test_rows_of_a_megabyte_take_no_more_memory(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(PARENT)
    fill(database, "app.wide", 1, 0)
    fill(database, "app.newest", 3, 1)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO app.wide (id, at, t) SELECT gen_random_uuid(), '2024-01-05', (SELECT string_agg(md5(g::text || n::text), '')"
            " FROM generate_series(1, 32768) n) FROM generate_series(1, 200) g"
        )
    found = archive(database, tmp_path, "app.wide")
    said = f"peak {found['peak'] / 1024:.0f} MiB for 200 rows of 1 MiB"
    logging.getLogger(__name__).warning(said)
    assert found["peak"] < LIMIT, said
