"""Writing one archive and reading it back: data first, proof second, the manifest last."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from include.archive.evidence import Tally
from include.archive.format import parse_block, schema_of
from include.archive.layout import DATA_FILE
from include.archive.manifest import MANIFEST, ArchivedFile, Manifest, Source
from include.archive.storage import HashingWriter, StoragePath, digest_of, new_file, read_bytes, translated
from include.partitioning.column import Column, Evidence
from include.partitioning.errors import ArchiveMismatchError

BLOCK_BYTES = 8 << 20
"""Bytes of CSV that become one row group: what bounds the memory, and what a reader reads at a time."""

REPORT_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be archived, and what the server says it adds up to.

    :param compression: of the Parquet pages: zstd, snappy, gzip or none.
    """

    archive_id: str
    source: Source
    columns: tuple[Column, ...]
    ddl: tuple[str, ...]
    evidence: Evidence
    compression: str
    server_version: str


Progress = Callable[[int, int, float], None]
"""Called with rows so far, bytes so far and seconds so far."""


def write_archive(folder: StoragePath, order: Order, blocks: Iterable[bytes], progress: Progress) -> Manifest:
    """Write the data files of one archive into `folder`, which is made. Memory is bounded by `BLOCK_BYTES`, or one longer row.

    :returns: the manifest, not yet written: `commit_archive` does, after `check_archive` has read everything back.
    :raises ArchiveError: a value has no place in the file.
    :raises ArchiveMismatchError: what was read adds up to something else than the server says.
    """
    tally = Tally(order.columns)
    with translated(f'make "{folder}"'):
        folder.mkdir(parents=True, exist_ok=False)
    with new_file(folder / DATA_FILE) as file:
        _write(file, order, blocks, tally, progress)
    _check_evidence(order.evidence, tally.evidence, "what was read from the table")
    data = ArchivedFile(name=DATA_FILE, bytes=file.size, sha256=file.sha256, rows=tally.evidence.rows)
    return Manifest(
        archive_id=order.archive_id,
        source=order.source,
        columns=order.columns,
        ddl=order.ddl,
        rows=tally.evidence.rows,
        files=(data,),
        content_sha256=tally.digest,
        evidence=order.evidence,
        versions={"postgresql": order.server_version, "pyarrow": pa.__version__},
    )


def check_archive(folder: StoragePath, manifest: Manifest) -> None:
    """Open every data file again through the storage, and compare bytes, every value, and what they add up to.

    :raises ArchiveMismatchError: anything differs, or a file is missing.
    """
    check_objects(folder, manifest)
    tally = Tally(manifest.columns)
    for file in manifest.files:
        place = folder / file.name
        with translated(f'read "{place}"'), place.open("rb") as opened:
            _tally_file(place, opened, manifest, tally)
    if tally.digest != manifest.content_sha256:
        raise ArchiveMismatchError(f'"{folder}" does not hold the values that were written; archive the partition again')
    _check_evidence(manifest.evidence, tally.evidence, f'"{folder}"')


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


def commit_archive(folder: StoragePath, manifest: Manifest) -> str:
    """Write the manifest, which makes the folder an archive, and read it back.

    :returns: its SHA-256.
    """
    data = manifest.to_json()
    with new_file(folder / MANIFEST) as file:
        file.write(data)
    if read_bytes(folder / MANIFEST) != data:
        raise ArchiveMismatchError(f'"{folder / MANIFEST}" is not what was written; archive the partition again')
    return file.sha256


def read_manifest(folder: StoragePath, sha256: str) -> Manifest:
    """The stored manifest, if it is the one whose SHA-256 the ledger has.

    :raises ArchiveMismatchError: it is missing, another one, or not readable.
    """
    place = folder / MANIFEST
    if digest_of(place)[0] != sha256:
        raise ArchiveMismatchError(f'"{place}" is not the manifest that was written; restore the object, or archive the partition again')
    return Manifest.from_json(read_bytes(place), str(place))


def _write(file: HashingWriter, order: Order, blocks: Iterable[bytes], tally: Tally, progress: Progress) -> None:
    compression = None if order.compression == "none" else order.compression
    begun = said_at = time.monotonic()
    with pq.ParquetWriter(pa.PythonFile(file, "w"), schema_of(order.columns), compression=compression, version="2.6") as writer:
        for block in blocks:
            table = parse_block(block, order.columns)
            tally.add(table)
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            del table
            pa.default_memory_pool().release_unused()  # the allocator would otherwise keep what each block has freed
            if time.monotonic() - said_at >= REPORT_EVERY:
                said_at = time.monotonic()
                progress(tally.evidence.rows, file.size, said_at - begun)


def _tally_file(place: StoragePath, opened: IO[bytes], manifest: Manifest, tally: Tally) -> None:
    try:
        parquet = pq.ParquetFile(opened)
        if not parquet.schema_arrow.equals(schema_of(manifest.columns)):
            raise ArchiveMismatchError(f'"{place}" has other columns than its manifest')
        for group in range(parquet.num_row_groups):
            tally.add(parquet.read_row_group(group))
    except pa.ArrowException as error:
        raise ArchiveMismatchError(f'"{place}" is not readable as Parquet: {error}') from error


def _check_evidence(server: Evidence, found: Evidence, what: str) -> None:
    differences = server.differences(found)
    if differences:
        raise ArchiveMismatchError(
            f"{what} does not add up to what the server says (server first): {'; '.join(differences[:5])}; nothing is dropped"
        )
