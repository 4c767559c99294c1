"""Laws of decoding and rendering, for rows of every native type: each is the other's inverse, and the text is the server's.

What the server would send is written here a second time, value by value and slowly, from the manual and from what it does.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.archive.buffers import payload
from include.archive.decoding import decode
from include.archive.rendering import TEXT, lines
from include.partitioning.column import Column
from include.partitioning.copy_text import QUOTE

HOSTILE = "\x01\x02\x08\t\n\x0b\x0c\r\x1f\"'\\,\x7f\u0301\ufeff\u2028ßN."
PACK = {"float8": ("d", "q", 17, 15), "float4": ("f", "i", 9, 6)}


def numeric(precision: int, scale: int) -> Column:
    """A column of type numeric(precision, scale)."""
    return Column(f"numeric_{precision}_{scale}", f"numeric({precision},{scale})", "numeric", ((precision << 16) | scale) + 4)


COLUMNS = (
    *(
        Column(each, each, each)
        for each in ("bool", "int2", "int4", "int8", "float4", "float8", "date", "timestamp", "timestamptz", "bytea", "text", "jsonb")
    ),
    numeric(6, 2),
    numeric(38, 0),
    numeric(38, 38),
    numeric(20, 10),
)


# what the server sends


def time_text(value: datetime | date) -> str:
    """ISO, without the zeros at the end of the microseconds."""
    text = value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    text, zone = text.removesuffix("+00:00"), "+00" if text.endswith("+00:00") else ""
    return (text.rstrip("0") if "." in text else text) + zone


def middles(value: float, base_type: str) -> tuple[Fraction, Fraction]:
    """The numbers halfway to the next smaller and the next larger float."""
    real, whole, _, _ = PACK[base_type]
    (bits,) = struct.unpack(whole, struct.pack(real, value))
    lower = struct.unpack(real, struct.pack(whole, bits - 1))[0] if bits else 0.0
    upper = struct.unpack(real, struct.pack(whole, bits + 1))[0]
    above = 2 * Fraction(value) - Fraction(lower) if upper == float("inf") else Fraction(upper)
    return (Fraction(value) + Fraction(lower)) / 2, (Fraction(value) + above) / 2


def shortest(value: float, base_type: str) -> Decimal:
    """The shortest number that is nearer to this positive float than to any other; never halfway between two (manual, 8.1.3)."""
    low, high = middles(value, base_type)
    for precision in range(PACK[base_type][2]):
        near = Decimal(f"{value:.{precision}e}")
        step = Decimal(1).scaleb(near.adjusted() - precision)
        inside = [each for each in (near, near - step, near + step) if low < Fraction(each) < high]
        if inside:
            return min(inside, key=lambda each: abs(Fraction(each) - Fraction(value)))
    raise AssertionError(value)


def float_text(value: float, base_type: str) -> str:
    """As float8out and float4out lay it out."""
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "NaN"
    sign = "-" if str(value).startswith("-") else ""
    if abs(value) in (0.0, float("inf")):
        return sign + ("0" if value == 0 else "Infinity")
    found = shortest(abs(value), base_type).normalize()
    if -5 < found.adjusted() < PACK[base_type][3]:
        return f"{sign}{found:f}"
    digits = "".join(map(str, found.as_tuple().digits))
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{sign}{digits[0]}{fraction}e{'-' if found.adjusted() < 0 else '+'}{abs(found.adjusted()):02}"


def value_text(value: object, column: Column) -> str:
    """What the type's output function says; text is what no native type holds."""
    match value:
        case bool():
            text = "t" if value else "f"
        case float():
            text = float_text(value, column.base_type)
        case date():
            text = time_text(value)
        case bytes():
            text = "\\x" + value.hex()
        case Decimal():
            text = f"{value:f}"
        case _:
            text = str(value)
    return text


def csv_field(value: object, column: Column) -> str:
    """As COPY writes it in CSV with every text quoted."""
    if value is None:
        return ""
    text = value_text(value, column)
    return text if column.is_native else QUOTE + text.replace(QUOTE, QUOTE * 2) + QUOTE


def text_field(value: object, column: Column) -> str:
    """As COPY writes it in its own text format."""
    escapes = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    return "\\N" if value is None else "".join(escapes.get(character, character) for character in value_text(value, column))


# rows


