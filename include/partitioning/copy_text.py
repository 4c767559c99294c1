"""The one form in which rows pass between PostgreSQL and an archive: COPY's CSV, with control characters for quotes.

Columns that travel as text are always quoted, native ones never are, NULL is nothing. The quote is a byte that hardly any
text has, so that text (JSON above all) passes without being doubled; a text that has it is doubled as in any CSV
(manual, COPY, CSV format). The same text is what an archive is proven by, and what is loaded again.
"""

import hashlib
from collections.abc import Iterable, Sequence

from include.partitioning.column import Column

QUOTE = "\x01"

_MODULUS = 2**128


def quoted_columns(columns: Sequence[Column]) -> list[str]:
    """Names for FORCE_QUOTE: the columns that travel as text."""
    return [column.name for column in columns if not column.is_native]


class RowDigest:
    """A digest of many rows that does not depend on their order: the sum of each row's BLAKE2b-128, modulo 2^128.

    Rows are COPY text with their newline. Equal for two sets of rows if and only if they hold the same rows equally often
    (up to a chance of 2^-128).
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Iterable[bytes | memoryview]) -> None:
        """Take in rows."""
        count, total = 0, 0
        for each in rows:
            count += 1
            total += int.from_bytes(hashlib.blake2b(each, digest_size=16).digest(), "little")
        self.rows += count
        self._sum = (self._sum + total) % _MODULUS

    def __eq__(self, other: object) -> bool:
        """Whether both have the same rows, equally often."""
        return isinstance(other, RowDigest) and (self.rows, self._sum) == (other.rows, other._sum)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __str__(self) -> str:
        """The sum, as 32 hexadecimal digits."""
        return f"{self._sum:032x}"
