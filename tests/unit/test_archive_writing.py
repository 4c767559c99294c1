"""Writing an archive: whole files or none, the manifest last, one file for each part, memory and progress bounded by the block."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from include.archive.layout import data_file, remove_half_archive
from include.archive.manifest import MANIFEST
from include.archive.proof import check_archive
from include.archive.schema import schema_of
from include.archive.shelf import read_manifest
from include.archive.stored_rows import stored_text
from include.archive.writing import Progress, commit_archive, write_archive
from include.partitioning.blueprint import Blueprint
from include.partitioning.column import Evidence
from include.partitioning.errors import ArchiveError, ArchiveMismatchError
from tests.unit.sample_archive import (
    BLOCKS,
    COLUMNS,
    FIRST,
    ORDER,
    OTHER,
    SECOND,
    archived,
    copy_text,
    numeric,
    of,
    row_groups_in,
    silent,
    written,
    written_of,
)


def names_in(folder: Path) -> set[str]:
    """Names of the files in a folder."""
    return {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "none"])
def test_an_archive_reads_back_as_what_was_written(tmp_path: Path, compression: str) -> None:
    manifest, sha256 = archived(tmp_path / "a", order=replace(ORDER, compression=compression))
    found = read_manifest(UPath(tmp_path / "a"), sha256)
    assert found == manifest
    check_archive(UPath(tmp_path / "a"), found)
    assert names_in(tmp_path / "a") == {data_file(0), MANIFEST}
    used = {"none": "UNCOMPRESSED"}.get(compression, compression.upper())
    assert pq.read_metadata(tmp_path / "a" / data_file(0)).row_group(0).column(0).compression == used


def test_anybody_reads_the_rows_with_pyarrow(tmp_path: Path) -> None:
    manifest, _ = archived(tmp_path / "a")
    rows = pq.read_table(tmp_path / "a").to_pylist()
    assert [(row["id"], row["note"], row["raw"], row["ok"], row["at__text"], row["price__text"]) for row in rows] == [
        (1, "two\r\nlines, \x01 and \x1f", b"\x01", True, None, None),
        (None, "", None, None, None, None),
        (-7, "blanks  ", b"", False, "infinity", "NaN"),
        (3, "größe", b"\x00\xff\\", False, "0044-03-15 00:00:00+00 BC", None),
        (4, None, b"\x02", True, None, None),
    ]
    assert manifest.rows == len(rows) == 5


def test_the_manifest_says_what_was_ordered_and_what_was_written(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    assert (manifest.archive_id, manifest.version, manifest.proof, manifest.ddl) == ("a1", 1, "standard", ("CREATE TABLE x ()",))
    assert (manifest.source, manifest.blueprint, manifest.evidence) == (ORDER.source, ORDER.blueprint, ORDER.evidence)
    assert manifest.companions == {"at": "at__text", "price": "price__text"}
    assert manifest.versions == {"postgresql": "18.4", "pyarrow": pa.__version__}
    (file,) = manifest.files
    data = (tmp_path / "a" / data_file(0)).read_bytes()
    assert (file.name, file.bytes, file.sha256, file.rows) == (data_file(0), len(data), hashlib.sha256(data).hexdigest(), 5)
    assert [(block.rows, block.sha256) for block in file.blocks] == [
        (3, hashlib.sha256(FIRST).hexdigest()),
        (2, hashlib.sha256(SECOND).hexdigest()),
    ]


def test_the_hash_of_a_block_is_that_of_the_servers_text_even_where_it_is_no_text_of_ours(tmp_path: Path) -> None:
    # "1.0" is read as a float and written as "1": the proof must find that, and it only can if what came was hashed.
    columns = (of("float8"), of("int4", "id"))
    manifest = written_of(tmp_path / "a", columns, b"1.0,1\n")
    assert manifest.files[0].blocks[0].sha256 == hashlib.sha256(b"1.0,1\n").hexdigest()
    with pytest.raises(ArchiveMismatchError, match=r"not the rows that the server sent"):
        check_archive(UPath(tmp_path / "a"), manifest)


def test_an_empty_partition_has_an_archive_too(tmp_path: Path) -> None:
    order = replace(ORDER, evidence=Evidence(0, {each.name: {"non_null": 0, **dict.fromkeys(each.measures)} for each in COLUMNS}))
    manifest = written(tmp_path / "a", [], order=order)
    sha256 = hashlib.sha256(commit_archive(UPath(tmp_path / "a"), manifest)).hexdigest()
    check_archive(UPath(tmp_path / "a"), read_manifest(UPath(tmp_path / "a"), sha256))
    assert (manifest.rows, manifest.files[0].blocks) == (0, ())
    assert pq.read_schema(tmp_path / "a" / data_file(0)) == schema_of(COLUMNS)


def test_each_part_becomes_a_file_of_its_own_in_their_order(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", [FIRST], [], [OTHER, SECOND])
    assert [file.name for file in manifest.files] == [data_file(0), data_file(1), data_file(2)]
    assert [file.rows for file in manifest.files] == [3, 0, 3]
    assert [[block.rows for block in file.blocks] for file in manifest.files] == [[3], [], [1, 2]]
    assert manifest.rows == 6
    assert [bytes(text) for text in stored_text(UPath(tmp_path / "a"), manifest)] == [FIRST, OTHER, SECOND]
    assert pq.read_table(tmp_path / "a").num_rows == 6


def test_blocks_share_a_row_group_until_it_is_worth_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", len(FIRST) + len(OTHER))
    written(tmp_path / "a", [FIRST, OTHER, FIRST, OTHER, OTHER])
    assert row_groups_in(tmp_path / "a" / data_file(0)) == [4, 4, 1]
    written(tmp_path / "b", [FIRST, OTHER])
    assert row_groups_in(tmp_path / "b" / data_file(0)) == [4]


def test_a_block_larger_than_a_row_group_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", 1)
    written(tmp_path / "a")
    assert row_groups_in(tmp_path / "a" / data_file(0)) == [3, 2]


def test_columns_that_repeat_themselves_are_packed_as_dictionaries_and_read_back_all_the_same(tmp_path: Path) -> None:
    columns = (of("text", "same"), of("int8", "id"), of("float8", "zero"), numeric(6, 2, "price"), of("date", "day"), of("bytea", "raw"))
    rows = [("x", str(number), ("0", "-0", "NaN")[number % 3], ("1.10", "NaN")[number % 2], "2025-10-01", "\\x00") for number in range(100)]
    block = copy_text(columns, *rows)
    manifest = written_of(tmp_path / "a", columns, block)
    check_archive(UPath(tmp_path / "a"), manifest)
    group = pq.read_metadata(tmp_path / "a" / data_file(0)).row_group(0)
    packed = {group.column(place).path_in_schema: group.column(place).has_dictionary_page for place in range(len(columns))}
    assert packed == {"same": True, "id": False, "zero": True, "price": True, "day": True, "raw": True}


def test_columns_with_empty_strange_or_confusable_names_are_archived(tmp_path: Path) -> None:
    columns = (of("text", ""), of("date", "a"), of("text", "a__text"), of("text", "a.b"), of("int4", "größe\n"), of("text", "list.element"))
    block = copy_text(columns, ("1", "infinity", "2", "3", "4", "5"), (None, None, None, None, None, None))
    check_archive(UPath(tmp_path / "a"), written_of(tmp_path / "a", columns, block))


# whole or not at all


def test_the_manifest_comes_last_so_that_an_interrupted_archive_is_none(tmp_path: Path) -> None:
    written(tmp_path / "a")
    assert names_in(tmp_path / "a") == {data_file(0)}
    assert remove_half_archive(UPath(tmp_path / "a")) is True


def test_text_that_is_none_of_its_type_leaves_no_data_file(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r'column "at"'):
        written(tmp_path / "a", [FIRST, b"2025-13-01 00:00:00+00,1,\x01a\x01,,,,,\n"])
    assert data_file(0) not in names_in(tmp_path / "a")
    assert remove_half_archive(UPath(tmp_path / "a")) is True


def broken() -> Iterator[bytes]:
    """A source that breaks off after its first block."""
    yield FIRST
    raise ZeroDivisionError


def test_a_source_that_breaks_off_leaves_no_data_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        written(tmp_path / "a", broken())
    assert data_file(0) not in names_in(tmp_path / "a")
    assert remove_half_archive(UPath(tmp_path / "a")) is True


def test_one_part_that_breaks_off_fails_the_archive_and_leaves_no_file_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        written(tmp_path / "a", [FIRST], broken(), [OTHER])
    assert data_file(1) not in names_in(tmp_path / "a")
    assert remove_half_archive(UPath(tmp_path / "a")) is True


def test_the_source_is_closed_when_its_text_is_refused(tmp_path: Path) -> None:
    closed: list[bool] = []

    def source() -> Iterator[bytes]:
        try:
            while True:
                yield b"not a row\n"
        finally:
            closed.append(True)

    with pytest.raises(ArchiveError):
        written(tmp_path / "a", source())
    assert closed == [True]


def test_an_archive_is_never_written_into_a_folder_that_exists(tmp_path: Path) -> None:
    archived(tmp_path / "a")
    before = {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir()}
    with pytest.raises(ArchiveError, match=r"never overwritten"):
        archived(tmp_path / "a", OTHER)
    assert {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir()} == before


def test_in_an_object_store_a_data_file_is_never_overwritten(tmp_path: Path) -> None:
    folder = UPath(f"memory://{tmp_path}/a")
    manifest = write_archive(folder, ORDER, [BLOCKS], silent())
    with pytest.raises(ArchiveError, match=r"never overwritten"):
        write_archive(folder, ORDER, [[OTHER]], silent())
    check_archive(folder, manifest)


def test_a_manifest_is_never_overwritten(tmp_path: Path) -> None:
    manifest, sha256 = archived(tmp_path / "a")
    with pytest.raises(ArchiveError, match=r"never overwritten"):
        commit_archive(UPath(tmp_path / "a"), manifest.model_copy(update={"rows": 4}))
    assert read_manifest(UPath(tmp_path / "a"), sha256) == manifest


def test_a_commit_returns_the_hash_of_the_manifest_as_it_lies_there(tmp_path: Path) -> None:
    manifest, sha256 = archived(tmp_path / "a")
    data = (tmp_path / "a" / MANIFEST).read_bytes()
    assert (data, hashlib.sha256(data).hexdigest()) == (manifest.to_json(), sha256)


# progress


def test_progress_is_said_with_all_that_was_done_so_far() -> None:
    said: list[tuple[int, int, float]] = []
    progress = Progress(lambda rows, size, seconds: said.append((rows, size, seconds)), every=0)
    progress.add(3, 100)
    progress.add(2, 50)
    assert [(rows, size) for rows, size, _ in said] == [(3, 100), (5, 150)]
    assert all(earlier[2] <= later[2] for earlier, later in pairwise(said))


def test_progress_is_not_said_more_often_than_every_few_seconds() -> None:
    said: list[int] = []
    progress = Progress(lambda rows, _size, _seconds: said.append(rows), every=3600)
    for _ in range(1000):
        progress.add(1, 1)
    assert said == []


def test_writing_says_rows_and_the_bytes_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", 1)
    said: list[tuple[int, int]] = []
    manifest = write_archive(
        UPath(tmp_path / "a"), ORDER, [BLOCKS], Progress(lambda rows, size, _seconds: said.append((rows, size)), every=0)
    )
    assert [rows for rows, _ in said] == [3, 5]
    assert 0 < said[0][1] < said[1][1] <= manifest.data_bytes


def test_a_table_of_one_column_without_values_is_archived_row_for_row(tmp_path: Path) -> None:
    for number, column in enumerate((of("int4"), of("text"), of("date"), of("bytea"), of("bool"), numeric(6, 2))):
        manifest = written_of(tmp_path / str(number), (column,), b"\n\n\n")
        check_archive(UPath(tmp_path / str(number)), manifest)
        assert manifest.rows == 3
        assert manifest.blueprint == Blueprint((column,), ())
