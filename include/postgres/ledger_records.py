"""What the ledger takes and gives, as plain values."""

from dataclasses import dataclass
from datetime import datetime

from include.partitioning.bounds import Bounds
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster
from include.postgres.unchanged import Archived


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Which Airflow task instance acts; all None outside a DAG run."""

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the append-only history. `outcome`: began, done, differs, refused or failed."""

    action: str
    outcome: str
    partition: TableName | None = None
    oid: int | None = None
    bounds: Bounds | None = None
    rows: int | None = None
    bytes: int | None = None
    lock_wait_ms: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class ArchiveRecord:
    """An archive.

    :param path: the archive's folder, as a URL.
    :param rows: rows in the archive.
    :param bytes: size of its data files.
    :param snapshot_xmin: `pg_snapshot_xmin` of the export, 64 bits wide, epoch included.
    :param shape_digest: of what the stored rows read as; see `catalog.shape_digest`.
    :param proof: standard, full or restore.
    :param verified_at: when it was compared with the table; None if it was only found in the storage.
    """

    archive_id: str
    path: str
    manifest_sha256: str
    rows: int
    bytes: int
    snapshot_xmin: int
    shape_digest: str
    proof: str | None = None
    snapshot_taken_at: datetime | None = None
    verified_at: datetime | None = None

    @property
    def archived(self) -> Archived:
        """What the table must be like to be the one that was archived."""
        return Archived(self.shape_digest, self.snapshot_xmin, self.rows)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which partition an archive was made of, as its manifest has it. Bounds are ISO texts in UTC."""

    cluster: Cluster
    parent_oid: int
    partition: str
    partition_oid: int
    lower_bound: str
    upper_bound: str


@dataclass(frozen=True, slots=True)
class ArchivedPartition:
    """The newest archive of a partition that may be long gone.

    :param drill_tried_at: when it was last restored for a drill, however that ended.
    """

    name: TableName
    bounds: Bounds
    archive: ArchiveRecord
    drill_tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class RestoredTable:
    """A table that was built from an archive and exists; `finished` is False for what an interrupted restore left."""

    name: TableName
    oid: int
    archive_id: str
    mode: str
    finished: bool
    attached: bool
