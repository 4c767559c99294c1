"""Where an archive lies: `<path>/<schema>.<table>/<partition>/<archive id>/`, so that one wildcard finds all months of a table.

A partition that was written to after its archive is archived again, in a folder beside the first: the ledger, or the newest
`snapshot_taken_at` among the manifests, says which one holds the rows as they were at the end.
"""

import hashlib
import re
from typing import TypeVar

from include.archive.manifest import MANIFEST
from include.archive.storage import UPLOADING, StoragePath, translated
from include.partitioning.names import TableName

P = TypeVar("P", bound=StoragePath)
DATA_FILE = "part-00000.parquet"
_LONGEST = 120
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


def partition_folder(root: P, parent: TableName, partition: TableName) -> P:
    """The folder that holds every archive of one partition."""
    return root / f"{_safe(parent.schema)}.{_safe(parent.name)}" / _safe(partition.name)


def remove_half_archive(folder: StoragePath) -> bool:
    """Delete an upload that was interrupted: a folder without a manifest, and in it only files with the names that we give.

    :returns: whether there was one.
    """
    with translated(f'remove "{folder}"'):
        if not folder.exists() or (folder / MANIFEST).exists():
            return False
        files = list(folder.iterdir())
        if not all(file.name.removesuffix(UPLOADING) in (DATA_FILE, MANIFEST) for file in files):
            return False
        for file in files:
            file.unlink()
        if folder.exists():  # an object store has no folders: there it went with its last object
            folder.rmdir()
        return True


def _safe(name: str) -> str:
    """Names as they are where they are harmless everywhere; other characters as their code point in hexadecimal between tildes.

    What would be too long for a folder's name (255 bytes, with the schema's and the table's in one) ends in a digest.
    """
    safe = _UNSAFE.sub(lambda match: f"~{ord(match[0]):x}~", name)
    return safe if len(safe) <= _LONGEST else safe[: _LONGEST - 17] + "~" + hashlib.sha256(name.encode()).hexdigest()[:16]
