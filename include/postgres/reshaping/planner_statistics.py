"""What the planner has to know of the new partitions, and of their parent, before anybody asks them for rows."""

from concurrent.futures import ThreadPoolExecutor

from psycopg import sql

from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import catalog, statements
from include.postgres.analyzing import ANALYZE_ONLY_SINCE
from include.postgres.executor import Executor
from include.postgres.failures import translated
from include.postgres.queries import rows
from include.postgres.reshaping.copy import Connect
from include.postgres.reshaping.scratch import Scratch


def analyze_new(executor: Executor, table: PartitionedTable, jobs: int, connect: Connect) -> None:
    """Analyze what never was. Autovacuum would come to the partitions some time, and to their parent never (manual 24.1.3).

    Below PostgreSQL 18 there is no ANALYZE ONLY: analyzing the parent analyzes all partitions, one by one.
    """
    connection, scratch = executor.connection, Scratch.of(table)
    parent = catalog.oid_of(connection, scratch.new)
    only = table.server_version >= ANALYZE_ONLY_SINCE
    partitions = {each["oid"]: TableName(each["schema"], each["name"]) for each in rows(connection, "partitions", parent=parent)}
    analyzed = {each["oid"] for each in rows(connection, "statistics_state", oids=[parent, *partitions]) if each["analyzed_at"] is not None}

    def analyze(name: TableName) -> None:
        with connect() as one, translated(f'analyze "{name}"'):
            one.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(table.owner)))
            one.execute(statements.analyze(name))

    if only:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(analyze, [name for oid, name in partitions.items() if oid not in analyzed]))
    if parent not in analyzed:
        with executor.role(table.owner):
            executor.long_statement(f'analyze "{scratch.new}"', statements.analyze(scratch.new, only=only))
