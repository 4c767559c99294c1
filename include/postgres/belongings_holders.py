"""What others have that holds on to a table: references, views and functions, publications; and what its partitions have by themselves."""

from dataclasses import dataclass

from include.partitioning.names import TableName


@dataclass(frozen=True, slots=True)
class IncomingReference:
    """A foreign key of another table, or of this one, to this one.

    :param row_security_forced: on either table, so that their owners do not see all rows.
    :param may: whether we may become the owner of that table.
    :param may_refer: whether that owner may refer to this table today.
    """

    name: str
    oid: int
    table: TableName
    owner: str
    from_partitioned: bool
    to_itself: bool
    definition: str
    validated: bool
    enforced: bool
    referenced: tuple[str, ...]
    row_security_forced: bool
    comment: str | None
    may: bool
    may_refer: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """A view that reads the table, or a function with an SQL-standard body that does; both hold on to it by its OID.

    :param definition: of a view: its query; of a function: the whole CREATE OR REPLACE.
    :param signature: with argument types, for a function; as a view has it, its name.
    :param may: whether we may become its owner.
    :param may_create: whether that owner may create anything in its schema, which replacing it takes.
    """

    is_view: bool
    oid: int
    name: TableName
    signature: str
    owner: str
    options: tuple[str, ...]
    definition: str
    may: bool
    may_create: bool


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication that the table is in.

    :param named: by name; otherwise with its schema, or, with `of_all`, with every table.
    :param columns: None for all.
    :param role: who may change it; None if we can become nobody who does.
    """

    name: str
    of_all: bool
    named: bool
    via_root: bool
    columns: tuple[str, ...] | None
    filter: str | None
    role: str | None


@dataclass(frozen=True, slots=True)
class PartitionsOwn:
    """Something that one partition has by itself, not by way of its parent."""

    partition: TableName
    sort: str
    what: str
