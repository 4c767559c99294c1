"""The restore step."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from include.archive.proof import check_archive, check_objects
from include.partitioning.errors import BadArgumentError
from include.partitioning.names import TableName, fitted
from include.partitioning.reference import parse_reference_date
from include.postgres.table_lock import advisory_lock
from partition_operators.archive_storage import url_of
from partition_operators.lifecycle_operator import LifecycleOperator, Step
from partition_operators.lineage import archive_files, table
from partition_operators.restore_operator import RestoreOperator, StoredArchive

HELD_FOR = timedelta(days=30)


class RestoreMode(StrEnum):
    """What becomes of a restored archive."""

    ATTACH = "attach"
    TABLE = "table"
    VERIFY = "verify"


class RestorePartitionOperator(RestoreOperator):
    """Bring an archived partition back: into its table, as a table of its own, or only prove that it could be.

    `attach` builds the partition as its siblings are today (columns that the table gained have their default, ones that it lost are
    named), loads it, compares every row with the archive, builds its indexes, and attaches it; it is then held, so that the next run does
    not expire it again. `table` builds `<partition>_restored` beside it, as it was archived, without foreign keys. `verify` reads
    the archive and compares it with what its manifest says of the table as it was. What is there already is not restored twice.

    **When it fails** nothing is left: a table that was half built is dropped again. The message says what is in the way: an attached partition
    of that range, a name that is taken, rows that refer to rows that are gone, a damaged archive.

    :param partition: `schema.name` of the archived partition. (templated, mappable)
    :param mode: attach, table or verify. (templated)
    :param version: number of the archive, where a name was archived more than once with different rows; omitted: the one that no other
        replaces. (templated)
    :param hold_until: ISO date until which an attached partition is not expired again; omitted: 30 days from today. (templated)

    Other arguments: see `LifecycleOperator`. `policy` is templated too.
    """

    template_fields: Sequence[str] = ("policy", "partition", "mode", "hold_until", "version", *LifecycleOperator.template_fields)
    action: ClassVar[str] = "restore"

    def __init__(
        self,
        *,
        partition: str,
        mode: str = RestoreMode.ATTACH,
        hold_until: str | None = None,
        version: int | str | None = None,
        **kwargs: Any,  # noqa: ANN401 - LifecycleOperator's arguments
    ) -> None:
        super().__init__(**kwargs)
        self.partition = partition
        self.mode = mode
        self.hold_until = hold_until
        self.version = version

    def about(self) -> TableName | None:
        """The partition, if its name can be read."""
        try:
            return TableName.parse(str(self.partition))
        except BadArgumentError:
            return None

    def perform(self, step: Step) -> str:
        """Restore, and return in one sentence what was done."""
        partition = TableName.parse(str(self.partition))
        mode = self._mode()
        held_until = self._held_until(step)
        with advisory_lock(step.executor, f"restore {partition}", f'restore "{partition}"'):
            said = self._restore(step, partition, mode, held_until)
        self.log.info("%s", said)
        return said

    def _restore(self, step: Step, partition: TableName, mode: RestoreMode, held_until: datetime) -> str:
        stored = self.archive_of(step, partition, self._version())
        manifest = stored.manifest
        if mode is RestoreMode.VERIFY:
            check_archive(stored.folder, manifest)
            return f'the archive of "{partition}" at {stored.folder} is whole: {manifest.rows:,} rows, every one as it was archived'
        name = partition if mode is RestoreMode.ATTACH else TableName(partition.schema, fitted(partition.name, "_restored"))
        wanted = self.restoration(stored, name, mode.value)
        if step.dry_run:
            return f'would restore "{partition}" {wanted.bounds} as "{name}" ({mode.value}): {manifest.rows:,} rows from {stored.folder}'
        check_objects(stored.folder, manifest)
        restorer = self.restorer(step, manifest.rows)
        if mode is RestoreMode.TABLE:
            said = restorer.beside(wanted)
        else:
            said = restorer.attach(wanted, held_until, "restored from its archive") + f"; held until {held_until:%Y-%m-%d}"
        self._note_lineage(step, stored, name, attached=mode is RestoreMode.ATTACH)
        return said

    def _note_lineage(self, step: Step, stored: StoredArchive, name: TableName, *, attached: bool) -> None:
        filled = table(step.connection, name, rows=stored.manifest.rows, change="CREATE")
        parent = [table(step.connection, step.table.name, change="ALTER")] if attached else []
        self.lineage.note(
            inputs=archive_files(url_of(stored.folder), stored.manifest.to_json().decode()),
            outputs=[filled, *parent],
        )

    def _version(self) -> int | None:
        text = str(self.version or "").strip()
        if text in ("", "None"):
            return None
        if not text.isdecimal():
            raise BadArgumentError(f'version "{self.version}" is not a number')
        return int(text)

    def _mode(self) -> RestoreMode:
        try:
            return RestoreMode(str(self.mode))
        except ValueError as error:
            raise BadArgumentError(f'mode "{self.mode}" is none of {", ".join(RestoreMode)}') from error

    def _held_until(self, step: Step) -> datetime:
        text = str(self.hold_until or "").strip()
        if text in ("", "None"):
            return step.database_now + HELD_FOR
        until = parse_reference_date(text, step.policy.timezone, "hold_until")
        if until <= step.database_now:
            raise BadArgumentError(f'hold_until "{text}" is past; the next run would expire the partition again')
        return until
