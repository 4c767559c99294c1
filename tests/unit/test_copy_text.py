"""The form in which rows travel, and the digest of many rows that does not depend on their order."""

import random

import pytest

from include.partitioning.column import Column
from include.partitioning.copy_text import QUOTE, RowDigest, quoted_columns

ROWS = [f"{number},{QUOTE}x{QUOTE}\n".encode() for number in range(100)]


def digest(rows: list[bytes]) -> RowDigest:
    """The digest of these rows."""
    found = RowDigest()
    found.add(rows)
    return found


def test_columns_that_travel_as_text_are_quoted_and_native_ones_are_not() -> None:
    columns = [
        Column("id", "bigint", "int8"),
        Column("note", "text", "text"),
        Column("at", "timestamp with time zone", "timestamptz"),
        Column("tags", "text[]"),
        Column("price", "numeric(6,2)", "numeric", 393222),
        Column("exact", "numeric", "numeric"),
    ]
    assert quoted_columns(columns) == ["note", "tags", "exact"]
    assert quoted_columns(columns[:1]) == []


def test_the_quote_is_one_byte_that_is_no_delimiter_and_no_line_end() -> None:
    assert len(QUOTE.encode()) == 1
    assert QUOTE not in ',\r\n\\"'


def test_the_order_of_the_rows_does_not_matter() -> None:
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert shuffled != ROWS
    assert digest(shuffled) == digest(ROWS)


def test_it_does_not_matter_in_how_many_portions_rows_come() -> None:
    parts = RowDigest()
    for first in range(0, len(ROWS), 7):
        parts.add(ROWS[first : first + 7])
    parts.add([])
    assert parts == digest(ROWS)
    assert parts.rows == len(ROWS)


def test_bytes_and_views_of_bytes_are_the_same_rows() -> None:
    views = RowDigest()
    views.add(memoryview(row) for row in ROWS)
    assert views == digest(ROWS)


@pytest.mark.parametrize(
    "other",
    [
        ROWS[:-1],
        [*ROWS, ROWS[0]],
        [*ROWS[:-1], ROWS[0]],
        [*ROWS, b"\n"],
        [*ROWS[:-1], ROWS[-1].replace(b"x", b"y")],
        [*ROWS[:-1], ROWS[-1].replace(QUOTE.encode(), b"")],
        [*ROWS[:-2], ROWS[-2] + ROWS[-1]],
        [],
    ],
)
def test_a_row_less_more_twice_joined_or_changed_makes_another_digest(other: list[bytes]) -> None:
    assert digest(other) != digest(ROWS)


def test_a_character_that_moves_to_the_next_row_makes_another_digest() -> None:
    assert digest([b"xy,z\n", b"u,v\n"]) != digest([b"x,z\n", b"yu,v\n"])


def test_rows_that_come_twice_do_not_cancel_each_other() -> None:
    assert digest([b"a\n", b"a\n"]) != digest([b"b\n", b"b\n"])
    assert digest([b"a\n", b"a\n"]) != RowDigest()


def test_no_rows_and_only_rows_of_nothing_differ() -> None:
    assert str(RowDigest()) == "0" * 32
    assert RowDigest() != digest([b"\n"])


def test_a_digest_is_written_as_32_hexadecimal_digits_however_many_rows() -> None:
    for rows in ([b"1\n"], ROWS, ROWS * 20):
        assert len(str(digest(rows))) == 32
        assert int(str(digest(rows)), 16) < 2**128


def test_a_digest_is_nothing_else_and_has_no_hash_because_it_changes() -> None:
    assert digest(ROWS) != str(digest(ROWS))
    with pytest.raises(TypeError, match="unhashable"):
        {digest(ROWS): 1}
