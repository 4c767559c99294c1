"""The archive step."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

from airflow.sdk import BaseOperatorLink, ObjectStoragePath
from psycopg import Connection

from include.archive.layout import partition_folder, remove_half_archive, version_folder, version_of
from include.archive.manifest import Manifest
from include.archive.proof import SecondReading, check_archive, check_objects, check_second_reading
from include.archive.read_ahead import read_ahead
from include.archive.rendering import TEXT
from include.archive.shelf import Stored, archives_of_partition, read_manifest, refuse_strangers, versions_in
from include.archive.stored_rows import stored_digest, stored_text
from include.archive.writing import BLOCK_BYTES, Order, Progress, commit_archive, write_archive
from include.partitioning.choices import Proof
from include.partitioning.errors import ArchiveError, ArchiveMismatchError, StorageUnavailableError
from include.partitioning.plan_text import human_bytes
from include.partitioning.target import Target
from include.postgres import catalog
from include.postgres.export import Pages, Snapshot, copy_statement, rows_digest, snapshot, taken_up
from include.postgres.ledger_records import ArchiveRecord, Event
from include.postgres.loading import loaded_for_proof
from include.postgres.unchanged import Archived, compare_with_archive
from partition_operators.announcements import announce_archive, leave_manifest
from partition_operators.archive_source import identity_of, source_of
from partition_operators.archive_storage import archive_policy, archive_root, opened, origin_of, record_of, url_of
from partition_operators.expiry_operator import ExpiryOperator
from partition_operators.lifecycle_operator import Step
from partition_operators.lineage import archive_files, table
from partition_operators.links import ManifestLink

STRENGTHS = list(Proof)


class ArchivePartitionOperator(ExpiryOperator):
    """Write an expired partition to object storage as Parquet, read it back from there, and prove that it holds every row.

    The partition itself is read, in one snapshot and with bounded memory. Then the files are opened again through the storage; their rows,
    decoded and written as COPY text once more, must be the very text that the server sent, and add up to what the server says of the
    same snapshot. Only then the manifest is written, which makes it an archive. A partition that has an intact archive and has not changed
    since is not archived again; one that has changed gets a new version beside the old one. A finished upload that an
    interrupted task forgot is found, compared with the table, and kept.

    **When it fails** this partition is neither detached nor dropped; the others go on. The message names the column, the block
    or the storage that is at fault.

    Arguments: `partition` (templated, mappable), and those of `LifecycleOperator`.
    """

    action: ClassVar[str] = "archive"
    operator_extra_links: Sequence[BaseOperatorLink] = (*ExpiryOperator.operator_extra_links, ManifestLink())

    def expire(self, step: Step, target: Target) -> str:
        """Archive, unless there is nothing to do."""
        if step.policy.archive is None:
            return f'"{target.name}" is not archived: the policy has no archive'
        root = archive_root(step)
        folder = partition_folder(root, step.table.name, target.name)
        if step.dry_run:
            return self._show(step, target, folder)
        existing = self._intact(step, target)
        if existing is not None:
            self._tell(step, target, existing, step.ledger.manifest(existing.archive_id))
            return f'"{target.name}" is archived already at {existing.path}: {existing.rows:,} rows, unchanged since'
        refuse_strangers(root, step.table.name, step.table.cluster, step.policy.archive.former_databases)
        forgotten = self._forgotten(step, target, folder)
        if forgotten is not None and self._holds_the_rows(step, target, forgotten):
            self._record(step, target, forgotten)
            return f'"{target.name}" is archived at {forgotten.folder}, found again and compared with the table'
        version = self._next_version(step, target, folder)
        return self._archive(step, target, version_folder(folder, version), version)

    def _intact(self, step: Step, target: Target) -> ArchiveRecord | None:
        """The latest archive, if its objects are what was written and the table has not changed since."""
        record = step.ledger.latest_archive(step.table, target.name, target.oid, target.bounds)
        if record is None:
            return None
        compared = compare_with_archive(step.connection, target.name, target.oid, record.archived)
        if not compared.same:
            self.log.info("%s is archived again: %s", target.name, compared.why_not)
            return None
        if _weaker(record.proof, archive_policy(step).proof):
            self.log.info("%s is archived again: the policy asks for a stronger proof than %s", target.name, record.proof)
            return None
        return record if self._objects_are_there(step, record) else None

    def _objects_are_there(self, step: Step, record: ArchiveRecord) -> bool:
        folder = opened(step, record.path)
        try:
            check_objects(folder, read_manifest(folder, record.manifest_sha256))
        except ArchiveMismatchError as error:
            self.log.warning("the archive is no longer what it was, so the partition is archived again: %s", error)
            return False
        return True

    def _forgotten(self, step: Step, target: Target, folder: ObjectStoragePath) -> Stored[ObjectStoragePath] | None:
        """A finished archive of this very partition that the ledger does not know as verified, and that has the rows of today."""
        try:
            stored = next(archives_of_partition(folder), None)
        except ArchiveMismatchError as error:
            self.log.warning("left alone: %s", error)
            return None
        if stored is None or stored.manifest.source.identity != identity_of(step, target):
            return None
        if _weaker(stored.manifest.proof, archive_policy(step).proof):
            return None
        source = stored.manifest.source
        archived = Archived(source.shape_digest, source.snapshot_xmin, stored.manifest.rows)
        compared = compare_with_archive(step.connection, target.name, target.oid, archived)
        return stored if compared.same else None

    def _holds_the_rows(self, step: Step, target: Target, stored: Stored[ObjectStoragePath]) -> bool:
        """Compare a forgotten archive with the table, as if it came from elsewhere."""
        manifest = stored.manifest
        self.log.info("found an archive at %s that an interrupted task forgot; comparing it with the table", stored.folder)
        try:
            check_archive(stored.folder, manifest, self._progress("%s of %s rows compared", manifest.rows).add)
            theirs = stored_digest(stored.folder, manifest)
        except ArchiveMismatchError as error:
            self.log.warning("it is left alone, and the partition is archived anew: %s", error)
            return False
        with snapshot(step.connection, target.name, target.oid, step.policy.archive_max_duration) as source:
            ours = rows_digest(step.connection, target.name, manifest.columns, source.deadline)
        if ours != theirs:
            self.log.warning("it does not hold the rows of the table: it is left alone, and the partition is archived anew")
        return ours == theirs

    def _next_version(self, step: Step, target: Target, folder: ObjectStoragePath) -> int:
        """One more than any that is there or was ever begun, so that no late writer meets another in one folder."""
        begun = step.ledger.begun_archives(target.oid)
        for each, finished in begun.items():
            if not finished:
                self._remove_interrupted(step, each)
        return max([0, *versions_in(folder), *(version_of(each) or 0 for each in begun)]) + 1

    def _remove_interrupted(self, step: Step, begun: str) -> None:
        """An upload that the ledger says we began for this very partition, if it has no manifest."""
        try:
            if remove_half_archive(opened(step, begun)):
                self.log.info("removed an upload that was interrupted: %s", begun)
        except (ArchiveError, StorageUnavailableError) as error:
            # It may lie where an earlier, mistaken policy pointed; what is to be archived now does not depend on it.
            self.log.warning("an upload that was interrupted could not be removed: %s", error)

    def _archive(self, step: Step, target: Target, place: ObjectStoragePath, version: int) -> str:
        step.ledger.record(Event("archive", "began", target.name, target.oid, target.bounds, detail=url_of(place)))
        with snapshot(step.connection, target.name, target.oid, step.policy.archive_max_duration) as source:
            manifest = self._write(step, target, place, source, version)
        self.log.info("reading %s back", place)
        check_archive(place, manifest, self._progress("%s of %s rows compared", manifest.rows).add)
        if archive_policy(step).proof is Proof.RESTORE:
            self._load_and_compare(step, place, manifest)
        catalog.database_now(step.connection)  # whoever lost the connection lost the lock, and must not finish
        self._record(step, target, Stored(place, manifest, commit_archive(place, manifest)))
        size = human_bytes(manifest.data_bytes)
        return f'archived "{target.name}": {manifest.rows:,} rows, {size}, read back and compared ({manifest.proof}), at {place}'

    def _record(self, step: Step, target: Target, stored: Stored[ObjectStoragePath]) -> None:
        record = record_of(stored)
        with step.connection.transaction():
            step.ledger.record_archive(origin_of(stored.manifest), record, stored.text.decode(), verified=True)
            done = Event("archive", "done", target.name, target.oid, target.bounds, record.rows, record.bytes, detail=record.path)
            step.ledger.record(done)
        self._tell(step, target, record, stored.text.decode())

    def _tell(self, step: Step, target: Target, record: ArchiveRecord, manifest: str | None) -> None:
        """Airflow hears of an asset only when a task succeeds, so a try that died behind the archive has told nobody: the next one does."""
        leave_manifest(step, record.path, manifest)
        if step.ledger.done_in_run(self.action, target.oid):
            announce_archive(step, target, record)
            inputs = [table(step.connection, step.table.name), table(step.connection, target.name, rows=record.rows)]
            self.lineage.note(inputs=inputs, outputs=archive_files(record.path, manifest) if manifest else ())

    def _write(self, step: Step, target: Target, place: ObjectStoragePath, source: Snapshot, version: int) -> Manifest:
        policy = archive_policy(step)
        evidence = source.evidence()
        self.log.info("archiving %s: %s rows, to %s", target.name, f"{evidence.rows:,}", place)
        order = Order(
            archive_id=str(uuid.uuid4()),
            version=version,
            source=source_of(step, target, source),
            blueprint=source.blueprint(),
            ddl=source.ddl(),
            evidence=evidence,
            compression=policy.compression,
            proof=policy.proof.value,
            server_version=str(step.table.server_version),
        )
        parts = source.parts(policy.files)
        with _readers(step, source, len(parts)) as readers:
            blocks = [source.blocks(BLOCK_BYTES, pages, reader) for pages, reader in zip(parts, readers, strict=True)]
            manifest = write_archive(place, order, blocks, self._progress("%s of %s rows archived", evidence.rows))
            if policy.proof is not Proof.STANDARD:
                self.log.info("reading the table a second time, and comparing it with %s", place)
                readings = [_second_reading(source, pages, reader) for pages, reader in zip(parts, readers, strict=True)]
                check_second_reading(place, manifest, readings)
            seconds = step.policy.archive_max_duration.total_seconds() - source.seconds_left()
            self.log.info("the snapshot was held for %.0f s; vacuum waited for it in the whole database", seconds)
        return manifest

    def _load_and_compare(self, step: Step, place: ObjectStoragePath, manifest: Manifest) -> None:
        self.log.info("loading %s into a scratch table, and comparing it there", place)
        found = loaded_for_proof(
            step.connection, manifest.columns, read_ahead(stored_text(place, manifest, TEXT)), step.policy.archive_max_duration
        )
        wanted = stored_digest(place, manifest)
        if found != wanted:
            raise ArchiveMismatchError(f'"{place}" does not read as it was when it is loaded again; nothing is dropped')

    def _progress(self, what: str, total: int) -> Progress:
        def say(rows: int, size: int, seconds: float) -> None:
            left = seconds * (total - rows) / rows if rows else 0
            what_of = what % (f"{rows:,}", f"{total:,}")
            self.log.info("%s, %s, %.0f rows/s, %.0f s so far, %.0f s left", what_of, human_bytes(size), rows / seconds, seconds, left)

        return Progress(say)

    def _show(self, step: Step, target: Target, folder: ObjectStoragePath) -> str:
        with snapshot(step.connection, target.name, target.oid, step.policy.archive_max_duration) as source:
            self.log.info("    %s;", copy_statement(target.name, source.columns).as_string(step.connection))
        return f'would archive "{target.name}" below {folder}, unless an unchanged archive is there'


@contextmanager
def _readers(step: Step, source: Snapshot, number: int) -> Iterator[list[Connection[Any]]]:
    """Connections in the snapshot: the step's own if one is enough, else as many others."""
    if number == 1:
        yield [step.connection]
        return
    name = source.exported()
    with ExitStack() as stack:
        yield [stack.enter_context(taken_up(stack.enter_context(step.connect()), name)) for _ in range(number)]


def _second_reading(source: Snapshot, pages: Pages, reader: Connection[Any]) -> SecondReading:
    return lambda rows: source.second_reading(rows, pages, reader)


def _weaker(proof: str | None, wanted: Proof) -> bool:
    return STRENGTHS.index(Proof(proof or Proof.STANDARD)) < STRENGTHS.index(wanted)
