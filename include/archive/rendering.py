r"""From Arrow back to COPY text: what an archive is proven by, and what is loaded again.

This is another way than `decoding` went: no function of that module is used, so a fault there shows here as text that the server
never sent. Times are written from their fields, decimals from their digits, floats as the shortest text that reads back as
the same number, in PostgreSQL's layout (float8out, float4out with extra_float_digits = 1).
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from include.archive.buffers import payload, whole
from include.archive.schema import Field, fields_of
from include.partitioning.column import FLOATS, Column
from include.partitioning.copy_text import QUOTE

_FIXED_FROM = 1e-4
_FIXED_BELOW = {"float8": 1e10, "float4": 1e6}
"""Between these both print a float without an exponent; outside of them Arrow's layout is not PostgreSQL's."""

_FIXED_DIGITS = {"float8": 15, "float4": 6}
"""Decimal exponents from which PostgreSQL writes one (ryu's double_to_shortest_decimal_buf and its float sister)."""

_MANTISSA = {"float8": 53, "float4": 24}
"""Binary digits of a float."""

_MOST_FIVES, _MOST_FIVES_BELOW = 23, 2
"""The highest power of ten that the shortest digits of a float may be multiplied with, or divided by, to lie halfway between two floats."""

_SCIENTIFIC = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?")
_ESCAPED = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_MOST_PLAIN_SCALE = 6
"""Arrow writes decimals with smaller leading digits than 10^-6 with an exponent."""


@dataclass(frozen=True, slots=True)
class Form:
    """How COPY writes a value: CSV, or its own text format (manual, COPY, File Formats)."""

    delimiter: str
    null: str
    quoted: bool

    def finished(self, text: pa.Array, *, native: bool) -> pa.Array:
        """The value as it stands in a line; NULL stays NULL."""
        if self.quoted:
            return text if native else _quoted(text)
        return pc.fill_null(_escaped(text), self.null)


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
        parts += [form.finished(text, native=field.column.is_native), form.delimiter]
    parts[-1] = "\n"
    return pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="")


def _text(native: pa.Array, beside: pa.Array | None, field: Field) -> pa.Array:
    """What the type's output function says."""
    text = _renderer(field.column)(native)
    return text if beside is None or beside.null_count == len(beside) else pc.coalesce(text, beside)


def _renderer(column: Column) -> Callable[[pa.Array], pa.Array]:
    if column.decimal is not None:
        return _decimal_text
    if column.base_type in FLOATS:
        return lambda array: _float_text(array, column.base_type)
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
    return _mended(text, pc.match_substring(text, "E"), lambda value: f"{Decimal(value):f}")


def _float_text(array: pa.Array, base_type: str) -> pa.Array:
    size = pc.abs(array)
    plain = pc.or_(pc.and_(pc.greater_equal(size, _FIXED_FROM), pc.less(size, _FIXED_BELOW[base_type])), pc.equal(size, 0.0))
    return _mended(_plain_text(array), pc.invert(plain), lambda text: _float_layout(text, base_type))


def _float_layout(text: str, base_type: str) -> str:
    """Arrow's text of a float, laid out as PostgreSQL does; both write the shortest digits that read back as the same number.

    They differ where these lie halfway between two floats: such digits Arrow takes and PostgreSQL does not (ryu's acceptBounds).
    """
    match = _SCIENTIFIC.fullmatch(text)
    if match is None:
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)
    sign, whole_part, fraction = match[1], match[2], match[3] or ""
    digits = (whole_part + fraction).lstrip("0")
    exponent = int(match[4] or 0) + len(digits) - len(fraction) - 1
    digits, exponent = _off_the_middle(digits.rstrip("0") or "0", exponent, _MANTISSA[base_type])
    if -5 < exponent < _FIXED_DIGITS[base_type]:
        return sign + _fixed(digits, exponent)
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _off_the_middle(digits: str, exponent: int, mantissa: int) -> tuple[str, int]:
    """The digits, unless they are the very middle between two floats: then the shortest that are nearer to ours than to any other.

    :param exponent: decimal, of the first digit.
    :param mantissa: binary digits of a float; a middle has one more.
    """
    unit = exponent - len(digits) + 1
    if not -_MOST_FIVES_BELOW <= unit <= _MOST_FIVES:
        return digits, exponent
    odd, rest = (int(digits) * 5**unit, 0) if unit >= 0 else divmod(int(digits), 5**-unit)
    odd >>= (odd & -odd).bit_length() - 1 if odd else 0
    if rest or odd.bit_length() != mantissa + 1:
        return digits, exponent
    middle = Fraction(int(digits)) * Fraction(10) ** unit
    half = middle / odd
    # The digits are read as the neighbour whose mantissa is even. Below a power of two floats are twice as close as above it.
    if odd % 4 == 3:
        ours = middle + half
        return _shortest_between(middle, ours + (half * 2 if odd == 2 ** (mantissa + 1) - 1 else half), ours)
    ours = middle - half
    return _shortest_between(ours - (half / 2 if odd == 2**mantissa + 1 else half), middle, ours)


def _shortest_between(low: Fraction, high: Fraction, ours: Fraction) -> tuple[str, int]:
    """Digits and decimal exponent of the shortest number between two others, neither included, and of those the nearest to `ours`."""
    power = len(str(int(high)))
    while True:
        unit = Fraction(10) ** power
        near = [number for number in (ours // unit, ours // unit + 1) if low < number * unit < high]
        if near:
            digits = str(min(near, key=lambda each: (abs(each * unit - ours), each % 2)))
            return digits.rstrip("0"), power + len(digits) - 1
        power -= 1


def _fixed(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    if len(digits) <= exponent + 1:
        return digits + "0" * (exponent + 1 - len(digits))
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def _mended(text: pa.Array, mask: pa.Array, mend: Callable[[str], str]) -> pa.Array:
    """The texts, with those under the mask mended one by one."""
    mask = pc.fill_null(mask, False)
    if not pc.any(mask, min_count=0).as_py():
        return text
    mended = [mend(each) for each in pc.filter(text, mask).to_pylist()]
    return pc.replace_with_mask(text, mask, pa.array(mended, pa.string()))


def _quoted(text: pa.Array) -> pa.Array:
    if _has(text, QUOTE):
        text = pc.replace_substring(text, QUOTE, QUOTE * 2)
    return pc.binary_join_element_wise(QUOTE, text, QUOTE, "")


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
