"""The proof of an archive: what it must accept, and above all what must never get past it.

Faults are planted in the decoder that writes the files, and files are damaged or rewritten with hashes to match.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from include.archive import decoding
from include.archive.layout import data_file
from include.archive.manifest import Manifest
from include.archive.proof import check_archive, check_objects, check_second_reading
from include.archive.rendering import TEXT, lines
from include.archive.schema import Field
from include.partitioning.column import Column
from include.partitioning.errors import ArchiveMismatchError, PartitionLifecycleError
from tests.unit.sample_archive import (
    BLOCKS,
    COLUMNS,
    EVIDENCE,
    FIRST,
    ORDER,
    OTHER,
    SECOND,
    archived,
    copy_text,
    evidence_of,
    signed_again,
    written,
    written_of,
)

Values = list[Any]


def data_in(folder: Path, number: int = 0) -> Path:
    """A data file."""
    return folder / data_file(number)


def refused(folder: Path, manifest: Manifest, why: str | None = None) -> bool:
    """Whether the proof finds it, and for that reason."""
    with pytest.raises(ArchiveMismatchError, match=why):
        check_archive(UPath(folder), manifest)
    return True


def blamed_for(folder: Path, manifest: Manifest) -> type[Exception] | None:
    """The error of the proof; None if it finds nothing."""
    try:
        check_archive(UPath(folder), manifest)
    except PartitionLifecycleError as error:
        return type(error)
    return None


# what is accepted


def test_an_archive_of_what_the_server_sent_is_accepted(tmp_path: Path) -> None:
    check_archive(UPath(tmp_path / "a"), written(tmp_path / "a"))


def test_archives_of_several_files_and_row_groups_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", len(FIRST) + 1)
    parts = [[FIRST, OTHER, SECOND, OTHER], [], [OTHER], [SECOND, SECOND]]
    order = replace(ORDER, evidence=evidence_of(COLUMNS, *(block for part in parts for block in part)))
    check_archive(UPath(tmp_path / "a"), written(tmp_path / "a", *parts, order=order))


def test_an_archive_in_an_object_store_is_accepted(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    folder = UPath(f"memory://{tmp_path}/a")
    (folder / data_file(0)).write_bytes(data_in(tmp_path / "a").read_bytes())
    check_archive(folder, manifest)


def test_what_was_compared_is_said_row_group_by_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", 1)
    said: list[tuple[int, int]] = []
    check_archive(UPath(tmp_path / "a"), written(tmp_path / "a"), lambda rows, size: said.append((rows, size)))
    assert said == [(3, len(FIRST)), (2, len(SECOND))]


# planted faults: the decoder changes a value on its way into the file


def plant(
    monkeypatch: pytest.MonkeyPatch,
    column: str,
    native: Callable[[Values], Values] | None,
    beside: Callable[[Values], Values] | None = None,
) -> None:
    """Let the decoder change a column's values, or those of its companion."""
    faithful = decoding._native

    def faulty(text: pa.ChunkedArray, field: Field) -> tuple[pa.Array, pa.Array | None]:
        good, companion = faithful(text, field)
        if field.column.name != column:
            return good, companion
        if native is not None:
            good = pa.array(native(good.to_pylist()), field.arrow_type)
        if beside is not None and companion is not None:
            companion = pa.array(beside(companion.to_pylist()), pa.string())
        return good, companion

    monkeypatch.setattr(decoding, "_native", faulty)


def each(change: Callable[[Any], Any]) -> Callable[[Values], Values]:
    """A fault that changes each value but NULL."""
    return lambda values: [None if value is None else change(value) for value in values]


def replaced(old: object, new: object) -> Callable[[Values], Values]:
    """A fault that takes one value for another."""
    return lambda values: [new if value == old and type(value) is type(old) else value for value in values]


def exchanged(first: int, second: int) -> Callable[[Values], Values]:
    """A fault that exchanges the values of two rows."""

    def exchange(values: Values) -> Values:
        if len(values) > max(first, second):
            values[first], values[second] = values[second], values[first]
        return values

    return exchange


def shifted(values: Values) -> Values:
    """A fault that moves all values by a row."""
    return [*values[1:], values[0]]


def nothing(values: Values) -> Values:
    """A fault that loses all values."""
    return [None] * len(values)


