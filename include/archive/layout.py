"""Where an archive lies: `<path>/<schema>.<table>/<partition>/archive_version=<n>/`, so that one wildcard finds all months of a table.

A partition that was written to after its archive is archived again, as the next version beside the first: the highest
version is the one that holds the rows as they were at the end. `archive_version` is a key that Hive-style readers make a column of.
"""

import hashlib
import re
from typing import TypeVar

from include.archive.manifest import MANIFEST
from include.archive.storage import UPLOADING, listed, translated
from include.archive.storage_path import StoragePath, is_local
from include.partitioning.names import TableName

P = TypeVar("P", bound=StoragePath)
_DATA_FILE = re.compile(r"part-\d{5}\.parquet")
_VERSION = re.compile(r"archive_version=([1-9]\d{0,8})")
_LONGEST = 120
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


def table_folder(root: P, parent: TableName) -> P:
    """The folder that holds every archive of one table's partitions."""
    return root / f"{_safe(parent.schema)}.{_safe(parent.name)}"


def partition_folder(root: P, parent: TableName, partition: TableName) -> P:
    """The folder that holds every archive of one partition."""
    return table_folder(root, parent) / _safe(partition.name)


def version_folder(folder: P, version: int) -> P:
    """The folder of one archive."""
    return folder / f"archive_version={version}"


def version_of(folder: str) -> int | None:
    """The number in a version folder's path; None if it is no such path."""
    match = _VERSION.fullmatch(folder.rstrip("/").rpartition("/")[2])
    return int(match[1]) if match else None


def data_file(number: int) -> str:
    """Name of one data file, from 0."""
    return f"part-{number:05d}.parquet"


def remove_half_archive(folder: StoragePath) -> bool:
    """Delete an upload that was interrupted: a folder without a manifest, and in it only files with the names that we give.

    :returns: whether there was one.
    """
    files = listed(folder)
    names = [file.name.removeprefix(UPLOADING) for file in files]
    if MANIFEST in [file.name for file in files] or not all(name == MANIFEST or _DATA_FILE.fullmatch(name) for name in names):
        return False
    with translated(f'remove "{folder}"'):
        for file in files:
            file.unlink()
        if is_local(folder) and folder.exists():
            folder.rmdir()
            return True
    return bool(files)


def _safe(name: str) -> str:
    """Names as they are where they are harmless everywhere; other characters as their code point in hexadecimal between tildes.

    What would be too long for a folder's name (255 bytes, with the schema's and the table's in one) ends in a digest.
    """
    safe = _UNSAFE.sub(lambda match: f"~{ord(match[0]):x}~", name)
    return safe if len(safe) <= _LONGEST else safe[: _LONGEST - 17] + "~" + hashlib.sha256(name.encode()).hexdigest()[:16]
