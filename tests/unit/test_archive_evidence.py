"""What the rows of an archive add up to: the measures of the server, over all tables, in whatever order they come."""

import random

import pyarrow as pa
import pytest

from include.archive.decoding import decode
from include.archive.evidence import Tally
from include.partitioning.column import Column, Evidence, Measures
from tests.unit.sample_archive import BLOCKS, COLUMNS, EVIDENCE, copy_text, numeric, of


def tallied(columns: tuple[Column, ...], *blocks: bytes) -> Evidence:
    """The evidence of these blocks."""
    tally = Tally(columns)
    for block in blocks:
        tally.add(decode(block, columns))
    return tally.evidence


def measured(column: Column, *texts: str | None) -> Measures:
    """The measures of one column with these values."""
    columns = (column, of("int4", "id"))
    return tallied(columns, copy_text(columns, *((text, "1") for text in texts))).columns[column.name]


def test_the_measures_are_those_of_the_server() -> None:
    assert tallied(COLUMNS, *BLOCKS) == EVIDENCE


def test_the_order_of_the_tables_does_not_matter() -> None:
    assert tallied(COLUMNS, *reversed(BLOCKS)) == EVIDENCE


def test_nothing_has_no_extremes_no_sum_and_no_bytes() -> None:
    empty = Tally(COLUMNS).evidence
    assert empty.rows == 0
    assert empty.columns["id"] == {"non_null": 0, "min": None, "max": None, "sum": None}
    assert measured(of("text"), None) == {"non_null": 0, "bytes": None}
    assert measured(numeric(6, 2), None) == {"non_null": 0, "min": None, "max": None, "sum": None}


def test_a_table_without_rows_adds_nothing() -> None:
    tally = Tally(COLUMNS)
    tally.add(decode(BLOCKS[0], COLUMNS).slice(0, 0))
    assert tally.evidence == Tally(COLUMNS).evidence


def test_tables_without_values_do_not_hide_the_values_of_others() -> None:
    columns = (of("int8", "id"), of("text", "note"))
    found = tallied(columns, b",\n", copy_text(columns, ("5", "a")), b",\n", copy_text(columns, ("-7", "bc")))
    assert found.rows == 4
    assert found.columns["id"] == {"non_null": 2, "min": -7, "max": 5, "sum": 2**64 - 2}
    assert found.columns["note"] == {"non_null": 2, "bytes": 3}


@pytest.mark.parametrize("base_type", ["int2", "int4", "int8"])
def test_integers_are_added_without_their_own_limit(base_type: str) -> None:
    largest = 2 ** (8 * int(base_type[3:]) - 1) - 1
    texts = [str(largest)] * 5
    assert measured(of(base_type), *texts)["sum"] == 5 * largest % 2**64


def test_a_sum_over_several_tables_is_taken_modulo_2_to_the_64_as_well() -> None:
    columns = (of("int8", "id"),)
    block = f"{2**63 - 1}\n".encode()
    assert tallied(columns, *[block] * 3).columns["id"]["sum"] == 3 * (2**63 - 1) % 2**64


def test_lengths_are_bytes_and_not_characters() -> None:
    assert measured(of("text"), "größe", "")["bytes"] == 7
    assert measured(of("bytea"), "\\x00ff", "\\x")["bytes"] == 2


@pytest.mark.parametrize(
    ("column", "texts", "low", "high"),
    [
        (of("timestamptz"), ["1970-01-01 00:00:01.000002+00", "1969-12-31 23:59:59+00"], -1_000_000, 1_000_002),
        (of("timestamp"), ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"], -62_135_596_800_000_000, 253_402_300_799_999_999),
        (of("date"), ["1969-12-31", "2025-10-01"], -1, 20362),
    ],
)
def test_times_are_days_or_microseconds_since_1970(column: Column, texts: list[str], low: int, high: int) -> None:
    assert measured(column, *texts) == {"non_null": 2, "min": low, "max": high}


@pytest.mark.parametrize(
    ("column", "ordinary", "others"),
    [
        (of("date"), "1970-01-02", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"]),
        (of("timestamptz"), "1970-01-01 00:00:00.000001+00", ["infinity", "-infinity"]),
        (numeric(6, 2), "0.01", ["NaN"]),
    ],
)
def test_values_beside_the_native_ones_are_counted_and_not_measured(column: Column, ordinary: str, others: list[str]) -> None:
    found = measured(column, *others, ordinary, None)
    assert (found["non_null"], found["min"], found["max"]) == (len(others) + 1, 1, 1)
    alone = measured(column, *others)
    assert (alone["non_null"], alone["min"], alone["max"]) == (len(others), None, None)


def test_numerics_are_multiplied_by_their_scale() -> None:
    assert measured(numeric(6, 2), "1.10", "-9999.99", "0.00") == {"non_null": 3, "min": -999_999, "max": 110, "sum": 2**64 - 999_889}
    assert measured(numeric(6, 0), "5") == {"non_null": 1, "min": 5, "max": 5, "sum": 5}


@pytest.mark.parametrize("scale", [0, 2, 20, 38])
def test_all_38_digits_of_a_numeric_count(scale: int) -> None:
    whole = int("9" * 37 + "7")
    text = f"{'9' * (38 - scale) or '0'}.{('9' * 38)[: scale - 1]}7" if scale else str(whole)
    found = measured(numeric(38, scale), text, text)
    assert found == {"non_null": 2, "min": whole, "max": whole, "sum": 2 * whole % 2**64}


def test_columns_of_other_types_are_only_counted() -> None:
    for base_type in ("bool", "float4", "float8", "uuid", "jsonb", "numeric", ""):
        text = {"bool": "t", "uuid": "a", "jsonb": "{}"}.get(base_type, "1")
        assert measured(Column("c", base_type or "my_domain", base_type), text, None) == {"non_null": 1}


def test_merging_is_adding() -> None:
    parts = [Tally(COLUMNS) for _ in BLOCKS]
    for tally, block in zip(parts, BLOCKS, strict=True):
        tally.add(decode(block, COLUMNS))
    merged = Tally(COLUMNS)
    merged.merge(Tally(COLUMNS))
    for tally in reversed(parts):
        merged.merge(tally)
    assert merged.evidence == EVIDENCE


def test_a_slice_counts_like_a_table_of_its_own() -> None:
    table = pa.concat_tables([decode(block, COLUMNS) for block in BLOCKS])
    for first in range(len(table)):
        part, rest = Tally(COLUMNS), Tally(COLUMNS)
        part.add(table.slice(0, first))
        rest.add(table.slice(first))
        part.merge(rest)
        assert part.evidence == EVIDENCE


def test_exchanged_values_leave_the_evidence_equal_which_is_why_it_is_not_the_only_witness() -> None:
    columns = (of("int8", "id"), of("text", "note"))
    rows = [(str(number), "x" * number) for number in range(20)]
    notes = [note for _, note in rows]
    random.Random(1).shuffle(notes)
    exchanged = [(number, note) for (number, _), note in zip(rows, notes, strict=True)]
    assert exchanged != rows
    assert tallied(columns, copy_text(columns, *rows)) == tallied(columns, copy_text(columns, *exchanged))
