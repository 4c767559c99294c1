"""An archive in a folder: written, committed, read back, and every way in which it may no longer be what was written."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from upath import UPath

from include.archive.archiver import Order, check_archive, check_objects, commit_archive, read_manifest, write_archive
from include.archive.evidence import Tally
from include.archive.format import parse_block
from include.archive.layout import DATA_FILE, remove_half_archive
from include.archive.manifest import MANIFEST, Manifest, Source
from include.partitioning.column import Column, Evidence
from include.partitioning.errors import ArchiveError, ArchiveMismatchError

COLUMNS = (
    Column("at", "timestamp with time zone", "timestamptz", not_null=True),
    Column("id", "bigint", "int8"),
    Column("note", "text", "text"),
    Column("raw", "bytea", "bytea"),
    Column("ok", "boolean", "bool"),
    Column("price", "numeric(6,2)", "numeric", ((6 << 16) | 2) + 4),
)
BLOCKS = (
    b'2025-10-01 00:00:00+00,1,"two\nlines",\\x01,t,1.10\n2025-10-02 00:00:00.5+00,,"",,,\n',
    "2025-10-03 00:00:00+00,3,größe,\\x,f,9999.99\n".encode(),
)
OTHER = (b"2025-11-01 00:00:00+00,1,a,\\x01,t,1.10\n",)


def evidence_of(blocks: Iterable[bytes]) -> Evidence:
    """What the server would say."""
    tally = Tally(COLUMNS)
    for block in blocks:
        tally.add(parse_block(block, COLUMNS))
    return tally.evidence


def order(evidence: Evidence, compression: str = "zstd") -> Order:
    """An order for the partition of October."""
    source = Source(
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
    return Order("a1", source, COLUMNS, ("CREATE TABLE x ()",), evidence, compression, "18.4")


def ignore(rows: int, size: int, seconds: float) -> None:
    """Progress that nobody reads."""


def archived(folder: Path, blocks: tuple[bytes, ...] = BLOCKS, compression: str = "zstd") -> tuple[Manifest, str]:
    """A committed archive in `folder`: its manifest, and the manifest's SHA-256."""
    manifest = write_archive(UPath(folder), order(evidence_of(blocks), compression), blocks, ignore)
    check_archive(UPath(folder), manifest)
    return manifest, commit_archive(UPath(folder), manifest)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "none"])
def test_an_archive_reads_back_as_what_was_written(tmp_path: Path, compression: str) -> None:
    manifest, sha256 = archived(tmp_path / "a", compression=compression)
    found = read_manifest(UPath(tmp_path / "a"), sha256)
    assert found == manifest
    check_archive(UPath(tmp_path / "a"), found)
    assert {file.name for file in (tmp_path / "a").iterdir()} == {DATA_FILE, MANIFEST}


def test_anybody_reads_the_rows_with_pyarrow(tmp_path: Path) -> None:
    manifest, _ = archived(tmp_path / "a")
    rows = pq.read_table(tmp_path / "a" / DATA_FILE).to_pylist()
    assert [(row["id"], row["note"], row["raw"], row["ok"]) for row in rows] == [
        (1, "two\nlines", b"\x01", True),
        (None, "", None, None),
        (3, "größe", b"", False),
    ]
    assert manifest.rows == len(rows) == 3
    assert pq.ParquetFile(tmp_path / "a" / DATA_FILE).num_row_groups == len(BLOCKS)


def test_an_empty_partition_has_an_archive_too(tmp_path: Path) -> None:
    manifest, sha256 = archived(tmp_path / "a", ())
    check_archive(UPath(tmp_path / "a"), read_manifest(UPath(tmp_path / "a"), sha256))
    assert manifest.rows == 0
    assert pq.read_table(tmp_path / "a" / DATA_FILE).schema.names == [column.name for column in COLUMNS]


def test_the_manifest_comes_last_so_that_an_interrupted_archive_is_none(tmp_path: Path) -> None:
    write_archive(UPath(tmp_path / "a"), order(evidence_of(BLOCKS)), BLOCKS, ignore)
    assert not (tmp_path / "a" / MANIFEST).exists()
    assert remove_half_archive(UPath(tmp_path / "a")) is True


def test_rows_that_do_not_add_up_to_what_the_server_says_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMismatchError, match=r'rows: 3 and 2.*; column "at", max'):
        write_archive(UPath(tmp_path / "a"), order(evidence_of(BLOCKS)), BLOCKS[:1], ignore)
    assert not (tmp_path / "a" / MANIFEST).exists()


def test_a_value_that_has_no_place_in_the_file_leaves_no_data_file(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r'column "at"'):
        write_archive(UPath(tmp_path / "a"), order(evidence_of(BLOCKS)), [BLOCKS[0], b"infinity,1,a,\\x,t,1.00\n"], ignore)
    assert not (tmp_path / "a" / DATA_FILE).exists()


