"""Arrow's memory, in one piece and as bytes."""

import pyarrow as pa
import pytest

from include.archive.buffers import payload, whole


def test_a_column_in_one_piece_is_not_copied() -> None:
    array = pa.array(["a", "b"])
    assert whole(array) is array
    assert whole(pa.chunked_array([array])).buffers()[2].address == array.buffers()[2].address


@pytest.mark.parametrize("pieces", [[], [["a"]], [["a"], [], ["b", None]]])
def test_the_pieces_of_a_column_become_one(pieces: list[list[str | None]]) -> None:
    joined = whole(pa.chunked_array([pa.array(piece, pa.string()) for piece in pieces], pa.string()))
    assert isinstance(joined, pa.Array)
    assert joined.to_pylist() == [value for piece in pieces for value in piece]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()])
def test_the_payload_is_the_bytes_of_all_values(kind: pa.DataType) -> None:
    assert bytes(payload(pa.array(["ab", None, "", "größe"], kind))) == "abgröße".encode()


def test_the_payload_of_a_slice_is_only_its_own() -> None:
    array = pa.array(["one", "two", None, "three"])
    assert bytes(payload(array.slice(1, 2))) == b"two"
    assert bytes(payload(array.slice(3))) == b"three"
    assert bytes(payload(array.slice(4))) == b""


@pytest.mark.parametrize("values", [[], [None], [None, None], [""]])
def test_no_values_and_empty_values_have_no_payload(values: list[str | None]) -> None:
    assert bytes(payload(pa.array(values, pa.string()))) == b""
    assert bytes(payload(pa.nulls(len(values), pa.string()))) == b""
