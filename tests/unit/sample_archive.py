"""A table with columns of many types, its rows as COPY text, what a server would say of them, and archives of it in a folder."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
from upath import UPath

from include.archive.decoding import decode
from include.archive.evidence import Tally
from include.archive.manifest import Manifest, Source
from include.archive.storage import digest_of
from include.archive.writing import Order, Progress, commit_archive, write_archive
from include.partitioning.blueprint import Blueprint, TableObject
from include.partitioning.column import Column, Evidence
from include.partitioning.copy_text import QUOTE


def of(base_type: str, name: str = "c") -> Column:
    """A column of that built-in type."""
    return Column(name, base_type, base_type)


def numeric(precision: int, scale: int, name: str = "c") -> Column:
    """A column of type numeric(precision, scale), whose modifier packs both as in PostgreSQL's numeric.c."""
    return Column(name, f"numeric({precision},{scale})", "numeric", ((precision << 16) | (scale & 0x7FF)) + 4)


def copy_text(columns: Sequence[Column], *rows: Sequence[str | None]) -> bytes:
    """Rows as the server sends them; a value is what the type's output function says, None is NULL."""
    return "".join(",".join(map(_field, columns, row)) + "\n" for row in rows).encode()


def _field(column: Column, value: str | None) -> str:
    if value is None:
        return ""
    return value if column.is_native else QUOTE + value.replace(QUOTE, QUOTE * 2) + QUOTE


COLUMNS = (
    Column("at", "timestamp with time zone", "timestamptz", not_null=True),
    Column("id", "bigint", "int8"),
    Column("note", "text", "text"),
    Column("raw", "bytea", "bytea"),
    Column("ok", "boolean", "bool"),
    numeric(6, 2, "price"),
    Column("ratio", "double precision", "float8"),
    Column("tags", "text[]"),
)
FIRST = copy_text(
    COLUMNS,
    ("2025-10-01 00:00:00+00", "1", "two\r\nlines, \x01 and \x1f", "\\x01", "t", "1.10", "0.1", "{a}"),
    ("2025-10-02 00:00:00.5+00", None, "", None, None, None, None, None),
    ("infinity", "-7", "blanks  ", "\\x", "f", "NaN", "-0", "{}"),
)
SECOND = copy_text(
    COLUMNS,
    ("0044-03-15 00:00:00+00 BC", "3", "größe", "\\x00ff5c", "f", "9999.99", "1e+300", '{"b c",NULL}'),
    ("2025-10-03 00:00:00+00", "4", None, "\\x02", "t", "-0.01", "NaN", "{}"),
)
BLOCKS = (FIRST, SECOND)
EVIDENCE = Evidence(
    5,
    {
        "at": {"non_null": 5, "min": 1_759_276_800_000_000, "max": 1_759_449_600_000_000},
        "id": {"non_null": 4, "min": -7, "max": 4, "sum": 1},
        "note": {"non_null": 4, "bytes": 34},
        "raw": {"non_null": 4, "bytes": 5},
        "ok": {"non_null": 4},
        "price": {"non_null": 4, "min": -1, "max": 999_999, "sum": 1_000_108},
        "ratio": {"non_null": 4},
        "tags": {"non_null": 4},
    },
)
OTHER = copy_text(COLUMNS, ("2025-11-01 00:00:00+00", "1", "a", "\\x01", "t", "1.10", "2", "{}"))

SOURCE = Source(
    system_identifier=1,
    database_oid=2,
    parent="core.s",
    parent_oid=10,
    partition="core.s_p202510",
    partition_oid=11,
    partition_key="at",
    partition_key_type="timestamp with time zone",
    lower_bound="2025-10-01 00:00:00+00",
    upper_bound="2025-11-01 00:00:00+00",
    shape_digest="d",
    snapshot="10:20:15",
    snapshot_xmin=10,
    snapshot_taken_at=datetime(2025, 10, 15, tzinfo=UTC),
)
ORDER = Order(
    archive_id="a1",
    version=1,
    source=SOURCE,
    blueprint=Blueprint(COLUMNS, (TableObject("index", "s_p202510_id_idx", "USING btree (id)"),)),
    ddl=("CREATE TABLE x ()",),
    evidence=EVIDENCE,
    compression="zstd",
    proof="standard",
    server_version="18.4",
)


def evidence_of(columns: Sequence[Column], *blocks: bytes) -> Evidence:
    """What the server would say of these blocks."""
    tally = Tally(columns)
    for block in blocks:
        tally.add(decode(block, columns))
    return tally.evidence


def silent() -> Progress:
    """Progress that nobody reads."""
    return Progress(lambda _rows, _size, _seconds: None)


def written(folder: Path, *parts: Iterable[bytes], order: Order = ORDER) -> Manifest:
    """The data files of an archive, one for each part; without parts the two blocks in one file."""
    return write_archive(UPath(folder), order, parts or (BLOCKS,), silent())


def written_of(folder: Path, columns: tuple[Column, ...], *blocks: bytes) -> Manifest:
    """The data file of an archive of another table."""
    order = replace(ORDER, blueprint=Blueprint(columns, ()), evidence=evidence_of(columns, *blocks))
    return written(folder, blocks, order=order)


def archived(folder: Path, *blocks: bytes, order: Order = ORDER) -> tuple[Manifest, str]:
    """A committed archive: its manifest, and the manifest's SHA-256."""
    found = blocks or BLOCKS
    manifest = written(folder, found, order=replace(order, evidence=evidence_of(COLUMNS, *found)))
    return manifest, hashlib.sha256(commit_archive(UPath(folder), manifest)).hexdigest()


def signed_again(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest with sizes and hashes of the files as they are now: whoever changed them has thought of that."""
    files = []
    for file in manifest.files:
        sha256, size = digest_of(UPath(folder) / file.name)
        files.append(file.model_copy(update={"sha256": sha256, "bytes": size}))
    return manifest.model_copy(update={"files": tuple(files)})


def row_groups_in(file: Path) -> list[int]:
    """Rows of each row group."""
    metadata = pq.read_metadata(file)
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
