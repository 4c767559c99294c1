"""The new table beside the old one: empty, with all that hangs on the old one, and with the tables and functions that bring it up to date."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection, sql

from include.partitioning.partition import PartitionedTable
from include.partitioning.plan import Create
from include.partitioning.reshape import Move, Portion
from include.postgres import catalog, statements
from include.postgres.belongings import Belongings, for_partitions
from include.postgres.belongings_creation import creation
from include.postgres.belongings_keys import keys_and_indexes, triggers
from include.postgres.creating import like_parent
from include.postgres.drain_functions import Images, functions, refusing_truncate, without_ours
from include.postgres.drain_functions import triggers as following_triggers
from include.postgres.dressing import column_statements
from include.postgres.executor import Executor
from include.postgres.reshaping.scratch import Scratch
from include.postgres.statements import named
from include.postgres.template import Template, read_template


@dataclass(frozen=True, slots=True)
class Build:
    """What is to be built.

    :param table: the old one.
    :param partitions: of the new one; none for an ordinary table.
    """

    move: Move
    table: PartitionedTable
    belongings: Belongings
    images: Images
    partitions: tuple[Create, ...]
    portions: tuple[Portion, ...]
    widen: bool

    @property
    def scratch(self) -> Scratch:
        """Its names."""
        return Scratch.of(self.table)

    @property
    def key(self) -> str | None:
        """The partition key of the new table."""
        return self.table.key if self.move.partitions else None


def build(executor: Executor, wanted: Build) -> None:
    """Build it all in one transaction; no lock on the old table that a reader or writer would notice."""
    scratch, owner = wanted.scratch, wanted.table.owner

    def work(connection: Connection[Any]) -> None:
        executor.run_together(
            [
                statements.create_schema(scratch.building, owner),
                statements.set_local_role(owner),
                *_create_rows(wanted),
                *creation(wanted.belongings, scratch.new, wanted.key),
            ]
        )
        if wanted.move.partitions:
            executor.run_together(
                [
                    *keys_and_indexes(wanted.belongings, scratch.new, wanted.key, widen=wanted.widen),
                    *triggers(wanted.belongings, scratch.new),
                ]
            )
            executor.run_together(_create_partitions(connection, wanted))
        noted = statements.comment_on_table(scratch.portions, json.dumps(digests(wanted.belongings)))
        executor.run_together([*functions(wanted.images), noted])

    executor.transaction(f'build what takes the place of "{wanted.table.name}"', work, [wanted.table.oid])


def follow(executor: Executor, wanted: Build) -> None:
    """Have every change noted from now on: all that was written before is seen by whatever snapshot is taken later."""
    table = wanted.table
    partitions = [each.name for each in table.partitions]

    def work(_: Connection[Any]) -> None:
        executor.run(statements.set_local_role(table.owner))
        executor.run_briefly(statements.lock_only(table.name, "SHARE ROW EXCLUSIVE"))
        following = following_triggers(wanted.images, table.name)
        refusing = [statement for each in partitions for statement in refusing_truncate(wanted.images, each)]
        executor.run_briefly(*following, *refusing, locks=1 + len(partitions))

    executor.transaction(f'follow changes of "{table.name}"', work, [table.oid, *(each.oid for each in table.partitions)])


def digests(belongings: Belongings) -> dict[str, str]:
    """Of all that the new table got when it was built: if it changes meanwhile, the new one lacks the change.

    Views, other tables' foreign keys and publications are read when the tables are exchanged.
    """
    fields = ("columns", "template", "owner_lacks", "sequences", "checks", "indexes", "statistics", "triggers", "comments")
    return {each: hashlib.sha256(repr(getattr(belongings, each)).encode()).hexdigest()[:16] for each in fields}


def template_for(connection: Connection[Any], table: PartitionedTable, belongings: Belongings) -> Template:
    """What the new partitions have besides what comes from their parent: that of the old ones, or the storage of the old table."""
    if table.partitions:
        return without_ours(read_template(connection, table))
    return for_partitions(belongings, catalog.oid_of(connection, Scratch.of(table).new) or None)


def new_parent(connection: Connection[Any], table: PartitionedTable, scratch: Scratch) -> PartitionedTable:
    """The new table as a value, without its partitions."""
    return replace(table, name=scratch.new, oid=catalog.oid_of(connection, scratch.new), partitions=())


def _create_rows(wanted: Build) -> list[sql.Composed]:
    """The table that partitions are filled under, whose rows the noted ones are; notes; and the portions."""
    scratch, table = wanted.scratch, wanted.table
    key = sql.Identifier(table.key)
    partitioned = sql.SQL(" PARTITION BY RANGE ({})").format(key) if wanted.move.partitions else sql.SQL("")
    type_of_key = sql.SQL(table.key_type.value)
    return [
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING GENERATED){}").format(named(scratch.rows), named(table.name), partitioned),
        sql.SQL(
            "CREATE TABLE {} (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone boolean NOT NULL, image {} NOT NULL,"
            " made_by pg_catalog.xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id())"
        ).format(named(scratch.changes), named(scratch.rows)),
        sql.SQL(
            "CREATE TABLE {} (number integer PRIMARY KEY, lower {type} UNIQUE, upper {type}, taken_by pg_catalog.pg_snapshot, rows bigint)"
        ).format(named(scratch.portions), type=type_of_key),
        *(_portion(scratch, each) for each in wanted.portions),
    ]


def _portion(scratch: Scratch, portion: Portion) -> sql.Composed:
    return sql.SQL("INSERT INTO {} (number, lower, upper) VALUES ({}, {}, {})").format(
        named(scratch.portions), sql.Literal(portion.number), sql.Literal(portion.lower), sql.Literal(portion.upper)
    )


def _create_partitions(connection: Connection[Any], wanted: Build) -> list[sql.Composed]:
    """Without indexes: building those once is faster than keeping them up row by row."""
    scratch, table = wanted.scratch, wanted.table
    parent = new_parent(connection, table, scratch)
    template = template_for(connection, table, wanted.belongings)
    to_run: list[sql.Composed] = []
    for each in wanted.partitions:
        built = scratch.built(each.name)
        to_run += [like_parent(parent, template, built, each.bounds, indexes=False), *column_statements(template, built)]
        to_run.append(statements.attach(scratch.rows, built, table.key_type, each.bounds))
    to_run.append(like_parent(parent, template, scratch.default, None, indexes=False))
    to_run.append(statements.attach_default(scratch.rows, scratch.default))
    return to_run