@pytest.mark.parametrize(
    ("column", "native", "beside"),
    [
        pytest.param("at", each(lambda value: value + timedelta(microseconds=1)), None, id="times one microsecond off"),
        pytest.param("at", each(lambda value: value.replace(microsecond=0)), None, id="fractions of seconds lost"),
        pytest.param("at", exchanged(0, 1), None, id="two times exchanged between rows"),
        pytest.param("at", lambda values: [value or 2**63 - 1 for value in values], nothing, id="an infinity wrapped to an integer"),
        pytest.param("at", lambda values: [value or -62_135_596_800_000_000 for value in values], nothing, id="an infinity became the year 1"),
        pytest.param("at", None, replaced("infinity", "-infinity"), id="an infinity of the wrong sign"),
        pytest.param("at", None, nothing, id="an infinity became NULL"),
        pytest.param("at", None, shifted, id="an infinity in the row of another"),
        pytest.param("at", None, each(lambda value: value.removesuffix(" BC")), id="a year before Christ became one after"),
        pytest.param("id", replaced(None, 0), None, id="a NULL became 0"),
        pytest.param("id", replaced(1, None), None, id="a value became NULL"),
        pytest.param("id", exchanged(0, 2), None, id="two numbers exchanged between rows"),
        pytest.param("id", each(abs), None, id="a sign lost"),
        pytest.param("note", replaced(None, ""), None, id="a NULL became an empty text"),
        pytest.param("note", replaced("", None), None, id="an empty text became NULL"),
        pytest.param("note", each(str.rstrip), None, id="blanks at the end stripped"),
        pytest.param("note", each(lambda value: value.replace("\r\n", "\n")), None, id="line ends made uniform"),
        pytest.param("note", each(lambda value: value.replace("\x01", "")), None, id="a quote character lost"),
        pytest.param("note", each(lambda value: value.replace("\x01", "\x01\x01")), None, id="a doubled quote character kept double"),
        pytest.param("note", each(lambda value: value.replace("\x1f", " ")), None, id="a control character cleaned up"),
        pytest.param("note", each(lambda value: unicodedata.normalize("NFD", value)), None, id="unicode normalized"),
        pytest.param("note", each(lambda value: value.encode().decode("latin-1")), None, id="UTF-8 read as Latin-1"),
        pytest.param("note", each(lambda value: value[:5]), None, id="texts truncated"),
        pytest.param("note", exchanged(0, 1), None, id="two texts exchanged between rows"),
        pytest.param("note", shifted, None, id="texts moved by a row"),
        pytest.param("raw", each(lambda value: value[:-1]), None, id="the last byte lost"),
        pytest.param("raw", replaced(b"", None), None, id="empty bytes became NULL"),
        pytest.param("raw", each(lambda value: value.rstrip(b"\x00\\")), None, id="bytes stripped"),
        pytest.param("ok", each(lambda value: not value), None, id="true and false exchanged"),
        pytest.param("ok", replaced(None, False), None, id="a NULL became false"),
        pytest.param("price", each(lambda value: value if value > 1 else value * 0), None, id="a numeric rounded"),
        pytest.param("price", replaced(None, 0), nothing, id="a NaN became 0"),
        pytest.param("price", None, lambda values: [value or "NaN" if place == 1 else value for place, value in enumerate(values)], id="a NULL became NaN"),
        pytest.param("ratio", each(lambda value: pa.scalar(value, pa.float32()).as_py()), None, id="a float rounded to single precision"),
        pytest.param("ratio", each(lambda value: value + 0.0), None, id="the sign of a zero lost"),
        pytest.param("ratio", each(lambda value: None if value != value else value), None, id="a NaN became NULL"),  # noqa: PLR0124 - only NaN
        pytest.param("ratio", each(lambda value: value * (1 + 2**-52)), None, id="a float off by one bit"),
        pytest.param("tags", each(lambda value: value.replace('"', "")), None, id="the quotes of an array lost"),
        pytest.param("tags", each(lambda value: value.replace("NULL", "null")), None, id="a word in an array changed"),
    ],
)  # fmt: skip
def test_a_decoder_that_changes_values_never_gets_past_the_proof(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    column: str,
    native: Callable[[Values], Values] | None,
    beside: Callable[[Values], Values] | None,
) -> None:
    plant(monkeypatch, column, native, beside)
    manifest = written(tmp_path / "a")
    monkeypatch.undo()
    assert refused(tmp_path / "a", manifest, r"the rows stored are not the rows that the server sent; nothing is dropped")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda table: table.slice(0, table.num_rows - 1), id="the last row lost"),
        pytest.param(lambda table: table.slice(1), id="the first row lost"),
        pytest.param(lambda table: table.slice(0, 0), id="all rows lost"),
        pytest.param(lambda table: pa.concat_tables([table, table.slice(0, 1)]), id="a row twice"),
        pytest.param(lambda table: pa.concat_tables([table, table]), id="all rows twice"),
        pytest.param(lambda table: table.take(list(range(table.num_rows))[::-1]), id="rows in another order"),
        pytest.param(lambda table: pa.concat_tables([table.slice(0, 1)] * table.num_rows), id="the first row in place of all"),
        pytest.param(lambda table: table.set_column(2, "2", table.column(7)), id="a column in place of another"),
        pytest.param(
            lambda table: table.set_column(2, "2", table.column(7)).set_column(7, "7", table.column(2)), id="two columns exchanged"
        ),
    ],
)
def test_a_decoder_that_loses_doubles_or_exchanges_rows_or_columns_never_gets_past_the_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pa.Table], pa.Table]
) -> None:
    faithful = decoding._texts
    monkeypatch.setattr(decoding, "_texts", lambda block, columns: fault(faithful(block, columns)))
    manifest = written(tmp_path / "a")
    monkeypatch.undo()
    assert refused(tmp_path / "a", manifest)