def test_a_source_that_breaks_off_leaves_no_data_file(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield BLOCKS[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_archive(UPath(tmp_path / "a"), order(evidence_of(BLOCKS)), broken(), ignore)
    assert not (tmp_path / "a" / DATA_FILE).exists()
    assert remove_half_archive(UPath(tmp_path / "a")) is True


def test_an_archive_is_never_written_into_a_folder_that_exists(tmp_path: Path) -> None:
    archived(tmp_path / "a")
    before = {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir()}
    with pytest.raises(ArchiveError):
        archived(tmp_path / "a", OTHER)
    assert {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir()} == before


def test_a_manifest_is_never_overwritten(tmp_path: Path) -> None:
    manifest, sha256 = archived(tmp_path / "a")
    with pytest.raises(ArchiveError, match=r"never overwritten"):
        commit_archive(UPath(tmp_path / "a"), manifest)
    assert read_manifest(UPath(tmp_path / "a"), sha256) == manifest


def test_any_single_flipped_bit_in_the_data_is_found(tmp_path: Path) -> None:
    manifest, _ = archived(tmp_path / "a")
    file = tmp_path / "a" / DATA_FILE
    good = file.read_bytes()
    for position in range(0, len(good), max(1, len(good) // 50)):
        file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(ArchiveMismatchError, match=r"not the file that was written"):
            check_objects(UPath(tmp_path / "a"), manifest)


@pytest.mark.parametrize("kept", [-1, 100, 0])
def test_a_truncated_or_emptied_data_file_is_found(tmp_path: Path, kept: int) -> None:
    manifest, _ = archived(tmp_path / "a")
    file = tmp_path / "a" / DATA_FILE
    file.write_bytes(file.read_bytes()[:kept])
    for check in (check_objects, check_archive):
        with pytest.raises(ArchiveMismatchError, match=r"restore the object, or archive the partition again"):
            check(UPath(tmp_path / "a"), manifest)


def test_a_deleted_data_file_is_found(tmp_path: Path) -> None:
    manifest, _ = archived(tmp_path / "a")
    (tmp_path / "a" / DATA_FILE).unlink()
    with pytest.raises(ArchiveMismatchError, match=r"no such object"):
        check_objects(UPath(tmp_path / "a"), manifest)


def test_the_exchanged_data_files_of_two_archives_are_found_in_both(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    manifests = [archived(places[0])[0], archived(places[1], OTHER)[0]]
    first, second = ((place / DATA_FILE).read_bytes() for place in places)
    (places[0] / DATA_FILE).write_bytes(second)
    (places[1] / DATA_FILE).write_bytes(first)
    for place, manifest in zip(places, manifests, strict=True):
        with pytest.raises(ArchiveMismatchError):
            check_objects(UPath(place), manifest)


def test_the_exchanged_manifests_of_two_archives_are_found_in_both(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    hashes = [archived(places[0])[1], archived(places[1], OTHER)[1]]
    for place, sha256 in zip(places, reversed(hashes), strict=True):
        with pytest.raises(ArchiveMismatchError, match=r"not the manifest that was written"):
            read_manifest(UPath(place), sha256)


@pytest.mark.parametrize("changed", [b"", b"{}", None])
def test_a_changed_manifest_is_found(tmp_path: Path, changed: bytes | None) -> None:
    _, sha256 = archived(tmp_path / "a")
    file = tmp_path / "a" / MANIFEST
    file.write_bytes(file.read_bytes().replace(b'"rows": 3', b'"rows": 2') if changed is None else changed)
    with pytest.raises(ArchiveMismatchError, match=r"not the manifest that was written"):
        read_manifest(UPath(tmp_path / "a"), sha256)


def test_a_deleted_manifest_is_found(tmp_path: Path) -> None:
    _, sha256 = archived(tmp_path / "a")
    (tmp_path / "a" / MANIFEST).unlink()
    with pytest.raises(ArchiveMismatchError, match=r"no such object"):
        read_manifest(UPath(tmp_path / "a"), sha256)


def test_data_files_that_are_intact_but_hold_other_values_than_the_manifest_says_are_found(tmp_path: Path) -> None:
    manifest, _ = archived(tmp_path / "a")
    with pytest.raises(ArchiveMismatchError, match=r"does not hold the values that were written"):
        check_archive(UPath(tmp_path / "a"), manifest.model_copy(update={"content_sha256": "0" * 64}))
    with pytest.raises(ArchiveMismatchError, match=r"other columns than its manifest"):
        check_archive(UPath(tmp_path / "a"), manifest.model_copy(update={"columns": (*COLUMNS[:-1], Column("price", "text", "text"))}))
