"""Moving rows out of DEFAULT while readers and writers go on: copy, follow, wait, prove, exchange, prove again, drop.

DEFAULT as a whole is copied to new tables: a partition for each range, and a new DEFAULT for the rest. If only the rows that move were
copied, they would have to be deleted in the exchange, and a transaction with an older snapshot would see them twice.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from time import monotonic
from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import parse_bounds
from include.partitioning.errors import DrainRefusedError, PartitionLifecycleError, TransientError, WaitTooLongError
from include.partitioning.names import TableName
from include.partitioning.partition import Partition, PartitionedTable
from include.partitioning.plan import Create
from include.postgres import catalog, statements
from include.postgres.blueprints import object_statement, table_objects
from include.postgres.creating import like_parent
from include.postgres.drain_functions import KEEP, REFUSE_TRUNCATE, Images, follow_changes, functions, triggers
from include.postgres.drain_proof import compare
from include.postgres.drain_remains import DrainRemains
from include.postgres.drain_scratch import IN_SYNC, Scratch, copy_rows, create_rows, look
from include.postgres.drain_swap import BehindError, NewTable, Swap, fresh_snapshot, oid_of, replay
from include.postgres.dressing import column_statements, quiet_dressing_statements, use_identity_index
from include.postgres.executor import Executor
from include.postgres.failures import translated
from include.postgres.foreign_keys import add_foreign_key, foreign_keys_of
from include.postgres.ledger import Ledger
from include.postgres.older_snapshots import holders_of_older_snapshots
from include.postgres.queries import row, rows
from include.postgres.template import Template, read_template, template_of

Connect = Callable[[], AbstractContextManager[Connection[Any]]]

MOST_TABLES = 24
"""Partitions in one exchange: each takes about 4 ms while everybody waits."""

AT_ONCE = 20_000
"""Noted changes that are made in one transaction."""

MOST_CHECKED_BY_ATTACH = 50_000
"""Rows that ATTACH may check against the tables that foreign keys refer to, 0.3 ms per 1,000. To take foreign keys that are there instead,
it would need ACCESS EXCLUSIVE on those tables."""

ROUNDS = 10
"""How often changes that came too late are made up for before the step gives up."""

MOST_ROWS_WITHOUT_INDEX = 100_000
"""Rows of DEFAULT up to which a row without a primary key may be searched for by reading all."""


class Drainer:
    """Drains the DEFAULT partition of one table. Whoever uses it holds the table's lock.

    :param connect: opens one more connection like the executor's.
    """

    def __init__(self, executor: Executor, ledger: Ledger, table: PartitionedTable, default: Partition, connect: Connect) -> None:
        self._executor = executor
        self._connection = executor.connection
        self._ledger = ledger
        self._table = table
        self._default = default
        self._connect = connect
        self._scratch = Scratch.of(table)
        self._remains = DrainRemains(executor, table, default)

    def drain(self, creates: Sequence[Create], rows_in_default: int) -> int:
        """Move the rows of these partitions' ranges; returns how many tables DEFAULT was exchanged for, itself included.

        What an interrupted drain has built is taken up where its copy was complete, whatever is asked for now.

        :raises DrainRefusedError: it cannot be done; nothing has been changed.
        :raises WaitTooLongError: an older snapshot was held for longer than `wait_timeout`; run again it goes on from there.
        """
        images = self._images(rows_in_default)
        with self._connect() as reader:
            reader.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._table.owner)))
            try:
                with translated(f'drain "{self._default.name}"'):
                    new = self._taken_up() or self._begin(creates, images, reader)
                    self._exchange(new, images, reader)
            except PartitionLifecycleError as error:
                self._give_up(error)
                raise
        return len(new)

    def _images(self, rows_in_default: int) -> Images:
        """How rows are found again.

        :raises DrainRefusedError: it would take too long, or something stands against draining at all.
        """
        default, template = self._default, read_template(self._connection, self._table)
        sibling = template.sibling.oid if template.sibling else 0
        found = rows(self._connection, "drain_obstacles", parent=self._table.oid, default=default.oid, sibling=sibling)
        published = rows(self._connection, "preflight_publications", oid=self._table.oid)
        obstacles = [each["obstacle"] for each in found] + [f'it is published by "{each["name"]}"' for each in published]
        columns = catalog.columns(self._connection, self._table.oid)
        keys = row(self._connection, "drain_lookup", parent=self._table.oid, key=self._table.key) or {}
        if not keys["primary_key"] and not keys["key_is_indexed"] and rows_in_default > MOST_ROWS_WITHOUT_INDEX:
            obstacles.append(
                f'it holds {rows_in_default:,} rows, and neither a primary key nor an index that begins with "{self._table.key}" finds one of them'
            )
        if obstacles:
            raise DrainRefusedError(
                f'"{default.name}" is not drained: {"; ".join(obstacles)}; change that, or move its rows by hand (see the runbook)'
            )
        key = next(each for each in columns if each.name == self._table.key)
        quick = [each.name for each in columns if each.name in keys["primary_key"] and each.base_type]
        return Images(self._scratch.building, columns, tuple(quick) or (key.name,), None if key.not_null else key.name)

    def _taken_up(self) -> tuple[NewTable, ...]:
        """What an interrupted drain has built and the triggers still follow; otherwise what it left is removed."""
        remains = look(self._connection, self._table)
        if not remains.schemas and not remains.triggers:
            return ()
        if not remains.in_sync:
            self._remains.remove()
            return ()
        self._executor.log.info('going on with the drain of "%s" that was interrupted', self._default.name)
        found = rows(self._connection, "partitions", parent=oid_of(self._connection, self._scratch.rows))
        template, own = read_template(self._connection, self._table), self._template_of_default()
        new = []
        for each in found:
            is_default = each["bound"] == "DEFAULT"
            name = TableName(self._default.name.schema if is_default else self._table.name.schema, each["name"])
            new.append(
                NewTable(name, None, own, "") if is_default else NewTable(name, parse_bounds(each["bound"]), template, "rows in DEFAULT")
            )
        return tuple(sorted(new, key=lambda each: (each.bounds is None, str(each.name))))

    def _template_of_default(self) -> Template:
        """Without the triggers of an interrupted drain."""
        template = template_of(self._connection, self._table, self._default)
        own = tuple(each for each in template.own_objects if each.name not in (KEEP, REFUSE_TRUNCATE))
        return replace(template, own_objects=own)

    def _begin(self, creates: Sequence[Create], images: Images, reader: Connection[Any]) -> tuple[NewTable, ...]:
        """Build the new tables, let the triggers note changes from one instant on, and copy what was there at that instant."""
        template = read_template(self._connection, self._table)
        new = (
            *(NewTable(each.name, each.bounds, template, each.reason) for each in creates),
            NewTable(self._default.name, None, self._template_of_default(), "the new DEFAULT"),
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
            use_identity_index(self._executor, new.template, built, oid_of(self._connection, built))
        with self._executor.role(owner):
            self._executor.long_statement(f'analyze "{built}"', statements.analyze(built))

    def _exchange(self, new: tuple[NewTable, ...], images: Images, reader: Connection[Any]) -> None:
        shape = catalog.shape_digest(self._connection, self._default.oid)
        for _ in range(ROUNDS):
            self._catch_up(images)
            self._foreign_keys(new)
            self._executor.wait_until(f'drain "{self._default.name}"', holders_of_older_snapshots(self._connection))
            moved = self._prove(images, new)
            if moved is None:
                continue
            try:
                Swap(self._executor, self._ledger, self._table, self._default, new, shape, reader).run(moved)
            except BehindError:
                continue
            self._remains.drop_old(reader, [each.name for each in new])
            return
        raise TransientError(
            f'"{self._default.name}" is not drained: in {ROUNDS} rounds there were always changes by transactions that do not see the copy '
            "(REPEATABLE READ); run the step again when they are over"
        )

    def _catch_up(self, images: Images) -> None:
        """Make the changes that were noted; the last ones while writers wait, and from then on each is made where it happens."""
        what = f'follow changes of "{self._default.name}"'
        self._make_most(what)

        def last(_: Connection[Any]) -> None:
            self._executor.run(statements.set_local_role(self._table.owner))
            self._executor.run_briefly(statements.lock_only(self._default.name, "SHARE ROW EXCLUSIVE"))
            replay(self._connection, self._scratch, None)
            self._executor.run_together([follow_changes(images), statements.comment_on_table(self._scratch.rows, IN_SYNC)])

        self._executor.transaction(what, last, [self._default.oid])

    def _make_most(self, what: str) -> None:
        """Until so few are left that they can be made within `lock_timeout`.

        :raises WaitTooLongError: they come faster than they can be made.
        """
        deadline = monotonic() + self._executor.budget.wait_timeout.total_seconds()
        while True:
            begun = monotonic()
            entries, _ = self._executor.transaction(what, lambda _: self._replay(AT_ONCE))
            if entries == 0:
                return
            each = (monotonic() - begun) / entries
            with self._executor.role(self._table.owner):
                left = self._count(self._scratch.changes)
            self._executor.log.info("made %d changes that were noted, %d are left", entries, left)
            if left * each < self._executor.budget.lock_timeout.total_seconds() / 2:
                return
            if monotonic() > deadline:
                raise WaitTooLongError(
                    f"{what}: {left:,} changes are left after wait_timeout, more come than can be made; run it at a calmer time"
                )

    def _replay(self, most: int) -> tuple[int, int]:
        self._executor.run(statements.set_local_role(self._table.owner))
        return replay(self._connection, self._scratch, most)

    def _foreign_keys(self, new: Sequence[NewTable]) -> None:
        """Only now: before, a copy may refer to a row that has been deleted since. ATTACH takes those that are there and valid."""
        with self._executor.role(self._table.owner):
            if self._count(self._scratch.rows) <= MOST_CHECKED_BY_ATTACH:
                return
        for each in new:
            built = self._scratch.built(each.name)
            there = {key.columns for key in foreign_keys_of(self._connection, oid_of(self._connection, built)) if key.validated}
            for number, key in enumerate(foreign_keys_of(self._connection, self._table.oid)):
                if key.columns not in there:
                    add_foreign_key(self._executor, self._table.owner, built, key, number)

    def _prove(self, images: Images, new: Sequence[NewTable]) -> int | None:
        """Rows that will leave DEFAULT, or None if some changes are still only noted.

        :raises DrainRefusedError: the tables do not hold the same rows.
        """
        with self._executor.role(self._table.owner):
            found = compare(self._connection, self._default.name, [self._scratch.rows], images.columns)
            if not found.none:
                left = self._count(self._scratch.changes)
            moved = sum(self._count(self._scratch.built(each.name)) for each in new if each.bounds is not None) if found.none else 0
        if found.none:
            return moved
        if left:
            return None
        raise DrainRefusedError(
            f'"{self._default.name}" is not drained: its copy holds {found.copies:,} rows, it holds {found.rows:,}, of which the copy lacks '
            f"{found.lacking:,}; was it written to in a session that fires no triggers, or by ALTER TABLE?"
        )

    def _count(self, name: TableName) -> int:
        found = self._connection.execute(sql.SQL("SELECT pg_catalog.count(*) FROM {}").format(statements.named(name))).fetchone()
        return int(found[0]) if found else 0

    def _give_up(self, error: PartitionLifecycleError) -> None:
        """Leave nothing behind, unless the next attempt can go on from here."""
        if self._connection.closed or self._connection.broken:
            return
        remains = look(self._connection, self._table)
        if remains.old is not None or (isinstance(error, TransientError) and remains.in_sync):
            return
        try:
            self._remains.remove()
        except PartitionLifecycleError as another:
            self._executor.log.warning(
                'what was built to drain "%s" is still there: %s; the next run removes it', self._default.name, another
            )
