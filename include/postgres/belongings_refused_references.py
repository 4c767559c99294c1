"""Foreign keys that refer to a table, publications that it is in, and owners of either: what of it cannot be handed over."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection, sql

from include.postgres.belongings import Belongings
from include.postgres.belongings_holders import IncomingReference, Publication, Reader
from include.postgres.queries import rows
from include.postgres.statements import named

NOT_VALID_BY_PARTITIONED_SINCE = 180000


def refused_references(
    connection: Connection[Any], belongings: Belongings, key: str | None, *, widen: bool, managed: bool
) -> Iterator[str]:
    """A sentence for each."""
    for reference in belongings.incoming:
        yield from _reference(belongings, reference, key, widen=widen)
    subscribed = any(each["kind"] == "logical" and each["here"] for each in rows(connection, "slots"))
    for publication in belongings.publications:
        yield from _publication(belongings, publication, key, unmanaged=subscribed and not managed)
    for reader in belongings.readers:
        yield from _owner_of_reader(belongings, reader)


def _reference(belongings: Belongings, reference: IncomingReference, key: str | None, *, widen: bool) -> Iterator[str]:
    """The drop is for who accepts that nothing checks such a reference any more."""
    what = f'the foreign key "{reference.name}" of "{reference.table}"'
    drop = f"ALTER TABLE {named(reference.table).as_string()} DROP CONSTRAINT {sql.Identifier(reference.name).as_string()}"
    if key is not None and reference.to_itself:
        yield f"{what} refers to the table itself, which is not taken along to a partitioned one; to go without it: {drop}"
        return
    if not _is_unique(belongings, reference, key, widen=widen):
        columns = ", ".join(f'"{each}"' for each in reference.referenced)
        yield (
            f'{what} refers to {columns} of "{belongings.name}", which will not be unique by itself: a unique key of a partitioned table has '
            f'"{key}" in it; let it refer to that as well, or, to go without it: {drop}'
        )
    if reference.from_partitioned and not reference.to_itself and belongings.server_version < NOT_VALID_BY_PARTITIONED_SINCE:
        yield (
            f"{what} is that of a partitioned table, and before PostgreSQL 18 can only be made while all its rows are checked under a lock; "
            f"drop it, and make it anew afterwards: {drop}"
        )
    if not reference.to_itself and not reference.may:
        yield f'{what} belongs to "{reference.owner}", which we cannot become; GRANT that role to us'
    if not reference.may_refer:
        yield (
            f'{what} belongs to "{reference.owner}", which may not refer to "{belongings.name}" any more; '
            f"GRANT REFERENCES ON {named(belongings.name).as_string()} TO {sql.Identifier(reference.owner).as_string()}"
        )


def _is_unique(belongings: Belongings, reference: IncomingReference, key: str | None, *, widen: bool) -> bool:
    """Whether the new table has a unique key of the very columns that are referred to."""
    for each in belongings.valid_indexes:
        if each.is_unique and not each.is_partial and not each.deferrable:
            columns = {*each.columns, key} if each.is_widened(key, widen=widen) else set(each.columns)
            if columns == set(reference.referenced):
                return True
    return False


def _publication(belongings: Belongings, publication: Publication, key: str | None, *, unmanaged: bool) -> Iterator[str]:
    what, table = f'the publication "{publication.name}"', belongings.name
    via_root = f"ALTER PUBLICATION {sql.Identifier(publication.name).as_string()} SET (publish_via_partition_root = true)"
    if publication.of_all:
        yield f"{what} is FOR ALL TABLES, so it would publish the new table while it is being filled; name its tables, or their schemas, instead"
        return
    if publication.named and publication.role is None:
        yield f'{what} and "{table}" have owners that no role has both of whom we can become; GRANT one of them to the other, or both to us'
    if key is None:
        return
    if publication.columns is not None and key not in publication.columns:
        yield (
            f'{what} has a column list for "{table}" without "{key}", which will be part of the primary key by which subscribers find a row; '
            "add it to the list, or leave the list out"
        )
    if publication.via_root:
        return
    if publication.columns is not None or publication.filter is not None:
        yield f'{what} has a column list or a filter for "{table}", which a partitioned table can have only if it is published as itself; {via_root}'
    elif unmanaged:
        yield (
            f'{what} would publish each partition of "{table}" as a table of its own, and a subscriber that lacks one stops; {via_root}, or '
            "see to it that subscribers have them and say so: subscriber_partitions: managed"
        )


def _owner_of_reader(belongings: Belongings, reader: Reader) -> Iterator[str]:
    sort = "view" if reader.is_view else "function"
    what = f'the {sort} "{reader.signature}" reads "{belongings.name}" and must be made anew as "{reader.owner}", '
    if not reader.may:
        yield f"{what}which we cannot become; GRANT that role to us"
    if not reader.may_create:
        yield (
            f"{what}which may not create anything in its schema; GRANT CREATE ON SCHEMA {sql.Identifier(reader.name.schema).as_string()} "
            f"TO {sql.Identifier(reader.owner).as_string()}"
        )
