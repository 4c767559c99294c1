"""The manifest: what an archive holds, where it came from, and how to check it. It is written last, and makes the archive one."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from include.partitioning.blueprint import Blueprint, TableObject
from include.partitioning.column import Column, Evidence
from include.partitioning.errors import ArchiveMismatchError
from include.partitioning.partition import Cluster

MANIFEST = "_manifest.json"
"""Readers of Parquet folders (Arrow, Spark, Hive, Trino, Athena) leave names with a leading underscore out."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Block(_Frozen):
    """Some consecutive rows of a file, and the SHA-256 of the very text that the server's COPY sent for them."""

    rows: int
    sha256: str


class ArchivedFile(_Frozen):
    """One data file beside the manifest; a row group holds one or more whole blocks."""

    name: str
    bytes: int
    sha256: str
    rows: int
    blocks: tuple[Block, ...]


class Source(_Frozen):
    """Where the rows came from. Bounds are ISO timestamps, lower inclusive, upper exclusive."""

    system_identifier: int
    database_oid: int
    parent: str
    parent_oid: int
    partition: str
    partition_oid: int
    partition_key: str
    partition_key_type: str
    lower_bound: str
    upper_bound: str
    shape_digest: str
    snapshot: str
    snapshot_xmin: int
    snapshot_taken_at: datetime

    @property
    def cluster(self) -> Cluster:
        """Which database it was."""
        return Cluster(self.system_identifier, self.database_oid)

    @property
    def identity(self) -> tuple[object, ...]:
        """Which partition it was: OIDs, names and bounds."""
        names = (self.parent, self.partition, self.lower_bound, self.upper_bound)
        return (self.cluster, self.parent_oid, self.partition_oid, *names)


class Manifest(_Frozen):
    """Everything but the rows; docs/archive-format.md says it for people who write a reader.

    :param version: number of this archive among those of its partition, from 1; a later one replaces the earlier.
    :param columns: in the table's order; those that are not native are text in the files.
    :param companions: by column, the text column that holds the values which the native type lacks.
    :param objects: constraints and indexes, without the table's name; the order is one in which they can be built.
    :param ddl: the same as statements that build an empty table like the archived one, for a person.
    :param evidence: what the server, by itself, said the rows add up to.
    :param proof: how the stored objects were compared with the table: standard, full or restore.
    :param versions: of the server and of the libraries that wrote the files.
    """

    format: Literal["postgresql-partition-archive"] = "postgresql-partition-archive"
    format_version: Literal[2] = 2
    archive_id: str
    version: int
    source: Source
    columns: tuple[Column, ...]
    companions: dict[str, str]
    objects: tuple[TableObject, ...]
    ddl: tuple[str, ...]
    rows: int
    files: tuple[ArchivedFile, ...]
    evidence: Evidence
    proof: str
    versions: dict[str, str]

    @property
    def data_bytes(self) -> int:
        """Size of the data files together."""
        return sum(file.bytes for file in self.files)

    @property
    def blueprint(self) -> Blueprint:
        """What it takes to build the table again."""
        return Blueprint(self.columns, self.objects)

    def to_json(self) -> bytes:
        """The manifest as it is stored."""
        return self.model_dump_json(indent=2).encode()

    @classmethod
    def from_json(cls, data: bytes, place: str) -> Self:
        """Read a stored manifest.

        :raises ArchiveMismatchError: not a manifest of a version that this package knows.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ArchiveMismatchError(f'"{place}" is not a manifest that this version can read: {where}: {first["msg"]}') from error