def test_a_decoder_that_takes_its_own_word_for_the_servers_never_gets_past_the_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evidence is made wrong in the same way: the hash of the text remains."""
    plant(monkeypatch, "id", replaced(1, 2))
    manifest = written(tmp_path / "a", order=replace(ORDER, evidence=evidence_of(COLUMNS, *BLOCKS)))
    monkeypatch.undo()
    assert manifest.evidence != EVIDENCE
    assert refused(tmp_path / "a", manifest, r"row group 0, block 0: the rows stored are not the rows that the server sent")


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        ((FIRST,), "rows: 5 and 3"),
        ((FIRST, SECOND, SECOND), "rows: 5 and 7"),
        ((FIRST, FIRST), "rows: 5 and 6"),
        ((FIRST, SECOND.replace(b",3,", b",8,")), 'column "id", max: 4 and 8'),
        ((FIRST, SECOND.replace(b"\x01{}\x01", b"")), 'column "tags", non_null: 4 and 3'),
        ((FIRST, SECOND.replace("größe".encode(), b"grosse")), 'column "note", bytes: 34 and 33'),
        ((), "rows: 5 and 0"),
    ],
)
def test_rows_that_do_not_add_up_to_what_the_server_says_are_refused(tmp_path: Path, sent: Sequence[bytes], what: str) -> None:
    # What came was archived faithfully; but it is not what the server, by itself, says the table holds.
    manifest = written(tmp_path / "a", sent)
    assert refused(tmp_path / "a", manifest, f"does not add up to what the server says .*{what}")


def test_a_block_that_went_missing_between_two_parts_is_found(tmp_path: Path) -> None:
    assert refused(tmp_path / "a", written(tmp_path / "a", [FIRST], []), "rows: 5 and 3")


# damage to what is stored


def test_any_single_flipped_bit_in_the_data_is_found(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    file = data_in(tmp_path / "a")
    good = file.read_bytes()
    for position in range(0, len(good), max(1, len(good) // 100)):
        file.write_bytes(good[:position] + bytes([good[position] ^ 1 << position % 8]) + good[position + 1 :])
        with pytest.raises(ArchiveMismatchError, match=r"not the file that was written"):
            check_objects(UPath(tmp_path / "a"), manifest)


@pytest.mark.parametrize("kept", [-1, 100, 0])
def test_a_truncated_or_emptied_data_file_is_found(tmp_path: Path, kept: int) -> None:
    manifest = written(tmp_path / "a")
    data_in(tmp_path / "a").write_bytes(data_in(tmp_path / "a").read_bytes()[:kept])
    for check in (check_objects, check_archive):
        with pytest.raises(ArchiveMismatchError, match=r"restore the object, or archive the partition again"):
            check(UPath(tmp_path / "a"), manifest)


@pytest.mark.parametrize("number", [0, 1])
def test_a_deleted_data_file_is_found(tmp_path: Path, number: int) -> None:
    manifest = written(tmp_path / "a", [FIRST], [SECOND])
    data_in(tmp_path / "a", number).unlink()
    for check in (check_objects, check_archive):
        with pytest.raises(ArchiveMismatchError, match=r"no such object"):
            check(UPath(tmp_path / "a"), manifest)


def exchange(first: Path, second: Path) -> None:
    """Give each of two files the other's content."""
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def test_the_exchanged_data_files_of_two_archives_are_found_in_both(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    manifests = [archived(places[0])[0], archived(places[1], OTHER)[0]]
    exchange(data_in(places[0]), data_in(places[1]))
    for place, manifest in zip(places, manifests, strict=True):
        assert refused(place, manifest, r"not the file that was written")
        assert refused(place, signed_again(place, manifest))


def test_the_exchanged_data_files_of_one_archive_are_found(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", [FIRST], [SECOND])
    exchange(data_in(tmp_path / "a", 0), data_in(tmp_path / "a", 1))
    assert refused(tmp_path / "a", manifest, r"not the file that was written")
    assert refused(tmp_path / "a", signed_again(tmp_path / "a", manifest))


def test_exchanged_files_of_equally_many_rows_are_found(tmp_path: Path) -> None:
    same = (OTHER, OTHER.replace(b",1,", b",2,"))
    order = replace(ORDER, evidence=evidence_of(COLUMNS, *same))
    manifest = written(tmp_path / "a", [same[0]], [same[1]], order=order)
    check_archive(UPath(tmp_path / "a"), manifest)
    exchange(data_in(tmp_path / "a", 0), data_in(tmp_path / "a", 1))
    assert refused(tmp_path / "a", signed_again(tmp_path / "a", manifest), r"not the rows that the server sent")


# files rewritten, with size and hash in the manifest to match


def rewritten(folder: Path, manifest: Manifest, change: Callable[[pa.Table], pa.Table], *, groups: Iterable[int] = ()) -> Manifest:
    """The file written anew with other rows, in row groups of these lengths; and a manifest that agrees with its bytes."""
    table = change(pq.read_table(data_in(folder)))
    with pq.ParquetWriter(data_in(folder), table.schema, version="2.6") as writer:
        first = 0
        for rows in groups or [max(1, table.num_rows)]:
            writer.write_table(table.slice(first, rows), row_group_size=max(1, rows))
            first += rows
    return signed_again(folder, manifest)


def with_value(column: str, row: int, value: object) -> Callable[[pa.Table], pa.Table]:
    """One value changed."""

    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        values = table.column(place).to_pylist()
        values[row] = value
        return table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))

    return change


