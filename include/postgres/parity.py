"""Where partitions of one table are not alike: what a person would find out when a query is slow, or a subscriber stops, in one of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from psycopg import Connection

from include.partitioning.partition import Kind, Partition, PartitionedTable
from include.postgres.queries import rows

Trait = tuple[str, str | None]
"""A sort, and the name where there can be several of the sort."""

_SAID_BY_PARENT = frozenset(
    {
        "tablespace",
        "access method",
        "storage of column",
        "compression of column",
        "default of column",
        "NOT NULL of column",
        "statistics object",
        "comment on",
    }
)
"""What a new partition has of the parent by PostgreSQL's own rules: where it has that, the sibling is the odd one."""

_AT_ONCE = 100
"""Partitions whose traits are read together."""

_NAMED = 3
"""Partitions that a sentence names."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One trait that is not the same. `found` and `expected` are None where the partition, or its sibling, has none of the kind."""

    trait: Trait
    found: str | None
    expected: str | None

    def sentence(self, partitions: Sequence[Partition], sibling: Partition) -> str:
        """For a person, of all partitions that differ in the same way."""
        sort, name = self.trait
        what = sort if name is None else f"{sort} {name}"
        names = ", ".join(f'"{each.name}"' for each in partitions[:_NAMED])
        more = f" and {len(partitions) - _NAMED} more" if len(partitions) > _NAMED else ""
        if self.found is None:
            return f'the {what} of "{sibling.name}" is missing on {names}{more}'
        if self.expected is None:
            return f'the {what} is on {names}{more}, but not on "{sibling.name}"'
        return f'the {what} is {self.found} on {names}{more}, but {self.expected} on "{sibling.name}"'


def differences(
    connection: Connection[Any], table: PartitionedTable, partitions: Sequence[Partition], sibling: Partition
) -> dict[Difference, list[Partition]]:
    """By difference, the partitions that have it; one query for every hundred of them, and no lock but ACCESS SHARE.

    Not compared are names of objects, who granted a privilege, and checks of the partition key alone, which bound a partition.
    """
    found: dict[Difference, list[Partition]] = {}
    for batch in _batches(partitions):
        traits = _traits(connection, table, [table.oid, sibling.oid, *(each.oid for each in batch)])
        for partition in batch:
            for difference in _compared(traits[partition.oid], traits[sibling.oid], traits[table.oid]):
                found.setdefault(difference, []).append(partition)
    return found


def report(connection: Connection[Any], table: PartitionedTable, partitions: Sequence[Partition], sibling: Partition) -> list[str]:
    """The same, as one sentence for each difference."""
    found = differences(connection, table, partitions, sibling)
    return sorted(difference.sentence(those, sibling) for difference, those in found.items())


def upcoming_findings(connection: Connection[Any], table: PartitionedTable, reference: datetime) -> list[str]:
    """How upcoming partitions differ from the newest that has begun: what was changed there after they were made.

    :param reference: on the key's axis; partitions that begin after it are upcoming.
    """
    ordinary = [(each, each.bounds.lower > reference) for each in table.partitions if _is_ordinary(each) and each.bounds is not None]
    begun = [each for each, upcoming in ordinary if not upcoming]
    upcoming = [each for each, upcoming in ordinary if upcoming]
    return report(connection, table, upcoming, begun[-1]) if begun and upcoming else []


def _is_ordinary(partition: Partition) -> bool:
    return partition.kind is Kind.TABLE and not partition.detach_pending


def _batches(partitions: Sequence[Partition]) -> Iterator[list[Partition]]:
    left = iter(partitions)
    while batch := list(islice(left, _AT_ONCE)):
        yield batch


def _traits(connection: Connection[Any], table: PartitionedTable, oids: Sequence[int]) -> dict[int, dict[Trait, str]]:
    traits: dict[int, dict[Trait, str]] = {oid: {} for oid in oids}
    for each in rows(connection, "traits", oids=list(oids), key=table.key):
        traits[each["oid"]][each["sort"], each["name"]] = each["value"]
    return traits


def _compared(partition: Mapping[Trait, str], sibling: Mapping[Trait, str], parent: Mapping[Trait, str]) -> Iterator[Difference]:
    for trait in sorted({*partition, *sibling}, key=str):
        found, expected = partition.get(trait), sibling.get(trait)
        as_the_parent_says = trait[0] in _SAID_BY_PARENT and found is not None and found == parent.get(trait)
        if found != expected and not as_the_parent_says:
            yield Difference(trait, found, expected)
