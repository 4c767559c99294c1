"""The rows of an archive, as they lie in the storage: opened through it, row group by row group, and cut into the manifest's blocks."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from include.archive.buffers import payload
from include.archive.manifest import ArchivedFile, Block, Manifest
from include.archive.rendering import CSV, Form, lines
from include.archive.schema import schema_of
from include.archive.storage import translated
from include.archive.storage_path import StoragePath
from include.partitioning.copy_text import RowDigest
from include.partitioning.errors import ArchiveMismatchError


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a file, and the blocks it holds."""

    file: ArchivedFile
    number: int
    blocks: tuple[Block, ...]
    metadata: pq.FileMetaData


def row_groups(folder: StoragePath, manifest: Manifest) -> Iterator[RowGroup]:
    """All row groups, file by file.

    :raises ArchiveMismatchError: a file has other columns than the manifest, or is not cut where its blocks end.
    """
    for file in manifest.files:
        place = folder / file.name
        with _readable(place), place.open("rb") as opened:
            parquet = pq.ParquetFile(opened)
            metadata, schema = parquet.metadata, parquet.schema_arrow
        if not schema.equals(schema_of(manifest.columns)):
            raise ArchiveMismatchError(f'"{place}" has other columns than its manifest')
        left = iter(file.blocks)
        for number in range(metadata.num_row_groups):
            yield RowGroup(file, number, _take(left, metadata.row_group(number).num_rows, place), metadata)
        if next(left, None) is not None:
            raise ArchiveMismatchError(f'"{place}" has fewer rows than its manifest says')


def blocks_of(folder: StoragePath, group: RowGroup) -> Iterator[tuple[pa.Table, Block]]:
    """The decoded rows of each block of a row group."""
    place = folder / group.file.name
    with _readable(place), place.open("rb") as opened:
        table = pq.ParquetFile(opened, metadata=group.metadata).read_row_group(group.number, use_threads=False)
    first = 0
    for block in group.blocks:
        yield table.slice(first, block.rows), block
        first += block.rows


def stored_text(folder: StoragePath, manifest: Manifest, form: Form = CSV, only: Collection[str] | None = None) -> Iterator[memoryview]:
    """All rows as COPY text, a block at a time, in the order of the files.

    :param only: names of the columns wanted, in the manifest's order; None: all.
    """
    for array in _lines(folder, manifest, form, only):
        yield payload(array)


def stored_digest(folder: StoragePath, manifest: Manifest, only: Collection[str] | None = None) -> RowDigest:
    """The digest of all rows, whatever their order."""
    digest = RowDigest()
    for array in _lines(folder, manifest, CSV, only):
        digest.add(array.cast(pa.binary()).to_pylist())
    return digest


def _lines(folder: StoragePath, manifest: Manifest, form: Form, only: Collection[str] | None) -> Iterator[pa.Array]:
    for group in row_groups(folder, manifest):
        for table, _ in blocks_of(folder, group):
            yield lines(table, manifest.columns, form, only)
        pa.default_memory_pool().release_unused()


def _take(blocks: Iterator[Block], rows: int, place: StoragePath) -> tuple[Block, ...]:
    """The next blocks that have so many rows together."""
    taken: list[Block] = []
    while rows > 0:
        block = next(blocks, None)
        if block is None or block.rows > rows:
            raise ArchiveMismatchError(f'"{place}" is cut elsewhere than its manifest says')
        taken.append(block)
        rows -= block.rows
    return tuple(taken)


@contextmanager
def _readable(place: StoragePath) -> Iterator[None]:
    with translated(f'read "{place}"'):
        try:
            yield
        except pa.ArrowException as error:
            raise ArchiveMismatchError(f'"{place}" is not readable as Parquet: {error}') from error
        except OSError as error:
            # Arrow says so of a damaged page, too; errors of a storage have a number, or a class of their own.
            if type(error) is not OSError or error.errno is not None:
                raise
            raise ArchiveMismatchError(f'"{place}" is not readable as Parquet: {error}') from error
