"""The archive step."""

import uuid
from typing import ClassVar

from airflow.sdk import ObjectStoragePath

from include.archive.archiver import BLOCK_BYTES, Order, check_archive, check_objects, commit_archive, read_manifest, write_archive
from include.archive.layout import partition_folder, remove_half_archive
from include.archive.manifest import Manifest, Source
from include.partitioning.bounds import KeyType
from include.partitioning.errors import ArchiveError, ArchiveMismatchError, StorageUnavailableError
from include.partitioning.plan_text import human_bytes
from include.partitioning.target import Target
from include.postgres.export import Snapshot, copy_statement, snapshot
from include.postgres.ledger import ArchiveRecord, Event
from include.postgres.table_lock import advisory_lock
from include.postgres.unchanged import compare_with_archive
from partition_operators.expiry_operator import ExpiryOperator
from partition_operators.lifecycle_operator import Step


class ArchivePartitionOperator(ExpiryOperator):
    """Write an expired partition to object storage as Parquet, read it back, and compare.

    The partition itself is read, in one snapshot and with bounded memory. The data file is written under a temporary name; then it
    is opened again through the storage and every byte and value is compared with what was written, and what it adds up to with
    what the server says of the same snapshot. Only then the manifest is written, which makes it an archive. A partition
    that has an intact archive and has not changed since is not archived again; one that has changed gets a new archive beside the old one.

    **When it fails** this partition is neither detached nor dropped; the others go on. The message names the column, the row count
    or the storage that is at fault.

    Arguments: `partition` (templated, mappable), and those of `LifecycleOperator`.
    """

    action: ClassVar[str] = "archive"

    def expire(self, step: Step, target: Target) -> str:
        """Archive, unless there is nothing to do."""
        if step.policy.archive is None:
            return f'"{target.name}" is not archived: the policy has no archive'
        root = ObjectStoragePath(step.policy.archive.path, conn_id=step.policy.archive.conn_id)
        folder = partition_folder(root, step.table.name, target.name)
        if step.dry_run:
            return self._show(step, target, folder)
        with advisory_lock(step.executor, target.oid, f'archive "{target.name}"'):
            existing = self._intact(step, target)
            if existing is not None:
                return f'"{target.name}" is archived already at {existing.path}: {existing.rows:,} rows, unchanged since'
            self._remove_interrupted(step, target)
            return self._archive(step, target, folder / str(uuid.uuid4()))

    def _intact(self, step: Step, target: Target) -> ArchiveRecord | None:
        """The latest archive, if its objects are what was written and the table has not changed since."""
        record = step.ledger.latest_archive(step.table, target.name, target.oid, target.bounds)
        if record is None:
            return None
        compared = compare_with_archive(step.connection, target.name, target.oid, record)
        if not compared.same:
            self.log.info("%s is archived again: %s", target.name, compared.why_not)
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

    def _remove_interrupted(self, step: Step, target: Target) -> None:
        """Uploads that the ledger says we began for this very partition, and that have no manifest."""
        for begun in step.ledger.begun_archives(target.oid):
            try:
                if remove_half_archive(opened(step, begun)):
                    self.log.info("removed an upload that was interrupted: %s", begun)
            except (ArchiveError, StorageUnavailableError) as error:
                # It may lie where an earlier, mistaken policy pointed; what is to be archived now does not depend on it.
                self.log.warning("an upload that was interrupted could not be removed: %s", error)

    def _archive(self, step: Step, target: Target, place: ObjectStoragePath) -> str:
        step.ledger.record(Event("archive", "began", target.name, target.oid, target.bounds, detail=str(place)))
        with snapshot(step.connection, target.name, target.oid) as source:
            manifest = self._write(step, target, place, source)
        self.log.info("reading %s back", place)
        check_archive(place, manifest)
        sha256 = commit_archive(place, manifest)
        xmin, digest = manifest.source.snapshot_xmin, manifest.source.shape_digest
        record = ArchiveRecord(manifest.archive_id, str(place), sha256, manifest.rows, manifest.data_bytes, xmin, digest)
        with step.connection.transaction():
            step.ledger.record_archive(step.table, target.name, target.oid, target.bounds, record)
            size = manifest.data_bytes
            step.ledger.record(Event("archive", "done", target.name, target.oid, target.bounds, manifest.rows, size, detail=str(place)))
        return f'archived "{target.name}": {manifest.rows:,} rows, {human_bytes(size)}, read back and compared, at {place}'

    def _write(self, step: Step, target: Target, place: ObjectStoragePath, source: Snapshot) -> Manifest:
        evidence = source.evidence()
        self.log.info("archiving %s: %s rows, to %s", target.name, f"{evidence.rows:,}", place)

        def progress(rows: int, size: int, seconds: float) -> None:
            left = seconds * (evidence.rows - rows) / rows if rows else 0
            self.log.info(
                "%s of %s rows, %s, %.0f rows/s, %.0f s left", f"{rows:,}", f"{evidence.rows:,}", human_bytes(size), rows / seconds, left
            )

        order = Order(
            archive_id=place.name,
            source=_source(step, target, source),
            columns=source.columns,
            ddl=source.ddl(),
            evidence=evidence,
            compression=step.policy.archive.compression if step.policy.archive else "zstd",
            server_version=str(step.table.server_version),
        )
        return write_archive(place, order, source.blocks(BLOCK_BYTES), progress)

    def _show(self, step: Step, target: Target, folder: ObjectStoragePath) -> str:
        with snapshot(step.connection, target.name, target.oid) as source:
            self.log.info("    %s;", copy_statement(target.name, source.columns).as_string(step.connection))
        return f'would archive "{target.name}" below {folder}, unless an unchanged archive is there'


def opened(step: Step, path: str) -> ObjectStoragePath:
    """An archive's folder, by the connection of the policy."""
    conn_id = step.policy.archive.conn_id if step.policy.archive else None
    return ObjectStoragePath(path, conn_id=conn_id)


def _source(step: Step, target: Target, source: Snapshot) -> Source:
    return Source(
        system_identifier=step.table.cluster.system_identifier,
        database_oid=step.table.cluster.database_oid,
        parent=str(step.table.name),
        parent_oid=step.table.oid,
        partition=str(target.name),
        partition_oid=target.oid,
        partition_key=step.table.key,
        partition_key_type=step.table.key_type.value,
        lower_bound=KeyType.TIMESTAMPTZ.literal(target.bounds.lower),
        upper_bound=KeyType.TIMESTAMPTZ.literal(target.bounds.upper),
        shape_digest=source.shape_digest,
        snapshot=source.text,
        snapshot_xmin=source.xmin,
        snapshot_taken_at=source.taken_at,
    )
