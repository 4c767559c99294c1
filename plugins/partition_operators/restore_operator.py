"""What the steps that bring archives back share: finding the archive, and reading its rows."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from airflow.sdk import ObjectStoragePath

from include.archive.layout import partition_folder, version_of
from include.archive.manifest import Manifest
from include.archive.read_ahead import read_ahead
from include.archive.rendering import TEXT
from include.archive.shelf import archives_of_partition
from include.archive.stored_rows import stored_digest, stored_text
from include.archive.writing import Progress
from include.partitioning.copy_text import RowDigest
from include.partitioning.errors import BadArgumentError
from include.partitioning.names import TableName
from include.partitioning.plan_text import human_bytes
from include.postgres.restoration import Restoration
from include.postgres.restoring import Restorer
from partition_operators.archive_storage import archive_root, bounds_of, databases_of, manifest_of, opened
from partition_operators.lifecycle_operator import LifecycleOperator, Step


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive in the storage; the rows that `Restorer` asks for."""

    folder: ObjectStoragePath
    manifest: Manifest

    def text(self, only: Collection[str]) -> Iterator[memoryview]:
        """As COPY text; the next block is decoded while one is sent."""
        return read_ahead(stored_text(self.folder, self.manifest, TEXT, only))

    def digest(self, only: Collection[str]) -> RowDigest:
        """Of the same text."""
        return stored_digest(self.folder, self.manifest, only)


class RestoreOperator(LifecycleOperator):
    """Base of the steps that restore archives; not used by itself."""

    ui_color = "#e0f7fa"

    def archive_of(self, step: Step, partition: TableName, version: int | None = None) -> StoredArchive:
        """The archive of a partition: the ledger's, or, if it knows none, the storage's.

        :param version: needed where archives of that name hold different rows; None: the one that no other replaces.
        :raises BadArgumentError: there is none, there are several, or it is another database's.
        """
        if version is not None:
            return self._in_storage(step, partition, version)
        known = step.ledger.archives(databases_of(step))
        found = [each for each in known if each.name == partition]
        if len(found) > 1:
            choice = "; ".join(f"version {version_of(each.archive.path)}: {each.bounds}, {each.archive.rows:,} rows" for each in found)
            raise BadArgumentError(f'"{partition}" was archived more than once with different rows; say which version is meant: {choice}')
        if found:
            return StoredArchive(opened(step, found[0].archive.path), manifest_of(step, found[0].archive))
        return self._in_storage(step, partition, None)

    def _in_storage(self, step: Step, partition: TableName, version: int | None) -> StoredArchive:
        folder = partition_folder(archive_root(step), step.table.name, partition)
        stored = [
            each
            for each in archives_of_partition(folder)
            if each.manifest.source.partition == str(partition) and version in (None, each.manifest.version)
        ]
        if not stored:
            names = ", ".join(sorted({str(each.name) for each in step.ledger.archives(databases_of(step))})) or "none"
            wanted = f"version {version} of " if version is not None else ""
            raise BadArgumentError(f'there is no archive of {wanted}"{partition}"; known are: {names}')
        if len({each.manifest.source.identity for each in stored}) > 1:
            choice = "; ".join(f"version {each.manifest.version}: {each.manifest.rows:,} rows" for each in stored)
            raise BadArgumentError(f'"{partition}" was archived more than once with different rows; say which version is meant: {choice}')
        source = stored[0].manifest.source
        if source.cluster.identity not in databases_of(step):
            raise BadArgumentError(
                f'"{stored[0].folder}" is an archive of another database ({source.cluster.identity}); if this database was that one '
                f'once, add it: archive.former_databases: ["{source.cluster.identity}"]'
            )
        return StoredArchive(stored[0].folder, stored[0].manifest)

    def restorer(self, step: Step, rows: int) -> Restorer:
        """For the step's table; says in the log how loading goes on."""

        def say(_: int, size: int, seconds: float) -> None:
            self.log.info("sent %s to the server, %s/s, of %s rows", human_bytes(size), human_bytes(round(size / seconds)), f"{rows:,}")

        progress = Progress(say)
        return Restorer(step.executor, step.ledger, step.table, step.connect, lambda size: progress.add(0, size))

    def restoration(self, stored: StoredArchive, name: TableName, mode: str) -> Restoration:
        """What is to be built of an archive, under which name."""
        manifest = stored.manifest
        origin = TableName.parse(manifest.source.partition)
        bounds = bounds_of(manifest.source.lower_bound, manifest.source.upper_bound)
        return Restoration(manifest.archive_id, origin, bounds, manifest.rows, manifest.blueprint, stored, name, mode)
