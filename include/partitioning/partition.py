"""What the catalog and the ledger say about a table and its partitions, as plain values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.names import TableName


class Kind(StrEnum):
    """What sort of relation a partition is (`pg_class.relkind`)."""

    TABLE = "r"
    PARTITIONED = "p"
    FOREIGN = "f"


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition as `pg_inherits` knows it: attached, or with its detach pending.

    :param bounds: None for the DEFAULT partition.
    :param rows: the planner's estimate, without a scan; None before the first ANALYZE or VACUUM.
    :param ours: the ledger says that this package created it.
    :param held: until when and why it may not be touched; None if it may.
    """

    name: TableName
    oid: int
    bounds: Bounds | None
    kind: Kind = Kind.TABLE
    detach_pending: bool = False
    rows: int | None = None
    ours: bool = False
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which database this is. A dump restored elsewhere carries the ledger, but none of these numbers."""

    system_identifier: int
    database_oid: int

    @property
    def identity(self) -> str:
        """Both numbers, as a policy writes them."""
        return f"{self.system_identifier}/{self.database_oid}"


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """The parent, with its partitions in the order of their lower bounds, DEFAULT last.

    :param partman_schema: where pg_partman's configuration is, whichever tables that names; None if it is not in this database.
    """

    name: TableName
    oid: int
    key: str
    key_type: KeyType
    owner: str
    cluster: Cluster
    server_version: int
    partitions: tuple[Partition, ...]
    partman_schema: str | None = None

    @property
    def default(self) -> Partition | None:
        """The DEFAULT partition, if there is one."""
        return next((partition for partition in self.partitions if partition.bounds is None), None)

    def partition(self, name: TableName) -> Partition | None:
        """The attached partition of that name."""
        return next((partition for partition in self.partitions if partition.name == name), None)


@dataclass(frozen=True, slots=True)
class DetachedPartition:
    """A partition that the ledger says we detached, or began to detach, and that has not been dropped.

    :param detached_at: database time; None while the detach has only been announced.
    :param drop_after: database time; None where the policy says `on_expiry: detach`.
    :param found_as: the name that the OID has in the catalog today; None if it is gone.
    :param attached: whether the OID is somebody's partition today (again, or still).
    :param held: until when and why it may not be touched; None if it may.
    """

    name: TableName
    oid: int
    parent: TableName
    parent_oid: int
    bounds: Bounds
    columns_digest: str
    detached_at: datetime | None
    drop_after: datetime | None
    found_as: TableName | None
    attached: bool
    held: str | None = None
