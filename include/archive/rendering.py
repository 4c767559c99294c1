r"""From Arrow back to COPY text: what an archive is proven by, and what is loaded again.

This is another way than `decoding` went: no function of that module is used, so a fault there shows here as text that the server
never sent. Times are written from their fields, decimals from their digits, floats as the shortest text that reads back as
the same number, in PostgreSQL's layout (float8out, float4out with extra_float_digits = 1).
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from include.archive.buffers import mended, payload, whole
from include.archive.float_text import float_text
from include.archive.schema import Field, fields_of
from include.partitioning.column import FLOATS, Column
from include.partitioning.copy_text import QUOTE

_ESCAPED = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_MOST_PLAIN_SCALE = 6
"""Arrow writes decimals with smaller leading digits than 10^-6 with an exponent."""


@dataclass(frozen=True, slots=True)
class Form:
    """How COPY writes a value: CSV, or its own text format (manual, COPY, File Formats)."""

    delimiter: str
    null: str
    quoted: bool

    def parts(self, text: pa.Array, *, native: bool) -> "list[pa.Array | str]":
        """What to put behind one another for the value as it stands in a line; a NULL adds nothing, or is replaced already."""
        if not self.quoted:
            return [pc.fill_null(_escaped(text), self.null)]
        if native:
            return [text]
        doubled = pc.replace_substring(text, QUOTE, QUOTE * 2) if _has(text, QUOTE) else text
        if text.null_count:  # quotes must not stand around nothing
            return [pc.binary_join_element_wise(QUOTE, doubled, QUOTE, "")]
        return [QUOTE, doubled, QUOTE]


CSV = Form(",", "", quoted=True)
TEXT = Form("\t", "\\N", quoted=False)


def lines(table: pa.Table, columns: Sequence[Column], form: Form = CSV, only: Collection[str] | None = None) -> pa.Array:
    """Each row as COPY writes it, with its newline.

    :param table: with the schema of `schema_of(columns)`.
    :param only: names of the columns wanted; None: all.
    """
    parts: list[pa.Array | str] = []
    for field in fields_of(columns):
        if only is not None and field.column.name not in only:
            continue
        beside = None if field.companion is None else whole(table.column(field.companion))
        text = _text(whole(table.column(field.place)), beside, field)
        parts += [*form.parts(text, native=field.column.is_native), form.delimiter]
    parts[-1] = "\n"
    return pc.binary_join_element_wise(*_merged(parts), "", null_handling="replace", null_replacement="")


def _merged(parts: list[pa.Array | str]) -> list[pa.Array | str]:
    """Constants that stand side by side as one: each part costs a step for every row."""
    merged: list[pa.Array | str] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _text(native: pa.Array, beside: pa.Array | None, field: Field) -> pa.Array:
    """What the type's output function says."""
    text = _renderer(field.column)(native)
    return text if beside is None or beside.null_count == len(beside) else pc.coalesce(text, beside)


def _renderer(column: Column) -> Callable[[pa.Array], pa.Array]:
    if column.decimal is not None:
        return _decimal_text
    if column.base_type in FLOATS:
        return lambda array: float_text(array, column.base_type)
    return _RENDERERS.get(column.base_type, _plain_text)


def _plain_text(array: pa.Array) -> pa.Array:
    return pc.cast(array, pa.string())


def _boolean_text(array: pa.Array) -> pa.Array:
    return pc.if_else(array, "t", "f")


def _timestamp_text(array: pa.Array) -> pa.Array:
    """Microseconds are written without the zeros at their end, and not at all when there are none."""
    text = pc.cast(pc.cast(array, pa.timestamp("us")), pa.string())
    return pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".")


def _timestamptz_text(array: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(_timestamp_text(array), "+00", "")


def _bytes_text(array: pa.Array) -> pa.Array:
    r"""`\x`, and two digits a byte: all values behind one another are encoded at once, and cut by their lengths."""
    digits = pa.py_buffer(payload(array).hex().encode("ascii"))
    lengths = pc.fill_null(pc.multiply(pc.binary_length(array), 2), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    text = pa.Array.from_buffers(pa.string(), len(array), [array.is_valid().buffers()[1], offsets.buffers()[1], digits])
    return pc.binary_join_element_wise("\\x", text, "")


def _decimal_text(array: pa.Array) -> pa.Array:
    text = pc.cast(array, pa.string())
    if array.type.scale <= _MOST_PLAIN_SCALE:
        return text
    return mended(text, pc.match_substring(text, "E"), lambda value: f"{Decimal(value):f}")


def _escaped(text: pa.Array) -> pa.Array:
    """COPY's text format writes a backslash and a letter for some control characters, and two for a backslash."""
    for character, escape in _ESCAPED.items():
        if _has(text, character):
            text = pc.replace_substring(text, character, escape)
    return text


def _has(text: pa.Array, character: str) -> bool:
    return re.search(re.escape(character.encode()), payload(text)) is not None


_RENDERERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "bool": _boolean_text,
    "timestamp": _timestamp_text,
    "timestamptz": _timestamptz_text,
    "bytea": _bytes_text,
}
