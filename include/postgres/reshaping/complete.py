"""From filled tables to partitions: their indexes, then their place below the new table; nobody but us uses any of them yet."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from psycopg import Connection, sql

from include.partitioning.blueprint import TableObject
from include.partitioning.bounds import parse_bounds
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import catalog, statements
from include.postgres.belongings import Belongings
from include.postgres.belongings_keys import keys_and_indexes, triggers
from include.postgres.belongings_swap import foreign_key_comments
from include.postgres.blueprints import object_statement, objects_for_attach
from include.postgres.dressing import identity_index_statements, quiet_dressing_statements, trigger_statements
from include.postgres.executor import Executor
from include.postgres.failures import translated
from include.postgres.foreign_keys import ForeignKey, add_foreign_key, foreign_keys_of, name_on_partition
from include.postgres.queries import rows
from include.postgres.reshaping.build import new_parent, template_for
from include.postgres.reshaping.copy import Connect
from include.postgres.reshaping.scratch import Scratch, look
from include.postgres.template import Template

MEMORY = "256MB"
"""`maintenance_work_mem` of each connection that builds indexes."""


def complete_partitions(executor: Executor, table: PartitionedTable, belongings: Belongings, jobs: int, connect: Connect) -> int:
    """Index and attach the partitions that are filled; returns how many. Run again it goes on with those that are left."""
    connection, scratch = executor.connection, Scratch.of(table)
    filling = look(connection, scratch).filling
    parent = new_parent(connection, table, scratch)
    work = Completion(table, parent, template_for(connection, table, belongings), objects_for_attach(connection, parent.oid))
    ordinary = [name for name in filling if name != scratch.default]
    done = 0
    with ThreadPoolExecutor(jobs) as pool:
        # The last one alone: whoever moves another partition locks it, too, as the DEFAULT of both parents.
        for name in chain(pool.map(partial(_completed, work, connect), ordinary), _last(work, connect, filling)):
            done += 1
            executor.log.info("%s has its indexes and its place; %d of %d", name, done, len(filling))
    return len(filling)


def complete_table(executor: Executor, table: PartitionedTable, belongings: Belongings) -> None:
    """The indexes and triggers of a new table that is not partitioned, unless it has them."""
    scratch, connection = Scratch.of(table), executor.connection
    new = catalog.oid_of(connection, scratch.new)
    if rows(connection, "belongings_indexes", oid=new) or rows(connection, "belongings_triggers", oid=new):
        return

    def work(connection: Connection[Any]) -> None:
        _give_memory(connection)
        built = [*keys_and_indexes(belongings, scratch.new, None, widen=False), *triggers(belongings, scratch.new)]
        executor.run_together([statements.set_local_role(table.owner), *built])

    executor.transaction(f'build indexes for "{table.name}"', work)
    with executor.role(table.owner):
        executor.long_statement(f'analyze "{scratch.new}"', statements.analyze(scratch.new))


def add_foreign_keys(executor: Executor, table: PartitionedTable, belongings: Belongings) -> None:
    """Only once both are in sync: before, a copy may refer to a row that has been deleted since.

    On each partition NOT VALID, then validated while nobody waits; the new table then takes them as its own, in a moment.
    """
    connection, scratch = executor.connection, Scratch.of(table)
    new = catalog.oid_of(connection, scratch.new)
    known = {(key.columns, key.validated) for key in foreign_keys_of(connection, new)}
    missing = [key for key in belongings.foreign_keys if (key.columns, key.validated) not in known]
    partitions = rows(connection, "partitions", parent=new)
    for each in partitions if missing else ():
        name = TableName(each["schema"], each["name"])
        there = {key.columns for key in foreign_keys_of(connection, each["oid"]) if key.validated}
        for number, key in enumerate(missing):
            if key.columns not in there:
                add_foreign_key(executor, table.owner, name, key, name_on_partition(name, key, number))
    for key in missing:
        if partitions:
            _add_to_parent(executor, table, scratch.new, key)
        else:
            add_foreign_key(executor, table.owner, scratch.new, key, key.name)
    comments = foreign_key_comments(belongings, scratch.new) if missing else []
    if comments:
        executor.transaction(
            f'comment on "{scratch.new}"', lambda _: executor.run_together([statements.set_local_role(table.owner), *comments])
        )


def _add_to_parent(executor: Executor, table: PartitionedTable, new: TableName, key: ForeignKey) -> None:
    def work(_: Connection[Any]) -> None:
        executor.run(statements.set_local_role(table.owner))
        executor.run_briefly(statements.add_constraint(new, key.name, key.definition), locks=1)

    executor.transaction(f'add foreign key "{key.name}" to "{new}"', work, [key.referenced_oid])


@dataclass(frozen=True, slots=True)
class Completion:
    """What a filled partition gets.

    :param objects: indexes and constraints that its parent has; ATTACH takes those that are there.
    """

    table: PartitionedTable
    parent: PartitionedTable
    template: Template
    objects: tuple[TableObject, ...]

    def on(self, connection: Connection[Any], name: TableName) -> None:
        """Build them, and move the partition from the parent that it was filled under to the new table; all or nothing."""
        scratch = Scratch.of(self.table)
        oid = catalog.oid_of(connection, name)
        filled_under = rows(connection, "partitions", parent=catalog.oid_of(connection, scratch.rows))
        bound = next(each["bound"] for each in filled_under if each["oid"] == oid)
        built = [object_statement(name, each, with_name=False) for each in self.objects]
        attach = statements.attach_default(scratch.new, name)
        if bound != "DEFAULT":
            attach = statements.attach(scratch.new, name, self.table.key_type, parse_bounds(bound))
        with connection.transaction():
            _give_memory(connection)
            # `jobs` says how many work side by side; with more processes than that the processors work half as long again (make bench-adopt)
            connection.execute("SET LOCAL max_parallel_maintenance_workers = 0")
            _run(connection, [statements.set_local_role(self.table.owner), *built, *quiet_dressing_statements(self.template, name)])
            _run(connection, [statements.detach(scratch.rows, name, concurrently=False), *trigger_statements(self.template, name)])
            _run(connection, [*identity_index_statements(connection, self.template, name, oid), attach])


def _last(work: "Completion", connect: Connect, filling: Sequence[TableName]) -> Iterator[TableName]:
    default = Scratch.of(work.table).default
    if default in filling:
        yield _completed(work, connect, default)


def _completed(work: Completion, connect: Connect, name: TableName) -> TableName:
    with connect() as connection, translated(f'build indexes of "{name}"'):
        work.on(connection, name)
    return name


def _run(connection: Connection[Any], to_run: Sequence[sql.Composed]) -> None:
    for each in to_run:
        connection.execute(each)


def _give_memory(connection: Connection[Any]) -> None:
    connection.execute("SELECT pg_catalog.set_config('maintenance_work_mem', %s, true)", (MEMORY,))
