"""Where an archive lies: `<path>/<schema>.<table>/<partition>/<archive id>/`, so that one wildcard reads all months of a table."""

import re
from typing import TypeVar

from include.archive.manifest import MANIFEST
from include.archive.storage import StoragePath, translated
from include.partitioning.names import TableName

P = TypeVar("P", bound=StoragePath)
DATA_FILE = "part-00000.parquet"
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


def partition_folder(root: P, parent: TableName, partition: TableName) -> P:
    """The folder that holds every archive of one partition."""
    return root / f"{_safe(parent.schema)}.{_safe(parent.name)}" / _safe(partition.name)


def half_archives(folder: P) -> list[P]:
    """Archive folders without a manifest: uploads that were interrupted."""
    with translated(f'list "{folder}"'):
        if not folder.exists():
            return []
        return [each for each in folder.iterdir() if each.is_dir() and not (each / MANIFEST).exists()]


def remove(folder: StoragePath) -> None:
    """Delete the files of one half archive, by the names that we give files; a folder with anything else in it stays."""
    with translated(f'remove "{folder}"'):
        files = list(folder.iterdir())
        if all(file.name.startswith(("part-", MANIFEST)) for file in files):
            for file in files:
                file.unlink()


def _safe(name: str) -> str:
    """Names as they are where they are harmless everywhere; other characters as `~` and their code point in hexadecimal."""
    return _UNSAFE.sub(lambda match: f"~{ord(match[0]):04x}", name)
