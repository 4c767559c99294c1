"""Proving an archive: the stored objects are opened again through the storage, and what they hold is compared with the table.

Three witnesses, none of which rests on the decoder that wrote the files:

- the SHA-256 of each file, taken while it was written: the storage has kept every byte;
- for each block of rows the SHA-256 of the text that the server's COPY sent, taken before anything was decoded: the stored rows,
  decoded from the file and written as COPY text again by `rendering`, must be that very text. This covers every value of every row;
- what the server's own aggregates say of the same snapshot: no row went missing on the way, and none came twice.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa

from include.archive.buffers import payload
from include.archive.evidence import Tally
from include.archive.manifest import Manifest
from include.archive.read_ahead import read_ahead
from include.archive.rendering import TEXT, lines
from include.archive.storage import digest_of
from include.archive.storage_path import StoragePath
from include.archive.stored_rows import RowGroup, blocks_of, row_groups, stored_text
from include.partitioning.errors import ArchiveMismatchError

T = TypeVar("T")

RowsAndBytes = Callable[[int, int], object]

THREADS = min(2, os.cpu_count() or 1)
"""Row groups that are compared at a time: each needs memory of its own."""

SecondReading = Callable[[list[int]], Iterable[bytes | bytearray]]
"""Given how many rows each block of a file has, the text of each block as the server sends it a second time."""


def check_archive(folder: StoragePath, manifest: Manifest, progress: RowsAndBytes | None = None) -> None:
    """Every byte, every value, and what they add up to.

    :param progress: called with the rows and bytes (of COPY text) of each row group.
    :raises ArchiveMismatchError: anything differs, or a file is missing.
    """
    check_objects(folder, manifest)
    tally = Tally(manifest.columns)
    for found, size in _side_by_side(lambda group: _checked(folder, manifest, group), row_groups(folder, manifest)):
        tally.merge(found)
        if progress is not None:
            progress(found.evidence.rows, size)
    differences = manifest.evidence.differences(tally.evidence)
    if differences:
        raise ArchiveMismatchError(
            f'"{folder}" does not add up to what the server says (server first): {"; ".join(differences[:5])}; nothing is dropped'
        )


def check_objects(folder: StoragePath, manifest: Manifest) -> None:
    """Read every data file once more and compare its SHA-256 and size.

    :raises ArchiveMismatchError: one differs or is missing.
    """
    for file in manifest.files:
        sha256, size = digest_of(folder / file.name)
        if (sha256, size) != (file.sha256, file.bytes):
            raise ArchiveMismatchError(
                f'"{folder / file.name}" is not the file that was written ({file.bytes} bytes then, {size} now, and the SHA-256 differs); '
                "restore the object, or archive the partition again"
            )


def check_second_reading(folder: StoragePath, manifest: Manifest, readings: Sequence[SecondReading]) -> None:
    """Compare every row with a second reading of the table in the same snapshot and order, in COPY's own text format.

    :param readings: one for each file.
    :raises ArchiveMismatchError: a block differs.
    """
    for file, reading in zip(manifest.files, readings, strict=True):
        alone = manifest.model_copy(update={"files": (file,)})
        stored = read_ahead(stored_text(folder, alone, TEXT))
        sent = iter(reading([block.rows for block in file.blocks]))
        for place in range(len(file.blocks) + 1):  # one more: rows behind the last
            if bytes(next(stored, b"")) != next(sent, b""):  # bytes, because a memoryview is compared item by item
                raise ArchiveMismatchError(
                    f'"{folder / file.name}", block {place}: the rows stored are not those of a second reading of the table in the same '
                    "snapshot; nothing is dropped; archive the partition again, and if it happens again report it"
                )


def _checked(folder: StoragePath, manifest: Manifest, group: RowGroup) -> tuple[Tally, int]:
    found, size = Tally(manifest.columns), 0
    for place, (table, block) in enumerate(blocks_of(folder, group)):
        text = payload(lines(table, manifest.columns))
        if hashlib.sha256(text).hexdigest() != block.sha256:
            raise ArchiveMismatchError(
                f'"{folder / group.file.name}", row group {group.number}, block {place}: the rows stored are not the rows that the server sent; '
                "nothing is dropped; archive the partition again, and if it happens again report it: a value was changed on its way"
            )
        found.add(table)
        size += len(text)
    pa.default_memory_pool().release_unused()
    return found, size


def _side_by_side(work: Callable[[RowGroup], T], groups: Iterable[RowGroup]) -> Iterator[T]:
    with ThreadPoolExecutor(THREADS, "proof") as threads:
        started = [threads.submit(work, group) for group in groups]
        try:
            for each in started:
                yield each.result()
        finally:
            for each in started:
                each.cancel()
