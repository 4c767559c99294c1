"""A table's column: how it travels into an archive, and what can be said about all its values without comparing each."""

from dataclasses import dataclass

INTEGERS = ("int2", "int4", "int8")
FLOATS = ("float4", "float8")
TIMES = ("date", "timestamp", "timestamptz")
TEXTS = ("text", "varchar")

HIGHEST_PRECISION = 38
"""Digits that a 128-bit decimal holds."""

Measures = dict[str, int | None]
"""Of one column: `non_null`, and by its type `min`, `max`, `sum` (modulo 2^64) or `bytes`.

Times are days or microseconds since 1970, numerics are multiplied by 10^scale.
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as `pg_attribute` has it, in the order of its number.

    :param base_type: `pg_type.typname` of a built-in base type, or of the one below a domain; '' for everything else.
    :param modifier: `atttypmod`, or a domain's; -1 where the type has none.
    """

    name: str
    type: str
    base_type: str = ""
    modifier: int = -1
    not_null: bool = False
    generated: bool = False
    identity: bool = False
    default_expression: str | None = None

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Precision and scale of a numeric that a 128-bit decimal holds, with 0 ≤ scale ≤ precision ≤ 38; None for all other columns.

        The modifier packs both, the scale in 11 signed bits (numeric.c).
        """
        if self.base_type != "numeric" or self.modifier < 4:
            return None
        precision = ((self.modifier - 4) >> 16) & 0xFFFF
        scale = (((self.modifier - 4) & 0x7FF) ^ 1024) - 1024
        return (precision, scale) if precision <= HIGHEST_PRECISION and 0 <= scale <= precision else None

    @property
    def is_native(self) -> bool:
        """Whether it travels as a type of its own, rather than as text."""
        return self.base_type in ("bool", "bytea", *INTEGERS, *FLOATS, *TIMES) or self.decimal is not None

    @property
    def has_companion(self) -> bool:
        """Whether its type has values that the native one has not: infinite times, years before 1 and after 9999, a NaN."""
        return self.base_type in TIMES or self.decimal is not None

    @property
    def measures(self) -> tuple[str, ...]:
        """Which measures the column has besides `non_null`."""
        if self.base_type in INTEGERS or self.decimal is not None:
            return ("min", "max", "sum")
        if self.base_type in TIMES:
            return ("min", "max")
        return ("bytes",) if self.base_type in (*TEXTS, "bytea") else ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rows of a table or of an archive add up to; equal for equal content, whoever computes it."""

    rows: int
    columns: dict[str, Measures]

    def differences(self, other: "Evidence") -> list[str]:
        """A line for each measure that differs: what this one says, and what the other says."""
        lines = [] if self.rows == other.rows else [f"rows: {self.rows} and {other.rows}"]
        for name in sorted(self.columns.keys() | other.columns.keys()):
            mine, theirs = self.columns.get(name, {}), other.columns.get(name, {})
            lines += [
                f'column "{name}", {key}: {mine.get(key)} and {theirs.get(key)}'
                for key in sorted(mine | theirs)
                if mine.get(key) != theirs.get(key)
            ]
        return lines
