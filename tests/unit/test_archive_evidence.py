"""The tally of Arrow tables: the server's measures, and a digest in which every value of every row counts."""

import pytest

from include.archive.evidence import Tally
from include.archive.format import parse_block
from include.partitioning.column import Column, Evidence

COLUMNS = (
    Column("id", "bigint", "int8"),
    Column("note", "text", "text"),
    Column("ok", "boolean", "bool"),
    Column("raw", "bytea", "bytea"),
    Column("price", "numeric(6,2)", "numeric", ((6 << 16) | 2) + 4),
    Column("day", "date", "date"),
)
ROWS = b'1,one,t,\\x01,1.10,2025-10-01\n2,"",f,\\x,2.20,1969-12-31\n3,,,,,\n'


def tallied(*blocks: bytes, columns: tuple[Column, ...] = COLUMNS) -> Tally:
    """The tally of these blocks of CSV."""
    tally = Tally(columns)
    for block in blocks:
        tally.add(parse_block(block, columns))
    return tally


def test_equal_rows_have_equal_digests_and_evidence() -> None:
    assert tallied(ROWS).digest == tallied(ROWS).digest
    assert tallied(ROWS).evidence == tallied(ROWS).evidence


def test_the_measures_are_those_of_the_server() -> None:
    assert tallied(ROWS).evidence == Evidence(
        3,
        {
            "id": {"non_null": 3, "min": 1, "max": 3, "sum": 6},
            "note": {"non_null": 2, "bytes": 3},
            "ok": {"non_null": 2},
            "raw": {"non_null": 2},
            "price": {"non_null": 2},
            "day": {"non_null": 2, "min": -1, "max": 20362},
        },
    )


def test_nothing_has_no_extremes_and_no_sum() -> None:
    empty = Tally(COLUMNS).evidence
    assert empty.rows == 0
    assert empty.columns["id"] == {"non_null": 0, "min": None, "max": None, "sum": None}
    assert tallied(b",,,,,\n").evidence.columns["note"] == {"non_null": 0, "bytes": None}


def test_measures_run_over_all_blocks() -> None:
    found = tallied(b"5,a,,,,\n", b",,,,,\n", b"-7,bc,,,,\n").evidence
    assert found.rows == 3
    assert found.columns["id"] == {"non_null": 2, "min": -7, "max": 5, "sum": 2**64 - 2}
    assert found.columns["note"] == {"non_null": 2, "bytes": 3}


def test_a_sum_beyond_64_bits_is_taken_modulo_2_to_the_64() -> None:
    big = 2**63 - 1
    assert tallied(f"{big},,,,,\n{big},,,,,\n{big},,,,,\n".encode()).evidence.columns["id"]["sum"] == 3 * big % 2**64


def test_lengths_are_bytes_and_not_characters() -> None:
    assert tallied("1,größe,,,,\n".encode()).evidence.columns["note"]["bytes"] == 7


def test_times_are_microseconds_since_1970() -> None:
    columns = (Column("at", "timestamptz", "timestamptz"), Column("id", "int8", "int8"))
    found = tallied(b"1970-01-01 00:00:01.000002+00,1\n1969-12-31 23:59:59+00,2\n", columns=columns).evidence
    assert found.columns["at"] == {"non_null": 2, "min": -1_000_000, "max": 1_000_002}


@pytest.mark.parametrize(
    "other",
    [
        b'1,"",t,\\x01,1.10,2025-10-01\n2,one,f,\\x,2.20,1969-12-31\n3,,,,,\n',  # texts exchanged
        b'2,one,t,\\x01,1.10,2025-10-01\n1,"",f,\\x,2.20,1969-12-31\n3,,,,,\n',  # ids exchanged
        b'1,one,f,\\x01,1.10,2025-10-01\n2,"",t,\\x,2.20,1969-12-31\n3,,,,,\n',  # booleans exchanged
        b'1,one,t,\\x,1.10,2025-10-01\n2,"",f,\\x01,2.20,1969-12-31\n3,,,,,\n',  # bytes exchanged
        b'1,one,t,\\x01,2.20,2025-10-01\n2,"",f,\\x,1.10,1969-12-31\n3,,,,,\n',  # prices exchanged
        b'1,one,t,\\x01,1.10,1969-12-31\n2,"",f,\\x,2.20,2025-10-01\n3,,,,,\n',  # days exchanged
        b'2,"",f,\\x,2.20,1969-12-31\n1,one,t,\\x01,1.10,2025-10-01\n3,,,,,\n',  # rows exchanged
        b"1,one,t,\\x01,1.10,2025-10-01\n2,,f,\\x,2.20,1969-12-31\n3,,,,,\n",  # '' made NULL
        b'1,one,t,\\x01,1.10,2025-10-01\n2,"",f,,2.20,1969-12-31\n3,,,,,\n',  # empty bytes made NULL
        b'1,one,t,\\x01,1.10,2025-10-01\n2,"",f,\\x,2.20,1969-12-31\n3,"",,,,\n',  # NULL made ''
        b'1,one,t,\\x01,1.10,2025-10-01\n2,"",f,\\x,2.20,1969-12-31\n3,,f,,,\n',  # NULL made false
        b'1,one,t,\\x01,1.10,2025-10-01\n2,"",f,\\x,2.20,1969-12-31\n3,,,,0.00,\n',  # NULL made 0
        b'1,one,t,\\x01,1.10,2025-10-01\n2,"",f,\\x,2.20,1969-12-31\n3,,,,,1970-01-01\n',  # NULL made the epoch
        b'1,one,t,\\x01,1.10,2025-10-01\n2,"",f,\\x,2.20,1969-12-31\n',  # a row less
    ],
)
def test_any_other_value_in_any_row_has_another_digest(other: bytes) -> None:
    assert tallied(other).digest != tallied(ROWS).digest


def test_a_character_that_moves_to_the_next_row_changes_the_digest() -> None:
    columns = (Column("a", "text", "text"), Column("b", "text", "text"))
    digests = {tallied(block, columns=columns).digest for block in (b"xy,z\nu,v\n", b"x,z\nyu,v\n", b"xy,zu\n,v\n", b"xy,z\nuv,\n")}
    assert len(digests) == 4


def test_exchanged_values_leave_the_evidence_equal_and_only_the_digest_finds_them() -> None:
    exchanged = ROWS.replace(b"1,one", b"2,one", 1).replace(b'\n2,""', b'\n1,""', 1)
    assert tallied(exchanged).evidence == tallied(ROWS).evidence
    assert tallied(exchanged).digest != tallied(ROWS).digest


def test_a_slice_counts_like_a_table_of_its_own() -> None:
    whole = parse_block(ROWS, COLUMNS)
    part, alone = Tally(COLUMNS), Tally(COLUMNS)
    part.add(whole.slice(1, 1))
    alone.add(parse_block(ROWS.split(b"\n")[1] + b"\n", COLUMNS))
    assert part.digest == alone.digest
    assert part.evidence == alone.evidence
