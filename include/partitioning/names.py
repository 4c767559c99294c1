"""Names of tables: reading them as a person writes them, and naming partitions within 63 bytes."""

import hashlib
import re
from dataclasses import dataclass

from include.partitioning.errors import BadArgumentError

MAX_IDENTIFIER_BYTES = 63
"""PostgreSQL cuts longer identifiers with only a NOTICE (manual 4.1.1), so nothing longer is ever sent."""

_PLAIN_PART = re.compile(r"[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*")
_PART = re.compile(r'"((?:[^"]|"")+)"|([^".\s]+)')


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A schema-qualified relation name, both parts exactly as the catalog stores them."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "TableName":
        """Read `schema.table`, each part plain or in double quotes.

        An unquoted part must be lower case: PostgreSQL would fold it, and a policy that says
        `Core.Sessions` is more often a mistake than a wish.

        :raises BadArgumentError: no schema, an empty or too long part, an unquoted part that needs quotes.
        """
        parts = _split(text)
        if len(parts) != 2:
            raise BadArgumentError(f'"{text}" is not a table name; write it as schema.table, such as core.sessions')
        return cls(*parts)

    def __str__(self) -> str:
        """The name as `parse` reads it, quoted only where it must be."""
        return f"{_quoted(self.schema)}.{_quoted(self.name)}"


def _split(text: str) -> list[str]:
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        parts.append(_part(match, text))
        position = match.end()
        if position == len(text):
            return parts
        if text[position] != ".":
            break
        position += 1
    raise BadArgumentError(f'"{text}" is not a table name; write it as schema.table, with double quotes around parts that need them')


def _part(match: re.Match[str], text: str) -> str:
    quoted, plain = match.groups()
    part: str = quoted.replace('""', '"') if quoted is not None else plain
    if quoted is None and not _PLAIN_PART.fullmatch(part):
        raise BadArgumentError(f'"{part}" in "{text}" needs double quotes if it is meant so, or lower case letters if not')
    if len(part.encode()) > MAX_IDENTIFIER_BYTES or "\x00" in part:
        raise BadArgumentError(f'"{part}" in "{text}" is longer than the {MAX_IDENTIFIER_BYTES} bytes that PostgreSQL keeps of a name')
    return part


def _quoted(part: str) -> str:
    plain = _PLAIN_PART.fullmatch(part) and not any(character.isspace() for character in part)
    return part if plain else '"' + part.replace('"', '""') + '"'


def fitted(stem: str, suffix: str) -> str:
    """`stem + suffix`, at most 63 bytes long, unique for each stem.

    Where it would be longer the stem is cut at a character boundary and six hexadecimal digits of its
    SHA-256 take the place of what was cut, so that two long tables with a common beginning stay apart.
    """
    if len((stem + suffix).encode()) <= MAX_IDENTIFIER_BYTES:
        return stem + suffix
    digest = "_" + hashlib.sha256(stem.encode()).hexdigest()[:6]
    room = MAX_IDENTIFIER_BYTES - len((digest + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore") + digest + suffix
