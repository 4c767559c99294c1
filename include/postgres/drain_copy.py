"""The first half of a drain: the new tables, one instant that divides what is copied from what is noted, and the copy."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from include.partitioning.partition import Partition, PartitionedTable
from include.partitioning.plan import Create
from include.postgres import catalog, statements
from include.postgres.blueprints import object_statement, table_objects
from include.postgres.creating import like_parent
from include.postgres.drain_functions import Images, functions, triggers, without_ours
from include.postgres.drain_scratch import Scratch, copy_rows, create_rows
from include.postgres.drain_swap import NewTable
from include.postgres.dressing import column_statements, quiet_dressing_statements, use_identity_index
from include.postgres.executor import Executor
from include.postgres.following import fresh_snapshot
from include.postgres.queries import rows
from include.postgres.template import Template, read_template, template_of


class Copy:
    """Copies DEFAULT to new tables while it is written to."""

    def __init__(self, executor: Executor, table: PartitionedTable, default: Partition) -> None:
        self._executor = executor
        self._connection = executor.connection
        self._table = table
        self._default = default
        self._scratch = Scratch.of(table)

    def run(self, creates: Sequence[Create], images: Images, reader: Connection[Any]) -> tuple[NewTable, ...]:
        """Build the new tables, let the triggers note changes from one instant on, and copy what was there at that instant."""
        template = read_template(self._connection, self._table)
        new = (
            *(NewTable(each.name, each.bounds, template, each.reason) for each in creates),
            NewTable(self._default.name, None, template_of_default(self._connection, self._table, self._default), "the new DEFAULT"),
        )
        default = self._default.name
        self._executor.transaction(f'build partitions for "{default}"', lambda _: self._build(new, images))
        self._executor.transaction(f'follow changes of "{default}"', lambda _: self._note(images, reader), [self._default.oid])
        self._executor.log.info('copying "%s"', default)
        statement = copy_rows(images, default)
        self._executor.log.info("%s", statement.as_string(reader))
        reader.execute(statement)
        reader.execute("COMMIT")
        for each in new:
            self._finish(each)
        return new

    def _build(self, new: Sequence[NewTable], images: Images) -> None:
        scratch, table = self._scratch, self._table
        to_run = [
            statements.create_schema(scratch.building, table.owner),
            statements.set_local_role(table.owner),
            *create_rows(scratch, table),
        ]
        for each in new:
            built = scratch.built(each.name)
            to_run += [like_parent(table, each.template, built, each.bounds, indexes=False), *column_statements(each.template, built)]
            if each.bounds is None:
                checks = rows(self._connection, "own_checks", oid=self._default.oid)
                to_run += [statements.add_constraint(built, check["name"], check["definition"]) for check in checks]
                to_run.append(statements.attach_default(scratch.rows, built))
            else:
                to_run.append(statements.attach(scratch.rows, built, table.key_type, each.bounds))
        self._executor.run_together([*to_run, *functions(images)])

    def _note(self, images: Images, reader: Connection[Any]) -> None:
        """No writer is under way while the triggers are made, so the reader's snapshot has exactly the rows of before."""
        self._executor.run(statements.set_local_role(self._table.owner))
        self._executor.run_briefly(statements.lock_only(self._default.name, "SHARE ROW EXCLUSIVE"))
        self._executor.run_together(triggers(images, self._default.name))
        fresh_snapshot(reader)

    def _finish(self, new: NewTable) -> None:
        """Indexes, constraints and privileges; nobody but us uses the table yet."""
        built, owner = self._scratch.built(new.name), self._table.owner
        objects = [each for each in table_objects(self._connection, self._table.oid) if each.sort != "foreign key"]
        wanted = [object_statement(built, each, with_name=False) for each in objects if not each.definition.startswith("CHECK")]
        with self._connection.transaction():
            self._executor.run_together([statements.set_local_role(owner), *wanted, *quiet_dressing_statements(new.template, built)])
            use_identity_index(self._executor, new.template, built, catalog.oid_of(self._connection, built))
        with self._executor.role(owner):
            self._executor.long_statement(f'analyze "{built}"', statements.analyze(built))


def template_of_default(connection: Connection[Any], table: PartitionedTable, default: Partition) -> Template:
    """What the new DEFAULT gets from the old one: all but the triggers of a drain."""
    return without_ours(template_of(connection, table, default))
