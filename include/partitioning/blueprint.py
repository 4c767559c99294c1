"""What it takes to build a table like one that is gone: its columns, and what is built onto them once the rows are in."""

from dataclasses import dataclass
from typing import Literal

from include.partitioning.column import Column


@dataclass(frozen=True, slots=True)
class TableObject:
    """A constraint or an index, without the name of its table.

    :param definition: what the server printed behind `ADD CONSTRAINT name`, or behind `CREATE INDEX … ON table`.
    """

    sort: Literal["constraint", "foreign key", "index", "unique index"]
    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Columns in their order, then objects in an order in which they can be built."""

    columns: tuple[Column, ...]
    objects: tuple[TableObject, ...]