def test_a_file_that_was_written_anew_with_the_same_rows_is_as_good_as_the_first(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    check_archive(UPath(tmp_path / "a"), rewritten(tmp_path / "a", manifest, lambda table: table, groups=[3, 2]))


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("at", 0, 1_759_276_800_000_001),
        ("at", 4, None),
        ("id", 4, 5),
        ("id", 1, 0),
        ("note", 1, None),
        ("note", 4, ""),
        ("note", 2, "blanks "),
        ("raw", 2, b"\x00"),
        ("ok", 0, False),
        ("price", 3, 0),
        ("ratio", 2, 0.0),
        ("ratio", 0, 0.1 + 2**-56),
        ("tags", 2, "{ }"),
        ("at__text", 2, "-infinity"),
        ("at__text", 3, None),
        ("price__text", 2, None),
        ("price__text", 1, "NaN"),
    ],
)
def test_one_changed_value_is_found_even_if_the_files_hash_was_made_to_match(tmp_path: Path, column: str, row: int, value: object) -> None:
    manifest = rewritten(tmp_path / "a", written(tmp_path / "a"), with_value(column, row, value))
    check_objects(UPath(tmp_path / "a"), manifest)
    assert refused(tmp_path / "a", manifest, rf"row group 0, block {int(row > 2)}: the rows stored are not the rows that the server sent")


