"""Building a table from an archive again: rows first, then indexes, then what makes it a partition.

Nobody sees the table before it is complete and compared, except by its name. Long work takes no lock that others queue behind:
foreign keys are added NOT VALID and validated on the table's own, and a CHECK on the bounds spares ATTACH its scan.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Protocol

from psycopg import Connection, sql

from include.partitioning.blueprint import Blueprint, TableObject
from include.partitioning.bounds import Bounds
from include.partitioning.copy_text import RowDigest
from include.partitioning.errors import ArchiveMismatchError, PartitionLifecycleError, RestoreRefusedError
from include.partitioning.fit import Fit, fit_columns
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import catalog, statements
from include.postgres.blueprints import create_table, object_statement, objects_for_attach
from include.postgres.creating import like_parent, locked_relations
from include.postgres.dressing import column_statements, dressing_statements, use_identity_index
from include.postgres.executor import Executor
from include.postgres.export import rows_digest
from include.postgres.failures import translated
from include.postgres.foreign_keys import add_foreign_key, count_orphans, foreign_keys_of
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event, RestoredTable
from include.postgres.loading import load_side_by_side, load_statement
from include.postgres.queries import row
from include.postgres.table_lock import table_lock
from include.postgres.template import Template, read_template

Connect = Callable[[], AbstractContextManager[Connection[Any]]]

LOADERS = 2
"""Connections that rows are sent by."""

LONGEST = timedelta(days=7)
"""Of reading a restored table back; nobody else is kept waiting by it."""


class Content(Protocol):
    """The rows of an archive."""

    def text(self, only: Collection[str]) -> Iterable[memoryview]:
        """As COPY text, the columns with these names."""

    def digest(self, only: Collection[str]) -> RowDigest:
        """Of the same text, whatever the order."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """What is to be restored.

    :param origin: the partition that was archived.
    :param name: the table to be built.
    """

    archive_id: str
    origin: TableName
    bounds: Bounds
    rows: int
    blueprint: Blueprint
    content: Content
    name: TableName
    mode: str


class Restorer:
    """Restores archives of one table.

    :param connect: opens one more connection like the executor's.
    :param loaded: called with the bytes of each block that was sent, from several threads.
    """

    def __init__(
        self, executor: Executor, ledger: Ledger, table: PartitionedTable, connect: Connect, loaded: Callable[[int], object]
    ) -> None:
        self._executor = executor
        self._connect = connect
        self._connection = executor.connection
        self._ledger = ledger
        self._table = table
        self._loaded = loaded

    def attach(self, wanted: Restoration, held_until: datetime | None, reason: str) -> str:
        """Build the partition and attach it to the parent.

        :param held_until: until when it is not expired again; None: until the hold is lifted.
        :raises RestoreRefusedError: its range or its name is taken, or rows refer to rows that are gone.
        """
        done = self._standing(wanted)
        if done is not None and done.finished and done.attached:
            self._ledger.set_hold(wanted.bounds, held_until, reason)
            return f'"{wanted.name}" is restored and attached already; nothing to do'
        self._refuse_overlap(wanted)
        self._clear_the_name(wanted, done)
        template = read_template(self._connection, self._table)
        creation = like_parent(self._table, template, wanted.name, wanted.bounds, indexes=False)
        with self._built(wanted, [creation, *column_statements(template, wanted.name)], self._table.owner) as oid:
            fit = fit_columns(wanted.blueprint.columns, catalog.columns(self._connection, oid))
            self._fill(wanted, fit, oid)
            self._build_objects(wanted, objects_for_attach(self._connection, self._table.oid))
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
        with self._built(wanted, [create_table(wanted.name, wanted.blueprint.columns)], self._table.owner) as oid:
            fit = fit_columns(wanted.blueprint.columns, catalog.columns(self._connection, oid))
            self._fill(wanted, fit, oid)
            self._build_objects(wanted, [each for each in wanted.blueprint.objects if each.sort != "foreign key"])
            self._analyze(wanted)
            with self._connection.transaction():
                self._ledger.restore_finished(self._table.cluster, oid)
                self._ledger.record(Event("restore", "done", wanted.name, oid, wanted.bounds, wanted.rows, detail=_detail(wanted)))
        return self._said(wanted, fit, "a table of its own, without foreign keys")

    def drill(self, wanted: Restoration) -> str:
        """Build the table in the scratch schema, compare it, build its indexes and constraints, and drop it."""
        self._make_schema(wanted.name.schema)
        self._clear_the_name(wanted, self._standing(wanted))
        with self._built(wanted, [create_table(wanted.name, wanted.blueprint.columns, unlogged=True)], None) as oid:
            fit = fit_columns(wanted.blueprint.columns, catalog.columns(self._connection, oid))
            self._fill(wanted, fit, oid)
            self._build_objects(wanted, [each for each in wanted.blueprint.objects if each.sort != "foreign key"])
        self._drop(wanted.name, oid)
        with self._connection.transaction():
            self._ledger.record_drill(wanted.archive_id, passed=True)
            self._ledger.record(Event("drill", "done", wanted.origin, None, wanted.bounds, wanted.rows, detail=_detail(wanted)))
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

    def _refuse_overlap(self, wanted: Restoration) -> None:
        for partition in self._table.partitions:
            if partition.bounds is not None and partition.bounds.overlaps(wanted.bounds):
                raise RestoreRefusedError(
                    f'"{wanted.origin}" {wanted.bounds} is not restored: "{partition.name}" {partition.bounds} is attached there; '
                    "use mode: table, or drop that partition first if it is empty"
                )
        for detached in self._ledger.detached(self._table):
            if detached.found_as is not None and detached.bounds.overlaps(wanted.bounds):
                raise RestoreRefusedError(
                    f'"{wanted.origin}" {wanted.bounds} is not restored: "{detached.found_as}" was detached from there and still exists; '
                    "attach that one again instead"
                )
        if self._table.default is not None and (strays := self._rows_in_default(self._table.default.name, wanted.bounds)):
            raise RestoreRefusedError(
                f'"{wanted.origin}" {wanted.bounds} is not restored: the DEFAULT partition has {strays} rows of that range; move them first'
            )

    def _rows_in_default(self, default: TableName, bounds: Bounds) -> int:
        key, literal = sql.Identifier(self._table.key), self._table.key_type.literal
        found = self._connection.execute(
            sql.SQL("SELECT count(*) FROM ONLY {} WHERE {key} >= {} AND {key} < {}").format(
                statements.named(default), sql.Literal(literal(bounds.lower)), sql.Literal(literal(bounds.upper)), key=key
            )
        ).fetchone()
        return int(found[0]) if found else 0

    def _clear_the_name(self, wanted: Restoration, left: RestoredTable | None) -> None:
        if left is not None and not left.finished and not left.attached:
            self._executor.log.info('removing "%s", which an interrupted restore left', left.name)
            self._drop(left.name, left.oid)
        taken = catalog.names_taken(self._connection, wanted.name.schema, [wanted.name.name]).get(wanted.name.name)
        if taken is not None:
            raise RestoreRefusedError(f'"{wanted.name}" is not restored: the name is taken by {taken}; rename or remove that')

    @contextmanager
    def _built(self, wanted: Restoration, creation: list[sql.Composed], owner: str | None) -> Iterator[int]:
        """The new table, noted as unfinished; if anything fails it is dropped again."""
        executor = self._executor

        def create(connection: Connection[Any]) -> int:
            self._as_owner(owner)
            for statement in creation:
                executor.run(statement)
            executor.run(statements.reset_role())
            found = row(connection, "oid_of", schema=wanted.name.schema, name=wanted.name.name) or {"oid": 0}
            self._ledger.restore_began(self._table.cluster, wanted.name, found["oid"], wanted.archive_id, wanted.mode)
            return int(found["oid"])

        oid = executor.transaction(f'create "{wanted.name}"', create, [self._table.oid])
        try:
            with translated(f'restore "{wanted.name}"'):
                yield oid
        except PartitionLifecycleError:
            if not self._connection.closed and not self._connection.broken:
                self._drop(wanted.name, oid)
            raise

    def _fill(self, wanted: Restoration, fit: Fit, oid: int) -> None:
        """Rows in, and out again for the comparison."""
        for remark in fit.remarks:
            self._executor.log.warning("%s", remark)
        names = [column.name for column in fit.loaded]
        owner = self._owner_of(oid)
        if not names:
            raise RestoreRefusedError(
                f'"{wanted.origin}" is not restored: its table has none of the archived columns any more; use mode: table'
            )
        with ExitStack() as stack:
            helpers = [stack.enter_context(self._connect()) for _ in range(LOADERS - 1)]
            for each in helpers:
                each.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
            stack.enter_context(self._executor.role(owner))
            statement = load_statement(wanted.name, fit.loaded)
            self._executor.log.info("%s", statement.as_string(self._connection))
            load_side_by_side([self._connection, *helpers], statement, wanted.content.text(names), self._loaded)
        self._executor.log.info("loaded %s; comparing it with the archive", wanted.name)
        compared = [column.name for column in fit.compared]
        with self._executor.role(owner):
            found = rows_digest(self._connection, wanted.name, fit.compared, monotonic() + LONGEST.total_seconds())
        if found != wanted.content.digest(compared):
            raise ArchiveMismatchError(
                f'"{wanted.name}" does not hold what was archived ({found.rows} rows of {wanted.rows} were loaded, or their values differ); '
                "a trigger, a changed generated column or a damaged archive may be why; it is removed again"
            )

    def _build_objects(self, wanted: Restoration, objects: Iterable[TableObject]) -> None:
        for each in objects:
            statement = object_statement(wanted.name, each, with_name=False)
            with self._connection.transaction():
                self._as_owner(self._table.owner if wanted.mode != "drill" else None)
                self._executor.run(statement)

    def _dress(self, wanted: Restoration, template: Template, oid: int) -> None:
        with self._connection.transaction():
            self._as_owner(self._table.owner)
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
            add_foreign_key(self._executor, self._table.owner, wanted.name, key, number)

    def _analyze(self, wanted: Restoration) -> None:
        with self._executor.role(self._table.owner):
            self._executor.long_statement(f'analyze "{wanted.name}"', statements.analyze(wanted.name))

    def _attach(self, wanted: Restoration, oid: int, held_until: datetime | None, reason: str) -> None:
        table, ledger = self._table, self._ledger

        def work(_: Connection[Any]) -> None:
            # The ledger first: the locks of ATTACH would be held for as long as somebody keeps us from that.
            ledger.restore_finished(table.cluster, oid)
            ledger.set_hold(wanted.bounds, held_until, reason)
            ledger.record(Event("restore", "done", wanted.name, oid, wanted.bounds, wanted.rows, detail=_detail(wanted)))
            self._as_owner(table.owner)
            self._executor.run_briefly(statements.attach(table.name, wanted.name, table.key_type, wanted.bounds), locks=len(locked) - 1)

        locked = locked_relations(self._connection, table)
        what = f'attach "{wanted.name}" to "{table.name}"'
        with table_lock(self._executor, table):
            self._executor.transaction(what, work, locked)

    def _make_schema(self, schema: str) -> None:
        """Looked for first: IF NOT EXISTS asks for CREATE on the database even where the schema exists."""
        if not catalog.has_schema(self._connection, schema):
            self._connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))

    def _drop(self, name: TableName, oid: int) -> None:
        """Only the table with this OID: one that a restore of ours made, and that is nobody's partition."""
        owner = self._owner_of(oid)

        def work(connection: Connection[Any]) -> None:
            self._as_owner(owner)
            self._executor.run(statements.lock_exclusively(name))
            found = catalog.relation(connection, oid)
            if found is None or found.name != name or found.attached:
                raise RestoreRefusedError(f'"{name}" (OID {oid}) was renamed, replaced or attached meanwhile; look at it by hand')
            self._executor.run_briefly(statements.drop_table(name))

        if catalog.relation(self._connection, oid) is not None:
            self._executor.transaction(f'drop "{name}"', work, [oid])

    def _owner_of(self, oid: int) -> str:
        found = row(self._connection, "owner_of", oid=oid)
        return str(found["owner"]) if found else self._table.owner

    def _as_owner(self, owner: str | None) -> None:
        if owner is not None:
            self._executor.run(statements.set_local_role(owner))

    def _said(self, wanted: Restoration, fit: Fit, what: str) -> str:
        remarks = "".join(f"; {remark}" for remark in fit.remarks)
        return f'restored "{wanted.origin}" as "{wanted.name}", {what}: {wanted.rows:,} rows, compared with the archive{remarks}'


def _detail(wanted: Restoration) -> str:
    return f'{wanted.mode} of archive {wanted.archive_id} of "{wanted.origin}"'
