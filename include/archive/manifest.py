"""The manifest: what an archive holds, where it came from, and how to check it. It is written last, and makes the archive one."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from include.partitioning.column import Column, Evidence
from include.partitioning.errors import ArchiveMismatchError

MANIFEST = "manifest.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArchivedFile(_Frozen):
    """One data file beside the manifest."""

    name: str
    bytes: int
    sha256: str
    rows: int


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


class Manifest(_Frozen):
    """Everything but the rows.

    :param columns: in the table's order; those whose type Arrow does not hold are text in the files.
    :param ddl: statements that build an empty table like the archived one.
    :param content_sha256: over every value of every row, in the order of the files.
    :param evidence: what the server, by itself, said the rows add up to.
    :param versions: of the server and of the libraries that wrote the files.
    """

    format: Literal["postgresql-partition-archive"] = "postgresql-partition-archive"
    format_version: Literal[1] = 1
    archive_id: str
    source: Source
    columns: tuple[Column, ...]
    ddl: tuple[str, ...]
    rows: int
    files: tuple[ArchivedFile, ...]
    content_sha256: str
    evidence: Evidence
    versions: dict[str, str]

    @property
    def data_bytes(self) -> int:
        """Size of the data files together."""
        return sum(file.bytes for file in self.files)

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
