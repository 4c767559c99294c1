"""The exchange: in one short transaction the old table goes to the attic, and the new one takes its name and all that hung on it.

All snapshots are newer than the copy by then, and every change since was made in both in one transaction. So whichever of them a
statement or a REPEATABLE READ transaction has, it sees in the new table the very rows that it saw in the old one.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from psycopg import sql

from include.partitioning.bounds import parse_bounds
from include.partitioning.errors import ReshapeRefusedError, TransientError
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.partitioning.reshape import Move
from include.postgres import catalog, statements
from include.postgres.belongings import Belongings
from include.postgres.belongings_swap import afterwards, arriving, leaving, locking, put_away, put_in_place
from include.postgres.drain_functions import Images
from include.postgres.executor import Executor
from include.postgres.following import BehindError, replay
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import rows
from include.postgres.reshaping.scratch import PUT_IN_PLACE, Scratch, look
from include.postgres.reshaping.survey import read_fingerprint
from include.postgres.statements import named


@dataclass(frozen=True, slots=True)
class Swap:
    """One exchange.

    :param shape: of the old table when it was compared.
    :param fingerprint: of what hangs on the old table when `belongings` were read.
    :param keep_until: when the old one may be dropped.
    """

    executor: Executor
    ledger: Ledger
    move: Move
    table: PartitionedTable
    belongings: Belongings
    images: Images
    shape: str
    fingerprint: str
    rows: int
    keep_until: datetime

    def run(self) -> float:
        """Exchange them, and write it down, all or nothing; returns how many milliseconds others may have waited.

        :raises BehindError: there were changes that had only been noted, or something was just being hung on the table.
        :raises ReshapeRefusedError: the table is not what it was.
        :raises TransientError: it has other partitions than when it was compared.
        """
        referenced = [each.referenced_oid for each in self.belongings.foreign_keys]
        locked = [self.table.oid, *self.belongings.others_locked, *referenced]
        return self.executor.transaction(f'exchange "{self.table.name}"', lambda _: self._work(), locked)

    def _work(self) -> float:
        executor, scratch, owner = self.executor, Scratch.of(self.table), self.table.owner
        if not catalog.has_schema(executor.connection, scratch.attic):
            executor.run(statements.create_schema(scratch.attic, owner))
        new = catalog.oid_of(executor.connection, scratch.new)
        self._write_down(scratch, new)  # before the lock, which would be held for as long as somebody keeps us from the ledger
        executor.run(statements.set_local_role(owner))
        executor.run_briefly(
            *locking(self.belongings), statements.lock_exclusively(self.table.name, only=True), locks=1 + len(self.belongings.readers)
        )
        begun = monotonic()
        self._check(scratch)
        if read_fingerprint(executor.connection, self.table.oid) != self.fingerprint:
            raise BehindError
        # Also those that come to nothing: who holds a snapshot from between them must not find the copy.
        if replay(executor.connection, self.images, None):
            raise BehindError
        self._leave_default(scratch)
        self._exchange(scratch)
        return (monotonic() - begun) * 1000

    def _check(self, scratch: Scratch) -> None:
        connection, table = self.executor.connection, self.table
        now = catalog.relation(connection, table.oid)
        if now is None or now.name != table.name:
            raise ReshapeRefusedError(f'"{table.name}" (OID {table.oid}) was renamed or replaced meanwhile; run the step again')
        if {each["oid"] for each in rows(connection, "partitions", parent=table.oid)} != {each.oid for each in table.partitions}:
            raise TransientError(f'partitions of "{table.name}" were attached or detached since the step began; run it again')
        if catalog.shape_digest(connection, table.oid) != self.shape:
            raise ReshapeRefusedError(f'"{table.name}" has other columns than when it was copied; cancel this, and begin anew')
        if not look(connection, scratch).followed:
            raise ReshapeRefusedError(
                f'the triggers that followed changes of "{table.name}" were removed or disabled meanwhile; cancel this, and begin anew'
            )

    def _leave_default(self, scratch: Scratch) -> None:
        """The partition for rows that have no other was for the meantime; if it holds some it stays, for INSERTs that worked go on working."""
        if not self.move.partitions:
            return
        found = self.executor.connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(named(scratch.default))).fetchone()
        if found and found[0]:
            self.executor.log.warning('rows of "%s" lie outside of all partitions; they are in a DEFAULT partition', self.table.name)
            return
        self.executor.run(statements.detach(scratch.new, scratch.default, concurrently=False))

    def _exchange(self, scratch: Scratch) -> None:
        """One round trip after the other, all of them changes of the catalog."""
        name, belongings, run = self.table.name, self.belongings, self.executor.run_together
        self._drop_foreign_keys(name)
        run([*leaving(belongings, name), *self._closing(scratch)])
        run([*put_away(belongings, name, scratch.attic), *put_in_place(belongings, scratch.new, name.schema)])
        run(arriving(belongings, name, scratch.former) or [statements.reset_role()])

    def _drop_foreign_keys(self, name: TableName) -> None:
        """Of the old table: otherwise no row that it refers to could be deleted any more. ACCESS EXCLUSIVE on the tables referred to."""
        keys = self.belongings.foreign_keys
        if keys:
            drop = statements.drop_constraint(name, *(each.name for each in keys))
            locks = len({each.referenced_oid for each in keys}) + len(self.table.partitions)
            self.executor.run_briefly(drop, locks=locks)

    def _closing(self, scratch: Scratch) -> list[sql.Composed]:
        """Whoever still writes to the old table, by the name of one of its partitions, is told: nobody would ever see those rows.

        The triggers stay; the function that they call now refuses. It goes with the old table, so that the building schema can go.
        """
        keep = self.images.thing("keep")
        body = (
            "BEGIN RAISE EXCEPTION '%.% was replaced and is only kept for a while; write to the table that has its name now',"
            " TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'object_not_in_prerequisite_state'; END"
        )
        return [
            sql.SQL("CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS {}").format(
                keep, sql.Literal(body)
            ),
            *(
                sql.SQL("ALTER FUNCTION {}() SET SCHEMA {}").format(self.images.thing(each), sql.Identifier(scratch.attic))
                for each in ("keep", "refuse_truncate")
            ),
        ]

    def _write_down(self, scratch: Scratch, new: int) -> None:
        connection, schema = self.executor.connection, self.table.name.schema
        about = {"table": str(self.table.name), "replaced_by": new, "keep_until": self.keep_until.isoformat()}
        created = [
            Event("create", "done", TableName(schema, each["name"]), each["oid"], parse_bounds(each["bound"]), detail="filled")
            for each in rows(connection, "partitions", parent=new)
            if each["bound"] != "DEFAULT"
        ]
        waited = self.executor.lock_wait_ms
        detail = json.dumps({"former": str(scratch.former), "former_oid": self.table.oid, **about})
        self.ledger.record(*created, Event(self.move.value, "done", None, new, rows=self.rows, lock_wait_ms=waited, detail=detail))
        validations = [[each.role, each.table.schema, each.table.name, each.constraint] for each in afterwards(self.belongings)]
        comments = {scratch.building: f"{PUT_IN_PLACE}{new}", scratch.attic: json.dumps(about)}
        self.executor.run_together(
            [
                statements.set_local_role(self.table.owner),
                *(statements.comment_on_schema(schema, text) for schema, text in comments.items()),
                statements.comment_on_table(scratch.portions, json.dumps(validations)),
                statements.reset_role(),
            ]
        )
