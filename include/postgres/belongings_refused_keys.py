"""Keys, unique constraints and exclusion constraints that a table partitioned by a column cannot have as they are."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection, sql

from include.postgres.belongings import Belongings, Index
from include.postgres.queries import row
from include.postgres.statements import named

EXCLUSION_OF_PARTITIONED_SINCE = 170000


def refused_keys(connection: Connection[Any], belongings: Belongings, key: str | None, *, widen: bool) -> Iterator[str]:
    """A sentence for each; nothing where the new table is an ordinary one."""
    if key is None:
        return
    yield from _key(connection, belongings, key)
    for each in belongings.valid_indexes:
        if each.excludes or each.constraint == "x":
            yield from _excluding(belongings, each, key)
        elif each.is_unique and key not in each.columns:
            yield from _unique(belongings, each, key, widen=widen)


def _key(connection: Connection[Any], belongings: Belongings, key: str) -> Iterator[str]:
    found = row(connection, "belongings_key", oid=belongings.oid, key=key)
    table, column = named(belongings.name).as_string(), _quoted(key)
    if found is None:
        yield f'"{belongings.name}" has no column "{key}" to partition it by'
        return
    if found["generated"]:
        yield f'"{key}" of "{belongings.name}" is a generated column, by which a table cannot be partitioned; choose another one'
    if found["identity"]:
        yield f'"{key}" of "{belongings.name}" is an identity column, which says nothing of time; choose another one'
    if not found["not_null"]:
        yield (
            f'"{key}" of "{belongings.name}" can be NULL, and no partition takes such a row; nobody waits if it is done so: '
            f"ALTER TABLE {table} ADD CONSTRAINT key_not_null CHECK ({column} IS NOT NULL) NOT VALID; "
            f"ALTER TABLE {table} VALIDATE CONSTRAINT key_not_null; ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL; "
            f"ALTER TABLE {table} DROP CONSTRAINT key_not_null"
        )


def _unique(belongings: Belongings, index: Index, key: str, *, widen: bool) -> Iterator[str]:
    what = _what(belongings, index)
    if index.constraint != "p" and not widen:
        yield (
            f'the {what} does not include "{key}", and that of a partitioned table must; let it be widened, so that it holds within one '
            f'value of "{key}" only, or drop it: {_drop(belongings, index)}'
        )
    elif index.constraint is None and key in index.included:
        yield f'the {what} has "{key}" behind INCLUDE, where it cannot stay when it is widened; make it anew without that'


def _excluding(belongings: Belongings, index: Index, key: str) -> Iterator[str]:
    what = _what(belongings, index)
    if belongings.server_version < EXCLUSION_OF_PARTITIONED_SINCE:
        yield f"the {what} cannot be on a partitioned table before PostgreSQL 17; drop it: {_drop(belongings, index)}"
    elif (key, "=") not in zip(index.columns, index.operators, strict=False):
        yield f'the {what} does not compare "{key}" with =, and that of a partitioned table must; drop it: {_drop(belongings, index)}'


def _what(belongings: Belongings, index: Index) -> str:
    sort = {"p": "primary key", "u": "unique constraint", "x": "exclusion constraint", None: "unique index"}[index.constraint]
    return f'{sort} "{index.name}" of "{belongings.name}"'


def _drop(belongings: Belongings, index: Index) -> str:
    if index.constraint is None:
        return f"DROP INDEX CONCURRENTLY {sql.Identifier(belongings.name.schema, index.name).as_string()}"
    return f"ALTER TABLE {named(belongings.name).as_string()} DROP CONSTRAINT {_quoted(index.name)}"


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()
