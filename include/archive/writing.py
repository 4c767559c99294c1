"""Writing the files of an archive: rows as COPY text in, Parquet in the storage out, with bounded memory."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from dataclasses import dataclass
from threading import Event, Lock

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.archive.decoding import decode
from include.archive.layout import data_file
from include.archive.manifest import MANIFEST, ArchivedFile, Block, Manifest, Source
from include.archive.read_ahead import read_ahead
from include.archive.schema import companions_of, schema_of
from include.archive.storage import HashingWriter, make_folder, new_file, read_bytes
from include.archive.storage_path import StoragePath
from include.partitioning.blueprint import Blueprint
from include.partitioning.column import Evidence
from include.partitioning.errors import ArchiveMismatchError

BLOCK_BYTES = 4 << 20
"""Bytes of COPY text that are decoded, and later compared, at a time: what bounds the memory."""

ROW_GROUP_BYTES = 16 << 20
"""Bytes of COPY text that become one row group, what a reader reads at a time: some 50,000 rows of 300 bytes."""

REPORT_EVERY = 5.0
_DICTIONARY_SAMPLE = 20_000
_DICTIONARY_REPETITION = 4
"""A column is dictionary-encoded if a value comes at least so often, on average, in the sample; otherwise trying costs half of the time."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be archived, and what the server says it adds up to.

    :param compression: of the Parquet pages: zstd, snappy, gzip or none.
    :param proof: the strength of the proof that the manifest will name.
    """

    archive_id: str
    version: int
    source: Source
    blueprint: Blueprint
    ddl: tuple[str, ...]
    evidence: Evidence
    compression: str
    proof: str
    server_version: str


class Progress:
    """Counts what was done, by several threads, and says so every few seconds.

    :param say: called with rows, bytes and seconds so far.
    """

    def __init__(self, say: Callable[[int, int, float], None], every: float = REPORT_EVERY) -> None:
        self._say = say
        self._every = every
        self._lock = Lock()
        self._begun = self._said_at = time.monotonic()
        self._rows = self._bytes = 0

    def add(self, rows: int, size: int) -> None:
        """Something was done."""
        with self._lock:
            self._rows += rows
            self._bytes += size
            now = time.monotonic()
            if now - self._said_at >= self._every:
                self._said_at = now
                self._say(self._rows, self._bytes, now - self._begun)


def write_archive(folder: StoragePath, order: Order, parts: Sequence[Iterable[bytes | bytearray]], progress: Progress) -> Manifest:
    """Write the data files of one archive into `folder`, which is made: one for each of `parts`, side by side.

    :param parts: blocks of whole rows as COPY text.
    :returns: the manifest, not yet written: `commit_archive` does, after the stored files have been proven.
    :raises ArchiveError: a value has no place in the file.
    """
    make_folder(folder)
    files = _side_by_side(folder, order, parts, progress)
    return Manifest(
        archive_id=order.archive_id,
        version=order.version,
        source=order.source,
        columns=order.blueprint.columns,
        companions=companions_of(order.blueprint.columns),
        objects=order.blueprint.objects,
        ddl=order.ddl,
        rows=sum(file.rows for file in files),
        files=tuple(files),
        evidence=order.evidence,
        proof=order.proof,
        versions={"postgresql": order.server_version, "pyarrow": pa.__version__},
    )


def commit_archive(folder: StoragePath, manifest: Manifest) -> bytes:
    """Write the manifest, which makes the folder an archive, and read it back.

    :returns: its text.
    """
    data = manifest.to_json()
    with new_file(folder / MANIFEST) as file:
        file.write(data)
    if read_bytes(folder / MANIFEST) != data:
        raise ArchiveMismatchError(f'"{folder / MANIFEST}" is not what was written; archive the partition again')
    return data


class _StoppedError(Exception):
    """Another file has failed."""


def _side_by_side(
    folder: StoragePath, order: Order, parts: Sequence[Iterable[bytes | bytearray]], progress: Progress
) -> list[ArchivedFile]:
    """Each file in a thread; when one fails, or we are to end, the others stop at their next block."""
    unwanted = Event()
    with ThreadPoolExecutor(len(parts), "archive") as threads:
        try:
            started = [
                threads.submit(_write_file, folder / data_file(number), order, blocks, progress, unwanted)
                for number, blocks in enumerate(parts)
            ]
            for each in as_completed(started):
                each.result()
            return [each.result() for each in started]
        finally:
            unwanted.set()


def _write_file(place: StoragePath, order: Order, blocks: Iterable[bytes | bytearray], progress: Progress, unwanted: Event) -> ArchivedFile:
    with new_file(place) as file:
        noted = _write_rows(file, order, blocks, progress, unwanted)
    return ArchivedFile(name=place.name, bytes=file.size, sha256=file.sha256, rows=sum(each.rows for each in noted), blocks=tuple(noted))


def _write_rows(file: HashingWriter, order: Order, blocks: Iterable[bytes | bytearray], progress: Progress, unwanted: Event) -> list[Block]:
    """Three things at once: the next block is read, this one is decoded, the one before is written."""
    noted: list[Block] = []
    group = _RowGroup(file, order)
    try:
        for table, digest, size in read_ahead(_decoded(blocks, order)):
            _stop_if(unwanted)
            noted.append(Block(rows=table.num_rows, sha256=digest))
            before = file.size
            group.add(table, size)
            progress.add(table.num_rows, file.size - before)
        group.close()
    except BaseException:
        group.abandon()
        raise
    return noted


def _decoded(blocks: Iterable[bytes | bytearray], order: Order) -> Iterator[tuple[pa.Table, str, int]]:
    """Each block's rows, and the digest and size of its text; while they are made the next block is read."""
    with closing(read_ahead(blocks)) as texts:
        for block in texts:
            yield decode(block, order.blueprint.columns), hashlib.sha256(block).hexdigest(), len(block)