@pytest.mark.parametrize(
    ("change", "groups"),
    [
        pytest.param(lambda table: table.slice(0, 3), [3], id="the last row group dropped"),
        pytest.param(lambda table: table.slice(3), [2], id="the first row group dropped"),
        pytest.param(lambda table: table.slice(0, 0), [], id="all row groups dropped"),
        pytest.param(lambda table: pa.concat_tables([table, table.slice(3)]), [3, 2, 2], id="a row group twice"),
        pytest.param(lambda table: pa.concat_tables([table.slice(3), table.slice(0, 3)]), [2, 3], id="row groups exchanged"),
        pytest.param(lambda table: pa.concat_tables([table.slice(3), table.slice(0, 3)]), [5], id="blocks exchanged"),
        pytest.param(lambda table: table.take([1, 0, 2, 3, 4]), [3, 2], id="rows exchanged"),
        pytest.param(lambda table: table.take([0, 1, 3, 2, 4]), [3, 2], id="rows exchanged between blocks"),
        pytest.param(lambda table: table.slice(0, 4), [3, 1], id="the last row dropped"),
        pytest.param(lambda table: table.take([0, 1, 2, 3, 3]), [3, 2], id="a row in place of another"),
        pytest.param(lambda table: table, [2, 3], id="cut elsewhere"),
        pytest.param(lambda table: table, [1] * 5, id="cut into single rows"),
    ],
)
def test_dropped_doubled_moved_or_differently_cut_rows_are_found_even_if_the_files_hash_was_made_to_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pa.Table], pa.Table], groups: list[int]
) -> None:
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", 1)
    manifest = rewritten(tmp_path / "a", written(tmp_path / "a"), change, groups=groups)
    check_objects(UPath(tmp_path / "a"), manifest)
    assert refused(tmp_path / "a", manifest)


