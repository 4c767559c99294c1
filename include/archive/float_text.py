"""Floats as PostgreSQL prints them: the shortest digits that read back as the same number (float4out, float8out; ryu)."""

import re
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from include.archive.buffers import mended

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


def float_text(array: pa.Array, base_type: str) -> pa.Array:
    """Each value's text; NULL stays NULL. Most are laid out by Arrow as PostgreSQL does it; the others are mended one by one.

    :param base_type: float4 or float8.
    """
    size = pc.abs(array)
    plain = pc.or_(pc.and_(pc.greater_equal(size, _FIXED_FROM), pc.less(size, _FIXED_BELOW[base_type])), pc.equal(size, 0.0))
    return mended(pc.cast(array, pa.string()), pc.invert(plain), lambda text: _float_layout(text, base_type))


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