def _stop_if(unwanted: Event) -> None:
    if unwanted.is_set():
        raise _StoppedError


class _RowGroup:
    """Collects tables until they make a row group worth reading, and writes it."""

    def __init__(self, file: HashingWriter, order: Order) -> None:
        self._file = file
        self._order = order
        self._writer: pq.ParquetWriter | None = None
        self._tables: list[pa.Table] = []
        self._bytes = 0

    def add(self, table: pa.Table, size: int) -> None:
        """Take in one block's rows; `size` is that of its text."""
        self._tables.append(table)
        self._bytes += size
        if self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the footer."""
        self._flush()
        if self._writer is None:
            self._writer = self._opened(schema_of(self._order.blueprint.columns).empty_table())
        self._writer.close()

    def abandon(self) -> None:
        """Let go of a file that will never be one; what went wrong before matters, not what goes wrong here."""
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()

    def _flush(self) -> None:
        if self._tables:
            group = pa.concat_tables(self._tables)
            self._tables.clear()
            self._bytes = 0
            if self._writer is None:
                self._writer = self._opened(group)
            self._writer.write_table(group, row_group_size=max(1, group.num_rows))
            del group
            pa.default_memory_pool().release_unused()  # the allocator would otherwise keep what each group has freed

    def _opened(self, first: pa.Table) -> pq.ParquetWriter:
        compression = None if self._order.compression == "none" else self._order.compression
        return pq.ParquetWriter(
            pa.PythonFile(self._file, "w"), first.schema, compression=compression, version="2.6", use_dictionary=_repetitive(first)
        )


def _repetitive(table: pa.Table) -> list[str]:
    """Names of the columns that a dictionary makes smaller, judged by the first rows; it changes how they are packed, not what they are."""
    sample = table.slice(0, _DICTIONARY_SAMPLE)
    return [
        name
        for name, column in zip(sample.column_names, sample.columns, strict=True)
        if not pa.types.is_boolean(column.type) and pc.count_distinct(column, mode="all").as_py() * _DICTIONARY_REPETITION <= len(sample)
    ]
