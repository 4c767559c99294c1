"""What will be different once another table has taken a table's place, for a person to read before anything runs."""

from collections.abc import Iterator

from include.postgres.belongings import Belongings, Index


def explanations(belongings: Belongings, key: str | None, *, widen: bool = True) -> list[str]:
    """A sentence for each.

    :param key: the new table is partitioned by; None: it is an ordinary one.
    :param widen: as for `keys_and_indexes`.
    """
    return [
        *(line for each in belongings.valid_indexes for line in _index(belongings, each, key, widen=widen)),
        *_left_out(belongings, key),
        *_handed_over(belongings),
        *_of_partitions(belongings, key),
    ]


def _index(belongings: Belongings, index: Index, key: str | None, *, widen: bool) -> Iterator[str]:
    if key is None or not index.is_widened(key, widen=widen):
        return
    before = ", ".join(each or "…" for each in index.columns)
    sort = "primary key" if index.constraint == "p" else "unique key"
    yield (
        f'the {sort} "{index.name}" of "{belongings.name}" becomes ({before}, {key}): ON CONFLICT ({before}) must become '
        f"ON CONFLICT ({before}, {key}), two rows may have the same {before} with another {key}, and a foreign key must refer to both"
    )


def _left_out(belongings: Belongings, key: str | None) -> Iterator[str]:
    table = belongings.name
    for each in belongings.indexes:
        if not each.is_valid:
            yield f'the index "{each.name}" of "{table}" is not valid, and is not made anew'
        elif each.is_clustered and key is not None:
            yield f'"{table}" is marked to be clustered by "{each.name}", which a partitioned table cannot be'
    if key is not None:
        yield from _of_partitioned(belongings)
    elif belongings.is_partitioned:
        yield f'"{table}" becomes one table: storage parameters and tablespaces of its partitions stay behind'
        yield f'the keys of "{table}" stay as they are, with the partition key in them'


def _of_partitioned(belongings: Belongings) -> Iterator[str]:
    table, template = belongings.name, belongings.template
    for check in belongings.checks:
        if check.no_inherit:
            yield f'the constraint "{check.name}" of "{table}" loses NO INHERIT, which a partitioned table refuses'
    if template.options or template.toast_options:
        yield f'storage parameters of "{table}" become those of each partition'
    if template.unlogged:
        yield f'"{table}" is unlogged; its partitions are, and the partitioned table itself holds nothing'
    if belongings.triggers:
        yield f'row triggers of "{table}" fire for the partition in which a row is: TG_TABLE_NAME and TG_RELID are the partition\'s'


def _handed_over(belongings: Belongings) -> Iterator[str]:
    table = belongings.name
    for each in belongings.readers:
        yield f'the {"view" if each.is_view else "function"} "{each.signature}" holds on to "{table}", and is replaced in the same transaction'
    for reference in belongings.incoming:
        late = ", NOT VALID until it is validated right afterwards" if reference.validated else ""
        yield f'the foreign key "{reference.name}" of "{reference.table}" to "{table}" is made anew in the same transaction{late}'
    for publication in belongings.publications:
        if publication.named:
            yield f'the publication "{publication.name}" has the new "{table}" from that transaction on; the copy of its rows is not published'


def _of_partitions(belongings: Belongings, key: str | None) -> Iterator[str]:
    """New partitions are made like the newest old one, as any new partition is."""
    goes = "which does not go along" if key is None else "which goes along only where the newest partition has it"
    for each in belongings.of_partitions:
        yield f'the partition "{each.partition}" has a {each.sort} of its own, "{each.what}", {goes}'