def single(value: float) -> float:
    """The same number, as near as four bytes hold it."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def halfway(bits: int) -> st.SearchStrategy[float]:
    """Whole numbers with one digit of precision more than a float has; many have a short text that is the middle of two floats."""
    return st.builds(lambda number, tens: float(number * 10**tens), st.integers(2**bits, 2 ** (bits + 6)), st.integers(0, 12))


def decimals(precision: int, scale: int) -> st.SearchStrategy[object]:
    """Every value that the type has, NaN among them."""
    limit = 10**precision - 1
    whole = st.one_of(st.integers(-limit, limit), st.sampled_from([0, 1, -1, limit, -limit]), st.integers(-1000, 1000))
    return st.one_of(whole.map(lambda number: Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -scale))), st.just("NaN"))


texts = st.one_of(
    st.text(st.sampled_from(HOSTILE)),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    st.sampled_from(["NULL", "\\N", "\\.", "", " ", QUOTE, "NaN", "t"]),
)
extremes = ["0001-01-01", "9999-12-31T23:59:59.999999", "1969-12-31T23:59:59.999999", "2025-10-20T10:00:00.1"]
moments = st.one_of(st.datetimes(), st.sampled_from([datetime.fromisoformat(each) for each in extremes]))
doubles = st.one_of(st.floats(), halfway(54), st.integers(0, 2046).map(lambda power: 2.0 ** (power - 1023)))
singles = st.one_of(st.floats(width=32), halfway(25).map(single), st.integers(0, 253).map(lambda power: 2.0 ** (power - 126)))
beyond = ["infinity", "-infinity"]
VALUES: dict[str, st.SearchStrategy[object]] = {
    "bool": st.booleans(),
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "float4": singles,
    "float8": doubles,
    "date": st.one_of(st.dates(), st.sampled_from([date.min, date.max, *beyond, "0044-03-15 BC", "10000-01-01", "5874897-12-31"])),
    "timestamp": st.one_of(moments, st.sampled_from([*beyond, "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"])),
    "timestamptz": st.one_of(
        moments.map(lambda moment: moment.replace(tzinfo=UTC)), st.sampled_from([*beyond, "0001-12-31 23:59:59.5+00 BC"])
    ),
    "bytea": st.binary(),
    "text": texts,
    "jsonb": texts,
    **{column.name: decimals(*column.decimal) for column in COLUMNS if column.decimal is not None},
}
rows = st.lists(st.tuples(*(st.one_of(VALUES[column.name], VALUES[column.name], st.none()) for column in COLUMNS)), max_size=8)


def sent(rows: Sequence[Sequence[object]]) -> bytes:
    """The rows as the server sends them."""
    return "".join(",".join(map(csv_field, row, COLUMNS)) + "\n" for row in rows).encode()


def text_of(table: pa.Table) -> bytes:
    """The rows as we write them."""
    return bytes(payload(lines(table, COLUMNS)))


@settings(max_examples=120, deadline=None)
@given(rows.filter(bool))
@example([(None,) * len(COLUMNS)])
def test_what_was_sent_is_written_again_to_the_byte(rows: list[tuple[object, ...]]) -> None:
    assert text_of(decode(sent(rows), COLUMNS)) == sent(rows)


@settings(max_examples=50, deadline=None)
@given(rows.filter(bool))
def test_a_table_that_was_written_is_decoded_to_itself(rows: list[tuple[object, ...]]) -> None:
    table = decode(sent(rows), COLUMNS)
    again = decode(text_of(table), COLUMNS)
    assert again.schema == table.schema
    for name in table.column_names:  # value by value: NaN is equal to itself here, and a zero has a sign
        assert list(map(repr, again.column(name).to_pylist())) == list(map(repr, table.column(name).to_pylist()))


@settings(max_examples=50, deadline=None)
@given(rows.filter(bool))
def test_each_value_is_in_its_column_or_in_its_companion_and_never_in_both(rows: list[tuple[object, ...]]) -> None:
    table = decode(sent(rows), COLUMNS)
    companions = [column for column in COLUMNS if column.has_companion]
    for place, column in enumerate(COLUMNS):
        native: list[object] = table.column(place).to_pylist()
        text: list[object] = (
            table.column(len(COLUMNS) + companions.index(column)).to_pylist() if column in companions else [None] * len(rows)
        )
        expected = [row[place] for row in rows]
        is_beside = [column.has_companion and isinstance(value, str) for value in expected]
        assert text == [value if beside else None for value, beside in zip(expected, is_beside, strict=True)]
        own = [None if beside else value for value, beside in zip(expected, is_beside, strict=True)]
        assert [csv_field(value, column) for value in native] == [csv_field(value, column) for value in own]
        assert [type(value) for value in native] == [type(value) for value in own]


@settings(max_examples=50, deadline=None)
@given(rows.filter(bool), st.data())
def test_any_slice_is_written_like_its_rows_alone(rows: list[tuple[object, ...]], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(rows)))
    length = data.draw(st.integers(0, len(rows) - first))
    assert text_of(decode(sent(rows), COLUMNS).slice(first, length)) == sent(rows[first : first + length])


@settings(max_examples=50, deadline=None)
@given(rows.filter(bool))
def test_the_text_format_is_the_servers_too(rows: list[tuple[object, ...]]) -> None:
    written = lines(decode(sent(rows), COLUMNS), COLUMNS, TEXT).to_pylist()
    assert written == ["\t".join(map(text_field, row, COLUMNS)) + "\n" for row in rows]


def floats_written(base_type: str, values: list[float]) -> list[str]:
    """A column of floats as we write it."""
    kind = pa.float64() if base_type == "float8" else pa.float32()
    found: list[str] = lines(pa.table([pa.array(values, kind)], names=["c"]), (Column("c", base_type, base_type),)).to_pylist()
    return [line.removesuffix("\n") for line in found]


@settings(max_examples=100, deadline=None)
@given(st.lists(doubles, min_size=1, max_size=20))
@example([1e23, -20034855448587448.0, 262013641462438784.0, 2.0**-44, 5e-324, 9007199254740993.0])
def test_a_double_is_written_as_the_server_writes_it(values: list[float]) -> None:
    assert floats_written("float8", values) == [float_text(value, "float8") for value in values]


@settings(max_examples=100, deadline=None)
@given(st.lists(singles, min_size=1, max_size=20))
@example([33554448.0, -37214528.0, 475004416.0, 2.0**-149, 137619.375])
def test_a_single_is_written_as_the_server_writes_it(values: list[float]) -> None:
    assert floats_written("float4", values) == [float_text(value, "float4") for value in values]
