"""Building a table from an archive again: rows first, then indexes, then what makes it a partition.

Nobody sees the table before it is complete and compared, except by its name. Long work takes no lock that others queue behind:
foreign keys are added NOT VALID and validated on the table's own, and a CHECK on the bounds spares ATTACH its scan.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import RestoreRefusedError
from include.partitioning.fit import Fit, fit_columns
from include.partitioning.partition import PartitionedTable
from include.postgres import catalog, statements
from include.postgres.blueprints import create_table, objects_for_attach
from include.postgres.creating import like_parent, locked_relations
from include.postgres.dressing import column_statements, dressing_statements, use_identity_index
from include.postgres.executor import Executor
from include.postgres.foreign_keys import add_foreign_key, count_orphans, foreign_keys_of, name_on_partition
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event, RestoredTable
from include.postgres.noted_table import Connect, NotedTables
from include.postgres.restoration import Restoration
from include.postgres.restore_obstacles import refuse_overlap
from include.postgres.table_lock import table_lock
from include.postgres.template import Template, read_template


class Restorer:
    """Restores archives of one table.

    :param connect: opens one more connection like the executor's.
    :param loaded: called with the bytes of each block that was sent, from several threads.
    """

    def __init__(
        self, executor: Executor, ledger: Ledger, table: PartitionedTable, connect: Connect, loaded: Callable[[int], object]
    ) -> None:
        self._executor = executor
        self._connection = executor.connection
        self._ledger = ledger
        self._table = table
        self._tables = NotedTables(executor, ledger, table, connect, loaded)

    def attach(self, wanted: Restoration, held_until: datetime | None, reason: str) -> str:
        """Build the partition and attach it to the parent.

        :param held_until: until when it is not expired again; None: until the hold is lifted.
        :raises RestoreRefusedError: its range or its name is taken, or rows refer to rows that are gone.
        """
        done = self._standing(wanted)
        if done is not None and done.finished and done.attached:
            self._ledger.set_hold(wanted.bounds, held_until, reason)
            return f'"{wanted.name}" is restored and attached already; nothing to do'
        refuse_overlap(self._connection, self._ledger, self._table, wanted)
        self._clear_the_name(wanted, done)
        template = read_template(self._connection, self._table)
        creation = like_parent(self._table, template, wanted.name, wanted.bounds, indexes=False)
        with self._tables.built(wanted, [creation, *column_statements(template, wanted.name)], self._table.owner) as oid:
            fit = fit_columns(wanted.blueprint.columns, catalog.columns(self._connection, oid))
            self._tables.fill(wanted, fit, oid)
            self._tables.build_objects(wanted, objects_for_attach(self._connection, self._table.oid))
            self._foreign_keys(wanted)
            self._dress(wanted, template, oid)
            self._analyze(wanted)
            self._attach(wanted, oid, held_until, reason)
        return self._said(wanted, fit, f'attached to "{self._table.name}"')

    def beside(self, wanted: Restoration) -> str:
        """Build a table of its own, as it was archived, without its foreign keys.

        :raises RestoreRefusedError: its name is taken.
        """
        done = self._standing(wanted)
        if done is not None and done.finished:
            return f'"{done.name}" is restored already; nothing to do'
        self._clear_the_name(wanted, done)
        with self._tables.built(wanted, [create_table(wanted.name, wanted.blueprint.columns)], self._table.owner) as oid:
            fit = fit_columns(wanted.blueprint.columns, catalog.columns(self._connection, oid))
            self._tables.fill(wanted, fit, oid)
            self._tables.build_objects(wanted, [each for each in wanted.blueprint.objects if each.sort != "foreign key"])
            self._analyze(wanted)
            with self._connection.transaction():
                self._ledger.restore_finished(self._table.cluster, oid)
                self._ledger.record(Event("restore", "done", wanted.name, oid, wanted.bounds, wanted.rows, detail=wanted.detail))
        return self._said(wanted, fit, "a table of its own, without foreign keys")

    def drill(self, wanted: Restoration) -> str:
        """Build the table in the scratch schema, compare it, build its indexes and constraints, and drop it."""
        self._make_schema(wanted.name.schema)
        self._clear_the_name(wanted, self._standing(wanted))
        with self._tables.built(wanted, [create_table(wanted.name, wanted.blueprint.columns, unlogged=True)], None) as oid:
            fit = fit_columns(wanted.blueprint.columns, catalog.columns(self._connection, oid))
            self._tables.fill(wanted, fit, oid)
            self._tables.build_objects(wanted, [each for each in wanted.blueprint.objects if each.sort != "foreign key"])
        self._tables.drop(wanted.name, oid)
        with self._connection.transaction():
            self._ledger.record_drill(wanted.archive_id, passed=True)
            self._ledger.record(Event("drill", "done", wanted.origin, None, wanted.bounds, wanted.rows, detail=wanted.detail))
        return f'the archive of "{wanted.origin}" was restored, compared and dropped: {wanted.rows:,} rows'

    def _standing(self, wanted: Restoration) -> RestoredTable | None:
        """What an earlier restore of this archive in this mode, or an interrupted one of that name, has left."""
        restored = self._ledger.restored(self._table.cluster)
        for each in restored:
            if (
                each.archive_id == wanted.archive_id
                and each.mode == wanted.mode
                and each.finished
                and each.attached == (wanted.mode == "attach")
            ):
                return each
        return next((each for each in restored if each.name == wanted.name and not each.finished), None)

    def _clear_the_name(self, wanted: Restoration, left: RestoredTable | None) -> None:
        if left is not None and not left.finished and not left.attached:
            self._executor.log.info('removing "%s", which an interrupted restore left', left.name)
            self._tables.drop(left.name, left.oid)
        taken = catalog.names_taken(self._connection, wanted.name.schema, [wanted.name.name]).get(wanted.name.name)
        if taken is not None:
            raise RestoreRefusedError(f'"{wanted.name}" is not restored: the name is taken by {taken}; rename or remove that')

    def _dress(self, wanted: Restoration, template: Template, oid: int) -> None:
        with self._connection.transaction():
            self._tables.as_owner(self._table.owner)
            for statement in dressing_statements(template, wanted.name):
                self._executor.run(statement)
            use_identity_index(self._executor, template, wanted.name, oid)

    def _foreign_keys(self, wanted: Restoration) -> None:
        for number, key in enumerate(foreign_keys_of(self._connection, self._table.oid)):
            orphans = count_orphans(self._connection, wanted.name, key)
            if orphans:
                raise RestoreRefusedError(
                    f'{orphans} rows of "{wanted.origin}" refer by "{key.name}" to rows of "{key.referenced}" that are gone; use mode: table, '
                    "or bring those rows back first"
                )
            add_foreign_key(self._executor, self._table.owner, wanted.name, key, name_on_partition(wanted.name, key, number))

    def _analyze(self, wanted: Restoration) -> None:
        with self._executor.role(self._table.owner):
            self._executor.long_statement(f'analyze "{wanted.name}"', statements.analyze(wanted.name))

    def _attach(self, wanted: Restoration, oid: int, held_until: datetime | None, reason: str) -> None:
        table, ledger = self._table, self._ledger

        def work(_: Connection[Any]) -> None:
            # The ledger first: the locks of ATTACH would be held for as long as somebody keeps us from that.
            ledger.restore_finished(table.cluster, oid)
            ledger.set_hold(wanted.bounds, held_until, reason)
            ledger.record(Event("restore", "done", wanted.name, oid, wanted.bounds, wanted.rows, detail=wanted.detail))
            self._tables.as_owner(table.owner)
            self._executor.run_briefly(statements.attach(table.name, wanted.name, table.key_type, wanted.bounds), locks=len(locked) - 1)

        locked = locked_relations(self._connection, table)
        what = f'attach "{wanted.name}" to "{table.name}"'
        with table_lock(self._executor, table):
            self._executor.transaction(what, work, locked)

    def _make_schema(self, schema: str) -> None:
        """Looked for first: IF NOT EXISTS asks for CREATE on the database even where the schema exists."""
        if not catalog.has_schema(self._connection, schema):
            self._connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))

    def _said(self, wanted: Restoration, fit: Fit, what: str) -> str:
        remarks = "".join(f"; {remark}" for remark in fit.remarks)
        return f'restored "{wanted.origin}" as "{wanted.name}", {what}: {wanted.rows:,} rows, compared with the archive{remarks}'
