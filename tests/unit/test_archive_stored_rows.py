"""Reading an archive's rows back: as the blocks that the manifest names, as COPY's text, as a digest of their own."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from include.archive.layout import data_file
from include.archive.manifest import Block, Manifest
from include.archive.rendering import TEXT
from include.archive.stored_rows import _readable, blocks_of, row_groups, stored_digest, stored_text
from include.partitioning.copy_text import RowDigest
from include.partitioning.errors import ArchiveError, ArchiveMismatchError, StorageUnavailableError
from tests.unit.sample_archive import BLOCKS, COLUMNS, FIRST, OTHER, SECOND, copy_text, written, written_of


def digest_of_rows(*rows: bytes) -> RowDigest:
    """The digest of these rows."""
    digest = RowDigest()
    digest.add(rows)
    return digest


def text_in(folder: Path, manifest: Manifest) -> list[bytes]:
    """Each block's text."""
    return [bytes(text) for text in stored_text(UPath(folder), manifest)]


def all_blocks(folder: Path, manifest: Manifest) -> list[int]:
    """Rows of all blocks, read."""
    return [len(table) for group in row_groups(UPath(folder), manifest) for table, _ in blocks_of(UPath(folder), group)]


def with_blocks(manifest: Manifest, *rows: int) -> Manifest:
    """The manifest, cut into blocks of other lengths."""
    file = manifest.files[0].model_copy(update={"blocks": tuple(Block(rows=each, sha256="") for each in rows)})
    return manifest.model_copy(update={"files": (file,)})


def test_the_text_comes_back_block_by_block_as_it_was_sent(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    assert text_in(tmp_path / "a", manifest) == list(BLOCKS)


@pytest.mark.parametrize("group_bytes", [1, len(FIRST), len(FIRST) + 1, 1 << 20])
def test_it_does_not_matter_how_blocks_share_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_bytes: int) -> None:
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", group_bytes)
    parts = (FIRST, SECOND, OTHER, FIRST)
    manifest = written(tmp_path / "a", parts)
    assert text_in(tmp_path / "a", manifest) == list(parts)
    assert all_blocks(tmp_path / "a", manifest) == [3, 2, 1, 3]


def test_files_are_read_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", [FIRST, OTHER], [], [SECOND])
    assert text_in(tmp_path / "a", manifest) == [FIRST, OTHER, SECOND]
    assert [group.file.name for group in row_groups(UPath(tmp_path / "a"), manifest)] == [data_file(0), data_file(2)]


