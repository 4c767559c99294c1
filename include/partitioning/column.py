"""A table's column, and what can be said about all its values without comparing each: the evidence of an archive."""

from dataclasses import dataclass

INTEGERS = ("int2", "int4", "int8")
TIMES = ("date", "timestamp", "timestamptz")
TEXTS = ("text", "varchar")

Measures = dict[str, int | None]
"""Of one column: `non_null`, and by its type `min`, `max`, `sum` (modulo 2^64) or `bytes`. Times are days or microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as `pg_attribute` has it, in the order of its number.

    :param base_type: `pg_type.typname` of a built-in base type, '' for everything else (arrays, domains, enums, extensions).
    :param modifier: `atttypmod`, -1 where the type has none.
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
    def measures(self) -> tuple[str, ...]:
        """Which measures the column has besides `non_null`."""
        if self.base_type in INTEGERS:
            return ("min", "max", "sum")
        if self.base_type in TIMES:
            return ("min", "max")
        return ("bytes",) if self.base_type in TEXTS else ()


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
