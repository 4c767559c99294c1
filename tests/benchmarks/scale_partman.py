"""Creating partitions beside pg_partman, both on one Debian PostgreSQL 15.

What each makes of the same table: pg_partman a partition from LIKE, with the parent's indexes and privileges, all in one transaction, and a
DEFAULT partition. We, in a transaction each, also a CHECK on the bounds, what the newest sibling has by itself, and an entry in the ledger.
"""

import os
import time
from datetime import timedelta
from typing import Any

import psycopg

from include.partitioning.policy import PartitionPolicy
from partition_operators.create_partitions import CreatePartitionsOperator
from tests.benchmarks.database_time import database_time
from tests.benchmarks.scale_tables import AS_OF, make_parent


def compare(uri: str, partitions: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Create so many daily partitions with each, alternately; the first round warms up. Seconds in all, and what the server worked.

    The two are taken from two tables: asking the kernel around every statement costs whoever runs more of them.
    """
    found: dict[str, list[dict[str, float]]] = {"pg_partman": [], "this package": []}
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman; CREATE SCHEMA app; CREATE ROLE reader")
        for number in range(rounds + 1):
            for name, create in (("pg_partman", _partman), ("this package", _ours)):
                timed, watched = (f"t{number}_{name.split()[0].replace('pg_', '')}_{what}" for what in ("timed", "watched"))
                for table in (timed, watched):
                    make_parent(connection, "app", table)
                    connection.execute(f"GRANT SELECT ON app.{table} TO reader".encode())
                begun = time.perf_counter()
                create(uri, f"app.{timed}", partitions)
                seconds = time.perf_counter() - begun
                with database_time() as spent:
                    create(uri, f"app.{watched}", partitions)
                made = _count(connection, f"app.{timed}")
                if number:
                    found[name].append({"seconds": seconds, "processor": spent.processor or 0.0, "made": made})
    return found


def _partman(uri: str, table: str, partitions: int) -> None:
    first = AS_OF - timedelta(days=partitions - 5)
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(
            "SELECT partman.create_parent(%s, 'at', 'native', 'daily', p_premake := 4, p_start_partition := %s)",
            (table, _back(connection, first)),
        )


def _back(connection: psycopg.Connection[Any], first: Any) -> str:
    """pg_partman counts from today."""
    found = connection.execute("SELECT (current_date - (%s::date - %s::date))::text", (AS_OF, first)).fetchone()
    return str(found[0]) if found else ""


def _ours(uri: str, table: str, partitions: int) -> None:
    os.environ["AIRFLOW_CONN_SCALE"] = uri
    policy = PartitionPolicy(
        table=table, partition_key="at", interval="day", premake=partitions - 1, max_creates_per_run=partitions, postgres_conn_id="scale"
    )
    CreatePartitionsOperator(task_id="create", policy=policy, reference_date=str(AS_OF)).execute({})


def _count(connection: psycopg.Connection[Any], table: str) -> float:
    found = connection.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", (table,)).fetchone()
    return float(found[0]) if found else 0.0