def test_an_archive_without_rows_has_no_text(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", [])
    assert text_in(tmp_path / "a", manifest) == []
    assert stored_digest(UPath(tmp_path / "a"), manifest) == RowDigest()


def test_the_text_format_and_a_choice_of_columns_can_be_had(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", [SECOND])
    folder = UPath(tmp_path / "a")
    assert [bytes(text) for text in stored_text(folder, manifest, TEXT, ["id", "note", "ok"])] == ["3\tgröße\tf\n4\t\\N\tt\n".encode()]


def test_the_digest_is_that_of_the_rows_whatever_their_order(tmp_path: Path) -> None:
    columns = (COLUMNS[1], COLUMNS[2])
    rows = [copy_text(columns, (str(number), "a\nb")) for number in range(5)]
    manifest = written_of(tmp_path / "a", columns, rows[0] + rows[1], rows[2] + rows[3] + rows[4])
    assert stored_digest(UPath(tmp_path / "a"), manifest) == digest_of_rows(*reversed(rows))
    assert stored_digest(UPath(tmp_path / "a"), manifest, ["id"]) == digest_of_rows(*[f"{number}\n".encode() for number in range(5)])


@pytest.mark.parametrize(
    ("rows", "why"),
    [((2, 3), None), ((1,) * 5, None), ((5,), None), ((6,), "cut elsewhere"), ((3, 3), "cut elsewhere"), ((3, 1), "cut elsewhere"), ((), "cut elsewhere"),
     ((3, 2, 1), "fewer rows")],
)  # fmt: skip
def test_blocks_that_do_not_fill_the_row_groups_are_refused(tmp_path: Path, rows: tuple[int, ...], why: str | None) -> None:
    manifest = with_blocks(written(tmp_path / "a"), *rows)
    if why is None:
        assert all_blocks(tmp_path / "a", manifest) == list(rows)
    else:
        with pytest.raises(ArchiveMismatchError, match=why):
            all_blocks(tmp_path / "a", manifest)


def test_a_block_never_reaches_over_two_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", 1)
    manifest = with_blocks(written(tmp_path / "a"), 4, 1)
    with pytest.raises(ArchiveMismatchError, match="cut elsewhere"):
        all_blocks(tmp_path / "a", manifest)


@pytest.mark.parametrize("change", ["renamed", "retyped", "one less", "exchanged", "not null", "no companion"])
def test_a_file_with_other_columns_than_its_manifest_is_refused(tmp_path: Path, change: str) -> None:
    manifest = written(tmp_path / "a")
    file = tmp_path / "a" / data_file(0)
    table = pq.read_table(file)
    schema = table.schema
    place = schema.get_field_index("id")
    changed = {
        "renamed": lambda: table.rename_columns([name.replace("note", "Note") for name in table.column_names]),
        "retyped": lambda: table.cast(schema.set(place, schema.field("id").with_type(pa.float64()))),
        "one less": lambda: table.drop_columns(["ok"]),
        "exchanged": lambda: table.select([1, 0, *range(2, table.num_columns)]),
        "not null": lambda: table.cast(schema.set(schema.get_field_index("at"), schema.field("at").with_nullable(True))).slice(0, 0).cast(
            schema.set(place, schema.field("id").with_nullable(False))
        ),
        "no companion": lambda: table.drop_columns(["at__text"]),
    }[change]()  # fmt: skip
    pq.write_table(changed, file)
    with pytest.raises(ArchiveMismatchError, match=r"has other columns than its manifest"):
        list(row_groups(UPath(tmp_path / "a"), manifest))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"not parquet at all", b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_a_mismatch_and_no_reason_to_try_again(tmp_path: Path, content: bytes) -> None:
    manifest = written(tmp_path / "a")
    (tmp_path / "a" / data_file(0)).write_bytes(content)
    with pytest.raises(ArchiveMismatchError, match=r"part-00000.parquet"):
        list(row_groups(UPath(tmp_path / "a"), manifest))


def test_a_page_that_cannot_be_read_is_a_mismatch_and_no_reason_to_try_again(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    file = tmp_path / "a" / data_file(0)
    column = pq.read_metadata(file).row_group(0).column(2)
    begin, end = column.data_page_offset, column.data_page_offset + column.total_compressed_size
    data = file.read_bytes()
    for filling in (b"\x00", b"\xff"):
        file.write_bytes(data[:begin] + filling * (end - begin) + data[end:])
        with pytest.raises(ArchiveMismatchError, match=r"not readable as Parquet"):
            text_in(tmp_path / "a", manifest)


def test_a_missing_file_is_a_mismatch(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    groups = list(row_groups(UPath(tmp_path / "a"), manifest))
    (tmp_path / "a" / data_file(0)).unlink()
    for read in (lambda: list(row_groups(UPath(tmp_path / "a"), manifest)), lambda: list(blocks_of(UPath(tmp_path / "a"), groups[0]))):
        with pytest.raises(ArchiveMismatchError, match=r"no such object"):
            read()


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (ConnectionResetError(104, "reset", "part-00000.parquet"), StorageUnavailableError),
        (TimeoutError("part-00000.parquet did not come"), StorageUnavailableError),
        (PermissionError(13, "denied", "part-00000.parquet"), ArchiveError),
        (FileNotFoundError(2, "gone", "part-00000.parquet"), ArchiveMismatchError),
        (pa.ArrowInvalid("Parquet magic bytes not found"), ArchiveMismatchError),
    ],
)
def test_an_error_of_the_storage_is_told_from_one_of_the_file_whatever_its_name(error: Exception, ours: type[Exception]) -> None:
    with pytest.raises(ours) as caught, _readable(UPath("/base/part-00000.parquet")):
        raise error
    assert type(caught.value) is ours