def test_a_file_left_out_of_the_manifest_is_found(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", [FIRST], [SECOND])
    assert refused(tmp_path / "a", manifest.model_copy(update={"files": manifest.files[:1]}), "rows: 5 and 3")


def test_a_file_named_twice_in_the_manifest_is_found(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", [FIRST], [SECOND])
    assert refused(tmp_path / "a", manifest.model_copy(update={"files": (*manifest.files, manifest.files[1])}), "rows: 5 and 7")


def test_a_bit_flipped_in_a_page_is_found_even_if_the_files_hash_was_made_to_match(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", order=replace(ORDER, compression="none"))
    file = data_in(tmp_path / "a")
    good = file.read_bytes()
    footer = len(good) - int.from_bytes(good[-8:-4], "little") - 8
    for value in (
        b"lines",
        b"blanks  ",
        "größe".encode(),
        b"\x00\xff\\",
        (-7).to_bytes(8, "little", signed=True),
        b"infinity",
        b"NaN",
        b"{a}",
    ):
        position = good.rindex(value, 0, footer)
        file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        assert refused(tmp_path / "a", signed_again(tmp_path / "a", manifest), r"not the rows that the server sent")


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_whatever_bit_is_flipped_no_wrong_row_is_accepted_and_nothing_else_is_blamed(tmp_path: Path, compression: str) -> None:
    columns = (COLUMNS[1], COLUMNS[2])
    blocks = [
        copy_text(columns, *((str(number * 1_000_003), f"{number} rows") for number in range(first, first + 50))) for first in (0, 50)
    ]
    order = replace(
        ORDER, blueprint=replace(ORDER.blueprint, columns=columns), evidence=evidence_of(columns, *blocks), compression=compression
    )
    manifest = written(tmp_path / "a", blocks, order=order)
    file = data_in(tmp_path / "a")
    good = file.read_bytes()
    metadata = pq.read_metadata(file).row_group(0)
    begin = metadata.column(0).data_page_offset
    end = begin + sum(metadata.column(place).total_compressed_size for place in range(2))
    sent = b"".join(blocks)
    found = 0
    for position in range(begin, end, max(1, (end - begin) // 60)):
        file.write_bytes(good[:position] + bytes([good[position] ^ 1 << position % 8]) + good[position + 1 :])
        blamed = blamed_for(tmp_path / "a", signed_again(tmp_path / "a", manifest))
        assert blamed in (None, ArchiveMismatchError)  # anything else would be tried again, and again
        found += blamed is not None
        if blamed is None:  # a bit that means nothing, such as one of the statistics in a page's header
            assert "".join(lines(pq.read_table(file), columns).to_pylist()).encode() == sent
    assert found > 20


def test_other_columns_than_those_of_the_manifest_are_found(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    columns = (*COLUMNS[:-1], Column("tags", "bytea", "bytea"))
    assert refused(tmp_path / "a", manifest.model_copy(update={"columns": columns}), r"other columns than its manifest")


def test_a_manifest_with_other_evidence_is_found(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a")
    evidence = replace(EVIDENCE, columns={**EVIDENCE.columns, "id": {**EVIDENCE.columns["id"], "sum": 2}})
    assert refused(tmp_path / "a", manifest.model_copy(update={"evidence": evidence}), r'column "id", sum: 2 and 1')


# the second reading


def readings(*files: Sequence[bytes]) -> list[Callable[[list[int]], Iterable[bytes]]]:
    """The same text for each file, whatever the number of rows asked for."""
    return [lambda _rows, blocks=blocks: iter(blocks) for blocks in files]  # type: ignore[misc] # the default binds the loop's value


def as_text(block: bytes) -> bytes:
    """The block in COPY's text format, as the server sends it a second time."""
    return "".join(lines(decoding.decode(block, COLUMNS), COLUMNS, TEXT).to_pylist()).encode()


SECOND_READING = (as_text(FIRST), as_text(SECOND))


def test_a_second_reading_of_the_same_rows_is_accepted(tmp_path: Path) -> None:
    asked: list[list[int]] = []

    def reading(rows: list[int]) -> Iterable[bytes]:
        asked.append(rows)
        return SECOND_READING

    check_second_reading(UPath(tmp_path / "a"), written(tmp_path / "a"), [reading])
    assert asked == [[3, 2]]


def test_each_file_has_a_second_reading_of_its_own(tmp_path: Path) -> None:
    manifest = written(tmp_path / "a", [FIRST], [], [SECOND])
    folder = UPath(tmp_path / "a")
    check_second_reading(folder, manifest, readings(SECOND_READING[:1], (), SECOND_READING[1:]))
    with pytest.raises(ArchiveMismatchError, match=r'part-00000.parquet", block 0'):
        check_second_reading(folder, manifest, readings(SECOND_READING[1:], (), SECOND_READING[:1]))


@pytest.mark.parametrize(
    ("sent", "block"),
    [
        ((SECOND_READING[0], SECOND_READING[1].replace(b"\t4\t", b"\t5\t")), 1),
        ((SECOND_READING[0].replace(b"blanks  ", b"blanks "), SECOND_READING[1]), 0),
        ((SECOND_READING[0].replace(b"\\N", b"", 1), SECOND_READING[1]), 0),
        ((SECOND_READING[1], SECOND_READING[0]), 0),
        (SECOND_READING[:1], 1),
        ((), 0),
        ((*SECOND_READING, as_text(OTHER)), 2),
    ],
)
def test_a_second_reading_that_differs_is_found_with_its_block(tmp_path: Path, sent: Sequence[bytes], block: int) -> None:
    manifest = written(tmp_path / "a")
    with pytest.raises(
        ArchiveMismatchError, match=rf"block {block}: the rows stored are not those of a second reading.*nothing is dropped"
    ):
        check_second_reading(UPath(tmp_path / "a"), manifest, readings(sent))


def test_a_second_reading_finds_what_the_decoder_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "note", exchanged(0, 1))
    manifest = written(tmp_path / "a")
    monkeypatch.undo()
    with pytest.raises(ArchiveMismatchError, match=r"block 0"):
        check_second_reading(UPath(tmp_path / "a"), manifest, readings(SECOND_READING))


def test_a_column_of_floats_that_the_server_writes_at_length_is_accepted(tmp_path: Path) -> None:
    columns = (Column("single", "real", "float4"), Column("double", "double precision", "float8"))
    block = copy_text(columns, ("3.3554448e+07", "2.6201364146243878e+17"), ("1e+06", "9.999999999999999e+22"), ("-0", "1e+15"))
    check_archive(UPath(tmp_path / "a"), written_of(tmp_path / "a", columns, block))
