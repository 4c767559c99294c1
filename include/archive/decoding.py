"""From COPY text to Arrow: the way that rows take into an archive.

Everything is read as text first and then converted, column by column. Nothing is rounded or wrapped on purpose; that nothing
was in fact is shown afterwards, by `proof`, which does not use this module.
"""

import binascii
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from include.archive.buffers import payload, whole
from include.archive.schema import Field, fields_of, schema_of
from include.partitioning.column import Column
from include.partitioning.copy_text import QUOTE
from include.partitioning.errors import ArchiveError

_ORDINARY = {
    "date": r"^\d{4}-\d\d-\d\d$",
    "timestamp": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$",
    "timestamptz": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$",
    "numeric": r"^-?\d+(\.\d+)?$",
}
"""How a value looks that the native type holds; all others go to the companion."""

_HEX_PREFIX = 2


def decode(block: bytes | bytearray, columns: Sequence[Column]) -> pa.Table:
    """Whole rows of COPY text as a table with the schema of `schema_of`.

    :raises ArchiveError: it is not the text that COPY writes for these columns.
    """
    texts = _texts(block, columns)
    schema = schema_of(columns)
    arrays: list[pa.Array | None] = [None] * len(schema)
    for field in fields_of(columns):
        try:
            native, beside = _native(texts.column(field.place), field)
        except (pa.ArrowInvalid, ValueError) as error:
            raise ArchiveError(
                f'column "{field.column.name}" of type {field.column.type} holds text that is none of its type: {error}; nothing is dropped'
            ) from error
        arrays[field.place] = native
        if field.companion is not None:
            arrays[field.companion] = beside
    return pa.Table.from_arrays(arrays, schema=schema)


def _texts(block: bytes | bytearray, columns: Sequence[Column]) -> pa.Table:
    # Columns are addressed by position, because a table may have names that CSV readers take for something else.
    places = [str(index) for index in range(len(columns))]
    try:
        return csv.read_csv(
            pa.py_buffer(block),
            read_options=csv.ReadOptions(column_names=places, block_size=len(block) + 4, use_threads=False),
            parse_options=csv.ParseOptions(quote_char=QUOTE, newlines_in_values=True, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise ArchiveError(f"the rows cannot be read: {error}; nothing is dropped") from error


def _native(text: pa.ChunkedArray, field: Field) -> tuple[pa.Array | pa.ChunkedArray, pa.Array | pa.ChunkedArray | None]:
    """The native values, and as text those that the native type does not have."""
    base_type = field.column.base_type
    if not field.column.is_native:
        return text, None
    if base_type == "bool":
        return pc.equal(text, "t"), None
    if base_type == "bytea":
        return _bytes(text), None
    if field.companion is None:
        return pc.cast(text, field.arrow_type), None
    try:  # nearly all blocks have ordinary values only, and looking at each would take longer than all else
        return pc.cast(text, field.arrow_type), pa.nulls(len(text), pa.string())
    except pa.ArrowInvalid:
        ordinary = pc.match_substring_regex(text, _ORDINARY[base_type])
        return pc.cast(pc.if_else(ordinary, text, None), field.arrow_type), pc.if_else(ordinary, None, text)


def _bytes(text: pa.ChunkedArray) -> pa.Array:
    r"""`bytea` comes as hexadecimal text, `\x6162`: all values behind one another are decoded at once, and cut by their lengths."""
    digits = whole(pc.utf8_slice_codeunits(text, _HEX_PREFIX))
    lengths = pc.fill_null(pc.divide(pc.binary_length(digits), 2), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    values = pa.py_buffer(binascii.unhexlify(payload(digits)))
    return pa.Array.from_buffers(pa.binary(), len(digits), [digits.is_valid().buffers()[1], offsets.buffers()[1], values])
